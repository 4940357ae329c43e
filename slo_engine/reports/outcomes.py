"""The records of a month -> what became of each objective. Pure.

Budgets are those of the calendar month: of the events of an SLO, ``1 - objective`` may fail; of money, so much may be
spent as its budget allows for a month.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import date

from slo_engine import amounts
from slo_engine.definitions.money import Budget
from slo_engine.definitions.slo import Slo
from slo_engine.definitions.targets import Group, amount_for, error_budget
from slo_engine.reports.model import DayFigures, OtherTarget, Outcome, WorstDay
from slo_engine.reports.month import Day, Month

LEAST_MINUTES = 1440
"""Of records, for a verdict on a month: what a group did within an hour says nothing about it."""

LEAST_SHARE = 0.1
"""The same for a month of which little has gone by."""

_HAIR = 1e-9
"""Sums of many floating point numbers: an objective that is met exactly is met."""


@dataclass(frozen=True)
class DayRecords:
    """What is recorded of one group on one day."""

    minutes: float
    """With a record."""
    events: float | None
    errors: float | None


@dataclass(frozen=True)
class GroupRecords:
    """What is recorded of one group in the month."""

    days: Mapping[date, DayRecords]
    targets: Mapping[date, float]
    """The objective in percent, or the budget for the SLO window, as last recorded on each day."""
    unpriced: tuple[str, ...] = ()
    """Models with calls whose cost is not known."""


def outcome_of(
    slo: Slo, group: Group, month: Month, days: Sequence[Day], recorded: GroupRecords, dark: Mapping[date, float]
) -> Outcome:
    """One group. ``dark``: the minutes of each day in which no SLO at all was recorded."""
    figures = tuple(_day(slo, day, recorded.days.get(day.date)) for day in days)
    events, errors = math.fsum(day.events for day in figures), math.fsum(day.errors for day in figures)
    minutes = math.fsum(day.recorded for day in figures)
    first = next((day.date for day in figures if day.recorded), None)
    outcome = Outcome(
        service=slo.service,
        slo=slo.name,
        description=slo.description,
        group=group,
        objective=slo.objective_for(group),
        allowance=allowance_of(slo, group, month),
        days=figures,
        events=events,
        errors=errors,
        met=None,
        reason="nothing is recorded",
        attained=None,
        budget_remaining=None,
        worst_day=None,
        coverage=min(1.0, minutes / math.fsum(day.minutes for day in days)),
        since=first if first != days[0].date else None,
        other_targets=_other_targets(slo, group, recorded.targets),
        unpriced_models=recorded.unpriced,
    )
    if first is None:
        return outcome
    # What may have happened while nobody looked, if it went on as in the rest of the month. The day on which a group
    # begins is dark before it does.
    looked_at = [day.date for day in days if day.date > first or first == days[0].date]
    unseen = math.fsum(dark[day] for day in looked_at) / minutes
    if outcome.allowance is not None:
        found = _of_money(outcome, outcome.allowance.amount, unseen)
    else:
        found = _of_events(outcome, error_budget(outcome.objective), unseen)
    least = min(LEAST_MINUTES, LEAST_SHARE * math.fsum(day.minutes for day in days))
    if minutes < least and found.met is not None:
        return replace(found, met=None, reason=f"only {amounts.length(minutes * 60)} of the month are recorded")
    return found


def allowance_of(slo: Slo, group: Group, month: Month) -> Budget | None:
    """The money of one group for the month: a budget of a calendar month is that, another its share of the month."""
    budget = slo.budget_for(group)
    if budget is None or slo.target.month:
        return budget
    share = (month.end - month.start).total_seconds() / slo.window.seconds
    return Budget(budget.amount * share, budget.currency)


def _of_events(outcome: Outcome, allowed: float, unseen: float) -> Outcome:
    events, errors = outcome.events, outcome.errors
    if events <= 0:
        return replace(outcome, reason="there were no events")
    hidden = events * unseen
    is_within = errors <= allowed * events * (1 + _HAIR)
    met: bool | None = is_within
    if hidden >= 1:
        # Missed even if all of them were good; met even if all of them were bad.
        is_sure = errors + hidden <= allowed * (events + hidden) if is_within else errors > allowed * (events + hidden)
        met = is_within if is_sure else None
    budget = allowed * events
    worst = max(outcome.days, key=lambda day: day.errors)
    return replace(
        outcome,
        met=met,
        reason="" if met is not None else f"{_hidden(outcome, unseen)} without any record may hold what decides it",
        attained=1 - errors / events,
        budget_remaining=1 - errors / budget if budget > 0 else None,
        worst_day=WorstDay(worst.date, worst.errors, worst.errors / budget) if worst.errors > 0 < budget else None,
    )


def _of_money(outcome: Outcome, allowance: float, unseen: float) -> Outcome:
    spent = outcome.errors
    met: bool | None = spent <= allowance * (1 + _HAIR)
    reason = ""
    if met and outcome.unpriced_models:
        met, reason = None, f"calls of unknown cost: {', '.join(outcome.unpriced_models)}"
    elif met and spent * (1 + unseen) > allowance:
        met, reason = None, f"{_hidden(outcome, unseen)} without any record may hold what decides it"
    worst = max(outcome.days, key=lambda day: day.errors)
    return replace(
        outcome,
        met=met,
        reason=reason,
        budget_remaining=1 - spent / allowance,
        worst_day=WorstDay(worst.date, worst.errors, worst.errors / allowance) if worst.errors > 0 else None,
    )


def _hidden(outcome: Outcome, unseen: float) -> str:
    return amounts.length(unseen * 60 * math.fsum(day.recorded for day in outcome.days))


def _day(slo: Slo, day: Day, recorded: DayRecords | None) -> DayFigures:
    """A day whose sums are not known, though there are records (a NaN among them, say), counts as not recorded."""
    nothing = DayFigures(day.date, day.minutes, 0.0, 0.0, 0.0)
    if recorded is None or recorded.errors is None:
        return nothing
    events = recorded.events if slo.counts_events else 0.0
    if events is None:
        return nothing
    return DayFigures(day.date, day.minutes, min(recorded.minutes, day.minutes), events, recorded.errors)


def _other_targets(slo: Slo, group: Group, recorded: Mapping[date, float]) -> tuple[OtherTarget, ...]:
    """What was recorded before the objective or budget of now, or instead of it."""
    now = amount_for(slo.target, group)
    found: list[OtherTarget] = []
    before: float | None = None
    for day in sorted(recorded):
        amount = recorded[day]
        if found and found[-1].until is None and not _is_equal(amount, found[-1].amount):
            found[-1] = replace(found[-1], until=day)
        if not _is_equal(amount, now) and (before is None or not _is_equal(amount, before)):
            found.append(OtherTarget(float(f"{amount:.9g}"), None))
        before = amount
    return tuple(found)


def _is_equal(one: float, other: float) -> bool:
    return math.isclose(one, other, rel_tol=1e-6)
