"""What every kind of SLI answers: how many events were there in the last five minutes, and how many errors?

A kind says so in PromQL, as the expressions of the base records. Windows, budgets and alerts are written once, on top
of these records, for whatever kind. The raw series are read here and nowhere else.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from decimal import Decimal
from typing import Protocol

from slo_engine.spec.promql import Selector

BASE_WINDOW = "5m"
"""What one base record covers."""

BASE_SLICES = "4m30s"
"""A range that holds the five newest of the samples of each minute: Prometheus 2 takes both ends of it, 3 takes one."""


class Earlier(Protocol):
    """How a base expression reads a base record that stands before it."""

    def now(self, name: str) -> str:
        """The record as it is now."""
        ...

    def over(self, name: str, window: str) -> str:
        """The record over a range."""
        ...


class Sli(Protocol):
    """One kind of SLI, with what it was told in the file."""

    @property
    def failing(self) -> str:
        """What an error is, as it stands behind a percentage: ``of events fail``."""
        ...

    @property
    def watched(self) -> Selector:
        """What must be there for the SLI to be known."""
        ...

    def base(self, by: Sequence[str], earlier: Earlier) -> Iterator[tuple[str, str]]:
        """The base records in the order of their evaluation: name and expression, summed by the labels ``by``. The
        errors are zero where there is a total and none of them, and no value is NaN, infinite or negative."""
        ...


def grouped(by: Sequence[str]) -> str:
    """``by (agent_type) `` or nothing, for an aggregation."""
    return f"by ({', '.join(by)}) " if by else ""


def increase(selector: Selector, known_without: Sequence[str] = ()) -> str:
    """The increase of each series over the base window.

    ``increase`` cannot know what a series held before its first sample. ``known_without``: a series that was not there
    five minutes ago, while another one was that differs from it in these labels only, began at 0, so its value is its
    increase; one that comes back together with all others (after a gap, under a new owner) did not.
    """
    raised = f"increase({selector}[{BASE_WINDOW}])"
    if not known_without:
        return raised
    before = f"{selector} offset {BASE_WINDOW}"
    young = f"{selector} unless {before} and ignoring ({', '.join(known_without)}) ({sibling(selector, known_without)})"
    return f"({young} or {raised})"


def sibling(selector: Selector, without: Sequence[str]) -> str:
    """The series that differ from those of ``selector`` in the labels ``without``, as they were five minutes ago."""
    kept = tuple(matcher for matcher in selector.matchers if matcher.name not in without)
    return f"{Selector(selector.metric, kept)} offset {BASE_WINDOW}"


def summed(by: Sequence[str], increases: str) -> str:
    """The sum by group. A series that is NaN or infinite is left out: in a sum it would poison the group for as long
    as the longest window."""
    return f"sum {grouped(by)}({increases} >= 0 < +Inf)"


def or_zero(by: Sequence[str], expr: str, total: str) -> str:
    """``expr``, and 0 for groups that have events but none of these (no error yet, say: no error series yet)."""
    return f"{expr} or on ({', '.join(by)}) 0 * {total}"


def rest(by: Sequence[str], total: str, good: str) -> str:
    """``total - good``. Each series is extrapolated by itself, so good may exceed total by a hair: never below 0."""
    return f"clamp_min({total} - on ({', '.join(by)}) ({good}), 0)"


def bounds(value: float) -> str:
    """The ``le`` of a bucket as a regular expression: exporters write the bound of 15 s as "15" or as "15.0", and a
    client that moves to OpenMetrics changes it. A million is "1e+06", or written out."""
    written_out = f"{Decimal(repr(value)):f}".removesuffix(".0")
    spellings = {shortest(value), written_out, written_out if "." in written_out else f"{written_out}.0"}
    return "|".join(sorted(re.escape(spelling) for spelling in spellings))


def shortest(value: float) -> str:
    """A number as Go and Prometheus' clients write it: with the fewest digits that keep its value, and an exponent from
    a million on and below a ten-thousandth."""
    digits = next(count for count in range(1, 18) if float(f"{value:.{count}g}") == value)
    plain = value == 0 or 1e-4 <= abs(value) < 1e6
    return f"{value:.{max(digits, 6)}g}" if plain else f"{value:.{digits - 1}e}"
