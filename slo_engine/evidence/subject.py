"""What a notification is about, as far as evidence can be found: an SLO, its group, and the window that burns."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

from slo_engine.definitions.slo import Slo
from slo_engine.definitions.targets import Group
from slo_engine.definitions.traces import Explanation, TraceQuery


@dataclass(frozen=True)
class Subject:
    """What one or more alerts of a notification are about."""

    slo: Slo | None
    group: Group
    window: timedelta
    query: TraceQuery | None
    """How to find its traces; None when no trace can explain it."""
    explained_by: Explanation | None
    """Which of its traces explain it."""
    fingerprints: tuple[str, ...]

    def span(self) -> tuple[datetime, datetime]:
        """The window up to now."""
        now = datetime.now(UTC)
        return now - self.window, now
