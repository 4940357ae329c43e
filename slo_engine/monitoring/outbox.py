"""What waits to be sent to LangFuse: bounded, traces with errors last to go."""

from __future__ import annotations

import threading
from collections import deque
from collections.abc import Callable
from typing import Any, Final

from slo_engine.monitoring.content import cut
from slo_engine.monitoring.tracing import Score, Step, Trace

SENDER: Final = "slo-engine-traces"
"""The name of the thread that empties the outbox."""

MAX_BYTES: Final = 32 * 1024 * 1024
"""Of content that waits, roughly. A LangFuse that is away for longer than this lasts costs traces, not memory."""

_BYTES_OF_A_STEP: Final = 600
"""What an observation weighs without its content."""


class Parcel:
    """A trace's observations, or some that came late, with the scores and what other instruments saw of it."""

    def __init__(
        self,
        trace: Trace | None,
        steps: list[Step] | None = None,
        scores: list[Score] | None = None,
        foreign: list[Any] | None = None,
    ) -> None:
        self.trace = trace
        self.steps = steps or []
        self.scores = scores or []
        self.foreign = foreign or []
        self.size = self._weight()

    @property
    def failed(self) -> bool:
        """Whether it tells of an error."""
        return self.trace is not None and self.trace.failed

    def shrink_to(self, limit: int) -> None:
        """Cut contents until it weighs no more than ``limit``, but for what its observations weigh themselves.

        A trace that is too large to be kept whole keeps its steps and its errors; other instruments' contents go.
        """
        if self.size <= limit:
            return
        self.foreign.clear()
        contents = sum(bool(step.input) + bool(step.output) for step in self.steps)
        share = max(200, (limit - _BYTES_OF_A_STEP * len(self.steps)) // max(1, contents))
        for step in self.steps:
            step.input = step.input and cut(step.input, share)
            step.output = step.output and cut(step.output, share)
        self.size = self._weight()

    def let_go(self) -> None:
        """Hold nothing any more: the run's owner may hold the trace for long."""
        self.steps.clear()
        self.scores.clear()
        self.foreign.clear()

    def __len__(self) -> int:
        return len(self.steps) + len(self.foreign) + len(self.scores)

    def _weight(self) -> int:
        return (
            _BYTES_OF_A_STEP * len(self)
            + sum(_length(step) for step in self.steps)
            + sum(
                len(each) for span in self.foreign for each in (span.attributes or {}).values() if isinstance(each, str)
            )
        )


def _length(step: Step) -> int:
    metadata = sum(map(len, step.metadata.values())) if step.metadata else 0
    return len(step.input or "") + len(step.output or "") + len(step.status_message or "") + metadata


class Outbox:
    """Parcels in the order in which they came, those with errors apart. ``on_drop`` is told what had to go."""

    def __init__(self, on_drop: Callable[[Parcel], None], max_bytes: int = MAX_BYTES) -> None:
        self._on_drop = on_drop
        self._max_bytes = max_bytes
        self._waiting: dict[bool, deque[Parcel]] = {True: deque(), False: deque()}
        self._bytes = 0
        self._changed = threading.Condition()
        self._in_hand = 0
        self._lost = 0

    def put(self, parcel: Parcel) -> None:
        """Add a parcel; the oldest ones go if there is no room, those without an error first.

        None may take more than a quarter of the room: it is cut to that.
        """
        parcel.shrink_to(self._max_bytes // 4)
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
            each.let_go()

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

    def done(self, still_in_hand: int = 0) -> None:
        """What was taken is sent, or given up, but for so many."""
        with self._changed:
            self._in_hand = still_in_hand
            self._changed.notify_all()

    def lose(self) -> None:
        """Something that was here is gone for ever, and was not sent."""
        with self._changed:
            self._lost += 1

    def wait(self, seconds: float) -> None:
        """Until something is there, or the time is over."""
        with self._changed:
            self._changed.wait_for(self._is_waiting, seconds)

    def wait_until_empty(self, seconds: float) -> bool:
        """Until nothing waits and nothing is in hand. Whether that came about in time."""
        with self._changed:
            return self._changed.wait_for(lambda: not self._is_waiting() and not self._in_hand, seconds)

    @property
    def lost(self) -> int:
        """How often something was lost."""
        return self._lost

    @property
    def bytes_waiting(self) -> int:
        """Roughly what waits here weighs."""
        return self._bytes

    def _is_waiting(self) -> bool:
        return bool(self._waiting[True] or self._waiting[False])

    def _hand_over(self, found: list[Parcel]) -> list[Parcel]:
        self._in_hand += len(found)
        return found
