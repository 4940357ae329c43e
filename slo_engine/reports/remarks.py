"""What was corrected in the figures of a month, and what they do not see. Pure."""

from __future__ import annotations

import math
from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import date, timedelta

from slo_engine import amounts
from slo_engine.definitions.money import Budget
from slo_engine.definitions.slo import SloSet
from slo_engine.definitions.targets import amount_for
from slo_engine.reports.model import WHOLE, Outcome, Spending
from slo_engine.reports.month import Day, Month
from slo_engine.scrub.outgoing import outgoing_text

_A_GAP = 15.0
"""Minutes without records from which on they are told: a restart takes less."""

_NEAR = 0.01
"""The share of a spend from which on it is told that the models do not add up to it."""

_MOST_NAMED = 5


@dataclass(frozen=True)
class Observed:
    """What was seen beside the figures of single groups."""

    month: Month
    days: Sequence[Day]
    dark: Mapping[date, float]
    """The minutes of each day in which no SLO at all was recorded."""
    ambiguous: Mapping[str, int]
    """Groups with several series under one name, and on how many days: these are left out."""
    unknown: tuple[str, ...]
    """SLOs with records that no file defines."""
    warnings: tuple[str, ...] = ()
    """Of Prometheus."""


def remarks_on(
    slos: SloSet, outcomes: Sequence[Outcome], spend: Sequence[Spending], observed: Observed, *, store_was_read: bool
) -> Iterator[str]:
    """Sentences; what concerns all SLOs first."""
    if observed.warnings:
        warned = outgoing_text("; ".join(observed.warnings[:_MOST_NAMED]))
        yield f"Prometheus answered with a warning, so all figures may be incomplete: {warned}."
    yield from _on_darkness(observed)
    yield from _on_groups(outcomes, observed)
    yield from _on_targets(slos, outcomes)
    yield from _on_money(slos, outcomes, spend, observed.month)
    for name, days in observed.ambiguous.items():
        yield (
            f"{name}: left out on {_days(days)}, on which it has several series of the same record; they differ in "
            "labels that the SLO is not divided by, such as those of a second Prometheus or of an earlier `by`."
        )
    if observed.unknown:
        yield f"Recorded, but in no SLO file any more: {_named(observed.unknown)}."
    if not store_was_read:
        yield "The store of the engine was not read: incidents and budget crossings are not in this report."


def _on_darkness(observed: Observed) -> Iterator[str]:
    recorded = [day.date for day in observed.days if observed.dark[day.date] < day.minutes]
    if not recorded:
        yield "No SLO was recorded in this month."
        return
    first, begins = observed.days[0].date, recorded[0]
    if begins != first:
        yield (
            f"Records begin on {_day(begins)}: before, the rules were not in Prometheus, or it keeps no records "
            "for so long. All figures are those of the rest of the month."
        )
    dark = {
        day: minutes
        for day, minutes in observed.dark.items()
        if minutes >= _A_GAP and (day > begins or begins == first)
    }
    if dark:
        yield (
            f"No SLO was recorded for {_minutes(math.fsum(dark.values()))}, on {_named(map(_day, dark))}: nothing that "
            "happened then is in any figure."
        )


def _on_groups(outcomes: Iterable[Outcome], observed: Observed) -> Iterator[str]:
    first = next((day.date for day in observed.days if observed.dark[day.date] < day.minutes), None)
    young: defaultdict[date, list[str]] = defaultdict(list)
    for outcome in outcomes:
        if outcome.since is not None and outcome.since != first:
            young[outcome.since].append(outcome.name)
    for since, names in sorted(young.items()):
        yield f"Recorded since {_day(since)} only: {_named(names)}."
    for outcome in outcomes:
        # The day on which a young group begins is no gap.
        own = [day for day in outcome.days if outcome.since is None or day.date > outcome.since]
        if not any(day.recorded for day in own):
            continue
        gaps = {day.date: day.minutes - day.recorded - observed.dark[day.date] for day in own}
        missing = {day: minutes for day, minutes in gaps.items() if minutes >= _A_GAP}
        if missing and outcome.coverage < WHOLE:
            yield (
                f"{outcome.name}: no records for {_minutes(math.fsum(missing.values()))} while others were recorded, "
                f"on {_named(map(_day, missing))}: it did not run, or was not scraped. What happened then is in none "
                "of its figures."
            )


def _on_targets(slos: SloSet, outcomes: Iterable[Outcome]) -> Iterator[str]:
    for outcome in outcomes:
        slo = slos.find(outcome.service, outcome.slo)
        if not outcome.other_targets or slo is None:
            continue
        budget = slo.budget_for(outcome.group)

        def written(amount: float, budget: Budget | None = budget) -> str:
            return f"{amount:g} %" if budget is None else str(Budget(amount, budget.currency))

        others = ", ".join(
            f"{written(each.amount)}{f' until {_day(each.until)}' if each.until else ''}"
            for each in outcome.other_targets
        )
        now = written(amount_for(slo.target, outcome.group))
        yield f"{outcome.name}: the {slo.target.key} was {others}. The whole month is judged by that of now, {now}."


def _on_money(slos: SloSet, outcomes: Sequence[Outcome], spend: Sequence[Spending], month: Month) -> Iterator[str]:
    for key, models in sorted({(each.service, each.slo): each.unpriced_models for each in outcomes}.items()):
        if models:
            yield (
                f"{' '.join(key)}: calls of unknown cost ({_named(models)}) are in no figure: more may have been spent "
                "than is shown."
            )
    for slo in slos.slos:
        if slo.target.month and slo.target.month.key != month.zone.key:
            yield (
                f"{slo.service} {slo.name}: its budget is for the calendar month of {slo.target.month.key}; here it is "
                f"compared with the spend in that of {month.zone.key}."
            )
    for each in spend:
        spent, rest = each.outcome.errors, each.rest
        if not each.models and spent > 0:
            yield f"{each.outcome.name}: the spend by model is not known: Prometheus has no samples of the counter."
        elif abs(rest) > _NEAR * spent and not each.is_exact:
            how = "less" if rest > 0 else "more"
            yield (
                f"{each.outcome.name}: by model, the counter shows {Budget(abs(rest), each.currency)} {how} than is "
                f"recorded. {_WHY[how]}"
            )


_WHY = {
    "less": "It does not show the first call of a new process or model.",
    "more": "`increase` extrapolates, and counts what came while the rules were not evaluated.",
}


def _minutes(minutes: float) -> str:
    return amounts.about(timedelta(minutes=minutes))


def _day(day: date) -> str:
    return f"{day.day} {day:%B}"


def _days(number: int) -> str:
    return f"{number} day{'s' if number > 1 else ''}"


def _named(names: Iterable[str]) -> str:
    """``a, b, c and 4 more``"""
    known = list(names)
    if len(known) <= _MOST_NAMED:
        return ", ".join(known)
    return f"{', '.join(known[:_MOST_NAMED])} and {len(known) - _MOST_NAMED} more"
