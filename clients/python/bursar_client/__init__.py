"""A client of Bursar, a durable queue of payment jobs: submit, follow, and verify webhooks. Standard library only."""

from .client import Client
from .errors import BursarError, ConflictError, NotSettledError, ProblemError, UnavailableError
from .types import KINDS, SETTLED, STATES, Problems
from .webhook import Webhook, WebhookError, WebhookEvent

__all__ = [
    "KINDS",
    "SETTLED",
    "STATES",
    "BursarError",
    "Client",
    "ConflictError",
    "NotSettledError",
    "ProblemError",
    "Problems",
    "UnavailableError",
    "Webhook",
    "WebhookError",
    "WebhookEvent",
]
