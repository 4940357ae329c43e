"""The database: one writer thread that commits in groups, readers on connections of their own.

What is written is on disk (``synchronous=FULL``) before its future is done: the webhook's 2xx and the delivery marks
hang on that. Everything that waits while a commit runs goes into the next one, so durability costs one fsync for many
messages in a storm. What somebody waits for with a connection open is urgent, and goes before what works in the
background.
"""

from __future__ import annotations

import logging
import threading
from collections import deque
from collections.abc import Callable
from concurrent.futures import Future
from dataclasses import dataclass
from typing import Any, TypeVar

from sqlalchemy import Connection, Transaction
from sqlalchemy.exc import SQLAlchemyError

from slo_engine.store import schema
from slo_engine.store.backends import StoreError, StoreRefusedError, opened, reason_of

logger = logging.getLogger(__name__)

T = TypeVar("T")

MAX_GROUP = 500
"""Writes in one transaction: enough for any storm, and few enough that the first does not wait for long."""

MAX_WAITING = 5000
"""Writes that wait for a database that does not answer; beyond, they fail at once and hold no memory."""


@dataclass
class _Write:
    work: Callable[[Connection], Any]
    done: Future[Any]
    is_urgent: bool


class Database:
    """An open database whose tables are up to date. Thread-safe."""

    def __init__(self, url: str) -> None:
        """Open (and create, and migrate) the database. Raises StoreError when it cannot be."""
        self._backend = opened(url)
        self._engine = self._backend.engine
        try:
            schema.migrate(self._backend)
        except BaseException:
            self._backend.close()
            raise
        self._arrived = threading.Condition()
        self._urgent: deque[_Write] = deque()
        self._writes: deque[_Write] = deque()
        self._closed = False
        self._failure: str | None = None
        self._damage: str | None = None
        self._writer = threading.Thread(target=self._write_all, name="store-writer", daemon=True)
        self._writer.start()

    @property
    def can_be_shared(self) -> bool:
        """Whether other engines may work on it, too."""
        return self._backend.can_be_shared

    def lock(self, connection: Connection, number: int) -> None:
        """Within a write: let nobody else who takes the lock of this number go on until it is committed."""
        self._backend.lock(connection, number)

    @property
    def failure(self) -> str | None:
        """Why the last commit failed; None when it did not."""
        return self._failure

    @property
    def damage(self) -> str | None:
        """What the database has said of damage since it was opened; None: nothing."""
        return self._damage

    def _note_damage(self, error: SQLAlchemyError) -> None:
        if self._backend.tells_of_damage(error):
            self._damage = reason_of(error)

    @property
    def is_running(self) -> bool:
        """Whether writes are being taken."""
        return self._writer.is_alive() and not self._closed

    def submit(self, work: Callable[[Connection], T], *, is_urgent: bool = False) -> Future[T]:
        """Run ``work`` in a write transaction; the future is done when it is committed, or has failed alone.
        ``is_urgent``: it waits for no more than one write that is not, and for the commit of that."""
        done: Future[T] = Future()
        with self._arrived:
            if self._closed:
                done.set_exception(StoreError("the store is closed"))
            elif len(self._urgent) + len(self._writes) > MAX_WAITING:
                done.set_exception(StoreError("the store does not keep up: too many writes wait for it"))
            else:
                (self._urgent if is_urgent else self._writes).append(_Write(work, done, is_urgent))
                self._arrived.notify()
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
            self._note_damage(error)
            raise StoreError(f"the store cannot be read: {reason_of(error)}") from error

    def close(self) -> None:
        """Commit what was submitted, then close."""
        with self._arrived:
            was_closed, self._closed = self._closed, True
            self._arrived.notify()
        if not was_closed:
            self._writer.join()
            self._backend.close()

    def _write_all(self) -> None:
        left: list[_Write] = []
        while group := self._next_group(left):
            left = []
            try:
                left = self._commit(group)
            except Exception as error:
                # A bug. The writer goes on: without it nothing is stored any more, by anybody.
                logger.exception("a group of writes failed")
                for write in group:
                    if not write.done.done():
                        write.done.set_exception(StoreError(f"the store cannot commit: {type(error).__name__}"))

    def _next_group(self, left: list[_Write]) -> list[_Write]:
        """What is urgent, what was ``left``, and then the others; nothing once it is closed and all is done."""
        group: list[_Write] = []
        while not group:
            new: list[_Write] = []
            with self._arrived:
                if not left:
                    self._arrived.wait_for(lambda: self._urgent or self._writes or self._closed)
                urgent = list(self._urgent)
                self._urgent.clear()
                while self._writes and len(urgent) + len(left) + len(new) < MAX_GROUP:
                    new.append(self._writes.popleft())
                if self._closed and not (urgent or left or new):
                    return []
            # Who has given up waiting does not want it done; and a future that runs cannot be cancelled any more.
            urgent, new = (
                [write for write in each if write.done.set_running_or_notify_cancel()] for each in (urgent, new)
            )
            group = [*urgent, *left, *new]
        return group

    def _commit(self, group: list[_Write], attempts_left: int = 3) -> list[_Write]:
        """Commit the group, or its beginning when something urgent comes meanwhile. Returns what is left of it."""
        finished: list[tuple[Future[Any], Any]] = []
        end = len(group)
        try:
            with self._engine.execution_options(writes=True).begin() as connection:
                not_urgent = 0
                for place, write in enumerate(group):
                    if not_urgent and self._urgent and not write.is_urgent:
                        end = place
                        break
                    not_urgent += not write.is_urgent
                    self._attempt(connection, write, finished, is_alone=len(group) == 1)
        except SQLAlchemyError as error:
            failed = [write for write in group[:end] if not write.done.done()]
            if attempts_left and self._backend.is_worth_repeating(error):
                # One at a time: alone, a write holds nothing while it waits for what another engine holds.
                for write in failed:
                    self._commit([write], attempts_left - 1)
                return group[end:]
            self._note_damage(error)
            self._failure = reason_of(error)
            for write in failed:
                write.done.set_exception(StoreError(f"the store cannot commit: {self._failure}"))
            return group[end:]
        self._failure = None
        for done, result in finished:
            done.set_result(result)
        return group[end:]

    def _attempt(
        self, connection: Connection, write: _Write, finished: list[tuple[Future[Any], Any]], *, is_alone: bool
    ) -> None:
        # A savepoint each: one write that is wrong must not take down those that share its commit.
        savepoint: Transaction | None = connection.get_transaction() if is_alone else connection.begin_nested()
        assert savepoint is not None
        try:
            result = write.work(connection)
        except SQLAlchemyError as error:
            if not savepoint.is_active or self._backend.loses_the_transaction(error):
                raise
            savepoint.rollback()
            self._note_damage(error)
            write.done.set_exception(StoreRefusedError(f"the store refuses a write: {reason_of(error)}"))
        except Exception as error:  # noqa: BLE001 - it belongs to the caller, who gets it through the future
            savepoint.rollback()
            write.done.set_exception(error)
        else:
            if not is_alone:
                savepoint.commit()
            finished.append((write.done, result))
