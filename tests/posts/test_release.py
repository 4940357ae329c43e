"""May this service release?"""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import pytest

from slo_engine.posts.crossings import State
from slo_engine.posts.policies import Policy
from slo_engine.posts.release import FRESH, may_release
from slo_engine.posts.settings import BudgetPolicySettings
from slo_engine.store import budgets
from tests.posts.worlds import START, slos, status

AT = START + timedelta(hours=1)


def policy(**match: Any) -> Policy:
    steps = [
        {"at": 25, "text": "reliability work goes first"},
        {"at": 0, "text": "no releases but fixes", "freeze": True, "until": 10},
    ]
    return BudgetPolicySettings.model_validate({"match": match, "steps": steps}).policy()


def known(*in_force: int, group: str = "support") -> dict[budgets.GroupKey, dict[str, Any]]:
    steps = policy().steps
    state = State(policies={steps[number].identity: START.timestamp() for number in in_force})
    return {budgets.group_key("agents", "success", {"agent_type": group}): state.as_json()}


def ask(state: dict[budgets.GroupKey, dict[str, Any]], left: float | None, *, age: timedelta = timedelta(0)) -> Any:
    statuses = [status(left, AT), status(0.9, AT, slo="latency")]
    return may_release("agents", [policy(slo="success")], slos(), statuses, state, AT, AT + age)


def test_without_a_step_in_force_it_may() -> None:
    assert ask(known(), 0.9).releases == "allowed"


def test_a_step_that_does_not_freeze_is_told_and_it_may() -> None:
    found = ask(known(0), 0.2)
    assert found.releases == "allowed"
    assert [(each.step.at, each.since, each.remaining) for each in found.steps] == [(0.25, START, 0.2)]


def test_a_budget_that_is_low_enough_to_freeze_but_has_not_been_for_long_is_not_known() -> None:
    found = ask(known(), -0.1)
    assert found.releases == "unknown"
    assert found.reason.startswith("agents success agent_type=support: exhausted, overspent by 10.0 %; the step begins")


def test_a_step_that_freezes_stops_it_and_says_until_when() -> None:
    found = ask(known(0, 1), -0.1)
    assert found.releases == "frozen"
    assert found.reason == (
        "agents success agent_type=support: no releases but fixes (until 10 % of the budget is left)"
    )


def test_what_is_frozen_stays_so_when_prometheus_is_down() -> None:
    assert ask(known(1), -0.1, age=timedelta(days=1)).releases == "frozen"


def test_that_nothing_is_frozen_is_known_only_of_fresh_budgets() -> None:
    assert ask(known(), 0.9, age=FRESH).releases == "allowed"
    assert ask(known(), 0.9, age=FRESH + timedelta(seconds=1)).releases == "unknown"
    assert may_release("agents", [policy()], slos(), [], {}, None, AT).reason == "the SLOs were evaluated never"


def test_a_budget_without_data_is_not_known() -> None:
    found = ask(known(), None)
    assert (found.releases, found.reason) == ("unknown", "no data: agents success agent_type=support")


def test_a_policy_is_about_the_slos_that_it_names() -> None:
    only_latency = [policy(slo="latency")]
    found = may_release("agents", only_latency, slos(), [status(0.9, AT, slo="latency")], known(1), AT, AT)
    assert found.releases == "allowed"


@pytest.mark.parametrize(
    ("step", "said"),
    [
        ({"at": 25, "text": ""}, "at least 1 character"),
        ({"at": 25, "text": "x", "until": 25}, "until must be above at"),
        ({"at": 100, "text": "x"}, "less than 100"),
        ({"at": -1, "text": "x"}, "greater than or equal to 0"),
    ],
)
def test_a_step_that_says_nothing_sensible_is_refused(step: dict[str, Any], said: str) -> None:
    with pytest.raises(ValueError, match=said):
        BudgetPolicySettings.model_validate({"steps": [step]})
