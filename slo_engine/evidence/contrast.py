"""What sets failing runs apart from healthy ones. Pure."""

from __future__ import annotations

import math
from collections.abc import Iterable
from dataclasses import dataclass, replace
from itertools import combinations

from slo_engine.evidence.crosstab import Attributes, Cell, Count, Crosstab, Pair
from slo_engine.evidence.significance import benjamini_hochberg, fisher_greater, odds_ratio, split_gain

MAX_TRAITS = 3
MAX_PAIRS = 3
MAX_CONFOUNDED = 3
"""More than this nobody reads in a notification."""

MIN_FAILING = 5
"""Failing runs that must have a trait: fewer may be one user who tries again."""

MIN_COVERAGE = 0.1
MIN_ODDS_RATIO = 3.0
"""What is rarer among failing runs, or hardly more frequent there than among healthy ones, may be true, but is not why
an alert fired."""

ELEVATED_ODDS_RATIO = 2.0
"""From here on the remaining runs of a wider trait count as affected, too."""

MIN_RISE = 1.2
"""Times the odds of failing before, and times their rise among the other runs."""

MIN_GAIN_KEPT = 0.5
MOST = 0.5
"""A wider trait is preferred when it fits at least half as well, and most of the runs that it adds are affected."""

PRICE_OF_A_PAIR = 3.0
"""Nats by which a trait must fit better for each further pair: one likelihood ratio of 20."""

SAME_RUNS = 0.95
"""From this overlap on, two traits mark the same runs."""

MAX_VALUES = 60
"""Attribute values that are combined: those that fit best."""


@dataclass(frozen=True)
class Trait:
    """Attributes that failing runs have and healthy ones lack."""

    attributes: Attributes
    failing_share: float
    """Of the failing runs, those that have it."""
    healthy_share: float
    """Of all healthy runs, those that have it."""
    failure_rate: float
    """Of the runs that have it, those that fail."""
    failure_rate_elsewhere: float
    q_value: float
    """The share of false ones to expect among traits that look as good."""
    confounded_with: tuple[Attributes, ...]
    """Other attributes of the same runs: it may as well be these."""


@dataclass(frozen=True)
class Contrast:
    """Failing runs beside healthy ones."""

    traits: tuple[Trait, ...]
    """The one that explains most first. Empty: there is no clear cause."""
    failing: int
    healthy: int
    """How many runs were compared."""
    healthy_weight: float
    """How many healthy runs there were."""


def explain(cells: Iterable[Cell], *, before: Iterable[Cell] = (), alpha: float = 0.01) -> Contrast:
    """What failing runs have in common that healthy ones lack, and that did not fail as much ``before``.

    ``alpha`` bounds the share of false traits.
    """
    now = list(cells)
    failing = sum(cell.failing for cell in now)
    support = max(MIN_FAILING, math.ceil(MIN_COVERAGE * failing))
    table = Crosstab(now, list(before), support=support)
    found: list[tuple[_Candidate, tuple[Attributes, ...]]] = []
    left = table.all_cells
    while len(found) < MAX_TRAITS:
        search = _Search(table, left, support, alpha)
        best = search.best()
        if best is None:
            break
        found.append((best, search.confounded(best)))
        left &= ~best.cells
    traits = tuple(
        _trait(table, best, confounded) for best, confounded in found if not _rose_like(table, best.cells, left, alpha)
    )
    return Contrast(traits, failing, sum(cell.healthy for cell in now), table.now.weight)


@dataclass(frozen=True)
class _Candidate:
    pairs: tuple[Pair, ...]
    cells: int
    count: Count
    gain: float
    q_value: float = 1.0

    @property
    def worth(self) -> float:
        return self.gain - PRICE_OF_A_PAIR * (len(self.pairs) - 1)


