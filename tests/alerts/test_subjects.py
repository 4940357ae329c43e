"""Alert -> SLO, group, window, and how to find its traces."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from slo_engine.alerts.payload import parse
from slo_engine.alerts.subjects import subjects_of
from slo_engine.definitions import load
from slo_engine.definitions.traces import Failed, LowScore, Slow, Spent
from slo_engine.evidence.subject import Subject
from tests.alerts.payloads import SUCCESS_LABELS, body

SLOS = load([Path(__file__).parent.parent.parent / "slos"])
STARTED = datetime(2026, 11, 23, 14, 30, tzinfo=UTC)
"""When the alerts of the payloads started."""

AT = STARTED + timedelta(minutes=1)
HOUR = timedelta(hours=1)


def subject(at: datetime = AT, **labels: str) -> Subject:
    (found,) = subjects_of(parse(body(labels={**SUCCESS_LABELS, **labels})).alerts, SLOS, at)
    return found


def test_a_burn_alert_is_about_its_slo_and_group() -> None:
    found = subject()
    assert found.slo is not None
    assert found.slo.key == ("agents", "success")
    assert found.group == {"agent_type": "support_agent"}
    assert found.query is not None
    assert found.query.tags == ("agent_type:support_agent",)
    assert found.explained_by == Failed()


def test_the_window_lies_before_the_start_of_the_alert_and_ends_when_its_notification_came() -> None:
    found = subject(AT)
    assert (found.until, round((AT - HOUR - found.since).total_seconds())) == (AT, 60)


def test_a_notification_that_is_worked_on_hours_late_is_about_the_time_at_which_it_came() -> None:
    # The time of its receipt is what is given, whenever that is looked at.
    assert subject(AT).until == AT


@pytest.mark.parametrize("at", [STARTED + timedelta(hours=9), STARTED - timedelta(days=300)])
def test_an_alert_that_has_been_firing_for_long_or_whose_start_makes_no_sense_is_about_its_last_window(
    at: datetime,
) -> None:
    found = subject(at)
    assert (found.since, found.until) == (at - HOUR, at)


def test_a_tools_alert_looks_for_the_failing_calls_of_that_tool() -> None:
    found = subject(slo="tool-calls", tool_name="web_search")
    assert found.query is not None
    assert found.query.observation == "web_search"
    assert found.query.tags == ()
    assert found.explained_by == Failed("tool")


def test_a_latency_alert_looks_for_slow_runs() -> None:
    assert subject(slo="latency").explained_by == Slow(15.0)


def test_a_score_alert_looks_for_low_scores_of_its_name() -> None:
    found = subject(slo="answers", score_name="grounded")
    assert found.explained_by == LowScore(0.6)
    assert found.query is not None
    assert (found.query.score, found.query.tags) == ("grounded", ("agent_type:support_agent",))


def test_money_is_spent_by_runs_that_succeed() -> None:
    assert isinstance(subject(slo="spend").explained_by, Spent)


@pytest.mark.parametrize(
    ("alert", "expected"),
    [
        ("AgentHighErrorRate", Failed()),
        ("AgentCriticalErrorRate", Failed()),
        ("AgentHighLatency", Slow(30.0)),
        ("AgentHighSpend", Spent),
        ("AgentHighCostPerRequest", Spent),
    ],
)
def test_a_plain_alert_of_ours_is_explained_by_what_its_expression_counts(alert: str, expected: object) -> None:
    labels = {"alertname": alert, "slo_service": "agents", "agent_type": "support_agent"}
    (found,) = subjects_of(parse(body(labels=labels)).alerts, SLOS, AT)
    assert found.slo is None
    assert found.explained_by == expected or type(found.explained_by) is expected
    assert found.query is not None
    assert found.query.tags == ("agent_type:support_agent",)


@pytest.mark.parametrize(
    "labels",
    [
        {"alertname": "NodeDown"},
        {"alertname": "AgentHighSpend", "service": "agents", "agent_type": "support_agent"},
        {"alertname": "SomebodysErrors", "slo_service": "agents", "agent_type": "support_agent"},
        {"alertname": "AgentCircuitBreakerOpen", "slo_service": "agents", "service_name": "search"},
    ],
)
def test_an_alert_that_nothing_is_tied_to_gets_no_evidence(labels: dict[str, str]) -> None:
    assert subjects_of(parse(body(labels=labels)).alerts, SLOS, AT) == []


@pytest.mark.parametrize(("window", "expected"), [("3d", timedelta(hours=6)), ("x", HOUR)])
def test_the_window_is_bounded_whatever_the_label_says(window: str, expected: timedelta) -> None:
    found = subject(STARTED + timedelta(days=2), long_window=window)
    assert found.until - found.since == expected


def test_two_tiers_of_one_slo_are_one_subject() -> None:
    page, ticket = parse(body()).alerts, parse(body(fingerprint="2", labels={**SUCCESS_LABELS, "severity": "ticket"}))
    (found,) = subjects_of([*page, *ticket.alerts], SLOS, AT)
    assert found.fingerprints == ("8a1f3c5e7b9d0f2a", "2")


def test_resolved_alerts_need_no_evidence() -> None:
    assert subjects_of(parse(body(status="resolved")).alerts, SLOS, AT) == []
