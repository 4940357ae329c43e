"""What every kind of SLI answers: how many events were there in the last minute, and how many errors?

A kind says so in PromQL, as the expressions of the base records. Windows, budgets and alerts are written once, on top
of these records, for whatever kind. The raw series are read here and nowhere else.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from dataclasses import fields, replace
from decimal import Decimal
from typing import Any, Protocol, Self, TypeVar

from slo_engine.definitions.counts import Count
from slo_engine.definitions.kinds.specimen import Labels, Specimen
from slo_engine.definitions.promql import Matcher, Selector
from slo_engine.definitions.targets import Objective, Override, Target
from slo_engine.definitions.traces import Explanation, Failed

DELAY = "10s"
"""How late the base looks. A scrape is stamped with its beginning and there when it has ended, up to the default
``scrape_timeout`` of Prometheus later; a sample that came after it was looked for would be lost."""


SliData = dict[str, Any]
"""A part of an SLO file."""


SLI = TypeVar("SLI")


class Earlier(Protocol):
    """How a base expression reads a base record that stands before it."""

    recorded: bool
    """Whether it is recorded; else it is written out, and the series in it cannot be told apart by their labels."""

    def __call__(self, count: Count, matchers: Sequence[Matcher] = ()) -> str:
        """The record of this: all its series, or those that match."""
        ...


class Sli(Protocol):
    """One kind of SLI, with what it was told in the file."""

    @property
    def failing(self) -> str:
        """What an error is, as it stands behind a percentage: ``of events fail``."""
        ...

    @property
    def watched(self) -> Selector | None:
        """What must be there for the SLI to be known; None: only its own records tell."""
        ...

    def base(self, by: Sequence[str], earlier: Earlier) -> Iterator[tuple[Count, str]]:
        """The base records in the order of their evaluation, each with its expression, summed by the labels ``by``. The
        errors are zero where there is a total and none of them, and no value is NaN, infinite or negative."""
        ...

    @property
    def explained_by(self) -> Explanation | None:
        """Which traces explain its errors; None: none do."""
        ...

    @property
    def buckets(self) -> Selector | None:
        """All buckets of the classic histogram that the threshold must be one of."""
        ...

    @property
    def parted_by(self) -> tuple[str, ...]:
        """The labels that tell the errors (or the good ones) from the rest of the total: no group can be made by
        them."""
        ...

    @property
    def target_key(self) -> str:
        """What its target is called in an SLO file: ``objective``, or ``budget``, which stands in the SLI itself."""
        ...

    def target(self, objective: float | None, overrides: tuple[Override, ...]) -> Target:
        """What an SLO with this SLI is held to. ``objective``: in percent, where the file gives one."""
        ...

    def selectors(self) -> tuple[Selector, ...]:
        """The raw series that it counts, where they are known."""
        ...

    def specimen(self, group: Labels) -> Specimen | None:
        """Series of a group, for the unit tests of the rules; None where none can be made up."""
        ...

    def narrowed(self, matchers: Sequence[Matcher]) -> Sli:
        """The same for the series with these labels alone."""
        ...

    def written(self) -> SliData:
        """As it stands in an SLO file, under ``sli``."""
        ...


class OfEvents:
    """What a kind that counts events answers unless it says otherwise: it is held to an objective, its failing runs
    explain it, and its selectors are its fields."""

    target_key = "objective"

    @property
    def explained_by(self) -> Explanation | None:
        """Runs that failed."""
        return Failed()

    @property
    def buckets(self) -> Selector | None:
        """No histogram, no buckets."""
        return None

    @property
    def parted_by(self) -> tuple[str, ...]:
        """No label."""
        return ()

    def target(self, objective: float | None, overrides: tuple[Override, ...]) -> Target:
        """An objective. One that is missing is a mistake, which is reported elsewhere."""
        return Objective(50.0 if objective is None else objective, overrides)

    def selectors(self) -> tuple[Selector, ...]:
        """The fields that are selectors."""
        return tuple(selectors_of(self).values())

    def narrowed(self, matchers: Sequence[Matcher]) -> Self:
        """With these matchers in each of them."""
        return narrowed(self, matchers)


def selectors_of(sli: Any) -> dict[str, Selector]:
    """The fields of a kind that are selectors."""
    found = {each.name: getattr(sli, each.name) for each in fields(sli)}
    return {name: value for name, value in found.items() if isinstance(value, Selector)}


def narrowed(sli: SLI, matchers: Sequence[Matcher]) -> SLI:
    """A kind with further matchers in each of its selectors."""
    chosen: Any = {
        name: replace(selector, matchers=(*selector.matchers, *matchers))
        for name, selector in selectors_of(sli).items()
    }
    return replace(sli, **chosen)  # type: ignore[type-var]


def grouped(by: Sequence[str]) -> str:
    """``by (agent_type) `` or nothing, for an aggregation."""
    return f"by ({', '.join(by)}) " if by else ""


def growth(selector: Selector, known_without: Sequence[str] = ()) -> str:
    """What each counter has grown by within a minute: its last sample less its last sample a minute ago.

    Nothing is extrapolated, so that the minutes of a window add up to what its counters have grown by, to the event.

    - A counter that is lower than before was restarted, and has grown from 0; unless it was away for more than five
      minutes, then its first value is lost.
    - After a gap of up to 20 minutes it is compared with what it was before the gap. From three minutes on that is
      looked for in steps of four minutes: as much of the time before the gap may count twice.
    - A series that is new has grown from 0 if the others of its target were there five minutes ago: those that differ
      from it in the labels ``known_without`` only. If they were not, it came back together with them (after a long
      gap, under a new owner), and what it holds is old.
    """
    now = f"last_over_time({selector}[1m] offset {DELAY})"
    before = f"last_over_time({selector}[3m] offset 1m{DELAY}) or last_over_time({selector}[20m:4m] offset 4m)"
    kept = tuple(matcher for matcher in selector.matchers if matcher.name not in known_without)
    others = f"ignoring ({', '.join(known_without)}) ({Selector(selector.metric, kept)} offset 5m)"
    return f"({now} - ({before}) >= 0 or {now} and {others})"


def summed(by: Sequence[str], grown: str) -> str:
    """The sum by group. A series that is NaN, infinite or negative is left out: in a sum it would poison the group for
    as long as the longest window."""
    return f"sum {grouped(by)}({grown} >= 0 < +Inf)"


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
    return f"{value:.{max(digits, 6)}g}" if abs(value) < 1e6 else f"{value:.{digits - 1}e}"