class _Search:
    """For the one trait that explains most of the runs that no other has explained yet."""

    def __init__(self, table: Crosstab, left: int, support: int, alpha: float) -> None:
        self._table = table
        self._left = left
        self._support = support
        self._alpha = alpha
        self._all = table.now.count(left)
        self._candidates = self._tested(self._enriched())
        self._candidates.sort(key=lambda each: (-each.worth, each.pairs))

    def best(self) -> _Candidate | None:
        """None when nothing is clear."""
        fit = [each for each in self._candidates if self._is_clear(each)]
        if not fit:
            return None
        found = fit[0]
        while wider := next((each for each in fit if self._is_wider(each, found)), None):
            found = wider
        return found

    def confounded(self, found: _Candidate) -> tuple[Attributes, ...]:
        """What else marks the runs of ``found``."""
        others: list[_Candidate] = []
        for each in self._candidates:
            if (
                len(each.pairs) <= len(found.pairs)
                and not set(each.pairs) <= set(found.pairs)
                and self._are_same_runs(each, found)
            ):
                others.append(each)
        return tuple(dict(each.pairs) for each in others[:MAX_CONFOUNDED])

    def _enriched(self) -> list[_Candidate]:
        """Combinations that failing runs have more often than healthy ones, as have all of their parts."""
        singles = [
            found
            for pair, cells in self._table.cells_with.items()
            if (found := self._candidate((pair,), cells & self._left))
        ]
        singles = sorted(sorted(singles, key=lambda each: -each.gain)[:MAX_VALUES], key=lambda each: each.pairs)
        found, last = list(singles), singles
        for _ in range(MAX_PAIRS - 1):
            known = {each.pairs for each in last}
            last = [
                wider
                for each in last
                for single in singles
                if single.pairs[0][0] > each.pairs[-1][0]
                and all((*part, *single.pairs) in known for part in combinations(each.pairs, len(each.pairs) - 1))
                and (narrower := each.cells & single.cells) not in (each.cells, single.cells)
                and (wider := self._candidate((*each.pairs, *single.pairs), narrower))
            ]
            found += last
        return found

    def _candidate(self, pairs: tuple[Pair, ...], cells: int) -> _Candidate | None:
        if self._table.now.failing(cells) < self._support:
            return None
        inside = self._table.now.count(cells)
        outside = self._all - inside
        if odds_ratio(*_square(inside, outside)) <= 1:
            return None
        return _Candidate(pairs, cells, inside, split_gain(*_square(inside, outside)))

    def _tested(self, candidates: list[_Candidate]) -> list[_Candidate]:
        """With q-values: those of each number of pairs by themselves, so that simple traits do not pay for how many
        combinations there are. Those that could have been found count as tested: that few were is known from the same
        failing runs."""
        tested = []
        for size in range(1, MAX_PAIRS + 1):
            alike = [each for each in candidates if len(each.pairs) == size]
            p_values = [self._p_value(each) for each in alike]
            q_values = benjamini_hochberg(p_values, tested=self._table.possible(size))
            tested += [
                replace(each, q_value=min(1.0, MAX_PAIRS * q_value))
                for each, q_value in zip(alike, q_values, strict=True)
            ]
        return tested

    def _p_value(self, each: _Candidate) -> float:
        """That of failing more often than the runs outside, and more often than before: the larger one."""
        p_value = _p_value(each.count, self._all - each.count)
        # Before, no part of it may have failed as much: there may have been few runs with all of it.
        for size in range(len(each.pairs) + 1):
            for part in combinations(each.pairs, size):
                if p_value > self._alpha:
                    return p_value
                p_value = max(p_value, self._p_value_of_rise(each, part))
        return p_value

    def _p_value_of_rise(self, each: _Candidate, part: tuple[Pair, ...]) -> float:
        table, cells = self._table, self._left
        for pair in part:
            cells &= table.cells_with[pair]
        before = table.before.count(cells)
        if not _can_tell(each.count, before, self._alpha):
            return 0.0
        if table.now.odds(each.cells) < MIN_RISE * table.before.odds(cells):
            return 1.0
        return _p_value(each.count, before)

    def _is_clear(self, each: _Candidate) -> bool:
        return (
            each.q_value <= self._alpha and odds_ratio(*_square(each.count, self._all - each.count)) >= MIN_ODDS_RATIO
        )

    def _is_wider(self, each: _Candidate, found: _Candidate) -> bool:
        """Whether ``each`` has the runs of ``found`` and more that are affected, so that what ``found`` adds to it is
        not what matters."""
        now = self._table.now
        more = each.cells & ~found.cells
        lost = now.failing(found.cells & ~each.cells)
        if not more or lost > (1 - SAME_RUNS) * found.count.failing or each.gain < MIN_GAIN_KEPT * found.gain:
            return False
        outside = self._all - now.count(each.cells | found.cells)
        if not _are_affected(now.count(more), outside) or not _is_new(self._table, more, self._alpha):
            return False
        if _p_value(now.count(more), outside) > self._alpha:
            return False
        # All the others, too: with one affected value more, these are two causes.
        for name in sorted({name for name, _ in found.pairs} - {name for name, _ in each.pairs}):
            parts = [now.count(part) for part in self._table.parts(name, more)]
            affected = sum(part.runs for part in parts if _are_affected(part, outside))
            if affected < MOST * sum(part.runs for part in parts):
                return False
        return True

    def _are_same_runs(self, one: _Candidate, other: _Candidate) -> bool:
        both, either = self._table.now.count(one.cells & other.cells), self._table.now.count(one.cells | other.cells)
        same_failing = both.failing >= SAME_RUNS * either.failing
        same_healthy = both.weighted >= SAME_RUNS * either.weighted
        return same_failing and (same_healthy or abs(one.gain - other.gain) < PRICE_OF_A_PAIR)


