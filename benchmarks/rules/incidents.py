"""When the alerts fire: ours and those of Sloth's form on one history with 20 incidents, minute by minute."""

from __future__ import annotations

import tempfile
from collections import defaultdict
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
import numpy.typing as npt

from benchmarks.figure import Figure
from benchmarks.rules.backfill import Work, backfill
from benchmarks.rules.contenders import ours, sloth_form
from benchmarks.rules.evaluation import Evaluation
from benchmarks.rules.progress import Progress
from benchmarks.rules.ruleset import Rule, RuleSet
from benchmarks.rules.server import Prometheus
from benchmarks.rules.traffic import (
    DAY_MS,
    HOUR_MS,
    MINUTE_MS,
    SCRAPE_MS,
    START,
    Agent,
    Outage,
    Restart,
    Span,
    Truth,
    history,
)
from benchmarks.rules.truth import LAG_MS
from benchmarks.rules.wire import Series, Times
from slo_engine.definitions import Duration
from slo_engine.definitions.labels import LONG_WINDOW, SEVERITY
from slo_engine.definitions.policies import GOOGLE, Tier
from slo_engine.rules import AlertRule

OBJECTIVE = 99.0
DAYS = 21

LATER = 2
"""Evaluation intervals by which our alerts may fire later than Sloth's."""

NEAR = 0.05
"""How near below the threshold the truth may be where an alert fires: windows of hours are promised to be so exact."""

GRACE_MS = 15 * MINUTE_MS
"""What fires so long after an incident still belongs to it."""


@dataclass(frozen=True)
class Incident:
    """Something that is wrong with one agent for a while."""

    name: str
    agent: str
    outages: tuple[Outage, ...]
    restarts: tuple[Restart, ...] = ()
    gaps: tuple[Span, ...] = ()

    @property
    def start(self) -> int:
        """Its first moment."""
        return START + min(outage.start for outage in self.outages)

    @property
    def end(self) -> int:
        """The first moment after it."""
        return START + max(outage.end for outage in self.outages)


def _at(day: int, hour: float) -> int:
    return day * DAY_MS + round(hour * HOUR_MS)


def _outage(day: int, hour: float, minutes: float, share: float) -> Outage:
    return Outage(_at(day, hour), round(minutes * MINUTE_MS), share)


INCIDENTS = (
    Incident("10 min, all fail", "busy", (_outage(2, 10, 10, 1.0),)),
    Incident("2 min, all fail", "busy", (_outage(3, 14, 2, 1.0),)),
    Incident("1 h, one in five", "busy", (_outage(4, 9, 60, 0.2),)),
    Incident("30 min at night, all fail", "busy", (_outage(5, 2, 30, 1.0),)),
    Incident("6 h, 8 %", "busy", (_outage(6, 11, 360, 0.08),)),
    Incident("a day, 4 %", "busy", (_outage(8, 8, 1440, 0.04),)),
    Incident("flapping: 5 min of 10, 60 %, for 2 h", "busy", tuple(_outage(11, 10 + n / 6, 5, 0.6) for n in range(12))),
    Incident(
        "right after a restart, 15 min, all fail", "busy", (_outage(12, 13, 15, 1.0),), (Restart(_at(12, 12.98)),)
    ),
    Incident(
        "amid a restart storm, 40 min, half",
        "busy",
        (_outage(13, 10, 40, 0.5),),
        tuple(Restart(_at(13, 9.9) + 6 * n * MINUTE_MS, replaced=n % 2 == 1) for n in range(6)),
    ),
    Incident(
        "right after a scrape gap, 30 min, 60 %",
        "busy",
        (_outage(14, 11, 30, 0.6),),
        (),
        (Span(_at(14, 10.67), 20 * MINUTE_MS),),
    ),
    Incident("two days, 1.6 %", "busy", (_outage(16, 6, 2880, 0.016),)),
    Incident("20 min in the evening, all fail", "medium", (_outage(2, 19, 20, 1.0),)),
    Incident("45 min, 30 %", "medium", (_outage(4, 13, 45, 0.3),)),
    Incident("90 min at night, half", "medium", (_outage(6, 3, 90, 0.5),)),
    Incident(
        "2 h, slowly from 5 to 40 %", "medium", tuple(_outage(9, 10 + n / 4, 15, 0.05 * (n + 1)) for n in range(8))
    ),
    Incident("3 h, 15 %", "medium", (_outage(12, 15, 180, 0.15),)),
    Incident("first errors ever, 15 min, all fail", "new", (_outage(15, 10, 15, 1.0),)),
    Incident("1 h, all fail", "idle", (_outage(3, 11, 60, 1.0),)),
    Incident("8 h, 30 %", "idle", (_outage(7, 9, 480, 0.3),)),
    Incident("12 h at night, all fail", "idle", (_outage(13, 19, 720, 1.0),)),
)


