"""Alert -> SLO, group, window, and how to find its traces."""

from __future__ import annotations

from datetime import timedelta
from pathlib import Path

import pytest

from slo_engine.alerts.payload import parse
from slo_engine.alerts.subjects import MAX_SUBJECTS, subjects_of
from slo_engine.definitions import load
from slo_engine.definitions.traces import Failed, Slow
from slo_engine.evidence.subject import Subject
from tests.alerts.payloads import SUCCESS_LABELS, body

SLOS = load([Path(__file__).parent.parent.parent / "slos"])


def subject(**labels: str) -> Subject:
    (found,) = subjects_of(parse(body(labels={**SUCCESS_LABELS, **labels})).alerts, SLOS)
    return found


def test_a_burn_alert_is_about_its_slo_group_and_long_window() -> None:
    found = subject()
    assert found.slo is not None
    assert found.slo.key == ("agents", "success")
    assert found.group == {"agent_type": "support_agent"}
    assert found.window == timedelta(hours=1)
    assert found.query is not None
    assert found.query.tags == ("agent_type:support_agent",)
    assert found.explained_by == Failed()


def test_a_tools_alert_looks_for_the_failing_calls_of_that_tool() -> None:
    found = subject(slo="tool-calls", tool_name="web_search")
    assert found.query is not None
    assert found.query.observation == "web_search"
    assert found.query.tags == ()


def test_a_latency_alert_looks_for_slow_runs() -> None:
    assert subject(slo="latency").explained_by == Slow(15.0)


def test_a_low_score_is_not_an_error_observation_so_no_failing_run_explains_it() -> None:
    found = subject(slo="answers")
    assert found.slo is not None
    assert (found.query, found.explained_by) == (None, None)


def test_money_is_spent_by_runs_that_succeed_so_no_trace_explains_it() -> None:
    assert subject(slo="spend").query is None


def test_a_plain_alert_is_explained_by_its_agents_traces() -> None:
    alert = {"alertname": "AgentHighErrorRate", "slo_service": "agents", "agent_type": "support_agent"}
    (found,) = subjects_of(parse(body(labels=alert)).alerts, SLOS)
    assert found.slo is None
    assert found.query is not None
    assert found.query.tags == ("agent_type:support_agent",)


def test_an_alert_of_somebody_else_has_nothing_to_look_for() -> None:
    (found,) = subjects_of(parse(body(labels={"alertname": "NodeDown"})).alerts, SLOS)
    assert (found.slo, found.query, found.window) == (None, None, timedelta(hours=1))


@pytest.mark.parametrize(("window", "expected"), [("3d", timedelta(hours=6)), ("x", timedelta(hours=1))])
def test_the_window_is_bounded_whatever_the_label_says(window: str, expected: timedelta) -> None:
    assert subject(long_window=window).window == expected


def test_two_tiers_of_one_slo_are_one_subject() -> None:
    page, ticket = parse(body()).alerts, parse(body(fingerprint="2", labels={**SUCCESS_LABELS, "severity": "ticket"}))
    (found,) = subjects_of([*page, *ticket.alerts], SLOS)
    assert found.fingerprints == ("8a1f3c5e7b9d0f2a", "2")


def test_resolved_alerts_need_no_evidence() -> None:
    assert subjects_of(parse(body(status="resolved")).alerts, SLOS) == []


def test_a_storm_in_one_group_does_not_multiply_requests() -> None:
    alerts = [
        alert
        for number in range(50)
        for alert in parse(body(labels={**SUCCESS_LABELS, "agent_type": f"agent-{number}"})).alerts
    ]
    assert len(subjects_of(alerts, SLOS)) == MAX_SUBJECTS
