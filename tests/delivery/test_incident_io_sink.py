"""incident.io: one alert an incident, against a fake held to the contract of its HTTP alert sources."""

from __future__ import annotations

import json
import logging
import re
from collections.abc import Iterator
from dataclasses import replace
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from pydantic import ValidationError

from slo_engine.delivery import Delivered, Misconfigured, Refused, Retry
from slo_engine.delivery.sinks.incident_io import IncidentIoSink, IncidentIoSinkSettings
from slo_engine.logs import JsonFormatter
from slo_engine.notifications import Message, outline
from slo_engine.settings import secrets_of
from tests.delivery.fakes.messages import FIRING, POSTS, REMARKS, RESOLVED, UPDATE, hostile, messages
from tests.delivery.fakes.pagers import ALERT_SOURCE, INCIDENT_IO_TOKEN, LARGEST, IncidentIoService, problems
from tests.delivery.fakes.service import Reply, tell


@pytest.fixture
def incident_io() -> Iterator[IncidentIoService]:
    with IncidentIoService() as service:
        yield service


def settings_for(service: IncidentIoService, **more: Any) -> IncidentIoSinkSettings:
    given = {
        "name": "pager",
        "type": "incident_io",
        "url": service.address,
        "token": INCIDENT_IO_TOKEN,
        "alert_source": ALERT_SOURCE,
    }
    return IncidentIoSinkSettings.model_validate({**given, **more})


def sink_for(service: IncidentIoService, **more: Any) -> IncidentIoSink:
    return IncidentIoSink.of(settings_for(service, **more))


def links_in(description: str) -> list[str]:
    """The addresses that Markdown makes links of."""
    return re.findall(r"(?<!\\)\]\(<([^>]*)>\)", description)


def test_an_incident_is_one_alert_that_fires_again_and_is_resolved(incident_io: IncidentIoService) -> None:
    outcomes = tell(sink_for(incident_io), replace(FIRING, evidence=None), UPDATE, FIRING, RESOLVED)
    assert outcomes == [Delivered({"deduplication_key": FIRING.thread})] * 4
    assert [body["status"] for body in incident_io.bodies] == ["firing", "firing", "firing", "resolved"]
    assert list(incident_io.alerts) == [FIRING.thread]


def test_an_event_says_what_burns_why_and_where_to_look(incident_io: IncidentIoService) -> None:
    tell(sink_for(incident_io), FIRING)
    (event,) = incident_io.bodies
    found = outline(FIRING)
    assert event["title"] == "agents success support_agent: burns its error budget at 24.1x over 1h"
    assert event["description"].startswith("**412 of 455 failures: tool web\\_search: search index shard-\\<n\\>")
    assert links_in(event["description"]) == [each.url for each in (*found.links, *found.traces)]
    assert event["metadata"]["agent_type"] == "support_agent"
    assert event["metadata"]["severity"] == "page"
    assert event["metadata"]["answer"].startswith("412 of 455 failures")
    assert event["source_url"].startswith("https://prometheus.example/graph")


@pytest.mark.parametrize("post", POSTS, ids=lambda post: str(post.kind))
def test_a_post_is_refused_with_what_to_do_and_pages_nobody(incident_io: IncidentIoService, post: Message) -> None:
    (outcome,) = tell(sink_for(incident_io), post)
    assert isinstance(outcome, Refused)
    assert "route it to another sink, or set a fallback here" in outcome.reason
    assert incident_io.requests == []


@pytest.mark.parametrize("kind", ["firing", "update", "resolved"])
def test_hostile_labels_are_text_and_links_are_kept(incident_io: IncidentIoService, kind: Any) -> None:
    message = hostile(kind)
    (outcome,) = tell(sink_for(incident_io), message)
    assert isinstance(outcome, Delivered)
    (event,) = incident_io.bodies
    found = outline(message)
    urls = [each.url.replace(">", "%3E") for each in (*found.links, *found.traces)]
    assert links_in(event["description"]) == urls
    assert not re.search(r"(?<!\\)<(?!https?://)", event["description"])
    assert "{{7\\*7}}" in event["description"]
    assert "\u202e" not in event["description"]


@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.too_slow, HealthCheck.data_too_large])
@given(message=messages().filter(lambda message: message.post is None))
def test_whatever_a_message_holds_incident_io_takes_the_event(message: Message) -> None:
    from slo_engine.connect import Connection

    event = IncidentIoSink(Connection("http://incident-io"), ALERT_SOURCE)._event(message)
    body = json.loads(json.dumps(event))
    assert problems("incident_io_event", body) == []
    assert len(json.dumps(body)) < LARGEST
    assert len(body["description"]) <= 15_000
    found = outline(message)
    urls = [link.url.replace("<", "%3C").replace(">", "%3E") for link in (*found.links, *found.traces)]
    if sum(len(url) + 150 for url in urls) < 10_000:
        assert links_in(body["description"])[-len(urls) :] == urls


