"""The generic webhook sink: what it sends, and how it reads the answer."""

from __future__ import annotations

import asyncio
import json
from datetime import UTC, datetime, timedelta
from email.utils import format_datetime

import httpx
import pytest
from standardwebhooks.webhooks import Webhook

from slo_engine.connect import Connection
from slo_engine.delivery import Delivered, Outcome, Refused, Retry, WebhookSink
from slo_engine.notifications import Message

CONNECTION = Connection("http://sink/page", timeout=15.0)
SECRET = "whsec_c2xvLWVuZ2luZS10ZXN0LXNlY3JldA=="
PAYLOAD = {"version": "4", "alerts": [{"labels": {"ü": "ß"}}]}
MESSAGE = Message("msg_1", "thread", "firing", "page", "title", payload=PAYLOAD)


def send(answer: httpx.Response | Exception, seen: list[httpx.Request] | None = None) -> Outcome:
    def transport(request: httpx.Request) -> httpx.Response:
        if seen is not None:
            seen.append(request)
        if isinstance(answer, Exception):
            raise answer
        return answer

    async def run() -> Outcome:
        sink = WebhookSink(CONNECTION, secret=SECRET, transport=httpx.MockTransport(transport))
        outcome = await sink.send(MESSAGE)
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


@pytest.mark.parametrize("status", [408, 425, 429, 500, 502, 503, 504])
def test_what_is_about_the_moment_is_tried_again(status: int) -> None:
    assert send(httpx.Response(status)) == Retry(f"HTTP {status}")


@pytest.mark.parametrize("status", [301, 302, 307, 400, 401, 404, 410, 413, 422])
def test_what_would_be_refused_again_is_refused(status: int) -> None:
    assert isinstance(send(httpx.Response(status, headers={"location": "http://elsewhere"})), Refused)


@pytest.mark.parametrize(
    "error", [httpx.ConnectError("refused"), httpx.ReadTimeout("slow"), httpx.RemoteProtocolError("broken")]
)
def test_trouble_on_the_network_is_tried_again(error: Exception) -> None:
    assert isinstance(send(error), Retry)


@pytest.mark.parametrize(
    ("header", "after"),
    [("17", 17.0), ("0", 0.0), ("99999999", 3600.0), ("soon", None), ("-5", None), ("", None)],
)
def test_retry_after_in_seconds_is_honoured_within_reason(header: str, after: float | None) -> None:
    assert send(httpx.Response(429, headers={"retry-after": header})) == Retry("HTTP 429", after)


def test_retry_after_as_a_date_is_honoured() -> None:
    when = format_datetime(datetime.now(UTC) + timedelta(seconds=120), usegmt=True)
    outcome = send(httpx.Response(503, headers={"retry-after": when}))
    assert isinstance(outcome, Retry)
    assert outcome.after == pytest.approx(120, abs=5)
