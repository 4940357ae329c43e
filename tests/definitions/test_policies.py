from __future__ import annotations

import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from slo_engine.definitions import Duration, Policy, Tier
from slo_engine.definitions.policies import ALPHA, BUILT_IN, GOOGLE, REACH, can_fire, improbability
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


@pytest.mark.parametrize(
    ("events", "errors"),
    [
        (3, (2, 3, 3, None, None)),
        (10, (3, 4, 5, 6, 7)),
        (100, (4, 8, 11, 17, 25)),
        (1000, (8, 27, 42, 83, 144)),
    ],
)
def test_least_failures_that_are_no_accident(events: int, errors: tuple[int | None, ...]) -> None:
    # The table of docs/policies.md.
    known = math.log(1 / ALPHA)
    for objective, least in zip((99.9, 99, 98, 95, 90), errors, strict=True):
        budget = error_budget(objective)
        sure = (each for each in range(1, events + 1) if improbability(events, each / events, budget) > known)
        assert next(sure, None) == least, objective


@given(st.integers(1, 300), st.floats(0.0001, 0.5))
def test_chance_alone_never_brings_so_many_errors_more_often_than_the_bound_says(events: int, budget: float) -> None:
    for errors in {1, events // 3, events // 2, events}:
        if errors / events > budget:
            chance = math.fsum(_binomial(number, events, budget) for number in range(errors, events + 1))
            assert math.exp(-improbability(events, errors / events, budget)) >= chance * (1 - 1e-6)


def _binomial(errors: int, events: int, share: float) -> float:
    ways = math.lgamma(events + 1) - math.lgamma(errors + 1) - math.lgamma(events - errors + 1)
    return math.exp(ways + errors * math.log(share) + (events - errors) * math.log1p(-share))


def test_budget_that_is_kept_is_not_improbable() -> None:
    assert improbability(1000, 0.01, 0.01) == improbability(1000, 0.0, 0.01) == improbability(0, math.nan, 0.01) == 0
