"""``/spend``: budgets of money, what they come to at this rate, and who spends it on which model."""

from __future__ import annotations

import time
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from functools import partial
from typing import Final, Literal

from fastapi import APIRouter, Request
from fastapi.responses import Response

from slo_engine.definitions.targets import begins_anew
from slo_engine.prometheus import PrometheusError, Sample, finite
from slo_engine.status.model import SloStatus
from slo_engine.web.asking import Asking
from slo_engine.web.incidents import Told, subjects_of
from slo_engine.web.known_incidents import newest_told, read_incidents
from slo_engine.web.pages.rendering import page
from slo_engine.web.services import NeedsServices, Services

router = APIRouter()

MOST_SPENDERS: Final = 50
MOST_COSTLY: Final = 10

COST: Final = "llm_cost_usd_total"
"""The counter of the library that agents import."""

NOT_TOLD: Final = "not told"
"""In place of a label that is not there."""


@dataclass(frozen=True)
class Budgeted:
    """A budget of money."""

    status: SloStatus
    spent: float
    budget: float
    forecast: float | None
    """What is spent by the end of the month or, for a rolling window, in one, at the rate of "exhausts at"."""
    forecast_for: str
    hour: float | None
    """Spent in the last hour."""

    @property
    def used(self) -> float:
        """The share of the budget that is spent."""
        return self.spent / self.budget if self.budget else 0.0


@dataclass(frozen=True)
class Spender:
    """Who spends. What it is the sum over is None."""

    service: str | None
    """The ``job`` of Prometheus."""
    agent: str | None
    model: str | None
    spent: float
    share: float
    forecast: float
    """What it comes to by the end of the month at the rate of the last day."""


By = Literal["all", "service", "agent", "model"]

_LABELS: Final[Mapping[str, str]] = {"service": "job", "agent": "agent_type", "model": "model"}

_COLUMNS: Final[Mapping[By, tuple[str, ...]]] = {
    "all": tuple(_LABELS),
    **{each: (each,) for each in ("service", "agent", "model")},
}


@router.get("/spend", include_in_schema=False)
def spend_page(request: Request, services: NeedsServices, by: By = "all") -> Response:
    """By budget; by service, agent and model; and what the notifications said."""
    at = datetime.now(UTC)
    tables: dict[str, list[Budgeted]] = {}
    for each in budgets_of_money(services, at):
        assert each.status.budget is not None
        tables.setdefault(each.status.budget.currency, []).append(each)
    found = spenders(services, at, by)
    return page(
        request,
        services,
        "spend.html.j2",
        tables=tables,
        spenders=found.spenders,
        left_out=found.total - len(found.spenders),
        by=by,
        choices=list(_COLUMNS),
        columns=_COLUMNS[by],
        query=found.query,
        failure=found.failure,
        costly=_costly(services),
    )


def budgets_of_money(services: Services, at: datetime) -> list[Budgeted]:
    """The most used first."""
    found = [_budgeted(services, each, at) for each in services.board.statuses if each.budget and each.events]
    return sorted(found, key=lambda each: -each.used)


@dataclass(frozen=True)
class Spenders:
    """Since the first of the month, and what it comes from."""

    spenders: Sequence[Spender]
    total: int
    """How many there are, those that are not among them included."""
    query: str
    failure: str | None


@dataclass(frozen=True)
class _Asked:
    """What Prometheus answered: spent since the first of the month and in the last day, by the values of all labels."""

    month: Mapping[tuple[str, ...], float] = field(default_factory=dict)
    day: Mapping[tuple[str, ...], float] = field(default_factory=dict)
    query: str = ""
    failure: str | None = "Prometheus is being asked: look again"


_ASKING: Final = Asking[_Asked]()


