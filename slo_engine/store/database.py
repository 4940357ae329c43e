"""The database: one writer thread that commits in groups, readers on connections of their own.

What is written is on disk (``synchronous=FULL``) before its future is done: the webhook's 2xx and the delivery marks
hang on that. Everything that waits while a commit runs goes into the next one, so durability costs one fsync for many
messages in a storm.
"""

from __future__ import annotations

import fcntl
import logging
import threading
from collections.abc import Callable
from concurrent.futures import Future
from dataclasses import dataclass
from pathlib import Path
from queue import SimpleQueue
from typing import Any, TextIO, TypeVar

from sqlalchemy import Connection, Engine, create_engine, event
from sqlalchemy.engine import make_url
from sqlalchemy.exc import ArgumentError, SQLAlchemyError
from sqlalchemy.pool import ConnectionPoolEntry

from slo_engine.errors import SloEngineError

logger = logging.getLogger(__name__)

T = TypeVar("T")

MAX_GROUP = 500
"""Writes in one transaction: enough for any storm, and few enough that the first does not wait for long."""


class StoreError(SloEngineError):
    """The store cannot read or commit now; what was asked has not happened."""


@dataclass
class _Write:
    work: Callable[[Connection], Any]
    done: Future[Any]


class Database:
    """An open database whose tables are up to date. Thread-safe."""

    def __init__(self, url: str) -> None:
        """Open (and create, and migrate) the database. Raises StoreError when it cannot be."""
        self._engine = _open(url)
        self._lock = _own(str(self._engine.url.database))
        try:
            _migrate(self._engine)
        except SQLAlchemyError as error:
            self._lock.close()
            raise StoreError(f"the store {self._engine.url.database} cannot be opened: {_reason(error)}") from error
        self._writes: SimpleQueue[_Write | None] = SimpleQueue()
        self._closed = False
        self._failure: str | None = None
        self._writer = threading.Thread(target=self._write_all, name="store-writer", daemon=True)
        self._writer.start()

    @property
    def failure(self) -> str | None:
        """Why the last commit failed; None when it did not."""
        return self._failure

    @property
    def is_running(self) -> bool:
        """Whether writes are being taken."""
        return self._writer.is_alive() and not self._closed

    def submit(self, work: Callable[[Connection], T]) -> Future[T]:
        """Run ``work`` in a write transaction; the future is done when it is committed, or has failed alone."""
        done: Future[T] = Future()
        if self._closed:
            done.set_exception(StoreError("the store is closed"))
        else:
            self._writes.put(_Write(work, done))
        return done

    def write(self, work: Callable[[Connection], T]) -> T:
        """Like :meth:`submit`, but wait for the commit. Raises StoreError when it fails."""
        return self.submit(work).result()

    def read(self, work: Callable[[Connection], T]) -> T:
        """Run ``work`` on a reading connection of this thread. Raises StoreError when it fails."""
        try:
            with self._engine.connect() as connection:
                return work(connection)
        except SQLAlchemyError as error:
            raise StoreError(f"the store cannot be read: {_reason(error)}") from error

    def close(self) -> None:
        """Commit what was submitted, then close."""
        if not self._closed:
            self._closed = True
            self._writes.put(None)
            self._writer.join()
            self._engine.dispose()
            self._lock.close()

    def _write_all(self) -> None:
        ending = False
        while not ending:
            group = [self._writes.get()]
            while len(group) < MAX_GROUP and not self._writes.empty():
                group.append(self._writes.get())
            ending = None in group
            # Who has given up waiting does not want it done; and a future that runs cannot be cancelled any more.
            wanted = [write for write in group if write is not None and write.done.set_running_or_notify_cancel()]
            try:
                self._commit(wanted)
            except Exception as error:
                # A bug. The writer goes on: without it nothing is stored any more, by anybody.
                logger.exception("a group of writes failed")
                for write in wanted:
                    if not write.done.done():
                        write.done.set_exception(StoreError(f"the store cannot commit: {type(error).__name__}"))

    def _commit(self, group: list[_Write]) -> None:
        if not group:
            return
        finished: list[tuple[Future[Any], Any]] = []
        try:
            with self._engine.execution_options(writes=True).begin() as connection:
                for write in group:
                    self._attempt(connection, write, finished)
        except SQLAlchemyError as error:
            self._failure = _reason(error)
            for write in group:
                if not write.done.done():
                    write.done.set_exception(StoreError(f"the store cannot commit: {self._failure}"))
            return
        self._failure = None
        for done, result in finished:
            done.set_result(result)

    @staticmethod
    def _attempt(connection: Connection, write: _Write, finished: list[tuple[Future[Any], Any]]) -> None:
        # A savepoint each: one write that is wrong must not take down those that share its commit.
        savepoint = connection.begin_nested()
        try:
            result = write.work(connection)
        except SQLAlchemyError as error:
            if not savepoint.is_active or _is_lost(error):
                raise
            savepoint.rollback()
            write.done.set_exception(StoreError(f"the store refuses a write: {_reason(error)}"))
        except Exception as error:  # noqa: BLE001 - it belongs to the caller, who gets it through the future
            savepoint.rollback()
            write.done.set_exception(error)
        else:
            savepoint.commit()
            finished.append((write.done, result))


def _open(url: str) -> Engine:
    try:
        parsed = make_url(url)
    except ArgumentError:
        raise StoreError("store.url is not a database URL: write sqlite:///slo-engine.db, say") from None
    if parsed.get_backend_name() != "sqlite":
        raise StoreError(f"store.url names {parsed.get_backend_name()}: only sqlite:///<file> is supported so far")
    if not parsed.database or parsed.database == ":memory:":
        raise StoreError("store.url names no file: what is in memory is lost with the process; write sqlite:///<file>")
    try:
        Path(parsed.database).parent.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise StoreError(f"the folder of {parsed.database} cannot be made: {error.strerror}") from error
    engine = create_engine(parsed, hide_parameters=True)
    event.listen(engine, "connect", _prepare)
    event.listen(engine, "begin", _begin)
    return engine


def _own(file: str) -> TextIO:
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


def _prepare(connection: Any, entry: ConnectionPoolEntry) -> None:  # noqa: ARG001 - SQLAlchemy's signature
    connection.isolation_level = None  # BEGIN is ours to say: the driver's own would make savepoints useless
    for pragma in ("journal_mode=WAL", "synchronous=FULL", "busy_timeout=5000", "foreign_keys=ON"):
        connection.execute(f"PRAGMA {pragma}")


def _begin(connection: Connection) -> None:
    # IMMEDIATE takes the write lock at once: a transaction that reads first and then writes would fail if another
    # process had written in between.
    writes = connection.get_execution_options().get("writes")
    connection.exec_driver_sql("BEGIN IMMEDIATE" if writes else "BEGIN")


def _migrate(engine: Engine) -> None:
    # Alembic and its templates cost 0.1 s: only who opens a store pays.
    from alembic import command
    from alembic.config import Config

    config = Config()
    config.set_main_option("script_location", str(Path(__file__).parent / "migrations").replace("%", "%%"))
    with engine.execution_options(writes=True).begin() as connection:
        config.attributes["connection"] = connection
        command.upgrade(config, "head")


def _is_lost(error: SQLAlchemyError) -> bool:
    """Whether the whole transaction is gone (disk full, I/O error) and not only the statement."""
    return bool(getattr(error, "connection_invalidated", False)) or type(error).__name__ == "OperationalError"


def _reason(error: SQLAlchemyError) -> str:
    cause = getattr(error, "orig", None) or error
    return str(cause).splitlines()[0][:300]
