"""Buckets in the queries of other tools: what they count, how their bounds are written, and whether they are the fast
events or the slow ones."""

from __future__ import annotations

import re
from math import isfinite
from typing import Any

from slo_engine.definitions.duration import Duration
from slo_engine.definitions.kinds.sli import bounds
from slo_engine.definitions.promql import Matcher, Selector, quote

_OTHER_UNITS = {"milliseconds", "millis", "ms", "microseconds", "us", "nanoseconds", "ns", "minutes", "bytes"}

_OF_TIME = re.compile(
    r"durations?|latenc(y|ies)|(run)?times?|elapsed|delay|lag|wait|age|rtt|ttf[bt]|(milli|micro|nano)?seconds?|millis?|"
    r"secs?|[mun]s(ecs?)?|minutes?|hours?"
)
_OF_QUALITY = re.compile(
    r"scores?|ratings?|grade|quality|confidence|similarity|relevance|accuracy|precision|recall|satisfaction|"
    r"faithfulness|groundedness|probability"
)
"""The words by which a metric says that it measures a time, or how good something is."""

_WORD = re.compile(r"[A-Z]+(?![a-z])|[A-Z]?[a-z]+")
_NUMBER = re.compile(r"[-+]?([0-9]+\.?[0-9]*|\.[0-9]+)([eE][-+]?[0-9]+)?\Z")
_BOUNDS = ("le", "quantile")
"""The labels whose values are numbers: Prometheus from 3 on, and OpenMetrics before it, write "500" as "500.0"."""
_NAMING = ("=", "=~")
_REGEX = {"=": "=~", "=~": "=~", "!=": "!~", "!~": "!~"}
_MATCHER_OR_TEXT = re.compile(
    r"""\b(?P<name>le|quantile)\s*(?P<op>=~|!~|!=|=)\s*"(?P<value>(?:\\.|[^"\\])*)"|"(?:\\.|[^"\\])*\""""
)


def latency(good: Selector, total: Selector) -> dict[str, Any] | None:
    """``sli.latency`` when ``good`` is a bucket of the histogram that ``total`` counts, in seconds; else None."""
    base, bound = _base(good, "_bucket"), _bound(good)
    if base is None or bound is None or base.metric.rpartition("_")[2] in _OTHER_UNITS:
        return None
    threshold = milliseconds(bound)
    if threshold is None or not same_events(base.with_suffix("_count"), total) or not _is_found(good):
        return None
    return {"latency": {"histogram": str(base), "threshold": str(threshold)}}


def score(errors: Selector, total: Selector) -> dict[str, Any] | None:
    """``sli.score`` when ``errors`` is a bucket of the histogram that ``total`` counts; else None. Of a duration it is
    none: what its bucket holds is fast."""
    base, above = _base(errors, "_bucket"), _bound(errors)
    if base is None or above is None or _measures_time(base.metric) or not _is_found(errors):
        return None
    if not same_events(base.with_suffix("_count"), total):
        return None
    return {"score": {"histogram": str(base), "above": above}}


def doubts(errors: Selector, total: Selector | None) -> str | None:
    """What to say of errors that are a bucket; ``total`` is None where it is several counters. A bucket holds what is
    at most its bound: low scores, but fast events, which are hardly the errors that are meant."""
    base, bound = _base(errors, "_bucket"), _bound(errors)
    if base is None or bound is None or _measures_quality(base.metric):
        return None
    good = latency(errors, total) if total else None
    if good is None:
        meant = "sli: {events: {total: ..., good: ...}}, with its errors as `good`"
    else:
        told = good["latency"]
        meant = f"sli: {{latency: {{histogram: '{told['histogram']}', threshold: {told['threshold']}}}}}"
    what, fast = ("a duration", "the fast ones") if _measures_time(base.metric) else ("perhaps no score", "those")
    return (
        f"{base.metric} is {what}, and its error query counts the events of at most {bound:g}: {fast} are the errors "
        f"here, as they are there. If they are the good ones, write {meant}"
    )


def same_events(one: Selector, other: Selector) -> bool:
    """Whether two selectors count the same events: the same series, or the count and the last bucket of a histogram."""
    if _same(one) == _same(other):
        return True
    counted = _same(_counted(one))
    return counted is not None and counted == _same(_counted(other))


