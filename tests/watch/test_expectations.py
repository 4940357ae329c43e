"""When an alert should have come: never before Alertmanager had to send it, and at the latest 75 s after."""

from __future__ import annotations

from dataclasses import replace

import pytest

from slo_engine.watch.alertmanager import KnownAlert
from slo_engine.watch.expectations import GRACE, Expectations, Group, Placed
from slo_engine.watch.own_alerts import rfc3339

START = 1_800_000_000.0
LOOK = 15.0

GROUP = Group("ours", "{}:{}", {}, wait=30.0, interval=300.0)


def placed(name: str, began: float, *, group: Group = GROUP, received: float | None = None) -> Placed:
    updated = began if received is None else received
    return Placed(group, KnownAlert(name, {}, {}, rfc3339(began), updated, "", ("ours",), is_suppressed=False))


def suppressed(alert: Placed) -> Placed:
    return replace(alert, alert=replace(alert.alert, is_suppressed=True))


def told_at(expectations: Expectations, *alerts: Placed, since: float, until: float) -> float | None:
    """When the first of the looks finds something overdue, of which Alertmanager has these alerts all the time."""
    now = since
    while now <= until:
        expectations.look(now, alerts)
        if expectations.overdue(now):
            return now
        now += LOOK
    return None


@pytest.mark.parametrize("late", range(0, 15, 2))
def test_a_new_group_is_due_after_its_wait(late: int) -> None:
    expectations = Expectations()
    expectations.look(START, [])
    received = START + late
    found = told_at(expectations, placed("a", received), since=START + LOOK, until=START + 1000)
    assert found is not None
    assert received + GROUP.wait + GRACE <= found <= received + GROUP.wait + 75


def test_what_joins_a_group_has_the_interval_of_it() -> None:
    expectations = Expectations()
    first = placed("first", START - 100)
    expectations.look(START, [first])
    expectations.settle(first)
    joins = placed("joins", START + 5)
    found = told_at(expectations, first, joins, since=START + LOOK, until=START + 1000)
    assert found is not None
    assert START + 5 + GROUP.interval + GRACE <= found <= START + 5 + GROUP.interval + 75
    assert [each.alert.fingerprint for each in expectations.overdue(found)] == ["joins"]


def test_a_group_that_was_there_a_moment_ago_still_has_its_ticks() -> None:
    expectations = Expectations()
    expectations.look(START - 30, [placed("earlier", START - 100)])
    expectations.look(START, [])
    found = told_at(expectations, placed("a", START + 5), since=START + LOOK, until=START + 1000)
    assert found is not None
    assert found >= START + 5 + GROUP.interval + GRACE


def test_of_what_is_there_at_the_first_look_nobody_knows_since_when() -> None:
    found = told_at(Expectations(), placed("a", START - 3600), since=START, until=START + 1000)
    assert found is not None
    assert found >= START + GROUP.interval + GRACE


def test_after_looks_that_failed_nobody_knows_either() -> None:
    expectations = Expectations()
    expectations.look(START, [])
    again = START + 3600
    found = told_at(expectations, placed("a", START + 10), since=again, until=again + 1000)
    assert found is not None
    assert found >= again + GROUP.interval + GRACE


def test_clocks_that_differ_change_nothing() -> None:
    for off in (-7200.0, 7200.0):
        expectations = Expectations()
        expectations.look(START, [])
        alert = placed("a", START + 5 + off)
        found = told_at(expectations, alert, since=START + LOOK, until=START + 1000)
        assert found is not None
        assert START + GROUP.wait + GRACE <= found <= START + LOOK + GROUP.wait + 75


def test_what_ends_before_it_is_due_is_never_sent() -> None:
    expectations = Expectations()
    expectations.look(START, [])
    alert = placed("a", START + 5)
    expectations.look(START + 15, [alert])
    expectations.look(START + 30, [alert])
    assert told_at(expectations, since=START + 45, until=START + 1000) is None


def test_what_ends_after_it_was_due_is_lost_all_the_same() -> None:
    expectations = Expectations()
    expectations.look(START, [])
    alert = placed("a", START + 5)
    for look in range(1, 5):
        expectations.look(START + look * LOOK, [alert])
    found = told_at(expectations, since=START + 5 * LOOK, until=START + 1000)
    assert found is not None
    assert found <= START + 5 + GROUP.wait + 75


def test_what_was_silenced_is_due_at_the_next_tick_after_the_silence() -> None:
    expectations = Expectations()
    expectations.look(START, [])
    alert = placed("a", START + 5)
    assert told_at(expectations, suppressed(alert), since=START + LOOK, until=START + 990) is None
    found = told_at(expectations, alert, since=START + 1005, until=START + 2000)
    assert found is not None
    assert found >= START + 1005 + GROUP.interval + GRACE


def test_a_silence_set_before_it_is_due_keeps_it_quiet() -> None:
    expectations = Expectations()
    expectations.look(START, [])
    alert = placed("a", START + 5)
    expectations.look(START + 15, [alert])
    assert told_at(expectations, suppressed(alert), since=START + 30, until=START + 1000) is None


def test_what_came_is_expected_again_when_it_fires_anew_and_not_when_its_beginning_moves_back() -> None:
    expectations = Expectations()
    expectations.look(START, [])
    alert = placed("a", START + 5)
    expectations.look(START + 15, [alert])
    expectations.settle(alert)
    assert told_at(expectations, placed("a", START + 2), since=START + 30, until=START + 1000) is None
    anew = placed("a", START + 1010)
    found = told_at(expectations, anew, since=START + 1020, until=START + 2000)
    assert found is not None
    assert found >= START + 1010 + GROUP.interval + GRACE


def test_what_had_begun_before_the_first_comparison_is_not_expected() -> None:
    expectations = Expectations()
    old, new = placed("old", START - 100), placed("new", START - 10)
    expectations.look(START, [old, new], began=START - 50)
    for look in range(1, 40):
        expectations.look(START + look * LOOK, [old, new], began=START - 50)
    assert [each.alert.fingerprint for each in expectations.overdue(START + 40 * LOOK)] == ["new"]
