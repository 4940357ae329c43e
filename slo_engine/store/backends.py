"""The databases that a store can be: SQLite in a file, for one engine; PostgreSQL, for any number of them."""

from __future__ import annotations

import fcntl
import sqlite3
from abc import ABC, abstractmethod
from pathlib import Path
from typing import Any, ClassVar, TextIO

from sqlalchemy import URL, Connection, Engine, create_engine, event, text
from sqlalchemy.engine import make_url
from sqlalchemy.exc import ArgumentError, DBAPIError, SQLAlchemyError
from sqlalchemy.pool import ConnectionPoolEntry, NullPool

from slo_engine.errors import SloEngineError
from slo_engine.store import wal


class StoreError(SloEngineError):
    """The store cannot read or commit now; what was asked has not happened."""


class StoreRefusedError(StoreError):
    """The store works, and refuses this one write: the same would be refused again."""


_CONNECT_SECONDS = 3
_READERS = 10
_LOCK_SECONDS = 10
"""A replica that is paused in the middle of a transaction does not hold up the others for longer."""

_MIGRATION_LOCK = 7_305_021_844
"""Of PostgreSQL's advisory locks: any number that nobody else takes."""


class Backend(ABC):
    """A database that was opened."""

    can_be_shared: ClassVar[bool]
    """Whether several engines may work on it."""

    def __init__(self, engine: Engine, name: str) -> None:
        self.engine = engine
        self.name = name
        """For people, without secrets."""

    @abstractmethod
    def lock_for_migration(self, connection: Connection) -> None:
        """Let nobody else migrate until the transaction ends."""

    @abstractmethod
    def lock(self, connection: Connection, number: int) -> None:
        """Let nobody else who takes the lock of this number go on until the transaction ends."""

    def loses_the_transaction(self, error: SQLAlchemyError) -> bool:
        """Whether an error has ended the whole transaction, and not the statement alone."""
        return isinstance(error, DBAPIError) and error.connection_invalidated

    @abstractmethod
    def tells_of_damage(self, error: SQLAlchemyError) -> bool:
        """Whether what is on the disk cannot be right."""

    def is_worth_repeating(self, error: SQLAlchemyError) -> bool:  # noqa: ARG002
        """Whether the same transaction may pass now: somebody else was in its way."""
        return False

    def close(self) -> None:
        """Close all connections."""
        self.engine.dispose()


class Sqlite(Backend):
    """A file with a write-ahead log, synced at each commit."""

    can_be_shared = False

    def __init__(self, url: URL) -> None:
        if not url.database or url.database == ":memory:":
            raise StoreError(
                "store.url names no file: what is in memory is lost with the process; write sqlite:///<file>"
            )
        try:
            Path(url.database).parent.mkdir(parents=True, exist_ok=True)
        except OSError as error:
            raise StoreError(f"the folder of {url.database} cannot be made: {error.strerror}") from error
        engine = create_engine(url, hide_parameters=True)
        event.listen(engine, "connect", _prepare_sqlite)
        event.listen(engine, "begin", _begin_in_sqlite)
        super().__init__(engine, url.database)
        self._file = _owned(url.database)
        try:
            _refuse_a_damaged_log(Path(f"{url.database}-wal"))
        except BaseException:
            self._file.close()
            raise

    def lock_for_migration(self, connection: Connection) -> None:
        """The file is ours alone."""

    def lock(self, connection: Connection, number: int) -> None:
        """There is one writer."""

    def tells_of_damage(self, error: SQLAlchemyError) -> bool:
        """``SQLITE_CORRUPT``, ``SQLITE_NOTADB``, and what is more particular."""
        code = getattr(getattr(error, "orig", None), "sqlite_errorcode", 0)
        return code & 0xFF in (sqlite3.SQLITE_CORRUPT, sqlite3.SQLITE_NOTADB)

    def loses_the_transaction(self, error: SQLAlchemyError) -> bool:
        """Disk full, I/O errors and the like take it with them."""
        return super().loses_the_transaction(error) or type(error).__name__ == "OperationalError"

    def close(self) -> None:
        """Let the next engine have the file."""
        super().close()
        self._file.close()


