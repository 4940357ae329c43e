"""How each error budget went in the last thirty days, for pictures that are small enough for a row: a value a day."""

from __future__ import annotations

import threading
from collections.abc import Mapping
from datetime import datetime, timedelta

from slo_engine.status.model import SloStatus
from slo_engine.store import Database, history

DAYS = 30

_DAY = timedelta(days=1)
_SPANS = (timedelta(minutes=15), timedelta(hours=6))
"""Before the end of a day in which its last record is looked for: the second where an engine was away for the first."""

_Left = Mapping[tuple[str, str, str], float | None]


class Trends:
    """What was left of each budget at the end of each day. A day is read once: it does not change any more.
    Thread-safe."""

    def __init__(self, database: Database) -> None:
        self._database = database
        self._days: dict[datetime, _Left] = {}
        self._ordered: tuple[_Left, ...] = ()
        self._lock = threading.Lock()

    def refresh(self, at: datetime) -> None:
        """Read the days that have ended since. Raises StoreError."""
        with self._lock:
            midnight = at.replace(hour=0, minute=0, second=0, microsecond=0)
            wanted = [midnight - _DAY * number for number in range(DAYS)]
            for end in wanted:
                if end not in self._days:
                    self._days[end] = self._read(end)
            for end in self._days.keys() - set(wanted):
                del self._days[end]
            self._ordered = tuple(self._days[end] for end in sorted(self._days))

    def of(self, status: SloStatus) -> list[float | None]:
        """The oldest first; the last value is that of now."""
        key = (status.service, status.slo, history.group_key(status.group))
        return [*(day.get(key) for day in self._ordered), status.error_budget_remaining]

    def _read(self, end: datetime) -> _Left:
        until = end.timestamp()
        for span in _SPANS:
            since = until - span.total_seconds()
            found = self._database.read(
                lambda connection, since=since: history.remaining_between(connection, since, until)  # type: ignore[misc]
            )
            if found:
                return found
        return {}
