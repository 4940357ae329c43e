"""The PromQL of other tools -> an ``sli`` of ours, whose selectors are plain: which counters does a query add up?

Queries are read on the syntax tree. What is recognised: sums of ``rate`` or ``increase`` of one counter, with ``by`` or
without; a counter by itself; several of them added up; ``or vector(0)`` and ``clamp_min(..., 0)`` around it;
``total - good``; a bucket of a histogram over its count; a ratio of two of these; ``histogram_fraction``. Whatever else
a query does is the reason that it is not imported.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from decimal import Decimal
from math import inf
from typing import Any, Literal

import promql_parser

from slo_engine.convert.importers.histograms import (
    both_spellings,
    both_spellings_in,
    doubts,
    latency,
    milliseconds,
    same_events,
    score,
)
from slo_engine.definitions.duration import Duration
from slo_engine.definitions.promql import PromqlError, Selector, parse_expression, selector_of
from slo_engine.errors import SloEngineError

PLACEHOLDER = "1234567ms"
"""Stands for the window that the other tool fills in; no author writes such a range."""

_GRAFANA = tuple(
    shape.format(name)
    for name in ("__rate_interval", "__interval", "__range", "interval", "window")
    for shape in ("${{{}}}", "${}")
)
_RATES = {"rate", "increase", "irate"}


class CannotExpressError(SloEngineError):
    """A query that is not a plain counter, with what it is instead and what to do."""


@dataclass(frozen=True)
class Indicator:
    """What a query became: the data of ``sli``, its ``by`` labels, and where it is not quite the same."""

    sli: dict[str, Any]
    by: tuple[str, ...] = ()
    changed: tuple[str, ...] = ()


@dataclass(frozen=True)
class _Counter:
    """``sum by (by) (function(selector[window]))``; ``by`` is None where nothing is summed."""

    selector: Selector
    by: tuple[str, ...] | None
    function: str | None
    window: str | None
    """A range that is written out; None where the tool fills it in."""


_Counters = tuple[_Counter, ...]
"""The counters that are added up."""


def events(total: str, *, errors: str | None = None, good: str | None = None) -> Indicator:
    """An SLI from a query for all events and one for either the errors or the good ones. Raises CannotExpressError."""
    whole = _counters(_parsed(total))
    if good is not None:
        return _from_part(whole, _parsed(good), of="good")
    assert errors is not None  # the callers have one of the two
    return _from_errors(whole, _parsed(errors))


def ratio(text: str, *, of: str) -> Indicator:
    """An SLI from one query for a ratio of ``of`` ("errors" or "good") to all events. Raises CannotExpressError."""
    tree = _unlimited(_parsed(text), most=1)
    if (inverse := _one_minus(tree)) is not None:
        tree, of = _unlimited(inverse, most=1), {"errors": "good", "good": "errors"}[of]
    if (native := _fraction(tree)) is not None:
        if of == "errors":
            raise CannotExpressError(
                "histogram_fraction from 0 is the share of fast events; it stands here for the slow"
            )
        return native
    if not isinstance(tree, promql_parser.BinaryExpr) or str(tree.op) != "/":
        raise CannotExpressError(
            f"{_shown(tree)} is a ratio that is computed elsewhere: the rules need the counters behind it; name them "
            f"under sli.events, or, {_OF_A_GAUGE}"
        )
    _one_to_one(tree)
    whole = _counters(tree.rhs)
    if of == "good":
        return _from_part(whole, tree.lhs, of="good")
    return _from_errors(whole, tree.lhs)


def selector(text: str) -> Selector:
    """One counter or gauge by itself. Raises CannotExpressError."""
    tree = _bare(_parsed(text))
    if not isinstance(tree, promql_parser.VectorSelector):
        raise CannotExpressError(f"{_shown(tree)} is not one plain selector: {_RECORD}")
    return _selector(tree)


def counted(
    total: Sequence[Selector], *, errors: Selector | None = None, good: Selector | None = None
) -> tuple[dict[str, Any], str | None]:
    """``sli`` of these counters, of which those of the total are added up: of a histogram what its buckets mean, else
    ``events``; and what to say of it."""
    one = total[0] if len(total) == 1 else None
    if good and one and (sli := latency(good, one)):
        return sli, None
    doubt = doubts(errors, one) if errors else None
    if errors and one and (sli := score(errors, one)):
        return sli, doubt
    key, part = ("errors", errors) if errors else ("good", good)
    assert part is not None  # the callers give one of the two
    every = [str(both_spellings(each)) for each in total]
    return {"events": {"total": every[0] if one else every, key: str(both_spellings(part))}}, doubt


def slices(total: str, at_least: float, *, errors: str | None = None, good: str | None = None) -> Indicator:
    """Minutes are good in which this share of the events is good. Raises CannotExpressError."""
    whole, part = _counters(_parsed(total)), _counter(_parsed(errors or good or ""))
    by = _by(part, whole)
    grouped = f"sum by ({', '.join(by)})" if by else "sum"
    ours, *others = (f"{grouped} (rate({both_spellings(each.selector)}[5m]))" for each in (part, *whole))
    all_events = f"({' + '.join(others)})" if len(others) > 1 else others[0]
    share = f"({ours} or 0 * {all_events}) / {all_events}"  # no series of errors yet, say: no error yet
    limit = f">= bool {at_least:g}" if good is not None else f"<= bool {float(1 - Decimal(str(at_least))):g}"
    remark = "each minute is judged over the five minutes before it, so that a scrape interval of a minute suffices"
    return Indicator({"slices": {"good": f"{share} {limit}"}}, by, (remark,))


def comparison(query: str, operator: str, value: float) -> Indicator:
    """Minutes are good in which the query compares well. Raises CannotExpressError."""
    tree = _bare(_parsed(query, window="5m"))
    if isinstance(tree, promql_parser.MatrixSelector | promql_parser.StringLiteral | promql_parser.NumberLiteral):
        raise CannotExpressError(f"{_shown(tree)} has no value to compare")
    if (judged := _judged(tree)) is not None and (operator, value) == (">=", 1):
        return judged
    by = tuple(tree.modifier.labels) if _groups(tree) else ()
    if isinstance(tree, promql_parser.VectorSelector):
        left = str(both_spellings(_selector(tree)))
    else:
        left = f"({both_spellings_in(tree.prettify())})"
    return Indicator({"slices": {"good": f"{left} {operator} bool {value:g}"}}, by)


def is_judgement(text: str) -> bool:
    """Whether an expression answers 0 or 1: a comparison with ``bool``."""
    return _judges(_bare(parse_expression(text)))


def _judges(tree: Any) -> bool:
    return isinstance(tree, promql_parser.BinaryExpr) and bool(tree.modifier and tree.modifier.return_bool)


def _judged(tree: Any) -> Indicator | None:
    """``min by (a) (x > bool 1)``: a minute is good while no series of the group says 0."""
    if not isinstance(tree, promql_parser.AggregateExpr) or str(tree.op) != "min":
        return None
    inside = _bare(tree.expr)
    if not _judges(inside) or (tree.modifier is not None and not _groups(tree)):
        return None
    by = tuple(tree.modifier.labels) if tree.modifier else ()
    return Indicator({"slices": {"good": both_spellings_in(inside.prettify())}}, by)


TAKEN_FOR_COUNTERS = "it has neither rate nor increase and is taken for a counter: for a gauge this would be wrong"
FIXED_RANGE = "its range is written out; here the ratio is taken over the windows of each tier"
_OF_A_GAUGE = "for a gauge that is 0 or 1, write sli: {slices: {good: ...}}"

_RECORD = (
    "name the counter behind it or, where there are several, record each as it is under one name, with a label that "
    "tells them apart. (Do not record their sum: it falls when a pod leaves, and that looks like a restart)"
)
_UNEQUAL = "its two queries are grouped by different labels: group both by the same ones"


def _parsed(text: str, window: str = PLACEHOLDER) -> promql_parser.Expr:
    filled = _filled_in(text, window)
    try:
        return parse_expression(filled)
    except PromqlError as error:
        raise CannotExpressError(f"its query {' '.join(text.split())} {error}") from None


def _filled_in(text: str, window: str) -> str:
    """The query with the placeholders of its tool (Go templates, Grafana's variables) taken for a range."""
    done, rest = "", text
    while "{{" in rest:
        before, _, behind = rest.partition("{{")
        action, closed, rest = behind.partition("}}")
        if not closed or action.strip(" -\t") not in (".window", "window"):
            raise CannotExpressError(
                f"its query holds the template {{{{{action}}}}}, and only {{{{.window}}}} is known: write its value out"
            )
        done += before + window
    done += rest
    for name in _GRAFANA:
        done = done.replace(name, window)
    return done


def _bare(tree: Any) -> Any:
    """Without brackets, ``or vector(0)`` and ``> 0`` around it, for which the rules provide themselves."""
    while isinstance(tree, promql_parser.ParenExpr | promql_parser.BinaryExpr):
        if isinstance(tree, promql_parser.ParenExpr):
            tree = tree.expr
        elif _adds_zero(tree) or _filters_zero(tree):
            tree = tree.lhs
        else:
            break
    return tree


def _adds_zero(tree: promql_parser.BinaryExpr) -> bool:
    return str(tree.op) == "or" and _is_zero(tree.rhs)


def _is_zero(tree: Any) -> bool:
    tree = _bare(tree)
    if isinstance(tree, promql_parser.NumberLiteral):
        return bool(tree.val == 0)
    if isinstance(tree, promql_parser.Call) and tree.func.name == "vector":
        return _is_zero(tree.args[0])
    if isinstance(tree, promql_parser.BinaryExpr) and str(tree.op) == "*":
        return _is_zero(tree.lhs) or _is_zero(tree.rhs)
    return False


def _filters_zero(tree: promql_parser.BinaryExpr) -> bool:
    return str(tree.op) == ">" and _is_zero(tree.rhs) and not (tree.modifier and tree.modifier.return_bool)


def _unlimited(tree: Any, most: float = inf) -> Any:
    """As :func:`_bare`, and without limits that only extrapolation reaches: counts are not below 0, nor above
    ``most``."""
    tree = _bare(tree)
    while (inner := _limited(tree, most)) is not None:
        tree = _bare(inner)
    return tree


def _limited(tree: Any, most: float) -> Any | None:
    if isinstance(tree, promql_parser.BinaryExpr) and str(tree.op) == ">=" and _is_zero(tree.rhs):
        return None if tree.modifier and tree.modifier.return_bool else tree.lhs
    if not isinstance(tree, promql_parser.Call) or tree.func.name not in ("clamp", "clamp_min", "clamp_max"):
        return None
    numbers = [
        argument.val if isinstance(argument, promql_parser.NumberLiteral) else None for argument in tree.args[1:]
    ]
    low = numbers[0] if tree.func.name != "clamp_max" else 0
    high = numbers[-1] if tree.func.name != "clamp_min" else inf
    return tree.args[0] if low is not None and low <= 0 and high is not None and high >= most else None


def _one_minus(tree: Any) -> Any | None:
    if isinstance(tree, promql_parser.BinaryExpr) and str(tree.op) == "-":
        left = _bare(tree.lhs)
        if isinstance(left, promql_parser.NumberLiteral) and left.val == 1:
            return tree.rhs
    return None


def _fraction(tree: Any) -> Indicator | None:
    """``histogram_fraction(0, 0.2, sum(rate(h[5m])))``"""
    if not isinstance(tree, promql_parser.Call) or tree.func.name != "histogram_fraction":
        return None
    low, high, inner = tree.args
    counter = _counter(inner)
    threshold = milliseconds(high.val) if isinstance(high, promql_parser.NumberLiteral) else None
    if not _is_zero(low) or threshold is None:
        raise CannotExpressError(f"{_shown(tree)} is not the share of events from 0 to a number of whole milliseconds")
    sli = {"latency": {"histogram": str(counter.selector), "threshold": str(threshold), "native": True}}
    return Indicator(sli, counter.by or (), _remarks([counter]))


def _one_to_one(tree: Any) -> None:
    if tree.modifier and str(tree.modifier.card) != "VectorMatchCardinality.OneToOne":
        raise CannotExpressError(f"{_shown(tree)} joins several series with one: sum both sides by the same labels")


def _from_errors(whole: _Counters, tree: Any) -> Indicator:
    tree = _unlimited(tree)
    if not isinstance(tree, promql_parser.BinaryExpr) or str(tree.op) != "-":
        return _from_part(whole, tree, of="errors")
    _one_to_one(tree)
    if not _same_events(_counters(tree.lhs), whole):
        named = " + ".join(str(each.selector) for each in whole)
        raise CannotExpressError(
            f"its errors are {_shown(tree)}, which does not begin with the total {named}: name a counter of the errors "
            "or of the good events"
        )
    return _from_part(whole, tree.rhs, of="good")


def _from_part(whole: _Counters, tree: Any, of: Literal["errors", "good"]) -> Indicator:
    """From the errors of the total, or from the good ones. Of several counters the SLI names the one that is left."""
    parts = _counters(tree)
    if len(parts) == 1:
        return _joined(whole, parts[0], of)
    left = [each for each in whole if not any(same_events(each.selector, part.selector) for part in parts)]
    if len(left) != 1 or len(whole) != len(parts) + 1:
        raise CannotExpressError(f"{_shown(tree)} adds up several counters of the {of}: {_RECORD}")
    for part in parts:
        _by(part, whole)
    return _joined(whole, left[0], "good" if of == "errors" else "errors")


def _same_events(one: _Counters, other: _Counters) -> bool:
    return len(one) == len(other) and all(
        any(sorted(a.by or ()) == sorted(b.by or ()) and same_events(a.selector, b.selector) for b in other)
        for a in one
    )


def _joined(whole: _Counters, part: _Counter, of: Literal["errors", "good"]) -> Indicator:
    by = _by(part, whole)
    counters = (part, *whole)
    if len({"rate" if each.function == "irate" else each.function for each in counters} - {None}) > 1:
        raise CannotExpressError("one of its queries counts events (increase), the other events a second (rate)")
    remarks = _remarks(counters)
    selectors = [each.selector for each in whole]
    errors, good = (part.selector, None) if of == "errors" else (None, part.selector)
    sli, doubt = counted(selectors, errors=errors, good=good)
    return Indicator(sli, by, (*remarks, doubt) if doubt else remarks)


def _remarks(counters: Sequence[_Counter]) -> tuple[str, ...]:
    found = []
    functions = {each.function for each in counters}
    if "irate" in functions:
        found.append("irate looks at the last two samples; here every event of a window counts")
    if None in functions:
        found.append(TAKEN_FOR_COUNTERS)
    elif any(each.by is None for each in counters):
        found.append("it is not summed there, which makes one ratio for each series; here it is one for all: set `by`")
    if any(each.window for each in counters) and None not in functions:
        found.append(FIXED_RANGE)
    return tuple(found)


def _by(part: _Counter, whole: _Counters) -> tuple[str, ...]:
    """The labels that all are grouped by. A label with one value groups nothing. Raises CannotExpressError where they
    differ."""
    grouped = []
    for each in (part, *whole):
        pinned = {matcher.name for matcher in each.selector.matchers if matcher.op == "=" and matcher.name == "le"}
        grouped.append(tuple(label for label in each.by or () if label not in pinned))
    if any(sorted(labels) != sorted(grouped[1]) for labels in grouped):
        raise CannotExpressError(_UNEQUAL)
    return grouped[1]


def _groups(tree: Any) -> bool:
    return (
        isinstance(tree, promql_parser.AggregateExpr)
        and tree.modifier is not None
        and str(tree.modifier.type) == "AggModifierType.By"
    )


def _counters(tree: Any) -> _Counters:
    """The counters that a query adds up, in most cases one."""
    found = tuple(_added(tree))
    for index, each in enumerate(found):
        if any(same_events(each.selector, other.selector) for other in found[:index]):
            raise CannotExpressError(f"{_shown(tree)} adds up {each.selector} twice, whose events would count twice")
    return found


def _added(tree: Any) -> Iterator[_Counter]:
    tree = _unlimited(tree)
    if isinstance(tree, promql_parser.BinaryExpr) and str(tree.op) == "+":
        _one_to_one(tree)
        yield from _added(tree.lhs)
        yield from _added(tree.rhs)
    elif isinstance(tree, promql_parser.AggregateExpr) and str(tree.op) == "sum":
        yield from (_grouped(each, tree) for each in _added(tree.expr))
    else:
        yield _counter(tree)


def _counter(tree: Any) -> _Counter:
    tree = _unlimited(tree)
    if isinstance(tree, promql_parser.VectorSelector):
        return _Counter(_selector(tree), None, None, None)
    if isinstance(tree, promql_parser.AggregateExpr) and str(tree.op) == "sum":
        return _grouped(_counter(tree.expr), tree)
    if isinstance(tree, promql_parser.Call) and tree.func.name in _RATES:
        matrix = _bare(tree.args[0])
        if isinstance(matrix, promql_parser.MatrixSelector):
            length = round(matrix.range.total_seconds() * 1000)
            window = None if f"{length}ms" == PLACEHOLDER else str(Duration(length))
            return _Counter(_selector(matrix.vector_selector), None, tree.func.name, window)
    if isinstance(tree, promql_parser.Call) and tree.func.name.endswith("_over_time"):
        raise CannotExpressError(f"{_shown(tree)} reads a gauge, and not the rate of a counter: {_OF_A_GAUGE}")
    raise CannotExpressError(f"{_shown(tree)} is not the rate of one counter, summed: {_RECORD}")


def _grouped(inner: _Counter, tree: Any) -> _Counter:
    """What a sum makes of a counter inside it."""
    if tree.modifier is not None and not _groups(tree):
        raise CannotExpressError(f"{_shown(tree)} sums `without` labels: name those that are left, with `by`")
    by = tuple(dict.fromkeys(tree.modifier.labels)) if tree.modifier else ()
    if inner.by is not None and not set(by) <= set(inner.by):
        raise CannotExpressError(f"{_shown(tree)} groups by a label that the sum inside it has dropped")
    return replace(inner, by=by)


def _selector(tree: promql_parser.VectorSelector) -> Selector:
    try:
        found = selector_of(tree)
    except PromqlError as error:
        raise CannotExpressError(f"its selector {_shown(tree)} {error}") from None
    if PLACEHOLDER in str(found):
        raise CannotExpressError(f"its selector {_shown(tree)} holds a placeholder: write its value out")
    return found


def _shown(tree: Any) -> str:
    text = " ".join(str(tree.prettify()).split())
    for placeholder in (PLACEHOLDER, str(Duration.parse(PLACEHOLDER))):
        text = text.replace(placeholder, "{{.window}}")
    return text if len(text) <= 200 else f"{text[:200]}..."
