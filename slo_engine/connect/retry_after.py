"""``Retry-After``: https://www.rfc-editor.org/rfc/rfc9110#field.retry-after"""

from __future__ import annotations

from datetime import datetime
from email.utils import parsedate_to_datetime


def retry_after(value: str | None, now: datetime) -> float | None:
    """Seconds from ``now``, from either form of the header; None when it is missing or makes no sense."""
    if not value:
        return None
    try:
        if value.strip().isdigit():
            return float(value)
        return max((parsedate_to_datetime(value) - now).total_seconds(), 0.0)
    except (ValueError, TypeError):
        return None
