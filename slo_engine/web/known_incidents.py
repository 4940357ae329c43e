"""The incidents that the store knows: which of them somebody wants to see, and what their messages say. Pages, the API
and assistants look through the same."""

from __future__ import annotations

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

    def fits(self, shown: Told) -> bool:
        """Whether an incident is one of them."""
        if self.state is not None and shown.state != self.state:
            return False
        if self.severity and shown.incident.severity != self.severity:
            return False
        pairs = {f"{name}={value}" for labels in shown.labels for name, value in labels.items()}
        if (self.service or self.slo) and not any(_is_of(self, each) for each in shown.labels):
            return False
        text = " ".join((shown.incident.newest.title, *pairs)).lower()
        return all(word in text for word in self.search.lower().split())


def _is_of(want: WantedIncidents, labels: Mapping[str, str]) -> bool:
    """Whether an alert is of the SLO that is wanted."""
    return want.service in ("", labels.get(SERVICE)) and want.slo in ("", labels.get(SLO_LABEL))


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
            yield read.told(each, now)


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


def found_incidents(
    services: Services, want: WantedIncidents, now: float, *, offset: int, limit: int
) -> tuple[int, list[Told], Contents]:
    """How many are wanted, and some of them with what their messages say: what is open first, and pages before tickets;
    then the newest."""
    paging = services.slos.active.slos.paging_severities
    known = sorted(read_incidents(services), key=lambda each: order(each, paging, now))
    if want.is_narrowed:
        known = [each.incident for each in told_in_turn(services, known, now) if want.fits(each)]
    shown = known[offset : offset + limit]
    read = services.database.read(lambda found: contents(found, shown))
    return len(known), [read.told(each, now) for each in shown], read
