"""`Retry-After`: seconds, or a date as proxies may write it."""

from __future__ import annotations

import time
from email.utils import parsedate_to_datetime
from typing import Optional


def seconds_of(header: Optional[str]) -> float:
    """The seconds to wait; 0 where the header says nothing that can be read."""
    text = (header or "").strip()
    if text.isascii() and text.isdigit():
        return float(text)
    try:
        return max(parsedate_to_datetime(text).timestamp() - time.time(), 0.0) if text else 0.0
    except (TypeError, ValueError):
        return 0.0
