"""The budget at the end of a history."""

from __future__ import annotations

import math
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path

import pytest

from slo_engine.backtest.standing import standing
from slo_engine.backtest.windows import History
from slo_engine.definitions import Duration, Slo
from slo_engine.definitions.targets import Objective
from tests.rules.promtool import slos_of
from tests.rules.shop import slo_file

START = int(datetime(2026, 11, 30, 22, 0, tzinfo=UTC).timestamp())
DAY = 1440


@pytest.fixture
def slo(tmp_path: Path) -> Slo:
    (found,) = slos_of(tmp_path, slo_file()).slos
    return replace(found, target=Objective(99), window=Duration.parse("3d"))


def history(nothing: int, minutes: int, failing: float) -> History:
    """Without data for so many minutes, and then ten runs a minute for so many."""
    gap = [math.nan] * nothing
    return History(START, gap + [10.0] * minutes, gap + [10 * failing] * minutes)


def test_budget_is_that_of_the_data_until_the_window_is_full(slo: Slo) -> None:
    found = standing(slo, {}, history(600, 120, 0.005))
    assert found is not None
    assert (found.error_ratio, found.error_budget_remaining) == pytest.approx((0.005, 0.5))
    assert (str(found.data_over), found.is_window_full) == ("2h", False)


def test_only_the_last_window_counts(slo: Slo) -> None:
    old, new = history(0, 2 * DAY, 1.0), history(0, 3 * DAY, 0.0)
    assert old.total is not None
    assert new.total is not None
    both = History(START, [*old.total, *new.total], [*old.errors, *new.errors])
    found = standing(slo, {}, both)
    assert found is not None
    assert (found.error_budget_remaining, str(found.data_over), found.is_window_full) == (1.0, "3d", True)


def test_history_that_was_not_read_back_far_enough_tells_no_budget(slo: Slo) -> None:
    assert standing(slo, {}, history(0, DAY, 0.0)) is None
    assert standing(slo, {}, history(DAY, 0, 0.0)) is None


def test_group_without_events_has_spent_nothing(slo: Slo) -> None:
    found = standing(slo, {}, History(START, [math.nan] * 60 + [0.0] * 60, [math.nan] * 60 + [0.0] * 60))
    assert found is not None
    assert (found.error_ratio, found.error_budget_remaining) == (0.0, 1.0)


def test_money_of_a_calendar_month_is_counted_from_its_first_minute_on(tmp_path: Path) -> None:
    cost = "{cost: {spend: usd_total, budget: 100 USD, month: UTC}}"
    text = f"version: slo-engine/v1\nservice: shop\nslos: [{{name: spend, sli: {cost}}}]\n"
    (slo,) = slos_of(tmp_path, text).slos
    # From 22:00 on a dollar a minute: 120 of them in November, and 30 in December.
    found = standing(slo, {}, History(START, None, [1.0] * 151))
    assert found is not None
    assert found.error_budget_remaining == pytest.approx(0.7)
    assert (str(found.data_over), found.is_window_full) == ("30m", True)
