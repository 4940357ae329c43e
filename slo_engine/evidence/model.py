"""What was found out about a subject. LangFuse's part explains and never counts, because traces may be sampled: every
share says of what it is one."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from slo_engine.evidence.queries import asked
from slo_engine.traces import Selection


@dataclass(frozen=True)
class TraceLink:
    """One run, and where to look at it."""

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
    """What its messages have in common."""
    count: int
    share: float
    """Of the failing runs that were read."""
    first_seen: datetime
    last_seen: datetime
    examples: tuple[TraceLink, ...]
    environments: tuple[str, ...] = ()
    """Where its runs were, the most frequent first."""
    is_first: bool = True
    """Whether ``first_seen`` is the first of the window; else it is the first of those that were read."""

    @property
    def identity(self) -> str:
        """What the same cause has in another incident."""
        return f"{self.what}: {self.message}"

    def as_json(self) -> dict[str, Any]:
        """``share`` is rounded to four digits; the examples are called ``traces``."""
        return {
            "what": self.what,
            "message": self.message,
            "count": self.count,
            "share": round(self.share, 4),
            "first_seen": self.first_seen.isoformat(),
            "first_seen_is_exact": self.is_first,
            "last_seen": self.last_seen.isoformat(),
            "environments": list(self.environments),
            "traces": [example.as_json() for example in self.examples],
        }


@dataclass(frozen=True)
class Causes:
    """Why the runs of a window failed, the most frequent cause first."""

    since: datetime
    until: datetime
    failed: int
    """Failing runs, or calls, that were read and are shared out among the causes."""
    causes: tuple[Cause, ...]
    is_partial: bool
    """More was there than was read: the counts are those of the newest."""
    event: str = "run"
    total: int | None = None
    """How many failed, counted by LangFuse, where more was there than was read."""
    uncertain: tuple[Cause, ...] = ()
    """Top-level steps that failed in traces of which nobody knows whether the run has."""
    waiting: int = 0
    """Runs that wait for a person, and have not failed."""
    query: Selection | None = None
    url: str | None = None
    """Where people look at the same rows in LangFuse."""
    unasked: int = 0
    """Rows that LangFuse sent although they were not asked for."""
    without_steps: str | None = None
    """Why nothing is known of the steps; None: they were read."""

    @property
    def environments(self) -> tuple[str, ...]:
        """Where the runs of its causes were."""
        return tuple(dict.fromkeys(each for cause in self.causes for each in cause.environments))

    def as_json(self) -> Mapping[str, Any]:
        """As ``traces`` in the enrichment of a notification: ``from`` and ``to`` are the window."""
        return {
            "source": "langfuse",
            "from": self.since.isoformat(),
            "to": self.until.isoformat(),
            "of": f"failing {self.event}s read",
            "failed": self.failed,
            "failed_in_all": self.total if self.is_partial else self.failed,
            "partial": self.is_partial,
            "causes": [cause.as_json() for cause in self.causes],
            "uncertain": [cause.as_json() for cause in self.uncertain],
            "waiting_for_a_person": self.waiting,
            "query": asked(self.query) if self.query else None,
            "url": self.url,
        }
