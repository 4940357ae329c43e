"""Of generated rules, those that make what an expectation reads.

promtool evaluates every rule of a file once a minute of a history, parsing it anew each time; what a test does not look
at, straight or through other rules, costs it minutes and tells it nothing.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Any

import promql_parser

Rule = Mapping[str, Any]

_ALERT_SERIES = ("ALERTS", "ALERTS_FOR_STATE")


def looked_at(groups: Sequence[Mapping[str, Any]], exprs: Iterable[str], alerts: Iterable[str]) -> list[dict[str, Any]]:
    """The groups with the rules that make what ``exprs`` and the alerts of these names read, in their order."""
    rules: list[Rule] = [rule for group in groups for rule in group["rules"]]
    wanted = [selector for expr in exprs for selector in _selectors(promql_parser.parse(expr))]
    wanted += [_alert(name) for name in alerts]
    needed: list[Rule] = []
    while wanted:
        selector = wanted.pop()
        more = [rule for rule in rules if _may_make(rule, selector) and not any(rule is each for each in needed)]
        needed += more
        wanted += [each for rule in more for each in _selectors(promql_parser.parse(rule["expr"]))]
    kept = (
        {**group, "rules": [rule for rule in group["rules"] if any(rule is each for each in needed)]}
        for group in groups
    )
    return [group for group in kept if group["rules"]]


def _alert(name: str) -> promql_parser.VectorSelector:
    selector = promql_parser.parse(f'ALERTS{{alertname="{name}"}}')
    assert isinstance(selector, promql_parser.VectorSelector)
    return selector


def _may_make(rule: Rule, selector: promql_parser.VectorSelector) -> bool:
    """Whether samples of this rule may be among what the selector selects."""
    labels = dict(rule.get("labels", {}))
    if "alert" in rule:
        names: tuple[str, ...] = _ALERT_SERIES
        labels |= {"alertname": rule["alert"]}
    else:
        names = (rule["record"],)
    if selector.name is not None and selector.name not in names:
        return False
    return not any(
        str(matcher.op).endswith(".Equal")
        and matcher.name in labels
        and "{{" not in labels[matcher.name]  # a template: it may turn out as anything
        and labels[matcher.name] != matcher.value
        for matcher in selector.matchers.matchers
    )


def _selectors(tree: promql_parser.Expr) -> Iterator[promql_parser.VectorSelector]:
    match tree:
        case promql_parser.VectorSelector():
            yield tree
        case promql_parser.MatrixSelector():
            yield tree.vector_selector
        case promql_parser.BinaryExpr():
            yield from _selectors(tree.lhs)
            yield from _selectors(tree.rhs)
        case promql_parser.Call():
            for argument in tree.args:
                yield from _selectors(argument)
        case promql_parser.AggregateExpr():
            yield from _selectors(tree.expr)
            if tree.param is not None:
                yield from _selectors(tree.param)
        case promql_parser.SubqueryExpr() | promql_parser.ParenExpr() | promql_parser.UnaryExpr():
            yield from _selectors(tree.expr)
        case promql_parser.NumberLiteral() | promql_parser.StringLiteral():
            pass
        case _:
            raise AssertionError(f"an expression of a kind that is not known here: {tree}")
