"""The database of the simulation: the engine's tables and statements, on a clock of our own."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from types import SimpleNamespace
from typing import Any, TypeVar
from unittest import mock

from sqlalchemy import Connection, Engine, StaticPool, create_engine, delete, event, text

from slo_engine.alerts import enrichment
from slo_engine.delivery import courier
from slo_engine.store.tables import metadata

T = TypeVar("T")

BEGINNING = 1_800_000_000.0

_UNIX_EPOCH_DAY = 2440587.5
"""As a Julian day."""


@dataclass
class Clock:
    """The time, for all; it goes on only when it is told to."""

    now: float = BEGINNING


class Store:
    """One database for the whole process, emptied for each run: statements are compiled once."""

    def __init__(self) -> None:
        self.clock = Clock()
        self.commits = 0
        self._engine = _engine(self.clock)

    def empty(self) -> None:
        """Nothing has happened yet."""
        self.clock.now = BEGINNING
        with self._engine.begin() as connection:
            for table in reversed(metadata.sorted_tables):
                connection.execute(delete(table))
            connection.execute(text("DELETE FROM sqlite_sequence"))

    def commit(self, work: Callable[[Connection], T]) -> T:
        """One transaction."""
        with self._engine.begin() as connection:
            result = work(connection)
        self.commits += 1
        return result

    def read(self, work: Callable[[Connection], T]) -> T:
        """What is committed."""
        with self._engine.connect() as connection:
            return work(connection)

    @contextmanager
    def on_its_clock(self) -> Iterator[None]:
        """Where the engine's transactions ask Python for the time, they get that of the simulation."""
        times = SimpleNamespace(time=lambda: self.clock.now, monotonic=lambda: self.clock.now)
        with mock.patch.object(enrichment, "time", times), mock.patch.object(courier, "time", times):
            yield


def _engine(clock: Clock) -> Engine:
    engine = create_engine("sqlite://", poolclass=StaticPool, connect_args={"check_same_thread": False})

    def prepare(connection: Any, _: Any) -> None:
        connection.isolation_level = None
        # database_now() is julianday('now') in SQLite.
        connection.create_function("julianday", 1, lambda _: _UNIX_EPOCH_DAY + clock.now / 86400)

    event.listen(engine, "connect", prepare)
    event.listen(engine, "begin", lambda connection: connection.exec_driver_sql("BEGIN"))
    metadata.create_all(engine)
    return engine
