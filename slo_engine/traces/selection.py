"""Which observations are wanted: said to the server as its ``filter``, and asked again of every row it sends.

An old server ignores the filter, another may read it otherwise than meant, or be something that only looks
like a LangFuse: a row that was not asked for is no evidence.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from functools import cached_property
from typing import Any

from slo_engine.traces.model import Observation

Condition = Mapping[str, Any]
"""One condition of LangFuse's ``filter``."""

HEALTHY_LEVELS = ("DEFAULT", "WARNING", "DEBUG")


@dataclass(frozen=True)
class Selection:
    """The observations of a window. A key that is empty or None asks for nothing."""

    since: datetime
    until: datetime
    levels: tuple[str, ...] = ()
    """Any of them."""
    tags: tuple[str, ...] = ()
    """All of them, on the trace."""
    is_root: bool | None = None
    type: str | None = None
    name: str | None = None
    model: str | None = None
    environment: str | None = None
    trace_name: str | None = None
    user: str | None = None
    session: str | None = None
    metadata: tuple[tuple[str, str], ...] = ()
    release: str | None = None
    version: str | None = None
    slower_than: float | None = None
    at_most: float | None = None
    """Seconds, from start to end."""
    first_token_after: float | None = None
    first_token_until: float | None = None
    """Seconds, until the first token."""
    message_part: str | None = None
    trace_ids: tuple[str, ...] = ()
    """Any of them."""

    def conditions(self) -> list[Condition]:
        """As LangFuse's ``filter``, which replaces every other parameter, so that the window is a part of it."""
        return [*self.filters(), *self._window()]

    def filters(self) -> list[Condition]:
        """The same without the window, which the metrics API takes apart."""
        found = [_condition(column, "string", "=", value) for column, value in self._texts().items() if value]
        if self.levels:
            found.append(_any_of("level", self.levels))
        if self.trace_ids:
            found.append(_any_of("traceId", self.trace_ids))
        if self.tags:
            found.append(_condition("traceTags", "arrayOptions", "all of", list(self.tags)))
        if self.is_root is not None:
            found.append(_condition("isRootObservation", "boolean", "=", self.is_root))
        for column, operator, seconds in (
            ("latency", ">", self.slower_than),
            ("latency", "<=", self.at_most),
            ("timeToFirstToken", ">", self.first_token_after),
            ("timeToFirstToken", "<=", self.first_token_until),
        ):
            if seconds is not None:
                found.append(_condition(column, "number", operator, seconds))
        if self.message_part:
            found.append(_condition("statusMessage", "string", "contains", self.message_part))
        # SDK 5 stores texts as JSON, in quotes: "=" would not find them; what is too much is dropped by `holds`.
        for key, text in self.metadata:
            found.append({**_condition("metadata", "stringObject", "contains", text), "key": key})
        return found

    def holds(self, row: Observation) -> bool:
        """Whether a row is what was asked for, as far as it says."""
        return (
            self.holds_basically(row)
            and (self.is_root is None or row.is_root == self.is_root)
            and (not self.trace_ids or row.trace_id in self.trace_ids)
            and all(_agrees(getattr(row, key), wanted) for key, wanted in self._own)
            and _lies(row.latency, self.slower_than, self.at_most)
            and _lies(row.time_to_first_token, self.first_token_after, self.first_token_until)
            and (not self.message_part or self.message_part in row.status_message)
            and (row.metadata is None or all(row.metadata.get(key) == text for key, text in self.metadata))
        )

    def holds_basically(self, row: Observation) -> bool:
        """Whether a row has the time, level and tags that were asked for, which every server filters by."""
        return (
            self.since <= row.start_time < self.until
            and (not self.levels or row.level in self.levels)
            and (row.tags is None or set(self.tags) <= set(row.tags))
        )

    def _texts(self) -> dict[str, str | None]:
        return {
            "type": self.type,
            "name": self.name,
            "model": self.model,
            "environment": self.environment,
            "traceName": self.trace_name,
            "userId": self.user,
            "sessionId": self.session,
            "release": self.release,
            "version": self.version,
        }

    @cached_property
    def _own(self) -> list[tuple[str, str]]:
        """What is asked of the observation itself: its attribute, and the value."""
        names = ("type", "name", "model", "environment", "trace_name", "user", "session", "release", "version")
        return [(name, value) for name in names if (value := getattr(self, name)) is not None]

    def _window(self) -> list[Condition]:
        return [
            _condition("startTime", "datetime", ">=", instant(self.since)),
            _condition("startTime", "datetime", "<", instant(self.until)),
        ]


def instant(time: datetime) -> str:
    """A time as LangFuse takes it: it refuses those without an offset."""
    return time.astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%S.%fZ")


def _lies(seconds: float | None, above: float | None, until: float | None) -> bool:
    """Whether a length of time lies between two others. One that is not said lies nowhere."""
    if above is None and until is None:
        return True
    return seconds is not None and (above is None or seconds > above) and (until is None or seconds <= until)


def _agrees(said: Any, wanted: str) -> bool:
    return said is None or said == wanted


def _any_of(column: str, values: tuple[str, ...]) -> Condition:
    if len(values) == 1:
        return _condition(column, "string", "=", values[0])
    return _condition(column, "stringOptions", "any of", list(values))


def _condition(column: str, kind: str, operator: str, value: Any) -> Condition:
    return {"type": kind, "column": column, "operator": operator, "value": value}
