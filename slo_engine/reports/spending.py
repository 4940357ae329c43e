"""Money by agent and model.

What a group has spent is recorded to the cent. Which models it was spent on is recorded too where the SLO is divided by
model. Elsewhere the counter itself is asked, with ``increase``, which sees neither the first sample of a new series nor
what came between two scrapes of one that has gone: these amounts are near, and what they leave out is told.
"""

from __future__ import annotations

import math
from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from datetime import date

from slo_engine.definitions.labels import MODEL_LABELS, SERVICE, SLO
from slo_engine.definitions.slo import Slo
from slo_engine.definitions.traces import Spent
from slo_engine.reports.model import ModelSpend, Outcome, Spending

AGENT = "agent_type"
"""The label of :mod:`slo_engine.monitoring` that names the agent."""

ByDay = Mapping[date, Mapping[tuple[str, str], float]]
"""For each day, what was spent by (who, model)."""


def models_query(slos: Iterable[Slo], milliseconds: int) -> str | None:
    """The spend by model of all SLOs whose records do not tell models apart; None: there are none. One query, however
    many they are."""
    parts = []
    for slo in slos:
        spend = slo.sli.explained_by
        if not is_told_by_counter(slo) or not isinstance(spend, Spent):
            continue
        labels = ", ".join(dict.fromkeys((*slo.by, AGENT, *MODEL_LABELS)))
        spent = f"sum by ({labels}) (increase({spend.spend}[{milliseconds}ms]))"
        named = f'label_replace({spent}, "{SERVICE}", "{slo.service}", "", "")'
        parts.append(f'label_replace({named}, "{SLO}", "{slo.name}", "", "")')
    return " or ".join(parts) or None


def is_told_by_counter(slo: Slo) -> bool:
    """Whether the counter must be asked for the models."""
    return slo.target.budget is not None and not set(slo.by) & set(MODEL_LABELS)


def who_and_model(labels: Mapping[str, str], by: Sequence[str]) -> tuple[str, str]:
    """``("batch_agent", "claude-opus-4-1")``: the values of the group's labels and the agent, and the model."""
    model = next((labels[name] for name in MODEL_LABELS if labels.get(name)), "")
    others = dict.fromkeys(name for name in (*by, AGENT) if name not in MODEL_LABELS)
    return ", ".join(labels[name] for name in others if labels.get(name)), model


def spending_of(slo: Slo, outcome: Outcome, by_day: ByDay) -> Spending:
    """One group. ``by_day``: what the counter says, where it must be asked."""
    if not is_told_by_counter(slo):
        who, model = who_and_model(outcome.group, slo.by)
        own = {day.date: day.errors for day in outcome.days if day.recorded}
        models = (ModelSpend(who, model, outcome.errors, own),) if own else ()
        return Spending(outcome, models, is_exact=True)
    spent: defaultdict[tuple[str, str], dict[date, float]] = defaultdict(dict)
    for day, amounts_of_day in by_day.items():
        for key, amount in amounts_of_day.items():
            if amount > 0:
                spent[key][day] = amount
    found = [ModelSpend(who, model, math.fsum(days.values()), days) for (who, model), days in spent.items()]
    return Spending(outcome, tuple(sorted(found, key=lambda each: (-each.spent, each.who, each.model))), is_exact=False)
