"""Reading the store of an engine that runs. Nothing is created, migrated or locked."""

from __future__ import annotations

import sqlite3
from collections.abc import Callable
from pathlib import Path
from typing import TypeVar

from sqlalchemy import URL, Connection, Engine, create_engine
from sqlalchemy.exc import SQLAlchemyError
from sqlalchemy.pool import NullPool

from slo_engine.store.backends import PostgreSql, StoreError, parsed, reason_of
from slo_engine.store.schema import newest_version, refuse_newer, version_of

T = TypeVar("T")

_BUSY_SECONDS = 5.0


class StoreReader:
    """The store at ``url``, opened for reading only, for as long as each reading takes. Thread-safe."""

    def __init__(self, url: str) -> None:
        """Raises StoreError when there is no store, or one of another version of slo-engine."""
        found = parsed(url)
        if found.get_backend_name() == "sqlite":
            file = _file(found)
            self._name = str(file)
            self._engine = _sqlite(file)
        else:
            backend = PostgreSql(found)
            self._name = backend.name
            self._engine = backend.engine.execution_options(postgresql_readonly=True)
        self._check_version()

    def read(self, work: Callable[[Connection], T]) -> T:
        """Run ``work`` on a reading connection. Raises StoreError when it fails."""
        try:
            with self._engine.connect() as connection:
                return work(connection)
        except (SQLAlchemyError, sqlite3.Error) as error:
            raise StoreError(f"the store {self._name} cannot be read: {reason_of(error)}") from error

    def _check_version(self) -> None:
        found = self.read(version_of)
        if found is None:
            raise StoreError(f"{self._name} is not a store of slo-engine: look at store.url")
        refuse_newer(found, self._name)
        if found != newest_version():
            raise StoreError(
                f"the store {self._name} has version {found}, and this slo-engine reads version {newest_version()}: "
                "run the same version as the engine, or start the engine of this one once, which migrates the store"
            )


def _file(url: URL) -> Path:
    if not url.database or url.database == ":memory:":
        raise StoreError("store.url names no file: write sqlite:///<file>")
    file = Path(url.database)
    if not file.is_file():
        raise StoreError(f"the store {file} does not exist: look at store.url, or start the engine once")
    return file


def _sqlite(file: Path) -> Engine:
    def connect() -> sqlite3.Connection:
        # An engine that runs has a write-ahead log beside the file. Where there is none, mode=ro alone would make one.
        is_in_use = file.with_name(f"{file.name}-wal").exists()
        mode = "mode=ro" if is_in_use else "mode=ro&immutable=1"
        return sqlite3.connect(f"{file.resolve().as_uri()}?{mode}", uri=True, timeout=_BUSY_SECONDS)

    return create_engine("sqlite://", creator=connect, poolclass=NullPool, hide_parameters=True)
