"""Agents that exist only as counters: what Prometheus would have scraped of them, and what really happened.

``agent_requests_total{agent_type, instance, status}``, scraped each 30 s, each target at its own moment within them.
"""

from __future__ import annotations

import zlib
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field, replace

import numpy as np
import numpy.typing as npt

from benchmarks.rules.wire import STALE, Series, Times, Values

METRIC = "agent_requests_total"
SCRAPE_MS = 30_000
MINUTE_MS, HOUR_MS, DAY_MS = 60_000, 3_600_000, 86_400_000

START = 1_790_812_800_000
"""When every history begins: midnight of 1 October 2026, UTC. Fixed, so that every run sees the same."""

NIGHT_ERRORS = 4.0
"""Errors are this many times as likely at night."""

Counts = npt.NDArray[np.int64]


@dataclass(frozen=True)
class Span:
    """A stretch of the history, in milliseconds since its start."""

    start: int
    length: int

    @property
    def end(self) -> int:
        """The first moment after it."""
        return self.start + self.length


@dataclass(frozen=True)
class Outage(Span):
    """A stretch in which this share of the events fails, whatever the hour."""

    share: float


@dataclass(frozen=True)
class Restart:
    """All instances of an agent begin anew from zero; ``replaced``: the first of them under another name."""

    at: int
    missed_scrapes: int = 1
    replaced: bool = False


@dataclass(frozen=True)
class Agent:
    """What one agent type does in the history."""

    name: str
    peak: float
    """Events a second at noon, over all instances."""
    errors: float
    """Share of events that fail by day."""
    instances: int = 2
    night: float = 0.05
    """Traffic at night, as a share of the peak."""
    outages: tuple[Outage, ...] = ()
    pauses: tuple[Span, ...] = ()
    """Without any traffic, scraped all the same."""
    gaps: tuple[Span, ...] = ()
    """The target does not answer, and works on."""
    restarts: tuple[Restart, ...] = ()
    owner_changes: tuple[int, ...] = ()
    """When the label ``owner`` of the targets changes; the counters go on."""
    lazy: bool = False
    """The error series does not exist before the first error of a process."""


class Truth:
    """Every event of one agent type, at the scrape at which it came to light."""

    def __init__(self, times: Times, total: Counts, errors: Counts) -> None:
        order = np.argsort(times, kind="stable")
        self.times = times[order]
        self._total = np.concatenate(([0], np.cumsum(total[order])))
        self._errors = np.concatenate(([0], np.cumsum(errors[order])))

    def counts(self, at: Times, window: int) -> tuple[Counts, Counts]:
        """(total, errors) of at - window < t <= at, for each time."""
        last = np.searchsorted(self.times, at, side="right")
        first = np.searchsorted(self.times, at - window, side="right")
        return self._total[last] - self._total[first], self._errors[last] - self._errors[first]

    def ratio(self, at: Times, window: int) -> Values:
        """Errors / total; 0 without events."""
        total, errors = self.counts(at, window)
        return np.divide(errors, total, out=np.zeros(len(at)), where=total > 0)


@dataclass(frozen=True)
class History:
    """One agent type: its series and its truth."""

    agent: Agent
    series: tuple[Series, ...]
    truth: Truth


def history(agent: Agent, days: float, down: Sequence[Span] = ()) -> History:
    """Play the agent. ``down``: when Prometheus itself does not run, and scrapes nobody."""
    found = [_instance(agent, number, days, down) for number in range(agent.instances)]
    times, total, errors = (np.concatenate(parts) for parts in zip(*(seen for _, seen in found), strict=True))
    return History(agent, tuple(one for series, _ in found for one in series), Truth(times, total, errors))


@dataclass
class _Stretch:
    """Samples of one series, as they are found."""

    times: list[Times] = field(default_factory=list)
    values: list[Values] = field(default_factory=list)


@dataclass(frozen=True)
class _Life:
    """A process under one set of target labels: scrapes first to last (exclusive)."""

    first: int
    last: int
    instance: str
    owner: str
    continues: bool
    """Its counters go on from the life before it."""