def _trait(table: Crosstab, found: _Candidate, confounded: tuple[Attributes, ...]) -> Trait:
    cells = table.all_cells
    for pair in found.pairs:
        cells &= table.cells_with[pair]
    inside, everything = table.now.count(cells), table.now.count(table.all_cells)
    return Trait(
        attributes=dict(found.pairs),
        failing_share=inside.failing / everything.failing,
        healthy_share=inside.weighted / everything.weighted if everything.weighted else 0.0,
        failure_rate=table.now.failure_rate(cells),
        failure_rate_elsewhere=table.now.failure_rate(table.all_cells & ~cells),
        q_value=found.q_value,
        confounded_with=confounded,
    )


def _are_affected(inside: Count, outside: Count) -> bool:
    return odds_ratio(*_square(inside, outside)) >= ELEVATED_ODDS_RATIO


def _is_new(table: Crosstab, cells: int, alpha: float) -> bool:
    """Whether these runs fail more often than before, as far as those from before can tell."""
    now, before = table.now.count(cells), table.before.count(cells)
    if not _can_tell(now, before, alpha):
        return True
    return _rise(table, cells) >= MIN_RISE and _p_value(now, before) <= alpha


def _rose_like(table: Crosstab, cells: int, others: int, alpha: float) -> bool:
    """Whether these runs fail more often than before just because all do, and not more so than runs without a trait."""
    if not _can_tell(table.now.count(cells), table.before.count(cells), alpha):
        return False
    if _p_value(table.now.count(others), table.before.count(others)) > alpha:
        return False
    return _rise(table, cells) < MIN_RISE * _rise(table, others)


def _can_tell(now: Count, before: Count, alpha: float) -> bool:
    """Whether there were so many runs before that a failure rate of zero would differ from that of now."""
    return _p_value(now, Count(0, before.failing + before.healthy, 0.0)) <= alpha


def _rise(table: Crosstab, cells: int) -> float:
    """The odds of failing now, in those before."""
    return table.now.odds(cells) / table.before.odds(cells)


def _p_value(inside: Count, outside: Count) -> float:
    return fisher_greater(inside.failing, inside.healthy, outside.failing, outside.healthy)


def _square(inside: Count, outside: Count) -> tuple[float, float, float, float]:
    return inside.failing, inside.weighted, outside.failing, outside.weighted
