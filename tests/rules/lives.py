"""Random histories of counters as scrapes see them, with the truth: several instances, scraped each at its own pace and
moment; births and deaths, restarts in place and under a new name, crash loops, failed scrapes, gaps, NaN."""

from __future__ import annotations

import math
import random
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from itertools import pairwise

import numpy as np

from benchmarks.rules.wire import STALE, Series

MINUTE = 60_000
HOUR = 60 * MINUTE

LONGEST_GAP = 55 * MINUTE
"""Of those that are promised to be counted: an hour, less what the record of a series that has gone lies behind."""

LONGEST_SILENCE = 3 * MINUTE
"""Without scrapes and without a stale marker, as when Prometheus itself is down."""


@dataclass
class Samples:
    """One series: when, what; NaN and stale markers as they stand in the database."""

    times: list[int] = field(default_factory=list)
    values: list[float] = field(default_factory=list)

    def seen(self) -> float:
        """What ``increase`` sees between these samples before it extrapolates, where no two are over an hour apart:
        differences, and after each fall the value itself."""
        numbers = [(at, value) for at, value in zip(self.times, self.values, strict=True) if not math.isnan(value)]
        return sum(
            after - before if after >= before else after
            for (left, before), (back, after) in pairwise(numbers)
            if back - left <= HOUR
        )


@dataclass
class Life:
    """A history: what its series are, and what really happened."""

    name: str
    told: str
    """Its traits, for the reader of a failure."""
    series: dict[tuple[str, str], Samples] = field(default_factory=dict)
    """(instance, outcome) -> samples; the outcomes are ``success``, ``error`` and ``usd``."""
    happened: dict[str, float] = field(default_factory=dict)

    def seen(self, outcome: str) -> float:
        """What ``increase`` sees of all its series."""
        return sum(samples.seen() for (_, each), samples in self.series.items() if each == outcome)

    def written(self, metrics: Mapping[str, tuple[str, Mapping[str, str]]]) -> Iterator[Series]:
        """The series of these outcomes, under a metric name and labels."""
        for (instance, outcome), samples in self.series.items():
            if outcome not in metrics:
                continue
            metric, labels = metrics[outcome]
            yield Series(
                {"__name__": metric, "life": self.name, "instance": instance, **labels},
                np.array(samples.times, dtype=np.int64),
                np.array(samples.values, dtype=np.float64),
            )


def life(seed: int, start: int, length: int) -> Life:
    """The history of this seed."""
    chance = random.Random(seed)
    found = Life(f"seed-{seed}", "", happened={"success": 0.0, "error": 0.0, "usd": 0.0})
    traits = []
    for number in range(chance.choice((1, 1, 2, 3))):
        traits.append(_instance(chance, found, f"pod-{number}", start, length))
    found.told = f"seed {seed}: {'; '.join(traits)}"
    return found


@dataclass
class _Process:
    """What a target is made of, and how it is scraped."""

    interval: int
    phase: int
    rate: float
    """Events a second."""
    failing: float
    lazy: bool
    """The error series is not there before the first error of a process."""
    up: tuple[int, int]
    """Least and most scrapes that a process lives."""
    down: tuple[int, int]
    renamed: float
    gap: float
    nan: float


def _instance(chance: random.Random, found: Life, name: str, start: int, length: int) -> str:
    interval = chance.choice((15_000, 15_000, 30_000, 30_000, 60_000))
    kind = chance.choice(("steady", "steady", "restarts", "loop", "short", "loop"))
    up, down, renamed = {
        "steady": ((10_000, 10_000), (0, 0), 0.0),
        "restarts": ((10, 200), (0, 8), 0.3),
        "loop": ((1, 8), (0, 8), 0.0),
        "short": ((2, 40), (0, 20), 1.0),
    }[kind]
    process = _Process(
        interval=interval,
        phase=chance.randrange(interval),
        rate=chance.choice((0.001, 0.02, 0.2, 2.0)),
        failing=chance.choice((0.0, 0.01, 0.3, 1.0)),
        lazy=chance.random() < 0.6,
        up=up,
        down=down,
        renamed=renamed,
        gap=chance.choice((0.0, 0.0, 0.003, 0.02)),
        nan=chance.choice((0.0, 0.0, 0.01, 0.1)),
    )
    _play(chance, found, name, process, start, length)
    return f"{name} {kind}, {process}"


def _play(chance: random.Random, found: Life, name: str, process: _Process, start: int, length: int) -> None:
    """Scrape by scrape."""
    at = start + process.phase
    born = chance.random() < 0.5
    if born:
        at += process.interval * chance.randrange(int(length / process.interval / 2))
    old = {"success": 0.0, "error": 0.0, "usd": 0.0}
    # An old process has counted before the history; what it then had is none of it.
    counted = old if born else {"success": 1e6, "error": chance.choice((0.0, 2e4)), "usd": 5e3}
    shown = {outcome: not (process.lazy and outcome == "error" and counted[outcome] == 0) for outcome in counted}
    instance, lives, left = name, 0, chance.randint(*process.up)
    unseen = 0
    marked = True
    while at < start + length:
        if left == 0:
            lives += 1
            away = chance.randint(*process.down)
            replaced = chance.random() < process.renamed
            if away or replaced:
                _mark(found, instance, at)
            if replaced:
                instance = f"{name}-{lives}"
            at += away * process.interval
            counted = dict.fromkeys(counted, 0.0)
            shown = {outcome: not (process.lazy and outcome == "error") for outcome in counted}
            left = chance.randint(*process.up)
            if at >= start + length:
                break
        if unseen == 0 and chance.random() < process.gap:
            silent = chance.random() < 0.3
            longest = LONGEST_SILENCE if silent else LONGEST_GAP
            unseen = chance.randint(1, max(1, chance.choice((longest // 10, longest)) // process.interval - 1))
            marked = silent
        _work(chance, found, process, counted, shown)
        if unseen:
            if not marked:
                _mark(found, instance, at)
                marked = True
            unseen -= 1
        else:
            _scrape(chance, found, instance, process, counted, shown, at)
        at += process.interval
        left -= 1


def _work(
    chance: random.Random, found: Life, process: _Process, counted: dict[str, float], shown: dict[str, bool]
) -> None:
    """What a process does from one scrape to the next."""
    events = int(process.rate * process.interval / 1000 * chance.random() * 2 + chance.random())
    failed = sum(chance.random() < process.failing for _ in range(events))
    for outcome, grown in (("success", events - failed), ("error", failed), ("usd", events * 0.0125)):
        counted[outcome] += grown
        found.happened[outcome] += grown
        shown[outcome] |= counted[outcome] > 0


def _scrape(
    chance: random.Random,
    found: Life,
    instance: str,
    process: _Process,
    counted: dict[str, float],
    shown: dict[str, bool],
    at: int,
) -> None:
    broken = chance.random() < process.nan
    for outcome, value in counted.items():
        if shown[outcome]:
            samples = found.series.setdefault((instance, outcome), Samples())
            samples.times.append(at)
            samples.values.append(math.nan if broken else value)


def _mark(found: Life, instance: str, at: int) -> None:
    """The target did not answer, or is gone: its series end."""
    for (each, _), samples in found.series.items():
        if each == instance and samples.times and samples.times[-1] < at:
            samples.times.append(at)
            samples.values.append(STALE)
