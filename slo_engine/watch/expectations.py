"""Which alerts should have come by now. Pure: what Alertmanager has, and the time, are passed in.

Alertmanager sends a new group after ``group_wait``, and what joins a group at its next tick, ``group_interval`` later
at most. Its API does not show the ticks, so an alert is expected when that bound is over: a lost page is told a little
late, rather than one that is on its way.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field

from slo_engine.watch.alertmanager import KnownAlert

GRACE = 45.0
"""Seconds after the moment at which Alertmanager should have sent: its peers wait 15 s for each other, and a body waits
in the inbox. With a look each 15 s, a lost page is told within 75 s."""

STALE = 60.0
"""Seconds between two looks after which nothing is known of what happened between them."""

SAME_START = 1.0
"""Seconds by which two times of the same beginning may differ."""


@dataclass(frozen=True)
class Group:
    """An alert group of one of our receivers. Times in seconds."""

    receiver: str
    key: str
    labels: Mapping[str, str] = field(hash=False, compare=False)
    wait: float = field(compare=False)
    interval: float = field(compare=False)
    most_alerts: int = field(default=0, compare=False)
    """How many of its alerts a notification holds; 0: all."""


@dataclass(frozen=True)
class Placed:
    """An alert, and a group that it belongs to."""

    group: Group
    alert: KnownAlert

    @property
    def key(self) -> tuple[str, str, str]:
        """What it is, from one look to the next."""
        return self.group.receiver, self.group.key, self.alert.fingerprint


@dataclass
class _Expected:
    placed: Placed
    due: float
    seen_at: float
    is_settled: bool = False


class Expectations:
    """What is known from one look to the next."""

    def __init__(self) -> None:
        self._expected: dict[tuple[str, str, str], _Expected] = {}
        self._groups: dict[Group, float] = {}
        self._looked_at: float | None = None

    def look(self, now: float, placed: Iterable[Placed], began: float = 0.0) -> None:
        """Take in what Alertmanager has now. ``began``: what is there at the first look and started before was sent to
        whoever got it then."""
        found = {each.key: each for each in placed}
        if self._looked_at is not None and not 0 <= now - self._looked_at < STALE:
            self.forget()
        active = {key: each for key, each in found.items() if not each.alert.is_suppressed}
        for key, each in active.items():
            known = self._expected.get(key)
            if known is not None and each.alert.started <= known.placed.alert.started + SAME_START:
                known.placed, known.seen_at = each, now
            else:
                is_old = self._looked_at is None and each.alert.started < began
                self._expected[key] = _Expected(each, self._due(each, now), now, is_settled=is_old)
        for key, known in list(self._expected.items()):
            # Resolved before it was due, it is not sent; silenced, it is due when that ends.
            if key not in active and (known.is_settled or key in found or known.seen_at < known.due):
                del self._expected[key]
        self._groups |= {each.group: now for each in found.values()}
        self._groups = {group: at for group, at in self._groups.items() if now - at <= group.interval + STALE}
        self._looked_at = now

    def overdue(self, now: float) -> Sequence[Placed]:
        """What should have come, and is not known to have. It may be over by now."""
        return [each.placed for each in self._expected.values() if not each.is_settled and now >= each.due + GRACE]

    def settle(self, placed: Placed) -> None:
        """It has come, or was passed on."""
        if placed.key in self._expected:
            self._expected[placed.key].is_settled = True

    def forget(self) -> None:
        """Begin anew: it is not known how long anything has been there."""
        self._expected.clear()
        self._groups.clear()
        self._looked_at = None

    def _due(self, placed: Placed, now: float) -> float:
        """When Alertmanager sends it at the latest."""
        group, alert = placed.group, placed.alert
        if self._looked_at is None or group in self._groups:
            return now + group.interval
        # It came since the last look; Alertmanager says when, by its own clock.
        since = min(max(alert.updated_at or now, self._looked_at), now)
        return since + group.wait
