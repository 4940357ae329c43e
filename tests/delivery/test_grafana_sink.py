"""Annotations in Grafana: one region an incident, one point a level, and nothing that is not asked for."""

from __future__ import annotations

import json
import logging
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

import httpx
import pytest
import yaml
from hypothesis import given, settings

from slo_engine.connect import Connection
from slo_engine.delivery import Delivered, Misconfigured, Outcome, Refused, Retry, sink_of
from slo_engine.delivery.sinks.grafana import LONGEST_LINKS, LONGEST_TAGS, LONGEST_TEXT, GrafanaSink
from slo_engine.notifications import Message
from slo_engine.settings import SettingsError, load_settings
from tests.delivery.fakes.http import FakeServer, send
from tests.delivery.fakes.incident import (
    DIGEST,
    FIRING,
    INCIDENT,
    LINKS,
    MESSAGES,
    REPORT,
    RESOLVED,
    STATUS,
    UPDATE,
    hostile,
)

CONNECTION = Connection("https://grafana.example/sub", token="glsa_s3cr3t-token")
STARTED, ENDED = 1_795_453_380_000, 1_795_455_660_000


class FakeGrafana(FakeServer):
    """Keeps annotations as Grafana does: POST adds one, PATCH changes what it names, by id."""

    def __init__(self) -> None:
        super().__init__(self._annotate)
        self.annotations: dict[int, dict[str, Any]] = {}

    def _annotate(self, request: httpx.Request) -> httpx.Response:
        body = json.loads(request.content)
        if request.method == "POST" and request.url.path == "/sub/api/annotations":
            number = len(self.annotations) + 41
            self.annotations[number] = body
            return httpx.Response(200, json={"message": "Annotation added", "id": number})
        number = int(request.url.path.removeprefix("/sub/api/annotations/"))
        if request.method != "PATCH" or number not in self.annotations:
            return httpx.Response(404, json={"message": "annotation not found"})
        self.annotations[number] |= body
        return httpx.Response(200, json={"message": "Annotation patched"})


@pytest.fixture
def grafana() -> FakeGrafana:
    return FakeGrafana()


def sent(server: FakeServer, message: Message, earlier: Mapping[str, Any] | None = None, **options: Any) -> Outcome:
    return send(GrafanaSink(CONNECTION, transport=server.transport, **options), message, earlier)


def test_an_incident_is_one_region_that_its_resolve_ends(grafana: FakeGrafana) -> None:
    receipt: Mapping[str, Any] | None = None
    for message in INCIDENT.values():
        outcome = sent(grafana, message, receipt)
        assert isinstance(outcome, Delivered)
        receipt = outcome.receipt
        assert receipt == {"id": 41}
    assert [each.method for each in grafana.requests] == ["POST", "PATCH", "PATCH", "PATCH"]
    assert set(grafana.bodies[2]) == {"text", "tags"}
    assert set(grafana.bodies[3]) == {"timeEnd"}
    (region,) = grafana.annotations.values()
    assert (region["time"], region["timeEnd"]) == (STARTED, ENDED)
    assert region["tags"] == ["slo-engine", "incident", "page", "service:agents", "slo:success"]
    assert "412 of 455 failures" in region["text"]  # the reason outlives the incident


def test_the_text_holds_the_reason_and_the_links(grafana: FakeGrafana) -> None:
    sent(grafana, FIRING)
    text = grafana.annotations[41]["text"]
    assert "412 of 455 failures" in text
    assert '<a href="https://runbooks.example/agents/success">Runbook</a>' in text


def test_a_resolve_alone_is_a_whole_region(grafana: FakeGrafana) -> None:
    sent(grafana, RESOLVED)
    assert (grafana.annotations[41]["time"], grafana.annotations[41]["timeEnd"]) == (STARTED, ENDED)


def test_a_region_that_somebody_deleted_is_made_anew(grafana: FakeGrafana) -> None:
    assert sent(grafana, RESOLVED, {"id": 7}) == Delivered({"id": 41})
    assert grafana.annotations[41]["timeEnd"] == ENDED


def test_a_late_update_without_its_firing_begins_the_region(grafana: FakeGrafana) -> None:
    assert sent(grafana, UPDATE, {"skipped": "nothing to annotate"}) == Delivered({"id": 41})
    assert grafana.annotations[41]["time"] == STARTED


def test_each_level_that_a_budget_passes_is_a_point(grafana: FakeGrafana) -> None:
    for _ in range(2):
        sent(grafana, STATUS, {"id": 41})
    assert [each.method for each in grafana.requests] == ["POST", "POST"]
    assert grafana.bodies[0]["time"] == STARTED + 120_000
    assert "timeEnd" not in grafana.bodies[0]
    assert grafana.bodies[0]["tags"] == ["slo-engine", "status", "service:agents", "slo:success"]
    assert "fallen below 25 %" in grafana.bodies[0]["text"]


@pytest.mark.parametrize("message", [DIGEST, REPORT])
def test_posts_about_nothing_that_happened_are_no_annotations(grafana: FakeGrafana, message: Message) -> None:
    assert sent(grafana, message) == Delivered({"skipped": "nothing to annotate"})
    assert grafana.requests == []


