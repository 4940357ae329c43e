"""A rule set at work: evaluated and recorded as Prometheus' rule manager would have done, but faster than time passes.

A record that reads none of its own past is evaluated for hours at once, as a range query at its group's interval, which
gives at each step what an instant query gives; rules in a circle are evaluated one time after the other. A series
that an evaluation no longer gives is ended by a stale marker.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from benchmarks.rules.ruleset import Rule, RuleSet
from benchmarks.rules.server import Answer, Cost, Prometheus, QueryError
from benchmarks.rules.wire import STALE, Series
from slo_engine.rules import RecordingRule

Watch = Callable[[Rule, Sequence[Series]], None]
"""Gets what a rule gave: a record's series with their final labels, an alert's with those of its expression."""

_Key = tuple[tuple[str, str], ...]


@dataclass(frozen=True)
class _Given:
    """What a rule gave last."""

    at: int
    keys: frozenset[_Key]


class Evaluation:
    """One rule set on one server. ``watch`` sees all results."""

    def __init__(self, server: Prometheus, rules: RuleSet, watch: Watch | None = None) -> None:
        self._server = server
        self.rules = rules
        self._watch = watch
        self._given: dict[int, _Given] = {}
        self.failures: Counter[str] = Counter()
        """Evaluations that Prometheus refused, by rule and reason."""
        self.evaluations = 0

    def replace(self, rules: RuleSet) -> None:
        """Go on with the rules of a changed SLO file, as Prometheus does after a reload."""
        assert len(rules.rules) == len(self.rules.rules), "the same SLO has another number of rules"
        self.rules = rules

    def restart(self) -> None:
        """Prometheus begins anew: it does not know what its rules gave before, and ends none of it."""
        self._given.clear()

    def run(self, only: Collection[int], start: int, end: int) -> None:
        """Evaluate and record some rules at all their times in start < t <= end."""
        for stage in self.rules.stages:
            wanted = [index for index in stage if index in only]
            if self.rules.is_circular(stage):
                self._step_by_step(wanted, start, end)
            else:
                for index in wanted:
                    self._at_once(index, start, end)

    def at(self, index: int, at: int) -> Cost | None:
        """Evaluate and record one rule at one time; what that took, or None when Prometheus refused."""
        rule = self.rules.rules[index]
        self.evaluations += 1
        try:
            answer = self._server.query(rule.rule.expr, at)
            self._record(index, answer, at, at)
        except QueryError as error:
            self.failures[f"{rule}: {error}"] += 1
            return None
        return answer.cost

    def _step_by_step(self, indices: Sequence[int], start: int, end: int) -> None:
        steps = [(at, index) for index in indices for at in self.rules.rules[index].times(start, end)]
        for at, index in sorted(steps):
            self.at(index, at)

    def _at_once(self, index: int, start: int, end: int) -> None:
        rule = self.rules.rules[index]
        times = rule.times(start, end)
        if not times:
            return
        try:
            answer = self._server.query_range(rule.rule.expr, times[0], times[-1], rule.interval)
            self._record(index, answer, times[0], times[-1])
        except QueryError:
            for at in times:  # some of them fail, the others do not
                self.at(index, at)
        else:
            self.evaluations += len(times)

    def _record(self, index: int, answer: Answer, first: int, last: int) -> None:
        rule = self.rules.rules[index]
        if not isinstance(rule.rule, RecordingRule):
            found = list(answer.series)
        else:
            found = _labelled(rule.rule, answer.series)
            self._server.push(self._with_endings(index, found, first, last))
        if self._watch is not None:
            self._watch(rule, found)

    def _with_endings(self, index: int, found: Sequence[Series], first: int, last: int) -> list[Series]:
        """The series with stale markers where they end, and markers for those that have gone since the last time."""
        interval = self.rules.rules[index].interval
        before = self._given.get(index)
        keys = {_key(each.labels): each for each in found}
        gone = [
            Series(dict(key), np.array([first]), np.array([STALE]))
            for key in (before.keys if before else ())
            if key not in keys or keys[key].times[0] != first
        ]
        self._given[index] = _Given(last, frozenset(key for key, each in keys.items() if each.times[-1] == last))
        return [*gone, *(_ended(each, interval, last) for each in found)]


def _labelled(rule: RecordingRule, series: Iterable[Series]) -> list[Series]:
    """The series as they are recorded. Raises QueryError when two are one, as Prometheus does."""
    found: dict[_Key, Series] = {}
    for each in series:
        labels: Mapping[str, str] = {**each.labels, "__name__": rule.record, **rule.labels}
        labels = {name: value for name, value in labels.items() if value}
        key = _key(labels)
        other = found.get(key)
        if other is None:
            found[key] = Series(labels, each.times, each.values)
            continue
        times, first = np.unique(np.concatenate((other.times, each.times)), return_index=True)
        if len(times) < len(other.times) + len(each.times):
            raise QueryError("vector contains metrics with the same labelset after applying rule labels")
        found[key] = Series(labels, times, np.concatenate((other.values, each.values))[first])
    return list(found.values())


def _ended(series: Series, interval: int, last: int) -> Series:
    """The series with a stale marker at each step where it is missing after one where it was not."""
    ends = series.times + interval
    ends = ends[~np.isin(ends, series.times) & (ends <= last)]
    if not len(ends):
        return series
    times = np.concatenate((series.times, ends))
    values = np.concatenate((series.values, np.full(len(ends), STALE)))
    order = np.argsort(times)
    return Series(series.labels, times[order], values[order])


def _key(labels: Mapping[str, str]) -> _Key:
    return tuple(sorted(labels.items()))
