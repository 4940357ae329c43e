"""Who spent money now and earlier, and whose spending grew. Pure."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

from slo_engine.definitions.labels import MODEL_LABELS

Labels = tuple[tuple[str, str], ...]
"""Label names and values, sorted: who spends."""

MOST_VALUES = 20
"""Of a label. One with more is about single users, keys or sessions: what they spend is added up."""

RISEN = 0.1
"""The smallest part of what is spent now for a growth to be one: spend is never the same twice."""


@dataclass(frozen=True)
class Period:
    """What was spent in one stretch of time."""

    spent: Mapping[Labels, float]
    total: float
    """By all, of whom ``spent`` may name the largest only."""


@dataclass(frozen=True)
class Growth:
    """Who spends more than before."""

    grown: Sequence[tuple[Labels, float]]
    """By how much, the most first."""
    is_since_a_day: bool
    """Compared with the day before alone: shortly before, as much was spent as now."""

    @property
    def total(self) -> float:
        """Of all that grew."""
        return sum(amount for _, amount in self.grown)


def growth(now: Period, before: Period | None, day_before: Period | None) -> Growth | None:
    """What grew against both earlier periods or, where that is nothing, against the day before: an incident may have
    lasted for longer than the window, while what is spent at this time of each day is no growth. None: nothing grew, or
    there is nothing to compare with."""
    earlier = [period for period in (before, day_before) if period is not None]
    found = _grown(now, earlier)
    if earlier and _is_risen(found, now):
        return Growth(found, is_since_a_day=before is None)
    found = _grown(now, [day_before] if day_before else [])
    return Growth(found, is_since_a_day=True) if day_before and _is_risen(found, now) else None


def telling(series: Sequence[Mapping[str, str]], kept: Iterable[str]) -> frozenset[str]:
    """The labels that say who spends: model, those to be ``kept``, and others with few values, but more than one."""
    values: defaultdict[str, set[str]] = defaultdict(set)
    for name in {name for labels in series for name in labels}:
        values[name] = {labels.get(name, "") for labels in series}
    return frozenset({name for name, own in values.items() if 1 < len(own) <= MOST_VALUES} | {*MODEL_LABELS, *kept})


def told_apart(amounts: Iterable[tuple[Mapping[str, str], float]], names: frozenset[str]) -> dict[Labels, float]:
    """Amounts added up by these labels."""
    found: defaultdict[Labels, float] = defaultdict(float)
    for labels, amount in amounts:
        found[tuple(sorted((name, value) for name, value in labels.items() if name in names and value))] += amount
    return dict(found)


def model_of(labels: Labels) -> str | None:
    """The model that was paid for; None: the counter does not say."""
    found = dict(labels)
    return next((found[name] for name in MODEL_LABELS if name in found), None)


def name_of(labels: Labels) -> str:
    """As people read it: ``claude-opus-4-1 in batch_agent``; empty where the counter tells nobody apart."""
    model = model_of(labels)
    others = ", ".join(dict.fromkeys(value for name, value in labels if name not in MODEL_LABELS))
    return f"{model} in {others}" if model and others else model or others


def _grown(now: Period, earlier: Sequence[Period]) -> list[tuple[Labels, float]]:
    more = (
        (labels, amount - max((period.spent.get(labels, 0.0) for period in earlier), default=0.0))
        for labels, amount in now.spent.items()
    )
    return sorted(((labels, amount) for labels, amount in more if amount > 0), key=lambda each: (-each[1], each[0]))


def _is_risen(found: Sequence[tuple[Labels, float]], now: Period) -> bool:
    return sum(amount for _, amount in found) >= RISEN * now.total > 0