def test_a_preview_is_the_event_or_why_there_is_none(incident_io: IncidentIoService) -> None:
    sink = sink_for(incident_io)
    preview = json.loads(sink.preview(FIRING))
    assert sink.preview(POSTS[1]).startswith("incident.io takes alerts, and this is a digest")
    tell(sink, FIRING)
    assert incident_io.bodies == [preview]


# Answers


def test_an_event_that_is_not_understood_is_refused_with_the_fields(incident_io: IncidentIoService) -> None:
    errors = [{"code": "missing", "message": "title must be set", "source": {"field": "title"}}, {"code": "odd"}, "x"]
    incident_io.script = [Reply(422, json.dumps({"type": "validation_error", "status": 422, "errors": errors}))]
    (outcome,) = tell(sink_for(incident_io), FIRING)
    assert outcome == Refused("incident.io refuses the event: title: title must be set; odd; x")


def test_an_unknown_source_and_a_wrong_token_are_for_somebody_to_change_and_say_which_setting(
    incident_io: IncidentIoService,
) -> None:
    (unknown,) = tell(sink_for(incident_io, alert_source="01OTHER"), FIRING)
    assert unknown == Misconfigured("HTTP 404: incident.io has no such alert source: check alert_source")
    (wrong,) = tell(sink_for(incident_io, token="other"), FIRING)
    assert isinstance(wrong, Misconfigured)
    assert wrong.reason.endswith("it does not accept token: check it")


@pytest.mark.parametrize("status", [408, 425, 429, 500, 502, 503])
def test_statuses_about_the_moment_are_tried_again_after_the_time_that_is_asked_for(
    incident_io: IncidentIoService, status: int
) -> None:
    incident_io.script = [Reply(status, "", {"retry-after": "9"})]
    assert tell(sink_for(incident_io), FIRING) == [Retry(f"HTTP {status}", 9.0, is_limit=status == 429)]


@pytest.mark.parametrize(
    ("status", "verdict"),
    [
        (400, Refused),
        (422, Refused),
        *((status, Misconfigured) for status in (301, 402, 403, 404, 410, 413)),
    ],
)
def test_statuses_that_stay_are_about_the_event_or_for_somebody_to_change(
    incident_io: IncidentIoService, status: int, verdict: type[Misconfigured | Refused]
) -> None:
    incident_io.script = [Reply(status, "not so")]
    (outcome,) = tell(sink_for(incident_io), FIRING)
    assert isinstance(outcome, verdict)
    assert f"HTTP {status}" in outcome.reason


def test_what_is_to_be_said_of_a_delivery_stands_above_the_rest(incident_io: IncidentIoService) -> None:
    tell(sink_for(incident_io), replace(FIRING, remarks=REMARKS), replace(RESOLVED, remarks=REMARKS))
    for event in incident_io.bodies:
        assert event["description"].splitlines()[:2] == [f"{each}  " for each in REMARKS]


@pytest.mark.parametrize("body", ["", "<html>login</html>", "[]", "{}", '{"status": "failed"}'])
def test_a_200_that_is_no_success_is_no_delivery(incident_io: IncidentIoService, body: str) -> None:
    incident_io.script = [Reply(200, body)]
    (outcome,) = tell(sink_for(incident_io), FIRING)
    assert isinstance(outcome, Retry)
    assert "does not answer as incident.io does" in outcome.reason


@pytest.mark.parametrize("source", ["", "https://api.incident.io/v2/alert_events/http/01GW", "../x"])
def test_an_alert_source_that_is_no_id_is_refused(source: str) -> None:
    with pytest.raises(ValidationError, match="alert_source"):
        IncidentIoSinkSettings.model_validate(
            {"name": "a", "type": "incident_io", "token": "t", "alert_source": source}
        )


def test_the_token_is_in_no_error_and_in_no_log(
    incident_io: IncidentIoService, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.DEBUG)
    chosen = settings_for(incident_io)
    echoed = json.dumps({"errors": [{"message": INCIDENT_IO_TOKEN}]})
    incident_io.script = [Reply(422, echoed, {"x-echo": INCIDENT_IO_TOKEN}), Reply(403, echoed), Reply(200, echoed)]
    outcomes = tell(IncidentIoSink.of(chosen), *[FIRING] * 4)
    assert not [each for each in outcomes if INCIDENT_IO_TOKEN in str(each)]
    formatter = JsonFormatter(secrets_of(chosen))
    assert INCIDENT_IO_TOKEN not in "\n".join(formatter.format(record) for record in caplog.records)
    assert INCIDENT_IO_TOKEN not in repr(chosen)
