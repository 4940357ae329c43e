"""When a post is due."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given
from hypothesis import strategies as st

from slo_engine.posts.schedule import CronError, Schedule

BERLIN = ZoneInfo("Europe/Berlin")


def dues(cron: str, start: str, days: int, zone: ZoneInfo = BERLIN) -> list[str]:
    schedule, at = Schedule(cron, zone), datetime.fromisoformat(start)
    end, found = at + timedelta(days=days), []
    while (following := schedule.next_after(at)) is not None and following <= end:
        found.append(f"{following:%d %H:%M}")
        at = following
    return found


def test_a_daily_post_is_at_the_same_hour_of_the_wall_clock_all_year() -> None:
    assert dues("0 9 * * *", "2026-03-28T00:00:00Z", 2) == ["28 08:00", "29 07:00"]
    assert dues("0 9 * * *", "2026-10-24T00:00:00Z", 2) == ["24 07:00", "25 08:00"]


def test_a_time_that_the_clock_shows_twice_is_one_and_one_that_it_leaves_out_is_due() -> None:
    assert dues("30 2 * * *", "2026-10-24T12:00:00Z", 2) == ["25 00:30", "26 01:30"]
    assert dues("30 2 * * *", "2026-03-28T12:00:00Z", 2) == ["29 01:30", "30 00:30"]


def test_a_time_that_the_clock_shows_twice_is_one_whenever_it_is_asked() -> None:
    schedule = Schedule("*/30 2 * * *", BERLIN)
    between = datetime(2026, 10, 25, 0, 45, tzinfo=UTC)  # 02:45, before the clock is set back to 02:00
    assert schedule.due(between, datetime(2026, 10, 25, 12, tzinfo=UTC)) is None


def test_days_of_the_week_are_named() -> None:
    assert dues("0 9 * * mon-fri", "2026-11-27T00:00:00Z", 5) == ["27 08:00", "30 08:00", "01 08:00"]
    with pytest.raises(CronError, match="by their names"):
        Schedule("0 9 * * 1-5", BERLIN)


@pytest.mark.parametrize(
    "cron", ["", "0 9 * *", "0 9 * * mon-fri 2026", "61 9 * * *", "x 9 * * *", "0 9 * * someday", "@daily"]
)
def test_what_is_no_cron_expression_is_refused(cron: str) -> None:
    with pytest.raises(CronError):
        Schedule(cron, BERLIN)


def test_of_several_that_were_missed_the_latest_is_due() -> None:
    schedule = Schedule("0 9 * * *", ZoneInfo("UTC"))
    last, now = datetime(2026, 11, 1, 9, tzinfo=UTC), datetime(2026, 11, 5, 10, tzinfo=UTC)
    assert schedule.due(last, now) == datetime(2026, 11, 5, 9, tzinfo=UTC)
    assert schedule.due(datetime(2026, 11, 5, 9, tzinfo=UTC), now) is None


@given(
    st.integers(0, 600_000),
    st.sampled_from(["Europe/Berlin", "America/New_York", "Asia/Kolkata", "Australia/Lord_Howe"]),
)
def test_each_day_has_one_post_wherever_the_clocks_change(minutes: int, zone: str) -> None:
    schedule = Schedule("30 2 * * *", ZoneInfo(zone))
    at = datetime(2026, 1, 1, tzinfo=UTC) + timedelta(minutes=minutes)
    first = schedule.next_after(at)
    assert first is not None
    second = schedule.next_after(first)
    assert second is not None
    assert first > at
    days = (second.astimezone(ZoneInfo(zone)).date() - first.astimezone(ZoneInfo(zone)).date()).days
    assert days == 1
