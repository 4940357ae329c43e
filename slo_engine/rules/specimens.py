"""Raw series that an SLI counts: what its selectors match, for the generated unit tests of the rules."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

from slo_engine.definitions.kinds import CostSli, EventsSli, LatencySli, ScoreSli
from slo_engine.definitions.promql import Matcher, Selector
from slo_engine.definitions.slo import Slo

Labels = Mapping[str, str]


@dataclass(frozen=True)
class Specimen:
    """Counters by how they grow: with each event, with each good one, or with each error."""

    each: tuple[str, ...] = ()
    good: tuple[str, ...] = ()
    errors: tuple[str, ...] = ()


def group_of(slo: Slo, value: str) -> Labels:
    """The labels of a group: this value, but where the selectors of the SLI leave no choice."""
    match slo.sli:
        case EventsSli(total, errors, good):
            selectors = [selector for selector in (total, errors, good) if selector]
        case LatencySli(histogram) | ScoreSli(histogram):
            selectors = [histogram]
        case CostSli(spend):
            selectors = [spend]
        case _:
            selectors = []
    asked = [matcher for selector in selectors for matcher in selector.matchers]
    group = {}
    for label in slo.by:
        wanted = [matcher for matcher in asked if matcher.name == label]
        candidates = [value, *(example for matcher in wanted for example in _examples(matcher))]
        fitting = (each for each in candidates if all(_matches(matcher, each) for matcher in wanted))
        group[label] = next(fitting, value)
    return group


def specimen(slo: Slo, group_value: str) -> Specimen | None:
    """Series of the group that :func:`group_of` names; None where none can be made up: promtool takes no native
    histograms, a condition on slices may ask for anything, and so may a regular expression."""
    group = group_of(slo, group_value)
    match slo.sli:
        case EventsSli():
            return _events(slo.sli, group)
        case LatencySli(histogram, _, False):
            return _histogram(histogram, slo.sli.watched, group, good=True)
        case ScoreSli(histogram):
            return _histogram(histogram, slo.sli.watched, group, good=False)
        case CostSli(spend):
            series = _series(spend, group)
            return Specimen(errors=(series,)) if series else None
    return None


def _events(sli: EventsSli, group: Labels) -> Specimen | None:
    part = sli.errors or sli.good
    assert part is not None  # the format takes exactly one of them
    inside = _series(part, group)
    if part.metric != sli.total.metric:
        whole = _series(sli.total, group)
        if not whole or not inside:
            return None
        return Specimen(each=(whole,), errors=(inside,)) if sli.errors else Specimen(each=(whole,), good=(inside,))
    outside = next(
        (
            series
            for flipped in part.matchers
            if flipped not in sli.total.matchers and (series := _series(sli.total, group, unlike=flipped))
        ),
        None,
    )
    if not inside or not outside:
        return None
    return Specimen(good=(outside,), errors=(inside,)) if sli.errors else Specimen(good=(inside,), errors=(outside,))


def _histogram(histogram: Selector, bucket: Selector, group: Labels, *, good: bool) -> Specimen | None:
    count, within = _series(histogram.with_suffix("_count"), group), _series(bucket, group)
    if not count or not within:
        return None
    return Specimen(each=(count,), good=(within,)) if good else Specimen(each=(count,), errors=(within,))


def _series(selector: Selector, group: Labels, unlike: Matcher | None = None) -> str | None:
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


def histories(found: Specimen, stretches: Sequence[tuple[int, float, float]]) -> dict[str, str]:
    """The series over time in promtool's notation: for so many minutes, so many events a minute, of which this share
    are errors."""
    each = _counter([(minutes, events) for minutes, events, _ in stretches])
    good = _counter([(minutes, events * (1 - failing)) for minutes, events, failing in stretches])
    errors = _counter([(minutes, events * failing) for minutes, events, failing in stretches])
    return dict.fromkeys(found.each, each) | dict.fromkeys(found.good, good) | dict.fromkeys(found.errors, errors)


def _counter(stretches: Sequence[tuple[int, float]]) -> str:
    parts, value = ["0"], 0.0
    for minutes, growth in stretches:
        parts.append(f"{value + growth:.12g}+{growth:.12g}x{minutes - 1}")
        value += minutes * growth
    return " ".join(parts)
