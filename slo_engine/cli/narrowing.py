"""An SLO for some of its series only: what ``replay --group`` asks for."""

from __future__ import annotations

from dataclasses import fields, replace
from functools import reduce
from typing import Any

from slo_engine.definitions import Group, SlicesSli, Slo
from slo_engine.definitions.promql import Selector, quote


def narrowed(slo: Slo, group: Group) -> Slo:
    """The SLO for the series with these label values alone. Of a condition the results are chosen by their labels: the
    series in it may carry others."""
    if not group:
        return slo
    if isinstance(slo.sli, SlicesSli):
        return replace(slo, sli=SlicesSli(f"({slo.sli.good}) and on ({', '.join(group)}) {_labelled(group)}"))
    parts = {field.name: getattr(slo.sli, field.name) for field in fields(slo.sli)}  # type: ignore[arg-type]
    chosen: dict[str, Any] = {
        name: reduce(lambda selector, pair: selector.where(*pair), group.items(), part)
        for name, part in parts.items()
        if isinstance(part, Selector)
    }
    return replace(slo, sli=replace(slo.sli, **chosen))  # type: ignore[type-var]


def _labelled(group: Group) -> str:
    """A sample that carries these labels."""
    sample = "vector(1)"
    for label, value in group.items():
        kept = value.replace("$", "$$")  # a dollar begins what a pattern has matched
        sample = f'label_replace({sample}, "{label}", {quote(kept)}, "", "")'
    return sample
