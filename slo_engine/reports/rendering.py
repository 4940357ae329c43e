"""A report as one HTML file, as Markdown, and as a few lines for a notification. Pure."""

from __future__ import annotations

import math
import re
from collections import defaultdict
from collections.abc import Iterator
from datetime import date, datetime

from jinja2 import Environment, PackageLoader, StrictUndefined
from markupsafe import Markup

from slo_engine import amounts
from slo_engine.charts import month as pictures
from slo_engine.definitions.money import Budget
from slo_engine.definitions.targets import error_budget
from slo_engine.reports.model import WHOLE, Incident, ModelSpend, Outcome, Report, Spending

MOST_PICTURES = 24
"""Of budgets: those of which the least is left. The table has them all."""

MOST_MODELS = 12
"""Rows of one spend; the others are added up."""

MOST_INCIDENTS = 200

_MOST_NAMED = 5

_MARKDOWN = re.compile(r"[\\`*\[\]<>|~]")
"""What would make more than text of it, in a table or outside."""


def as_html(report: Report) -> str:
    """One file that needs no other: styles and pictures are in it, and there are no scripts."""
    drawn = {"budget_pictures": [*_budget_pictures(report)], "spend_pictures": [*_spend_pictures(report)]}
    return _template("report.html.j2", is_html=True, report=report, **drawn)


def as_markdown(report: Report) -> str:
    """The same in tables, without the pictures."""
    return _template("report.md.j2", is_html=False, report=report)


def summary(report: Report) -> list[str]:
    """A few lines: the verdict, what was missed, the money, the incidents, what the figures do not see."""
    lines = [f"{report.month.title}: {report.verdict}."]
    for outcome in ordered(report)[:_MOST_NAMED]:
        if outcome.met is False:
            lines.append(f"Missed: {outcome.name}, {_shortly(outcome)}.")
        elif outcome.met is None:
            lines.append(f"Not known: {outcome.name}, {outcome.reason}.")
    lines += [f"Spent: {each.outcome.name}, {_of_allowance(each.outcome)}." for each in _dearest(report)]
    if report.incidents is not None:
        lines.append(f"{_incidents(report.incidents)}.")
    if report.remarks:
        number = len(report.remarks)
        are = "s on what the figures do not see are" if number > 1 else " on what the figures do not see is"
        lines.append(f"{number} remark{are} in the report.")
    return [_printable(line) for line in lines]


def ordered(report: Report) -> list[Outcome]:
    """What was missed first, then what is not known; of each kind the one with the least budget left."""

    def urgency(outcome: Outcome) -> tuple[int, float, str]:
        rank = 1 if outcome.met is None else 2 if outcome.met else 0
        left = outcome.budget_remaining
        return rank, math.inf if left is None else left, outcome.name

    return sorted(report.outcomes, key=urgency)


def attained(outcome: Outcome) -> str:
    """Cut, not rounded: 97.999 % of 98 % is not 98.00 %, and with one error it is never 100 %."""
    if outcome.attained is None:
        return "-"
    digits = 2
    while digits < 6 and round(outcome.objective or 0.0, digits - 1) != outcome.objective:
        digits += 1
    size = 10**digits
    return f"{math.floor(outcome.attained * 100 * size + 1e-6) / size:.{digits}f} %"


def _shortly(outcome: Outcome) -> str:
    if outcome.is_spend:
        return _of_allowance(outcome)
    return f"{attained(outcome)} of {outcome.objective:g} %, budget {_left(outcome)}"


def _of_allowance(outcome: Outcome) -> str:
    """``2,710.00 USD of 3,000.00 USD (90.3 %)``"""
    allowance = outcome.allowance
    if allowance is None:
        return "-"
    spent = Budget(outcome.errors, allowance.currency)
    return f"{_money(spent)} of {allowance} ({amounts.percent(outcome.errors / allowance.amount)})"


def _left(outcome: Outcome) -> str:
    if outcome.budget_remaining is None:
        return "not known"
    at_most = "at most " if outcome.unpriced_models and outcome.budget_remaining > 0 else ""
    return f"{at_most}{amounts.budget_left(outcome.budget_remaining)}"


def _money(budget: Budget) -> str:
    return f"0 {budget.currency}" if budget.amount <= 0 else str(budget)


def _count(number: float) -> str:
    return f"{number:,.0f}" if number >= 100 or number == round(number) else f"{number:.3g}"


def _recorded(outcome: Outcome) -> str:
    """``all``, or how much of the month."""
    if outcome.coverage >= WHOLE:
        return "all"
    since = f", since {_day(outcome.since)}" if outcome.since else ""
    return f"{outcome.coverage * 100:.3g} %{since}" if outcome.coverage else "nothing"


def _worst(outcome: Outcome) -> str:
    worst = outcome.worst_day
    return "-" if worst is None else f"{_day(worst.date)}: {amounts.share(worst.share)}"


def _day(day: date) -> str:
    return f"{day.day} {day:%b}"


