"""What each form does at one objective and one traffic: pages and tickets for nothing, and minutes until a full outage
pages."""

from __future__ import annotations

import math
import os
from collections.abc import Iterator, Mapping, Sequence
from concurrent.futures import ProcessPoolExecutor, as_completed
from dataclasses import dataclass
from statistics import median

from benchmarks.policies.firing import Seen, episodes, every, first
from benchmarks.policies.forms import BOUND, FORMS, TEXTBOOK
from benchmarks.policies.traffic import full_outage, steady
from slo_engine.backtest.firing import Condition
from slo_engine.definitions.policies import Severity
from slo_engine.definitions.targets import error_budget

OBJECTIVES = (80.0, 90.0, 95.0, 98.0, 99.0, 99.9, 99.99)
PER_HOUR = (1, 3, 10, 30, 60, 100, 300, 1000)
SEEDS = 20
DAYS = 360
MONTH = 30

LEAD_DAYS = 30
"""Windows of 3 d are full by then, and a budget of 30 d has seen what it will go on seeing."""

OUTAGES = 10
"""Full outages for each seed."""

_HEALTHY_DAYS, _OUTAGE_DAYS = 1, 3


@dataclass(frozen=True)
class Plan:
    """How much is simulated."""

    objectives: Sequence[float] = OBJECTIVES
    per_hour: Sequence[int] = PER_HOUR
    seeds: int = SEEDS
    days: int = DAYS


@dataclass(frozen=True, eq=False)
class Cell:
    """One objective (in percent) and one traffic. Mappings are by the name of the form."""

    objective: float
    per_hour: int
    pages: Mapping[str, float]
    """A month, while the true error ratio is exactly the budget."""
    tickets: Mapping[str, float]
    outage: Mapping[str, Sequence[float]]
    """Minutes until a full outage pages, of each outage; infinite: not within three days."""
    later: Mapping[str, Sequence[float]]
    """For each page tier (``page 1h/5m``) the minutes by which it is later with the bound, of each outage."""

    def minutes(self, form: str) -> float:
        """The median of the minutes until a full outage pages."""
        return median(self.outage[form])

    @property
    def name(self) -> str:
        """``99.9 %, 30/h``."""
        return f"{self.objective:g} %, {self.per_hour}/h"


def measure(plan: Plan) -> Iterator[Cell]:
    """All cells, as they are done: on all processors, as many as there are."""
    cells = [(objective, per_hour) for per_hour in sorted(plan.per_hour) for objective in plan.objectives]
    with ProcessPoolExecutor(os.cpu_count()) as workers:
        waiting = [workers.submit(cell, *each, plan.seeds, plan.days) for each in cells]
        for done in as_completed(waiting):
            yield done.result()


def cell(objective: float, per_hour: int, seeds: int, days: int) -> Cell:
    """One cell."""
    budget = error_budget(objective)
    conditions = {name: tuple(form.conditions(budget)) for name, form in FORMS.items()}
    false: dict[tuple[str, Severity], int] = dict.fromkeys(((name, s) for name in FORMS for s in _SEVERITIES), 0)
    outage: dict[str, list[float]] = {name: [] for name in FORMS}
    later: dict[str, list[float]] = {}
    for seed in range(seeds):
        healthy = Seen(steady(seed, per_hour, budget, days, LEAD_DAYS))
        for name, severity in false:
            false[name, severity] += _episodes(conditions[name], severity, healthy)
        for number in range(OUTAGES):
            failing = Seen(full_outage(seed, number, per_hour, _OUTAGE_DAYS, _HEALTHY_DAYS))
            soonest = {name: _soonest(conditions[name], failing) for name in FORMS}
            for name, of_tiers in soonest.items():
                outage[name].append(min(of_tiers.values()))
            for tier, minutes in soonest[BOUND.name].items():
                if math.isfinite(textbook := soonest[TEXTBOOK.name][tier]):
                    later.setdefault(tier, []).append(minutes - textbook)
    months = seeds * days / MONTH
    pages, tickets = ({name: false[name, severity] / months for name in FORMS} for severity in _SEVERITIES)
    return Cell(objective, per_hour, pages, tickets, outage, later)


_SEVERITIES: tuple[Severity, ...] = ("page", "ticket")


def _episodes(conditions: Sequence[Condition], severity: Severity, seen: Seen) -> int:
    of_it = [each for each in conditions if each.tier.severity == severity]
    return episodes((seen.fires(each) for each in of_it), max(every(each) for each in of_it))


def _soonest(conditions: Sequence[Condition], seen: Seen) -> dict[str, float]:
    """Minutes until each page tier fires."""
    pages = [each for each in conditions if each.tier.severity == "page"]
    return {str(each.tier): first([seen.fires(each)]) for each in pages}
