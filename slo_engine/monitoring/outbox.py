"""What waits to be sent to LangFuse: bounded, traces with errors last to go."""

from __future__ import annotations

import threading
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any, Final

from slo_engine.monitoring.tracing import Score, Step, Trace

MAX_BYTES: Final = 32 * 1024 * 1024
"""Of content that waits, roughly. A LangFuse that is away for longer than this lasts costs traces, not memory."""

_BYTES_OF_A_STEP: Final = 600
"""What an observation weighs without its content."""


@dataclass
class Parcel:
    """A trace's observations, or some that came late, with the scores and what other instruments saw of it."""

    trace: Trace | None
    steps: list[Step] = field(default_factory=list)
    scores: list[Score] = field(default_factory=list)
    foreign: list[Any] = field(default_factory=list)
    size: int = 0

    def __post_init__(self) -> None:
        weight = _BYTES_OF_A_STEP
        self.size = weight * (len(self.steps) + len(self.foreign) + len(self.scores)) + sum(
            len(step.input or "") + len(step.output or "") for step in self.steps
        )

    @property
    def failed(self) -> bool:
        """Whether it tells of an error."""
        return self.trace is not None and self.trace.failed

    def __len__(self) -> int:
        return len(self.steps) + len(self.foreign) + len(self.scores)


class Outbox:
    """Parcels in the order in which they came, those with errors apart. ``on_drop`` is told what had to go."""

    def __init__(self, on_drop: Callable[[Parcel], None], max_bytes: int = MAX_BYTES) -> None:
        self._on_drop = on_drop
        self._max_bytes = max_bytes
        self._waiting: dict[bool, deque[Parcel]] = {True: deque(), False: deque()}
        self._bytes = 0
        self._changed = threading.Condition()
        self._in_hand = 0

    def put(self, parcel: Parcel) -> None:
        """Add a parcel; the oldest ones go if there is no room, those without an error first."""
        dropped: list[Parcel] = []
        with self._changed:
            self._waiting[parcel.failed].append(parcel)
            self._bytes += parcel.size
            while self._bytes > self._max_bytes:
                oldest = (self._waiting[False] or self._waiting[True]).popleft()
                self._bytes -= oldest.size
                dropped.append(oldest)
            self._changed.notify_all()
        for each in dropped:
            self._on_drop(each)

    def take(self, most: int, most_bytes: int) -> list[Parcel]:
        """The next parcels, of ``most`` observations and ``most_bytes`` together, but one at least if there is one.

        They are in hand until `done` says otherwise.
        """
        found: list[Parcel] = []
        count = size = 0
        with self._changed:
            for failed in (True, False):
                waiting = self._waiting[failed]
                while waiting:
                    parcel = waiting[0]
                    if found and (count + len(parcel) > most or size + parcel.size > most_bytes):
                        return self._hand_over(found)
                    found.append(waiting.popleft())
                    self._bytes -= parcel.size
                    count += len(parcel)
                    size += parcel.size
            return self._hand_over(found)

    def done(self) -> None:
        """What was taken is sent, or given up."""
        with self._changed:
            self._in_hand = 0
            self._changed.notify_all()

    def wait(self, seconds: float, *, until: Callable[[], bool] = lambda: False) -> None:
        """Until something is there, or ``until`` says so when it is woken, or the time is over."""
        with self._changed:
            self._changed.wait_for(lambda: self._is_waiting() or until(), seconds)

    def wait_until_empty(self, seconds: float) -> bool:
        """Until nothing waits and nothing is in hand. Whether that came about in time."""
        with self._changed:
            return self._changed.wait_for(lambda: not self._is_waiting() and not self._in_hand, seconds)

    def wake(self) -> None:
        """Let those who wait look again."""
        with self._changed:
            self._changed.notify_all()

    @property
    def bytes_waiting(self) -> int:
        """Roughly what waits here weighs."""
        return self._bytes

    def _is_waiting(self) -> bool:
        return bool(self._waiting[True] or self._waiting[False])

    def _hand_over(self, found: list[Parcel]) -> list[Parcel]:
        self._in_hand = len(found)
        return found
