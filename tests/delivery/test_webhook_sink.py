"""The generic webhook sink: what it sends, and how it reads the answer."""

from __future__ import annotations

import asyncio
import json
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from email.utils import format_datetime

import httpx
import pytest
from standardwebhooks.webhooks import Webhook

from slo_engine.connect import Connection
from slo_engine.delivery import Delivered, Misconfigured, Outcome, Refused, Retry, WebhookSink
from slo_engine.delivery.sinks.webhook import WebhookSinkSettings
from slo_engine.notifications import Evidence, Message
from tests.delivery.fakes.messages import REMARKS

CONNECTION = Connection("http://sink/page", timeout=15.0)
SECRET = "whsec_c2xvLWVuZ2luZS10ZXN0LXNlY3JldA=="
PAYLOAD = {"version": "4", "alerts": [{"labels": {"ü": "ß"}}]}
MESSAGE = Message("msg_1", "thread", "firing", "page", "title", payload=PAYLOAD)


def send(
    answer: httpx.Response | Exception, seen: list[httpx.Request] | None = None, message: Message = MESSAGE
) -> Outcome:
    def transport(request: httpx.Request) -> httpx.Response:
        if seen is not None:
            seen.append(request)
        if isinstance(answer, Exception):
            raise answer
        return answer

    async def run() -> Outcome:
        sink = WebhookSink(CONNECTION, secret=SECRET, transport=httpx.MockTransport(transport))
        outcome = await sink.send(message)
        await sink.close()
        return outcome

    return asyncio.run(run())


def test_a_message_is_sent_whole_signed_and_with_its_key() -> None:
    seen: list[httpx.Request] = []
    assert send(httpx.Response(204), seen) == Delivered({"status": 204})
    request = seen[0]
    assert json.loads(request.content) == PAYLOAD
    assert request.headers["webhook-id"] == "msg_1"
    Webhook(SECRET).verify(request.content.decode(), dict(request.headers))


def test_a_message_that_was_changed_on_the_way_does_not_verify() -> None:
    seen: list[httpx.Request] = []
    send(httpx.Response(204), seen)
    with pytest.raises(Exception, match="matching signature"):
        Webhook(SECRET).verify(seen[0].content.decode() + " ", dict(seen[0].headers))


@pytest.mark.parametrize("status", [200, 201, 202, 204])
def test_any_2xx_is_delivered(status: int) -> None:
    assert send(httpx.Response(status)) == Delivered({"status": status})


@pytest.mark.parametrize("status", [408, 425, 500, 502, 503, 504])
def test_what_is_about_the_moment_is_tried_again(status: int) -> None:
    assert send(httpx.Response(status)) == Retry(f"HTTP {status}")


@pytest.mark.parametrize("status", [400, 406, 409, 415, 422, 431, 451])
def test_what_is_about_the_message_is_refused(status: int) -> None:
    assert send(httpx.Response(status, text="not so")) == Refused(f"HTTP {status} (not so)")


@pytest.mark.parametrize("status", [301, 302, 307, 308, 401, 402, 403, 404, 405, 407, 410])
def test_what_somebody_has_to_change_is_not_refused(status: int) -> None:
    outcome = send(httpx.Response(status, headers={"location": "http://elsewhere"}))
    assert isinstance(outcome, Misconfigured)
    assert outcome.reason.startswith(f"HTTP {status}")
    assert not outcome.is_too_large


def test_what_is_too_large_may_pass_when_it_is_smaller() -> None:
    assert send(httpx.Response(413)) == Misconfigured("HTTP 413", is_too_large=True)


def test_a_400_that_asks_for_tls_is_about_the_address() -> None:
    outcome = send(httpx.Response(400, text="Client sent an HTTP request to an HTTPS server."))
    assert isinstance(outcome, Misconfigured)
    assert outcome.reason.endswith("it expects TLS: write https:// in url")


@pytest.mark.parametrize(
    "error", [httpx.ConnectError("refused"), httpx.ReadTimeout("slow"), httpx.RemoteProtocolError("broken")]
)
def test_trouble_on_the_network_is_tried_again(error: Exception) -> None:
    assert isinstance(send(error), Retry)


@pytest.mark.parametrize(
    ("header", "after"),
    [("17", 17.0), ("0", 0.0), ("99999999", 3600.0), ("soon", None), ("-5", None), ("", None)],
)
def test_a_limit_is_honoured_as_long_as_it_asks_for_within_reason(header: str, after: float | None) -> None:
    assert send(httpx.Response(429, headers={"retry-after": header})) == Retry("HTTP 429", after, is_limit=True)


def test_retry_after_as_a_date_is_honoured() -> None:
    when = format_datetime(datetime.now(UTC) + timedelta(seconds=120), usegmt=True)
    outcome = send(httpx.Response(503, headers={"retry-after": when}))
    assert isinstance(outcome, Retry)
    assert outcome.after == pytest.approx(120, abs=5)
    assert not outcome.is_limit


def test_what_is_to_be_said_of_a_delivery_stands_beside_the_payload() -> None:
    seen: list[httpx.Request] = []
    send(httpx.Response(204), seen, replace(MESSAGE, remarks=REMARKS))
    assert json.loads(seen[0].content) == {**PAYLOAD, "enrichment": {"version": "1", "remarks": list(REMARKS)}}


def test_what_is_to_be_said_of_a_delivery_stands_beside_the_evidence() -> None:
    evidence = Evidence("2026-11-23T17:05:02+00:00", 0.1)
    seen: list[httpx.Request] = []
    send(httpx.Response(204), seen, replace(MESSAGE, evidence=evidence, remarks=REMARKS))
    send(httpx.Response(204), seen, replace(MESSAGE, evidence=evidence))
    late, in_time = (json.loads(each.content)["enrichment"] for each in seen)
    assert late == {**in_time, "remarks": list(REMARKS)}


def test_a_template_of_the_settings_has_the_remarks() -> None:
    body = '{"said": "{{ remarks | join(" ") }}"}'
    settings = WebhookSinkSettings.model_validate(
        {"name": "hook", "type": "webhook", "url": "http://hook", "templates": {"firing": {"body": body}}}
    )
    written = WebhookSink.of(settings).preview(replace(MESSAGE, remarks=('Late by 2 min: "x".', "Again.")))
    assert json.loads(written) == {"said": 'Late by 2 min: "x". Again.'}
