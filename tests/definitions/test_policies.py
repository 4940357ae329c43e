from __future__ import annotations

import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from slo_engine.definitions import Duration, Policy, Tier
from slo_engine.definitions.policies import BUILT_IN, GOOGLE, REACH, can_fire
from slo_engine.definitions.targets import error_budget

OBJECTIVES = st.floats(0, 100, exclude_min=True, exclude_max=True)
WRITTEN = st.floats(1, 100, exclude_max=True)
"""Objectives that the format takes."""
TIERS = pytest.mark.parametrize("tier", GOOGLE.tiers, ids=str)


def threshold(tier: Tier, objective: float) -> float:
    """The error ratio above which the tier fires."""
    budget = error_budget(objective)
    return GOOGLE.factor(tier, budget) * budget


@TIERS
@given(objective=WRITTEN)
def test_every_google_tier_can_fire_for_every_objective(tier: Tier, objective: float) -> None:
    budget = error_budget(objective)

    assert can_fire(GOOGLE.factor(tier, budget), budget)
    assert 0 < threshold(tier, objective) <= max(REACH, budget) * (1 + 1e-12)


@TIERS
@given(objective=WRITTEN)
def test_no_google_tier_fires_while_the_objective_is_kept(tier: Tier, objective: float) -> None:
    assert GOOGLE.factor(tier, error_budget(objective)) >= 1


@TIERS
@given(one=OBJECTIVES, other=OBJECTIVES)
def test_a_higher_objective_never_needs_more_errors_to_fire(tier: Tier, one: float, other: float) -> None:
    low, high = sorted((one, other))

    assert threshold(tier, high) <= threshold(tier, low) * (1 + 1e-12)


@TIERS
@given(objective=st.floats(95, 100, exclude_max=True))
def test_at_an_objective_of_95_or_more_the_factors_are_those_of_the_book(tier: Tier, objective: float) -> None:
    assert GOOGLE.factor(tier, error_budget(objective)) == tier.factor


@given(st.floats(0.001, 100_000), OBJECTIVES)
def test_only_an_adaptive_policy_changes_its_factors(factor: float, objective: float) -> None:
    tier = Tier("page", Duration.parse("1h"), Duration.parse("5m"), factor)

    assert Policy("own", (tier,)).factor(tier, error_budget(objective)) == factor


@given(st.floats(0.001, 100_000), OBJECTIVES)
def test_a_tier_can_fire_when_a_full_outage_burns_faster_than_its_factor(factor: float, objective: float) -> None:
    budget = error_budget(objective)

    if not math.isclose(factor, 1 / budget, rel_tol=1e-9):
        assert can_fire(factor, budget) == (1 / budget > factor)


def test_the_google_policy_holds_the_numbers_of_the_workbook() -> None:
    tiers = [(str(tier), tier.factor) for tier in BUILT_IN["google"].tiers]

    assert tiers == [("page 1h/5m", 14.4), ("page 6h/30m", 6), ("ticket 1d/2h", 3), ("ticket 3d/6h", 1)]


@pytest.mark.parametrize(
    ("objective", "budget"), [(98, 0.02), (99.9, 0.001), (99.99, 0.0001), (33.3, 0.667), (None, 1)]
)
def test_an_error_budget_carries_no_noise_of_binary_fractions(objective: float | None, budget: float) -> None:
    assert error_budget(objective) == budget
