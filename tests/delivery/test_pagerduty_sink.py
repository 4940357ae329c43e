"""PagerDuty: one alert an incident, against a fake held to the contract of the Events API v2."""

from __future__ import annotations

import json
import logging
from collections.abc import Iterator
from dataclasses import replace
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from pydantic import ValidationError

from slo_engine.delivery import Delivered, Misconfigured, Refused, Retry
from slo_engine.delivery.sinks.pagerduty import PagerDutySink, PagerDutySinkSettings
from slo_engine.logs import JsonFormatter
from slo_engine.notifications import Message, outline
from slo_engine.settings import secrets_of
from tests.delivery.fakes.messages import FIRING, POSTS, REMARKS, RESOLVED, UPDATE, hostile, messages
from tests.delivery.fakes.pagers import LARGEST, ROUTING_KEY, PagerDutyService, problems
from tests.delivery.fakes.service import Reply, as_json, tell


@pytest.fixture
def pagerduty() -> Iterator[PagerDutyService]:
    with PagerDutyService() as service:
        yield service


def settings_for(service: PagerDutyService, **more: Any) -> PagerDutySinkSettings:
    given = {"name": "pager", "type": "pagerduty", "url": service.address, "routing_key": ROUTING_KEY}
    return PagerDutySinkSettings.model_validate({**given, **more})


def sink_for(service: PagerDutyService, **more: Any) -> PagerDutySink:
    return PagerDutySink.of(settings_for(service, **more))


def test_an_incident_is_one_alert_that_is_triggered_again_and_resolved(pagerduty: PagerDutyService) -> None:
    outcomes = tell(sink_for(pagerduty), replace(FIRING, evidence=None), UPDATE, FIRING)
    assert outcomes == [Delivered({"event_action": "trigger", "dedup_key": FIRING.thread})] * 3
    assert (pagerduty.opened, len(pagerduty.open)) == (1, 1)
    (open_alert,) = pagerduty.open.values()
    assert open_alert["payload"]["custom_details"]["answer"].startswith("412 of 455 failures: tool web_search")
    outcomes = tell(sink_for(pagerduty), RESOLVED)
    assert outcomes == [Delivered({"event_action": "resolve", "dedup_key": FIRING.thread})]
    assert pagerduty.open == {}
    assert set(pagerduty.bodies[-1]) == {"routing_key", "event_action", "dedup_key"}


def test_an_event_says_what_burns_why_and_where_to_look(pagerduty: PagerDutyService) -> None:
    tell(sink_for(pagerduty), FIRING)
    (event,) = pagerduty.bodies
    payload, details = event["payload"], event["payload"]["custom_details"]
    assert payload["summary"] == "agents success support_agent: burns its error budget at 24.1x over 1h"
    assert (payload["source"], payload["group"], payload["component"]) == ("agents", "agents", "success")
    assert (payload["class"], payload["severity"]) == ("SLOErrorBudgetBurn", "critical")
    assert details["causes"].startswith("412 of 455: tool web_search")
    assert details["budget"].startswith("Error budget of 30d: 24.5 % left")
    assert details["agent_type"] == "support_agent"
    assert details["details"].startswith("- firing: Over 1h 48.2 % of runs failed")
    assert {type(value) for value in details.values()} == {str}
    found = outline(FIRING)
    assert event["links"] == [{"href": each.url, "text": each.title} for each in (*found.links, *found.traces)]
    assert (event["client"], event["client_url"]) == ("slo-engine", "https://alertmanager.example")


@pytest.mark.parametrize(
    ("severity", "shown"),
    [
        ("page", "critical"),
        ("critical", "critical"),
        ("Error", "error"),
        ("ticket", "warning"),
        ("warning", "warning"),
        ("info", "info"),
        ("P0", "warning"),
        (None, "warning"),
    ],
)
def test_severities_are_those_of_pagerduty(pagerduty: PagerDutyService, severity: str | None, shown: str) -> None:
    tell(sink_for(pagerduty), replace(FIRING, severity=severity))
    assert pagerduty.bodies[0]["payload"]["severity"] == shown


def test_severities_of_the_settings_go_first(pagerduty: PagerDutyService) -> None:
    chosen = {"P0": "critical", "page": "error"}
    tell(sink_for(pagerduty, severities=chosen), replace(FIRING, severity="P0"), replace(FIRING, severity="page"))
    assert [body["payload"]["severity"] for body in pagerduty.bodies] == ["critical", "error"]


def test_a_severity_that_pagerduty_does_not_have_is_refused_in_the_settings() -> None:
    with pytest.raises(ValidationError, match="'critical', 'error', 'warning' or 'info'"):
        PagerDutySinkSettings.model_validate(
            {"name": "a", "type": "pagerduty", "routing_key": ROUTING_KEY, "severities": {"page": "urgent"}}
        )


