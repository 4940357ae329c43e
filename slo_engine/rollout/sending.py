"""A plan for a ruler, carried out."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Protocol

from slo_engine.rollout.pushing import Change
from slo_engine.rollout.ruler import RulerError


class RuleStore(Protocol):
    """What takes the groups of one tenant: :class:`slo_engine.rollout.ruler.Ruler`."""

    def put(self, namespace: str, group: str, text: str) -> None:
        """Create or replace one group. Raises RulerError."""
        ...

    def delete(self, namespace: str, group: str) -> None:
        """Remove one group. Raises RulerError."""
        ...


@dataclass(frozen=True)
class Sent:
    """What became of a change. ``error``: empty when it went, otherwise why not."""

    change: Change
    error: str


def send(ruler: RuleStore, changes: Sequence[Change], on_sent: Callable[[], None] = lambda: None) -> list[Sent]:
    """Make the changes in their order. Nothing is deleted when something could not be sent, and nothing more is tried
    after a failure that the others would share."""
    outcomes: list[Sent] = []
    stopped, has_failed = "", False
    for change in changes:
        error = stopped
        if not error and change.action == "delete" and has_failed:
            error = "not deleted, because other groups could not be sent"
        if not error:
            try:
                if change.action == "delete":
                    ruler.delete(change.namespace, change.group)
                else:
                    ruler.put(change.namespace, change.group, change.text)
            except RulerError as failure:
                error = str(failure)
                stopped = "not sent, after this failure" if failure.is_final else ""
        has_failed = has_failed or bool(error)
        outcomes.append(Sent(change, error))
        on_sent()
    return outcomes
