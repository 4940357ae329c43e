"""How far the recorded ratios lie from what happened, at every time at which they are recorded, for 33 days of trouble.

Each agent type has a history of its own: a quiet night, an hour without traffic, restarts, and so on. After 31.5 days
the SLO file gets another owner, and after 32.5 days Prometheus is down for 20 minutes; what is recorded from then on
is judged by itself. An event counts from the scrape at which it came to light.
"""

from __future__ import annotations

import re
import tempfile
from collections import defaultdict
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path

import numpy as np

from benchmarks.figure import Figure
from benchmarks.rules.backfill import Work, backfill
from benchmarks.rules.contenders import ours, pyrra_form, sloth_form
from benchmarks.rules.evaluation import Evaluation
from benchmarks.rules.progress import Progress
from benchmarks.rules.ruleset import Rule
from benchmarks.rules.server import Prometheus
from benchmarks.rules.traffic import (
    DAY_MS,
    HOUR_MS,
    MINUTE_MS,
    START,
    Agent,
    History,
    Outage,
    Restart,
    Span,
    history,
)
from benchmarks.rules.truth import FLOOR_ERRORS, FLOOR_EVENTS, FLOORS, Errors, errors_of, percent, together
from benchmarks.rules.wire import Series, Times, Values
from slo_engine.definitions import Duration
from slo_engine.definitions.labels import WINDOW
from slo_engine.recording.names import ERROR_RATIO, ERRORS_SUM, TOTAL_SUM
from slo_engine.rules import RecordingRule

DAYS = 33
OBJECTIVE = 99.0
OWNER_CHANGES = 31.5 * DAY_MS
DOWN = Span(round(32.5 * DAY_MS), 20 * MINUTE_MS)

LONG, SHORT = ("3d", "30d"), ("1h", "2h", "6h", "1d")
LIMITS = {**dict.fromkeys(LONG, 0.01), **dict.fromkeys(SHORT, 0.05)}
LIMIT_LAZY = 0.02
"""For 3d and 30d when the error series first appears in the outage."""

OFFSET_MS = 45_000
"""How long after the base the long group is evaluated. All offsets: :mod:`benchmarks.rules.lives`."""

PYRRA_NEXT = {"1h": "1h4m", "2h": "2h9m", "6h": "6h26m", "1d": "1d1h43m", "3d": "4d6h51m"}
"""Pyrra's windows grow with that of the SLO."""

SHOWN = ("5m", "30m", "1h", "2h", "6h", "1d", "3d", "30d")
PEERS_EVERY = 2 * HOUR_MS
"""Their windows are read from raw series, which takes too long for every minute of a month."""


def _at(day: float, hour: float) -> int:
    return round(day * DAY_MS + hour * HOUR_MS)


TROUBLE = (Outage(_at(9, 11), 45 * MINUTE_MS, 0.6), Outage(_at(22, 15), 3 * HOUR_MS, 0.08))

AGENTS = (
    Agent("quiet nights", 15.0, 0.004, night=0.01, outages=TROUBLE),
    Agent(
        "an hour without traffic",
        15.0,
        0.01,
        outages=TROUBLE,
        pauses=tuple(Span(_at(day, hour), HOUR_MS) for day, hour in ((4, 12), (17, 3), (30, 14))),
    ),
    Agent(
        "restart storm",
        15.0,
        0.01,
        instances=3,
        outages=TROUBLE,
        restarts=tuple(
            Restart(_at(day, 13) + 5 * MINUTE_MS * number, missed_scrapes=number % 3, replaced=number in (1, 4))
            for day in (6, 19, 29)
            for number in range(6)
        ),
    ),
    Agent(
        "20-minute scrape gap",
        15.0,
        0.01,
        outages=TROUBLE,
        gaps=tuple(Span(_at(day, hour), 20 * MINUTE_MS) for day, hour in ((7, 10), (20, 2), (30, 13))),
    ),
    Agent(
        "owner label of the targets changed",
        15.0,
        0.01,
        outages=TROUBLE,
        owner_changes=(_at(8, 14), _at(30, 11.3)),
    ),
    Agent("first error in an outage", 15.0, 0.0, outages=(Outage(_at(20, 10), 10 * MINUTE_MS, 0.67),), lazy=True),
    Agent(
        "errors from time to time, lazily", 15.0, 0.0006, lazy=True, outages=TROUBLE, restarts=(Restart(_at(15, 9)),)
    ),
    Agent("idle", 0.004, 0.03),
    Agent(
        "outage within a scrape gap",
        15.0,
        0.01,
        gaps=(Span(_at(25, 12), 20 * MINUTE_MS),),
        outages=(Outage(_at(25, 12) + 3 * MINUTE_MS, 10 * MINUTE_MS, 0.9),),
    ),
)
BEYOND_THE_PROMISE = frozenset({"outage within a scrape gap", "idle"})
"""Shown, and held to no limit: what happens while nobody looks, and an agent without traffic, one of whose few errors
weighs more than 1 % when it leaves the window with its hour."""

