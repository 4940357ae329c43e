"""Waiting for other processes: by looking, with a deadline, and a reason when it passes."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import TypeVar

T = TypeVar("T")


def wait_for(what: str, look: Callable[[], T | None], *, within: float, every: float = 0.1) -> T:
    """The first result of ``look`` that is neither None nor empty. Fails the test after ``within`` seconds."""
    deadline = time.monotonic() + within
    while True:
        found = look()
        if found:
            return found
        if time.monotonic() > deadline:
            raise AssertionError(f"{what}: not seen within {within:g} s")
        time.sleep(every)
