"""What a notification is about, as far as evidence can be found: an SLO, its group, and the window that burns."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import timedelta

from slo_engine.definitions.slo import Group, Slo
from slo_engine.definitions.traces import TraceQuery


@dataclass(frozen=True)
class Subject:
    """What one or more alerts of a notification are about."""

    slo: Slo | None
    group: Group
    window: timedelta
    query: TraceQuery | None
    """How to find its traces; None when no trace can explain it."""
    slower_than: float | None
    """Seconds: for a latency SLO the traces wanted are slow ones, not failing ones."""
    fingerprints: tuple[str, ...]
