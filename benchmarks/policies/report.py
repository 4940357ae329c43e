"""What the cells say: tables, and the figures that are held to a limit."""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from statistics import median

from benchmarks.figure import Figure
from benchmarks.policies.cells import Cell
from benchmarks.policies.forms import AGENT, BOUND, FORMS, TEXTBOOK

FALSE_PAGES = 0.2
"""Pages for nothing a month, in each cell."""

TOLD_WITHIN, TOLD_FROM = 10.0, 60
"""Minutes until a full outage pages, from so many runs an hour on, at each objective."""

LATER, LATER_FROM = 2.0, 30
"""Minutes by which a page tier may be later than its textbook form, from so many runs an hour on."""

_JUST_ABOVE = 1e-9
"""A figure is reached when it is below its limit, and these limits may be met."""


def tables(cells: Sequence[Cell]) -> Iterator[str]:
    """Each form at each objective (down) and traffic (across)."""
    for form in FORMS:
        yield f"{form}: pages for nothing a month; minutes until a full outage pages, median (worst)"
        yield from _table({cell: _pages(cell, form) for cell in cells})
    for form in (TEXTBOOK.name, BOUND.name):
        yield f"{form}: tickets for nothing a month"
        yield from _table({cell: f"{cell.tickets[form]:.2f}" for cell in cells})
    yield "minutes by which a page tier is later with the bound, median: 1h/5m; 6h/30m"
    yield from _table({cell: "; ".join(f"{median(each):g}" for each in cell.later.values()) for cell in cells})


def figures(cells: Sequence[Cell]) -> Iterator[Figure]:
    """The figures that are held to a limit, beside the same of the textbook form."""
    for form in (BOUND.name, AGENT.name):
        worst = max(cells, key=lambda cell: cell.pages[form])
        textbook = max(cells, key=lambda cell: cell.pages[TEXTBOOK.name])
        beside = f"at {worst.name}; textbook {textbook.pages[TEXTBOOK.name]:.1f} at {textbook.name}"
        yield _at_most(f"pages for nothing, {form}", worst.pages[form], "a month", FALSE_PAGES, beside)
    busy = [cell for cell in cells if cell.per_hour >= TOLD_FROM]
    if busy:
        slowest = max(busy, key=lambda cell: cell.minutes(AGENT.name))
        textbook = max(busy, key=lambda cell: cell.minutes(TEXTBOOK.name))
        beside = f"at {slowest.name}; textbook {_minutes(textbook.minutes(TEXTBOOK.name))} at {textbook.name}"
        name = f"full outage from {TOLD_FROM} runs/h on, median"
        yield _at_most(name, slowest.minutes(AGENT.name), "min", TOLD_WITHIN, beside)
        worst = max(busy, key=lambda cell: max(cell.outage[AGENT.name]))
        all_of_them = [minutes for cell in busy for minutes in cell.outage[AGENT.name]]
        late = sum(minutes > TOLD_WITHIN for minutes in all_of_them) / len(all_of_them)
        beside = f"at {worst.name}; {late * 100:.2g} % of outages take longer than {TOLD_WITHIN:g} min"
        yield Figure(f"full outage from {TOLD_FROM} runs/h on, worst", max(all_of_them), "min", None, beside)
    yield from _delays([cell for cell in cells if cell.per_hour >= LATER_FROM])


@dataclass(frozen=True)
class _Delay:
    cell: Cell
    tier: str
    minutes: float

    def __str__(self) -> str:
        return f"{self.tier} {self.minutes:g} at {self.cell.name}"


def _delays(cells: Sequence[Cell]) -> Iterator[Figure]:
    found = [_Delay(cell, tier, median(each)) for cell in cells for tier, each in cell.later.items()]
    if found:
        yield _latest(f"page tier later, from {LATER_FROM} runs/h on", found, LATER)
    # Where one failure is above the threshold by itself, the textbook form pages soon, and mostly for nothing.
    sound = [delay for delay in found if delay.cell.pages[TEXTBOOK.name] <= FALSE_PAGES]
    if sound:
        yield _latest(f"the same where textbook pages <= {FALSE_PAGES:g} for nothing", sound, None)


def _latest(name: str, found: Sequence[_Delay], limit: float | None) -> Figure:
    late = sorted((delay for delay in found if delay.minutes > LATER), key=lambda delay: -delay.minutes)
    beside = "; ".join(map(str, late)) or f"of {len(found)} tiers"
    worst = max(delay.minutes for delay in found)
    return Figure(name, worst, "min", None, beside) if limit is None else _at_most(name, worst, "min", limit, beside)


def _at_most(name: str, value: float, unit: str, limit: float, beside: str) -> Figure:
    return Figure(name, value, unit, limit + _JUST_ABOVE, beside)


def _pages(cell: Cell, form: str) -> str:
    return f"{cell.pages[form]:.2f}; {_minutes(cell.minutes(form))} ({_minutes(max(cell.outage[form]))})"


def _table(said: Mapping[Cell, str]) -> Iterator[str]:
    rates = sorted({cell.per_hour for cell in said})
    by_place = {(cell.objective, cell.per_hour): text for cell, text in said.items()}
    width = max(10, *(len(text) + 2 for text in said.values()))
    yield f"{'runs/h':>10}" + "".join(f"{rate:>{width}}" for rate in rates)
    for objective in sorted({cell.objective for cell in said}):
        yield f"{objective:>8g} %" + "".join(f"{by_place.get((objective, rate), ''):>{width}}" for rate in rates)
    yield ""


def _minutes(minutes: float) -> str:
    return f"{minutes:g}" if math.isfinite(minutes) else "-"
