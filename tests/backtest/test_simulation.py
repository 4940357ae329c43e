"""The times that the rules take, held to what the real rules do in ``promtool``."""

from __future__ import annotations

from collections.abc import Iterator
from itertools import pairwise
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from slo_engine.backtest.simulation import Simulated, SimulatedTier, outcome
from slo_engine.definitions.duration import Duration
from slo_engine.definitions.policies import BUILT_IN, Policy
from tests.rules.promtool import Expectation, near, replay, slos_of, true
from tests.rules.shop import firing, never, runs, slo_file

MONTH = Duration.parse("30d")
HEALTHY = 3 * 1440 + 60
"""Minutes before the outage: more than the longest window."""


def _scrapes(*stretches: tuple[int, float, float]) -> dict[str, str]:
    """The series of an agent that is scraped each 10 s."""
    return runs(*((minutes * 6, a_minute / 6, failing) for minutes, a_minute, failing in stretches))


def _tier(found: Simulated, long: str) -> SimulatedTier:
    return next(tier for tier in found.tiers if str(tier.ideal.tier.long) == long)


def _first_fires(at: str, within: int, minutes: float, **labels: str) -> Expectation:
    return near(at, f"min(min_over_time(timestamp({firing(**labels)})[{within}m:1m])) / 60", minutes)


def _last_fires(at: str, within: int, earliest: float, latest: float, **labels: str) -> Iterator[Expectation]:
    last = f"max(max_over_time(timestamp({firing(**labels)})[{within}m:1m])) / 60"
    yield true(at, f"{last} >= bool {earliest!r}")
    yield true(at, f"{last} <= bool {latest!r}")


@pytest.mark.parametrize(("objective", "error_ratio"), [(99.9, 1.0), (99.9, 0.15), (98, 1.0), (90, 1.0)])
def test_the_generated_rules_fire_when_the_simulation_says(
    tmp_path: Path, objective: float, error_ratio: float
) -> None:
    found = outcome(BUILT_IN["google"], objective, error_ratio, MONTH)
    slos = slos_of(tmp_path, slo_file(f"objective: {objective}", "alerting: {policy: google}"))
    outage = 600
    at = f"{HEALTHY + outage}m"
    expected = []
    for tier in found.tiers:
        labels = {"long_window": str(tier.ideal.tier.long)}
        if tier.seconds is None or tier.seconds > outage * 60:
            expected.append(never(at, **labels))
        else:
            expected.append(_first_fires(at, outage, HEALTHY + tier.seconds / 60, **labels))
    assert any(tier.seconds is not None for tier in found.tiers)
    history = _scrapes((HEALTHY, 120, 0), (outage, 120, error_ratio))
    replay(tmp_path, slos, history, *expected, scrapes_each="10s", waits=True)


def test_the_generated_rules_are_over_when_the_simulation_says(tmp_path: Path) -> None:
    found = outcome(BUILT_IN["google"], 98, 0.5, MONTH)
    slos = slos_of(tmp_path, slo_file("objective: 98", "alerting: {policy: google}"))
    outage, after = 3 * 1440 + 60, 420
    at = f"{outage + after}m"
    expected: list[Expectation] = []
    for tier in found.tiers:
        if tier.reset_seconds is not None:
            over = outage + tier.reset_seconds / 60
            # promtool looks at every alert each minute, Prometheus at those of long windows each five.
            earliest = over - (1 if tier.ideal.tier.long <= Duration.parse("6h") else 5)
            expected += _last_fires(at, after, earliest, over - 1, long_window=str(tier.ideal.tier.long))
    assert len(expected) == 8
    history = _scrapes((outage, 120, 0.5), (after, 120, 0))
    replay(tmp_path, slos, history, *expected, scrapes_each="10s", waits=True)


def test_rules_take_longer_than_the_formula_but_not_by_much() -> None:
    for error_ratio in (1.0, 0.3, 0.1, 0.03):
        for tier in outcome(BUILT_IN["google"], 99.9, error_ratio, MONTH).tiers:
            if tier.seconds is not None and tier.ideal.seconds is not None:
                # What is seen is ten seconds old, and is looked at once in a while.
                every = 60 if tier.ideal.tier.long <= Duration.parse("6h") else 300
                assert tier.ideal.seconds + 10 < tier.seconds <= tier.ideal.seconds + 10 + every


def test_an_outage_too_small_for_every_tier_is_never_detected_and_says_when_the_budget_is_gone() -> None:
    pages = Policy("pages", tuple(tier for tier in BUILT_IN["google"].tiers if tier.severity == "page"))
    found = outcome(pages, 99.9, 0.005, MONTH)
    assert found.first is None
    assert found.exhausted_seconds == pytest.approx(6 * 86_400)


def test_a_for_clause_waits_in_whole_evaluations() -> None:
    held = outcome(BUILT_IN["google"], 99.9, 1.0, MONTH, held=90)
    plain = outcome(BUILT_IN["google"], 99.9, 1.0, MONTH)
    assert [_seconds(held, long) - _seconds(plain, long) for long in ("1h", "1d")] == [120, 300]


def _seconds(found: Simulated, long: str) -> float:
    seconds = _tier(found, long).seconds
    assert seconds is not None
    return seconds


def test_tiers_that_do_not_fit_into_the_window_are_left_out() -> None:
    found = outcome(BUILT_IN["google"], 99.9, 1.0, Duration.parse("1d"))
    assert [str(tier.ideal.tier.long) for tier in found.tiers] == ["1h", "6h", "1d"]


@pytest.mark.parametrize("policy", BUILT_IN.values(), ids=BUILT_IN.keys())
@given(
    error_ratio=st.floats(1e-4, 1),
    objectives=st.lists(st.floats(1.01, 99.9999), min_size=2, max_size=6, unique=True),
)
def test_rules_never_take_longer_at_a_higher_objective(
    policy: Policy, error_ratio: float, objectives: list[float]
) -> None:
    found = [outcome(policy, objective, error_ratio, MONTH) for objective in sorted(objectives)]
    times = [[float("inf") if tier.seconds is None else tier.seconds for tier in each.tiers] for each in found]
    for lower, higher in pairwise(times):
        assert all(sooner <= later for later, sooner in zip(lower, higher, strict=True))
