"""Rule sets as values, and who reads whom in them: found in the expressions, not known by name."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

import promql_parser
import yaml

from slo_engine.definitions import Duration
from slo_engine.definitions.promql import parse_expression
from slo_engine.rules import AlertRule, RecordingRule, RuleGroup

MINUTE = Duration.parse("1m")

DEFAULT_INTERVAL = MINUTE
"""Prometheus' own evaluation interval, for groups that name none."""


@dataclass(frozen=True)
class Rule:
    """A rule with the interval at which its group evaluates it."""

    rule: RecordingRule | AlertRule
    interval: int
    """Milliseconds."""
    offset: int = 0
    """How long after a whole interval its group begins."""

    def __str__(self) -> str:
        if isinstance(self.rule, AlertRule):
            return f"alert {self.rule.alert} ({', '.join(self.rule.labels.get(key, '') for key in _TELLING)})"
        told = ", ".join(value for name, value in self.rule.labels.items() if name not in _IDENTITY)
        return f"{self.rule.record}{{{told}}}"

    @cached_property
    def reads(self) -> tuple[Read, ...]:
        """The selectors of its expression."""
        return tuple(_reads(parse_expression(self.rule.expr), in_subquery=False))

    def times(self, start: int, end: int) -> range:
        """When its group evaluates it in start < t <= end."""
        first = ((start - self.offset) // self.interval + 1) * self.interval + self.offset
        return range(first, end + 1, self.interval)


_IDENTITY = ("slo_service", "slo", "sloth_id", "sloth_service", "sloth_slo", "owner")
_TELLING = ("severity", "sloth_severity", "long_window", "long")


@dataclass(frozen=True)
class Read:
    """A selector in an expression."""

    metric: str
    matchers: tuple[tuple[str, str, str], ...]
    """Label, operator, value."""
    is_of_the_past: bool
    """A range, an offset, or within a subquery: more than the value of now."""

    def sees(self, rule: Rule) -> bool:
        """Whether it may select what ``rule`` records, going by the labels that the rule is known to set."""
        record = rule.rule
        if isinstance(record, AlertRule) or record.record != self.metric:
            return False
        return all(_holds(record.labels[name], op, value) for name, op, value in self.matchers if name in record.labels)


@dataclass(frozen=True)
class RuleSet:
    """The rule groups of one contender, in the order in which they are evaluated."""

    name: str
    rules: tuple[Rule, ...]

    @cached_property
    def kept(self) -> frozenset[int]:
        """Indices of the records that need a history: rules read their past, or that of a record made of them."""
        needed = {
            index
            for index, rule in enumerate(self.rules)
            if any(read.is_of_the_past and read.sees(rule) for other in self.rules for read in other.reads)
        }
        return frozenset(needed.union(*(self.sources[index] for index in needed)))

    @cached_property
    def stages(self) -> tuple[tuple[int, ...], ...]:
        """The rules, each after those that it reads. Rules that read each other, or themselves, stand together."""
        order = sorted(range(len(self.rules)), key=lambda index: (len(self.sources[index] | {index}), index))
        placed: set[int] = set()
        found = []
        for index in order:
            if index not in placed:
                circle = {other for other in self.sources[index] if index in self.sources[other]} | {index}
                found.append(tuple(sorted(circle)))
                placed |= circle
        return tuple(found)

    def is_circular(self, stage: tuple[int, ...]) -> bool:
        """Whether a stage's rules read their own earlier values, so that each time must be evaluated by itself."""
        return stage[0] in self.sources[stage[0]]

    @cached_property
    def sources(self) -> tuple[frozenset[int], ...]:
        """For each rule, all the rules that it reads, directly or through others."""
        direct = [
            {i for i, other in enumerate(self.rules) if any(read.sees(other) for read in rule.reads)}
            for rule in self.rules
        ]
        found = [set(each) for each in direct]
        for middle in range(len(found)):
            for each in found:
                if middle in each:
                    each |= found[middle]
        return tuple(frozenset(each) for each in found)


def rule_set(name: str, groups: tuple[RuleGroup, ...], *, long_offset: int = 0) -> RuleSet:
    """The rules of some groups. Prometheus evaluates each at a moment of its own, by a hash of its name; here groups of
    more than a minute are evaluated so many milliseconds after the whole minute, and the others at it."""
    found = []
    for group in groups:
        interval = (group.interval or DEFAULT_INTERVAL).milliseconds
        offset = long_offset if interval > MINUTE.milliseconds else 0
        found += [Rule(rule, interval, offset) for rule in group.rules]
    return RuleSet(name, tuple(found))


def from_file(file: Path) -> tuple[RuleGroup, ...]:
    """The groups of a rule file that somebody else has generated."""
    data: dict[str, Any] = yaml.safe_load(file.read_text(encoding="utf-8"))
    return tuple(
        RuleGroup(
            group["name"],
            Duration.parse(group["interval"]) if "interval" in group else None,
            tuple(_rule(rule) for rule in group["rules"]),
        )
        for group in data["groups"]
    )


def subqueries(expr: str) -> list[promql_parser.SubqueryExpr]:
    """The subqueries of an expression, but not those within subqueries."""
    return list(_subqueries(parse_expression(expr)))


def readings(expr: str) -> list[str]:
    """The parts of an expression that read the database themselves, but not those within subqueries: selectors, and
    functions over ranges of them."""
    return [tree.prettify() for tree in _readings(parse_expression(expr))]


def _readings(tree: Any) -> Iterator[Any]:
    match tree:
        case promql_parser.SubqueryExpr():
            return
        case promql_parser.VectorSelector():
            yield tree
        case promql_parser.Call() if any(isinstance(each, promql_parser.MatrixSelector) for each in tree.args):
            yield tree
        case _:
            for child in _children(tree):
                yield from _readings(child)


def _rule(data: Mapping[str, Any]) -> RecordingRule | AlertRule:
    labels = data.get("labels", {})
    if "record" in data:
        return RecordingRule(data["record"], data["expr"], labels)
    held = Duration.parse(data["for"]) if data.get("for") else None
    return AlertRule(data["alert"], data["expr"], labels, data.get("annotations", {}), held)


def _reads(tree: Any, *, in_subquery: bool) -> Iterator[Read]:
    match tree:
        case promql_parser.VectorSelector():
            yield _read(tree, is_of_the_past=in_subquery)
        case promql_parser.MatrixSelector():
            yield _read(tree.vector_selector, is_of_the_past=True)
        case _:
            inside = in_subquery or isinstance(tree, promql_parser.SubqueryExpr)
            for child in _children(tree):
                yield from _reads(child, in_subquery=inside)


def _subqueries(tree: Any) -> Iterator[promql_parser.SubqueryExpr]:
    if isinstance(tree, promql_parser.SubqueryExpr):
        yield tree
        return
    for child in _children(tree):
        yield from _subqueries(child)


def _children(tree: Any) -> Iterator[Any]:
    for name in ("lhs", "rhs", "expr", "param", "args"):
        child = getattr(tree, name, None)
        if isinstance(child, list):
            yield from child
        elif child is not None and not isinstance(child, str | float):
            yield child


_OPS = {"Equal": "=", "NotEqual": "!=", "Re": "=~", "NotRe": "!~"}


def _read(tree: promql_parser.VectorSelector, *, is_of_the_past: bool) -> Read:
    matchers = tuple((each.name, _OPS[str(each.op).rpartition(".")[2]], each.value) for each in tree.matchers.matchers)
    named = next((value for name, op, value in matchers if name == "__name__" and op == "="), "")
    return Read(tree.name or named, matchers, is_of_the_past or tree.offset is not None or tree.at is not None)


def _holds(value: str, op: str, wanted: str) -> bool:
    found = re.fullmatch(wanted, value) is not None if "~" in op else value == wanted
    return found is not op.startswith("!")
