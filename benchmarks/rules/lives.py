"""How exact the rules are on processes that live shortly, restart, move or are not scraped for a while, with the long
group at different moments after the base; beside Sloth's and Pyrra's rules on the same series.

An event counts from the scrape at which it comes to light. What a process had counted before its first scrape nobody
sees, ``increase`` no more than the rules: it is no event here.
"""

from __future__ import annotations

import tempfile
import zlib
from collections import defaultdict
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np

from benchmarks.figure import Figure
from benchmarks.rules.backfill import Work, backfill
from benchmarks.rules.contenders import ours, pyrra_form, sloth_form
from benchmarks.rules.evaluation import Evaluation
from benchmarks.rules.progress import Progress
from benchmarks.rules.ruleset import Rule
from benchmarks.rules.server import Prometheus
from benchmarks.rules.traffic import DAY_MS, HOUR_MS, METRIC, MINUTE_MS, START, Truth
from benchmarks.rules.wire import STALE, Series
from slo_engine.definitions import Duration
from slo_engine.definitions.labels import WINDOW
from slo_engine.recording.names import ERROR_RATIO
from slo_engine.rules import RecordingRule

DAYS = 3.5
OBJECTIVE = 99.0
SCRAPE_MS = 15_000
OFFSETS = (0, 15, 31, 45, 59)
"""Seconds after the base at which the long group is evaluated."""

WINDOWS = ("1d", "3d")
PYRRA_NEXT = {"1d": "1d1h43m", "3d": "4d6h51m"}
LIMIT = 0.01
NOISE = 0.1
"""Percentage points by which ours may be further off than the better peer's: one event at the edge of a window."""

UNSEEN = "restart storm, errors lazily"
"""A process whose error series is not there before its first error, after one that had as few: that it began anew
nobody sees in it, ``increase`` no more than the rules. Held to what the peers are off by alone."""

_PEERS = {"Sloth's form": sloth_form, "Pyrra's form": pyrra_form}

LOOKS = 12
"""Times in the last hours at which all are compared."""


@dataclass
class Fleet:
    """Processes of one agent type: what Prometheus has of them, and what came to light at each scrape."""

    name: str
    seed: int = 0
    samples: dict[tuple[str, str, str], list[tuple[int, float]]] = field(default_factory=lambda: defaultdict(list))
    """(instance, owner, status) -> samples."""
    seen: list[tuple[int, int, int]] = field(default_factory=list)
    """Time, events, errors."""

    def __post_init__(self) -> None:
        self.chance = np.random.default_rng(zlib.crc32(self.name.encode()))

    def process(
        self,
        instance: str,
        first: int,
        last: int,
        *,
        failing: Callable[[int], float] = lambda _: 0.02,
        owner: str = "a",
        counted: tuple[int, int] = (0, 0),
        away: Callable[[int], bool] = lambda _: False,
        lazy: bool = False,
    ) -> tuple[int, int]:
        """One process, scraped from ``first`` to ``last`` (milliseconds since the start); returns what it counted."""
        total, errors = counted
        hidden_total = hidden_errors = 0
        began = was_away = False
        for at in range(first, last, SCRAPE_MS):
            if began:
                happened = int(self.chance.poisson(3.0))
                failed = int(self.chance.binomial(happened, failing(at)))
                total, errors = total + happened, errors + failed
                hidden_total, hidden_errors = hidden_total + happened, hidden_errors + failed
            began = True
            if away(at):
                if not was_away:
                    self._end(instance, owner, at)
                was_away = True
                continue
            was_away = False
            self.seen.append((START + at, hidden_total, hidden_errors))
            hidden_total = hidden_errors = 0
            self.samples[instance, owner, "success"].append((START + at, float(total - errors)))
            if errors or not lazy:
                self.samples[instance, owner, "error"].append((START + at, float(errors)))
        self._end(instance, owner, last)
        return total, errors

    def _end(self, instance: str, owner: str, at: int) -> None:
        for status in ("success", "error"):
            if self.samples[instance, owner, status]:
                self.samples[instance, owner, status].append((START + at, STALE))

    @property
    def series(self) -> list[Series]:
        """As they stand in the database."""
        return [
            Series(
                {
                    "__name__": METRIC,
                    "agent_type": self.name,
                    "instance": instance,
                    "owner": owner,
                    "status": status,
                },
                np.array([at for at, _ in samples], dtype=np.int64),
                np.array([value for _, value in samples]),
            )
            for (instance, owner, status), samples in self.samples.items()
            if samples
        ]

    @property
    def truth(self) -> Truth:
        """All that came to light."""
        times, total, errors = (np.array(column, dtype=np.int64) for column in zip(*self.seen, strict=True))
        return Truth(times, total, errors)


