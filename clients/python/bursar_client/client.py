"""The client: one method for each thing that a producer does, and the one place that repeats requests."""

from __future__ import annotations

import http.client
import json
import random
import ssl
import time
from typing import Any, List, NamedTuple, Optional, Sequence, Tuple, cast
from urllib.parse import quote, urlsplit

from .errors import NotSettledError, UnavailableError, problem_of
from .retry_after import seconds_of
from .types import SETTLED, Accepted, BatchOutcomes, Job, NewJob

VERSION = "0.1.0"

# The pause before the first repetition; it doubles up to the other one. Each is shortened at random by up to a half, so that clients
# that failed together do not come back together.
FIRST_PAUSE_SECONDS = 0.2
LONGEST_PAUSE_SECONDS = 5.0

# The longest wait of one request: proxies cut connections that are silent for longer.
LONGEST_WAIT_SECONDS = 30

# The most bytes of a reply. The outcomes of 1,000 jobs are far smaller.
MAX_REPLY_BYTES = 64 * 1024 * 1024


class Reply(NamedTuple):
    status: int
    reason: str
    retry_after: Optional[str]
    body: bytes


class Client:
    """A client of one server. It has no state, so threads may share it.

    url: where the server is, for example `https://bursar.example`.
    token: a token of the role `producer`.
    timeout: seconds for one attempt's connection and for each silence in its reply.
    retry_for: seconds within which a request is repeated. No attempt begins later.
    context: the trust for `https`; by default the system's.
    """

    def __init__(
        self,
        url: str,
        token: str,
        *,
        timeout: float = 15.0,
        retry_for: float = 120.0,
        context: Optional[ssl.SSLContext] = None,
    ):
        parts = urlsplit(url)
        if parts.scheme not in ("http", "https") or not parts.hostname or parts.query or parts.fragment:
            raise ValueError("url must be http://HOST or https://HOST, with a port or path where they are needed")
        self._url = parts
        self._token = token
        self._timeout = timeout
        self._retry_for = retry_for
        self._context = context

    def submit(self, job: NewJob) -> Accepted:
        """Submits a job. The outcome is `new`, or `existing` if the same job was stored before; both mean that it is accepted.

        Choose `platform_no` before the first call and keep it: it identifies the payment in every repetition.

        Raises `ConflictError`, `ProblemError`, `UnavailableError`.
        """
        return cast(Accepted, self._call("POST", "/v1/jobs", _encoded(job), self._deadline(), self._timeout))

    def batch(self, jobs: Sequence[NewJob]) -> BatchOutcomes:
        """Submits up to 1,000 jobs. There is an outcome for each, in order; a refused job keeps none of the others back.

        Raises `ProblemError` if the batch itself is refused, and `UnavailableError`.
        """
        body = _encoded({"jobs": list(jobs)})
        return cast(BatchOutcomes, self._call("POST", "/v1/jobs", body, self._deadline(), self._timeout))

    def get(self, account: str, kind: str, platform_no: str) -> Job:
        """Reads a job.

        Raises `ProblemError` (the type `not-found` if there is no such job) and `UnavailableError`.
        """
        return cast(Job, self._call("GET", _path(account, kind, platform_no), None, self._deadline(), self._timeout))

    def wait(self, account: str, kind: str, platform_no: str, within: float = 600.0) -> Job:
        """Reads a job once it has ended or needs review, after `within` seconds at the latest.

        Raises `NotSettledError` if the job has not ended by then, `ProblemError`, and `UnavailableError` if it was never read.
        """
        deadline, path = time.monotonic() + within, _path(account, kind, platform_no)
        job: Optional[Job] = None
        while True:
            began = time.monotonic()
            if job is not None and began >= deadline:
                raise NotSettledError(job)
            text, seconds = _wait(deadline - began)
            try:
                job = cast(Job, self._call("GET", f"{path}?wait={text}", None, deadline, seconds + self._timeout))
            except UnavailableError as error:
                if job is None:
                    raise
                raise NotSettledError(job) from error
            if job["state"] in SETTLED:
                return job
            if time.monotonic() - began < seconds / 2:  # the server drains: another one will answer
                time.sleep(_pause(0))

    def _deadline(self) -> float:
        return time.monotonic() + self._retry_for

    def _call(self, method: str, path: str, body: Optional[bytes], deadline: float, timeout: float) -> Any:
        """The reply's JSON. The identical request is repeated after a lost connection or reply, 429 and 5xx."""
        attempts = 0
        while True:
            problem, cause, retry_after = None, None, 0.0
            try:
                reply = self._exchange(method, path, body, timeout)
                parsed = _parsed(reply.body)
                if 200 <= reply.status < 300:
                    if isinstance(parsed, dict):
                        return parsed
                    why = "the reply is not Bursar's"
                else:
                    problem = problem_of(reply.status, reply.reason, parsed, reply.body.decode("utf-8", "replace"))
                    if reply.status != 429 and reply.status < 500:
                        raise problem
                    why, retry_after = str(problem), seconds_of(reply.retry_after)
            except (OSError, http.client.HTTPException) as error:  # timeouts and lost connections are OSErrors
                cause, why = error, str(error) or type(error).__name__
            pause = max(_pause(attempts), retry_after)
            if time.monotonic() + pause >= deadline:
                raise UnavailableError(_unknown(method, why), problem) from cause
            time.sleep(pause)
            attempts += 1

    def _exchange(self, method: str, path: str, body: Optional[bytes], timeout: float) -> Reply:
        """One attempt, over a separate connection: without redirects, for they would make another request of a POST."""
        connection = self._connection(timeout)
        try:
            headers = {"Authorization": f"Bearer {self._token}", "User-Agent": f"bursar-client-python/{VERSION}"}
            if body is not None:
                headers["Content-Type"] = "application/json"
            connection.request(method, self._url.path.rstrip("/") + path, body=body, headers=headers)
            response = connection.getresponse()
            received = response.read(MAX_REPLY_BYTES)
            if response.length:  # the connection ended before the reply did, or the reply is over the bound
                raise http.client.IncompleteRead(received, response.length)
            return Reply(response.status, response.reason, response.getheader("Retry-After"), received)
        finally:
            connection.close()

    def _connection(self, timeout: float) -> http.client.HTTPConnection:
        host, port = cast(str, self._url.hostname), self._url.port
        if self._url.scheme == "https":
            return http.client.HTTPSConnection(host, port, timeout=timeout, context=self._context)
        return http.client.HTTPConnection(host, port, timeout=timeout)


