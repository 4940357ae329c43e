"""Reading the store of an engine that runs. Nothing is created, migrated or locked."""

from __future__ import annotations

import sqlite3
from collections.abc import Callable
from functools import cache
from pathlib import Path
from typing import TypeVar

from sqlalchemy import Connection, Engine, create_engine
from sqlalchemy.engine import make_url
from sqlalchemy.exc import ArgumentError, SQLAlchemyError
from sqlalchemy.pool import NullPool

from slo_engine.store.database import StoreError

T = TypeVar("T")

_BUSY_SECONDS = 5.0


class StoreReader:
    """The store at ``url``, opened for reading only, for as long as each reading takes. Thread-safe."""

    def __init__(self, url: str) -> None:
        """Raises StoreError when there is no store, or one of another version of slo-engine."""
        self._file = _file(url)
        self._engine = _engine(self._file)
        self._check_version()

    def read(self, work: Callable[[Connection], T]) -> T:
        """Run ``work`` on a reading connection. Raises StoreError when it fails."""
        try:
            with self._engine.connect() as connection:
                return work(connection)
        except (SQLAlchemyError, sqlite3.Error) as error:
            cause = getattr(error, "orig", None) or error
            raise StoreError(f"the store {self._file} cannot be read: {str(cause).splitlines()[0][:300]}") from error

    def _check_version(self) -> None:
        def version(connection: Connection) -> str | None:
            is_there = "SELECT 1 FROM sqlite_master WHERE type = 'table' AND name = 'alembic_version'"
            if connection.exec_driver_sql(is_there).first() is None:
                return None
            found = connection.exec_driver_sql("SELECT version_num FROM alembic_version").scalar()
            return None if found is None else str(found)

        found = self.read(version)
        if found is None:
            raise StoreError(f"{self._file} is not a store of slo-engine: look at store.url")
        if found != newest_version():
            raise StoreError(
                f"the store {self._file} has version {found}, and this slo-engine reads version {newest_version()}: "
                "run the same version as the engine, or start the engine of this one once, which migrates the store"
            )


@cache
def newest_version() -> str:
    """That of the tables of this slo-engine."""
    from alembic.script import ScriptDirectory

    head = ScriptDirectory(str(Path(__file__).parent / "migrations")).get_current_head()
    assert head is not None
    return head


def _file(url: str) -> Path:
    try:
        parsed = make_url(url)
    except ArgumentError:
        raise StoreError("store.url is not a database URL: write sqlite:///slo-engine.db, say") from None
    if parsed.get_backend_name() != "sqlite" or not parsed.database or parsed.database == ":memory:":
        raise StoreError("store.url names no file: only sqlite:///<file> can be read")
    file = Path(parsed.database)
    if not file.is_file():
        raise StoreError(f"the store {file} does not exist: look at store.url, or start the engine once")
    return file


def _engine(file: Path) -> Engine:
    def connect() -> sqlite3.Connection:
        # An engine that runs has a write-ahead log beside the file. Where there is none, mode=ro alone would make one.
        is_in_use = file.with_name(f"{file.name}-wal").exists()
        mode = "mode=ro" if is_in_use else "mode=ro&immutable=1"
        return sqlite3.connect(f"{file.resolve().as_uri()}?{mode}", uri=True, timeout=_BUSY_SECONDS)

    return create_engine("sqlite://", creator=connect, poolclass=NullPool, hide_parameters=True)
