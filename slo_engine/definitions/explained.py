"""What explains a plain alert: told from the metrics in its expression, where they are those of
:mod:`slo_engine.monitoring`. Of other metrics nobody knows what they mean."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import promql_parser

from slo_engine.definitions.promql import PromqlError, Selector, parse_expression, selector_of
from slo_engine.definitions.traces import METRICS, Event, Explanation, Failed, Slow, Spent

_SPEND = "llm_cost_usd_total"
_ERRORS = frozenset({"agent_errors_total"})
"""Counters of nothing but errors."""

_GOOD = "success"
"""The value of ``status`` that is no error."""


def explanation_of(expr: str) -> Explanation | None:
    """What explains an alert with this expression; None: nothing that is known."""
    try:
        tree = parse_expression(expr)
        selectors = [*_selectors(tree)]
    except PromqlError:
        return None
    names = {_base(selector.metric) for selector in selectors}
    spend = next((selector for selector in selectors if selector.metric == _SPEND), None)
    if spend is not None and names - {_SPEND} <= METRICS.keys():
        return Spent(Selector(spend.metric, tuple(each for each in spend.matchers if each.op == "=")))
    events = {METRICS.get(name) for name in names}
    if len(events) != 1 or (event := events.pop()) is None:
        return None
    if any(_counts_errors(selector) for selector in selectors):
        return Failed(event)
    return _slow(tree, event)


def _slow(tree: Any, event: Event) -> Slow | None:
    """``histogram_quantile(0.95, ...) > 30``: what took longer than 30 seconds."""
    if not isinstance(tree, promql_parser.BinaryExpr) or str(tree.op) not in (">", ">="):
        return None
    limit, quantile = tree.rhs, _bare(tree.lhs)
    is_quantile = isinstance(quantile, promql_parser.Call) and quantile.func.name == "histogram_quantile"
    return Slow(limit.val, event) if is_quantile and isinstance(limit, promql_parser.NumberLiteral) else None


def _counts_errors(selector: Selector) -> bool:
    if selector.metric in _ERRORS:
        return True
    return any(
        matcher.name == "status"
        and (matcher.value == _GOOD) == (matcher.op == "!=")
        and matcher.op in ("=", "!=", "=~")
        for matcher in selector.matchers
    )


def _selectors(tree: Any) -> Iterator[Selector]:
    tree = _bare(tree)
    if isinstance(tree, promql_parser.VectorSelector):
        yield selector_of(tree)
    elif isinstance(tree, promql_parser.MatrixSelector):
        yield selector_of(tree.vector_selector)
    else:
        inner = [getattr(tree, name, None) for name in ("lhs", "rhs", "expr")]
        for each in (*inner, *getattr(tree, "args", ())):
            if each is not None:
                yield from _selectors(each)


def _bare(tree: Any) -> Any:
    while isinstance(tree, promql_parser.ParenExpr):
        tree = tree.expr
    return tree


def _base(metric: str) -> str:
    for suffix in ("_bucket", "_count", "_sum"):
        if metric.removesuffix(suffix) in METRICS:
            return metric.removesuffix(suffix)
    return metric
