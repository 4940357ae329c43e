"""Each kind of SLI answers two questions about the last five minutes: how many events in all, and how many errors?

The raw series are read here and nowhere else. Everything later (windows, budgets, alerts) is written once, for
whatever kind.
"""

from __future__ import annotations

from dataclasses import dataclass

from slo_engine.spec.names import SERVICE, SLO, TOTAL_INCREASE
from slo_engine.spec.promql import Selector
from slo_engine.spec.slo import CostSli, EventsSli, LatencySli, Slo


@dataclass(frozen=True)
class Increases:
    """PromQL for the base records. ``total`` is None for spend: its total is its budget, a constant."""

    total: str | None
    errors: str


def increases(slo: Slo) -> Increases:
    """The base expressions of an SLO, summed by its group labels."""
    match slo.sli:
        case EventsSli(total, errors, good):
            if errors is not None:
                return Increases(_summed(slo, total), _or_zero(slo, _summed(slo, errors)))
            assert good is not None  # the format takes exactly one of errors and good
            return Increases(_summed(slo, total), _rest(slo, _or_zero(slo, _summed(slo, good))))
        case LatencySli(histogram, threshold):
            # Exporters write the bound of 15 s as "15" or as "15.0"; a client that moves to OpenMetrics changes it.
            seconds = f"{threshold.seconds:g}"
            bounds = seconds if "." in seconds else f"{seconds}|{seconds}.0"
            within = histogram.with_suffix("_bucket").where("le", bounds.replace(".", "\\."), "=~")
            # Not filled with zeros: a threshold that is no bucket must give no data, not a page for every event.
            return Increases(_summed(slo, histogram.with_suffix("_count")), _rest(slo, _summed(slo, within)))
        case CostSli(spend, _):
            return Increases(None, _summed(slo, spend))


def base_selector(slo: Slo, metric: str) -> Selector:
    """The records of one SLO under one name."""
    return Selector(metric).where(SERVICE, slo.service).where(SLO, slo.name)


def _summed(slo: Slo, selector: Selector) -> str:
    by = f"by ({', '.join(slo.by)}) " if slo.by else ""
    return f"sum {by}(increase({selector}[5m]))"


def _or_zero(slo: Slo, expr: str) -> str:
    """``expr``, and 0 for groups that have events but none of these (no error yet, say: no error series yet)."""
    return f"{expr} or on ({', '.join(slo.by)}) 0 * {base_selector(slo, TOTAL_INCREASE)}"


def _rest(slo: Slo, good: str) -> str:
    # increase() extrapolates each series by itself, so good may exceed total by a hair: never below 0.
    return f"clamp_min({base_selector(slo, TOTAL_INCREASE)} - on ({', '.join(slo.by)}) ({good}), 0)"
