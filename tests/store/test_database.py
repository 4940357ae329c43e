"""The database: durable, in groups, and one wrong write takes down no other."""

from __future__ import annotations

import sqlite3
import threading
from collections.abc import Callable
from concurrent.futures import Future, ThreadPoolExecutor
from pathlib import Path

import pytest
from sqlalchemy import Connection, text

from slo_engine.store import Database, StoreError, inbox

sqlite_alone = pytest.mark.parametrize("url", ["sqlite"], indirect=True)


def test_what_was_written_is_there_after_opening_again(url: str) -> None:
    first = Database(url)
    written = first.write(lambda connection: inbox.accept(connection, b"\x00 body", 12.5))
    first.close()
    again = Database(url)
    found = again.read(lambda connection: inbox.next_pending(connection, 10))
    again.close()
    assert [(each.id, each.body, each.received_at) for each in found] == [(written, b"\x00 body", 12.5)]


def test_writes_of_many_threads_all_arrive(database: Database) -> None:
    with ThreadPoolExecutor(16) as threads:
        ids = list(
            threads.map(
                lambda number: database.write(lambda connection: inbox.accept(connection, b"%d" % number, 0.0)),
                range(400),
            )
        )
    assert len(set(ids)) == 400
    assert database.read(lambda connection: inbox.count(connection, "pending")) == 400


def test_a_write_that_fails_takes_down_none_that_share_its_commit(database: Database) -> None:
    def wrong(connection: Connection) -> None:
        inbox.accept(connection, b"half", 0.0)
        raise LookupError("a bug")

    futures = [database.submit(lambda connection: inbox.accept(connection, b"good", 0.0)) for _ in range(20)]
    failing = database.submit(wrong)
    futures += [database.submit(lambda connection: inbox.accept(connection, b"good", 0.0)) for _ in range(20)]
    with pytest.raises(LookupError):
        failing.result()
    assert len({future.result() for future in futures}) == 40
    bodies = [each.body for each in database.read(lambda connection: inbox.next_pending(connection, 100))]
    assert bodies == [b"good"] * 40


def test_what_is_urgent_waits_for_one_other_write_at_most_and_starves_none(database: Database) -> None:
    order: list[str] = []
    has_begun, may_end = threading.Event(), threading.Event()

    def first(_: Connection) -> None:
        has_begun.set()
        may_end.wait(30)
        order.append("first")

    def note(name: str) -> Callable[[Connection], None]:
        return lambda _: order.append(name)

    writes = [database.submit(first)]
    has_begun.wait(30)
    writes += [database.submit(note(f"background {number}")) for number in range(3)]
    writes += [database.submit(note(f"urgent {number}"), is_urgent=True) for number in range(3)]
    may_end.set()
    for each in writes:
        each.result(30)
    backgrounds = [f"background {number}" for number in range(3)]
    assert order == ["first", "urgent 0", "urgent 1", "urgent 2", *backgrounds]


def test_a_group_that_something_urgent_ends_goes_on_after_it(database: Database) -> None:
    order: list[str] = []
    urgent: list[Future[None]] = []

    def with_something_urgent(_: Connection) -> None:
        order.append("second")
        urgent.append(database.submit(lambda _: order.append("urgent"), is_urgent=True))

    has_begun, may_end = threading.Event(), threading.Event()

    def blocking(_: Connection) -> None:
        has_begun.set()
        may_end.wait(30)

    writes = [database.submit(blocking)]
    has_begun.wait(30)
    # They are one group: it is taken while the first one runs.
    writes += [database.submit(with_something_urgent), database.submit(lambda _: order.append("third"))]
    may_end.set()
    for each in [*writes, *urgent]:
        each.result(30)
    for each in urgent:
        each.result(30)
    assert order == ["second", "urgent", "third"]


def test_many_bodies_are_taken_in_at_once_with_their_sources(database: Database) -> None:
    arrived = [inbox.Arrived(float(number), b"%d \x00" % number, f"source-{number}") for number in range(50)]
    database.write(lambda connection: inbox.accept_all(connection, arrived))
    database.write(lambda connection: inbox.accept_all(connection, []))
    found = database.read(lambda connection: inbox.next_pending(connection, 100))
    assert [inbox.Arrived(each.received_at, each.body, each.source) for each in found] == arrived