def test_dashboard_panel_and_tags_are_those_of_the_settings(tmp_path: Path, grafana: FakeGrafana) -> None:
    sent(grafana, FIRING, dashboard_uid="slo-detail", panel_id=4, tags=("mine",))
    body = grafana.bodies[0]
    assert (body["dashboardUID"], body["panelId"], body["tags"][0]) == ("slo-detail", 4, "mine")
    file = tmp_path / "slo-engine.yaml"
    item = {"name": "g", "type": "grafana", "url": "https://grafana.example", "token": "t", "dashboard_uid": "a"}
    file.write_text(yaml.safe_dump({"sinks": [{**item, "panel_id": 4, "tags": ["mine"]}]}))
    (sink,) = load_settings(file).sinks
    assert isinstance(sink_of(sink), GrafanaSink)
    file.write_text(yaml.safe_dump({"sinks": [{**item, "tags": ["x" * 100]}]}))
    with pytest.raises(SettingsError, match=r"sinks.0.tags.0"):
        load_settings(file)


def test_the_token_is_sent_and_shown_nowhere(caplog: pytest.LogCaptureFixture) -> None:
    with caplog.at_level(logging.DEBUG):
        for status in (400, 401, 403, 500):
            server = FakeServer(httpx.Response(status, text="bad glsa_s3cr3t-token"))
            outcome = sent(server, FIRING)
            assert server.requests[0].headers["authorization"] == "Bearer glsa_s3cr3t-token"
            assert "s3cr3t" not in repr(outcome)
    assert "s3cr3t" not in caplog.text


@pytest.mark.parametrize(
    ("answer", "expected"),
    [
        (httpx.Response(429, headers={"retry-after": "3"}), Retry("HTTP 429", 3.0, is_limit=True)),
        (httpx.Response(408), Retry("HTTP 408")),
        (httpx.Response(500), Retry("HTTP 500")),
        (httpx.Response(503), Retry("HTTP 503")),
        (httpx.Response(413), Misconfigured("HTTP 413", is_too_large=True)),
        (httpx.Response(400, text="bad tags"), Refused("HTTP 400 (bad tags)")),
        (httpx.Response(401), Misconfigured("HTTP 401: it does not accept the token: check token")),
        (httpx.Response(403), Misconfigured("HTTP 403: these credentials may not do that")),
        (httpx.Response(404), Misconfigured("HTTP 404")),
        (httpx.Response(302), Misconfigured("HTTP 302: it redirects: write its final address in url")),
    ],
)
def test_each_status_has_its_verdict(answer: httpx.Response, expected: Outcome) -> None:
    assert sent(FakeServer(answer), FIRING) == expected


@pytest.mark.parametrize("body", ["", "<html>log in</html>", "[]", '{"message": "hello"}'])
def test_a_200_without_an_annotation_is_no_success(body: str) -> None:
    assert isinstance(sent(FakeServer(httpx.Response(200, text=body)), FIRING), Retry)


@pytest.mark.parametrize("error", [httpx.ConnectError("refused"), httpx.ReadTimeout("slow")])
def test_trouble_on_the_network_is_tried_again(error: Exception) -> None:
    def fail(_: httpx.Request) -> httpx.Response:
        raise error

    assert isinstance(sent(FakeServer(fail), FIRING), Retry)


def check(message: Message, body: Mapping[str, Any]) -> None:
    assert len(json.dumps(body["tags"])) <= LONGEST_TAGS
    assert len(body["text"]) <= LONGEST_TEXT + LONGEST_LINKS + 200
    assert "<script" not in body["text"]
    assert body.get("timeEnd", body["time"]) >= body["time"] > 0


@pytest.mark.parametrize("kind", ["firing", "resolved"])
def test_hostile_labels_are_words_and_the_links_are_there(grafana: FakeGrafana, kind: str) -> None:
    message = hostile(kind=kind)
    sent(grafana, message)
    body = grafana.bodies[0]
    check(message, body)
    for link in LINKS:
        assert f'<a href="{link}">' in body["text"]
    assert "\u202e" not in body["text"]


def test_an_address_cannot_leave_its_attribute(grafana: FakeGrafana) -> None:
    sent(grafana, hostile("text", links=('https://evil.example/"onmouseover="alert(1)', *LINKS[1:])))
    assert '"onmouseover' not in grafana.bodies[0]["text"]


def test_times_that_are_none_are_now() -> None:
    server = FakeGrafana()
    payload = {"alerts": [{"startsAt": "yesterday"}, {"startsAt": "0001-01-01T00:00:00Z"}, "none"]}
    sent(server, replace(FIRING, payload=payload))
    assert server.annotations[41]["time"] > STARTED


@given(MESSAGES)
@settings(max_examples=30, deadline=None)
def test_any_text_makes_an_annotation_within_the_limits(message: Message) -> None:
    server = FakeGrafana()
    sent(server, replace(message, kind="status") if message.post else message)
    check(message, server.bodies[0])
