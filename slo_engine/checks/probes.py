"""Questions to Prometheus, many of them in one query."""

from __future__ import annotations

from collections.abc import Hashable, Mapping
from datetime import datetime
from typing import TypeVar

from slo_engine.definitions.targets import Group
from slo_engine.prometheus import finite
from slo_engine.status.evaluate import QuerySource

_PROBE = "slo_engine_probe"

KEY = TypeVar("KEY", bound=Hashable)


def ask(source: QuerySource, expr: str, at: datetime) -> list[tuple[Group, float]]:
    """The samples of an expression that are numbers."""
    return [(sample.labels, sample.value) for sample in finite(source.query(expr, at).samples)]


def ask_all(source: QuerySource, probes: Mapping[KEY, str], at: datetime) -> dict[KEY, float]:
    """The values of expressions that give one sample without labels; those that give none are left out. In one query,
    so that an SLO costs as many as it has kinds of questions, not as many as it has selectors."""
    if not probes:
        return {}
    keys = list(probes)
    parts = (f'label_replace({probes[key]}, "{_PROBE}", "{number}", "", "")' for number, key in enumerate(keys))
    return {keys[int(labels[_PROBE])]: value for labels, value in ask(source, " or ".join(parts), at)}