def both_spellings(found: Selector) -> Selector:
    """The same series, however the bounds of their buckets are written: ``le="500"`` is stored as ``le="500.0"`` by
    Prometheus 3, and a bucket that is not found would make errors of all fast events."""
    return Selector(found.metric, tuple(_spelled(matcher) for matcher in found.matchers))


def both_spellings_in(expression: str) -> str:
    """:func:`both_spellings` of each selector of an expression that the parser has printed."""

    def replaced(match: re.Match[str]) -> str:
        if match["name"] is None:
            return match[0]  # another string, whatever it looks like inside
        value = re.sub(r"\\(.)", r"\1", match["value"])
        spelled = _spelled(Matcher(match["name"], match["op"], value))
        return match[0] if spelled.value == value else f"{spelled.name}{spelled.op}{quote(spelled.value)}"

    return _MATCHER_OR_TEXT.sub(replaced, expression)


def milliseconds(seconds: float) -> Duration | None:
    """A threshold; None where it is no whole number of milliseconds."""
    count = round(seconds * 1000) if 0 < seconds < 1e9 else 0
    return Duration(count) if count and count / 1000 == seconds else None


def _spelled(matcher: Matcher) -> Matcher:
    written = _numbers(matcher) if matcher.name in _BOUNDS else []
    wanted = {re.escape(each) for each in written}
    wanted |= {spelling for each in written for spelling in bounds(float(each)).split("|")}
    if len(wanted) == len(set(written)):
        return matcher  # no number, or one with a single spelling, or all are there
    return Matcher(matcher.name, _REGEX[matcher.op], "|".join(sorted(wanted)))


def _measures_time(metric: str) -> bool:
    return not _measures_quality(metric) and _names(metric, _OF_TIME)


def _measures_quality(metric: str) -> bool:
    return _names(metric, _OF_QUALITY)


def _names(metric: str, words: re.Pattern[str]) -> bool:
    return any(words.fullmatch(word.lower()) for word in _WORD.findall(metric))


def _base(found: Selector, suffix: str) -> Selector | None:
    """The histogram that this is the bucket or the count of, without the bound."""
    if not found.metric.endswith(suffix) or found.metric == suffix:
        return None
    kept = tuple(matcher for matcher in found.matchers if matcher.name != "le")
    return Selector(found.metric.removesuffix(suffix), kept)


def _counted(total: Selector) -> Selector | None:
    """The histogram whose events ``total`` counts: by its count, or by its last bucket."""
    bounds_of_total = {matcher.value for matcher in total.matchers if matcher.name == "le"}
    if bounds_of_total:
        return _base(total, "_bucket") if bounds_of_total == {"+Inf"} else None
    return _base(total, "_count")


def _same(found: Selector | None) -> tuple[str, frozenset[Matcher]] | None:
    """A selector but for the order of its matchers."""
    return (found.metric, frozenset(found.matchers)) if found else None


def _bound(found: Selector) -> float | None:
    """``le="0.4"``, or several spellings of one number, ``le=~"15|15\\.0"``; None where it is not one finite bound."""
    matchers = [matcher for matcher in found.matchers if matcher.name == "le"]
    written = _numbers(matchers[0]) if len(matchers) == 1 and matchers[0].op in _NAMING else []
    values = {float(each) for each in written}
    value = values.pop() if len(values) == 1 else float("inf")
    return value if isfinite(value) else None


def _is_found(bucket: Selector) -> bool:
    """Whether the rules find this bucket, which look for the usual spellings of its bound: not for ``le="0.40"``."""
    bound = _bound(bucket)
    written = [each for matcher in bucket.matchers if matcher.name == "le" for each in _numbers(matcher)]
    return bound is not None and {re.escape(each) for each in written} <= set(bounds(bound).split("|"))


def _numbers(matcher: Matcher) -> list[str]:
    """The numbers that a matcher names, as they are written; none where it names anything else."""
    written = [matcher.value]
    if matcher.op in ("=~", "!~"):
        written = [re.sub(r"\\([.+-])", r"\1", each) for each in matcher.value.split("|")]
    return written if all(_NUMBER.match(each) for each in written) else []
