"""``slices``: each minute is good or bad, by a condition."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Annotated, Any

import promql_parser
from pydantic import AfterValidator

from slo_engine.definitions.counts import Count
from slo_engine.definitions.fields import ExpressionField, refuse
from slo_engine.definitions.kinds.counter import grouped
from slo_engine.definitions.kinds.kind import KindFormat
from slo_engine.definitions.kinds.sli import BaseRecord, Earlier, OfEvents, SliData
from slo_engine.definitions.kinds.specimen import Labels
from slo_engine.definitions.promql import Matcher, PromqlError, parse_expression, quote


@dataclass(frozen=True)
class SlicesSli(OfEvents):
    """A minute is good while the condition is not 0 for any series of the group. One without an answer (no series, 0/0
    in an idle minute) is neither good nor bad."""

    good: str

    failing = "of minutes are bad"

    def base(self, by: Sequence[str], earlier: Earlier) -> Iterator[BaseRecord]:
        """Whether the minute was bad, and that it was a minute."""
        yield BaseRecord(Count.ERRORS, f"max {grouped(by)}((({_answered(self.good)}) >= 0) == bool 0)")
        yield BaseRecord(Count.TOTAL, f"0 * {earlier(Count.ERRORS)} + 1")

    def specimen(self, group: Labels) -> None:
        """A condition may ask for anything."""
        return

    def narrowed(self, matchers: Sequence[Matcher]) -> SlicesSli:
        """Of the condition the results are chosen by their labels: the series in it may carry others. Only for
        matchers that name one value."""
        labels = ", ".join(matcher.name for matcher in matchers)
        return SlicesSli(f"({self.good}) and on ({labels}) {_labelled(matchers)}")

    def written(self) -> SliData:
        """As it stands in an SLO file."""
        return {"slices": {"good": self.good}}


def _labelled(matchers: Sequence[Matcher]) -> str:
    """A sample that carries these labels."""
    sample = "vector(1)"
    for matcher in matchers:
        assert matcher.op == "="
        kept = matcher.value.replace("$", "$$")  # a dollar begins what a pattern has matched
        sample = f'label_replace({sample}, "{matcher.name}", {quote(kept)}, "", "")'
    return sample


def _comparison(condition: str) -> Any:
    """The comparison that an expression is; None when it is something else, such as a gauge."""
    tree: Any = parse_expression(condition)
    while isinstance(tree, promql_parser.ParenExpr):
        tree = tree.expr
    compares = isinstance(tree, promql_parser.BinaryExpr) and str(tree.op) in ("==", "!=", ">", "<", ">=", "<=")
    return tree if compares else None


def _answered(condition: str) -> str:
    """The condition where it has an answer. Compared with bool, NaN is neither less nor more than anything, which would
    make each idle minute a bad one; and the difference of two sides of which one is NaN is NaN."""
    compared = _comparison(condition)
    if compared is None:
        return condition
    left, right = compared.lhs.prettify(), compared.rhs.prettify()
    matching = str(compared.modifier).removeprefix("bool")
    return f"({condition}) and (({left}) -{matching} ({right})) <= Inf"


def _condition(text: str) -> str:
    compared = _comparison(text)
    if compared is not None and not (compared.modifier and compared.modifier.return_bool):
        raise refuse(
            f"must answer 1 or 0: write `{compared.op} bool` instead of `{compared.op}`, which leaves a bad minute "
            "without an answer"
        )
    condition = parse_expression(text).prettify()  # without comments: the rules go on behind it
    try:
        parse_expression(f"({condition}) >= 0")
    except PromqlError:
        raise refuse("must be about a series, such as up == bool 1: not about numbers alone") from None
    return condition


class SlicesFormat(KindFormat):
    """``sli.slices``"""

    good: Annotated[ExpressionField, AfterValidator(_condition)]
    """PromQL that is 1 when the minute is good, and 0 when it is bad: a comparison with ``bool``, or a gauge of 0 and
    1."""

    def sli(self) -> SlicesSli:
        """What the rules are made of."""
        return SlicesSli(self.good)