PHASES = ("", "after the SLO file got another owner", "after Prometheus was down for 20 minutes")


@dataclass
class _Found:
    """What one rule set recorded as the ratio of one agent over one window."""

    times: list[Times] = field(default_factory=list)
    values: list[Values] = field(default_factory=list)


class Recorded:
    """Collects what a rule set records."""

    def __init__(self) -> None:
        self.rules: dict[str, Rule] = {}
        """The rule that records each window."""
        self.ratios: dict[tuple[str, str], _Found] = defaultdict(_Found)
        self.sums: dict[tuple[str, str], _Found] = defaultdict(_Found)
        self.not_a_number = 0
        self._parts: dict[tuple[str, int], dict[str, float]] = defaultdict(dict)

    def watch(self, rule: Rule, series: Sequence[Series]) -> None:
        """Keep what is a ratio or a sum; count NaN in all."""
        if not isinstance(rule.rule, RecordingRule):
            return
        for each in series:
            self.not_a_number += int(np.isnan(each.values).sum())
            agent = each.labels.get("agent_type", "")
            for kind, window in _kinds(rule.rule, each):
                found = (self.ratios if kind == "ratio" else self.sums)[agent, window if kind == "ratio" else kind]
                found.times.append(each.times)
                found.values.append(each.values)
                self.rules[window] = rule
        if rule.rule.record.endswith(":increase30d"):
            self._watch_pyrra(series)

    def compared(self, each: History, window: str, phase: int) -> Errors:
        """What was recorded in a phase of one history, compared with the truth."""
        found = self.ratios.get((each.agent.name, window))
        if found is None:
            found = _Found([np.empty(0, dtype=np.int64)], [np.empty(0)])
        times, values = np.concatenate(found.times), np.concatenate(found.values)
        width = Duration.parse(window).milliseconds
        # A window that reaches far beyond the beginning of the history holds too little to be judged.
        start, end = max(_phase_starts(phase), START + min(width, DAY_MS)), _phase_ends(phase)
        inside = (times > start) & (times <= end)
        errors = errors_of(each.truth, width, times[inside], values[inside])
        if window not in self.rules:
            return errors
        due = np.array(self.rules[window].times(start, end), dtype=np.int64)
        total, failed = each.truth.counts(due, width)
        expected = due[(total >= FLOOR_EVENTS) & (failed >= FLOOR_ERRORS)]
        return replace(errors, missing=int((~np.isin(expected, times)).sum()))

    def _watch_pyrra(self, series: Sequence[Series]) -> None:
        # Pyrra's error budget is a quotient of these that its UI forms.
        for each in series:
            parts = self._parts[each.labels["agent_type"], int(each.times[0])]
            parts[each.labels["status"]] = float(each.values[0])
        for (agent, at), parts in self._parts.items():
            total = sum(parts.values())
            found = self.ratios[agent, "30d"]
            found.times.append(np.array([at]))
            found.values.append(np.array([parts.get("error", 0.0) / total if total else np.nan]))
        self._parts.clear()


