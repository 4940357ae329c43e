"""What happened in a run, as three logs: what was posted, what sinks received, what was broken meanwhile."""

from __future__ import annotations

import time
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any

RANKS = {"firing": 0, "resolved": 1}


@dataclass(frozen=True)
class AlertState:
    """One alert at one time. An alert that fires again keeps its fingerprint and gets another start."""

    fingerprint: str
    starts_at: float
    status: str

    @property
    def version(self) -> tuple[float, int]:
        """Orders the states of one alert."""
        return self.starts_at, RANKS.get(self.status, 0)


def states_of(alerts: Iterable[Mapping[str, Any]]) -> frozenset[AlertState]:
    """Of the alerts of a payload."""
    return frozenset(
        AlertState(str(each.get("fingerprint")), seconds_of(each.get("startsAt")), str(each.get("status")))
        for each in alerts
    )


def seconds_of(text: Any) -> float:
    """RFC 3339 -> seconds since the epoch; of what is none, 0."""
    try:
        return datetime.fromisoformat(text).timestamp()
    except (TypeError, ValueError):
        return 0.0


def rfc3339(seconds: float) -> str:
    """As Alertmanager writes a time."""
    return datetime.fromtimestamp(seconds, UTC).isoformat(timespec="microseconds").replace("+00:00", "Z")


@dataclass(frozen=True)
class Posted:
    """One request that was sent to an engine."""

    at: float
    took: float
    member: str
    target: str
    group: str
    alerts: frozenset[AlertState]
    answer: int | None
    """The status; None: refused, cut off, or no answer in time."""

    @property
    def is_acknowledged(self) -> bool:
        """Whether the sender may forget it."""
        return self.answer is not None and 200 <= self.answer < 300


@dataclass(frozen=True)
class Received:
    """One request that a sink got."""

    at: float
    sink: str
    key: str
    payload: Mapping[str, Any]
    answer: int | None
    """The status; None: it never answers."""
    is_taken: bool
    """Whether the one behind the sink has it now: 2xx, and no error in the body."""
    group: str = field(init=False)
    alerts: frozenset[AlertState] = field(init=False)

    def __post_init__(self) -> None:
        alerts = self.payload.get("alerts")
        object.__setattr__(self, "group", str(self.payload.get("groupKey") or ""))
        object.__setattr__(self, "alerts", states_of(alerts) if isinstance(alerts, list) else frozenset())


@dataclass
class Disruption:
    """Something that goes wrong, from a time to a time."""

    what: str
    at: float
    until: float = float("inf")


@dataclass
class History:
    """The three logs. Written by one thread, read at any time."""

    posted: list[Posted] = field(default_factory=list)
    received: list[Received] = field(default_factory=list)
    disruptions: list[Disruption] = field(default_factory=list)
    """Of engines and stores: a delivery may be repeated, because nobody could note that it had succeeded."""
    outages: list[Disruption] = field(default_factory=list)
    """Of sinks, by name: what waits for one may be superseded."""

    def disrupted(self, what: str) -> Disruption:
        """Note that an engine or a store breaks; whoever mends it sets ``until``."""
        found = Disruption(what, time.time())
        self.disruptions.append(found)
        return found

    def taken_by(self, sink: str) -> list[Received]:
        """What one sink has taken, in order of arrival."""
        return [each for each in list(self.received) if each.sink == sink and each.is_taken]
