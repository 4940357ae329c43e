"""The base records of an SLO, as its kind asks for them. The raw series are read here and nowhere else."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace

from slo_engine.spec.names import ERRORS_INCREASE, SERVICE, SLO, TOTAL_INCREASE
from slo_engine.spec.promql import Matcher, Selector
from slo_engine.spec.slo import Group, Slo


def base_records(slo: Slo) -> Iterator[tuple[str, str]]:
    """Name and expression of each base record, in the order of their evaluation."""
    yield from slo.sli.base(slo.by, _Recorded(slo))


@dataclass(frozen=True)
class RawIncreases:
    """The events of each minute in PromQL that reads raw series only. ``total`` is None for spend."""

    total: str | None
    errors: str


def raw_increases(slo: Slo) -> RawIncreases:
    """What the base records would have held, for a time before there were any."""
    written = _Written()
    for name, expr in slo.sli.base(slo.by, written):
        written.exprs[name] = expr
    return RawIncreases(written.exprs.get(TOTAL_INCREASE), written.exprs[ERRORS_INCREASE])


def recorded(slo: Slo, name: str, group: Group | None = None) -> Selector:
    """The records of one SLO under one name: of all its groups, or of those with these label values."""
    selector = Selector(name).where(SERVICE, slo.service).where(SLO, slo.name)
    for label, value in (group or {}).items():
        selector = selector.where(label, value)
    return selector


class _Recorded:
    recorded = True

    def __init__(self, slo: Slo) -> None:
        self._slo = slo

    def __call__(self, name: str, matchers: Sequence[Matcher] = ()) -> str:
        selector = recorded(self._slo, name)
        return str(replace(selector, matchers=(*selector.matchers, *matchers)))


class _Written:
    recorded = False

    def __init__(self) -> None:
        self.exprs: dict[str, str] = {}

    def __call__(self, name: str, matchers: Sequence[Matcher] = ()) -> str:
        assert not matchers  # what is written out cannot be told apart
        return f"({self.exprs[name]})"
