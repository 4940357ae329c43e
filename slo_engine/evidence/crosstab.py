"""Failing and healthy runs by their attributes, counted fast for any combination of attributes. Pure.

A set of cells is an integer with one bit a cell, and a number a cell is kept digit by digit in such integers: a
combination is then an ``&``, a count a few ``bit_count``, and thousands of combinations of 25,000 runs take a fraction
of a second.
"""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

Attributes = Mapping[str, str]
"""Of a run: ``{"model": "gpt-5-mini", "prompt_version": "v12"}``. One that a run does not have is left out."""

Pair = tuple[str, str]
"""The name of an attribute, and its value."""

_PARTS = 16
"""Healthy runs are weighted in this part of a run: fine enough for rates, and few digits to count."""


@dataclass(frozen=True)
class Cell:
    """Runs that are alike in all attributes."""

    attributes: Attributes
    failing: int
    """Failing runs that were seen: all there were."""
    healthy: int
    """Healthy runs that were seen, which may be a sample."""
    healthy_weight: float
    """The healthy runs they stand for: one that was kept at the rate r stands for 1/r."""


@dataclass(frozen=True)
class Count:
    """Runs of some cells."""

    failing: int
    healthy: int
    """Healthy runs that were seen."""
    weighted: float
    """The same, but as many of each attribute as if all had been kept at one rate: what shares and odds are made of."""

    @property
    def runs(self) -> float:
        """All of them, weighted alike."""
        return self.failing + self.weighted

    def __sub__(self, other: Count) -> Count:
        return Count(self.failing - other.failing, self.healthy - other.healthy, self.weighted - other.weighted)


class Runs:
    """The runs of a window: counts for sets of cells."""

    def __init__(self, cells: Sequence[tuple[int, int, float]]) -> None:
        """``cells``: failing, healthy, and the weight of the healthy, of each cell."""
        self.weight = math.fsum(weight for _, _, weight in cells)
        """The healthy runs that those seen stand for."""
        seen = sum(healthy for _, healthy, _ in cells)
        scale = seen / self.weight if self.weight else 0.0
        self._weight_of_one = 1 / scale if scale else 0.0
        self._failing = _Digits([failing for failing, _, _ in cells])
        self._healthy = _Digits([healthy for _, healthy, _ in cells])
        self._weighted = _Digits([round(round(weight * scale * _PARTS, 3)) for _, _, weight in cells])

    def failing(self, cells: int) -> int:
        """The failing runs of these cells."""
        return self._failing.total(cells)

    def count(self, cells: int) -> Count:
        """The runs of these cells."""
        return Count(self._failing.total(cells), self._healthy.total(cells), self._weighted.total(cells) / _PARTS)

    def failure_rate(self, cells: int) -> float:
        """Of the runs of these cells, also of those not seen, the share that fails; 0 when there are none."""
        found = self.count(cells)
        runs = found.failing + found.weighted * self._weight_of_one
        return found.failing / runs if runs else 0.0

    def odds(self, cells: int) -> float:
        """The odds of failing, which windows of different sampling may be compared by; finite, as odds_ratio."""
        found = self.count(cells)
        return (found.failing + 0.5) / ((found.weighted + 0.5) * (self._weight_of_one or 1.0))


class Crosstab:
    """The cells of now and of before; those that differ in rare values only are one."""

    def __init__(self, now: Sequence[Cell], before: Sequence[Cell], *, support: int) -> None:
        """Values with fewer than ``support`` failing runs now count as rare."""
        failing: dict[Pair, int] = {}
        seen: dict[Pair, int] = {}
        for cell in now:
            runs = cell.failing + cell.healthy
            for pair in cell.attributes.items():
                seen[pair] = seen.get(pair, 0) + runs
            if cell.failing:
                for pair in cell.attributes.items():
                    failing[pair] = failing.get(pair, 0) + cell.failing
        frequent = sorted(pair for pair, count in failing.items() if count >= support)
        bit_of = {pair: 1 << number for number, pair in enumerate(frequent)}
        merged_now, merged_before = _merged(now, bit_of), _merged(before, bit_of)
        keys = list({**merged_now, **merged_before})
        nothing = (0, 0, 0.0)
        self.now = Runs([merged_now.get(key, nothing) for key in keys])
        self.before = Runs([merged_before.get(key, nothing) for key in keys])
        self.all_cells = (1 << len(keys)) - 1
        self.cells_with = {
            pair: _bits([index for index, key in enumerate(keys) if key & bit], len(keys))
            for pair, bit in bit_of.items()
        }
        """Frequent value -> its cells, in the order of names and values."""
        self.support = support
        self._values = Counter(name for (name, _), count in seen.items() if count >= support)
        """Name -> how many of its values could have had the support, had other runs failed."""

    def cells_with_all(self, pairs: Iterable[Pair]) -> int:
        """The cells that have all of these frequent values."""
        cells = self.all_cells
        for pair in pairs:
            cells &= self.cells_with[pair]
        return cells

    def parts(self, name: str, cells: int) -> list[int]:
        """These cells, one set for each frequent value of the attribute, and one for the rest."""
        sets = [cells & having for pair, having in self.cells_with.items() if pair[0] == name]
        for each in sets:
            cells &= ~each
        return [each for each in (*sets, cells) if each]

    def possible(self, size: int) -> int:
        """How many combinations of so many attributes could have had the support: no more than their values allow, and
        for each choice of attributes no more than there are runs for."""
        combinations = [1] + [0] * size
        for values in self._values.values():
            for taken in range(size, 0, -1):
                combinations[taken] += combinations[taken - 1] * values
        everything = self.now.count(self.all_cells)
        each = (everything.failing + everything.healthy) // self.support
        return min(combinations[size], math.comb(len(self._values), size) * each)


class _Digits:
    """A number for each cell: for each binary digit, the cells in whose number it is set."""

    def __init__(self, numbers: Sequence[int]) -> None:
        sets = (
            (digit, _bits([index for index, number in enumerate(numbers) if number >> digit & 1], len(numbers)))
            for digit in range(max(numbers, default=0).bit_length())
        )
        self._sets = [(digit, cells) for digit, cells in sets if cells]

    def total(self, cells: int) -> int:
        return sum((cells & having).bit_count() << digit for digit, having in self._sets)


def _merged(cells: Iterable[Cell], bit_of: Mapping[Pair, int]) -> dict[int, tuple[int, int, float]]:
    """The bits of the frequent values -> the sums of the cells that have these: failing, healthy, weight."""
    sums: dict[int, tuple[int, int, float]] = {}
    for cell in cells:
        key = sum([bit_of[pair] for pair in cell.attributes.items() if pair in bit_of])
        failing, healthy, weight = sums.get(key, (0, 0, 0.0))
        sums[key] = (failing + cell.failing, healthy + cell.healthy, weight + cell.healthy_weight)
    return sums


def _bits(indices: Iterable[int], size: int) -> int:
    """The integer in which these bits are set; built in bytes, as setting them one by one would copy it each time."""
    data = bytearray(size // 8 + 1)
    for index in indices:
        data[index >> 3] |= 1 << (index & 7)
    return int.from_bytes(data, "little")