@dataclass
class Fired:
    """When one alerting rule of a set fired, for each agent."""

    rule: Rule
    times: dict[str, list[Times]] = field(default_factory=lambda: defaultdict(list))

    def of(self, agent: str) -> Times:
        """The times of evaluations at which it did."""
        found = self.times.get(agent)
        return np.unique(np.concatenate(found)) if found else np.empty(0, dtype=np.int64)


class Firing:
    """Collects what the alerts of a rule set give."""

    def __init__(self) -> None:
        self.alerts: dict[tuple[str, str], Fired] = {}

    def watch(self, rule: Rule, series: Sequence[Series]) -> None:
        """Keep when alerts fire."""
        if isinstance(rule.rule, AlertRule):
            fired = self.alerts.setdefault((str(rule), rule.rule.expr), Fired(rule))
            for each in series:
                fired.times[each.labels.get("agent_type", "")].append(each.times)

    def first(self, severity: str, incident: Incident) -> tuple[int, int] | None:
        """(time, interval) of the first evaluation within an incident at which an alert of a severity fires."""
        found = []
        for fired in self.alerts.values():
            times = fired.of(incident.agent)
            times = times[(times >= incident.start) & (times <= incident.end + GRACE_MS)]
            if len(times) and _severity(fired.rule) == severity:
                found.append((int(times[0]), fired.rule.interval))
        return min(found, default=None)


@dataclass(frozen=True)
class Play:
    """The alerts of both sets over the history, and its truth."""

    ours: Firing
    """By the burn rate alone, as Sloth's."""
    sure: Firing
    """As they come: when the errors are no accident as well."""
    sloth: Firing
    truth: Mapping[str, Truth]


def figures(progress: Progress) -> Iterator[Figure]:
    """Missed, late and unfounded alerts."""
    play = measure(INCIDENTS, DAYS, progress)
    progress.say(
        "  first firing after the beginning of the incident, in minutes: page ours, by the burn rate alone, Sloth; "
        "ticket likewise"
    )
    for incident in INCIDENTS:
        cells = [
            _minutes(firing.first(severity, incident), incident)
            for severity in ("page", "ticket")
            for firing in (play.sure, play.ours, play.sloth)
        ]
        progress.say(f"    {incident.agent:7}{incident.name:42}{''.join(cells)}")
    for severity in ("page", "ticket"):
        missed, late, paged = compared(play, INCIDENTS, severity)
        beside = f"of {paged} that it fires for; by the burn rate alone"
        yield Figure(
            f"incidents with a {severity} of Sloth's form, none of ours", float(len(missed)), "incidents", 0.5, beside
        )
        beside = "; ".join(late) or f"later by over {LATER} evaluations"
        yield Figure(f"incidents with a late {severity} of ours", float(len(late)), "incidents", 0.5, beside)
        missed, late, _ = compared(play, INCIDENTS, severity, play.sure)
        beside = "; ".join([*missed, *late])
        yield Figure(f"the same where it is sure, a {severity}", float(len(missed + late)), "incidents", None, beside)
    for strictly in (False, True):
        mine, theirs = (unfounded(firing, play.truth, strictly=strictly) for firing in (play.sure, play.sloth))
        beside = f"Sloth's form {len(theirs)}" + "".join(f"; {each}" for each in mine[:3])
        name = "evaluations that fire below the threshold" + (", strictly" if strictly else "")
        yield Figure(name, float(len(mine)), "evaluations", None if strictly else 0.5, beside)


def measure(incidents: Sequence[Incident], days: float, progress: Progress) -> Play:
    """Play the incidents to both rule sets."""
    histories = [history(agent, days) for agent in agents(incidents)]
    mine, sure, sloths = Firing(), Firing(), Firing()
    with tempfile.TemporaryDirectory() as folder, Prometheus(Path(folder)) as server:
        work = [
            Work(Evaluation(server, rules, firing.watch), _that_alerts_read(rules))
            for rules, firing in (
                (ours(OBJECTIVE, service="alone", sure=False), mine),
                (ours(OBJECTIVE), sure),
                (sloth_form(OBJECTIVE), sloths),
            )
        ]
        raw = [one for each in histories for one in each.series]
        with progress.task(f"{len(incidents)} incidents", days * DAY_MS) as reached:
            for until in backfill(server, raw, work, START, START + round(days * DAY_MS)):
                reached(until - START)
        for evaluation, _ in work:
            assert not evaluation.failures, evaluation.failures
    return Play(mine, sure, sloths, {each.agent.name: each.truth for each in histories})


