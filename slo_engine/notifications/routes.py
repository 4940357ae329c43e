"""Which sinks get a message: the first route that matches, as Alertmanager has it. Pure: the time is passed in."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from datetime import datetime, time
from types import MappingProxyType
from zoneinfo import ZoneInfo

from slo_engine.definitions.labels import SERVICE, SEVERITY, SLO
from slo_engine.definitions.slo import SloSet
from slo_engine.notifications.message import Message

WEEKDAYS = ("mon", "tue", "wed", "thu", "fri", "sat", "sun")


@dataclass(frozen=True)
class Hours:
    """Times of the week, in one time zone."""

    days: frozenset[int] = frozenset(range(7))
    """0 is Monday."""
    begin: time = time(0)
    end: time = time(0)
    """Not included; at or before ``begin``, it is that of the next day."""
    zone: ZoneInfo = field(default_factory=lambda: ZoneInfo("UTC"))

    def hold(self, at: datetime) -> bool:
        """Whether ``at`` lies in them. A night belongs to the day on which it begins."""
        here = at.astimezone(self.zone)
        now = here.time()
        if self.begin < self.end:
            return here.weekday() in self.days and self.begin <= now < self.end
        if now >= self.begin:
            return here.weekday() in self.days
        return now < self.end and (here.weekday() - 1) % 7 in self.days


@dataclass(frozen=True)
class Addressee:
    """What one alert, or one budget, of a message is routed by."""

    kind: str
    severity: str = ""
    service: str = ""
    slo: str = ""
    owner: str = ""
    labels: Mapping[str, str] = field(default_factory=lambda: MappingProxyType({}))


@dataclass(frozen=True)
class Match:
    """What a route asks for. Each of the texts that are given must match all of its value, as a regular expression in
    the manner of Alertmanager; ``kinds``: any of them, empty: all."""

    kinds: frozenset[str] = frozenset()
    texts: Mapping[str, re.Pattern[str]] = field(default_factory=lambda: MappingProxyType({}))
    """``severity``, ``service``, ``slo``, ``owner``."""
    labels: Mapping[str, re.Pattern[str]] = field(default_factory=lambda: MappingProxyType({}))
    hours: Hours | None = None

    def about(self, about: Addressee) -> bool:
        """Whether it is about this one, whatever the time."""
        return (
            (not self.kinds or about.kind in self.kinds)
            and all(pattern.fullmatch(getattr(about, name)) for name, pattern in self.texts.items())
            and all(pattern.fullmatch(about.labels.get(name, "")) for name, pattern in self.labels.items())
        )

    def holds(self, about: Addressee, at: datetime) -> bool:
        """Whether it is about this one, at this time."""
        return self.about(about) and (self.hours is None or self.hours.hold(at))


@dataclass(frozen=True)
class Route:
    """What matches goes to these sinks."""

    match: Match
    sinks: tuple[str, ...]
    goes_on: bool = False
    """Whether the routes after it are asked, too."""


@dataclass(frozen=True)
class Way:
    """Where one addressee is sent, and by which routes (their numbers from 1); none: no route matches, which sends it
    to every sink, so that nothing is lost by a gap in the routes."""

    about: Addressee
    routes: tuple[int, ...]
    sinks: tuple[str, ...]


@dataclass(frozen=True)
class Routes:
    """All routes, in their order."""

    routes: tuple[Route, ...]
    otherwise: tuple[str, ...]
    """The sinks of what no route matches: all that there are."""

    def way(self, about: Addressee, at: datetime) -> Way:
        """Where one addressee is sent."""
        numbers: list[int] = []
        sinks: dict[str, None] = {}
        for number, route in enumerate(self.routes, start=1):
            if route.match.holds(about, at):
                numbers.append(number)
                sinks |= dict.fromkeys(route.sinks)
                if not route.goes_on:
                    break
        return Way(about, tuple(numbers), tuple(sinks) if numbers else self.otherwise)

    def sinks(self, addressees: Iterable[Addressee], at: datetime) -> tuple[str, ...]:
        """Where a message is sent: wherever one of those that it is about is."""
        return tuple(dict.fromkeys(sink for about in addressees for sink in self.way(about, at).sinks))


def addressees(message: Message, slos: SloSet) -> tuple[Addressee, ...]:
    """What a message is about: an addressee for each alert of its group, or budget of its post. A group that is partly
    resolved is still that of its alerts that fire."""
    return tuple(_addressees(message, slos)) or (Addressee(message.kind, message.severity or ""),)


def _addressees(message: Message, slos: SloSet) -> Iterator[Addressee]:
    owners: dict[tuple[str, str], str | None] = {}

    def owner(service: str, slo: str, labels: Mapping[str, str]) -> str:
        if (service, slo) not in owners:
            declared = slos.find(service, slo)
            owners[service, slo] = declared.owner if declared else None
        return owners[service, slo] or labels.get("owner", "")

    alerts = [alert for alert in (message.payload or {}).get("alerts") or () if isinstance(alert, Mapping)]
    firing = [alert for alert in alerts if (alert.get("status") or "firing") != "resolved"]
    for alert in firing or alerts:
        found = alert.get("labels")
        labels = {str(name): str(value) for name, value in found.items()} if isinstance(found, Mapping) else {}
        service, slo = labels.get(SERVICE, ""), labels.get(SLO, "")
        severity = labels.get(SEVERITY) or message.severity or ""
        yield Addressee(message.kind, severity, service, slo, owner(service, slo, labels), labels)
    for status in message.post.statuses if message.post else ():
        service, slo = str(status.get("service") or ""), str(status.get("slo") or "")
        labels = {str(name): str(value) for name, value in (status.get("group") or {}).items()}
        yield Addressee(message.kind, "", service, slo, owner(service, slo, labels), labels)