def _encoded(value: Any) -> bytes:
    """Written once for all attempts, so that each has the same bytes."""
    return json.dumps(value, ensure_ascii=False, allow_nan=False, separators=(",", ":")).encode("utf-8")


def _parsed(body: bytes) -> Any:
    try:
        return json.loads(body)
    except ValueError:
        return None


def _path(account: str, kind: str, platform_no: str) -> str:
    names: List[str] = [quote(name, safe="") for name in (account, kind, platform_no)]
    return f"/v1/jobs/{'/'.join(names)}"


def _wait(seconds: float) -> Tuple[str, float]:
    """A `wait` of the API, and its seconds."""
    if seconds >= 1:
        whole = min(int(seconds), LONGEST_WAIT_SECONDS)
        return f"{whole}s", float(whole)
    millis = max(int(seconds * 1000), 0)
    return f"{millis}ms", millis / 1000


def _pause(attempts: int) -> float:
    ceiling: float = min(FIRST_PAUSE_SECONDS * 2.0 ** min(attempts, 16), LONGEST_PAUSE_SECONDS)
    return ceiling * random.uniform(0.5, 1.0)


def _unknown(method: str, why: str) -> str:
    if method == "POST":
        return f"whether Bursar has the job is unknown, so submit the same job again: {why}"
    return f"Bursar cannot be read: {why}"
