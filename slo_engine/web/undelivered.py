"""Notifications that nobody gets until a person acts, for the page: dead letters, and what waits for sinks that are not
in the settings."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import dataclass

from sqlalchemy import Connection

from slo_engine.delivery.orphans import remedy
from slo_engine.store import deliveries
from slo_engine.store.deliveries import Delivery, Orphans, Selection

SHOWN = 5

_DEAD = Selection(states=["dead"])


@dataclass(frozen=True)
class Undelivered:
    """For the template."""

    dead: Sequence[tuple[Delivery, str]]
    """The newest dead letters, each with the command that sends it again."""
    dead_in_all: int
    orphans: Sequence[tuple[Orphans, str]]
    """Each with the command that sends what waits to another sink."""

    @property
    def dead_left_out(self) -> int:
        """How many are not shown."""
        return self.dead_in_all - len(self.dead)


def undelivered(connection: Connection, orphans: Sequence[Orphans], sinks: Collection[str]) -> Undelivered:
    """``sinks``: those of the settings."""
    dead = deliveries.find(connection, _DEAD, SHOWN)
    commands = [
        f"slo-engine deliveries resend {each.id}{'' if each.sink in sinks else ' --to <sink>'}" for each in dead
    ]
    return Undelivered(
        list(zip(dead, commands, strict=True)),
        deliveries.count(connection, _DEAD) if dead else 0,
        [(each, remedy(each.sink)) for each in orphans],
    )
