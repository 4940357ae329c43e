from __future__ import annotations

import math

import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st
from scipy import stats

from slo_engine.evidence.significance import benjamini_hochberg, fisher_greater, odds_ratio, split_gain

COUNTS = st.one_of(st.integers(0, 12), st.integers(0, 2_000), st.integers(0, 100_000))


@given(COUNTS, COUNTS, COUNTS, COUNTS)
@settings(max_examples=300, deadline=None)
def test_fisher_agrees_with_scipy(failing_in: int, healthy_in: int, failing_out: int, healthy_out: int) -> None:
    assume(failing_in + healthy_in + failing_out + healthy_out > 0)
    ours = fisher_greater(failing_in, healthy_in, failing_out, healthy_out)
    theirs = stats.hypergeom.sf(
        failing_in - 1,
        failing_in + healthy_in + failing_out + healthy_out,
        failing_in + failing_out,
        failing_in + healthy_in,
    )
    assert ours == pytest.approx(theirs, rel=1e-6, abs=1e-12)


@pytest.mark.parametrize("square", [(3, 1, 1, 3), (8, 2, 1, 5), (0, 5, 5, 0), (5, 0, 0, 5), (30, 70, 12, 880)])
def test_fisher_agrees_with_scipys_own_test(square: tuple[int, int, int, int]) -> None:
    failing_in, healthy_in, failing_out, healthy_out = square
    theirs = stats.fisher_exact([[failing_in, healthy_in], [failing_out, healthy_out]], alternative="greater")
    assert fisher_greater(*square) == pytest.approx(theirs.pvalue, rel=1e-9)


def test_a_tail_too_small_for_a_float_is_zero() -> None:
    assert fisher_greater(50_000, 0, 0, 50_000) == 0.0


def test_a_world_without_runs_proves_nothing() -> None:
    assert fisher_greater(0, 0, 0, 0) == 1.0


@given(st.lists(st.floats(0, 1), min_size=1, max_size=60))
@settings(max_examples=200, deadline=None)
def test_benjamini_hochberg_agrees_with_scipy(p_values: list[float]) -> None:
    assert benjamini_hochberg(p_values) == pytest.approx(list(stats.false_discovery_control(p_values)))


def test_nothing_tested_gives_no_q_values() -> None:
    assert benjamini_hochberg([]) == []


def test_the_gain_of_a_split_is_half_of_the_g_statistic() -> None:
    g = stats.chi2_contingency([[30, 70], [12, 880]], correction=False, lambda_="log-likelihood").statistic
    assert split_gain(30, 70, 12, 880) == pytest.approx(g / 2)


def test_a_split_gains_most_when_it_is_neither_too_narrow_nor_too_wide() -> None:
    exact = split_gain(60, 40, 10, 890)
    assert exact > split_gain(30, 20, 40, 910)
    assert exact > split_gain(62, 138, 8, 792)


def test_a_split_with_nothing_on_one_side_gains_nothing() -> None:
    assert split_gain(30, 70, 0, 0) == pytest.approx(0)


def test_odds_are_finite_when_all_fail() -> None:
    assert math.isfinite(odds_ratio(10, 0, 0, 10))
