"""What a sink is: one method, three answers."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Annotated, Any, Protocol

from pydantic import Field

from slo_engine.connection_settings import SettingsSection
from slo_engine.notifications import Message


class SinkSettings(SettingsSection):
    """What every item of ``sinks`` takes, beside a ``type`` of its own."""

    name: Annotated[str, Field(pattern=r"^[a-z0-9][-a-z0-9_]{0,99}$")]
    updates: bool = False
    """Whether it takes a second message about a notification whose evidence came late. Whoever pages for each message
    that comes does not want it."""


@dataclass(frozen=True)
class Delivered:
    """The sink has taken it. ``receipt``: what it said, as JSON for people and for later messages of the thread."""

    receipt: Mapping[str, Any] | None = None


@dataclass(frozen=True)
class Retry:
    """Not now. ``after``: seconds the sink asks us to wait, if it does."""

    reason: str
    after: float | None = None


@dataclass(frozen=True)
class Refused:
    """Never: the same message would be refused again."""

    reason: str


Outcome = Delivered | Retry | Refused


class Sink(Protocol):
    """Where messages go."""

    async def send(self, message: Message) -> Outcome:
        """Send one message. Never raises for what the other side or the network does."""
        ...

    async def close(self) -> None:
        """Close the connections; the sink is not used afterwards."""
        ...


@dataclass(frozen=True)
class SinkType:
    """A row of the table of sinks."""

    settings: type[SinkSettings]
    """An item of ``sinks`` of this type: its key ``type`` is a Literal, and tells it from the others."""
    make: Callable[[Any], Sink]
    """The sink of such settings. Raises SloEngineError where they cannot be used."""
