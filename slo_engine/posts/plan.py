"""Which posts are wanted, and who gets them."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import timedelta

from slo_engine.notifications import Link
from slo_engine.notifications.message import Kind
from slo_engine.notifications.routes import Hours, Match
from slo_engine.posts.crossings import Rules
from slo_engine.posts.policies import Policy
from slo_engine.posts.schedule import Schedule


@dataclass(frozen=True)
class Planned:
    """A scheduled post."""

    name: str
    kind: Kind
    schedule: Schedule
    match: Match
    sinks: tuple[str, ...]


@dataclass(frozen=True)
class Crossings:
    """What is told of crossings, and to whom."""

    rules: Rules
    match: Match
    sinks: tuple[str, ...]
    quiet: Hours | None = None


@dataclass(frozen=True)
class Plan:
    """All posts that are wanted."""

    schedules: tuple[Planned, ...] = ()
    crossings: Crossings | None = None
    policies: tuple[Policy, ...] = ()
    links: tuple[Link, ...] = ()
    """That go with each post."""
    longest_between: timedelta = timedelta(minutes=5)
    """Between two looks at the budgets: what was so at both may have been otherwise meanwhile, if more has gone by (and
    more than it has to hold)."""

    @property
    def watches(self) -> bool:
        """Whether the budgets are looked at: for crossings, or for policies alone."""
        return self.crossings is not None or bool(self.policies)
