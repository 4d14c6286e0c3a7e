# Generated from the server's /openapi.json by clients/generate.py. Do not edit.
"""The words of the interface: states, kinds, types of problems."""

from typing import Literal

# The kind of a job.
Kind = Literal[
    "bill_upload",
    "transfer",
    "split",
    "withdrawal",
]

# The state of a job.
State = Literal[
    "queued",
    "in_doubt",
    "pending",
    "needs_review",
    "succeeded",
    "failed",
    "refunded",
    "cancelled",
]

# How durably it is stored: in Redis's memory, on its disk, or at its replicas.
Durability = Literal[
    "fast",
    "local",
    "replicated",
]

WebhookType = Literal[
    "job.needs_review",
    "job.succeeded",
    "job.failed",
    "job.refunded",
    "job.cancelled",
    "notification.received",
]

# The kind of a refusal. A `type` never changes its meaning.
ProblemType = Literal[
    "urn:bursar:problem:unauthenticated",
    "urn:bursar:problem:forbidden",
    "urn:bursar:problem:not-found",
    "urn:bursar:problem:method-not-allowed",
    "urn:bursar:problem:request-timeout",
    "urn:bursar:problem:malformed",
    "urn:bursar:problem:key-conflict",
    "urn:bursar:problem:business-key-conflict",
    "urn:bursar:problem:invalid-state",
    "urn:bursar:problem:payload-too-large",
    "urn:bursar:problem:head-too-large",
    "urn:bursar:problem:wrong-content-type",
    "urn:bursar:problem:invalid",
    "urn:bursar:problem:rate-limited",
    "urn:bursar:problem:unavailable",
    "urn:bursar:problem:unreadable-record",
    "urn:bursar:problem:internal",
]

# The states in which a job stays until a person acts: it has ended, or needs review.
SETTLED = frozenset(["needs_review", "succeeded", "failed", "refunded", "cancelled"])

# Every kind of job, every state.
KINDS = (
    "bill_upload",
    "transfer",
    "split",
    "withdrawal",
)
STATES = (
    "queued",
    "in_doubt",
    "pending",
    "needs_review",
    "succeeded",
    "failed",
    "refunded",
    "cancelled",
)


class Problems:
    """The types of problems."""

    # No bearer token, or none that is known.
    UNAUTHENTICATED = "urn:bursar:problem:unauthenticated"
    # The token's role does not allow this.
    FORBIDDEN = "urn:bursar:problem:forbidden"
    # No route, job, queue or notification has this name, or the token is not for it.
    NOT_FOUND = "urn:bursar:problem:not-found"
    # The route has other methods.
    METHOD_NOT_ALLOWED = "urn:bursar:problem:method-not-allowed"
    # The body did not arrive in time.
    REQUEST_TIMEOUT = "urn:bursar:problem:request-timeout"
    # The body is no JSON text, or the request is no HTTP.
    MALFORMED = "urn:bursar:problem:malformed"
    # The key has other content; `fields` names what differs.
    KEY_CONFLICT = "urn:bursar:problem:key-conflict"
    # Another job has the same business key, for example the same order; `first` names that job.
    BUSINESS_KEY_CONFLICT = "urn:bursar:problem:business-key-conflict"
    # The state of the job or queue does not allow the action, or no longer.
    INVALID_STATE = "urn:bursar:problem:invalid-state"
    # The body, or its number of jobs, is over the limit.
    PAYLOAD_TOO_LARGE = "urn:bursar:problem:payload-too-large"
    # The head of the request is too long.
    HEAD_TOO_LARGE = "urn:bursar:problem:head-too-large"
    # The Content-Type is not JSON, or the body is compressed.
    WRONG_CONTENT_TYPE = "urn:bursar:problem:wrong-content-type"
    # Rules are broken; `errors` names all of them.
    INVALID = "urn:bursar:problem:invalid"
    # The token's rate is used up, or too many unknown tokens came from this address within a minute.
    RATE_LIMITED = "urn:bursar:problem:rate-limited"
    # Redis cannot do it now. It is safe to repeat the request.
    UNAVAILABLE = "urn:bursar:problem:unavailable"
    # Redis has a record of the job that this build cannot read. A newer build can, or an operator must look at it.
    UNREADABLE_RECORD = "urn:bursar:problem:unreadable-record"
    # A reply of Redis that cannot be read, or a fault of Bursar.
    INTERNAL = "urn:bursar:problem:internal"
