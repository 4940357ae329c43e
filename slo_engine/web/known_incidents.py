"""The incidents that the store knows: which of them somebody wants to see, and what their messages say. Pages, the API
and assistants look through the same."""

from __future__ import annotations

import threading
from collections import OrderedDict
from collections.abc import Container, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Annotated, Final, Literal, get_args

from fastapi import Query
from sqlalchemy import Connection

from slo_engine.definitions.labels import SERVICE
from slo_engine.definitions.labels import SLO as SLO_LABEL
from slo_engine.store import messages
from slo_engine.store.causes import SILENT_SECONDS
from slo_engine.store.messages import DeliveryState, MessageHead, StoredMessage
from slo_engine.web.incidents import Incident, State, Told, incidents, told
from slo_engine.web.selection import LONGEST
from slo_engine.web.services import Services

READ_HEADS = 2000
"""Messages that are looked through for incidents. One that is repeated every four hours begins 42 messages before a
week has gone by; without their contents they cost little."""

READ_CHARACTERS = 20_000_000
"""Of contents, at once. An alert group of a thousand alerts has five million."""

READ_AT_ONCE: Final = 50
"""Incidents whose contents are read together."""

REMEMBERED_CHARACTERS: Final = 20_000_000
"""Of labels, for filters: they are not read again for each request."""

STATES: Final[tuple[State, ...]] = get_args(State)


@dataclass(frozen=True)
class Contents:
    """What messages say, and where they have come to."""

    messages: Mapping[int, StoredMessage]
    deliveries: Mapping[int, Sequence[DeliveryState]]

    def told(self, incident: Incident, now: float) -> Told:
        """An incident with what its messages say."""
        return told(incident, self.messages, now)


@dataclass(frozen=True)
class WantedIncidents:
    """Empty: all of them."""

    search: str = ""
    """Words that all stand in the title or the labels of its alerts."""
    service: str = ""
    slo: str = ""
    severity: str = ""
    state: State | None = None

    @property
    def is_narrowed(self) -> bool:
        """Whether it leaves anything out."""
        return bool(self.search or self.service or self.slo or self.severity or self.state)

    def may_fit(self, incident: Incident, now: float) -> bool:
        """Whether it may be one of them, as far as that is known without what its messages say."""
        if self.severity and incident.severity != self.severity:
            return False
        # One that seems open may be over: the other Alertmanager of a pair was late.
        return self.state in (None, "resolved") or (
            incident.seems_open and (self.state == "firing") == is_open(incident, now)
        )

    def fits(self, incident: Incident, summary: Summary, now: float) -> bool:
        """Whether it is one of them."""
        if not self.may_fit(incident, now):
            return False
        if self.state is not None and (self.state == "resolved") != summary.is_resolved:
            return False
        if (self.service or self.slo) and not any(
            self.service in ("", service) and self.slo in ("", slo) for service, slo in summary.subjects
        ):
            return False
        text = f"{incident.newest.title.lower()} {summary.text}"
        return all(word in text for word in self.search.lower().split())


@dataclass(frozen=True)
class Summary:
    """What filters ask of the contents of an incident."""

    is_resolved: bool
    subjects: frozenset[tuple[str, str]]
    """Services and SLOs of its alerts; empty: an alert of none."""
    text: str
    """Its labels as ``name=value``, in small letters."""

    @classmethod
    def of(cls, shown: Told) -> Summary:
        """Of one that was read."""
        pairs = dict.fromkeys(f"{name}={value}" for labels in shown.labels for name, value in labels.items())
        subjects = frozenset((each.get(SERVICE, ""), each.get(SLO_LABEL, "")) for each in shown.labels)
        return cls(shown.state == "resolved", subjects, " ".join(pairs).lower())