def _kinds(rule: RecordingRule, series: Series) -> Iterator[tuple[str, str]]:
    if rule.record == ERROR_RATIO:
        yield "ratio", series.labels[WINDOW]
    elif rule.record in (TOTAL_SUM, ERRORS_SUM):
        yield rule.record, series.labels[WINDOW]
    elif "sloth_window" in rule.labels:
        yield "ratio", rule.labels["sloth_window"]
    elif match := re.search(r":burnrate(.+)", rule.record):
        yield "ratio", match[1]


def figures(progress: Progress) -> Iterator[Figure]:
    """The largest error of each history, for the long windows and the short ones."""
    histories = [history(agent, DAYS, (DOWN,)) for agent in AGENTS]
    played = measure(histories, progress)
    for line in played.refused:
        progress.say(f"  evaluations refused: {line}")
    for phase, after in enumerate(PHASES):
        _table(histories, played, phase, progress)
        for each in histories:
            yield from _judged(each, played, phase, after)
    _by_floor(histories, played.ours, progress)
    beside = f"Sloth's form {played.sloth.not_a_number:,}"
    yield Figure("NaN recorded by our rules", float(played.ours.not_a_number), "samples", 0.5, beside)
    yield from _sums(histories, played.ours)


def _judged(each: History, played: Played, phase: int, after: str) -> Iterator[Figure]:
    name = f"{each.agent.name}, {after}" if after else each.agent.name
    for windows in (LONG, SHORT):
        found = {window: played.ours.compared(each, window, phase) for window in windows}
        judged = [window for window in windows if len(found[window].judged)]
        missing = sum(errors.missing for errors in found.values())
        if missing:
            yield Figure(f"{name}: {'/'.join(windows)}, missing", float(missing), "values", 0.5)
        if not judged:
            continue
        limit = None
        if each.agent.name not in BEYOND_THE_PROMISE:
            limit = 100 * (LIMIT_LAZY if each.agent.lazy and windows is LONG else LIMITS[windows[0]])
        worst = max(judged, key=lambda window: found[window].worst)
        theirs = max(played.sloth.compared(each, window, phase).worst for window in judged)
        beside = f"{worst}; Sloth's form {100 * theirs:.2f} %"
        yield Figure(f"{name}: {'/'.join(judged)}", 100 * found[worst].worst, "%", limit, beside)


def _table(histories: Sequence[History], played: Played, phase: int, progress: Progress) -> None:
    progress.say(
        f"  relative errors in per cent{', ' if phase else ''}{PHASES[phase]}: windows of {FLOOR_EVENTS} events and "
        f"{FLOOR_ERRORS} errors at least"
    )
    progress.say(
        f"  {'':36}{'':>5}{'judged':>8} | ours, truth of the last 6 min: p50, p99, max; beyond limit "
        "| of the instant: p50, p99, max | Sloth: p99, max | Pyrra, next window: p99, max"
    )
    for each in histories:
        for window in SHOWN:
            mine = played.ours.compared(each, window, phase)
            sloth = played.sloth.compared(each, window, phase).judged
            pyrra = played.pyrra.compared(each, PYRRA_NEXT.get(window, window), phase).judged
            if not len(mine.judged):
                continue
            now = mine.now[mine.of(FLOOR_ERRORS)]
            beyond = int((mine.judged > LIMITS.get(window, np.inf)).sum())
            progress.say(
                f"  {each.agent.name:36}{window:>5}{len(mine.judged):>8,} "
                f"|{percent(mine.judged, 0.5)}{percent(mine.judged, 0.99)}{percent(mine.judged, 1)}{beyond:>8,} "
                f"|{percent(now, 0.5)}{percent(now, 0.99)}{percent(now, 1)} "
                f"|{percent(sloth, 0.99)}{percent(sloth, 1)} |{percent(pyrra, 0.99)}{percent(pyrra, 1)}"
            )