def test_posts_are_change_events_which_page_nobody(pagerduty: PagerDutyService) -> None:
    outcomes = tell(sink_for(pagerduty), *POSTS)
    assert all(isinstance(each, Delivered) for each in outcomes)
    assert pagerduty.opened == 0
    status, digest, report = pagerduty.changes
    assert status["payload"]["summary"].startswith("agents success agent_type=support_agent: 24.5 %")
    assert "agents latency agent_type=research_agent: 90.6 % left" in digest["payload"]["custom_details"]["details"]
    assert report["links"] == [{"href": "https://slo-engine.example/", "text": "SLOs"}]
    assert digest["payload"]["timestamp"] == "2026-11-23T17:05:00+00:00"


@pytest.mark.parametrize("kind", ["firing", "update", "resolved"])
def test_hostile_labels_are_text_within_the_limits_and_links_are_kept(pagerduty: PagerDutyService, kind: Any) -> None:
    message = hostile(kind)
    (outcome,) = tell(sink_for(pagerduty), message)
    assert isinstance(outcome, Delivered)
    (event,) = pagerduty.bodies
    assert "\\u202e" not in json.dumps(event)
    if kind != "resolved":
        found = outline(message)
        assert [each["href"] for each in event["links"]] == [each.url for each in (*found.links, *found.traces)]
        assert event["payload"]["custom_details"]["jinja"].startswith("{{7*7}}")


def test_an_event_that_is_too_large_loses_details_before_links(pagerduty: PagerDutyService) -> None:
    (alert,) = (FIRING.payload or {})["alerts"]
    huge = {**alert, "generatorURL": "https://prometheus.example/graph?" + "x" * 499_000}
    tell(sink_for(pagerduty), replace(FIRING, payload={**(FIRING.payload or {}), "alerts": [huge]}))
    (event,) = pagerduty.bodies
    assert len(event["links"]) == 5
    assert "details" not in event["payload"]["custom_details"] or "causes" not in event["payload"]["custom_details"]


def test_an_address_larger_than_an_event_may_be_is_left_out(pagerduty: PagerDutyService) -> None:
    (alert,) = (FIRING.payload or {})["alerts"]
    huge = {**alert, "generatorURL": "https://prometheus.example/graph?" + "x" * 600_000}
    (outcome,) = tell(sink_for(pagerduty), replace(FIRING, payload={**(FIRING.payload or {}), "alerts": [huge]}))
    assert isinstance(outcome, Delivered)
    assert [each["text"] for each in pagerduty.bodies[0]["links"]][:3] == ["Runbook", "Dashboard", "Alertmanager"]


def test_a_long_thread_has_a_key_that_fits_and_stays_the_same(pagerduty: PagerDutyService) -> None:
    tell(sink_for(pagerduty), replace(FIRING, thread="t" * 400), replace(RESOLVED, thread="t" * 400))
    first, last = (body["dedup_key"] for body in pagerduty.bodies)
    assert first == last
    assert len(first) == 64


@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.too_slow, HealthCheck.data_too_large])
@given(message=messages())
def test_whatever_a_message_holds_pagerduty_takes_the_event(message: Message) -> None:
    from slo_engine.connect import Connection

    event = PagerDutySink(Connection("http://pagerduty"), ROUTING_KEY)._event(message)
    body = json.loads(json.dumps({"routing_key": ROUTING_KEY, **event}))
    assert problems("pagerduty_alert" if message.post is None else "pagerduty_change", body) == []
    assert len(json.dumps(body)) < LARGEST
    if message.kind != "resolved":
        found = outline(message)
        assert [each["href"] for each in event["links"]] == [each.url for each in (*found.links, *found.traces)]


def test_a_preview_is_the_event_without_the_key(pagerduty: PagerDutyService) -> None:
    sink = sink_for(pagerduty)
    preview = json.loads(sink.preview(FIRING))
    tell(sink, FIRING)
    assert pagerduty.bodies[0] == {**preview, "routing_key": ROUTING_KEY}


# Answers


def test_an_invalid_event_is_refused_with_what_pagerduty_says_of_it(pagerduty: PagerDutyService) -> None:
    errors = ["'payload.severity' is invalid", "Length of 'payload.summary' is too long"]
    pagerduty.script = [as_json(400, status="invalid event", message="Event object is invalid", errors=errors)]
    (outcome,) = tell(sink_for(pagerduty), FIRING)
    assert outcome == Refused(f"PagerDuty refuses the event: Event object is invalid; {errors[0]}; {errors[1]}")


def test_a_wrong_key_is_for_somebody_to_change_and_says_which_setting(pagerduty: PagerDutyService) -> None:
    (outcome,) = tell(sink_for(pagerduty, routing_key="f" * 32), FIRING)
    assert isinstance(outcome, Misconfigured)
    assert outcome.reason.endswith("check routing_key, the Integration Key of an Events API v2 integration")