class _Summaries:
    """Those of incidents that were read lately. Thread-safe."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._known: OrderedDict[tuple[str, int, int, str], Summary] = OrderedDict()
        self._characters = 0

    def of(self, services: Services, some: Sequence[Incident], now: float) -> list[Summary]:
        """In their order."""
        # One thread reads what others ask for, too.
        with self._lock:
            unread = [each for each in some if self._key(each) not in self._known]
            for incident, shown in zip(unread, told_in_turn(services, unread, now), strict=True):
                self._keep(self._key(incident), Summary.of(shown))
            found = [self._known[self._key(each)] for each in some]
            while self._characters > REMEMBERED_CHARACTERS or len(self._known) > 2 * READ_HEADS:
                self._characters -= len(self._known.popitem(last=False)[1].text)
        return found

    def _keep(self, key: tuple[str, int, int, str], summary: Summary) -> None:
        self._known[key] = summary
        self._characters += len(summary.text)

    @staticmethod
    def _key(incident: Incident) -> tuple[str, int, int, str]:
        newest = incident.newest
        return newest.key, newest.id, len(incident.messages), newest.state


_SUMMARIES: Final = _Summaries()


def wanted_incidents(
    q: Annotated[str, Query(max_length=LONGEST, description="Words of titles and of labels, as name=value.")] = "",
    service: Annotated[str, Query(max_length=LONGEST)] = "",
    slo: Annotated[str, Query(max_length=LONGEST)] = "",
    severity: Annotated[str, Query(max_length=LONGEST)] = "",
    state: Annotated[State | Literal[""], Query()] = "",
) -> WantedIncidents:
    """From the query of a URL."""
    return WantedIncidents(q.strip(), service, slo, severity, state or None)


def read_heads(services: Services) -> list[MessageHead]:
    """Of the messages that are looked through."""
    return services.database.read(lambda found: messages.newest_heads(found, READ_HEADS))


def severities_among(heads: Sequence[MessageHead], chosen: str) -> list[str]:
    """What to choose from: what there is, and what is chosen, also where it is gone."""
    return sorted({each.severity for each in heads if each.severity} | ({chosen} if chosen else set()))


def incidents_among(heads: Sequence[MessageHead]) -> list[Incident]:
    """Of what was looked through, in the order in which they began."""
    return incidents(heads, is_all=len(heads) < READ_HEADS)


def read_incidents(services: Services) -> list[Incident]:
    """All that are known, in the order in which they began."""
    return incidents_among(read_heads(services))


def newest_told(services: Services, of: Sequence[Incident], most: int, now: float) -> list[Told]:
    """The newest of some incidents, with what their messages say."""
    newest = sorted(of, key=lambda each: -each.newest.id)[:most]
    read = services.database.read(lambda found: contents(found, newest))
    return [read.told(each, now) for each in newest]


def told_in_turn(services: Services, of: Sequence[Incident], now: float) -> Iterator[Told]:
    """The same of all, in their order, read as far as somebody asks."""
    for first in range(0, len(of), READ_AT_ONCE):
        some = of[first : first + READ_AT_ONCE]
        read = services.database.read(lambda found, some=some: contents(found, some))  # type: ignore[misc]
        for each in some:
            if each.newest.id in read.messages:
                yield read.told(each, now)
            else:  # there was no room for it among the others
                alone = services.database.read(lambda found, each=each: contents(found, [each]))  # type: ignore[misc]
                yield alone.told(each, now)


def contents(connection: Connection, shown: Sequence[Incident], posts: Sequence[MessageHead] = ()) -> Contents:
    """What the shown messages say, the newest of each incident first, and where they have come to."""
    newest_first = [incident.shown[::-1] for incident in shown]
    longest = max(map(len, newest_first), default=0)
    heads = [each[index] for index in range(longest) for each in newest_first if index < len(each)]
    ids = [head.id for head in (*posts, *heads)]
    return Contents(messages.that_fit(connection, ids, READ_CHARACTERS), messages.deliveries(connection, ids))


def order(incident: Incident, paging: Container[str | None], now: float) -> tuple[bool, bool, int]:
    """What is open comes first, and pages before tickets; then the newest."""
    return not is_open(incident, now), is_open(incident, now) and incident.severity not in paging, -incident.newest.id


def is_open(incident: Incident, now: float) -> bool:
    """Whether it goes on, as far as that is known without what its messages say."""
    return incident.seems_open and now - incident.newest.received_at <= SILENT_SECONDS


@dataclass(frozen=True)
class FoundIncidents:
    """What somebody looked for."""

    total: int
    shown: Sequence[Told]
    contents: Contents
    since: float | None
    """What came before was not looked through; Unix seconds. None: there is nothing before."""


def found_incidents(
    services: Services, want: WantedIncidents, now: float, *, offset: int, limit: int
) -> FoundIncidents:
    """What is open first, and pages before tickets; then the newest."""
    paging = services.slos.active.slos.paging_severities
    heads = read_heads(services)
    known = sorted(incidents_among(heads), key=lambda each: order(each, paging, now))
    if want.is_narrowed:
        known = list(_fitting(services, want, known, now))
    shown = known[offset : offset + limit]
    read = services.database.read(lambda found: contents(found, shown))
    oldest = min((each.received_at for each in heads), default=None) if len(heads) >= READ_HEADS else None
    return FoundIncidents(len(known), [read.told(each, now) for each in shown], read, oldest)


def _fitting(services: Services, want: WantedIncidents, known: Sequence[Incident], now: float) -> Iterator[Incident]:
    candidates = [each for each in known if want.may_fit(each, now)]
    for first in range(0, len(candidates), READ_AT_ONCE):
        some = candidates[first : first + READ_AT_ONCE]
        for incident, summary in zip(some, _SUMMARIES.of(services, some, now), strict=True):
            if want.fits(incident, summary, now):
                yield incident