def _by_floor(histories: Sequence[History], mine: Recorded, progress: Progress) -> None:
    progress.say(
        f"  ours, all histories that are held to a limit, windows of {FLOOR_EVENTS} events and at least so many "
        "errors: number, p99, max"
    )
    for window in SHOWN:
        errors = together(
            [
                mine.compared(each, window, phase)
                for each in histories
                if each.agent.name not in BEYOND_THE_PROMISE
                for phase in range(len(PHASES))
            ]
        )
        parts = []
        for floor in FLOORS:
            found = errors.lately[errors.of(floor)]
            parts.append(f"{floor:>4}: {len(found):>9,}{percent(found, 0.99)}{percent(found, 1)}")
        progress.say(f"  {window:>5} | {' | '.join(parts)}")


@dataclass(frozen=True)
class Played:
    """What the three rule sets recorded, and the evaluations that Prometheus refused."""

    ours: Recorded
    sloth: Recorded
    pyrra: Recorded
    refused: tuple[str, ...]


def measure(histories: Sequence[History], progress: Progress) -> Played:
    """Play the histories."""
    raw = [one for each in histories for one in each.series]
    recorded = [Recorded(), Recorded(), Recorded()]
    with tempfile.TemporaryDirectory() as folder, Prometheus(Path(folder)) as server:
        mine = Evaluation(server, ours(OBJECTIVE, offset=OFFSET_MS), recorded[0].watch)
        sloth = Evaluation(server, sloth_form(OBJECTIVE), recorded[1].watch)
        pyrra = Evaluation(server, pyrra_form(OBJECTIVE), recorded[2].watch)
        everything = range(len(mine.rules.rules))
        work = [Work(mine, everything), Work(sloth, sloth.rules.kept)]
        with progress.task("33 days of trouble", DAYS * DAY_MS) as reached:
            for phase in range(len(PHASES)):
                if phase == 1:
                    mine.replace(ours(OBJECTIVE, "platform", offset=OFFSET_MS))
                    sloth.replace(sloth_form(OBJECTIVE, "platform"))
                if phase == 2:
                    mine.restart()
                    sloth.restart()
                before = _phase_starts(phase)
                for until in backfill(server, raw, work, before, _phase_ends(phase)):
                    for at in range(before // PEERS_EVERY * PEERS_EVERY + 7 * MINUTE_MS, until + 1, PEERS_EVERY):
                        if before < at:
                            _look(sloth, at)
                            if at // PEERS_EVERY % 4 == 0:
                                _look(pyrra, at)
                    before = until
                    reached(until - START)
    refused = (
        f"{each.rules.name}, {number} x {what}"
        for each in (mine, sloth, pyrra)
        for what, number in each.failures.items()
    )
    return Played(recorded[0], recorded[1], recorded[2], tuple(refused))


def _look(evaluation: Evaluation, at: int) -> None:
    for index, rule in enumerate(evaluation.rules.rules):
        if index not in evaluation.rules.kept and isinstance(rule.rule, RecordingRule):
            evaluation.at(index, at)


def _sums(histories: Sequence[History], mine: Recorded) -> Iterator[Figure]:
    """The numbers of events and errors over 30 days, which people see, beside the real ones."""
    for what, kind in (("events", TOTAL_SUM), ("errors", ERRORS_SUM)):
        worst, name = 0.0, ""
        for each in histories:
            found = mine.sums.get((each.agent.name, kind))
            if found is None or each.agent.name in BEYOND_THE_PROMISE:
                continue
            times, values = np.concatenate(found.times), np.concatenate(found.values)
            counted = each.truth.counts(times, 30 * DAY_MS)[what == "errors"]
            busy = (times >= START + DAY_MS) & (counted >= FLOOR_EVENTS)
            error = float(np.abs(values[busy] / counted[busy] - 1).max()) if busy.any() else 0.0
            if error > worst:
                worst, name = error, each.agent.name
        yield Figure(f"{what} of 30d, where there are {FLOOR_EVENTS}, farthest off", 100 * worst, "%", None, name)


def _phase_starts(phase: int) -> int:
    return START + (0, round(OWNER_CHANGES), DOWN.end)[phase]


def _phase_ends(phase: int) -> int:
    return START + (round(OWNER_CHANGES), DOWN.start, DAYS * DAY_MS)[phase]