def test_a_refused_statement_is_an_error_of_the_store_and_rolled_back(database: Database) -> None:
    def wrong(connection: Connection) -> None:
        inbox.accept(connection, b"half", 0.0)
        connection.execute(text("INSERT INTO messages (id) VALUES (1)"))

    with pytest.raises(StoreError, match=r"NOT NULL|null value"):
        database.write(wrong)
    assert database.read(lambda connection: inbox.count(connection, "pending")) == 0


@sqlite_alone
def test_a_full_disk_fails_the_write_and_the_store_goes_on_when_there_is_room(database: Database) -> None:
    def limit(connection: Connection, pages: int) -> int:
        return int(connection.execute(text(f"PRAGMA max_page_count = {pages}")).scalar_one())

    used = database.read(lambda connection: int(connection.execute(text("PRAGMA page_count")).scalar_one()))
    database.write(lambda connection: limit(connection, used + 1))
    with pytest.raises(StoreError, match="full"):
        database.write(lambda connection: inbox.accept(connection, b"x" * 1_000_000, 0.0))
    database.write(lambda connection: limit(connection, 1_000_000))
    database.write(lambda connection: inbox.accept(connection, b"x" * 1_000_000, 0.0))
    assert database.read(lambda connection: inbox.count(connection, "pending")) == 1
    assert database.failure is None


@sqlite_alone
def test_commits_are_synchronous(database: Database) -> None:
    modes = database.write(
        lambda connection: [
            connection.execute(text(f"PRAGMA {name}")).scalar() for name in ("synchronous", "journal_mode")
        ]
    )
    assert modes == [2, "wal"]  # 2 is FULL: a 2xx must survive a power cut


def test_a_database_of_another_kind_is_refused_with_what_to_write() -> None:
    with pytest.raises(StoreError, match="sqlite:///"):
        Database("mysql://somewhere/db")
    with pytest.raises(StoreError, match="sqlite:///"):
        Database("no url at all")
    for nowhere in ("sqlite://", "sqlite:///:memory:"):
        with pytest.raises(StoreError, match="names no file"):
            Database(nowhere)


def test_a_file_that_is_no_database_is_refused(tmp_path: Path) -> None:
    (tmp_path / "store.db").write_text("this is a text " * 1000)
    with pytest.raises(StoreError, match="not a database"):
        Database(f"sqlite:///{tmp_path / 'store.db'}")


def test_a_closed_store_takes_no_writes(url: str) -> None:
    database = Database(url)
    database.close()
    assert not database.is_running
    with pytest.raises(StoreError, match="closed"):
        database.write(lambda connection: inbox.accept(connection, b"late", 0.0))


@sqlite_alone
def test_another_process_can_read_while_the_engine_writes(database: Database, tmp_path: Path) -> None:
    database.write(lambda connection: inbox.accept(connection, b"body", 0.0))
    with sqlite3.connect(tmp_path / "store.db") as other:
        assert other.execute("SELECT count(*) FROM inbox").fetchone() == (1,)


def test_who_gives_up_waiting_for_a_slow_commit_does_not_end_the_writer(database: Database) -> None:
    begun, go_on = threading.Event(), threading.Event()

    def slow(connection: Connection) -> int:
        begun.set()
        go_on.wait(10)
        return inbox.accept(connection, b"slow", 0.0)

    running = database.submit(slow)
    assert begun.wait(10)
    waiting = database.submit(lambda connection: inbox.accept(connection, b"given up", 0.0))
    assert not running.cancel()
    assert waiting.cancel()
    go_on.set()
    running.result(10)
    database.write(lambda connection: inbox.accept(connection, b"after", 0.0))
    bodies = [each.body for each in database.read(lambda connection: inbox.next_pending(connection, 10))]
    assert bodies == [b"slow", b"after"]


@sqlite_alone
def test_a_second_engine_on_the_same_file_is_refused(database: Database, url: str) -> None:
    with pytest.raises(StoreError, match="another engine uses"):
        Database(url)
    database.close()
    Database(url).close()
