"""Why runs failed, as LangFuse tells it: it explains, it never counts, because traces may be sampled."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any


@dataclass(frozen=True)
class TraceLink:
    """One failing run, and where to look at it."""

    id: str
    url: str
    seen_at: datetime

    def as_json(self) -> dict[str, Any]:
        """Times are RFC 3339."""
        return {"id": self.id, "url": self.url, "seen_at": self.seen_at.isoformat()}


@dataclass(frozen=True)
class Cause:
    """Failing runs that failed alike."""

    what: str
    """The step that failed: ``tool web_search``."""
    message: str
    """Its message, without the parts that differ from run to run."""
    count: int
    share: float
    """Of the failing runs that were found."""
    first_seen: datetime
    last_seen: datetime
    examples: tuple[TraceLink, ...]

    def as_json(self) -> dict[str, Any]:
        """``share`` is rounded to four digits; the examples are called ``traces``."""
        return {
            "what": self.what,
            "message": self.message,
            "count": self.count,
            "share": round(self.share, 4),
            "first_seen": self.first_seen.isoformat(),
            "last_seen": self.last_seen.isoformat(),
            "traces": [example.as_json() for example in self.examples],
        }


@dataclass(frozen=True)
class Causes:
    """Why the runs of a window failed, the most frequent cause first."""

    since: datetime
    until: datetime
    failed: int
    causes: tuple[Cause, ...]
    is_partial: bool
    """More was there than was read: the counts are those of the newest."""

    def as_json(self) -> Mapping[str, Any]:
        """As ``traces`` in the enrichment of a notification: ``from`` and ``to`` are the window."""
        return {
            "from": self.since.isoformat(),
            "to": self.until.isoformat(),
            "failed": self.failed,
            "partial": self.is_partial,
            "causes": [cause.as_json() for cause in self.causes],
        }
