"""Metrics that an agent's run adds to without a lock: what it adds is put by, and counted when somebody looks.

Each increment of prometheus_client takes a lock, which costs more than all else that an increment does; a run makes
twenty-five, and a scrape comes every few seconds. So amounts go into a deque, whose ``append`` is one atomic step,
and `collect` adds them up first: whoever reads the registry (a scrape, a push, ``get_sample_value``) sees every one.

Where they could be lost or torn (several processes write one file that any of them may be asked for, or no global
lock makes ``append`` and ``next`` atomic) they are counted at once.
"""

from __future__ import annotations

import itertools
import sys
import threading
from bisect import bisect_left
from collections import deque
from collections.abc import Callable, Sized
from contextlib import suppress
from functools import partial
from typing import Any, Final

from prometheus_client import Counter, Gauge, Histogram, values

from slo_engine.monitoring.forks import renew_after_fork

MOST_WAITING: Final = 512
"""Amounts that may wait at one series before they are counted without being looked at."""

Add = Callable[..., object]


def _is_deferred() -> bool:
    has_lock = getattr(sys, "_is_gil_enabled", lambda: True)()
    return has_lock and not getattr(values.ValueClass, "_multiprocess", True)


class _Settling:
    """One at a time, for all metrics. May be entered again: the garbage collector may end a run in the middle of it."""

    def __init__(self) -> None:
        self.lock = threading.RLock()
        renew_after_fork(self, "lock", threading.RLock)


_settling: Final = _Settling()


class Deferred:
    """What a metric puts by for its series."""

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        # First of all: from the next line on it may be collected.
        self._waiting: dict[tuple[str, ...], tuple[Add, Callable[[], None]]] = {}
        super().__init__(*args, **kwargs)

    def settle(self) -> None:
        """Count what has been put by."""
        with _settling.lock:
            for _, settle in list(self._waiting.values()):
                settle()

    def collect(self) -> Any:
        """As prometheus_client's, with all that has been put by."""
        self.settle()
        return super().collect()  # type: ignore[misc]  # of a metric

    def _of(self, labels: tuple[str, ...], create: Callable[[], tuple[Add, Callable[[], None]]]) -> Add:
        with _settling.lock:
            if labels not in self._waiting:
                self._waiting[labels] = create()
            return self._waiting[labels][0]


def _nothing() -> None:
    """Where all is counted at once."""


def _put_by(count: Callable[[list[float]], None]) -> tuple[Add, Callable[[], None]]:
    waiting: deque[float] = deque()

    def settle() -> None:
        taken: list[float] = []
        with suppress(IndexError):  # what was taken is counted also where a run that ended meanwhile took the rest
            for _ in range(len(waiting)):
                taken.append(waiting.popleft())  # noqa: PERF401
        if taken:
            count(taken)

    return waiting.append, settle


def _numbered(count: Callable[[int], None]) -> tuple[Add, Callable[[], None]]:
    events = itertools.count()
    asked = 0

    def settle() -> None:
        nonlocal asked
        number = next(events)  # which takes one: there is no other way to look at it
        if number > asked:
            count(number - asked)
        asked = number + 1

    return events.__next__, settle


class DeferredCounter(Deferred, Counter):
    """A counter."""

    def adder(self, *labels: str) -> Add:
        """Adds a number, 0 or more, to a series."""
        return self._of(labels, partial(_adder, self.labels(*labels)))

    def counter(self, *labels: str) -> Callable[[], object]:
        """Counts one event of a series: of one that is never added to otherwise."""
        series = self.labels(*labels)
        return self._of(labels, lambda: _numbered(series.inc) if _is_deferred() else (series.inc, _nothing))


class DeferredGauge(Deferred, Gauge):
    """A gauge that is only added to."""

    def adder(self, *labels: str) -> Add:
        """Adds a number to a series."""
        return self._of(labels, partial(_adder, self.labels(*labels)))


class DeferredHistogram(Deferred, Histogram):
    """A histogram."""

    def observer(self, *labels: str) -> Add:
        """Observes a finite number at a series."""
        series = self.labels(*labels)
        return self._of(
            labels, lambda: _put_by(_observer_of_many(series)) if _is_deferred() else (observer(series), _nothing)
        )


def _adder(series: Counter | Gauge) -> tuple[Add, Callable[[], None]]:
    return _put_by(lambda taken: series.inc(sum(taken))) if _is_deferred() else (adder(series), _nothing)


def waiting_at(add: Add) -> Sized:
    """What waits at a series, to be asked for its length; nothing where all is counted at once."""
    waiting = getattr(add, "__self__", None)
    return waiting if isinstance(waiting, deque) else ()


def adder(counter: Counter | Gauge) -> Add:
    """Adds to a counter or gauge, without asking each time whether it has all its labels: here it always has.

    That is a third of what ``Counter.inc`` takes. Where prometheus_client keeps its numbers is its own business, so
    the public way is taken when they are elsewhere.
    """
    inc = getattr(getattr(counter, "_value", None), "inc", None)
    return inc if callable(inc) else counter.inc


def observer(histogram: Histogram) -> Add:
    """Observes a finite number, as `adder` adds: the bucket is found by halving, and no check is made twice."""
    parts = _parts(histogram)
    if parts is None:
        return histogram.observe
    bounds, add_to_sum, add_to_bucket = parts

    def observe(amount: float) -> None:
        add_to_sum(amount)
        add_to_bucket[bisect_left(bounds, amount)](1)

    return observe


def _observer_of_many(histogram: Histogram) -> Callable[[list[float]], None]:
    parts = _parts(histogram)

    def observe(amounts: list[float]) -> None:
        if parts is None:
            for amount in amounts:
                histogram.observe(amount)
            return
        bounds, add_to_sum, add_to_bucket = parts
        add_to_sum(sum(amounts))
        numbers = [0] * len(add_to_bucket)
        for amount in amounts:
            numbers[bisect_left(bounds, amount)] += 1
        for add, number in zip(add_to_bucket, numbers, strict=True):
            if number:
                add(number)

    return observe


Parts = tuple[list[float], Add, list[Add]]


def _parts(histogram: Histogram) -> Parts | None:
    """Upper bounds, what adds to the sum, and what adds to each bucket; None where they are kept elsewhere."""
    try:
        buckets: list[Add] = [bucket.inc for bucket in histogram._buckets]
        return list(histogram._upper_bounds), histogram._sum.inc, buckets
    except AttributeError:
        return None
