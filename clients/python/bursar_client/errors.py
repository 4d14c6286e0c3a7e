"""The ways in which a call ends without its result."""

from __future__ import annotations

from typing import Any, Dict, List, Optional

from .types import FieldError, Job, Problems


class BursarError(Exception):
    """Every error of this package."""


class ProblemError(BursarError):
    """Bursar has refused the request, as a problem of RFC 9457. The same request would be refused again."""

    def __init__(self, members: Dict[str, Any]):
        super().__init__(f"{members['title']} ({members['status']}): {members['detail']}")
        #: Every member of the problem.
        self.members = members
        #: The kind of refusal: one of `Problems`, or `about:blank` where the refusal is not Bursar's.
        self.type: str = members["type"]
        self.title: str = members["title"]
        self.status: int = members["status"]
        #: The refusal in a sentence, for people.
        self.detail: str = members["detail"]
        #: Every field that breaks a rule, where the type is `invalid`.
        self.errors: List[FieldError] = members.get("errors") or []


class ConflictError(ProblemError):
    """Another job has this key or this business key. Nothing is stored."""

    def __init__(self, members: Dict[str, Any]):
        super().__init__(members)
        #: The key of the job that was submitted first.
        self.first: Optional[str] = members.get("first")
        #: The fields that differ from that job's, where it has this key.
        self.fields: List[str] = members.get("fields") or []


class UnavailableError(BursarError):
    """No reply that says the outcome until the deadline. A submitted job may be stored: submit the same job again."""

    def __init__(self, message: str, problem: Optional[ProblemError] = None):
        super().__init__(message)
        #: The last refusal that may be repeated (429, 5xx); `None` if the last attempt had no reply.
        self.problem = problem


class NotSettledError(BursarError):
    """The job has not ended within the time. It may still be paid: never pay it under another key."""

    def __init__(self, job: Job):
        super().__init__(f"{job['platform_no']} is still {job['state']}")
        #: The job as it was read last.
        self.job = job


def problem_of(status: int, reason: str, json: Any, text: str) -> ProblemError:
    """The problem in a reply; one of the type `about:blank` where another program than Bursar has replied."""
    members = dict(json) if isinstance(json, dict) else {}
    members.setdefault("type", "about:blank")
    members.setdefault("title", reason or "HTTP error")
    members.setdefault("detail", text[:200])
    members["status"] = status
    conflicts = (Problems.KEY_CONFLICT, Problems.BUSINESS_KEY_CONFLICT)
    return ConflictError(members) if members["type"] in conflicts else ProblemError(members)
