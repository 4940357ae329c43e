"""Secrets and personal data, planted wherever others write: none in what a sink, the log, the API or the page shows."""

from __future__ import annotations

import asyncio
import io
import json
import logging
import time
from collections.abc import Iterator
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from random import Random
from typing import Any

import httpx
import pytest

from slo_engine.alerts import Enrichment, Intake
from slo_engine.connect import Connection
from slo_engine.definitions import load
from slo_engine.delivery import WebhookSink
from slo_engine.delivery.courier import Courier
from slo_engine.delivery.sinks import ConsoleSink
from slo_engine.evidence import Backends, Gatherer, sources
from slo_engine.logs import JsonFormatter
from slo_engine.notifications.routes import Routes
from slo_engine.store import inbox, outbox
from slo_engine.traces import TraceScore
from slo_engine.web.assistants.tools import reply
from tests.alerts.payloads import SUCCESS_LABELS, notification
from tests.evidence.world import NoStatuses, RowTraces, observation, step
from tests.scrub.pii import KEYS
from tests.web.site import Site

SLOS = load([Path(__file__).parent.parent.parent / "slos"])

PLANTED = {
    "gsk": "gsk_4fJ9Kq2LmN8pQrS6tUvW",
    "AIza": "AIzaSyD4x8Kq2LmN8pQrS6tUvWxYz0123456789",
    "hf": "hf_QwErTyUiOpAsDfGhJkLzXcVbNm123456",
    "email": "jane.doe@example.com",
    "phone": "+49 30 90182077",
    "card": "4111 1111 1111 1111",
    "iban": "DE89 3704 0044 0532 0130 00",
    "ssn": "219-09-9999",
    "ip": "81.2.69.142",
    "ipv6": "2a02:8109:9440:1234:5678:9abc:def0:1234",
    "password": "password=hunter2-and-more",
    "url": "https://user:s3cr3t-pass@db.example/x",
    **{f"key {name}": make(Random(7)) for name, make in KEYS.items()},
}
HIDDEN = {**PLANTED, "password": "hunter2-and-more", "url": "s3cr3t-pass"}
"""What must not be seen of each."""


def traces(text: str) -> RowTraces:
    """Every step of a run holds the text: in its name, its message, its metadata, its user, its tags, its score."""
    now = datetime.now(UTC)
    own: dict[str, Any] = {
        # After a version word alone, four numbers are a version, and no address.
        "metadata": {"prompt_version": f"by {text}", "note": text},
        "tags": (f"agent_type:{text}", f"team:{text}", "agent_type:support_agent"),
        "user": text,
        "release": f"by {text}",
        "environment": text,
    }
    rows = []
    for number in range(12):
        root = observation(f"t{number}", text, message=text, seconds=20.0, **own)
        tool = step(f"t{number}", f"crm {text}", parent=root.id, message=f"it said {text}", seconds=15.0, **own)
        healthy = observation(f"h{number}", level="DEFAULT", tags=own["tags"])
        rows += [replace(each, start_time=now - timedelta(minutes=1), end_time=None) for each in (root, tool, healthy)]
    scores = [TraceScore(f"t{number}", text, 0.1, now, text, text, text) for number in range(12)]
    return RowTraces(rows, scores)


def posted(text: str, slo: str) -> bytes:
    """A notification that holds the text wherever a sender can put one."""
    labels = {**SUCCESS_LABELS, "slo": slo, "agent_type": text, "score_name": text, "note": f"see {text} there"}
    found = notification(labels=labels, group_key=f"group of {text} and {slo}")
    found["alerts"][0]["annotations"] = {"summary": f"{text} fails", "description": text}
    found["alerts"][0]["generatorURL"] = f"http://prometheus/graph?q={text}"
    found |= {"receiver": text, "commonAnnotations": {"summary": text}, "groupLabels": {"agent_type": text}}
    found |= {"externalURL": f"http://alertmanager/{text}", "extra": [{"deep": {text: text}}]}
    return json.dumps(found).encode()


@pytest.fixture
def log() -> Iterator[io.StringIO]:
    stream = io.StringIO()
    handler = logging.StreamHandler(stream)
    handler.setFormatter(JsonFormatter())
    root = logging.getLogger()
    before = root.level
    root.addHandler(handler)
    root.setLevel(logging.DEBUG)
    yield stream
    root.removeHandler(handler)
    root.setLevel(before)


