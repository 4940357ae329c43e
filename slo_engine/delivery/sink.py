"""What a sink is: one method, four answers."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from math import inf
from typing import Annotated, Any, ClassVar, Protocol, Self

from pydantic import Field, model_validator

from slo_engine.connection_settings import SettingsSection
from slo_engine.definitions.duration import Duration
from slo_engine.delivery.forms import TemplateText
from slo_engine.notifications import Message
from slo_engine.notifications.message import Kind

SinkName = Annotated[str, Field(pattern=r"^[a-z0-9][-a-z0-9_]{0,99}$")]

LONGEST_DELIVERY_SECONDS = 30.0
"""Half the lease of a delivery: one that outlives its lease is sent twice."""


class SinkSettings(SettingsSection):
    """What every item of ``sinks`` takes, beside a ``type`` of its own."""

    PARTS: ClassVar[tuple[str, ...]] = ()
    """The parts of a message that this type writes with a template; empty: none."""

    TAKES_POSTS: ClassVar[bool] = True
    """Whether it takes what the engine says by itself, and not alerts alone."""

    name: SinkName
    """By which routes, posts and the command line name it."""
    updates: bool = False
    """Whether it takes a second message about a notification whose evidence came late. Whoever pages for each message
    that comes does not want it."""
    fallback: SinkName | None = None
    """The sink that gets what this one cannot take."""
    fallback_after: Duration = Duration.parse("60s")
    """How long a message waits for this sink before it goes to the fallback, too."""
    reminders: bool | Duration = True
    """Whether it gets what Alertmanager repeats, or how far apart at least."""
    templates: Mapping[Kind, Mapping[str, TemplateText]] = {}
    """Kind of message -> part -> what is written instead of the sink's own template."""

    @property
    def seconds_between_reminders(self) -> float:
        """0: it gets all of them; infinite: none."""
        if isinstance(self.reminders, bool):
            return 0.0 if self.reminders else inf
        return self.reminders.seconds

    @model_validator(mode="after")
    def _has_these_parts(self) -> Self:
        for kind, parts in self.templates.items():
            for part in parts:
                if part not in self.PARTS:
                    known = f"it has {', '.join(self.PARTS)}" if self.PARTS else "this type has no templates"
                    raise ValueError(f"templates.{kind}.{part}: there is no such part; {known}")
        return self


@dataclass(frozen=True)
class Delivered:
    """The sink has taken it. ``receipt``: what it said, as JSON for people and for later messages of the thread."""

    receipt: Mapping[str, Any] | None = None


@dataclass(frozen=True)
class Retry:
    """Not now. ``after``: seconds the sink asks us to wait, if it does: it is sent nothing before."""

    reason: str
    after: float | None = None
    is_limit: bool = False
    """The sink works, and takes only so much in a time."""


@dataclass(frozen=True)
class Misconfigured:
    """Not before a person has changed something: a token, an address, what we may do. Tried again for hours."""

    reason: str
    is_too_large: bool = False
    """It is about this message, and a smaller one may pass."""


@dataclass(frozen=True)
class Refused:
    """Never: the same message would be refused again."""

    reason: str


Outcome = Delivered | Retry | Misconfigured | Refused


class Sink(Protocol):
    """Where messages go."""

    async def send(self, message: Message, earlier: Mapping[str, Any] | None = None) -> Outcome:
        """Send one message. ``earlier``: the receipt of the newest message of the same incident that this sink took;
        None: this one begins it. Never raises for what the other side or the network does."""
        ...

    def preview(self, message: Message) -> str:
        """What would be sent for a message that begins an incident: for people, without secrets."""
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
    """The sink of such settings. Raises SloEngineError where they cannot be used, its templates among them."""
