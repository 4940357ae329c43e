"""The raw series in which the errors of an SLI stand, for who looks for their exemplars."""

from __future__ import annotations

import math
from dataclasses import dataclass

from slo_engine.definitions.promql import Matcher, Selector

_COMPLEMENTS = {"=": "!=", "!=": "=", "=~": "!~", "!~": "=~"}


@dataclass(frozen=True)
class ErrorSeries:
    """Series whose exemplars are errors. Those of a histogram hold good events as well, which the value of an exemplar
    tells apart."""

    selectors: tuple[Selector, ...]
    """Series that any of them selects."""
    above: float = -math.inf
    at_most: float = math.inf
    """The values of exemplars that are errors: more than the one, not more than the other."""

    def holds(self, value: float) -> bool:
        """Whether an exemplar with this value is one of an error."""
        return self.above < value <= self.at_most

    def __str__(self) -> str:
        return " or ".join(map(str, self.selectors))


def lacking(total: Selector, added: tuple[Matcher, ...]) -> tuple[Selector, ...]:
    """The series of ``total`` that lack one of the matchers in ``added``: by De Morgan, a selector for each."""
    return tuple(total.where(each.name, each.value, _COMPLEMENTS[each.op]) for each in added)
