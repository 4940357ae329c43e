"""``routes``: which sinks get what."""

from __future__ import annotations

import re
from collections.abc import Mapping
from datetime import time
from functools import cached_property
from typing import Annotated, Any
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

from pydantic import AfterValidator, BeforeValidator

from slo_engine.connection_settings import SettingsSection
from slo_engine.delivery.sink import SinkName
from slo_engine.notifications.message import Kind
from slo_engine.notifications.routes import WEEKDAYS, Hours, Match, Route

_TEXTS = ("severity", "service", "slo", "owner")


def _as_list(value: Any) -> Any:
    return [value] if isinstance(value, str) else value


def _zone(name: str) -> str:
    try:
        ZoneInfo(name)
    except (ZoneInfoNotFoundError, ValueError, OSError):
        raise ValueError(f"there is no time zone {name!r}: write one such as Europe/Berlin") from None
    return name


def _pattern(text: str) -> str:
    try:
        re.compile(text)
    except re.error as error:
        raise ValueError(f"is no regular expression: {error}") from None
    return text


def _time(text: str) -> str:
    if not re.fullmatch(r"([01]\d|2[0-3]):[0-5]\d", text):
        raise ValueError('must be a time of day in quotes, such as "08:30"')
    return text


def _days(text: str) -> str:
    _weekdays(text)
    return text


def _weekdays(text: str) -> frozenset[int]:
    found: set[int] = set()
    for part in text.lower().replace(" ", "").split(","):
        first, dash, last = part.partition("-")
        if first not in WEEKDAYS or (dash and last not in WEEKDAYS):
            raise ValueError("must be days such as mon-fri, or sat,sun")
        begin, end = WEEKDAYS.index(first), WEEKDAYS.index(last if dash else first)
        found |= {(begin + step) % 7 for step in range((end - begin) % 7 + 1)}
    return frozenset(found)


def _texts(value: Any) -> Any:
    """A list of values is any of them."""
    if isinstance(value, list):
        return "|".join(re.escape(str(each)) for each in value)
    return value


ZoneName = Annotated[str, AfterValidator(_zone)]
TimeOfDay = Annotated[str, AfterValidator(_time)]
Pattern = Annotated[
    str, BeforeValidator(_texts, json_schema_input_type=str | list[str | int | float | bool]), AfterValidator(_pattern)
]
"""One value, a regular expression that matches all of it, or a list of values."""
SinkNames = Annotated[tuple[SinkName, ...], BeforeValidator(_as_list, json_schema_input_type=SinkName | list[SinkName])]


class HoursSettings(SettingsSection):
    """Times of the week: ``{days: mon-fri, from: "08:00", to: "18:00", zone: Europe/Berlin}``."""

    days: Annotated[str, AfterValidator(_days)] = "mon-sun"
    """Such as mon-fri or sat,sun."""
    begin: TimeOfDay = "00:00"
    """The time of day, such as 08:00."""
    end: TimeOfDay = "00:00"
    """The time of day; one before ``begin`` is that of the next day."""
    zone: ZoneName = "UTC"
    """A time zone, such as Europe/Berlin."""

    def hours(self) -> Hours:
        """As routes and posts ask it."""
        begin, end = time.fromisoformat(self.begin), time.fromisoformat(self.end)
        return Hours(_weekdays(self.days), begin, end, ZoneInfo(self.zone))


class MatchSettings(SettingsSection):
    """``match``: what a route, a post or a budget policy is about; nothing: everything."""

    severity: Pattern | None = None
    """The severity: a value, a regular expression that matches all of it, or a list of values."""
    service: Pattern | None = None
    """The service, likewise."""
    slo: Pattern | None = None
    """The name of the SLO, likewise."""
    owner: Pattern | None = None
    """The owner that the SLO file names, else the label ``owner``; likewise."""
    labels: Mapping[str, Pattern] = {}
    """Labels by name, each likewise."""
    kind: Annotated[tuple[Kind, ...], BeforeValidator(_as_list, json_schema_input_type=Kind | list[Kind])] = ()
    """One kind of message, or several."""
    hours: HoursSettings | None = None
    """Times of the week."""

    @cached_property
    def match(self) -> Match:
        """As it is asked."""
        given = {name: text for name in _TEXTS if (text := getattr(self, name)) is not None}
        return Match(
            frozenset(self.kind),
            {name: re.compile(text) for name, text in given.items()},
            {name: re.compile(text) for name, text in self.labels.items()},
            self.hours.hours() if self.hours else None,
        )


class RouteSettings(SettingsSection):
    """One item of ``routes``."""

    match: MatchSettings = MatchSettings()
    """What goes this way; nothing: everything."""
    sinks: SinkNames
    """The names of one sink, or of several."""
    go_on: bool = False
    """true: the routes below are asked, too."""

    def route(self) -> Route:
        """As it is asked."""
        return Route(self.match.match, self.sinks, self.go_on)