def _incidents(found: tuple[Incident, ...]) -> str:
    """``3 incidents, 1 of which goes on; of the others the longest for 2 h: SLOErrorBudgetBurn``"""
    if not found:
        return "No incidents"
    said = f"{len(found)} incident{'s' if len(found) > 1 else ''}"
    if open_ones := sum(each.length is None and each.is_open for each in found):
        said += f", {open_ones} of which {'go' if open_ones > 1 else 'goes'} on"
    over = [(each.length, each.title) for each in found if each.length is not None]
    if not over:
        return said
    length, title = max(over)
    longest = "; of the others the longest" if open_ones else ", the longest"
    return f"{said}{longest} for {amounts.about(length)}: {title}"


def _length(incident: Incident) -> str:
    if incident.length is not None:
        return amounts.about(incident.length)
    return "goes on" if incident.is_open else "end not known"


def _dearest(report: Report) -> list[Spending]:
    return sorted(report.spend, key=lambda each: each.outcome.budget_remaining or 0.0)[:_MOST_NAMED]


def _models(spending: Spending) -> list[tuple[str, float]]:
    """Names and amounts: the largest, the others added up, and what is not known by model."""
    rows = [(_model(each), each.spent) for each in spending.models[:MOST_MODELS]]
    if rest := spending.models[MOST_MODELS:]:
        rows.append((f"{len(rest)} others", math.fsum(each.spent for each in rest)))
    if spending.models and spending.rest > 0.01 * spending.outcome.errors:
        rows.append(("not known by model", spending.rest))
    return rows


def _model(each: ModelSpend) -> str:
    return " in ".join(part for part in (each.model, each.who) if part) or "all"


def _budget_pictures(report: Report) -> Iterator[str]:
    days_in_month = round((report.month.end - report.month.start).total_seconds() / 86_400)
    shown = [each for each in ordered(report) if each.budget_remaining is not None][:MOST_PICTURES]
    services = {each.service for each in report.outcomes}
    for outcome in shown:
        verdict = outcome.verdict if outcome.met is not None else f"{outcome.verdict}: {outcome.reason}"
        # There is little room: where all are of one service, it goes without saying.
        title = outcome.name if len(services) > 1 else outcome.name.removeprefix(f"{outcome.service} ")
        drawn = pictures.budget(_printable(title), _burn_down(outcome), days_in_month, _printable(verdict))
        yield Markup(drawn)  # noqa: S704 - it escapes its texts


def _burn_down(outcome: Outcome) -> list[pictures.BudgetDay]:
    """Day by day, against the budget of all events of the month."""
    allowed = error_budget(outcome.objective) * outcome.events
    budget = outcome.allowance.amount if outcome.allowance else allowed
    used, found = 0.0, []
    for day in outcome.days:
        used += day.errors
        found.append(
            pictures.BudgetDay(day.date, 1 - used / budget if day.recorded else None, day.recorded / day.minutes)
        )
    return found


def _spend_pictures(report: Report) -> Iterator[str]:
    """One an SLO: two may count the same money."""
    days_in_month = round((report.month.end - report.month.start).total_seconds() / 86_400)
    slos: defaultdict[tuple[str, str, str], list[Spending]] = defaultdict(list)
    for each in report.spend:
        slos[(each.outcome.service, each.outcome.slo, each.currency)].append(each)
    for (service, slo, currency), spends in sorted(slos.items()):
        days = [day.date for day in spends[0].outcome.days]
        models: dict[str, list[float]] = {}
        for model in (model for spending in spends for model in spending.models):
            own = models.setdefault(_printable(model.model or "no model"), [0.0] * len(days))
            for index, day in enumerate(days):
                own[index] += model.by_day.get(day, 0.0)
        if any(sum(own) > 0 for own in models.values()):
            title = f"{service} {slo}: {currency} by day and model"
            yield Markup(pictures.spend(title, currency, days, days_in_month, models))  # noqa: S704 - it escapes its texts


def _template(name: str, *, is_html: bool, report: Report, **values: object) -> str:
    def when(seconds: float) -> str:
        at = datetime.fromtimestamp(seconds, report.month.zone)
        return f"{_day(at)} {at:%H:%M}"

    environment = Environment(
        loader=PackageLoader("slo_engine.reports"),
        undefined=StrictUndefined,
        autoescape=is_html,  # noqa: S701 - Markdown has an escape of its own
        trim_blocks=True,
        lstrip_blocks=True,
    )
    environment.filters |= {
        "attained": attained,
        "count_of": _count,
        "day": _day,
        "left": _left,
        "length_of": _length,
        "models": _models,
        "money": _money,
        "of_allowance": _of_allowance,
        "percent": amounts.percent,
        "recorded": _recorded,
        "said": _printable if is_html else _in_markdown,
        "when": when,
        "worst": _worst,
    }
    shown = (report.incidents or ())[:MOST_INCIDENTS]
    return environment.get_template(name).render(
        report=report,
        outcomes=ordered(report),
        spends=sorted(report.spend, key=lambda each: (each.outcome.service, each.outcome.slo, -each.outcome.errors)),
        incidents=shown,
        more_incidents=len(report.incidents or ()) - len(shown),
        said_incidents=None if report.incidents is None else _incidents(report.incidents),
        made_at=amounts.minute(report.made_at),
        Money=Budget,
        **values,
    )


def _printable(text: str) -> str:
    """One line, without what would steer a terminal or turn the direction of the text."""
    return "".join(letter if letter.isprintable() else " " for letter in text)


def _in_markdown(text: str) -> str:
    return _MARKDOWN.sub(lambda found: f"\\{found[0]}", _printable(text))
