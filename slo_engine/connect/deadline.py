"""Blocking requests that end in time, whatever the server does."""

from __future__ import annotations

import threading
from collections.abc import Callable
from concurrent.futures import Future
from concurrent.futures import TimeoutError as FutureTimeoutError
from typing import TypeVar

T = TypeVar("T")

GRACE_SECONDS = 0.5
"""A request that ends by its own timeout says more about it than one that is left behind."""


class BusyError(TimeoutError):
    """Too many requests that were left behind are still under way."""


class Deadline:
    """A thread of its own for each request, left behind when its time is up: a server that trickles its answer byte by
    byte keeps any timeout of a socket from ending, and would keep its caller too."""

    def __init__(self, name: str, at_once: int = 16) -> None:
        """``at_once``: requests under way, those that were left behind included: a server that hangs must not gather
        threads."""
        self._name = name
        self.at_once = at_once
        self._places = threading.BoundedSemaphore(at_once)

    def run(self, request: Callable[[], T], seconds: float) -> T:
        """What ``request`` returns or raises. Raises TimeoutError when its time is up, and BusyError."""
        if not self._places.acquire(blocking=False):
            raise BusyError
        done: Future[T] = Future()

        def run() -> None:
            try:
                done.set_result(request())
            except Exception as error:  # noqa: BLE001 - it belongs to the caller, who gets it through the future
                done.set_exception(error)
            finally:
                self._places.release()

        threading.Thread(target=run, name=self._name, daemon=True).start()
        try:
            return done.result(seconds + GRACE_SECONDS)
        except FutureTimeoutError:
            raise TimeoutError from None