class PostgreSql(Backend):
    """A server that several engines share."""

    can_be_shared = True

    def __init__(self, url: URL, *, keeps_connections: bool = True) -> None:
        """``keeps_connections``: those that are not used; else each is opened for what it does."""
        try:
            import psycopg  # noqa: F401 - said better than SQLAlchemy does it
        except ImportError:
            raise StoreError(
                "store.url names PostgreSQL, and its driver is not installed: pip install 'slo-engine[postgresql]'"
            ) from None
        pool: dict[str, Any] = {
            "pool_size": _READERS,
            "max_overflow": _READERS,
            "pool_pre_ping": True,  # a server that was restarted costs nobody an error
            "pool_timeout": _CONNECT_SECONDS,
        }
        engine = create_engine(
            url.set(drivername="postgresql+psycopg"),
            hide_parameters=True,
            **(pool if keeps_connections else {"poolclass": NullPool}),
            isolation_level="READ COMMITTED",
            connect_args={
                "connect_timeout": _CONNECT_SECONDS,
                "application_name": "slo-engine",
                "keepalives_idle": 5,
                "keepalives_interval": 2,
                "keepalives_count": 3,
                "tcp_user_timeout": 10_000,
                "options": f"-c idle_in_transaction_session_timeout={_LOCK_SECONDS}s -c lock_timeout={_LOCK_SECONDS}s "
                "-c statement_timeout=60s -c synchronous_commit=on -c timezone=UTC",
            },
        )
        super().__init__(engine, url.render_as_string(hide_password=True))

    def lock_for_migration(self, connection: Connection) -> None:
        """Engines that start together wait for the first of them."""
        connection.execute(text("SET LOCAL lock_timeout = '120s'"))
        self.lock(connection, _MIGRATION_LOCK)

    def lock(self, connection: Connection, number: int) -> None:
        """An advisory lock, which goes with the transaction."""
        connection.execute(text("SELECT pg_advisory_xact_lock(:number)"), {"number": number})

    def loses_the_transaction(self, error: SQLAlchemyError) -> bool:
        """A lost connection does, and what PostgreSQL rolls back to let others go on."""
        return super().loses_the_transaction(error) or self.is_worth_repeating(error)

    def tells_of_damage(self, error: SQLAlchemyError) -> bool:
        """``data_corrupted``, ``index_corrupted``."""
        return getattr(getattr(error, "orig", None), "sqlstate", None) in ("XX001", "XX002")

    def is_worth_repeating(self, error: SQLAlchemyError) -> bool:
        """Deadlocks, and serialization failures."""
        return getattr(getattr(error, "orig", None), "sqlstate", None) in ("40P01", "40001")


BACKENDS: dict[str, type[Sqlite] | type[PostgreSql]] = {
    "sqlite": Sqlite,
    "postgresql": PostgreSql,
    "postgres": PostgreSql,
}


def parsed(url: str) -> URL:
    """A URL that names one of the backends. Raises StoreError."""
    try:
        found = make_url(url)
    except ArgumentError:
        raise StoreError("store.url is not a database URL: write sqlite:///slo-engine.db, say") from None
    if found.drivername.partition("+")[0] not in BACKENDS:
        raise StoreError(
            f"store.url names {found.drivername}: write sqlite:///<file> or postgresql://<user>@<host>/<database>"
        )
    return found


def opened(url: str) -> Backend:
    """The backend of a URL. Raises StoreError when it cannot be opened."""
    found = parsed(url)
    return BACKENDS[found.drivername.partition("+")[0]](found)


def reason_of(error: BaseException) -> str:
    """What the database says, in one line."""
    cause = getattr(error, "orig", None) or error
    return (str(cause).strip().splitlines() or [type(cause).__name__])[0][:300]


def _refuse_a_damaged_log(log: Path) -> None:
    # Before SQLite sees it: it would drop what is behind the damage, and the log with it.
    try:
        found = wal.damage_of(log)
    except OSError as error:
        raise StoreError(f"{log} cannot be read: {error.strerror}") from error
    if found is not None:
        raise StoreError(
            f"{log} is damaged: {found.commits} commits behind the damage, which were acknowledged, cannot be read. "
            f"Keep a copy of it and of the store; to go on without them: truncate -s {found.readable_bytes} {log}"
        )


def _owned(file: str) -> TextIO:
    # Two engines on one file would each work off the same inbox, and send every message twice.
    try:
        lock = Path(f"{file}.lock").open("w")  # noqa: SIM115 - held as long as the database is open
    except OSError as error:
        raise StoreError(f"{file}.lock cannot be written: {error.strerror}") from error
    try:
        fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        lock.close()
        raise StoreError(f"another engine uses {file}: end it first, or give each its own store.url") from None
    return lock


def _prepare_sqlite(connection: Any, entry: ConnectionPoolEntry) -> None:  # noqa: ARG001 - SQLAlchemy's signature
    connection.isolation_level = None  # BEGIN is ours to say: the driver's own would make savepoints useless
    for pragma in ("journal_mode=WAL", "synchronous=FULL", "busy_timeout=5000", "foreign_keys=ON"):
        connection.execute(f"PRAGMA {pragma}")


def _begin_in_sqlite(connection: Connection) -> None:
    # IMMEDIATE takes the write lock at once: a transaction that reads first and then writes would fail if another
    # process had written in between.
    writes = connection.get_execution_options().get("writes")
    connection.exec_driver_sql("BEGIN IMMEDIATE" if writes else "BEGIN")
