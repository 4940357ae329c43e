"""The one combination of attributes that best explains failing runs, if any does. Pure.

How well a combination explains is how much better two failure rates, with it and without it, fit the runs than one
rate does (:func:`split_gain`): too narrow a combination leaves failing runs outside, too wide a one takes healthy runs
in. It is the score of the scan statistics (Kulldorff 1997), with a price for each further attribute.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, replace
from itertools import combinations

from slo_engine.evidence.crosstab import Count, Crosstab, Pair
from slo_engine.evidence.rise import p_value_of_rise
from slo_engine.evidence.significance import benjamini_hochberg, fisher_greater, odds_ratio, split_gain

MAX_PAIRS = 3
MAX_CONFOUNDED = 3
"""More nobody reads in a notification."""

MAX_VALUES = 40
"""Attribute values that are combined, those that fit best: 9,880 combinations of three."""

MIN_ODDS_RATIO = 3.0
"""Of failing with a trait over failing without. Less may be true and significant, but is not why an alert fired."""

PRICE_OF_A_PAIR = 3.0
"""Nats that each further pair must gain: a likelihood ratio of 20. For the same price two traits differ."""

SAME_RUNS = 0.95
"""From this overlap on, two traits mark the same runs."""

MIN_GAIN_KEPT = 0.5
MIN_EXCESS_KEPT = 0.1
MIN_ODDS_RATIO_KEPT = 2.0
MOST = 0.5
"""A wider trait is preferred when it gains at least half as much, and most runs that it adds are affected: their odds
of failing are twice those of the other runs, and their failure rate exceeds that of these by a tenth of what that of
the narrower trait does. On the RS set F1 stays between 0.77 and 0.85 when one of these is changed by half."""


@dataclass(frozen=True)
class Candidate:
    """A combination of attributes, among the runs that are searched."""

    pairs: tuple[Pair, ...]
    """By name."""
    cells: int
    count: Count
    gain: float
    """Nats."""
    q_value: float = 1.0

    @property
    def worth(self) -> float:
        """The gain after its price."""
        return self.gain - PRICE_OF_A_PAIR * (len(self.pairs) - 1)


class TraitSearch:
    """Among the runs that no other trait has explained yet."""

    def __init__(self, table: Crosstab, left: int, *, alpha: float) -> None:
        """``left``: the cells of these runs."""
        self._table = table
        self._left = left
        self._alpha = alpha
        self._all = table.now.count(left)
        self._candidates = sorted(self._tested(self._enriched()), key=lambda each: (-each.worth, each.pairs))

    def best(self) -> Candidate | None:
        """What explains most; None when nothing is clear."""
        clear = [each for each in self._candidates if each.q_value <= self._alpha]
        if not clear:
            return None
        best = clear[0]
        while wider := self._wider(best, clear):
            best = wider
        return best

    def confounded_with(self, best: Candidate) -> list[Candidate]:
        """What else marks nearly the same runs, and is as simple."""
        return [
            each
            for each in self._candidates
            if len(each.pairs) <= len(best.pairs)
            and not set(each.pairs) <= set(best.pairs)
            and self._are_same_runs(each, best)
        ][:MAX_CONFOUNDED]

    def _enriched(self) -> list[Candidate]:
        """Combinations that failing runs have more often than healthy ones do, as they have all of their parts."""
        singles = _present(
            self._candidate((pair,), cells & self._left) for pair, cells in self._table.cells_with.items()
        )
        singles = sorted(sorted(singles, key=lambda each: -each.gain)[:MAX_VALUES], key=lambda each: each.pairs)
        found, last = list(singles), singles
        for _ in range(MAX_PAIRS - 1):
            known = {each.pairs for each in last}
            last = _present(
                self._narrower(each, single)
                for each in last
                for single in singles
                if single.pairs[0][0] > each.pairs[-1][0]
                and all((*part, *single.pairs) in known for part in combinations(each.pairs, len(each.pairs) - 1))
            )
            found += last
        return found

    def _narrower(self, one: Candidate, other: Candidate) -> Candidate | None:
        cells = one.cells & other.cells
        # With the runs of a part, it is not narrower, and only longer.
        return None if cells in (one.cells, other.cells) else self._candidate((*one.pairs, *other.pairs), cells)

    def _candidate(self, pairs: tuple[Pair, ...], cells: int) -> Candidate | None:
        if self._table.now.failing(cells) < self._table.support:
            return None
        inside = self._table.now.count(cells)
        outside = self._all - inside
        if _odds_ratio(inside, outside) <= 1:
            return None
        return Candidate(pairs, cells, inside, split_gain(*_square(inside, outside)))

    def _tested(self, candidates: list[Candidate]) -> list[Candidate]:
        """With q-values. Each number of pairs has a third of alpha, so that simple traits do not pay for how many
        combinations there are. Tested counts what could have been found: that it was not is known from the very runs
        that the test is about."""
        tested = []
        for size in range(1, MAX_PAIRS + 1):
            alike = [each for each in candidates if len(each.pairs) == size]
            q_values = benjamini_hochberg([self._p_value(each) for each in alike], tested=self._table.possible(size))
            tested += [
                replace(each, q_value=min(1.0, MAX_PAIRS * q_value))
                for each, q_value in zip(alike, q_values, strict=True)
            ]
        return tested

    def _p_value(self, each: Candidate) -> float:
        """The largest of: no more failing than among the runs outside, and than before, with it or any part of it. What
        has always failed is no news when it comes together with something that was rare before."""
        outside = self._all - each.count
        # Whatever its p-value, what fails hardly more often will not be named.
        p_value = _p_value(each.count, outside) if _odds_ratio(each.count, outside) >= MIN_ODDS_RATIO else 1.0
        for size in range(len(each.pairs) + 1):
            for part in combinations(each.pairs, size):
                if p_value > self._alpha:
                    return p_value
                past = self._table.cells_with_all(part) & self._left
                p_value = max(p_value, p_value_of_rise(self._table, each.cells, past=past, alpha=self._alpha))
        return p_value

    def _wider(self, narrow: Candidate, clear: list[Candidate]) -> Candidate | None:
        """What explains most of that which has the runs of ``narrow`` and more that are affected as well: what sets
        ``narrow`` apart is then how bad it is, not what is bad."""
        now = self._table.now
        wider = [
            each
            for each in clear
            if each.count.runs > narrow.count.runs
            and now.failing(narrow.cells & each.cells) >= SAME_RUNS * narrow.count.failing
            and each.gain >= MIN_GAIN_KEPT * narrow.gain
        ]
        return next((each for each in wider if self._is_affected(each, narrow, self._alpha / len(wider))), None)

    def _is_affected(self, wide: Candidate, narrow: Candidate, alpha: float) -> bool:
        """Whether the runs that only ``wide`` has fail more often than those outside, and than before."""
        now = self._table.now
        more, others = wide.cells & ~narrow.cells, self._left & ~(wide.cells | narrow.cells)
        added, outside, usual = now.count(more), now.count(others), now.failure_rate(others)
        excess, excess_of_narrow = now.failure_rate(more) - usual, now.failure_rate(narrow.cells) - usual
        if excess < MIN_EXCESS_KEPT * excess_of_narrow or _p_value(added, outside) > alpha:
            return False
        if p_value_of_rise(self._table, more, past=more, alpha=alpha) > alpha:
            return False
        # With one affected value more of many, these are two causes.
        names = {name for name, _ in narrow.pairs} - {name for name, _ in wide.pairs}
        return _odds_ratio(added, outside) >= MIN_ODDS_RATIO_KEPT and all(
            sum(part.runs for part in parts if _odds_ratio(part, outside) >= MIN_ODDS_RATIO_KEPT) >= MOST * added.runs
            for parts in ([now.count(part) for part in self._table.parts(name, more)] for name in names)
        )

    def _are_same_runs(self, one: Candidate, other: Candidate) -> bool:
        both, either = self._table.now.count(one.cells & other.cells), self._table.now.count(one.cells | other.cells)
        if both.failing < SAME_RUNS * either.failing:
            return False
        return both.weighted >= SAME_RUNS * either.weighted or abs(one.gain - other.gain) < PRICE_OF_A_PAIR


def _present(candidates: Iterable[Candidate | None]) -> list[Candidate]:
    return [each for each in candidates if each is not None]


def _p_value(inside: Count, outside: Count) -> float:
    return fisher_greater(inside.failing, inside.healthy, outside.failing, outside.healthy)


def _odds_ratio(inside: Count, outside: Count) -> float:
    return odds_ratio(*_square(inside, outside))


def _square(inside: Count, outside: Count) -> tuple[float, float, float, float]:
    return inside.failing, inside.weighted, outside.failing, outside.weighted
