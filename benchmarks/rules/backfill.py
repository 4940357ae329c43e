"""A month passes in a minute: raw samples and what the rules record of them, slice by slice, in the order of time."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Sequence
from typing import NamedTuple

from benchmarks.rules.evaluation import Evaluation
from benchmarks.rules.server import Prometheus
from benchmarks.rules.traffic import HOUR_MS
from benchmarks.rules.wire import Series

SLICE_MS = 6 * HOUR_MS
"""Within half a block of the server, which takes samples of so long ago in any order of the series."""


class Work(NamedTuple):
    """Which rules of a set are evaluated at all their times."""

    evaluation: Evaluation
    rules: Collection[int]


def backfill(server: Prometheus, raw: Sequence[Series], work: Sequence[Work], start: int, end: int) -> Iterator[int]:
    """Store start < t <= end; gives the time until which it has come, after each slice."""
    for first in range(start, end, SLICE_MS):
        last = min(first + SLICE_MS, end)
        server.push([each.between(first, last) for each in raw])
        for evaluation, rules in work:
            evaluation.run(rules, first, last)
        yield last
