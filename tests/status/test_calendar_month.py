"""The status of a budget for the calendar month."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from pathlib import Path
from zoneinfo import ZoneInfo

import pytest

from slo_engine.definitions import Slo, load
from slo_engine.status.evaluate import GroupRecords, status_of
from slo_engine.status.model import SloStatus

FILE = """
version: slo-engine/v1
service: shop
slos:
  - name: spend
    by: [agent_type]
    sli: {cost: {spend: usd_total, budget: 300 USD, month: Europe/Berlin}}
    overrides: [{match: {agent_type: research}, budget: 3000 USD}]
"""
BERLIN = ZoneInfo("Europe/Berlin")
MIDDLE = datetime(2026, 11, 16, 12, tzinfo=UTC)


@pytest.fixture
def spend(tmp_path: Path) -> Slo:
    file = tmp_path / "slos.yaml"
    file.write_text(FILE, encoding="utf-8")
    (slo,) = load([file]).slos
    return slo


def status(slo: Slo, spent: float, at: datetime = MIDDLE, agent: str = "chat", **pace: float) -> SloStatus:
    recorded = GroupRecords(ratios={f"{window[1:]}": ratio for window, ratio in pace.items()}, errors=spent)
    return status_of(slo, {"agent_type": agent}, recorded, at)


def test_what_the_month_has_spent_is_gone_from_its_budget(spend: Slo) -> None:
    found = status(spend, 75)
    assert (found.window, found.measured_over) == ("month", "month")
    assert found.error_budget_remaining == pytest.approx(0.75)
    assert found.error_ratio == {"month": 0.25}
    assert found.events is not None
    assert (found.events.total, found.events.errors) == (300, 75)


def test_override_has_a_budget_of_its_own(spend: Slo) -> None:
    found = status(spend, 75, agent="research")
    assert found.budget is not None
    assert found.budget.amount == 3000
    assert found.error_budget_remaining == pytest.approx(0.975)


def test_budget_that_is_gone_before_the_month_is_says_when(spend: Slo) -> None:
    # 60 USD are left, at 10 USD a day and a burn rate of 1: six days. At night an hour of it would say sixty.
    found = status(spend, 240, _1d=1.0, _1h=0.1)
    assert found.exhausted_at == pytest.approx(MIDDLE + timedelta(days=6), abs=timedelta(seconds=1))


def test_burst_is_not_averaged_away_by_the_day_before_it(spend: Slo) -> None:
    found = status(spend, 240, _1d=1.0, _1h=6.0)
    assert found.exhausted_at == pytest.approx(MIDDLE + timedelta(days=1), abs=timedelta(seconds=1))


def test_hour_is_the_pace_where_no_day_is_known(spend: Slo) -> None:
    found = status(spend, 240, _1h=2.0)
    assert found.exhausted_at == pytest.approx(MIDDLE + timedelta(days=3), abs=timedelta(seconds=1))


def test_budget_that_outlasts_the_month_is_not_used_up(spend: Slo) -> None:
    # 150 USD last 15 days, and there are 14 and a half.
    assert status(spend, 150, _1d=1.0).exhausted_at is None
    assert status(spend, 160, _1d=1.0).exhausted_at is not None


def test_month_ends_at_local_midnight(spend: Slo) -> None:
    # A minute of the old month is left in Berlin; in UTC it is an hour and a minute.
    at = datetime(2026, 11, 30, 23, 59, tzinfo=BERLIN).astimezone(UTC)
    within, after = 300 - 10 / 1440 * 0.5, 300 - 10 / 1440 * 30
    assert status(spend, within, at, _1d=1.0).exhausted_at is not None
    assert status(spend, after, at, _1d=1.0).exhausted_at is None
    new = at + timedelta(minutes=1)
    assert status(spend, after, new, _1d=1.0).exhausted_at is not None


def test_month_ends_with_the_year(spend: Slo) -> None:
    at = datetime(2026, 12, 31, 12, tzinfo=BERLIN)
    assert status(spend, 296, at, _1d=1.0).exhausted_at == pytest.approx(
        datetime(2026, 12, 31, 21, 36, tzinfo=BERLIN), abs=timedelta(seconds=1)
    )
    assert status(spend, 290, at, _1d=1.0).exhausted_at is None


def test_overspent_budget_is_used_up_now(spend: Slo) -> None:
    found = status(spend, 450)
    assert found.error_budget_remaining == pytest.approx(-0.5)
    assert found.exhausted_at == MIDDLE


def test_before_the_sum_is_recorded_a_part_of_the_month_has_spent_that_part(spend: Slo) -> None:
    found = status_of(spend, {"agent_type": "chat"}, GroupRecords(ratios={"6h": 2.0}), MIDDLE)
    assert (found.window, found.measured_over) == ("month", "6h")
    assert found.error_budget_remaining == pytest.approx(1 - 2 * 6 / 720)
