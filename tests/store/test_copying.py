"""A store is moved between SQLite and PostgreSQL, and looked at whether it is whole."""

from __future__ import annotations

import sqlite3
from functools import partial
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import Connection, insert, select, update

from slo_engine.store import Database, StoreError, causes, checking, copying, history, inbox, messages, tables
from slo_engine.store.checking import check
from slo_engine.store.copying import copy
from slo_engine.store.types import database_now

BODY = bytes(range(256)) * 20
CONTENT = {"payload": {"labels": {"ü": "\u2028 \U0001f9e8", "a": "'\"\\"}}, "evidence": None}


def fill(url: str, count: int = 3) -> None:
    """Rows in every table; the newest message and inbox body are gone."""
    database = Database(url)

    def write(connection: Connection) -> None:
        for number in range(count):
            posted = inbox.accept(connection, BODY + b"%d" % number, 1.1 + number / 3, "prod")
            new = messages.NewMessage(0.1 + number, f"t{number}", "firing", None, "title \U0001f9e8", CONTENT, posted)
            added = messages.add(connection, new)
            messages.finish(connection, added, CONTENT, ["pager", "chat"], 1 / 3)
        connection.execute(tables.outbox.delete().where(tables.outbox.c.message_id == count))
        connection.execute(tables.messages.delete().where(tables.messages.c.id == count))
        connection.execute(tables.inbox.delete().where(tables.inbox.c.id == count))
        history.append(connection, [history.StatusRow(2.0, "s", "slo", {"a": "b"}, None, {"x": 1 / 3})])
        causes.note(connection, about="about", found=["cause"], thread="thread", title="title", at=5.0)
        for table, values in OTHERS.items():
            connection.execute(insert(table).values(values))

    database.write(write)
    database.close()


OTHERS: dict[Any, dict[str, Any]] = {
    tables.alert_states: {
        "alert": "a",
        "source": "",
        "fingerprint": "f",
        "status": "firing",
        "starts_at": "t",
        "message_id": 1,
        "thread": "t0",
        "at": 1e9 + 1 / 3,
    },
    tables.message_order: {"message_id": 2, "after_id": 1},
    tables.sink_states: {"sink": "pager", "held_until": 7.5, "failures": 3, "reason": "HTTP 429", "since": 0.1},
    tables.leases: {"name": "clock", "holder": "gone", "token": "t", "lease_until": 0.0},
    tables.budget_states: {"service": "s", "slo": "o", "group_labels": "{}", "evaluated_at": 1.0, "state": "{}"},
    tables.crossings: {"at": 1.0, "service": "s", "slo": "o", "group_labels": "{}", "kind": "k", "crossing": "{}"},
    tables.post_runs: {"name": "digest", "due_at": 0.3},
    tables.incident_notes: {"incident": "k", "thread": "t0", "at": 0.3, "author": "a", "kind": "note", "text": "x"},
    tables.reconciled_alerts: {"alert": "a", "told_at": 0.3, "payload": "{}"},
}


def dump(url: str) -> dict[str, list[tuple[Any, ...]]]:
    database = Database(url)

    def read(connection: Connection) -> dict[str, list[tuple[Any, ...]]]:
        return {
            table.name: [tuple(row) for row in connection.execute(select(table).order_by(*table.primary_key.columns))]
            for table in copying.TABLES
        }

    found = database.read(read)
    database.close()
    return found


@pytest.fixture
def other(request: pytest.FixtureRequest, url: str, tmp_path: Path) -> str:
    """A store of the other kind that is not there yet."""
    if url.startswith("sqlite"):
        address: str = request.getfixturevalue("empty_database")
        return address
    return f"sqlite:///{tmp_path / 'other.db'}"


def test_all_rows_are_copied_and_ids_go_on_where_they_were(url: str, other: str, tmp_path: Path) -> None:
    fill(url)
    told: list[tuple[str, int, int]] = []
    copied = copy(url, other, lambda *each: told.append(each))
    there = dump(other)
    assert there == dump(url)
    assert all(there.values())
    assert {each.name: each.rows for each in copied} == {name: len(rows) for name, rows in there.items()}
    assert ("copying inbox", 2, 2) in told
    back = f"sqlite:///{tmp_path / 'back.db'}"
    assert copy(other, back) == copied
    for each in (other, back):
        database = Database(each)
        assert database.write(lambda connection: inbox.accept(connection, b"", 0.0)) == 4
        new = messages.NewMessage(0.0, "t", "firing", None, "", {})
        assert database.write(partial(messages.add, new=new)) == 4
        database.close()


