"""Whether a service may release, as its budget policies have it."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any, Literal

from slo_engine import amounts
from slo_engine.definitions.slo import SloSet
from slo_engine.notifications.outline import name_of
from slo_engine.posts.in_force import States, steps_in_force
from slo_engine.posts.policies import Policy, Step, steps_for
from slo_engine.status.model import SloStatus
from slo_engine.store import budgets

FRESH = timedelta(minutes=10)
"""A status that is older says nothing about now."""


@dataclass(frozen=True)
class InForce:
    """A step that is in force for one budget."""

    slo: str
    group: Mapping[str, str]
    step: Step
    since: datetime
    remaining: float | None

    def as_json(self) -> dict[str, Any]:
        """For the API."""
        return {
            "slo": self.slo,
            "group": dict(self.group),
            "at_percent": self.step.at * 100,
            "until_percent": self.step.until * 100,
            "text": self.step.text,
            "freeze": self.step.freeze,
            "since": self.since.isoformat(),
            "error_budget_remaining": self.remaining,
        }


@dataclass(frozen=True)
class Release:
    """The answer to "may this service release?"."""

    service: str
    releases: Literal["allowed", "frozen", "unknown"]
    reason: str
    steps: tuple[InForce, ...]
    evaluated_at: datetime | None

    def as_json(self) -> dict[str, Any]:
        """For the API."""
        return {
            "service": self.service,
            "releases": self.releases,
            "reason": self.reason,
            "steps": [each.as_json() for each in self.steps],
            "evaluated_at": None if self.evaluated_at is None else self.evaluated_at.isoformat(),
        }


def may_release(
    service: str,
    policies: Sequence[Policy],
    slos: SloSet,
    statuses: Sequence[SloStatus],
    known: States,
    evaluated_at: datetime | None,
    now: datetime,
) -> Release:
    """The verdict on a service. ``known``: the states of budgets in the store. Steps that were in force when the status
    was last known stay so; that none is in force is known only of a status that is fresh."""
    left = {(each.slo, *sorted(each.group.items())): each.error_budget_remaining for each in statuses}
    steps = tuple(_in_force(service, policies, slos, known, left))
    frozen = [each for each in steps if each.step.freeze]
    is_fresh = evaluated_at is not None and timedelta(0) <= now - evaluated_at <= FRESH
    if frozen:
        first = frozen[0]
        back = f"until {amounts.about_percent(first.step.until)} of the budget is left"
        reason = f"{name_of(service, first.slo, first.group)}: {first.step.text} ({back})"
        return Release(service, "frozen", reason, steps, evaluated_at)
    if not is_fresh:
        since = "never" if evaluated_at is None else f"last at {amounts.minute(evaluated_at)}"
        return Release(service, "unknown", f"the SLOs were evaluated {since}", steps, evaluated_at)
    pending = [
        f"{name_of(each.service, each.slo, each.group)}: {amounts.budget_left(each.error_budget_remaining)}"
        for each in statuses
        if each.error_budget_remaining is not None and (slo := slos.find(each.service, each.slo)) is not None
        for step in steps_for(policies, slo, each.group)
        if step.freeze and step.begins(each.error_budget_remaining)
    ]
    if pending:
        reason = f"{pending[0]}; the step begins once that has held, over enough data"
        return Release(service, "unknown", reason, steps, evaluated_at)
    # An SLO without any data has one status, of no group.
    missing = [
        name_of(each.service, each.slo, each.group)
        for each in statuses
        if each.error_budget_remaining is None
        and (slo := slos.find(each.service, each.slo)) is not None
        and any(step.freeze for step in steps_for(policies, slo, each.group))
    ]
    unseen = {(slo.service, slo.name) for slo in slos.slos} - {(each.service, each.slo) for each in statuses}
    missing += [
        name_of(service, slo.name, {})
        for slo in slos.slos
        if slo.key in unseen and slo.service == service and any(step.freeze for step in steps_for(policies, slo, {}))
    ]
    if missing:
        return Release(service, "unknown", f"no data: {', '.join(missing)}", steps, evaluated_at)
    return Release(service, "allowed", "no step of a policy freezes releases", steps, evaluated_at)


def _in_force(
    service: str,
    policies: Sequence[Policy],
    slos: SloSet,
    known: States,
    left: Mapping[tuple[Any, ...], float | None],
) -> Iterator[InForce]:
    for owner, name, group_text in sorted(known):
        if owner == service:
            group = budgets.group_of(group_text)
            for step, since in steps_in_force(policies, slos, known, owner, name, group):
                yield InForce(name, group, step, since, left.get((name, *sorted(group.items()))))
