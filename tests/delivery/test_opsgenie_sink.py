"""Opsgenie and Jira Service Management: one alert an incident, against a fake held to the contract of the API."""

from __future__ import annotations

import json
import logging
from collections.abc import Iterator
from dataclasses import replace
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings

from slo_engine.delivery import Delivered, Misconfigured, Refused, Retry
from slo_engine.delivery.sinks.opsgenie import OpsgenieSink, OpsgenieSinkSettings
from slo_engine.logs import JsonFormatter
from slo_engine.notifications import Message, outline
from slo_engine.settings import secrets_of
from tests.delivery.fakes.messages import FIRING, POSTS, REMARKS, RESOLVED, UPDATE, hostile, messages
from tests.delivery.fakes.pagers import GENIE_KEY, OpsgenieService, problems
from tests.delivery.fakes.service import Reply, as_json, tell


@pytest.fixture
def opsgenie() -> Iterator[OpsgenieService]:
    with OpsgenieService() as service:
        yield service


def settings_for(service: OpsgenieService, **more: Any) -> OpsgenieSinkSettings:
    given = {"name": "pager", "type": "opsgenie", "url": f"{service.address}{service.prefix}", "token": GENIE_KEY}
    return OpsgenieSinkSettings.model_validate({**given, **more})


def sink_for(service: OpsgenieService, **more: Any) -> OpsgenieSink:
    return OpsgenieSink.of(settings_for(service, **more))


def test_an_incident_is_one_alert_with_a_note_for_late_evidence_and_is_closed(opsgenie: OpsgenieService) -> None:
    outcomes = tell(sink_for(opsgenie), replace(FIRING, evidence=None), UPDATE, FIRING)
    assert outcomes == [Delivered({"request": "43a29c5c-3dbf-4fa4-9c26"})] * 3
    assert list(opsgenie.open) == [FIRING.thread]
    ((alias, note),) = opsgenie.notes
    assert alias == FIRING.thread
    assert note.startswith("412 of 455 failures")
    assert "trace 7c0f3a91: https://langfuse.example/project/agents/traces/7c0f3a91d2" in note
    tell(sink_for(opsgenie), RESOLVED)
    assert (opsgenie.open, opsgenie.closed) == ({}, [FIRING.thread])


def test_jira_service_management_takes_the_same_under_its_address() -> None:
    with OpsgenieService(prefix="/jsm/ops/integration") as service:
        tell(sink_for(service), FIRING, RESOLVED)
        assert [request.path for request in service.requests] == [
            "/jsm/ops/integration/v2/alerts",
            "/jsm/ops/integration/v2/alerts/sample-incident/close?identifierType=alias",
        ]
        assert service.closed == [FIRING.thread]


def test_an_alert_says_what_burns_why_and_where_to_look(opsgenie: OpsgenieService) -> None:
    tell(sink_for(opsgenie), FIRING)
    (alert,) = opsgenie.bodies
    assert alert["message"] == "agents success support_agent: burns its error budget at 24.1x over 1h"
    assert alert["description"].startswith("412 of 455 failures: tool web_search")
    assert "Runbook: https://runbooks.example/agents/success" in alert["description"].splitlines()
    assert (alert["tags"], alert["entity"], alert["source"]) == (
        ["page", "agents", "success"],
        "agents success",
        "slo-engine",
    )
    assert alert["details"]["agent_type"] == "support_agent"


@pytest.mark.parametrize(
    ("severity", "priority"),
    [
        ("page", "P1"),
        ("critical", "P1"),
        ("error", "P2"),
        ("ticket", "P3"),
        ("info", "P5"),
        ("odd", "P3"),
        (None, "P3"),
    ],
)
def test_a_severity_is_a_priority(opsgenie: OpsgenieService, severity: str | None, priority: str) -> None:
    tell(sink_for(opsgenie), replace(FIRING, severity=severity))
    assert opsgenie.bodies[0]["priority"] == priority


def test_priorities_of_the_settings_go_first(opsgenie: OpsgenieService) -> None:
    tell(sink_for(opsgenie, priorities={"page": "P2"}), FIRING)
    assert opsgenie.bodies[0]["priority"] == "P2"


@pytest.mark.parametrize("post", POSTS, ids=lambda post: str(post.kind))
def test_a_post_is_refused_with_what_to_do_and_pages_nobody(opsgenie: OpsgenieService, post: Message) -> None:
    (outcome,) = tell(sink_for(opsgenie), post)
    assert isinstance(outcome, Refused)
    assert "route it to another sink, or set a fallback here" in outcome.reason
    assert opsgenie.requests == []


@pytest.mark.parametrize("kind", ["firing", "update", "resolved"])
def test_hostile_labels_are_text_within_the_limits_and_links_are_kept(opsgenie: OpsgenieService, kind: Any) -> None:
    message = hostile(kind)
    (outcome,) = tell(sink_for(opsgenie), message)
    assert isinstance(outcome, Delivered)
    (body,) = opsgenie.bodies
    written = body["description"] if kind == "firing" else body["note"]
    assert not {"<", ">", "\u202e"} & set(written + body.get("message", ""))
    assert "{{7*7}}" in written
    found = outline(message)
    for link in (*found.links, *found.traces):
        assert link.url.replace("<", "%3C").replace(">", "%3E") in written


