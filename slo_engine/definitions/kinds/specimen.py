"""Raw series that a kind counts, made up for the unit tests of the rules."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass

from slo_engine.definitions.promql import Matcher, Selector

Labels = Mapping[str, str]


@dataclass(frozen=True)
class Specimen:
    """Counters by how they grow: with each event, with each good one, or with each error."""

    each: tuple[str, ...] = ()
    good: tuple[str, ...] = ()
    errors: tuple[str, ...] = ()


def group_of(by: tuple[str, ...], selectors: tuple[Selector, ...], value: str) -> Labels:
    """The labels of a group: this value, but where the selectors of the SLI leave no choice."""
    asked = [matcher for selector in selectors for matcher in selector.matchers]
    group = {}
    for label in by:
        wanted = [matcher for matcher in asked if matcher.name == label]
        candidates = [value, *(example for matcher in wanted for example in _examples(matcher))]
        fitting = (each for each in candidates if all(_matches(matcher, each) for matcher in wanted))
        group[label] = next(fitting, value)
    return group


def histogram_specimen(histogram: Selector, bucket: Selector, group: Labels, *, good: bool) -> Specimen | None:
    """Series of a classic histogram, of which one bucket holds the good events, or the errors."""
    count, within = series(histogram.with_suffix("_count"), group), series(bucket, group)
    if not count or not within:
        return None
    return Specimen(each=(count,), good=(within,)) if good else Specimen(each=(count,), errors=(within,))


def series(selector: Selector, group: Labels, unlike: Matcher | None = None) -> str | None:
    """A series that the selector matches and, where it is given, a further matcher does not."""
    labels: dict[str, str] = {}
    names = dict.fromkeys(
        [*(matcher.name for matcher in selector.matchers), *group, *([unlike.name] if unlike else [])]
    )
    for name in names:
        wanted = [matcher for matcher in selector.matchers if matcher.name == name]
        refused = [unlike] if unlike and unlike.name == name else []
        candidates = [group[name]] if name in group else []
        candidates += [value for matcher in (*wanted, *refused) for value in _examples(matcher)] + _USUAL
        value = next(
            (
                value
                for value in candidates
                if all(_matches(matcher, value) for matcher in wanted)
                and not any(_matches(matcher, value) for matcher in refused)
            ),
            None,
        )
        if value is None:
            return None
        if value:
            labels[name] = value
    return str(Selector(selector.metric, tuple(Matcher(name, "=", value) for name, value in labels.items())))


_USUAL = ["ok", "success", "error", "200", "500", "some", ""]
"""Values that labels often have."""


def _examples(matcher: Matcher) -> Iterator[str]:
    if matcher.op in ("=", "!="):
        yield matcher.value
        return
    for alternative in matcher.value.strip("^$").removeprefix("(").removesuffix(")").split("|"):
        yield re.sub(r"\\(.)", r"\1", alternative)
        spelled = alternative.replace(".*", "").replace(".+", "x").replace("\\d", "0").replace("[0-9]", "0")
        yield re.sub(r"\\(.)", r"\1", re.sub(r"(?<!\\)\.", "0", spelled))


def _matches(matcher: Matcher, value: str) -> bool:
    if matcher.op in ("=", "!="):
        return (value == matcher.value) is (matcher.op == "=")
    try:
        found = re.fullmatch(matcher.value, value) is not None
    except re.error:  # RE2 reads some expressions that Python does not
        return False
    return found is (matcher.op == "=~")