def everything_shown(tmp_path: Path, text: str) -> str:
    """What leaves when two notifications and a body that is none come in: sinks, API, page, readiness, metrics,
    assistants."""
    site = Site(tmp_path)
    received: list[str] = []

    def take(request: httpx.Request) -> httpx.Response:
        received.append(request.content.decode() + str(request.headers))
        return httpx.Response(503 if len(received) == 1 else 200)

    console = io.StringIO()
    hook = WebhookSink(Connection("http://sink"), transport=httpx.MockTransport(take))

    async def run() -> None:
        courier = Courier(site.database, {"hook": hook, "console": ConsoleSink(stream=console)})
        gatherer = Gatherer(sources(Backends(NoStatuses(), traces(text))), budget=5.0)
        enrichment = Enrichment(site.database, lambda: SLOS, gatherer, Routes((), ("hook", "console")), courier.tell)
        intake = Intake(site.database, enrichment.tell)
        tasks = [asyncio.create_task(each.run()) for each in (intake, enrichment, courier)]
        async with asyncio.timeout(30):
            while site.database.read(outbox.counts) != {("hook", "delivered"): 4, ("console", "delivered"): 4}:  # noqa: ASYNC110 - what is looked at is the store
                await asyncio.sleep(0.01)
        for worker in (intake, enrichment, courier):
            worker.stop()
        await asyncio.gather(*tasks)

    for body in (
        posted(text, "success"),
        posted(text, "latency"),
        posted(text, "answers"),
        f"no JSON, but {text}".encode(),
    ):
        site.database.write(lambda connection, body=body: inbox.accept(connection, body, time.time()))  # type: ignore[misc]
    asyncio.run(run())
    assert len(received) == 5
    pages = [site.ask("GET", path).text for path in ("/", "/api/v1/alerts", "/readyz", "/metrics")]
    for each in site.ask("GET", "/api/v1/alerts").json()["notifications"]:
        for tool in ("why_did_it_page", "incident"):
            told = reply(tool, {"incident": each["key"]}, site.app.state.services)
            assert not told.is_error or each["kind"] not in ("firing", "resolved"), told.text
            pages.append(told.text)
    site.database.close()
    return "\n".join([*received, console.getvalue(), *pages])


@pytest.mark.parametrize("kind", PLANTED)
def test_what_is_planted_is_seen_nowhere(tmp_path: Path, log: io.StringIO, kind: str) -> None:
    shown = everything_shown(tmp_path, PLANTED[kind])
    for place, text in (("shown", shown), ("log", log.getvalue())):
        assert HIDDEN[kind] not in text, place
        assert json.dumps(HIDDEN[kind])[1:-1] not in text, place


def through(tmp_path: Path, posted_body: bytes, gatherer: Gatherer) -> dict[str, Any]:
    """What a webhook sink gets of a posted body."""
    sent: list[dict[str, Any]] = []

    def take(request: httpx.Request) -> httpx.Response:
        sent.append(json.loads(request.content))
        return httpx.Response(200)

    site = Site(tmp_path)

    async def run() -> None:
        hook = WebhookSink(Connection("http://sink"), transport=httpx.MockTransport(take))
        courier = Courier(site.database, {"hook": hook})
        enrichment = Enrichment(site.database, lambda: SLOS, gatherer, Routes((), ("hook",)), courier.tell)
        intake = Intake(site.database, enrichment.tell)
        tasks = [asyncio.create_task(each.run()) for each in (intake, enrichment, courier)]
        async with asyncio.timeout(30):
            while not sent:  # noqa: ASYNC110
                await asyncio.sleep(0.01)
        for worker in (intake, enrichment, courier):
            worker.stop()
        await asyncio.gather(*tasks)

    site.database.write(lambda connection: inbox.accept(connection, posted_body, time.time()))
    asyncio.run(run())
    site.database.close()
    return sent[0]


def test_a_notification_that_holds_nothing_private_is_sent_as_it_came(tmp_path: Path) -> None:
    plain = notification(
        labels={**SUCCESS_LABELS, "instance": "10.2.3.4:9100", "run": "119a72d174c9df6acc011cdd9474031b"}
    )
    sent = through(tmp_path, json.dumps(plain).encode(), Gatherer([], budget=1.0))
    assert {key: value for key, value in sent.items() if key != "enrichment"} == plain


def test_evidence_finds_its_alert_though_the_labels_that_identify_it_are_masked(tmp_path: Path) -> None:
    posted_by_a_simple_sender = notification(labels={**SUCCESS_LABELS, "instance": "81.2.69.142:9100"})
    del posted_by_a_simple_sender["alerts"][0]["fingerprint"]
    gatherer = Gatherer(sources(Backends(NoStatuses(), traces("boom"))), budget=5.0)
    (alert,) = through(tmp_path, json.dumps(posted_by_a_simple_sender).encode(), gatherer)["alerts"]
    assert alert["labels"]["instance"] == "[IP]:9100"
    assert alert["annotations"]["slo_engine_causes"] == "12 of 12: tool crm boom: it said boom"