@pytest.mark.parametrize(
    "answer",
    [
        Reply(400, "Invalid routing key"),
        as_json(400, message="Invalid Routing Key"),
        as_json(400, status="invalid event", errors=["Length of 'routing_key' is incorrect (should be 32 characters)"]),
    ],
)
def test_whatever_pagerduty_calls_a_wrong_key_somebody_has_to_change_it(
    pagerduty: PagerDutyService, answer: Reply
) -> None:
    pagerduty.script = [answer]
    (outcome,) = tell(sink_for(pagerduty), FIRING)
    assert isinstance(outcome, Misconfigured)
    assert "check routing_key" in outcome.reason


@pytest.mark.parametrize("status", [408, 425, 500, 502, 503, 504])
def test_statuses_about_the_moment_are_tried_again(pagerduty: PagerDutyService, status: int) -> None:
    pagerduty.script = [Reply(status)]
    assert tell(sink_for(pagerduty), FIRING) == [Retry(f"HTTP {status}")]


@pytest.mark.parametrize(("headers", "after"), [({}, 60.0), ({"retry-after": "5"}, 5.0)])
def test_too_many_events_wait_a_minute_or_what_is_asked_for(
    pagerduty: PagerDutyService, headers: dict[str, str], after: float
) -> None:
    pagerduty.script = [Reply(429, "", headers)]
    assert tell(sink_for(pagerduty), FIRING) == [Retry("HTTP 429", after, is_limit=True)]


@pytest.mark.parametrize("status", [400, 422])
def test_statuses_about_the_event_are_refused(pagerduty: PagerDutyService, status: int) -> None:
    pagerduty.script = [Reply(status, "not so")]
    assert tell(sink_for(pagerduty), FIRING) == [Refused(f"HTTP {status} (not so)")]


@pytest.mark.parametrize("status", [301, 302, 401, 402, 403, 404, 410, 413])
def test_statuses_that_somebody_has_to_do_something_about_are_not_refused(
    pagerduty: PagerDutyService, status: int
) -> None:
    pagerduty.script = [Reply(status, "")]
    (outcome,) = tell(sink_for(pagerduty), FIRING)
    assert isinstance(outcome, Misconfigured)
    assert outcome.is_too_large == (status == 413)


def test_a_200_that_says_that_the_event_is_invalid_is_refused(pagerduty: PagerDutyService) -> None:
    pagerduty.script = [as_json(200, status="invalid event", errors=["no"])]
    assert tell(sink_for(pagerduty), FIRING) == [Refused("PagerDuty refuses the event: no")]


@pytest.mark.parametrize("body", ["", "<html>login</html>", "[]", "{}", '{"status": 1}'])
def test_a_200_that_is_no_answer_of_pagerduty_is_no_delivery(pagerduty: PagerDutyService, body: str) -> None:
    pagerduty.script = [Reply(200, body)]
    (outcome,) = tell(sink_for(pagerduty), FIRING)
    assert isinstance(outcome, Retry)
    assert "does not answer as PagerDuty does" in outcome.reason


def test_the_key_is_in_no_error_and_in_no_log(pagerduty: PagerDutyService, caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.DEBUG)
    chosen = settings_for(pagerduty)
    pagerduty.script = [
        as_json(400, status="invalid event", errors=[f"{ROUTING_KEY} is unknown"]),
        Reply(403, ROUTING_KEY, {"x-echo": ROUTING_KEY}),
        Reply(500, ROUTING_KEY),
        Reply(200, ROUTING_KEY),
    ]
    outcomes = tell(PagerDutySink.of(chosen), *[FIRING] * 5)
    assert not [each for each in outcomes if ROUTING_KEY in str(each)]
    formatter = JsonFormatter(secrets_of(chosen))
    assert ROUTING_KEY not in "\n".join(formatter.format(record) for record in caplog.records)
    assert ROUTING_KEY not in repr(chosen)


def test_a_template_of_the_settings_writes_summary_and_details(pagerduty: PagerDutyService) -> None:
    templates = {"firing": {"title": "{{ severity }}: {{ title }}" + "x" * 2000, "text": "{{ answer }}"}}
    tell(sink_for(pagerduty, templates=templates), FIRING)
    payload = pagerduty.bodies[0]["payload"]
    assert payload["summary"].startswith("page: agents success")
    assert payload["custom_details"]["details"].startswith("412 of 455")


def test_what_is_to_be_said_of_a_delivery_stands_above_the_details(pagerduty: PagerDutyService) -> None:
    templates = {"update": {"title": "{{ title }}: {{ remarks | join(' ') }}"}}
    tell(sink_for(pagerduty, templates=templates), *(replace(each, remarks=REMARKS) for each in (FIRING, UPDATE)))
    first, update = (body["payload"] for body in pagerduty.bodies)
    assert first["custom_details"]["details"].startswith("\n".join(REMARKS))
    assert update["summary"].endswith(" ".join(REMARKS))
