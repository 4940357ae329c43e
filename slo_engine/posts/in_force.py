"""The steps of budget policies that are in force, as the states in the store have them."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from datetime import UTC, datetime
from typing import Any

from slo_engine.definitions.slo import SloSet
from slo_engine.notifications.outline import name_of
from slo_engine.posts.crossings import State
from slo_engine.posts.policies import Policy, Step, steps_for
from slo_engine.status.model import SloStatus
from slo_engine.store import budgets

States = Mapping[budgets.GroupKey, Mapping[str, Any]]
"""What :func:`slo_engine.store.budgets.states` gives."""


def lines_in_force(policies: Sequence[Policy], slos: SloSet, known: States, statuses: Iterable[SloStatus]) -> list[str]:
    """The steps in force for these budgets, one line each."""
    return [
        f"{name_of(each.service, each.slo, each.group)}, {step.said}"
        for each in statuses
        for step, _ in steps_in_force(policies, slos, known, each.service, each.slo, each.group)
    ]


def steps_in_force(
    policies: Iterable[Policy],
    slos: SloSet,
    known: States,
    service: str,
    name: str,
    group: Mapping[str, str],
) -> list[tuple[Step, datetime]]:
    """The steps in force for one budget, and since when. ``known``: the states in the store."""
    slo = slos.find(service, name)
    state = known.get(budgets.group_key(service, name, group))
    if slo is None or state is None:
        return []
    since = State.of_json(state).policies
    return [
        (step, datetime.fromtimestamp(since[step.identity], UTC))
        for step in steps_for(policies, slo, group)
        if step.identity in since
    ]
