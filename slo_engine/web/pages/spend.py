"""``/spend``: budgets of money, what they come to at this rate, and who spends it on which model."""

from __future__ import annotations

import threading
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Final

from fastapi import APIRouter, Request
from fastapi.responses import Response

from slo_engine.definitions.targets import begins_anew
from slo_engine.prometheus import PrometheusError, finite
from slo_engine.status.model import SloStatus
from slo_engine.web.incidents import Told
from slo_engine.web.known_incidents import newest_told, read_incidents
from slo_engine.web.pages.rendering import page
from slo_engine.web.services import NeedsServices, Services

router = APIRouter()

MOST_MODELS: Final = 50
MOST_COSTLY: Final = 10

_FRESH_SECONDS: Final = 60.0

COST: Final = "llm_cost_usd_total"
"""The counter of the library that agents import."""


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
    """An agent, and a model that it asks."""

    agent: str
    model: str
    spent: float
    share: float


@router.get("/spend", include_in_schema=False)
def spend_page(request: Request, services: NeedsServices) -> Response:
    """By budget, by agent and model, and what the notifications said."""
    at = datetime.now(UTC)
    tables: dict[str, list[Budgeted]] = {}
    for each in budgets_of_money(services, at):
        assert each.status.budget is not None
        tables.setdefault(each.status.budget.currency, []).append(each)
    found = spenders(services, at)
    return page(
        request,
        services,
        "spend.html.j2",
        tables=tables,
        models=found.spenders,
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
    query: str
    failure: str | None


class _Asked:
    """What Prometheus answered last: in an outage many look at this page, and none of them shall wait for another one's
    query. Thread-safe."""

    def __init__(self) -> None:
        self._asking = threading.Lock()
        self._known: dict[int, tuple[float, Spenders]] = {}

    def of(self, services: Services, at: datetime) -> Spenders:
        """Not older than a minute, where nobody is asking."""
        key = id(services)
        known = self._known.get(key)
        if known is not None and 0 <= at.timestamp() - known[0] < _FRESH_SECONDS:
            return known[1]
        if not self._asking.acquire(blocking=False):
            return known[1] if known is not None else Spenders((), "", "Prometheus is being asked: look again")
        try:
            query = f"sum by (agent_type, model) (increase({COST}[{_since_the_first(at)}]))"
            found, failure = _models(services, query, at)
            answer = Spenders(found, query, failure)
            self._known = {key: (at.timestamp(), answer)}
            return answer
        finally:
            self._asking.release()


_ASKED: Final = _Asked()


def spenders(services: Services, at: datetime) -> Spenders:
    """Who spends on which model, the most first."""
    return _ASKED.of(services, at)


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


def _models(services: Services, query: str, at: datetime) -> tuple[Sequence[Spender], str | None]:
    if services.prometheus is None:
        return (), None
    try:
        samples = finite(services.prometheus.query(query, at).samples)
    except PrometheusError as error:
        return (), str(error)
    total = sum(each.value for each in samples) or 1.0
    found = [
        Spender(_label(each.labels, "agent_type"), _label(each.labels, "model"), each.value, each.value / total)
        for each in samples
        if each.value > 0
    ]
    return sorted(found, key=lambda each: -each.spent)[:MOST_MODELS], None


def _label(labels: Mapping[str, str], name: str) -> str:
    return labels.get(name) or "not told"


def _costly(services: Services) -> Sequence[tuple[Told, str]]:
    """What the evidence of incidents of money said."""
    found = []
    for shown in newest_told(services, read_incidents(services), 100, time.time()):
        texts = [(subject.get("texts") or {}).get("spend") for subject in shown.enrichment.get("subjects") or ()]
        if said := "\n".join(text for text in texts if text):
            found.append((shown, said))
    return found[:MOST_COSTLY]
