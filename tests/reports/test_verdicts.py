"""When an objective is met, when it is missed, and when the records do not tell."""

from __future__ import annotations

from datetime import UTC, date, datetime
from zoneinfo import ZoneInfo

import pytest

from slo_engine.definitions import load
from slo_engine.reports import Month
from slo_engine.reports.model import Outcome
from slo_engine.reports.outcomes import DayRecords, GroupRecords, outcome_of
from slo_engine.reports.remarks import Observed, remarks_on
from slo_engine.reports.rendering import attained

SLOS = load(
    """
version: slo-engine/v1
service: shop
slos:
  - {name: runs, objective: 99, sli: {events: {total: a_total, errors: b_total}}}
  - {name: money, sli: {cost: {spend: c_usd, budget: 100 USD, month: UTC}}}
"""
)
MONTH = Month(2026, 11, ZoneInfo("UTC"))
DAYS = MONTH.days(datetime(2026, 12, 1, tzinfo=UTC))


def outcome(
    slo: str,
    *days: tuple[float, float | None, float | None],
    dark: float = 0.0,
    unpriced: tuple[str, ...] = (),
    first: int = 1,
) -> Outcome:
    """``days``: (recorded minutes, events, errors), from ``first`` on; ``dark``: on the third of the month."""
    found = SLOS.find("shop", slo)
    assert found is not None
    records = {date(2026, 11, number): DayRecords(*each) for number, each in enumerate(days, start=first)}
    in_the_dark = {day.date: dark if day.date.day == 3 else 0.0 for day in DAYS}
    return outcome_of(found, {}, MONTH, DAYS, GroupRecords(records, {}, unpriced), in_the_dark)


@pytest.mark.parametrize(("errors", "met"), [(0, True), (10, True), (10.5, False)])
def test_objective_is_met_as_long_as_the_budget_of_the_month_lasts(errors: float, met: bool) -> None:
    found = outcome("runs", (1440, 400, 0), (1440, 600, errors))
    assert found.met is met
    assert found.budget_remaining == pytest.approx(1 - errors / 10)


def test_objective_that_is_met_exactly_is_met_whatever_the_sum_of_its_parts_is_in_binary() -> None:
    found = outcome("runs", *[(1440, 10 / 3, 0.1 / 3)] * 30)
    assert found.met is True


@pytest.mark.parametrize(
    ("dark", "errors", "met"),
    [
        # 1440 events in a day of records: one a minute, and 14.4 may be errors.
        (8, 5, True),  # 13 errors at the worst
        (12, 5, None),  # 17
        (8, 15, False),  # more than 14.48, even if all others were good
        (8, 14.45, None),  # missed as recorded, met if all others were good
        (0.5, 14.3, True),  # not one event can be expected in half a minute
    ],
)
def test_what_nobody_recorded_may_decide_and_then_it_is_not_known(dark: float, errors: float, met: bool | None) -> None:
    found = outcome("runs", (1440, 1440, errors), dark=dark)
    assert found.met is met
    assert ("without any record" in found.reason) is (met is None)


def test_darkness_before_a_group_was_there_hides_nothing_of_it() -> None:
    found = outcome("runs", (1440, 1440, 5), dark=1440, first=4)
    assert (found.met, found.since) == (True, date(2026, 11, 4))
    begins_at_noon = outcome("runs", (720, 720, 5), (1440, 1440, 5), dark=720, first=3)
    assert (begins_at_noon.met, begins_at_noon.since) == (True, date(2026, 11, 3))


def test_what_a_group_did_within_hours_says_nothing_about_a_month() -> None:
    found = outcome("runs", (720, 720, 5), dark=720, first=3)
    assert (found.met, found.reason) == (None, "only 12 h of the month are recorded")


def test_month_whose_records_begin_late_says_so_once() -> None:
    runs = outcome("runs", (720, 720, 5), *[(1440, 1440, 5)] * 10, dark=720, first=3)
    dark = {day.date: 1440.0 if day.date.day < 3 else 720.0 if day.date.day == 3 else 0.0 for day in DAYS}
    dark[date(2026, 11, 9)] = 20.0
    said = list(remarks_on(SLOS, [runs], [], Observed(MONTH, DAYS, dark, {}, ()), store_was_read=True))
    assert said[0].startswith("Records begin on 3 November: before, the rules were not in Prometheus,")
    assert said[1].startswith("No SLO was recorded for 20min, on 9 November:")
    assert not any("Recorded since" in each for each in said)


def test_day_with_records_whose_sum_is_not_known_counts_as_not_recorded() -> None:
    whole = outcome("runs", (1440, 100, 1), (1440, 100, 1))
    half = outcome("runs", (1440, 100, 1), (1440, None, 1))
    none = outcome("runs", (1440, 100, 1), (1440, 100, None))
    assert half.coverage == none.coverage == whole.coverage / 2 == pytest.approx(1 / 30)
    assert (half.events, half.errors) == (none.events, none.errors) == (100, 1)


def test_money_is_within_its_budget_only_if_all_of_it_is_known() -> None:
    assert outcome("money", (1440, None, 99.0)).met is True
    assert outcome("money", (1440, None, 100.0)).met is True
    assert outcome("money", (1440, None, 101.0)).met is False
    assert outcome("money", (1440, None, 99.0), unpriced=("new",)).met is None
    assert outcome("money", (1440, None, 99.0), dark=60).met is None
    assert outcome("money", (1440, None, 90.0), dark=60).met is True
    # What is spent is spent.
    assert outcome("money", (1440, None, 101.0), unpriced=("new",), dark=60).met is False


def test_more_records_than_minutes_are_no_more_than_all() -> None:
    assert outcome("runs", *[(1445, 10, 0)] * 30).coverage == 1
    assert outcome("runs", (2880, 10, 0)).coverage == pytest.approx(1 / 30)


@pytest.mark.parametrize(
    ("events", "errors", "said"),
    [(1000, 10, "99.00 %"), (100_000, 1001, "98.99 %"), (1e9, 1, "99.99 %"), (3, 3, "0.00 %"), (10, 0, "100.00 %")],
)
def test_attained_share_is_cut_so_that_it_never_shows_what_was_not_attained(
    events: float, errors: float, said: str
) -> None:
    assert attained(outcome("runs", (1440, events, errors))) == said
