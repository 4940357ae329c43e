"""Families that a Prometheus has -> proposals, each with an objective that was met until now."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from slo_engine.checks.counters import counters
from slo_engine.checks.diagnosis import diagnose
from slo_engine.checks.finding import FindingKind
from slo_engine.definitions import Slo, load
from slo_engine.definitions.yaml_text import mapping
from slo_engine.prometheus import PrometheusError
from slo_engine.proposals.families import FAMILIES, Draft, Family
from slo_engine.proposals.scout import SHORT_SPANS, SPANS, Group, Scout
from slo_engine.status.evaluate import QuerySource

LADDER = (99.9, 99.5, 99.0, 98.0, 97.0, 95.0, 90.0, 80.0, 70.0, 50.0, 20.0, 10.0, 5.0, 2.0)
"""Objectives that people write, in percent."""

MOST_OVERRIDES = 5
"""Of more groups that met less, the objective of all is lowered."""

MOST_GROUPS = 5
"""Named in a comment."""

_LATER: frozenset[FindingKind] = frozenset(("no-rules", "late-samples", "slow-scrapes", "miscounted"))
"""What doctor finds that another objective would not change: the rules are not loaded yet, or scrapes are rare."""


_TOO_MUCH = ("timeout", "bad_query")
"""How Prometheus answers where a query reads more series or samples than it will."""


@dataclass(frozen=True)
class Proposal:
    """One SLO that could be declared."""

    name: str
    description: str
    by: tuple[str, ...]
    sli: Mapping[str, Any]
    objective: float | None
    """In percent; None: the budget stands in ``sli``."""
    overrides: Mapping[str, float]
    """Value of the label of ``by`` -> the objective of groups that met less."""
    remarks: Mapping[str, str]
    """Key of the SLO -> the comment before it."""
    has_traces: bool
    """Whether its labels say which traces explain it."""


@dataclass(frozen=True)
class LeftOut:
    """Metrics that are there, and no SLO can be made of."""

    name: str
    reason: str


@dataclass(frozen=True)
class Proposed:
    """What was found."""

    proposals: tuple[Proposal, ...]
    left_out: tuple[LeftOut, ...]


def propose(source: QuerySource, at: datetime) -> Proposed:
    """Look for the metrics of every family. Raises what ``source`` raises, but where a query
    is too much for it: then less is looked at, or the family is left out."""
    names = Scout(source, at).names(family.metric for family in FAMILIES)
    proposals: dict[str, Proposal] = {}
    left_out: dict[str, LeftOut] = {}
    for family in FAMILIES:
        if family.metric not in names or family.name in proposals:
            continue
        found = _of_family(family, source, at)
        if isinstance(found, Proposal):
            proposals[family.name] = found
        else:
            left_out.setdefault(family.name, LeftOut(family.name, found))
    reasons = (each for name, each in left_out.items() if name not in proposals)
    return Proposed(tuple(proposals.values()), tuple(reasons))


def _of_family(family: Family, source: QuerySource, at: datetime) -> Proposal | str:
    """The proposal; or why there is none."""
    failed = ""
    for spans in (SPANS, SHORT_SPANS):
        scout = Scout(source, at, spans)
        try:
            draft = family.draft(scout)
            if draft is None:
                return f"{family.metric} has no label that tells what failed, or no bucket that a threshold could name"
            return _proposal(family, draft, scout, source, at)
        except PrometheusError as error:
            if error.kind not in _TOO_MUCH:
                raise
            failed = str(error)
    return failed


def _proposal(family: Family, draft: Draft, scout: Scout, source: QuerySource, at: datetime) -> Proposal | str:
    slo = _loaded(family, draft, ())
    selector = counters(slo)[0].selector
    label = scout.label_of(selector, family.by)
    by = (label,) if label else ()
    slo = _loaded(family, draft, by)
    for finding in diagnose(load(_text(family, draft, by)), source, at):
        if finding.problem not in _LATER:
            return finding.message
    met, said = _met(slo, scout)
    objective, overrides = _objective(family.objective, met) if family.objective else (None, {})
    if family.objective and objective is None:
        return f"nearly all of {selector} failed, so that no objective was met: is it the status that is thought?"
    threshold = draft.sli.get("latency", draft.sli).get("threshold", "")
    told = {"sli": draft.remark, "objective": said if family.objective else ""}
    return Proposal(
        family.name,
        family.description.replace("{threshold}", threshold),
        by,
        draft.sli,
        objective,
        overrides,
        {key: text for key, text in told.items() if text},
        has_traces=not slo.lacks_traces,
    )


def _loaded(family: Family, draft: Draft, by: tuple[str, ...]) -> Slo:
    (slo,) = load(_text(family, draft, by)).slos
    return slo


def _text(family: Family, draft: Draft, by: tuple[str, ...]) -> str:
    """The smallest file that the SLO could stand in."""
    objective = {} if family.objective is None else {"objective": family.objective}
    item = {"name": family.name, **objective, "by": list(by), "sli": draft.sli}
    return "\n".join(mapping({"version": "slo-engine/v1", "service": "proposed", "slos": [item]}))


def _met(slo: Slo, scout: Scout) -> tuple[dict[Group, float], str]:
    """The percentage of good events of each group, and how to say it."""
    sums: dict[str, dict[Group, float]] = {}
    span = scout.span(counters(slo)[0].selector)
    for counter in counters(slo):
        grown = sums.setdefault("total" if counter.is_main else counter.role, {})
        for group, value in scout.growth(counter.selector, slo.by, span).items():
            grown[group] = grown.get(group, 0.0) + value
    met = {group: _percent(group, total, sums) for group, total in sums.get("total", {}).items() if total >= 1}
    if not met:
        return {}, "There was no traffic to go by: a usual objective."
    shown = sorted(met.items(), key=lambda each: each[1])
    totals = sums["total"]
    named = [
        f"{', '.join(group) or 'all'} {percent:.2f} % of {totals[group]:,.0f}" for group, percent in shown[:MOST_GROUPS]
    ]
    more = f", and {len(shown) - MOST_GROUPS} groups that met more" if len(shown) > MOST_GROUPS else ""
    since = f"in the last {span}" if span else "since the counters began"
    return met, f"Met {since}: {', '.join(named)}{more}."


def _percent(group: Group, total: float, sums: Mapping[str, Mapping[Group, float]]) -> float:
    good = sums.get("good") or sums.get("bucket")
    bad = total - good.get(group, 0.0) if good else sums.get("errors", {}).get(group, 0.0)
    return 100 * min(max(1 - bad / total, 0.0), 1.0)


def _objective(usual: float, met: Mapping[Group, float]) -> tuple[float | None, dict[str, float]]:
    """The objective, and those of groups that met less: none that was not met."""
    if not met:
        return usual, {}
    reached = {group: step for group, percent in met.items() if (step := next(_below(percent), None))}
    if not reached:
        return None, {}
    objective = min(usual, max(reached.values()))
    less = {", ".join(group): step for group, step in reached.items() if step < objective}
    if len(less) > MOST_OVERRIDES:
        return min(less.values()), {}
    return objective, less


def _below(percent: float) -> Iterator[float]:
    return (step for step in LADDER if step <= percent)
