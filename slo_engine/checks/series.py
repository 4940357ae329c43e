"""The series that an SLO reads: are they there, with the labels that the SLO goes by?

A misspelt label shows nowhere else: ``status="error"`` matches nothing, and ``status!="success"`` everything, where no
series has the label; and errors without a label of ``by`` belong to no group.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from datetime import datetime

from slo_engine.checks.counters import Counter, counters, is_native
from slo_engine.checks.finding import Finding, FindingKind
from slo_engine.checks.probes import ask, ask_all
from slo_engine.definitions.promql import Matcher, Selector
from slo_engine.definitions.slo import Slo
from slo_engine.status.evaluate import QuerySource

_LOOK_BACK = "1d"
"""What was not seen for so long counts as never seen."""

_REPLICA_LABELS = "replica, prometheus_replica"
"""What the replicas of a Prometheus are told apart by, if nothing removes it: in Thanos' documentation, and by
prometheus-operator."""

Key = tuple[str, ...]


class Series:
    """What Prometheus says of the series of one SLO: one query, and another where something is missing."""

    def __init__(self, slo: Slo, source: QuerySource, at: datetime) -> None:
        self._slo = slo
        self._source = source
        self._at = at
        self._counters = counters(slo)
        self._counts = ask_all(source, dict(self._probes()), at)
        self._earlier = ask_all(source, dict(self._probes_of_the_past()), at)

    @property
    def missing(self) -> bool:
        """Whether there is nothing to go on: no series of what the SLI is about."""
        return self._slo.sli.watched is not None and not self._counts.get(("watched",))

    @property
    def age(self) -> float:
        """Of the newest sample, in seconds."""
        return self._counts.get(("age",), 0.0)

    def findings(self) -> Iterator[Finding]:
        """All that is wrong with them."""
        if self.missing:
            unknown = list(self._unknown_labels(only_main=True))
            yield from unknown or self._no_data()
            return
        yield from self._no_group()
        yield from self._unknown_labels()
        yield from self._never_seen()
        yield from self._mixed_buckets()
        yield from self._strangers()
        yield from self._replicas()

    # Questions.

    def _probes(self) -> Iterator[tuple[Key, str]]:
        if watched := self._slo.sli.watched:
            yield ("watched",), f"count({watched})"
            yield ("age",), f"time() - max(timestamp({watched}))"
        for counter in self._counters:
            selector, metric = counter.selector, Selector(counter.selector.metric)
            yield ("series", str(selector)), f"count({selector})"
            yield ("series", str(metric)), f"count({metric})"
            for label in self._grouped_by(counter):
                yield ("lacking", str(selector), label), f"count({selector.where(label, '')})"
                yield ("having", str(metric), label), f"count({metric.where(label, '', '!=')})"
            for label in counter.labels:
                rest = counter.without(label)
                for scope in (rest, metric):
                    yield ("series", str(scope)), f"count({scope})"
                    yield ("having", str(scope), label), f"count({scope.where(label, '', '!=')})"
        yield from self._probes_of_pairs()

    def _probes_of_pairs(self) -> Iterator[tuple[Key, str]]:
        by = ", ".join(self._slo.by)
        main = self._counters[0].selector if self._counters else None
        mains = [counter.selector for counter in self._counters if counter.is_main]
        for counter in self._counters:
            selector = counter.selector
            if counter.role == "bucket":
                yield ("without bucket",), f"count({main} unless ignoring (le) {selector})"
            if (
                by
                and main
                and counter.role in ("errors", "good")
                and selector.metric not in {each.metric for each in mains}
            ):
                known = " or ".join(f"count by ({by}) ({each})" for each in mains)
                groups = f"count by ({by}) ({selector} > 0) unless on ({by}) ({known})"
                yield ("strangers", counter.role), f"count({groups})"
            if counter.is_main and not is_native(self._slo):
                # Replicas that scrape the same target see nearly the same number.
                same = f"without ({_REPLICA_LABELS}) ({selector})"
                yield ("replicas",), f"count(count {same} > 1 and min {same} >= 0.9 * max {same} and max {same} > 0)"

    def _probes_of_the_past(self) -> Iterator[tuple[Key, str]]:
        """What is not there now may have been there earlier today."""
        for key, expr in self._probes():
            if key[0] in ("series", "having") and not self._counts.get(key):
                selector = expr.removeprefix("count(").removesuffix(")")
                yield key, f"count(last_over_time({selector}[{_LOOK_BACK}]))"

    def _seen(self, *key: str) -> bool:
        return bool(self._counts.get(key) or self._earlier.get(key))

    def _grouped_by(self, counter: Counter) -> tuple[str, ...]:
        """The labels that a series must have to belong to a group."""
        return ("model",) if counter.role == "unpriced" else self._slo.by

    # Answers.

    def _no_data(self) -> Iterator[Finding]:
        if bounds := self._bounds():
            yield self._finding(
                "no-bucket",
                f"the threshold is not a bucket of the histogram; its buckets are {', '.join(bounds)}",
            )
            return
        yield self._finding(
            "no-data",
            f"no series matches {self._slo.sli.watched}: is the agent scraped, and are the metric and its labels "
            "spelled like this?",
        )

    def _bounds(self) -> list[str]:
        """The buckets of the histogram of the SLO; none when it is not there, or not of that kind."""
        if self._slo.sli.buckets is None:
            return []
        found = ask(self._source, f"count by (le) ({self._slo.sli.buckets})", self._at)
        return sorted({labels.get("le", "") for labels, _ in found} - {""}, key=float)

    def _no_group(self) -> Iterator[Finding]:
        """Labels of ``by`` that series lack."""
        told: set[tuple[str, str]] = set()
        for counter in self._counters:
            for label in self._grouped_by(counter):
                metric = counter.selector.metric
                if (metric, label) in told or not (message := self._lacks(counter, label)):
                    continue
                told.add((metric, label))
                yield self._finding("no-label", message)

    def _lacks(self, counter: Counter, label: str) -> str | None:
        selector = str(counter.selector)
        there = self._counts.get(("series", selector), 0)
        lacking = self._counts.get(("lacking", selector, label), 0)
        named = "which `by` names" if label in self._slo.by else "which tells whose cost is not known"
        if counter.is_main:
            # Where some have it, the others are a group of their own.
            return f"no series of {selector} has the label {label}, {named}" if lacking == there > 0 else None
        main = self._counters[0].selector
        if not there:  # none has failed yet, say: then the metric tells
            if counter.selector.metric == main.metric or not self._seen("series", counter.selector.metric):
                return None
            if self._seen("having", counter.selector.metric, label):
                return None
        elif not lacking or (lacking < there and self._counts.get(("lacking", str(main), label))):
            return None
        if lacking == there:
            begun = f"no series of {selector if there else counter.selector.metric} has"
        else:
            begun = f"{lacking:.0f} of {there:.0f} series of {selector} do not have"
        return f"{begun} the label {label}, {named}: {_CONSEQUENCES[counter.role]}{self._labels_of(counter)}"

    def _labels_of(self, counter: Counter) -> str:
        """The labels that its series have, to choose from."""
        for selector in (counter.selector, Selector(counter.selector.metric)):
            for labels, _ in ask(self._source, f"topk(1, {selector})", self._at):
                names = sorted(set(labels) - {"__name__", "le"})
                return f"; its labels are {', '.join(names)}" if names else "; it has no labels"
        return ""

    def _unknown_labels(self, *, only_main: bool = False) -> Iterator[Finding]:
        """Labels that a selector asks for, and that no series has."""
        told: set[tuple[str, str]] = set()
        for counter in self._counters:
            if only_main and not (counter.is_main or counter.role == "bucket"):
                continue
            for label in counter.labels:
                asked = [matcher for matcher in counter.asks(label) if not _holds_without(matcher)]
                if not asked or self._appears_with_errors(counter, label):
                    continue
                scope = self._scope_without(counter, label)
                where = counter.selector.metric.removesuffix("_bucket").removesuffix("_count")
                if scope is None or (where, label) in told:
                    continue
                told.add((where, label))
                written = " and ".join(str(matcher) for matcher in asked)
                effect = "everything" if all(_takes_empty(matcher) for matcher in asked) else "nothing"
                yield self._finding(
                    "unknown-label",
                    f"no series of {scope} has the label {label}, so that {written} in {_key(counter)} matches "
                    f"{effect}: is the label spelled like this?",
                )

    def _scope_without(self, counter: Counter, label: str) -> Selector | None:
        """Series that could have the label, and of which none has."""
        for scope in (Selector(counter.selector.metric), counter.without(label)):
            if self._seen("series", str(scope)) and not self._seen("having", str(scope), label):
                return scope
        return None

    def _appears_with_errors(self, counter: Counter, label: str) -> bool:
        """Whether errors are told by having the label at all, as OpenTelemetry's ``error_type``: no series has it
        before the first error."""
        same = counter.selector.metric == self._counters[0].selector.metric
        return counter.role == "errors" and same and any(_asks_for_any(each) for each in counter.asks(label))

    def _never_seen(self) -> Iterator[Finding]:
        main = self._counters[0] if self._counters else None
        for counter in self._counters:
            selector = counter.selector
            if main is None or counter is main or self._seen("series", str(selector)):
                continue
            if counter.role == "good":
                yield self._finding(
                    "no-good",
                    f"no series matches good ({selector}) and none did within {_LOOK_BACK}, so that every event counts "
                    "as an error: is it spelled like this?",
                )
            elif counter.role == "errors" and not self._seen("series", selector.metric):
                yield self._finding(
                    "no-errors",
                    f"there is no series of {selector.metric} and there was none within {_LOOK_BACK}, so that errors "
                    "are always 0: is the metric spelled like this? If the exporter creates it with the first error "
                    "only, this is fine once it has been seen",
                )
            elif counter.role == "requests":
                yield self._finding(
                    "no-data", f"no series matches requests ({selector}), so that limits.request cannot fire"
                )

    def _mixed_buckets(self) -> Iterator[Finding]:
        lacking = self._counts.get(("without bucket",), 0)
        there = self._counts.get(("series", str(self._counters[0].selector)), 0) if self._counters else 0
        if lacking:
            yield self._finding(
                "mixed-buckets",
                f"of {there:.0f} series of {self._counters[0].selector} {lacking:.0f} have no bucket at the threshold, "
                "and only those that have it can be judged: give all targets the same buckets",
            )

    def _strangers(self) -> Iterator[Finding]:
        for counter in self._counters:
            selector, main = counter.selector, self._counters[0].selector
            groups = self._counts.get(("strangers", counter.role))
            lacks = any(self._counts.get(("lacking", str(selector), label)) for label in self._slo.by)
            if groups and not lacks:
                yield self._finding(
                    "no-total",
                    f"{groups:.0f} groups of {counter.role} ({selector}) have no events in {main}, so that they are in "
                    f"no ratio: do both write {', '.join(self._slo.by)} alike?",
                )

    def _replicas(self) -> Iterator[Finding]:
        if twice := self._counts.get(("replicas",)):
            yield self._finding(
                "counted-twice",
                f"{twice:.0f} series of {self._counters[0].selector} are there several times, told apart by the labels "
                f"{_REPLICA_LABELS} alone: each event counts once for each replica of Prometheus; choose one "
                "replica in the selectors, or remove doubles before the rules are evaluated",
            )

    def _finding(self, problem: FindingKind, message: str) -> Finding:
        return Finding(*self._slo.key, problem, message)


_CONSEQUENCES = {
    "errors": "they belong to no group, and the errors of each group show as 0",
    "good": "they belong to no group, and every event of each group counts as an error",
    "bucket": "they belong to no group, and every event of each group counts as slow or too low",
    "requests": "they belong to no group, and limits.request cannot fire",
    "unpriced": "the alert cannot name the model",
}


def _key(counter: Counter) -> str:
    return "histogram" if counter.role == "bucket" else counter.role


def _takes_empty(matcher: Matcher) -> bool:
    """Whether series without the label match."""
    return _matches(matcher, "")


def _holds_without(matcher: Matcher) -> bool:
    """Whether it means series without the label, among others: nothing is wrong when none has it."""
    return matcher.op in ("=", "=~") and _takes_empty(matcher)


def _asks_for_any(matcher: Matcher) -> bool:
    """Whether it wants the label to be there, whatever it is."""
    return not _takes_empty(matcher) and all(_matches(matcher, value) for value in ("timeout", "500", "E/x y"))


def _matches(matcher: Matcher, value: str) -> bool:
    if matcher.op in ("=", "!="):
        return (value == matcher.value) is (matcher.op == "=")
    try:
        found = re.fullmatch(matcher.value, value) is not None
    except re.error:  # RE2 reads some expressions that Python does not
        found = False
    return found is (matcher.op == "=~")
