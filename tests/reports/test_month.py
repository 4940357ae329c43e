"""The calendar month of a time zone, cut into its days."""

from __future__ import annotations

from datetime import UTC, date, datetime, timedelta
from itertools import pairwise
from zoneinfo import ZoneInfo

import pytest

from slo_engine.reports import Month, ReportError

LATER = datetime(2100, 1, 1, tzinfo=UTC)


@pytest.mark.parametrize(
    "zone",
    [
        *("UTC", "Europe/Berlin", "America/New_York", "Asia/Kolkata", "Asia/Kathmandu", "Australia/Lord_Howe"),
        *("America/Santiago", "Asia/Beirut", "Pacific/Apia", "America/St_Johns"),
    ],
)
def test_days_of_every_month_follow_each_other_without_gaps_and_are_those_of_the_zone(zone: str) -> None:
    local = ZoneInfo(zone)
    for year in (2011, 2026):  # in December 2011 Samoa went without a day
        for number in range(1, 13):
            month = Month(year, number, local)
            days = month.days(LATER)
            assert (days[0].start, days[-1].end) == (month.start, month.end)
            assert all(one.end == other.start for one, other in pairwise(days))
            for day in days:
                last = day.end - timedelta(microseconds=1)
                assert day.date == day.start.astimezone(local).date() == last.astimezone(local).date()


def test_day_on_which_clocks_change_has_its_own_length() -> None:
    berlin = ZoneInfo("Europe/Berlin")
    for number, day, minutes in ((3, 29, 1380), (10, 25, 1500)):
        (found,) = (each for each in Month(2026, number, berlin).days(LATER) if each.date.day == day)
        assert found.minutes == minutes


def test_running_month_ends_with_the_last_whole_minute() -> None:
    month, now = Month(2026, 11, ZoneInfo("UTC")), datetime(2026, 11, 3, 10, 7, 59, tzinfo=UTC)
    days = month.days(now)
    assert [day.date for day in days] == [date(2026, 11, day) for day in (1, 2, 3)]
    assert days[-1].end == datetime(2026, 11, 3, 10, 7, tzinfo=UTC)
    assert not month.is_whole(now)
    assert month.is_whole(month.end)


def test_month_that_has_not_begun_cannot_be_reported() -> None:
    month = Month(2026, 12, ZoneInfo("America/New_York"))
    for now in (month.start - timedelta(hours=1), month.start, month.start + timedelta(seconds=59)):
        with pytest.raises(ReportError, match="2026-12 has not begun in America/New_York"):
            month.days(now)
    assert len(month.days(month.start + timedelta(minutes=1))) == 1


@pytest.mark.parametrize(
    ("now", "zone", "name"),
    [
        (datetime(2026, 11, 27, tzinfo=UTC), "UTC", "2026-10"),
        (datetime(2026, 1, 1, tzinfo=UTC), "UTC", "2025-12"),
        (datetime(2026, 10, 31, 22, 59, tzinfo=UTC), "Europe/Berlin", "2026-09"),
        (datetime(2026, 10, 31, 23, 0, tzinfo=UTC), "Europe/Berlin", "2026-10"),
    ],
)
def test_last_whole_month_is_that_of_the_zone(now: datetime, zone: str, name: str) -> None:
    assert Month.last_whole(now, ZoneInfo(zone)).name == name


@pytest.mark.parametrize(
    "text",
    [
        "2026",
        "2026-13",
        "2026-00",
        "26-01",
        "2026-1",
        "2026-01-01",
        "",
        "2026-01\n",
        "\u0662\u0660\u0662\u0666-\u0660\u0661",
    ],
)
def test_what_is_no_month_is_refused_with_what_to_write(text: str) -> None:
    with pytest.raises(ReportError, match="write a year and a month, such as 2026-11"):
        Month.parse(text, ZoneInfo("UTC"))
