"""The raw series that an SLO reads, each with what it is there for."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, fields
from typing import Any, Literal, cast

from slo_engine.definitions.promql import Matcher, Selector
from slo_engine.definitions.slo import Slo

Role = Literal["total", "errors", "good", "histogram", "bucket", "spend", "requests", "unpriced"]
"""As the SLI's keys are called; ``bucket`` is that of a classic histogram at the threshold."""

_ROLES: Mapping[str, Role] = {"further": "total"}
"""Fields of a kind that are called otherwise than what they are there for."""

_MAIN: tuple[Role, ...] = ("total", "histogram", "spend")


@dataclass(frozen=True)
class Counter:
    """One selector of an SLI."""

    role: Role
    selector: Selector

    @property
    def is_main(self) -> bool:
        """Whether it is what the SLI is about: without its series nothing is known."""
        return self.role in _MAIN

    @property
    def labels(self) -> tuple[str, ...]:
        """The labels that it asks for, without that of the bucket."""
        return tuple(dict.fromkeys(matcher.name for matcher in self.selector.matchers if matcher.name != "le"))

    def without(self, label: str) -> Selector:
        """The selector without what it asks of a label."""
        kept = tuple(matcher for matcher in self.selector.matchers if matcher.name != label)
        return Selector(self.selector.metric, kept)

    def asks(self, label: str) -> tuple[Matcher, ...]:
        """What it asks of a label."""
        return tuple(matcher for matcher in self.selector.matchers if matcher.name == label)


def counters(slo: Slo) -> tuple[Counter, ...]:
    """The selectors of an SLO, the main one first. None for time slices, whose condition may be anything."""
    buckets, watched = slo.sli.buckets, slo.sli.watched
    if buckets is not None and watched is not None:
        count = Selector(f"{buckets.metric.removesuffix('_bucket')}_count", buckets.matchers)
        return (Counter("histogram", count), Counter("bucket", watched))
    return tuple(sorted(_selectors(slo.sli), key=lambda counter: not counter.is_main))


def is_native(slo: Slo) -> bool:
    """Whether it reads native histograms, which have no value to compare."""
    return slo.sli.buckets is None and any(counter.role == "histogram" for counter in counters(slo))


def _selectors(sli: Any) -> Iterator[Counter]:
    for field in fields(sli):
        value = getattr(sli, field.name)
        several = value if isinstance(value, tuple) else (value,)
        for each in several:
            if isinstance(each, Selector):
                yield Counter(cast("Role", _ROLES.get(field.name, field.name)), each)
