"""The four doors behind one question: does a request get through, and if not, what is said?"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable, Mapping
from contextlib import closing
from dataclasses import replace
from datetime import UTC, datetime, timedelta

from slo_engine.connect import Connection
from slo_engine.delivery import Delivered, WebhookSink
from slo_engine.errors import SloEngineError
from slo_engine.notifications import Message
from slo_engine.prometheus import Prometheus
from slo_engine.rollout.ruler import Ruler
from slo_engine.traces import LangFuse, Selection

NOW = datetime(2026, 11, 27, 12, 0, tzinfo=UTC)
MESSAGE = Message("msg_1", "thread", "firing", "page", "title", payload={"version": "4", "alerts": []})


def prometheus(connection: Connection) -> str:
    with closing(Prometheus(connection)) as door:
        return _said(lambda: door.query("1", NOW))


def langfuse(connection: Connection) -> str:
    async def read() -> None:
        door = LangFuse(connection)
        try:
            wanted = Selection(NOW - timedelta(hours=1), NOW, tags=("agent:a",))
            await door.observations(wanted, most=10, deadline=time.monotonic() + 60)
        finally:
            await door.close()

    return _said(lambda: asyncio.run(read()))


def ruler(connection: Connection) -> str:
    with closing(Ruler(connection, patience=0.1)) as door:
        return _said(door.groups)


def webhook(connection: Connection) -> str:
    async def send() -> str:
        sink = WebhookSink(replace(connection, url=f"{connection.url}/hook"))
        try:
            outcome = await sink.send(MESSAGE)
        finally:
            await sink.close()
        return "" if isinstance(outcome, Delivered) else outcome.reason

    return asyncio.run(send())


DOORS: Mapping[str, Callable[[Connection], str]] = {
    "Prometheus": prometheus,
    "LangFuse": langfuse,
    "the ruler": ruler,
    "the webhook": webhook,
}
"""Each returns what it says of a failure; nothing when the request got through."""


def _said(request: Callable[[], object]) -> str:
    try:
        request()
    except SloEngineError as error:
        return str(error)
    return ""
