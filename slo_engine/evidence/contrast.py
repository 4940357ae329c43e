"""What sets failing runs of an agent apart from healthy ones: a prompt version, a model and a tool together. Pure.

A false cause is worse than none, so a trait has to be significant among all that could have been found, frequent among
failing runs, much rarer among healthy ones, and not as bad before. The simplest that explains most comes first; what it
explains is set aside, and the rest is searched again.
"""

from __future__ import annotations

import math
from collections.abc import Iterable
from dataclasses import dataclass

from slo_engine.evidence.crosstab import Attributes, Cell, Crosstab
from slo_engine.evidence.rise import rose_no_more_than
from slo_engine.evidence.trait_search import Candidate, TraitSearch

MAX_TRAITS = 3
"""More nobody reads in a notification."""

MIN_FAILING = 5
"""Failing runs that must have a trait: fewer may be one user who tries again."""

MIN_COVERAGE = 0.1
"""Of all failing runs. What is rarer may fail as well, but it is not why an alert fired."""


@dataclass(frozen=True)
class Trait:
    """Attributes that failing runs have and healthy ones lack. Its shares and rates are those of all runs compared."""

    attributes: Attributes
    """One to three."""
    failing_share: float
    """Of the failing runs, those that have them all."""
    healthy_share: float
    """Of the healthy runs, those that have them all."""
    failure_rate: float
    """Of the runs that have them all, those that fail."""
    failure_rate_elsewhere: float
    """Of the other runs, those that fail."""
    q_value: float
    """The share of false ones to expect among traits that look at least as good."""
    confounded_with: tuple[Attributes, ...]
    """Other attributes of nearly the same runs, at most three: nothing here can tell which of them it is."""


@dataclass(frozen=True)
class Contrast:
    """Failing runs beside healthy ones."""

    traits: tuple[Trait, ...]
    """What explains most failing runs first. Empty: no clear cause."""
    failing: int
    """Failing runs compared."""
    healthy: int
    """Healthy runs compared."""
    healthy_weight: float
    """Healthy runs that these stand for."""


def explain(cells: Iterable[Cell], *, before: Iterable[Cell] = (), alpha: float = 0.01) -> Contrast:
    """What failing runs have in common that healthy ones lack.

    ``cells``: the runs of the incident, in any order and one by one or summed up. ``before``: runs from before it; what
    failed as much among these explains nothing new. ``alpha`` bounds the share of false traits.
    """
    now = list(cells)
    failing = sum(cell.failing for cell in now)
    support = max(MIN_FAILING, math.ceil(MIN_COVERAGE * failing))
    table = Crosstab(now, list(before), support=support)
    found: list[tuple[Candidate, list[Candidate]]] = []
    left = table.all_cells
    while len(found) < MAX_TRAITS:
        search = TraitSearch(table, left, alpha=alpha)
        best = search.best()
        if best is None:
            break
        found.append((best, search.confounded_with(best)))
        left &= ~best.cells
    return Contrast(
        tuple(
            _trait(table, best, confounded)
            for best, confounded in found
            # Only now is it known which runs no trait explains.
            if not rose_no_more_than(table, best.cells, left, alpha=alpha)
        ),
        failing,
        sum(cell.healthy for cell in now),
        table.now.weight,
    )


def _trait(table: Crosstab, found: Candidate, confounded: list[Candidate]) -> Trait:
    cells = table.cells_with_all(found.pairs)
    inside, everything = table.now.count(cells), table.now.count(table.all_cells)
    return Trait(
        attributes=dict(found.pairs),
        failing_share=inside.failing / everything.failing,
        healthy_share=inside.weighted / everything.weighted if everything.weighted else 0.0,
        failure_rate=table.now.failure_rate(cells),
        failure_rate_elsewhere=table.now.failure_rate(table.all_cells & ~cells),
        q_value=found.q_value,
        confounded_with=tuple(dict(each.pairs) for each in confounded),
    )