@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.too_slow, HealthCheck.data_too_large])
@given(message=messages().filter(lambda message: message.post is None))
def test_whatever_a_message_holds_opsgenie_takes_the_request(message: Message) -> None:
    from slo_engine.connect import Connection

    path, body = OpsgenieSink(Connection("http://opsgenie"))._request(message)
    body = json.loads(json.dumps(body))
    assert problems("opsgenie_create" if path == "/v2/alerts" else "opsgenie_note", body) == []
    assert sum(len(name) + len(value) for name, value in body.get("details", {}).items()) <= 8000
    written = body.get("description", body.get("note", ""))
    found = outline(message)
    urls = [link.url.replace("<", "%3C").replace(">", "%3E") for link in (*found.links, *found.traces)]
    if sum(len(url) + 70 for url in urls) < 7000:
        assert [url for url in urls if url not in written] == []


def test_a_preview_is_the_request_or_why_there_is_none(opsgenie: OpsgenieService) -> None:
    sink = sink_for(opsgenie)
    line, _, body = sink.preview(FIRING).partition("\n")
    assert sink.preview(POSTS[0]).startswith("Opsgenie takes alerts, and this is a status")
    tell(sink, FIRING)
    assert (line, json.loads(body)) == ("POST /v2/alerts", opsgenie.bodies[0])


def test_more_labels_than_the_details_of_an_alert_hold_are_left_out(opsgenie: OpsgenieService) -> None:
    labels = {f"label_{number}": "v" * 150 for number in range(100)}
    tell(sink_for(opsgenie), replace(FIRING, payload={**(FIRING.payload or {}), "commonLabels": labels}))
    (alert,) = opsgenie.open.values()
    assert list(alert["details"])[:2] == ["answer", "label_0"]


# Answers


@pytest.mark.parametrize("status", [408, 425, 429, 500, 502, 503])
def test_statuses_about_the_moment_are_tried_again_after_the_time_that_is_asked_for(
    opsgenie: OpsgenieService, status: int
) -> None:
    opsgenie.script = [Reply(status, "", {"retry-after": "9"})]
    assert tell(sink_for(opsgenie), FIRING) == [Retry(f"HTTP {status}", 9.0, is_limit=status == 429)]


@pytest.mark.parametrize(
    ("status", "verdict"),
    [
        (400, Refused),
        (422, Refused),
        *((status, Misconfigured) for status in (301, 402, 403, 404, 410, 413)),
    ],
)
def test_statuses_that_stay_are_about_the_alert_or_for_somebody_to_change_and_say_the_reason(
    opsgenie: OpsgenieService, status: int, verdict: type[Misconfigured | Refused]
) -> None:
    opsgenie.script = [as_json(status, message="not so")]
    (outcome,) = tell(sink_for(opsgenie), FIRING)
    assert isinstance(outcome, verdict)
    assert f"HTTP {status}" in outcome.reason
    assert "not so" in outcome.reason


def test_a_wrong_key_is_for_somebody_to_change_and_says_which_setting(opsgenie: OpsgenieService) -> None:
    (outcome,) = tell(sink_for(opsgenie, token="other"), FIRING)
    assert isinstance(outcome, Misconfigured)
    assert outcome.reason.endswith("it does not accept token: check it")


def test_a_422_about_the_key_is_not_about_the_alert(opsgenie: OpsgenieService) -> None:
    opsgenie.script = [as_json(422, message="Key format is not valid!", took=0.0, requestId="a574eb09")]
    (outcome,) = tell(sink_for(opsgenie), FIRING)
    assert isinstance(outcome, Misconfigured)
    assert "Key format is not valid!" in outcome.reason
    assert outcome.reason.endswith("check token")


@pytest.mark.parametrize(("kind", "part"), [("firing", "description"), ("update", "note"), ("resolved", "note")])
def test_what_is_to_be_said_of_a_delivery_stands_above_the_rest(
    opsgenie: OpsgenieService, kind: Any, part: str
) -> None:
    tell(sink_for(opsgenie), replace(FIRING, kind=kind, remarks=REMARKS))
    assert opsgenie.bodies[0][part].startswith("\n".join(REMARKS))


@pytest.mark.parametrize("body", ["", "<html>login</html>", "[]", "{}"])
def test_a_200_that_is_no_answer_of_opsgenie_is_no_delivery(opsgenie: OpsgenieService, body: str) -> None:
    opsgenie.script = [Reply(200, body)]
    (outcome,) = tell(sink_for(opsgenie), FIRING)
    assert isinstance(outcome, Retry)
    assert "does not answer as Opsgenie does" in outcome.reason


def test_the_key_is_in_no_error_and_in_no_log(opsgenie: OpsgenieService, caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.DEBUG)
    chosen = settings_for(opsgenie)
    opsgenie.script = [Reply(403, GENIE_KEY, {"x-echo": GENIE_KEY}), Reply(500, GENIE_KEY), Reply(200, GENIE_KEY)]
    outcomes = tell(OpsgenieSink.of(chosen), *[FIRING] * 4)
    assert not [each for each in outcomes if GENIE_KEY in str(each)]
    formatter = JsonFormatter(secrets_of(chosen))
    assert GENIE_KEY not in "\n".join(formatter.format(record) for record in caplog.records)
    assert GENIE_KEY not in repr(chosen)
