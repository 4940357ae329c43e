"""The times that the rules take, held to what the real rules do in ``promtool``."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from slo_engine.backtest.simulation import Simulated, SimulatedTier, outcome
from slo_engine.definitions.duration import Duration
from slo_engine.definitions.kinds.counter import LAG_SECONDS
from slo_engine.definitions.policies import BUILT_IN, Policy
from tests.rules.promtool import Expectation, compare, near, slos_of, true
from tests.rules.shop import firing, never, runs, slo_file

pytestmark = [pytest.mark.timeout(420), pytest.mark.takes(seconds=60)]

MONTH = Duration.parse("30d")
HEALTHY = 3 * 1440 + 60
"""Minutes before the outage: more than the longest window."""

OUTAGE_FOR, WELL_FOR = 3 * 1440 + 60, 420
"""Minutes of the outage that passes, and of the time after it."""


def _scrapes(*stretches: tuple[int, float, float], agent_type: str) -> dict[str, str]:
    """The series of an agent that is scraped each 10 s."""
    each_10_s = ((minutes * 6, a_minute / 6, failing) for minutes, a_minute, failing in stretches)
    return runs(*each_10_s, agent_type=agent_type)


def _tier(found: Simulated, long: str) -> SimulatedTier:
    return next(tier for tier in found.tiers if str(tier.ideal.tier.long) == long)


def _first_fires(at: str, within: int, minutes: float, **labels: str) -> Expectation:
    return near(at, f"min(min_over_time(timestamp({firing(**labels)})[{within}m:1m])) / 60", minutes)


def _last_fires(at: str, within: int, earliest: float, latest: float, **labels: str) -> Iterator[Expectation]:
    last = f"max(max_over_time(timestamp({firing(**labels)})[{within}m:1m])) / 60"
    yield true(at, f"{last} >= bool {earliest!r}")
    yield true(at, f"{last} <= bool {latest!r}")


OUTAGES = [(99.9, 1.0), (99.9, 0.15), (98.0, 1.0), (90.0, 1.0)]
"""Objective and error ratio: an outage of 600 minutes after a time in which all was well."""

PASSING = (98.0, 0.5)
"""An outage longer than the longest window, from the first minute on, and then none."""


def _agent(objective: float, error_ratio: float) -> str:
    return f"{objective}-{error_ratio}"


def _fires_as_simulated(objective: float, error_ratio: float, outage: int) -> Iterator[Expectation]:
    found = outcome(BUILT_IN["google"], objective, error_ratio, MONTH)
    assert any(tier.seconds is not None for tier in found.tiers)
    at = f"{HEALTHY + outage}m"
    for tier in found.tiers:
        labels = {"agent_type": _agent(objective, error_ratio), "long_window": str(tier.ideal.tier.long)}
        if tier.seconds is None or tier.seconds > outage * 60:
            yield never(at, **labels)
        else:
            yield _first_fires(at, outage, HEALTHY + tier.seconds / 60, **labels)


def _is_over_as_simulated(objective: float, error_ratio: float, outage: int, after: int) -> Iterator[Expectation]:
    for tier in outcome(BUILT_IN["google"], objective, error_ratio, MONTH).tiers:
        if tier.reset_seconds is not None:
            over = outage + tier.reset_seconds / 60
            # promtool looks at every alert each minute, Prometheus at those of long windows each five.
            earliest = over - (1 if tier.ideal.tier.long <= Duration.parse("6h") else 5)
            labels = {"agent_type": _agent(objective, error_ratio), "long_window": str(tier.ideal.tier.long)}
            yield from _last_fires(f"{outage + after}m", after, earliest, over - 1, **labels)


@pytest.fixture(scope="module")
def differences(tmp_path_factory: pytest.TempPathFactory) -> Mapping[str, str]:
    """For each agent, where the rules do not do what the simulation says. One SLO with an agent for each case, because
    promtool parses every rule anew for every minute, and each history has five thousand."""
    folder = tmp_path_factory.mktemp("simulation")
    passing = _agent(*PASSING)
    objectives = {_agent(*case): case[0] for case in (*OUTAGES, PASSING) if case[0] != 98}
    overrides = [f"{{match: {{agent_type: '{agent}'}}, objective: {each}}}" for agent, each in objectives.items()]
    text = slo_file("objective: 98", "alerting: {policy: google}", f"overrides: [{', '.join(overrides)}]")
    series = _scrapes((OUTAGE_FOR, 120, PASSING[1]), (WELL_FOR, 120, 0), agent_type=passing)
    expected = {passing: [*_is_over_as_simulated(*PASSING, OUTAGE_FOR, WELL_FOR)]}
    assert len(expected[passing]) == 8
    for case in OUTAGES:
        series |= _scrapes((HEALTHY, 120, 0), (600, 120, case[1]), agent_type=_agent(*case))
        expected[_agent(*case)] = [*_fires_as_simulated(*case, 600)]
    return compare(folder, slos_of(folder, text), series, expected, scrapes_each="10s", waits=True)


@pytest.mark.parametrize(("objective", "error_ratio"), OUTAGES)
def test_the_generated_rules_fire_when_the_simulation_says(
    differences: Mapping[str, str], objective: float, error_ratio: float
) -> None:
    assert not differences[_agent(objective, error_ratio)]


def test_the_generated_rules_are_over_when_the_simulation_says(differences: Mapping[str, str]) -> None:
    assert not differences[_agent(*PASSING)]


def test_rules_take_longer_than_the_formula_but_not_by_much() -> None:
    for error_ratio in (1.0, 0.3, 0.1, 0.03):
        for tier in outcome(BUILT_IN["google"], 99.9, error_ratio, MONTH).tiers:
            if tier.seconds is not None and tier.ideal.seconds is not None:
                # What is seen is a quarter of a minute old, and is looked at once in a while.
                every = 60 if tier.ideal.tier.long <= Duration.parse("6h") else 300
                seen = tier.ideal.seconds + LAG_SECONDS
                assert seen < tier.seconds <= seen + every


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
