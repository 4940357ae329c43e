"""``slo_status``: which error budgets burn."""

from __future__ import annotations

from typing import Annotated

from pydantic import BaseModel, ConfigDict, Field

from slo_engine import amounts
from slo_engine.status.model import SloStatus
from slo_engine.web.assistants import queries
from slo_engine.web.assistants.answers import AskedWronglyError, Packed, cut, digits, labels, name, query, quoted
from slo_engine.web.budgets import rows
from slo_engine.web.services import Services

WINDOWS = ("5m", "1h", "6h")

MOST_FIRING = 4
"""Alerts of one group that are named."""


class SloStatusArguments(BaseModel):
    """What is asked for."""

    model_config = ConfigDict(extra="forbid")

    service: Annotated[str | None, Field(description="Only this service.")] = None
    slo: Annotated[str | None, Field(description="Only SLOs of this name.")] = None
    firing_only: Annotated[bool, Field(description="Only groups with an alert that fires.")] = False
    limit: Annotated[int, Field(ge=1, le=50, description="At most so many groups; fewer if they do not fit.")] = 10


def slo_status(asked: SloStatusArguments, services: Services) -> Packed:
    """The groups that were asked for, the worst first, each with its queries."""
    slos, board = services.slos.active.slos, services.board
    statuses = board.statuses
    known = {slo.key for slo in slos.slos}
    if not any(asked.service in (None, key[0]) and asked.slo in (None, key[1]) for key in known):
        there = ", ".join(sorted(f"{service} {slo}" for service, slo in known)[:20]) or "none"
        raise AskedWronglyError(
            f"there is no SLO {asked.slo or ''} of service {asked.service or ''}; there are: {there}"
        )
    chosen = [
        status
        for status in statuses
        if asked.service in (None, status.service) and asked.slo in (None, status.slo)
        if status.firing or not asked.firing_only
    ]
    worst = [row.status for row in rows(chosen, slos, ())]
    return (
        Packed()
        .put("evaluated_at", board.evaluated_at and amounts.second(board.evaluated_at))
        .put("failure", quoted(board.failure))
        .put("note", None if statuses else "no status yet: the engine evaluates all SLOs once a minute")
        .put("groups", {"in_all": len(chosen), "firing": sum(bool(each.firing) for each in chosen)})
        .put("firing_query", queries.FIRING)
        .put_each("slos", map(_row, worst[: asked.limit]), more=max(0, len(worst) - asked.limit))
    )


def _row(status: SloStatus) -> dict[str, object]:
    data = status.as_json()
    left = status.error_budget_remaining
    windows = [window for window in WINDOWS if window in status.burn_rate]
    target = f"objective {status.objective:g} %" if status.objective is not None else f"budget {status.budget}"
    firing = [cut(each.remark, 30) for each in status.firing[:MOST_FIRING]]
    budget = queries.budget_left(data)
    return {
        "service": name(status.service),
        "slo": name(status.slo),
        "group": labels(status.group) or None,
        "target": f"{target} over {status.window}",
        "firing": firing or None,
        "budget": "no data" if left is None else amounts.budget_left(left),
        "budget_query": budget and query(budget),
        "measured": status.measured or None,
        "burn_rate": {window: digits(status.burn_rate[window]) for window in windows} or None,
        "burn_rate_query": query(queries.burn_rate(data, windows)) if windows else None,
        "exhausted_at": amounts.minute(status.exhausted_at) if status.exhausted_at and (left or 0) > 0 else None,
    }
