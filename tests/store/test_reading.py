"""Reading the store beside the engine that owns it."""

from __future__ import annotations

from pathlib import Path

import pytest
from sqlalchemy import Connection, text

from slo_engine.store import Database, StoreError, messages
from slo_engine.store.period import notifications_since
from slo_engine.store.reading import StoreReader


def add(database: Database, title: str) -> None:
    new = messages.NewMessage(1.0, "thread", "firing", "page", title, {})
    database.write(lambda connection: messages.add(connection, new))


def titles(reader: StoreReader) -> list[str]:
    return [each.title for each in reader.read(lambda connection: notifications_since(connection, 0.0))]


def test_store_is_read_while_the_engine_writes_into_it(tmp_path: Path) -> None:
    url = f"sqlite:///{tmp_path / 'a b.db'}"
    database = Database(url)
    try:
        add(database, "first")
        reader = StoreReader(url)
        assert titles(reader) == ["first"]
        add(database, "second")
        assert titles(reader) == ["first", "second"]

        def between_writes(connection: Connection) -> int:
            before = len(notifications_since(connection, 0.0))
            add(database, "third")  # a reader holds nobody up
            return before

        assert reader.read(between_writes) == 2
        assert len(titles(reader)) == 3
    finally:
        database.close()


def test_store_of_an_engine_that_has_ended_is_read_and_nothing_is_left_beside_it(tmp_path: Path) -> None:
    url = f"sqlite:///{tmp_path / 'store.db'}"
    database = Database(url)
    add(database, "first")
    database.close()
    before = {file.name: file.stat().st_mtime_ns for file in tmp_path.iterdir()}
    assert "store.db-wal" not in before
    assert titles(StoreReader(url)) == ["first"]
    assert {file.name: file.stat().st_mtime_ns for file in tmp_path.iterdir()} == before


def test_store_cannot_be_written_through_a_reader(tmp_path: Path) -> None:
    url = f"sqlite:///{tmp_path / 'store.db'}"
    database = Database(url)
    try:
        reader = StoreReader(url)
        with pytest.raises(StoreError, match="readonly"):
            reader.read(lambda connection: connection.execute(text("DELETE FROM messages")))
    finally:
        database.close()


def test_engine_starts_while_the_store_is_read(tmp_path: Path) -> None:
    url = f"sqlite:///{tmp_path / 'store.db'}"
    Database(url).close()
    reader = StoreReader(url)

    def start(_: Connection) -> None:
        Database(url).close()

    reader.read(start)


def test_store_that_is_not_there_is_not_made(tmp_path: Path) -> None:
    with pytest.raises(StoreError, match=r"store\.db does not exist: look at store\.url"):
        StoreReader(f"sqlite:///{tmp_path / 'store.db'}")
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("url", ["sqlite://", "sqlite:///:memory:", "mysql://somewhere/store", "no url"])
def test_url_that_names_no_file_is_refused(url: str) -> None:
    with pytest.raises(StoreError, match=r"store\.url"):
        StoreReader(url)


def test_file_that_is_no_store_is_told(tmp_path: Path) -> None:
    (tmp_path / "empty.db").touch()
    with pytest.raises(StoreError, match="is not a store of slo-engine"):
        StoreReader(f"sqlite:///{tmp_path / 'empty.db'}")
    (tmp_path / "text.db").write_text("no database at all, and rather longer than a header of SQLite" * 20)
    with pytest.raises(StoreError, match="cannot be read: file is not a database"):
        StoreReader(f"sqlite:///{tmp_path / 'text.db'}")


def test_store_of_another_version_is_neither_read_nor_migrated(tmp_path: Path) -> None:
    url = f"sqlite:///{tmp_path / 'store.db'}"
    database = Database(url)
    database.write(lambda connection: connection.execute(text("UPDATE alembic_version SET version_num = '0001'")))
    database.close()
    with pytest.raises(StoreError, match="has version 0001, and this slo-engine reads version 0"):
        StoreReader(url)
