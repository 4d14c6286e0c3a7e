"""Verifies webhooks: the form of Standard Webhooks (https://www.standardwebhooks.com)."""

from __future__ import annotations

import base64
import hashlib
import hmac
import json
import re
import time
from typing import Any, Iterable, List, Mapping, NamedTuple, Optional, Union

from .errors import BursarError
from .types import JobWebhook, NotificationWebhook

PREFIX = "whsec_"

# The lengths of a secret that the specification allows, in bytes.
SHORTEST, LONGEST = 24, 64

# Seconds by which a message may be old or ahead: a recorded message must not be of use later.
TOLERANCE_SECONDS = 300


class WebhookError(BursarError):
    """The message is not to be believed. Answer 401.

    code: `missing_header`, `invalid_timestamp`, `too_old`, `too_new`, `no_matching_signature` or `invalid_body`.
    """

    def __init__(self, code: str):
        super().__init__(f"the webhook is refused: {code}")
        self.code = code


class WebhookEvent(NamedTuple):
    """A message that was verified."""

    #: The same at each delivery: recognise repetitions by it.
    id: str
    #: When this delivery was sent, in seconds since 1970.
    sent_at: int
    #: The message. `payload["type"]` says which one it is.
    payload: Union[JobWebhook, NotificationWebhook]


class Webhook:
    """Verifies messages by one secret, or during a rotation by several (`whsec_…`)."""

    def __init__(self, secrets: Union[str, Iterable[str]], tolerance: int = TOLERANCE_SECONDS):
        texts = [secrets] if isinstance(secrets, str) else list(secrets)
        if not texts:
            raise ValueError("there is no secret to verify with")
        self._keys: List[bytes] = [_key(text) for text in texts]
        self._tolerance = tolerance

    def verify(self, headers: Mapping[str, str], body: bytes, now: Optional[float] = None) -> WebhookEvent:
        """The message. `body` is the request's body as it arrived, byte by byte.

        Raises `WebhookError`.
        """
        named = {name.lower(): value for name, value in headers.items()}
        id, timestamp, signature = (named.get(f"webhook-{name}") or "" for name in ("id", "timestamp", "signature"))
        if not (id and timestamp and signature):
            raise WebhookError("missing_header")
        if not re.fullmatch(r"[0-9]{1,12}", timestamp):
            raise WebhookError("invalid_timestamp")
        age = int(time.time() if now is None else now) - int(timestamp)
        if abs(age) > self._tolerance:
            raise WebhookError("too_old" if age > 0 else "too_new")
        if not self._is_signed(f"{id}.{timestamp}.".encode() + body, signature):
            raise WebhookError("no_matching_signature")
        return WebhookEvent(id, int(timestamp), _payload(body))

    def _is_signed(self, signed: bytes, header: str) -> bool:
        digests = [hmac.new(key, signed, hashlib.sha256).digest() for key in self._keys]
        expected = [b"v1," + base64.b64encode(digest) for digest in digests]
        is_signed = False
        for signature in header.encode().split(b" "):
            for one in expected:  # all of them, in constant time
                is_signed |= hmac.compare_digest(one, signature)
        return is_signed


def _key(secret: str) -> bytes:
    try:
        key = base64.b64decode(secret[len(PREFIX) :], validate=True) if secret.startswith(PREFIX) else b""
    except ValueError:
        key = b""
    if not SHORTEST <= len(key) <= LONGEST:
        raise ValueError(f"a secret must be {PREFIX} and {SHORTEST} to {LONGEST} bytes in base64")
    return key


def _payload(body: bytes) -> Any:
    try:
        payload = json.loads(body)
    except ValueError:
        payload = None
    if not isinstance(payload, dict):
        raise WebhookError("invalid_body")
    return payload
