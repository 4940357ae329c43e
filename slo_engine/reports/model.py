"""A month of all SLOs, as the forms of a report show it. Events are counted, money is in the currency of its budget."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta
from typing import Any

from slo_engine.definitions.money import Budget
from slo_engine.definitions.targets import Group
from slo_engine.reports.month import Month

WHOLE = 0.995
"""The share of the month from which on its records are taken for all of it: a restart of Prometheus is no gap."""


@dataclass(frozen=True)
class DayFigures:
    """One group on one day."""

    date: date
    minutes: float
    """Of the day; of today, what has gone by."""
    recorded: float
    """Minutes of it with a record."""
    events: float
    """0 for spend."""
    errors: float
    """Or the money spent."""


@dataclass(frozen=True)
class OtherTarget:
    """An objective or a budget that was recorded in the month, and is not that of now."""

    amount: float
    """In percent or, for the SLO window, money."""
    until: date | None
    """The day on which it was changed; None: it was recorded to the end."""


@dataclass(frozen=True)
class WorstDay:
    """The day that used the most of the budget."""

    date: date
    errors: float
    share: float
    """Of the budget of the month."""


@dataclass(frozen=True)
class Outcome:
    """What became of one group of an SLO in the month."""

    service: str
    slo: str
    description: str
    group: Group
    objective: float | None
    """In percent, that of now; None for spend."""
    allowance: Budget | None
    """The money for the month; None for all kinds but spend."""
    days: tuple[DayFigures, ...]
    events: float
    errors: float
    met: bool | None
    """None: not known, see ``reason``. Of a running month: so far; of one that is partly recorded: in that part."""
    reason: str
    """Why it is not known whether the objective was met; else empty."""
    attained: float | None
    """The share of good events; None without events, and for spend."""
    budget_remaining: float | None
    """Of the budget of the calendar month: 1 = untouched, negative = overspent; None: not known."""
    worst_day: WorstDay | None
    coverage: float
    """The share of the month (so far) that is recorded."""
    since: date | None
    """Its first day with records, where that is not the first of the month."""
    other_targets: tuple[OtherTarget, ...] = ()
    unpriced_models: tuple[str, ...] = ()

    @property
    def name(self) -> str:
        """``agents success support_agent``"""
        return " ".join(part for part in (self.service, self.slo, ", ".join(self.group.values())) if part)

    @property
    def is_spend(self) -> bool:
        """Whether it is held to a budget of money."""
        return self.allowance is not None

    @property
    def is_partly_recorded(self) -> bool:
        """Whether its figures are those of a part of the month."""
        return self.coverage < WHOLE

    @property
    def verdict(self) -> str:
        """``met``, ``missed`` or ``not known``."""
        return "not known" if self.met is None else "met" if self.met else "missed"


@dataclass(frozen=True)
class ModelSpend:
    """What was spent on one model. ``who``: the other labels that tell."""

    who: str
    model: str
    spent: float
    by_day: Mapping[date, float]


@dataclass(frozen=True)
class Spending:
    """The spend of one group by model."""

    outcome: Outcome
    models: tuple[ModelSpend, ...]
    """The most first; empty: not known."""
    is_exact: bool
    """Whether they are records; else they are read from the counter, and ``rest`` is what it does not show."""

    @property
    def rest(self) -> float:
        """What is recorded beyond what is known by model. Negative: the counter shows more than is recorded."""
        return self.outcome.errors - sum(each.spent for each in self.models)

    @property
    def currency(self) -> str:
        """That of the budget."""
        assert self.outcome.allowance is not None
        return self.outcome.allowance.currency


@dataclass(frozen=True)
class FoundCause:
    """A cause that the evidence of an incident named. Times are Unix seconds."""

    cause: str
    first_seen: float
    last_seen: float


@dataclass(frozen=True)
class Incident:
    """What the notifications of one thread told, from the first to the one that resolved it."""

    title: str
    severity: str | None
    began: float
    """Unix seconds: when the first notification was received."""
    ended: float | None
    """None: nobody said that it is over."""
    is_open: bool
    """Whether it goes on, for all that is known."""
    notifications: int | None
    """None: they are not in the store any more, and what is known comes from the causes."""
    causes: tuple[FoundCause, ...]

    @property
    def length(self) -> timedelta | None:
        """From the first notification to the one that resolved it."""
        return None if self.ended is None else timedelta(seconds=self.ended - self.began)


@dataclass(frozen=True)
class Crossing:
    """Something that happened to a budget."""

    at: float
    service: str
    slo: str
    group: Group
    kind: str
    text: str | None


@dataclass(frozen=True)
class Report:
    """A month."""

    month: Month
    made_at: datetime
    until: datetime
    is_whole: bool
    """Whether the month was over; else everything is so far."""
    outcomes: tuple[Outcome, ...]
    spend: tuple[Spending, ...]
    incidents: tuple[Incident, ...] | None
    """None: the store was not read."""
    crossings: tuple[Crossing, ...]
    remarks: tuple[str, ...]
    """What was corrected, and what the figures do not see."""

    @property
    def met(self) -> int:
        """How many objectives were met."""
        return sum(each.met is True for each in self.outcomes)

    @property
    def missed(self) -> tuple[Outcome, ...]:
        """The objectives that were not met."""
        return tuple(each for each in self.outcomes if each.met is False)

    @property
    def unknown(self) -> tuple[Outcome, ...]:
        """Those of which it is not known."""
        return tuple(each for each in self.outcomes if each.met is None)

    @property
    def verdict(self) -> str:
        """``7 of 9 objectives met, 2 of them over a part of the month; 1 missed, 1 not known``"""
        number = len(self.outcomes)
        others = [f"{len(self.missed)} missed"] if self.missed else []
        if self.unknown:
            others.append(f"{len(self.unknown)} not known")
        said = f"{self.met} of {number} objective{'s' if number != 1 else ''} met{'' if self.is_whole else ' so far'}"
        if partly := sum(each.met is True and each.is_partly_recorded for each in self.outcomes):
            said += f", {partly} of them over a part of the month"
        return f"{said}; {', '.join(others)}" if others else said

    def as_json(self) -> dict[str, Any]:
        """For scripts: finite numbers only, times in RFC 3339."""
        return {
            "month": self.month.name,
            "zone": self.month.zone.key,
            "start": self.month.start.isoformat(),
            "until": self.until.isoformat(),
            "is_whole": self.is_whole,
            "made_at": self.made_at.isoformat(),
            "verdict": self.verdict,
            "objectives": {"met": self.met, "missed": len(self.missed), "not_known": len(self.unknown)},
            "outcomes": [_outcome(each) for each in self.outcomes],
            "spend": [_spending(each) for each in self.spend],
            "incidents": None if self.incidents is None else [_incident(each) for each in self.incidents],
            "crossings": [_crossing(each) for each in self.crossings],
            "remarks": list(self.remarks),
        }


def _outcome(outcome: Outcome) -> dict[str, Any]:
    worst = outcome.worst_day
    return {
        **_subject(outcome),
        "objective": outcome.objective,
        "allowance": _money(outcome.allowance),
        "events": None if outcome.is_spend else outcome.events,
        "errors": None if outcome.is_spend else outcome.errors,
        "spent": outcome.errors if outcome.is_spend else None,
        "attained": outcome.attained,
        "met": outcome.met,
        "reason": outcome.reason or None,
        "error_budget_remaining": outcome.budget_remaining,
        "worst_day": None
        if worst is None
        else {"date": worst.date.isoformat(), "errors": worst.errors, "share_of_budget": worst.share},
        "coverage": outcome.coverage,
        "recorded_since": None if outcome.since is None else outcome.since.isoformat(),
        "other_targets": [
            {"amount": each.amount, "until": None if each.until is None else each.until.isoformat()}
            for each in outcome.other_targets
        ],
        "unpriced_models": list(outcome.unpriced_models),
        "days": [
            {
                "date": day.date.isoformat(),
                "recorded_minutes": day.recorded,
                "events": None if outcome.is_spend else day.events,
                "errors": day.errors,
            }
            for day in outcome.days
        ],
    }


def _spending(spending: Spending) -> dict[str, Any]:
    return {
        **_subject(spending.outcome),
        "spent": spending.outcome.errors,
        "allowance": _money(spending.outcome.allowance),
        "models": [
            {"who": each.who or None, "model": each.model or None, "spent": each.spent} for each in spending.models
        ],
        "models_are_exact": spending.is_exact,
        "not_by_model": spending.rest if spending.models else None,
    }


def _incident(incident: Incident) -> dict[str, Any]:
    return {
        "title": incident.title,
        "severity": incident.severity,
        "began": _rfc(incident.began),
        "ended": None if incident.ended is None else _rfc(incident.ended),
        "is_open": incident.is_open,
        "notifications": incident.notifications,
        "causes": [
            {"cause": each.cause, "first_seen": _rfc(each.first_seen), "last_seen": _rfc(each.last_seen)}
            for each in incident.causes
        ],
    }


def _crossing(crossing: Crossing) -> dict[str, Any]:
    return {**_subject(crossing), "at": _rfc(crossing.at), "kind": crossing.kind, "text": crossing.text}


def _subject(of: Outcome | Crossing) -> dict[str, Any]:
    return {"service": of.service, "slo": of.slo, "group": dict(of.group)}


def _money(budget: Budget | None) -> dict[str, Any] | None:
    return None if budget is None else {"amount": budget.amount, "currency": budget.currency}


def _rfc(seconds: float) -> str:
    return datetime.fromtimestamp(seconds, UTC).isoformat()
