"""``slices``: each minute is good or bad, by a condition."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Annotated, Any

import promql_parser
from pydantic import AfterValidator

from slo_engine.spec.fields import ExpressionField, Strict, refuse
from slo_engine.spec.kinds.sli import Earlier, Written, grouped
from slo_engine.spec.names import ERRORS_INCREASE, TOTAL_INCREASE
from slo_engine.spec.promql import Selector, parse_expression


@dataclass(frozen=True)
class SlicesSli:
    """A minute is good while the condition is not 0 for any series of the group. One without an answer (no series, 0/0
    in an idle minute) is neither good nor bad."""

    good: str

    failing = "of minutes are bad"

    @property
    def watched(self) -> Selector:
        """The answers of the condition, of whatever SLO."""
        return Selector(ERRORS_INCREASE)

    def base(self, by: Sequence[str], earlier: Earlier) -> Iterator[tuple[str, str]]:
        """Whether the minute was bad, and that it was a minute."""
        # A comparison with NaN has no result, so an idle minute leaves no sample.
        yield ERRORS_INCREASE, f"max {grouped(by)}((({self.good}) >= 0) == bool 0)"
        yield TOTAL_INCREASE, f"0 * {earlier(ERRORS_INCREASE)} + 1"

    def written(self) -> Written:
        """As it stands in an SLO file."""
        return {"slices": {"good": self.good}}


def _condition(text: str) -> str:
    tree: Any = parse_expression(text)
    while isinstance(tree, promql_parser.ParenExpr):
        tree = tree.expr
    compares = isinstance(tree, promql_parser.BinaryExpr) and str(tree.op) in ("==", "!=", ">", "<", ">=", "<=")
    if compares and not (tree.modifier and tree.modifier.return_bool):
        raise refuse(
            f"must answer 1 or 0: write `{tree.op} bool` instead of `{tree.op}`, which leaves a bad minute "
            "without an answer"
        )
    return text


class SlicesFormat(Strict):
    """``sli.slices``"""

    good: Annotated[ExpressionField, AfterValidator(_condition)]

    def sli(self) -> SlicesSli:
        """What the rules are made of."""
        return SlicesSli(self.good)
