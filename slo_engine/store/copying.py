"""A store is moved: from SQLite to PostgreSQL, back, or to another place. All rows, their ids kept, in one transaction:
either everything is there afterwards, read again and compared, or nothing."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack, closing, contextmanager
from dataclasses import dataclass
from typing import Any

from sqlalchemy import Connection, Row, Table, func, insert, select, text
from sqlalchemy.exc import SQLAlchemyError

from slo_engine.store import schema
from slo_engine.store.backends import Backend, StoreError, opened, parsed, reason_of
from slo_engine.store.tables import leases, metadata
from slo_engine.store.types import Words, database_now

TABLES: Sequence[Table] = metadata.sorted_tables
"""What others refer to comes first."""

_BATCH = 500

Tell = Callable[[str, int, int], None]
"""Is told what is done with which table, how many of its rows are, and how many there are."""


@dataclass(frozen=True)
class CopiedTable:
    """A table that is the same in both stores."""

    name: str
    rows: int
    checksum: str
    """SHA-256 of all values of all rows, in the order of their keys."""


def copy(source_url: str, target_url: str, tell: Tell = lambda *_: None) -> list[CopiedTable]:
    """Copy a store into another one that is empty, while no engine works on either. Raises StoreError, and has then
    copied nothing."""
    if parsed(source_url) == parsed(target_url):
        raise StoreError("FROM and TO are the same store")
    with ExitStack() as stack:
        source = stack.enter_context(closing(_that_is_there(source_url)))
        target = stack.enter_context(closing(opened(target_url)))
        _make_tables(target)
        try:
            reading = stack.enter_context(_alone(source))
            writing = stack.enter_context(_alone(target))
            _refuse_rows(writing, target.name)
            return [_copied(table, reading, writing, tell) for table in TABLES]
        except SQLAlchemyError as error:
            raise StoreError(f"{source.name} cannot be copied to {target.name}: {reason_of(error)}") from error


def _that_is_there(url: str) -> Backend:
    from slo_engine.store.reading import StoreReader

    StoreReader(url)  # refuses what is not there, is no store, or is one of another version
    return opened(url)


def _make_tables(target: Backend) -> None:
    with target.engine.connect() as connection:
        found = schema.version_of(connection)
    if found not in (None, schema.newest_version()):
        raise StoreError(
            f"{target.name} is a store of version {found} already: copy into an empty database or a new file"
        )
    schema.migrate(target)


@contextmanager
def _alone(backend: Backend) -> Iterator[Connection]:
    """A transaction while which nobody else writes. A file of SQLite is ours since it was opened."""
    with backend.engine.execution_options(writes=True).begin() as connection:
        if backend.can_be_shared:
            held = select(leases.c.holder).where(leases.c.lease_until > database_now())
            holder = connection.execute(held).scalars().first()
            if holder is not None:
                raise StoreError(f"an engine ({holder}) works on {backend.name}: end all of them first")
            for name in ("statement_timeout", "idle_in_transaction_session_timeout"):
                connection.execute(text(f"SET LOCAL {name} = 0"))
            connection.execute(text(f"LOCK TABLE {', '.join(each.name for each in TABLES)} IN EXCLUSIVE MODE"))
        yield connection


def _refuse_rows(connection: Connection, name: str) -> None:
    for table in TABLES:
        if connection.execute(select(table).limit(1)).first() is not None:
            raise StoreError(f"{name} is not empty ({table.name} has rows): copy into an empty database or a new file")


def _copied(table: Table, reading: Connection, writing: Connection, tell: Tell) -> CopiedTable:
    total = reading.execute(select(func.count()).select_from(table)).scalar_one()
    names = [column.name for column in table.columns]
    read, done = hashlib.sha256(), 0
    for rows in _rows(table, reading):
        kept = [_as_kept(table, row, writing) for row in rows]
        for row in kept:
            read.update(repr(row).encode())
        writing.execute(insert(table), [dict(zip(names, row, strict=True)) for row in kept])
        done += len(rows)
        tell(f"copying {table.name}", done, total)
    _go_on_counting(table, reading, writing)
    found, count = hashlib.sha256(), 0
    for rows in _rows(table, writing):
        for row in rows:
            found.update(repr(tuple(row)).encode())
        count += len(rows)
        tell(f"comparing {table.name}", count, total)
    if (count, found.digest()) != (total, read.digest()):
        raise StoreError(f"{table.name} is not the same in both stores: {total} rows were there, and {count} are here")
    return CopiedTable(table.name, count, found.hexdigest())


def _rows(table: Table, connection: Connection) -> Iterator[Sequence[Row[Any]]]:
    ordered = select(table).order_by(*table.primary_key.columns)
    return connection.execute(ordered, execution_options={"yield_per": _BATCH}).partitions()


def _as_kept(table: Table, row: Row[Any], connection: Connection) -> tuple[Any, ...]:
    """A row as the store keeps it: an earlier version may have written what PostgreSQL cannot hold."""
    return tuple(
        column.type.process_bind_param(value, connection.dialect) if isinstance(column.type, Words) else value
        for column, value in zip(table.columns, row, strict=True)
    )


def _go_on_counting(table: Table, reading: Connection, writing: Connection) -> None:
    """No id is used twice, even when the newest rows are gone."""
    if table.autoincrement_column is None:
        return
    newest = reading.execute(select(func.max(table.c.id))).scalar_one() or 0
    last = max(newest, _last_id(table, reading))
    if not last:
        return
    if writing.dialect.name == "postgresql":
        values = {"table": table.name, "last": last}
        writing.execute(text("SELECT setval(pg_get_serial_sequence(:table, 'id'), :last)"), values)
    elif _remembers_ids(table):
        writing.execute(text("DELETE FROM sqlite_sequence WHERE name = :table"), {"table": table.name})
        values = {"table": table.name, "last": last}
        writing.execute(text("INSERT INTO sqlite_sequence (name, seq) VALUES (:table, :last)"), values)


def _last_id(table: Table, connection: Connection) -> int:
    """The newest id that was ever given, as far as the database remembers it."""
    if connection.dialect.name == "postgresql":
        sequence = connection.execute(
            text("SELECT pg_get_serial_sequence(:table, 'id')"), {"table": table.name}
        ).scalar_one()
        # The name is PostgreSQL's own, quoted where it must be.
        last = text(f"SELECT CASE WHEN is_called THEN last_value ELSE 0 END FROM {sequence}")  # noqa: S608
    elif _remembers_ids(table):
        last = text("SELECT seq FROM sqlite_sequence WHERE name = :table").bindparams(table=table.name)
    else:
        return 0
    return int(connection.execute(last).scalar() or 0)


def _remembers_ids(table: Table) -> bool:
    return bool(table.dialect_options["sqlite"]["autoincrement"])
