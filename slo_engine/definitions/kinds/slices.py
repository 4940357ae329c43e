"""``slices``: each minute is good or bad, by a condition."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Annotated, Any

import promql_parser
from pydantic import AfterValidator

from slo_engine.definitions.fields import ExpressionField, Strict, refuse
from slo_engine.definitions.kinds.sli import Base, Earlier, Written, grouped
from slo_engine.definitions.promql import PromqlError, parse_expression
from slo_engine.definitions.traces import Failed


@dataclass(frozen=True)
class SlicesSli:
    """A minute is good while the condition is not 0 for any series of the group. One without an answer (no series, 0/0
    in an idle minute) is neither good nor bad."""

    good: str

    failing = "of minutes are bad"
    explained_by = Failed()

    watched = None

    def base(self, by: Sequence[str], earlier: Earlier) -> Iterator[tuple[Base, str]]:
        """Whether the minute was bad, and that it was a minute."""
        yield Base.ERRORS, f"max {grouped(by)}((({_answered(self.good)}) >= 0) == bool 0)"
        yield Base.TOTAL, f"0 * {earlier(Base.ERRORS)} + 1"

    def written(self) -> Written:
        """As it stands in an SLO file."""
        return {"slices": {"good": self.good}}


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


class SlicesFormat(Strict):
    """``sli.slices``"""

    good: Annotated[ExpressionField, AfterValidator(_condition)]

    def sli(self) -> SlicesSli:
        """What the rules are made of."""
        return SlicesSli(self.good)