def agents(incidents: Sequence[Incident]) -> Iterator[Agent]:
    """The agents that the incidents befall."""
    for name, peak, share, lazy in (
        ("busy", 10.0, 0.002, False),
        ("medium", 0.5, 0.002, False),
        ("idle", 0.01, 0.001, False),
        ("new", 5.0, 0.0, True),
    ):
        mine = [incident for incident in incidents if incident.agent == name]
        yield Agent(
            name,
            peak,
            share,
            outages=tuple(outage for incident in mine for outage in incident.outages),
            restarts=tuple(restart for incident in mine for restart in incident.restarts),
            gaps=tuple(gap for incident in mine for gap in incident.gaps),
            lazy=lazy,
        )


def compared(
    play: Play, incidents: Sequence[Incident], severity: str, ours: Firing | None = None
) -> tuple[list[str], list[str], int]:
    """Incidents that Sloth's form fires for: those that ours misses, those where it is late, and their number."""
    ours = ours or play.ours
    missed, late, number = [], [], 0
    for incident in incidents:
        theirs = play.sloth.first(severity, incident)
        if theirs is None:
            continue
        number += 1
        mine = ours.first(severity, incident)
        if mine is None:
            missed.append(f"{incident.agent}: {incident.name}")
        elif mine[0] > theirs[0] + LATER * mine[1]:
            late.append(f"{incident.agent}: {incident.name}, by {(mine[0] - theirs[0]) / MINUTE_MS:g} min")
    return missed, late, number


def unfounded(firing: Firing, truth: Mapping[str, Truth], *, strictly: bool = False) -> list[str]:
    """Evaluations at which an alert fires, though none of its tiers has truly burned of late.

    Of late: within two intervals, at least six minutes. A window counts as burning that is not a farther below the
    threshold than windows are promised to be exact. ``strictly``: within two intervals, and not below it at all.
    """
    found = []
    for (name, _), fired in firing.alerts.items():
        interval = fired.rule.interval
        lag = LATER * interval if strictly else max(LAG_MS, LATER * interval)
        for agent, happened in truth.items():
            times = fired.of(agent)
            burned = np.zeros(len(times), dtype=bool)
            for tier in _tiers(fired.rule):
                for at in range(0, lag + 1, SCRAPE_MS):
                    burned |= _burns(happened, tier.long, tier.factor, times - at, strictly=strictly) & _burns(
                        happened, tier.short, tier.factor, times - at, strictly=strictly
                    )
            found += [f"{agent}, {name}, day {(at - START) / DAY_MS:.3f}" for at in times[~burned]]
    return found


def _burns(truth: Truth, window: Duration, factor: float, at: Times, *, strictly: bool) -> npt.NDArray[np.bool_]:
    # Which of the scrapes at both ends of a window it holds, nobody can say from outside.
    near = 0.0 if strictly else max(NEAR, 2 * SCRAPE_MS / window.milliseconds)
    return truth.ratio(at, window.milliseconds) > factor * (1 - OBJECTIVE / 100) * (1 - near)


def _tiers(rule: Rule) -> tuple[Tier, ...]:
    """The tiers that an alert stands for: ours for one, Sloth's for all of its severity."""
    labels = rule.rule.labels
    same = tuple(tier for tier in GOOGLE.tiers if tier.severity == _severity(rule))
    return tuple(tier for tier in same if LONG_WINDOW not in labels or str(tier.long) == labels[LONG_WINDOW])


def _that_alerts_read(rules: RuleSet) -> set[int]:
    alerts = {index for index, rule in enumerate(rules.rules) if isinstance(rule.rule, AlertRule)}
    return alerts.union(*(rules.sources[index] for index in alerts))


def _severity(rule: Rule) -> str:
    return rule.rule.labels.get("sloth_severity") or rule.rule.labels.get(SEVERITY, "")


def _minutes(first: tuple[int, int] | None, incident: Incident) -> str:
    return f"{'-':>8}" if first is None else f"{(first[0] - incident.start) / MINUTE_MS:>8.0f}"
