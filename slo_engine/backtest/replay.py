"""Alert policies over a history: when each alert would have fired, what it was for, and what was missed.

Precision and recall are those of the SRE workbook, chapter 5: the share of alerts that were for a significant event,
and the share of significant events that an alert was for.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace

from slo_engine.backtest.detection import threshold
from slo_engine.backtest.firing import Condition, firing
from slo_engine.backtest.incidents import Incident, errors_between, significant_stretches
from slo_engine.backtest.objectives import Met, met
from slo_engine.backtest.standing import Standing, standing
from slo_engine.backtest.windows import MINUTE, History, Values, Windows
from slo_engine.definitions.kinds.counter import LAG_SECONDS
from slo_engine.definitions.policies import Policy, Severity, Tier
from slo_engine.definitions.slo import Slo
from slo_engine.definitions.targets import error_budget

SEVERITIES: tuple[Severity, ...] = ("page", "ticket")

_SEEN_LATE = MINUTE + LAG_SECONDS
"""Seconds: the base record of a minute is made so much after it began."""


@dataclass(frozen=True)
class Candidate:
    """A policy to try, at an objective in percent; None: at the SLO's own, overrides included."""

    policy: Policy
    objective: float | None = None


@dataclass(frozen=True)
class ReplayPlan:
    """What to replay, and what to hold it to. Times are Unix seconds."""

    candidates: tuple[Candidate, ...]
    start: int
    """The first time that counts. The history before fills the windows."""
    end: int
    incidents: tuple[Incident, ...] | None = None
    """What alerts are for; None: stretches that spent :attr:`significant` of the budget or more."""
    significant: float = 0.02
    kept: float = 0.0
    """Seconds for which an alert goes on firing: `keep_firing_for`."""


@dataclass(frozen=True)
class FiredAlert:
    """One time that an alert would have fired."""

    group: Mapping[str, str]
    tier: Tier
    factor: float
    fired_at: int
    reset_at: int | None
    """None: it fires at the end of the history."""
    cut: bool
    """It fires at the start of the history: since when is unknown."""
    budget_spent: float | None
    """The share of the error budget that the long window had spent when it fired."""
    events: tuple[int, ...]
    """The significant events that it was for, by their place in :attr:`Replay.events`."""


@dataclass(frozen=True)
class Event:
    """A significant event, and what was made of it."""

    incident: Incident
    cut: bool
    """It reaches beyond the history."""
    seen: bool
    """There is data of it; else no alert can be blamed for missing it."""
    budget_spent: float | None
    """The share of the error budget that it spent in the group that it cost most."""
    detected_by: FiredAlert | None
    """The alert that fired first."""
    detected_after: int | None
    """Seconds from its start until then; 0 when an alert was firing already."""
    budget_spent_by_then: float | None


@dataclass(frozen=True)
class AlertQuality:
    """How good the alerts of one severity were."""

    alerts: int
    significant: int
    """Alerts that were for a significant event."""
    events: int
    detected: int
    """Significant events that an alert was for."""

    @property
    def precision(self) -> float | None:
        """Significant alerts / alerts; None without any alert."""
        return self.significant / self.alerts if self.alerts else None

    @property
    def recall(self) -> float | None:
        """Significant events that were alerted on / significant events; None without any event."""
        return self.detected / self.events if self.events else None


@dataclass(frozen=True)
class Replay:
    """One candidate over one history."""

    candidate: Candidate
    alerts: tuple[FiredAlert, ...]
    events: tuple[Event, ...]
    scores: Mapping[str, AlertQuality]
    """By severity; ``all`` for all alerts."""


@dataclass(frozen=True)
class GroupHistory:
    """What there was of one group."""

    group: Mapping[str, str]
    coverage: float
    """The share of minutes that have data."""
    coverage_before: float
    """The same of the time before the start that the longest window reaches back to. Where it is missing, long windows
    hold less than they are named for, and their alerts fire sooner."""
    met: Met | None
    standing: Standing | None
    """The budget at the end of the history; None where that is not known."""


@dataclass(frozen=True)
class Backtest:
    """What a replay of one SLO has found."""

    slo: Slo
    plan: ReplayPlan
    groups: tuple[GroupHistory, ...]
    replays: tuple[Replay, ...]
    outside: tuple[Incident, ...]
    """Marked incidents that lie outside the history."""

    @property
    def met(self) -> float | None:
        """The highest sensible objective that every group with events has met, in percent."""
        objectives = [each.met.objective for each in self.groups if each.met is not None]
        known = [objective for objective in objectives if objective is not None]
        return min(known) if known and len(known) == len(objectives) else None


