"""What a sink is: one method, three answers."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Protocol

from slo_engine.notifications import Message


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
