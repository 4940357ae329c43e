"""What every kind of SLI answers: how many events were there in the last minute, and how many errors?

A kind says so in PromQL, as the expressions of the base records. Windows, budgets and alerts are written once, on top
of these records, for whatever kind. The raw series are read here and nowhere else.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, fields, replace
from decimal import Decimal
from typing import Any, Protocol, Self, TypeVar

from slo_engine.definitions.counts import Count
from slo_engine.definitions.kinds.counter import DELAY, GONE_FOR, Counter, summed
from slo_engine.definitions.kinds.error_series import ErrorSeries
from slo_engine.definitions.kinds.specimen import Labels, Specimen
from slo_engine.definitions.promql import Matcher, Selector
from slo_engine.definitions.targets import Objective, Override, Target
from slo_engine.definitions.traces import Explanation, Failed, event_of

SliData = dict[str, Any]
"""A part of an SLO file."""


SLI = TypeVar("SLI")


@dataclass(frozen=True)
class BaseRecord:
    """A record of the base: what it counts, in PromQL."""

    count: Count
    expr: str
    counter: str = ""
    """For :attr:`Count.GONE`, of which counter of the SLI the series are."""


class Earlier(Protocol):
    """How a base expression reads a base record that stands before it."""

    recorded: bool
    """Whether it is recorded; else it is written out, and the series in it cannot be told apart by their labels."""

    def __call__(self, count: Count, matchers: Sequence[Matcher] = ()) -> str:
        """The record of this: all its series, or those that match."""
        ...

    def gone(self, counter: str) -> Selector | None:
        """The record of the series of a counter that have gone; None: they are not recorded."""
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

    def base(self, by: Sequence[str], earlier: Earlier) -> Iterator[BaseRecord]:
        """The base records in the order of their evaluation, summed by the labels ``by``. The errors are zero where
        there is a total and none of them, and no value is NaN, infinite or negative."""
        ...

    @property
    def explained_by(self) -> Explanation | None:
        """What explains its errors; None: no trace shows what it measures."""
        ...

    @property
    def error_series(self) -> ErrorSeries | None:
        """The raw series in which its errors stand; None: no series holds errors that could be told apart."""
        ...

    @property
    def explained_if_tied(self) -> Explanation | None:
        """The same where the SLO names its traces: then its author says that they explain it."""
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
    def watched(self) -> Selector | None:
        """Nothing but its own records."""
        return None

    @property
    def explained_by(self) -> Explanation | None:
        """Runs that failed, or calls in them."""
        watched = self.watched
        event = event_of(watched.metric) if watched else "run"
        return Failed(event) if event else None

    @property
    def explained_if_tied(self) -> Explanation | None:
        """The same."""
        return self.explained_by

    @property
    def error_series(self) -> ErrorSeries | None:
        """None, unless the kind knows better."""
        return None

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


def counted(by: Sequence[str], counter: Counter, earlier: Earlier, only: str = "") -> str:
    """The growth of a counter in a minute, summed by the group; ``only``: of series that match this."""
    return summed(by, counter.growth(earlier.gone(counter.name)) + only)


def having(bucket: Counter) -> str:
    """Of the ``_count`` of a histogram, the series that have this bucket: of targets with other buckets nobody knows
    how many events lie within."""
    return f" and ignoring (le) last_over_time({bucket.selector}[{GONE_FOR}] offset {DELAY})"


def gone(counters: Iterable[Counter], earlier: Earlier) -> Iterator[BaseRecord]:
    """The records of the series of some counters that have gone, where there are to be any."""
    for counter in counters:
        if earlier.gone(counter.name):
            yield BaseRecord(Count.GONE, counter.gone(), counter.name)


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
