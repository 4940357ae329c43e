"""Rules that are loaded, as Prometheus or who answers for it says: with other labels, beside groups of others."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import Any

import pytest

from slo_engine.definitions import load
from slo_engine.rollout.in_use import Advice, NotPrometheusRulesError, Placed, compared, read_loaded, wanted_groups

ADVICE = Advice("generate", "reload")
SLOS = load(
    """
version: slo-engine/v1
service: shop
slos:
  - name: runs
    objective: 99
    sli: {events: {total: runs_total, errors: 'runs_total{status="error"}'}}
"""
)


def labelled(placed: Placed, labels: Mapping[str, str]) -> Placed:
    rules = tuple(replace(rule, labels={**rule.labels, **labels}) for rule in placed.group.rules)
    return replace(placed, group=replace(placed.group, rules=rules))


def test_external_labels_that_thanos_says_of_each_rule_are_no_difference() -> None:
    wanted = wanted_groups(SLOS)
    found = [Placed("rules.yaml", group) for group in wanted]
    assert compared(wanted, found, ADVICE) == []
    assert compared(wanted, [labelled(each, {"cluster": "eu1", "replica": "a"}) for each in found], ADVICE) == []
    # One that some of them have was written by somebody.
    some = [labelled(found[0], {"cluster": "eu1"}), *found[1:]]
    assert {each.problem for each in compared(wanted, some, ADVICE)} == {"changed"}
    # And so was one that we write, with another value.
    other = [labelled(each, {"slo_service": "other"}) for each in found]
    assert {each.problem for each in compared(wanted, other, ADVICE)} == {"changed"}


@pytest.mark.parametrize(
    "foreign",
    [{"name": "node"}, {"name": "node", "rules": None}, {"name": "node", "file": 3, "rules": [{"type": "a"}]}],
)
def test_groups_of_other_tools_may_be_of_any_form(foreign: dict[str, Any]) -> None:
    ours = {"name": "slo-engine:shop:runs", "file": "f", "interval": 60, "rules": []}
    found = read_loaded([foreign, ours])
    assert [each.group.name for each in found.groups] == ["slo-engine:shop:runs"]
    with pytest.raises(NotPrometheusRulesError):
        read_loaded([{"name": "slo-engine:shop:runs", "rules": None}])
