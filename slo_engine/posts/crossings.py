"""What happened to a budget that is worth telling: a level passed or left, an exhaustion that is forecast, data lost, a
step of a budget policy that begins or ends.

A state says what was told of one SLO group; a step compares it with the newest status and says what is to be told now.
Each change has to hold for a while before it is told; a level is left only once the budget is clearly above it; and in
quiet hours nothing is told, but afterwards what is true then. So a budget that moves around a level is told once. Pure.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta
from typing import Any, Literal

from slo_engine import amounts
from slo_engine.posts.policies import Step
from slo_engine.recording.names import ABSENT_ALERT
from slo_engine.status.model import SloStatus

CrossingKind = Literal["fell", "recovered", "forecast", "data_lost", "data_back", "policy_began", "policy_ended"]

Tone = Literal["bad", "warn", "good", "info"]

FORECAST_ENDS = 2
"""A forecast is over when the budget lasts for so many times longer than what is told: burn rates move."""

IN_FORCE = "budget policy in force"

LOW = 0.25
"""Of the budget: below this, falling further is bad news and not only a warning."""


@dataclass(frozen=True)
class Rules:
    """When a crossing is told."""

    levels: tuple[float, ...] = (0.5, 0.25, 0.1, 0.0)
    """Ratios of the error budget left."""
    recovery: float = 0.05
    """How far above a level the budget must come back."""
    hold: timedelta = timedelta(minutes=10)
    forecast: timedelta | None = timedelta(days=3)
    """An exhaustion that is nearer than this is told; None: none is."""
    min_data: timedelta = timedelta(hours=1)
    """A budget that is measured over less is not told: the first failure of a new agent is all of its budget."""


@dataclass(frozen=True)
class Crossing:
    """One thing that happened, as it is told and kept."""

    kind: CrossingKind
    at: datetime
    service: str
    slo: str
    group: Mapping[str, str]
    text: str
    tone: Tone
    level: float | None = None
    """Of ``fell`` and the steps of policies: below it. Of ``recovered``: the one that was left."""
    remaining: float | None = None
    tell: tuple[str, ...] = ()
    """Sinks that a policy names."""

    def as_json(self) -> dict[str, Any]:
        """For the store and the API."""
        return {
            "kind": self.kind,
            "at": self.at.isoformat(),
            "service": self.service,
            "slo": self.slo,
            "group": dict(self.group),
            "text": self.text,
            "level": self.level,
            "error_budget_remaining": self.remaining,
        }


@dataclass(frozen=True)
class State:
    """What was told of one SLO group. Times are Unix seconds."""

    level: float | None = None
    """The lowest level that the budget is below; None: it is above all."""
    is_forecast: bool = False
    is_absent: bool = False
    policies: Mapping[str, float] = field(default_factory=dict)
    """The steps in force, by their identity, since when."""
    told_policies: frozenset[str] = frozenset()
    known_policies: frozenset[str] = frozenset()
    """The steps that were asked before. One that is not among them is new: it takes effect at once."""
    has_figures: bool = True
    """Whether there ever were data."""
    absent_since: float | None = None
    """When it was told that they are lost."""
    differs_since: Mapping[str, float] = field(default_factory=dict)
    """What is otherwise than told, and since when: ``below:0.25``, ``above``, ``forecast``, ``absent``,
    ``policy:<identity>``."""

    def as_json(self) -> dict[str, Any]:
        """For the store."""
        return {
            "level": self.level,
            "is_forecast": self.is_forecast,
            "is_absent": self.is_absent,
            "policies": dict(self.policies),
            "told_policies": sorted(self.told_policies),
            "known_policies": sorted(self.known_policies),
            "has_figures": self.has_figures,
            "absent_since": self.absent_since,
            "differs_since": dict(self.differs_since),
        }

    @classmethod
    def of_json(cls, data: Mapping[str, Any]) -> State:
        """What :meth:`as_json` gave."""
        return cls(
            data["level"],
            data["is_forecast"],
            data["is_absent"],
            data["policies"],
            frozenset(data["told_policies"]),
            frozenset(data["known_policies"]),
            data["has_figures"],
            data["absent_since"],
            data["differs_since"],
        )


@dataclass(frozen=True)
class Subject:
    """The SLO group that a step is about."""

    service: str
    slo: str
    group: Mapping[str, str]


def first_sight(status: SloStatus, at: datetime, rules: Rules, steps: Sequence[Step]) -> State:
    """The state of a group that nothing is known of: as it is now, which is no news."""
    now = at.timestamp()
    left = _measured(status, rules)
    in_force = {step.identity: now for step in steps if left is not None and step.begins(left)}
    return State(
        level=None if left is None else _lowest(left, rules, None),
        is_forecast=_is_near(status, at, rules, 1),
        is_absent=_is_absent(status),
        policies=in_force,
        told_policies=frozenset(in_force),
        known_policies=frozenset(step.identity for step in steps),
        has_figures=status.error_budget_remaining is not None,
        absent_since=now if _is_absent(status) else None,
    )


def advanced(
    state: State,
    subject: Subject,
    status: SloStatus | None,
    at: datetime,
    rules: Rules,
    steps: Sequence[Step] = (),
    *,
    is_quiet: bool = False,
    is_after_gap: bool = False,
) -> tuple[State, tuple[Crossing, ...]]:
    """The state after the newest status (None: the group has none any more), and what is to be told.
    ``is_after_gap``: what was seen before is too old for anything to have held since then."""
    before = replace(state, differs_since={}) if is_after_gap else state
    move = _Move(before, subject, status, at, rules, is_quiet=is_quiet)
    told = (*move.data(), *move.level(), *move.forecast(), *move.policies(steps))
    return replace(move.state, differs_since=move.differs_since), told


class _Move:
    """One step of one state."""

    def __init__(
        self,
        state: State,
        subject: Subject,
        status: SloStatus | None,
        at: datetime,
        rules: Rules,
        *,
        is_quiet: bool,
    ) -> None:
        self.state = state
        self.differs_since: dict[str, float] = {}
        self._was = state
        self._subject = subject
        self._status = status
        self._at = at
        self._rules = rules
        self._is_quiet = is_quiet
        self._left = None if status is None else _measured(status, rules)

    def data(self) -> Iterator[Crossing]:
        is_absent = self._status is None or _is_absent(self._status)
        if is_absent == self._was.is_absent or not self._has_held("absent"):
            return
        self.state = replace(self.state, is_absent=is_absent, absent_since=self._at.timestamp() if is_absent else None)
        if not self._was.has_figures:
            self.state = replace(self.state, has_figures=True)  # the first ones: there was nothing to lose
        elif is_absent:
            yield self._crossing("data_lost", "has no data any more: its budget is not known", "bad")
        else:
            yield self._crossing("data_back", f"has data again{self._left_now()}", "good")

    def level(self) -> Iterator[Crossing]:
        if self._left is None:
            return
        told, left = self._was.level, self._left
        worse = [level for level in self._rules.levels if _is_below(left, level) and (told is None or level < told)]
        # Each level for itself: a moment at nothing left is no exhaustion, however long it was low before.
        held = [level for level in worse if self._has_held(f"below:{level:g}")]
        if held:
            lowest = min(held)
            self.state = replace(self.state, level=lowest)
            fell = f"fell below {amounts.about_percent(lowest)}{self._left_now()}"
            text = fell if lowest > 0 else f"is {amounts.budget_left(left)}"
            yield self._crossing("fell", text, "bad" if lowest < LOW else "warn", lowest)
        elif not worse and told is not None:
            lowest_now = _lowest(left, self._rules, told)
            if lowest_now != told and self._has_held("above"):
                self.state = replace(self.state, level=lowest_now)
                text = "is no longer exhausted" if told <= 0 else f"is above {amounts.about_percent(told)} again"
                yield self._crossing("recovered", f"{text}{self._left_now()}", "good", told)

    def forecast(self) -> Iterator[Crossing]:
        if self._status is None or self._left is None:
            return
        # Of a budget that is exhausted there is nothing to forecast.
        is_near = _is_near(self._status, self._at, self._rules, FORECAST_ENDS if self._was.is_forecast else 1)
        if is_near == self._was.is_forecast or not self._has_held("forecast"):
            return
        self.state = replace(self.state, is_forecast=is_near)
        if is_near and self._status.exhausted_at is not None:
            when = amounts.minute(self._status.exhausted_at)
            in_time = amounts.about(self._status.exhausted_at - self._at)
            text = f"will be exhausted at {when}, in {in_time}, at the burn rate of now{self._left_now()}"
            yield self._crossing("forecast", text, "warn")

    def policies(self, steps: Sequence[Step]) -> Iterator[Crossing]:
        known = {step.identity: step for step in steps}
        in_force = {identity: since for identity, since in self._was.policies.items() if identity in known}
        for identity, step in known.items():
            is_on = identity in in_force
            wanted = is_on if self._left is None else step.goes_on(self._left) if is_on else step.begins(self._left)
            # What a release has to ask is true at once; that it is told waits for quiet hours to end.
            is_new = identity not in self._was.known_policies
            if wanted != is_on and (is_new or self._has_held(f"policy:{identity}", is_fact=True)):
                if wanted:
                    in_force[identity] = self._at.timestamp()
                else:
                    del in_force[identity]
        told = self._was.told_policies & known.keys()
        if not self._is_quiet:
            for identity in sorted(in_force.keys() - told):
                yield self._policy(known[identity], begins=True)
            for identity in sorted(told - in_force.keys()):
                yield self._policy(known[identity], begins=False)
            told = frozenset(in_force)
        self.state = replace(self.state, policies=in_force, told_policies=told, known_policies=frozenset(known))

    def _policy(self, step: Step, *, begins: bool) -> Crossing:
        if begins:
            text = f"{IN_FORCE} {step.said}"
            return self._crossing("policy_began", text, "bad" if step.freeze else "warn", step.at, step.tell)
        text = f"budget policy no longer in force {step.said}"
        return self._crossing("policy_ended", text, "good", step.at, step.tell)

    def _has_held(self, what: str, *, is_fact: bool = False) -> bool:
        """Whether it has been otherwise than told for long enough, and may be told now."""
        now = self._at.timestamp()
        since = min(self._was.differs_since.get(what, now), now)
        if now - since >= self._rules.hold.total_seconds() and (is_fact or not self._is_quiet):
            return True
        self.differs_since[what] = since
        return False

    def _left_now(self) -> str:
        if self._left is None:
            return ""
        return f": {amounts.budget_left(self._left)}"

    def _crossing(
        self, kind: CrossingKind, text: str, tone: Tone, level: float | None = None, tell: tuple[str, ...] = ()
    ) -> Crossing:
        subject = self._subject
        return Crossing(
            kind, self._at, subject.service, subject.slo, subject.group, text, tone, level, self._left, tell
        )


def _measured(status: SloStatus, rules: Rules) -> float | None:
    """The budget left, where enough data say so."""
    if status.is_estimate or status.error_budget_remaining is None:
        return None
    is_young = not status.is_window_full and (
        status.data_over is None or status.data_over.seconds < rules.min_data.total_seconds()
    )
    return None if is_young else status.error_budget_remaining


def _lowest(left: float, rules: Rules, told: float | None) -> float | None:
    """The lowest level that the budget is below. One that it was below counts until it is clearly above."""
    below = [
        level
        for level in rules.levels
        if _is_below(left, level) or (told is not None and told <= level and left < level + rules.recovery)
    ]
    return min(below, default=None)


def _is_below(left: float, level: float) -> bool:
    return left <= 0 if level <= 0 else left < level


def _is_near(status: SloStatus, at: datetime, rules: Rules, times: int) -> bool:
    if rules.forecast is None or status.exhausted_at is None or _measured(status, rules) is None:
        return False
    left = status.error_budget_remaining
    return left is not None and left > 0 and status.exhausted_at - at <= rules.forecast * times


def _is_absent(status: SloStatus) -> bool:
    return status.error_budget_remaining is None or any(each.alert == ABSENT_ALERT for each in status.firing)
