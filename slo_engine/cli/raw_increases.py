"""The increases of raw series that `replay` asks Prometheus for."""

from __future__ import annotations

from dataclasses import dataclass, fields, replace
from functools import reduce
from typing import Any

from slo_engine.errors import SloEngineError
from slo_engine.spec import CostSli, EventsSli, Group, LatencySli, Slo
from slo_engine.spec.promql import Selector


@dataclass(frozen=True)
class RawIncreases:
    """PromQL over raw series alone. ``total`` is None for spend; ``errors`` may lack groups without errors."""

    total: str | None
    errors: str


def raw_increases(slo: Slo) -> RawIncreases:
    """What the base records of an SLO read, for a time when there were no records yet."""
    match slo.sli:
        case EventsSli(total, errors, good):
            if errors is not None:
                return RawIncreases(_summed(slo, total), _summed(slo, errors))
            assert good is not None  # the format takes exactly one of errors and good
            whole = _summed(slo, total)
            return RawIncreases(whole, _rest(slo, whole, f"{_summed(slo, good)} or {_on(slo)} 0 * {whole}"))
        case LatencySli(histogram, threshold):
            seconds = f"{threshold.seconds:g}"
            bounds = seconds if "." in seconds else f"{seconds}|{seconds}.0"
            within = histogram.with_suffix("_bucket").where("le", bounds.replace(".", "\\."), "=~")
            whole = _summed(slo, histogram.with_suffix("_count"))
            return RawIncreases(whole, _rest(slo, whole, _summed(slo, within)))
        case CostSli(spend, _):
            return RawIncreases(None, _summed(slo, spend))
    raise SloEngineError(f"{slo.service} {slo.name}: this kind of SLI cannot be replayed yet")


def zero_filled(slo: Slo) -> bool:
    """Whether a group with events and no series of errors has 0 errors: not where a threshold may be no bucket."""
    return not isinstance(slo.sli, LatencySli)


def narrowed(slo: Slo, group: Group) -> Slo:
    """The SLO for the series with these label values alone."""
    parts = {field.name: getattr(slo.sli, field.name) for field in fields(slo.sli)}
    chosen: dict[str, Any] = {
        name: reduce(lambda selector, pair: selector.where(*pair), group.items(), part)
        for name, part in parts.items()
        if isinstance(part, Selector)
    }
    return replace(slo, sli=replace(slo.sli, **chosen))


def _summed(slo: Slo, selector: Selector) -> str:
    by = f"by ({', '.join(slo.by)}) " if slo.by else ""
    return f"sum {by}(increase({selector}[5m]))"


def _on(slo: Slo) -> str:
    return f"on ({', '.join(slo.by)})"


def _rest(slo: Slo, whole: str, good: str) -> str:
    return f"clamp_min({whole} - {_on(slo)} ({good}), 0)"