def replay(
    slo: Slo,
    histories: Mapping[tuple[str, ...], History],
    plan: ReplayPlan,
    *,
    on_progress: Callable[[float], None] | None = None,
) -> Backtest:
    """Run every candidate over every group. ``histories``: by the values of the SLO's ``by`` labels; all of one
    length."""
    alerts: list[list[FiredAlert]] = [[] for _ in plan.candidates]
    stretches: list[list[Incident]] = [[] for _ in plan.candidates]
    groups, tracks = [], []
    for done, (values, history) in enumerate(histories.items(), start=1):
        track = _Track(slo, dict(zip(slo.by, values, strict=True)), history, plan)
        groups.append(
            GroupHistory(
                track.group,
                _known(history.seen[track.begin :]),
                _known(history.seen[: track.begin]),
                met(history, track.begin, slo.window),
                standing(slo, track.group, history),
            )
        )
        for number, candidate in enumerate(plan.candidates):
            alerts[number] += track.alerts(candidate)
            if plan.incidents is None:
                stretches[number] += track.significant(candidate)
        track.forget_windows()  # they are many times larger than the history
        tracks.append(track)
        if on_progress is not None:
            on_progress(done / len(histories))
    marked = [each for each in plan.incidents or () if each.start <= plan.end and each.end >= plan.start]
    return Backtest(
        slo=slo,
        plan=plan,
        groups=tuple(groups),
        replays=tuple(
            _judged(plan, candidate, fired, found if plan.incidents is None else marked, tracks)
            for candidate, fired, found in zip(plan.candidates, alerts, stretches, strict=True)
        ),
        outside=tuple(each for each in plan.incidents or () if each not in marked),
    )


def tiers_of(slo: Slo, candidate: Candidate) -> list[Tier]:
    """The tiers of a candidate whose alerts the SLO wants, with their factors for its window."""
    return [tier for tier in replace(slo, policy=candidate.policy).tiers if tier.long <= slo.window]


