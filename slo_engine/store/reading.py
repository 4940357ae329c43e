"""The store of an engine that runs, opened beside it: by commands that read it, or change some rows of it. Nothing is
created or migrated, and the engine is not held up for longer than one transaction takes."""

from __future__ import annotations

import sqlite3
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Literal, TypeVar

from sqlalchemy import URL, Connection, Engine, create_engine, event
from sqlalchemy.exc import SQLAlchemyError
from sqlalchemy.pool import NullPool

from slo_engine.store.backends import PostgreSql, StoreError, parsed, reason_of
from slo_engine.store.schema import newest_version, refuse_newer, version_of

T = TypeVar("T")

_BUSY_SECONDS = 5.0

_Mode = Literal["read", "write"]


class StoreReader:
    """The store at ``url``, opened for reading only, for as long as each reading takes. Thread-safe."""

    def __init__(self, url: str) -> None:
        """Raises StoreError when there is no store, or one of another version of slo-engine."""
        self.name, self._engine = _opened(url, "read")
        self.read(lambda _: None)

    def read(self, work: Callable[[Connection], T]) -> T:
        """Run ``work`` on a reading connection. Raises StoreError when it fails."""
        try:
            with self._engine.connect() as connection:
                _refuse_another_version(connection, self.name)
                return work(connection)
        except (SQLAlchemyError, sqlite3.Error) as error:
            raise StoreError(f"the store {self.name} cannot be read: {reason_of(error)}") from error


class StoreWriter(StoreReader):
    """The same for a person who changes what is in it, whether its engine runs or not."""

    def __init__(self, url: str) -> None:
        """Raises StoreError when there is no store, or one of another version of slo-engine."""
        super().__init__(url)
        self._writing = _opened(url, "write")[1]

    def write(self, work: Callable[[Connection], T]) -> T:
        """Run ``work`` in a transaction, which is on disk when this returns. Raises StoreError when it fails, and has
        changed nothing."""
        try:
            with self._writing.begin() as connection:
                # Again, for an engine of another version may have been started meanwhile.
                _refuse_another_version(connection, self.name)
                return work(connection)
        except (SQLAlchemyError, sqlite3.Error) as error:
            raise StoreError(f"the store {self.name} cannot be written: {reason_of(error)}") from error


def _opened(url: str, mode: _Mode) -> tuple[str, Engine]:
    """The name of a store for people, and its connections."""
    found = parsed(url)
    if found.get_backend_name() == "sqlite":
        file = _file(found)
        return str(file), _sqlite(file, mode)
    backend = PostgreSql(found, keeps_connections=False)
    return backend.name, backend.engine.execution_options(postgresql_readonly=mode == "read")


def _refuse_another_version(connection: Connection, name: str) -> None:
    found = version_of(connection)
    if found is None:
        raise StoreError(f"{name} is not a store of slo-engine: look at store.url")
    refuse_newer(found, name)
    if found != newest_version():
        raise StoreError(
            f"the store {name} has version {found}, and this slo-engine reads version {newest_version()}: "
            "run the same version as the engine, or start the engine of this one once, which migrates the store"
        )


def _file(url: URL) -> Path:
    if not url.database or url.database == ":memory:":
        raise StoreError("store.url names no file: write sqlite:///<file>")
    file = Path(url.database)
    if not file.is_file():
        raise StoreError(f"the store {file} does not exist: look at store.url, or start the engine once")
    return file


def _sqlite(file: Path, mode: _Mode) -> Engine:
    connect = partial(_reading if mode == "read" else _writing, file)
    engine = create_engine("sqlite://", creator=connect, poolclass=NullPool, hide_parameters=True)
    if mode == "write":
        # The write lock at once: what is read in the transaction is then still so when it writes.
        event.listen(engine, "begin", lambda connection: connection.exec_driver_sql("BEGIN IMMEDIATE"))
    return engine


def _reading(file: Path) -> sqlite3.Connection:
    # An engine that runs has a write-ahead log beside the file. Where there is none, mode=ro alone would make one.
    is_in_use = file.with_name(f"{file.name}-wal").exists()
    mode = "mode=ro" if is_in_use else "mode=ro&immutable=1"
    return sqlite3.connect(f"{file.resolve().as_uri()}?{mode}", uri=True, timeout=_BUSY_SECONDS)


def _writing(file: Path) -> sqlite3.Connection:
    connection = sqlite3.connect(f"{file.resolve().as_uri()}?mode=rw", uri=True, timeout=_BUSY_SECONDS)
    connection.isolation_level = None  # BEGIN is ours to say
    for pragma in ("synchronous=FULL", "foreign_keys=ON"):
        connection.execute(f"PRAGMA {pragma}")
    return connection
