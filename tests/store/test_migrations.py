"""A database that an earlier version wrote opens, and goes on where it was; migrations go up and down on both kinds."""

from __future__ import annotations

import asyncio
import json
import sqlite3
import subprocess
import sys
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from functools import partial
from pathlib import Path
from typing import Any, cast

import pytest
import pytest_alembic
import pytest_alembic.tests
from alembic import command
from alembic.config import Config
from pytest_alembic import MigrationContext
from pytest_alembic.config import Config as AlembicConfig
from sqlalchemy import create_engine, select, text

from slo_engine import store
from slo_engine.delivery import Delivered, Outcome
from slo_engine.delivery.courier import Courier
from slo_engine.notifications import Message, as_payload, restored
from slo_engine.store import Database, StoreError, inbox, messages, outbox, tables
from slo_engine.store.backends import opened as opened_backend
from slo_engine.store.reading import StoreReader, StoreWriter
from slo_engine.store.schema import newest_version
from tests.postgres import Postgres
from tests.store.test_copying import fill

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


@contextmanager
def migrations(url: str) -> Iterator[MigrationContext]:
    """pytest-alembic's way of running them, on one connection."""
    backend = opened_backend(url)
    with backend.engine.execution_options(writes=True).begin() as connection:
        config = AlembicConfig(config_options={"script_location": str(MIGRATIONS)})
        with pytest_alembic.runner(config, engine=cast(Any, connection)) as runner:
            yield runner
    backend.close()


def test_migrations_are_one_chain_that_makes_exactly_the_tables_that_the_code_knows(url: str) -> None:
    with migrations(url) as runner:
        pytest_alembic.tests.test_single_head_revision(runner)
        pytest_alembic.tests.test_model_definitions_match_ddl(runner)


def test_migrations_go_up_and_down_one_by_one(url: str) -> None:
    with migrations(url) as runner:
        pytest_alembic.tests.test_up_down_consistency(runner)


def test_messages_go_down_to_the_first_version_and_up_again_and_ids_go_on(url: str) -> None:
    fill(url)
    before = messages_and_deliveries(url)
    with migrations(url) as runner:
        for revision in reversed(runner.history.revisions[1:-2]):
            runner.migrate_down_to(revision)
        for revision in runner.history.revisions[2:-1]:
            runner.migrate_up_to(revision)
    assert messages_and_deliveries(url) == before
    assert len(before) == 4
    database = Database(url)
    assert database.write(lambda connection: inbox.accept(connection, b"{}", 0.0)) > 3
    new = messages.NewMessage(0.0, "thread", "firing", "page", "title", {"evidence": None, "payload": {}}, 1)
    assert database.write(lambda connection: messages.add_ready(connection, new, ["pager"])) > 3
    database.close()


def messages_and_deliveries(url: str) -> list[tuple[Any, ...]]:
    """What no migration may lose."""
    database = Database(url)
    wanted = (
        select(
            tables.messages.c.content,
            tables.messages.c.id,
            tables.messages.c.key,
            tables.messages.c.title,
            tables.messages.c.state,
        )
        .add_columns(tables.messages.c.thread, tables.messages.c.kind, tables.inbox.c.body)
        .add_columns(tables.outbox.c.id, tables.outbox.c.sink, tables.outbox.c.state, tables.outbox.c.attempts)
        .join(tables.inbox, tables.inbox.c.id == tables.messages.c.inbox_id)
        .join(tables.outbox, tables.outbox.c.message_id == tables.messages.c.id)
        .order_by(tables.outbox.c.id)
    )
    found = database.read(
        lambda connection: [(json.loads(row.content), *row[1:]) for row in connection.execute(wanted)]
    )
    database.close()
    return found


def test_engines_that_start_together_on_an_empty_server_migrate_it_once(
    postgres: Postgres, empty_database: str
) -> None:
    url = empty_database
    program = "import sys; from slo_engine.store import Database; sys.stdin.read(); Database(sys.argv[1]).close()"
    started = [
        subprocess.Popen([sys.executable, "-c", program, url], stdin=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
        for _ in range(2)
    ]
    for each in started:  # all have loaded what they need before the first begins
        assert each.stdin is not None
    ended = [each.communicate("", timeout=60) for each in started]
    assert [(each.returncode, error) for each, (_, error) in zip(started, ended, strict=True)] == [(0, "")] * 2
    with postgres.connect(url) as connection:
        assert connection.execute("SELECT version_num FROM alembic_version").fetchall() == [(newest_version(),)]


def test_store_of_a_newer_version_is_refused_in_a_sentence_and_left_as_it_is(url: str) -> None:
    database = Database(url)
    database.write(lambda found: found.execute(text("UPDATE alembic_version SET version_num = '9999'")).rowcount)
    database.close()
    told = r"^the store \S+ has version 9999, and this slo-engine knows versions up to \d{4}: a newer"
    for opening in (Database, StoreReader, StoreWriter):
        with pytest.raises(StoreError, match=told):
            opening(url)
    backend = opened_backend(url)
    with backend.engine.connect() as connection:
        assert connection.execute(text("SELECT version_num FROM alembic_version")).scalars().all() == ["9999"]
    backend.close()