class _Track:
    """The history of one group, with what is worked out of it."""

    def __init__(self, slo: Slo, group: Mapping[str, str], history: History, plan: ReplayPlan) -> None:
        self.group = group
        self._slo = slo
        self._history = history
        self._plan = plan
        budget = slo.budget_for(group)
        self._money = budget.amount if budget else None
        self._windows: Windows | None = None
        self.begin = max(0, (plan.start - history.start) // MINUTE)
        self._events_of_a_window: float | None = None

    @property
    def windows(self) -> Windows:
        """The recorded windows."""
        if self._windows is None:
            self._windows = Windows(self._history, self._slo.window, budget=self._money)
        return self._windows

    def forget_windows(self) -> None:
        """Give their memory back; they are made again when they are needed."""
        self._windows = None

    def has_data(self, incident: Incident) -> bool:
        """Whether there is any record of it."""
        begin, end = self._minute(incident.start), self._minute(incident.end)
        return any(value == value for value in self._history.seen[max(0, begin) : max(0, end + 2)])

    def error_budget(self, candidate: Candidate) -> float:
        """The share of events that may fail; 1 for spend, whose ratios are burn rates already."""
        if self._money is not None:
            return 1.0
        return error_budget(self._slo.objective_for(self.group) if candidate.objective is None else candidate.objective)

    def alerts(self, candidate: Candidate) -> Iterator[FiredAlert]:
        """When each tier would have fired within the time that counts, without what it was for."""
        budget = self.error_budget(candidate)
        for tier in tiers_of(self._slo, candidate):
            # Spend has no ceiling: every factor can be reached.
            factor = tier.factor if self._money is not None else candidate.policy.factor(tier, budget)
            events = 0 if self._money is not None else self._slo.min_events
            alpha = self._slo.alpha_of(tier)
            condition = Condition(tier, threshold(factor, budget), events, budget, alpha, kept=self._plan.kept)
            for stretch in firing(self.windows, condition):
                if stretch.end is not None and stretch.end <= self.begin:
                    continue
                fired = max(stretch.begin, self.begin)
                yield FiredAlert(
                    self.group,
                    tier,
                    factor,
                    self._time(fired),
                    None if stretch.end is None else self._time(stretch.end),
                    stretch.begin <= self.begin,
                    self.spent(candidate, fired - int(tier.long.seconds) // MINUTE, fired),
                    (),
                )

    def significant(self, candidate: Candidate) -> Iterator[Incident]:
        """The stretches of errors that cost much of the budget and reach into the time that counts."""
        budget = self.error_budget(candidate)
        for found in significant_stretches(
            self.windows, self._history, budget, self._allowed(candidate), self._plan.significant, self.group
        ):
            if found.end >= self._plan.start:
                yield found

    def spent(self, candidate: Candidate, begin: int, end: int) -> float | None:
        """The share of the error budget that was spent between two minutes. None without any event."""
        allowed = self._allowed(candidate)
        return errors_between(self._history, begin, end) / allowed if allowed > 0 else None

    def spent_between(self, candidate: Candidate, start: int, end: int) -> float | None:
        """The same, between two times."""
        return self.spent(candidate, self._minute(start), self._minute(end))

    def _allowed(self, candidate: Candidate) -> float:
        """The errors that the budget of one SLO window allows, at the mean traffic of this history."""
        if self._money is not None:
            return self._money
        if self._events_of_a_window is None:
            assert self._history.total is not None
            there = [value for value in self._history.total if value == value]
            minutes = self._slo.window.seconds / MINUTE
            # A gap tells nothing about traffic: the mean is over what there is.
            self._events_of_a_window = sum(there) / len(there) * minutes if there else 0.0
        return self._events_of_a_window * self.error_budget(candidate)

    def _minute(self, time: int) -> int:
        return (time - self._history.start) // MINUTE

    def _time(self, minute: int) -> int:
        return self._history.start + minute * MINUTE


def _judged(
    plan: ReplayPlan,
    candidate: Candidate,
    alerts: Sequence[FiredAlert],
    incidents: Iterable[Incident],
    tracks: Sequence[_Track],
) -> Replay:
    fired = sorted(alerts, key=lambda alert: (alert.fired_at, alert.tier.severity, alert.tier.long))
    expected = sorted(incidents, key=lambda incident: (incident.start, incident.end))
    judged = tuple(
        replace(alert, events=tuple(number for number, each in enumerate(expected) if is_for(alert, each)))
        for alert in fired
    )
    events = tuple(_event(plan, candidate, incident, judged, tracks) for incident in expected)
    scores: dict[str, AlertQuality] = {severity: _score(events, judged, (severity,)) for severity in SEVERITIES}
    return Replay(candidate, judged, events, {**scores, "all": _score(events, judged, SEVERITIES)})


def is_for(alert: FiredAlert, incident: Incident) -> bool:
    """Whether an alert was for an incident: it fired in a group that was hit, while the incident went on or while the
    short window still saw it."""
    if not incident.hit(alert.group):
        return False
    began_in_time = alert.fired_at <= incident.end + alert.tier.short.seconds + _SEEN_LATE
    return began_in_time and (alert.reset_at is None or alert.reset_at > incident.start)


def _event(
    plan: ReplayPlan, candidate: Candidate, incident: Incident, fired: Sequence[FiredAlert], tracks: Sequence[_Track]
) -> Event:
    hit = [track for track in tracks if incident.hit(track.group) and track.has_data(incident)]
    detected = next((alert for alert in fired if is_for(alert, incident)), None)
    after = by_then = None
    if detected is not None and not (detected.cut and detected.fired_at > incident.start):
        after = max(0, detected.fired_at - incident.start)
        track = next(track for track in tracks if track.group == detected.group)
        by_then = track.spent_between(candidate, incident.start, max(detected.fired_at, incident.start))
    costs = [track.spent_between(candidate, incident.start, incident.end + _SEEN_LATE) for track in hit]
    return Event(
        incident=incident,
        cut=plan.start > incident.start or plan.end < incident.end,
        seen=bool(hit),
        budget_spent=max((cost for cost in costs if cost is not None), default=None),
        detected_by=detected,
        detected_after=after,
        budget_spent_by_then=by_then,
    )


def _known(values: Values) -> float:
    """The share of values that are there; 0 of none."""
    return sum(value == value for value in values) / len(values) if len(values) else 0.0


def _score(events: Sequence[Event], alerts: Sequence[FiredAlert], severities: Iterable[str]) -> AlertQuality:
    counted = [alert for alert in alerts if alert.tier.severity in severities]
    seen = {number for number, event in enumerate(events) if event.seen}
    detected = {number for alert in counted for number in alert.events}
    return AlertQuality(
        alerts=len(counted),
        significant=sum(bool(alert.events) for alert in counted),
        events=len(seen),
        detected=len(seen & detected),
    )
