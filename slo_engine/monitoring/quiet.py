"""What the monitoring does with its own failures: it counts them, says so once a minute, and lets the agent go on."""

from __future__ import annotations

import threading
import time
from contextlib import suppress

from slo_engine.monitoring.forks import renew_after_fork

SECONDS_BETWEEN_LOG_LINES = 60.0


class OnceAMinute:
    """Warnings of which at most one a minute is written; the next one says how many were left out."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        renew_after_fork(self, "_lock", threading.Lock)
        self._next = 0.0
        self._left_out = 0

    def warn(self, message: str) -> None:
        """Write the warning, or count it."""
        now = time.monotonic()
        with self._lock:
            if now < self._next:
                self._left_out += 1
                return
            self._next = now + SECONDS_BETWEEN_LOG_LINES
            left_out, self._left_out = self._left_out, 0
        more = f" ({left_out} more since the last line)" if left_out else ""
        with suppress(Exception):  # a handler of the agent's own that cannot write
            warn(f"{message}{more}")


def warn(message: str) -> None:
    """Write a warning to the log of this package."""
    import logging  # 4 ms, which an agent whose monitoring works never needs

    logging.getLogger("slo_engine.monitoring").warning("%s", message)


complaints = OnceAMinute()
"""One for the whole process: that is what "once a minute" means to who reads the log."""