def fleets() -> Iterator[Fleet]:
    """The histories."""
    end = round(DAYS * DAY_MS)
    for name, life, each in (("pods of 45 s", 45, 60), ("pods of 5 min", 300, 120), ("pods of 10 min", 600, 300)):
        fleet = Fleet(name)
        for number, first in enumerate(range(0, end, each * 1000)):
            phase = int(fleet.chance.integers(1, SCRAPE_MS))
            fleet.process(f"pod-{number}", first + phase, first + phase + life * 1000 + 1, lazy=number % 2 == 0)
        yield fleet
    fleet = Fleet("hourly process, fails at first")
    for first in range(0, end, HOUR_MS):
        fleet.process(
            "job", first + 7_123, first + 15 * MINUTE_MS, failing=lambda at: 0.3 if at % HOUR_MS < 240_000 else 0.01
        )
    yield fleet
    for name, lazy in (("restart storm", False), (UNSEEN, True)):
        fleet = Fleet(name)
        at = 3_217
        while at < end:
            life = int(fleet.chance.integers(20_000, 20 * MINUTE_MS))
            fleet.process("pod", at, min(at + life, end), lazy=lazy)
            at += life + int(fleet.chance.integers(0, 4)) * SCRAPE_MS
        yield fleet
    fleet = Fleet("owner change")
    counted = (50_000, 900)
    for number, first in enumerate(range(0, end, 7 * HOUR_MS)):
        last = min(first + 7 * HOUR_MS, end)
        counted = fleet.process("pod", first + 5_001, last, owner=f"team-{number}", counted=counted)
    yield fleet
    for minutes in (5, 10, 20):
        fleet = Fleet(f"gaps of {minutes} min, outages in them")
        fleet.process(
            "pod",
            9_431,
            end,
            counted=(70_000, 100),
            # A gap each six hours, and every second one hides an outage.
            away=lambda at, gap=minutes: 0 < (at - 5 * HOUR_MS) % (6 * HOUR_MS) <= gap * MINUTE_MS,  # type: ignore[misc]
            failing=lambda at, gap=minutes: (  # type: ignore[misc]
                0.9 if 0 < (at - 5 * HOUR_MS) % (12 * HOUR_MS) <= gap * MINUTE_MS else 0.01
            ),
        )
        yield fleet


_Found = dict[tuple[str, str], dict[int, float]]
"""(agent type, window) -> time -> error ratio."""


def figures(progress: Progress) -> Iterator[Figure]:
    """For each history the largest error of 1d and 3d at any offset, held to the limit, and to the better peer's."""
    everyone = list(fleets())
    end = START + round(DAYS * DAY_MS)
    found = _measure(everyone, end, progress)
    for fleet in everyone:
        for window in WINDOWS:
            off = {whose: _worst(each, fleet, window, end) for whose, each in found.items()}
            theirs = {whose: off.pop(whose) for whose in _PEERS}
            worst = max(off, key=off.__getitem__)
            beside = f"at {worst}; " + ", ".join(f"{whose} {100 * value:.2f} %" for whose, value in theirs.items())
            name = f"{fleet.name}: {window}"
            yield Figure(name, 100 * off[worst], "%", None if fleet.name == UNSEEN else 100 * LIMIT, beside)
            further = max(0.0, 100 * (off[worst] - min(theirs.values())))
            yield Figure(f"{name}, further off than the better peer", further, "points", NOISE)


def _measure(everyone: Sequence[Fleet], end: int, progress: Progress) -> dict[str, _Found]:
    """What each rule set has recorded."""
    found: dict[str, _Found] = defaultdict(lambda: defaultdict(dict))
    with tempfile.TemporaryDirectory() as folder, Prometheus(Path(folder)) as server:
        work = []
        for offset in OFFSETS:
            rules = ours(OBJECTIVE, service=f"support-{offset}", offset=offset * 1000)
            evaluation = Evaluation(server, rules, _watching(found[f"{offset} s"]))
            work.append(Work(evaluation, range(len(rules.rules))))
        raw = [one for fleet in everyone for one in fleet.series]
        with progress.task(f"{DAYS:g} days of short lives, {len(OFFSETS)} offsets", DAYS * DAY_MS) as reached:
            for until in backfill(server, raw, work, START, end):
                reached(until - START)
        for whose, peer in _PEERS.items():
            evaluation = Evaluation(server, peer(OBJECTIVE), _watching(found[whose]))
            for at in _looks(end):
                for index, rule in enumerate(evaluation.rules.rules):
                    if isinstance(rule.rule, RecordingRule) and any(_is_of(rule.rule, window) for window in WINDOWS):
                        evaluation.at(index, at)
    return found


def _watching(found: _Found) -> Callable[[Rule, Sequence[Series]], None]:
    def watch(rule: Rule, series: Sequence[Series]) -> None:
        for each in series:
            for window in WINDOWS:
                if _is_ratio(rule, each, window):
                    pairs = zip(each.times.tolist(), each.values.tolist(), strict=True)
                    found[each.labels.get("agent_type", ""), window].update(pairs)

    return watch


def _looks(end: int) -> range:
    return range(end - LOOKS * 10 * MINUTE_MS, end, 10 * MINUTE_MS)


def _worst(found: _Found, fleet: Fleet, window: str, end: int) -> float:
    """The largest relative error at the looks, against the truth of the minutes that a record may be late by."""
    values, truth = found[fleet.name, window], fleet.truth
    worst = 0.0
    for at in _looks(end):
        recorded = [(time, value) for time, value in values.items() if at - 6 * MINUTE_MS < time <= at]
        if not recorded:
            return float("inf")
        time, value = max(recorded)
        moments = np.arange(time - 2 * MINUTE_MS, time + 1, SCRAPE_MS)
        lately = truth.ratio(moments, Duration.parse(window).milliseconds)
        beyond = max(value - lately.max(), lately.min() - value, 0.0)
        worst = max(worst, beyond / lately[-1])
    return worst


def _is_ratio(rule: Rule, series: Series, window: str) -> bool:
    record = rule.rule
    if not isinstance(record, RecordingRule):
        return False
    return (record.record == ERROR_RATIO and series.labels.get(WINDOW) == window) or _is_of(record, window)


def _is_of(record: RecordingRule, window: str) -> bool:
    """Whether a record of Sloth or Pyrra is the error ratio over a window."""
    return record.record in (f"slo:sli_error:ratio_rate{window}", f"agent_requests:burnrate{PYRRA_NEXT[window]}")