def spenders(services: Services, at: datetime, by: By = "all") -> Spenders:
    """Who spends on which model, the most first."""
    asked = _ASKING.of(id(services), partial(_ask, services, at), _Asked())
    columns = _COLUMNS[by]
    month, day = _summed(asked.month, columns), _summed(asked.day, columns)
    total = sum(month.values()) or 1.0
    days_left = (_end_of_month(at) - at) / timedelta(days=1)
    found = [
        Spender(
            **{each: dict(zip(columns, key, strict=True)).get(each) for each in _LABELS},
            spent=spent,
            share=spent / total,
            forecast=spent + day.get(key, 0.0) * days_left,
        )
        for key, spent in month.items()
        if spent > 0
    ]
    shown = sorted(found, key=lambda each: -each.spent)[:MOST_SPENDERS]
    return Spenders(shown, len(found), asked.query, asked.failure)


def _summed(amounts: Mapping[tuple[str, ...], float], columns: Sequence[str]) -> dict[tuple[str, ...], float]:
    kept = [list(_LABELS).index(each) for each in columns]
    found: dict[tuple[str, ...], float] = {}
    for key, amount in amounts.items():
        shown = tuple(key[index] for index in kept)
        found[shown] = found.get(shown, 0.0) + amount
    return found


def _budgeted(services: Services, status: SloStatus, at: datetime) -> Budgeted:
    assert status.budget is not None
    assert status.events is not None
    slo = services.slos.active.slos.find(status.service, status.slo)
    budget, spent = status.budget.amount, status.events.errors
    anew = begins_anew(slo.target, at) if slo is not None else None
    window = slo.window.seconds if slo is not None else 30 * 86_400.0
    # A burn rate of 1 spends the budget in a window. The same windows as of when it exhausts: of a young budget a long
    # one says too little.
    windows = [str(each) for each in slo.target.forecast_windows] if slo is not None else ["1h"]
    pace = max((status.burn_rate[each] for each in windows if each in status.burn_rate), default=None)
    hour = status.burn_rate.get("1h")
    forecast, name = None, ""
    if pace is not None and anew is not None:
        forecast, name = spent + pace * budget * (anew - at).total_seconds() / window, "by the end of the month"
    elif pace is not None:
        forecast, name = pace * budget, f"in {status.window}"
    return Budgeted(status, spent, budget, forecast, name, None if hour is None else hour * budget * 3600 / window)


def _since_the_first(at: datetime) -> str:
    first = at.replace(day=1, hour=0, minute=0, second=0, microsecond=0)
    return f"{max(60, round((at - first) / timedelta(minutes=1)) * 60)}s"


def _end_of_month(at: datetime) -> datetime:
    in_the_next = at.replace(day=1, hour=0, minute=0, second=0, microsecond=0) + timedelta(days=32)
    return in_the_next.replace(day=1)


def _ask(services: Services, at: datetime) -> _Asked:
    labels = ", ".join(_LABELS.values())
    month, day = (f"sum by ({labels}) (increase({COST}[{span}]))" for span in (_since_the_first(at), "1d"))
    if services.prometheus is None:
        return _Asked(query=month, failure=None)
    try:
        found = [finite(services.prometheus.query(each, at).samples) for each in (month, day)]
    except PrometheusError as error:
        return _Asked(query=month, failure=str(error))
    of_month, of_day = (_by_labels(samples) for samples in found)
    return _Asked(of_month, of_day, month, None)


def _by_labels(samples: Iterable[Sample]) -> dict[tuple[str, ...], float]:
    found: dict[tuple[str, ...], float] = {}
    for each in samples:
        key = tuple(each.labels.get(name) or NOT_TOLD for name in _LABELS.values())
        found[key] = found.get(key, 0.0) + max(each.value, 0.0)
    return found


def _costly(services: Services) -> Sequence[tuple[Told, str]]:
    """What the evidence of incidents of money said."""
    found = []
    for shown in newest_told(services, read_incidents(services), 100, time.time()):
        texts = [(subject.get("texts") or {}).get("spend") for subject in subjects_of(shown.enrichment)]
        if said := "\n".join(text for text in texts if text):
            found.append((shown, said))
    return found[:MOST_COSTLY]
