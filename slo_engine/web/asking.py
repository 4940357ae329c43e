"""What pages ask Prometheus beyond the status. In an outage many look at a page, and none of them shall wait for the
query of another one."""

from __future__ import annotations

import threading
import time
from collections import OrderedDict
from collections.abc import Callable, Hashable
from typing import Final, Generic, TypeVar

Answer = TypeVar("Answer")

FRESH_SECONDS: Final = 60.0

_REMEMBERED: Final = 64


class Asking(Generic[Answer]):
    """Keeps what was answered last, failures included. Thread-safe."""

    def __init__(self) -> None:
        self._asking = threading.Lock()
        self._known: OrderedDict[Hashable, tuple[float, Answer]] = OrderedDict()

    def of(self, key: Hashable, ask: Callable[[], Answer], meanwhile: Answer) -> Answer:
        """Not older than a minute, where nobody is asking; else what is known, or ``meanwhile``."""
        known = self._known.get(key)
        if known is not None and 0 <= time.monotonic() - known[0] < FRESH_SECONDS:
            return known[1]
        if not self._asking.acquire(blocking=False):
            return known[1] if known is not None else meanwhile
        try:
            answer = ask()
            self._known[key] = (time.monotonic(), answer)
            while len(self._known) > _REMEMBERED:
                self._known.popitem(last=False)
            return answer
        finally:
            self._asking.release()
