"""Which sinks get what."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from slo_engine.definitions import load
from slo_engine.definitions.slo import SloSet
from slo_engine.delivery.route_settings import HoursSettings, RouteSettings
from slo_engine.notifications import Message
from slo_engine.notifications.routes import Addressee, Routes, addressees
from slo_engine.notifications.samples import sample

NOON = datetime(2026, 11, 23, 12, tzinfo=UTC)  # a Monday

PAGE = Addressee("firing", "page", "agents", "success", "ai-platform", {"team": "a"})


def routes(*given_routes: dict[str, Any]) -> Routes:
    return Routes(tuple(RouteSettings.model_validate(each).route() for each in given_routes), ("all", "of", "them"))


@pytest.mark.parametrize(
    ("match", "holds"),
    [
        ({}, True),
        ({"severity": "page"}, True),
        ({"severity": "pag"}, False),
        ({"severity": "page|critical"}, True),
        ({"severity": ["critical", "page"]}, True),
        ({"service": "agents", "slo": "success"}, True),
        ({"service": "agents", "slo": "latency"}, False),
        ({"owner": "ai-.*"}, True),
        ({"labels": {"team": "a"}}, True),
        ({"labels": {"team": "b"}}, False),
        ({"labels": {"missing": ""}}, True),
        ({"kind": "firing"}, True),
        ({"kind": ["resolved", "digest"]}, False),
        ({"hours": {"days": "mon", "begin": "12:00", "end": "13:00"}}, True),
        ({"hours": {"days": "tue-sun"}}, False),
    ],
)
def test_a_route_matches_what_it_says(match: dict[str, Any], *, holds: bool) -> None:
    found = routes({"match": match, "sinks": "one"}).way(PAGE, NOON)
    assert found.sinks == (("one",) if holds else ("all", "of", "them"))


def test_the_first_route_that_matches_counts_unless_it_goes_on() -> None:
    found = routes(
        {"match": {"severity": "page"}, "sinks": ["pager"], "go_on": True},
        {"match": {"service": "agents"}, "sinks": ["team", "pager"]},
        {"sinks": ["rest"]},
    )
    way = found.way(PAGE, NOON)
    assert (way.routes, way.sinks) == ((1, 2), ("pager", "team"))
    assert found.way(Addressee("firing", "ticket", "other"), NOON).sinks == ("rest",)


def test_a_route_to_nobody_is_one() -> None:
    assert routes({"match": {"severity": "info"}, "sinks": []}).way(Addressee("firing", "info"), NOON).sinks == ()


def test_without_routes_everything_goes_everywhere() -> None:
    assert routes().sinks([PAGE], NOON) == ("all", "of", "them")


def test_a_message_goes_wherever_one_of_its_alerts_goes() -> None:
    found = routes({"match": {"slo": "a"}, "sinks": "one"}, {"match": {"slo": "b"}, "sinks": "two"})
    alerts = [{"labels": {"slo": name, "slo_service": "s"}} for name in ("a", "b")]
    message = Message("k", "t", "firing", None, "title", payload={"alerts": alerts})
    assert found.sinks(addressees(message, SloSet()), NOON) == ("one", "two")


def test_of_a_group_that_is_partly_over_the_alerts_that_fire_are_routed() -> None:
    alerts = [
        {"status": "resolved", "labels": {"severity": "page"}},
        {"status": "firing", "labels": {"severity": "ticket"}},
    ]
    message = Message("k", "t", "firing", "page", "title", payload={"alerts": alerts})
    assert [each.severity for each in addressees(message, SloSet())] == ["ticket"]


def test_the_owner_is_that_of_the_slo_file_else_the_label() -> None:
    slos = load(
        "version: slo-engine/v1\nservice: agents\nowner: them\nslos:\n"
        "  - {name: success, objective: 98, sli: {events: {total: a_total, errors: b_total}}}\n"
    )
    assert addressees(sample("firing"), slos)[0].owner == "them"
    assert addressees(sample("firing"), SloSet())[0].owner == "ai-platform"
    assert addressees(sample("digest"), slos)[0].owner == "them"


def test_a_message_without_alerts_is_routed_by_what_it_is() -> None:
    assert addressees(Message("k", "t", "firing", "page", "title"), SloSet()) == (Addressee("firing", "page"),)


@pytest.mark.parametrize(
    ("hours", "at", "holds"),
    [
        ({"begin": "08:00", "end": "18:00"}, "2026-11-23T08:00:00Z", True),
        ({"begin": "08:00", "end": "18:00"}, "2026-11-23T18:00:00Z", False),
        ({"begin": "22:00", "end": "07:00"}, "2026-11-23T23:00:00Z", True),
        ({"begin": "22:00", "end": "07:00"}, "2026-11-23T06:59:59Z", True),
        ({"begin": "22:00", "end": "07:00"}, "2026-11-23T07:00:00Z", False),
        # A night belongs to the day on which it begins: that from Friday to Saturday is a night of Friday.
        ({"days": "mon-fri", "begin": "22:00", "end": "07:00"}, "2026-11-28T03:00:00Z", True),
        ({"days": "mon-fri", "begin": "22:00", "end": "07:00"}, "2026-11-23T03:00:00Z", False),
        ({"days": "sat,sun"}, "2026-11-22T12:00:00Z", True),
        ({"days": "fri-mon"}, "2026-11-23T12:00:00Z", True),
        ({"begin": "09:00", "end": "10:00", "zone": "Europe/Berlin"}, "2026-11-23T08:30:00Z", True),
        ({"begin": "09:00", "end": "10:00", "zone": "Europe/Berlin"}, "2026-07-23T07:30:00Z", True),
    ],
)
def test_hours(hours: dict[str, str], at: str, *, holds: bool) -> None:
    assert HoursSettings.model_validate(hours).hours().hold(datetime.fromisoformat(at)) is holds


@given(st.integers(0, 5_000_000))
def test_each_moment_is_either_day_or_night(minutes: int) -> None:
    at = datetime(2020, 1, 1, tzinfo=UTC) + timedelta(minutes=minutes)
    day = HoursSettings.model_validate({"begin": "07:00", "end": "22:00", "zone": "Europe/Berlin"}).hours()
    night = HoursSettings.model_validate({"begin": "22:00", "end": "07:00", "zone": "Europe/Berlin"}).hours()
    assert day.hold(at) != night.hold(at)


@pytest.mark.parametrize(
    ("match", "said"),
    [
        ({"severity": "("}, "no regular expression"),
        ({"hours": {"zone": "Mars/Olympus"}}, "no time zone"),
        ({"hours": {"days": "monday"}}, "days such as mon-fri"),
        ({"hours": {"begin": "25:00"}}, "time of day"),
        ({"kind": "smoke"}, "Input should be"),
        ({"teem": "a"}, "Extra inputs"),
    ],
)
def test_a_route_that_says_nothing_sensible_is_refused(match: dict[str, Any], said: str) -> None:
    with pytest.raises(ValueError, match=said):
        RouteSettings.model_validate({"match": match, "sinks": "one"})
