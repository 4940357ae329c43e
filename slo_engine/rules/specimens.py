"""Made-up series over time, in promtool's notation."""

from __future__ import annotations

from collections.abc import Sequence

from slo_engine.definitions.kinds.specimen import Labels, Specimen, group_of
from slo_engine.definitions.slo import Slo


def group_labels(slo: Slo, value: str) -> Labels:
    """The labels of a group of an SLO: this value, but where its selectors leave no choice."""
    return group_of(slo.by, slo.sli.selectors(), value)


def specimen(slo: Slo, value: str) -> Specimen | None:
    """Series of that group; None where none can be made up."""
    return slo.sli.specimen(group_labels(slo, value))


def histories(found: Specimen, stretches: Sequence[tuple[int, float, float]]) -> dict[str, str]:
    """The series over time in promtool's notation: for so many minutes, so many events a minute, of which this share
    are errors."""
    each = _counter([(minutes, events) for minutes, events, _ in stretches])
    good = _counter([(minutes, events * (1 - failing)) for minutes, events, failing in stretches])
    errors = _counter([(minutes, events * failing) for minutes, events, failing in stretches])
    return dict.fromkeys(found.each, each) | dict.fromkeys(found.good, good) | dict.fromkeys(found.errors, errors)


def _counter(stretches: Sequence[tuple[int, float]]) -> str:
    parts, value = ["0"], 0.0
    for minutes, growth in stretches:
        parts.append(f"{value + growth:.12g}+{growth:.12g}x{minutes - 1}")
        value += minutes * growth
    return " ".join(parts)