def _instance(
    agent: Agent, number: int, days: float, down: Sequence[Span]
) -> tuple[list[Series], tuple[Times, Counts, Counts]]:
    chance = np.random.default_rng(zlib.crc32(f"{agent.name} {number}".encode()))
    scrapes = round(days * DAY_MS / SCRAPE_MS)
    clock = np.arange(scrapes, dtype=np.int64) * SCRAPE_MS
    times = START + clock + int(chance.integers(1, SCRAPE_MS))
    lives = list(_lives(agent, number, scrapes))
    happened, failed = _events(agent, clock, chance)
    scraped = ~_within(clock, (*agent.gaps, *down))
    alive = np.zeros(scrapes, dtype=bool)
    for life in lives:
        alive[life.first : life.last] = True
    happened[~alive] = failed[~alive] = 0
    stretches: dict[tuple[str, str, str], _Stretch] = {}
    seen_total, seen_errors = np.zeros(scrapes, dtype=np.int64), np.zeros(scrapes, dtype=np.int64)
    # Before the history the process has long been running: its counters are no events of the history.
    counted = np.array([int(chance.integers(10_000, 90_000)), 0 if agent.lazy else int(chance.integers(100, 900))])
    happened[0] = failed[0] = 0
    for life, following in zip(lives, [*lives[1:], None], strict=True):
        if not life.continues:
            counted[:] = 0
        at = np.arange(life.first, life.last)
        total = counted[0] + np.cumsum(happened[at])
        errors = counted[1] + np.cumsum(failed[at])
        shown = scraped[at]
        for what, counter, seen in (("total", total, seen_total), ("errors", errors, seen_errors)):
            before = counted[0] if what == "total" else counted[1]
            seen[at[shown]] = np.diff(counter[shown], prepend=before)
        # After the last scrape of a process nobody sees what it still did.
        counted[:] = (total[shown][-1], errors[shown][-1]) if shown.any() else counted
        ends_at = (
            life.last if following is None or following.first > life.last or _labels_differ(life, following) else None
        )
        for status, counter in (("success", total - errors), ("error", errors)):
            exists = shown & (errors > 0) if status == "error" and agent.lazy else shown
            stretch = stretches.setdefault((life.instance, life.owner, status), _Stretch())
            _show(stretch, times, at, exists, counter, ends_at, scrapes)
    visible = scraped & alive
    return (
        [_as_series(agent, key, stretch) for key, stretch in stretches.items()],
        (times[visible], seen_total[visible], seen_errors[visible]),
    )


def _show(
    stretch: _Stretch,
    times: Times,
    at: Counts,
    exists: npt.NDArray[np.bool_],
    counter: Counts,
    ends_at: int | None,
    scrapes: int,
) -> None:
    """Samples where the series exists; a stale marker where a target stops to answer, or ends."""
    found_times, found_values = times[at[exists]], counter[exists].astype(np.float64)
    stops = at[1:][exists[:-1] & ~exists[1:]]
    if ends_at is not None and ends_at < scrapes and len(exists) and exists[-1]:
        stops = np.append(stops, ends_at)
    stop_times = times[stops]
    all_times = np.concatenate((found_times, stop_times))
    all_values = np.concatenate((found_values, np.full(len(stops), STALE)))
    order = np.argsort(all_times, kind="stable")
    stretch.times.append(all_times[order])
    stretch.values.append(all_values[order])


def _as_series(agent: Agent, key: tuple[str, str, str], stretch: _Stretch) -> Series:
    instance, owner, status = key
    labels = {
        "__name__": METRIC,
        "job": "agents",
        "agent_type": agent.name,
        "instance": instance,
        "owner": owner,
        "status": status,
    }
    return Series(labels, np.concatenate(stretch.times), np.concatenate(stretch.values))


def _labels_differ(life: _Life, other: _Life) -> bool:
    return (life.instance, life.owner) != (other.instance, other.owner)


def _lives(agent: Agent, number: int, scrapes: int) -> Iterator[_Life]:
    changes: list[tuple[int, Restart | None]] = [(at, None) for at in agent.owner_changes]
    changes += [(restart.at, restart) for restart in agent.restarts]
    life = _Life(0, scrapes, f"10.0.0.{number}:8000", "ai-platform", continues=True)
    replaced = changed = 0
    for at, restart in sorted(changes, key=lambda change: change[0]):
        first = at // SCRAPE_MS
        yield replace(life, last=first)
        if restart is None:
            changed += 1
            life = replace(life, first=first, owner=f"team-{changed}", continues=True)
            continue
        instance = life.instance
        if restart.replaced and number == 0:
            replaced += 1
            instance = f"10.0.1.{replaced}:8000"
        life = replace(life, first=first + restart.missed_scrapes, instance=instance, continues=False)
    yield life


def _events(agent: Agent, clock: Times, chance: np.random.Generator) -> tuple[Counts, Counts]:
    hour = clock % DAY_MS / HOUR_MS
    day = np.maximum(0.0, np.sin((hour - 6) / 12 * np.pi))
    rate = agent.peak / agent.instances * (agent.night + (1 - agent.night) * day)
    rate[_within(clock, agent.pauses)] = 0.0
    share = np.where(day > 0, agent.errors, min(1.0, NIGHT_ERRORS * agent.errors))
    for outage in agent.outages:
        share[_within(clock, (outage,))] = outage.share
    happened = chance.poisson(rate * SCRAPE_MS / 1000).astype(np.int64)
    return happened, chance.binomial(happened, share).astype(np.int64)


def _within(clock: Times, spans: Sequence[Span]) -> npt.NDArray[np.bool_]:
    found = np.zeros(len(clock), dtype=bool)
    for span in spans:
        found |= (clock >= span.start) & (clock < span.end)
    return found
