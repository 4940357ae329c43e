"""A database that an earlier version wrote opens, and goes on where it was."""

from __future__ import annotations

import asyncio
import json
import sqlite3
import time
from collections.abc import Iterator, Mapping
from functools import partial
from pathlib import Path
from typing import Any

import pytest
from alembic import command
from alembic.config import Config
from sqlalchemy import create_engine

from slo_engine import store
from slo_engine.delivery import Delivered, Outcome
from slo_engine.delivery.courier import Courier
from slo_engine.notifications import Message, as_payload, restored
from slo_engine.store import Database, inbox, messages, outbox

MIGRATIONS = Path(store.__file__).parent / "migrations"

DELIVERED = {"alerts": [], "receiver": "a", "enrichment": {"version": "1", "seconds": 0.1}}
WAITING = {
    "alerts": [{"labels": {"ü": "quotes \"\\\" and 'these'", "severity": "page"}}],
    "enrichment": {"version": "1"},
}
GATHERING = {"alerts": [{"status": "firing", "labels": {"alertname": "A"}}], "receiver": "b"}


@pytest.fixture
def file(tmp_path: Path) -> Path:
    """A store as revision 0001 has it: a page that was delivered, one on its way, one that gathers its evidence, a body
    that nobody has read; and the newest page is gone."""
    path = tmp_path / "old.db"
    engine = create_engine(f"sqlite:///{path}")
    config = Config()
    config.set_main_option("script_location", str(MIGRATIONS))
    with engine.begin() as connection:
        config.attributes["connection"] = connection
        command.upgrade(config, "0001")
    engine.dispose()
    with sqlite3.connect(path) as old:
        for number in range(1, 5):
            old.execute(
                "INSERT INTO inbox VALUES (?, 1.0, ?, ?, NULL)",
                (number, b"{}", "pending" if number == 4 else "processed"),
            )
        pages: tuple[tuple[int, str, object, str, str], ...] = (
            (1, "page_1", DELIVERED, "ready", "resolved"),
            (2, "page_2", WAITING, "ready", "firing"),
            (3, "page_3", GATHERING, "gathering", "firing"),
            (9, "page_9", {}, "ready", "firing"),
        )
        for number, key, message, state, status in pages:
            old.execute(
                "INSERT INTO pages VALUES (?, ?, ?, ?, ?, 'r', ?, 'title', ?, ?, 2.0)",
                (number, key, min(number, 3), time.time(), f"group-{number}", status, state, json.dumps(message)),
            )
        old.execute("DELETE FROM pages WHERE id = 9")
        old.execute("INSERT INTO outbox VALUES (1, 1, 'sink', 'group-1', 'delivered', 1, 0, 0, NULL, NULL, 3.0)")
        old.execute("INSERT INTO outbox VALUES (2, 2, 'sink', 'group-2', 'pending', 7, 0, 0, NULL, 'HTTP 503', NULL)")
    return path


@pytest.fixture
def opened(file: Path) -> Iterator[Database]:
    database = Database(f"sqlite:///{file}")
    yield database
    database.close()


def test_what_was_there_is_there_and_keys_stay(opened: Database) -> None:
    found = opened.read(lambda connection: messages.newest(connection, 10))
    assert [(each.id, each.key, each.kind, each.state, each.thread) for each in found] == [
        (3, "page_3", "firing", "gathering", "group-3"),
        (2, "page_2", "firing", "ready", "group-2"),
        (1, "page_1", "resolved", "ready", "group-1"),
    ]
    assert [as_payload(restored(each)) for each in found] == [GATHERING, WAITING, DELIVERED]
    sent = opened.read(lambda connection: messages.deliveries(connection, [1, 2]))
    assert [(each.state, each.attempts, each.last_error) for each in (*sent[1], *sent[2])] == [
        ("delivered", 1, None),
        ("pending", 7, "HTTP 503"),
    ]
    gathering = opened.write(partial(messages.claim_gathering, limit=9, lease=60.0, holder="us"))
    assert [each.id for each in gathering] == [3]
    assert [each.id for each in opened.read(lambda connection: inbox.next_pending(connection, 10))] == [4]


def test_what_was_on_its_way_arrives_as_it_was_to_be_sent(opened: Database) -> None:
    got: list[Message] = []

    class Sink:
        async def send(self, message: Message, earlier: Mapping[str, Any] | None = None) -> Outcome:
            got.append(message)
            return Delivered()

        def preview(self, message: Message) -> str:
            return ""

        async def close(self) -> None:
            """Nothing to close."""

    async def run() -> None:
        courier = Courier(opened, {"sink": Sink()})
        task = asyncio.create_task(courier.run())
        async with asyncio.timeout(10):
            while opened.read(outbox.counts).get(("sink", "delivered")) != 2:  # noqa: ASYNC110 - what is looked at is the store
                await asyncio.sleep(0.01)
        courier.stop()
        await task

    asyncio.run(run())
    assert [(each.key, as_payload(each)) for each in got] == [("page_2", WAITING)]


def test_no_id_is_used_twice_after_a_migration(opened: Database) -> None:
    new = messages.NewMessage(0.0, "thread", "firing", "page", "title", {"evidence": None, "payload": {}}, 4)
    assert opened.write(lambda connection: messages.add(connection, new)) == 10


def test_severity_is_taken_from_the_alerts(opened: Database) -> None:
    found = opened.read(lambda connection: messages.newest(connection, 10))
    assert [each.severity for each in found] == [None, "page", None]


def test_what_was_ready_leaves_no_secret_either(file: Path) -> None:
    with sqlite3.connect(file) as old:
        leaky = json.dumps({"alerts": [], "commonAnnotations": {"summary": "key gsk_4fJ9Kq2LmN8pQrS6tUvW"}})
        old.execute("UPDATE pages SET message = ?, title = 'of jane@example.com' WHERE id = 2", (leaky,))
    database = Database(f"sqlite:///{file}")
    found = database.read(lambda connection: messages.by_id(connection, [2]))[2]
    database.close()
    assert found.title == "of [EMAIL]"
    assert found.content["payload"]["commonAnnotations"] == {"summary": "key [SECRET]"}
