"""What a sink is: one method, three answers."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Protocol


@dataclass(frozen=True)
class Delivery:
    """A page on its way. ``key`` is the same for every attempt, so that a receiver can tell a repeat."""

    key: str
    message: Mapping[str, Any]


@dataclass(frozen=True)
class Delivered:
    """The sink has taken it."""


@dataclass(frozen=True)
class Retry:
    """Not now. ``after``: seconds the sink asks us to wait, if it does."""

    reason: str
    after: float | None = None


@dataclass(frozen=True)
class Refused:
    """Never: the same page would be refused again."""

    reason: str


Outcome = Delivered | Retry | Refused


class Sink(Protocol):
    """Where pages go."""

    async def send(self, delivery: Delivery) -> Outcome:
        """Send one page. Never raises for what the other side or the network does."""
        ...

    async def close(self) -> None:
        """Give the connections back."""
        ...
