"""What the status of a group was, as numbers for pictures."""

from __future__ import annotations

import threading
import time
from collections import OrderedDict
from collections.abc import Callable, Mapping, Sequence
from typing import Any, Final

from slo_engine.charts.lines import thinned
from slo_engine.status.model import SloStatus
from slo_engine.store import history
from slo_engine.web.services import Services

Points = Sequence[tuple[float, float | None]]
"""Unix seconds and values; None: not known."""

WINDOWS: Final = ("5m", "1h", "6h")
"""Of the burn rates that are drawn."""

_FRESH_SECONDS: Final = 60.0
"""How long what was read is shown again: a month is read in half a second, and grows each five minutes."""

_REMEMBERED: Final = 64


def number(status: Any, *path: str) -> float | None:
    """A number in a status, by its keys; None where the version that wrote it had none there."""
    for key in path:
        status = status.get(key) if isinstance(status, Mapping) else None
    return float(status) if isinstance(status, int | float) and not isinstance(status, bool) else None


def _good(status: Any) -> float | None:
    failed = number(status, "error_ratio", "1h")
    return None if failed is None else 1 - failed


_VALUES: Final[Mapping[str, Callable[[Any], float | None]]] = {
    "left": lambda status: number(status, "error_budget_remaining"),
    "spent": lambda status: number(status, "events", "errors"),
    "sli": _good,
    **{window: lambda status, window=window: number(status, "burn_rate", window) for window in WINDOWS},  # type: ignore[misc]
}


class PastOfGroups:
    """Reads it, and keeps what was read lately. Thread-safe."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._known: OrderedDict[tuple[int, str, str, str, int], tuple[float, Mapping[str, Points]]] = OrderedDict()

    def of(self, services: Services, status: SloStatus, seconds: int) -> Mapping[str, Points]:
        """The last ``seconds`` up to now: ``left``, ``spent``, ``sli`` (of an hour), and burn rates by window."""
        key = (id(services), status.service, status.slo, history.group_key(status.group), seconds)
        now = time.time()
        with self._lock:
            found = self._known.get(key)
        if found is None or not 0 <= now - found[0] < _FRESH_SECONDS:
            found = (now, _read(services, status, now - seconds))
            with self._lock:
                self._known[key] = found
                while len(self._known) > _REMEMBERED:
                    self._known.popitem(last=False)
        latest = status.as_json()
        return {name: [*points, (now, _VALUES[name](latest))] for name, points in found[1].items()}


def _read(services: Services, status: SloStatus, since: float) -> Mapping[str, Points]:
    rows = services.database.read(
        lambda connection: history.of_group(connection, status.service, status.slo, status.group, since)
    )
    return {name: thinned([(row.evaluated_at, value(row.status)) for row in rows]) for name, value in _VALUES.items()}