def test_many_rows_are_copied_in_batches(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(copying, "_BATCH", 7)
    one, two = (f"sqlite:///{tmp_path / name}" for name in ("one.db", "two.db"))
    fill(one, 30)
    copy(one, two)
    assert dump(one) == dump(two)


def test_store_that_is_not_empty_is_not_copied_into(url: str, other: str) -> None:
    fill(url)
    fill(other, 2)
    before = dump(other)
    with pytest.raises(StoreError, match=r"is not empty \(\w+ has rows\): copy into an empty database or a new file"):
        copy(url, other)
    assert dump(other) == before


def test_nothing_is_there_when_the_copy_is_not_what_was_read(
    url: str, other: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    fill(url)
    go_on = copying._go_on_counting

    def damage(table: Any, reading: Connection, writing: Connection) -> None:
        go_on(table, reading, writing)
        if table.name == "inbox":
            writing.execute(update(table).where(table.c.id == 2).values(body=BODY[:-1] + b"?"))

    monkeypatch.setattr(copying, "_go_on_counting", damage)
    with pytest.raises(StoreError, match="inbox is not the same in both stores"):
        copy(url, other)
    assert not any(dump(other).values())


def test_store_is_not_copied_while_an_engine_works_on_it(empty_database: str, tmp_path: Path) -> None:
    sqlite, shared = f"sqlite:///{tmp_path / 'store.db'}", empty_database
    Database(shared).close()
    engine = Database(sqlite)
    with pytest.raises(StoreError, match=r"another engine uses .*store\.db"):
        copy(sqlite, shared)
    engine.close()
    engine = Database(shared)
    lease = {"name": "clock", "holder": "host-1:42", "token": "t", "lease_until": database_now() + 30.0}
    engine.write(lambda connection: connection.execute(insert(tables.leases).values(lease)).rowcount)
    for source, target in ((sqlite, shared), (shared, f"sqlite:///{tmp_path / 'new.db'}")):
        with pytest.raises(StoreError, match=r"an engine \(host-1:42\) works on postgresql://"):
            copy(source, target)
    engine.close()


def test_what_cannot_be_copied_is_refused_and_nothing_is_made(tmp_path: Path) -> None:
    there = f"sqlite:///{tmp_path / 'there.db'}"
    with pytest.raises(StoreError, match="does not exist"):
        copy(there, f"sqlite:///{tmp_path / 'new.db'}")
    fill(there)
    with pytest.raises(StoreError, match="the same store"):
        copy(there, there)
    old = f"sqlite:///{tmp_path / 'old.db'}"
    Database(old).close()
    with sqlite3.connect(tmp_path / "old.db") as connection:
        connection.execute("UPDATE alembic_version SET version_num = '0003'")
    with pytest.raises(StoreError, match="has version 0003"):
        copy(old, f"sqlite:///{tmp_path / 'new.db'}")
    with pytest.raises(StoreError, match="is a store of version 0003 already"):
        copy(there, old)
    assert not (tmp_path / "new.db").exists()


def test_text_that_postgresql_cannot_hold_is_replaced(empty_database: str, tmp_path: Path) -> None:
    url, target = f"sqlite:///{tmp_path / 'store.db'}", empty_database
    fill(url)
    with sqlite3.connect(tmp_path / "store.db") as connection:
        connection.execute("UPDATE messages SET title = 'a' || char(0) || 'b' WHERE id = 1")
    copy(url, target)
    assert dump(target)["messages"][0][7] == "a\N{REPLACEMENT CHARACTER}b"


def test_whole_store_is_found_whole_while_the_engine_runs(url: str) -> None:
    fill(url)
    engine = Database(url)
    found = check(url)
    assert found.problems == ()
    assert (found.rows["inbox"], found.rows["outbox"], found.rows["leases"]) == (2, 4, 1)
    engine.close()


def test_message_that_cannot_be_read_is_found(url: str) -> None:
    fill(url)
    database = Database(url)
    database.write(lambda found: found.execute(update(tables.messages).values(content='{"payload": {')).rowcount)
    database.close()
    assert check(url).problems == tuple(f"messages: what message {number} says cannot be read" for number in (1, 2))
    assert check(url, quick=True).problems == ()


def test_damaged_file_is_found(tmp_path: Path) -> None:
    file = tmp_path / "store.db"
    fill(f"sqlite:///{file}", 50)
    with file.open("r+b") as damaged:
        for page in range(60, 100):  # of the tables that came first; the version can still be read
            damaged.seek(page * 4096)
            damaged.write(b"\xff" * 100)
    found = check(f"sqlite:///{file}")
    assert found.problems
    assert len(found.problems) <= checking.MOST_PROBLEMS


def test_row_whose_message_is_gone_is_found(tmp_path: Path) -> None:
    file = tmp_path / "store.db"
    fill(f"sqlite:///{file}")
    with sqlite3.connect(file) as connection:
        connection.execute("DELETE FROM messages WHERE id = 1")
    assert check(f"sqlite:///{file}").problems == (
        "outbox: row 1 refers to a row of messages that is not there",
        "outbox: row 2 refers to a row of messages that is not there",
    )
