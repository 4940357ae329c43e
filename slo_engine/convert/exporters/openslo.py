"""SLOs -> OpenSLO v1: a Service, its SLOs, and an AlertPolicy for each tier.

What OpenSLO has no field for goes into annotations beginning with ``slo-engine/``, and is told to the caller.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass, field, replace
from typing import Any

from slo_engine.convert.importers.draft import plain_name
from slo_engine.convert.importers.openslo_alerts import POLICY, SHORT_WINDOW
from slo_engine.convert.importers.queries import is_judgement
from slo_engine.definitions import yaml_text
from slo_engine.definitions.duration import Duration
from slo_engine.definitions.kinds import EventsSli, LatencySli, ScoreSli, SlicesSli
from slo_engine.definitions.policies import ALPHA, Tier
from slo_engine.definitions.promql import Matcher, Selector
from slo_engine.definitions.slo import Slo, SloSet
from slo_engine.definitions.targets import Group, Objective, ratio
from slo_engine.errors import SloEngineError

_VERSION = "openslo/v1"


@dataclass(frozen=True)
class LeftOut:
    """What OpenSLO cannot say of an SLO, or that it cannot say the SLO at all."""

    service: str
    slo: str
    message: str


@dataclass(frozen=True)
class OpensloFile:
    """A file as text."""

    name: str
    text: str


@dataclass(frozen=True)
class Exported:
    """What became of the SLOs."""

    files: tuple[OpensloFile, ...]
    left_out: tuple[LeftOut, ...]
    missing: tuple[str, ...]
    """The SLOs, as ``service/name``, that are in no file."""


def export(slos: SloSet) -> Exported:
    """The files of an SLO set, one a service. Pure. Raises SloEngineError when an override's name is taken."""
    pages = [_Page(service) for service in slos.services]
    for page in pages:
        for slo in slos.slos:
            if slo.service == page.service:
                page.add(slo)
        for threshold in slos.thresholds:
            if threshold.service == page.service:
                page.leave_out(threshold.alert, "a plain alert is not an SLO: keep it as a rule of Prometheus")
    return Exported(
        tuple(page.file() for page in pages),
        tuple(left for page in pages for left in page.left_out),
        tuple(f"{page.service}/{name}" for page in pages for name in page.missing),
    )


@dataclass
class _Page:
    """The file of one service while it is made."""

    service: str
    left_out: list[LeftOut] = field(default_factory=list)
    missing: list[str] = field(default_factory=list)
    slos: list[dict[str, Any]] = field(default_factory=list)
    policies: dict[str, dict[str, Any]] = field(default_factory=dict)

    def leave_out(self, name: str, message: str) -> None:
        self.left_out.append(LeftOut(self.service, name, message))

    def add(self, slo: Slo) -> None:
        indicator = _INDICATORS.get(type(slo.sli))
        if indicator is None:
            self.missing.append(slo.name)
            self.leave_out(slo.name, "OpenSLO has no SLI of this kind")
            return
        for each in _with_overrides(slo):
            if any(known["metadata"]["name"] == each.name for known in self.slos):
                raise SloEngineError(f"{slo.service} has two SLOs that are {each.name} in OpenSLO: rename one of them")
            self.slos.append(_slo(each, indicator(each, each.sli), self._policies_of(each)))
        for key, said in _unsaid(slo).items():
            self.leave_out(slo.name, f"{key} ({said}) has no field in OpenSLO: it is an annotation")
        if slo.target.overrides:
            names = ", ".join(_override_name(slo, override.match) for override in slo.target.overrides)
            self.leave_out(slo.name, f"OpenSLO has no overrides: their groups are SLOs of their own ({names})")

    def file(self) -> OpensloFile:
        service = {"apiVersion": _VERSION, "kind": "Service", "metadata": {"name": self.service}, "spec": {}}
        lines = ["# Written by slo-engine from SLO files."]
        for left in self.left_out:
            lines += yaml_text.comment(f"not exported: {left.slo}: {left.message}")
        for number, document in enumerate((service, *self.slos, *self.policies.values())):
            lines += ["---"] if number else []
            lines += yaml_text.mapping(document, open_keys=("metadata", "spec"))
        return OpensloFile(f"{self.service}.openslo.yaml", "\n".join(lines) + "\n")

    def _policies_of(self, slo: Slo) -> list[str]:
        names = []
        for tier in slo.tiers:
            factor = slo.target.factor(slo.policy, tier)
            adapted = "" if replace(tier, factor=factor) in slo.policy.tiers else f"-{factor:.4g}x"
            name = f"{slo.policy.name}-{tier.severity}-{tier.long}{adapted}"
            self.policies[name] = _policy(name, slo.policy.name, tier, factor)
            names.append(name)
        return names


def _slo(slo: Slo, indicator: Mapping[str, Any], policies: Iterable[str]) -> dict[str, Any]:
    metadata: dict[str, Any] = {"name": slo.name}
    labels = {**slo.labels, **({"owner": slo.owner} if slo.owner else {})}
    if labels:
        metadata["labels"] = labels
    if annotations := _unsaid(slo):
        metadata["annotations"] = {f"slo-engine/{key}": text for key, text in annotations.items()}
    assert slo.target.objective is not None  # only spend has none, which has no row in the table
    return {
        "apiVersion": _VERSION,
        "kind": "SLO",
        "metadata": metadata,
        "spec": {
            **({"description": slo.description} if slo.description else {}),
            "service": slo.service,
            "indicator": {"metadata": {"name": slo.name}, "spec": indicator},
            "timeWindow": [{"duration": _shorthand(slo.window), "isRolling": True}],
            **_budgeted(slo, ratio(slo.target.objective)),
            "alertPolicies": [{"alertPolicyRef": name} for name in policies],
        },
    }


def _budgeted(slo: Slo, target: float) -> dict[str, Any]:
    if type(slo.sli) in _TIMESLICES:
        slices = {"op": "gte", "value": 1, "target": target, "timeSliceTarget": 1, "timeSliceWindow": "1m"}
        return {"budgetingMethod": "Timeslices", "objectives": [slices]}
    return {"budgetingMethod": "Occurrences", "objectives": [{"target": target}]}


def _policy(name: str, policy: str, tier: Tier, factor: float) -> dict[str, Any]:
    condition = {
        "kind": "AlertCondition",
        "metadata": {"name": name, "annotations": {SHORT_WINDOW: str(tier.short)}},
        "spec": {
            "severity": tier.severity,
            "condition": {
                "kind": "burnrate",
                "op": "gt",
                "threshold": float(f"{factor:.6g}"),
                "lookbackWindow": _shorthand(tier.long),
                "alertAfter": "0m",
            },
        },
    }
    return {
        "apiVersion": _VERSION,
        "kind": "AlertPolicy",
        "metadata": {"name": name, "annotations": {POLICY: policy}},
        "spec": {"alertWhenBreaching": True, "conditions": [condition], "notificationTargets": []},
    }


def _shorthand(duration: Duration) -> str:
    """OpenSLO writes one number and one unit: 90m, not 1h30m."""
    units = (("d", 1440), ("h", 60), ("m", 1))
    minutes = duration.milliseconds // 60_000
    return next(f"{minutes // size}{unit}" for unit, size in units if minutes % size == 0)


def _unsaid(slo: Slo) -> dict[str, str]:
    """What OpenSLO has no field for, as annotations. Traces are found through this engine alone."""
    found = {}
    if slo.min_events:
        found["min-events"] = str(slo.min_events)
    for key, duration in (("absent", slo.absent), ("keep-firing-for", slo.keep_firing_for)):
        found |= {key: str(duration)} if duration else {}
    if slo.exhausted:
        found["exhausted"] = slo.exhausted
    if slo.alert:
        found["name"] = slo.alert
    if slo.alpha != ALPHA:
        found |= {"sure": "false"} if slo.alpha is None else {"alpha": f"{slo.alpha:g}"}
    found |= {f"{severity}-severity": tier.severity for severity, tier in slo.alerting.items() if tier.severity}
    for severity, tier in slo.alerting.items():
        for kind, texts in (("labels", tier.labels), ("annotations", tier.annotations)):
            found |= {f"{severity}-{kind}-{name}": text for name, text in texts.items()}
    return found


def _with_overrides(slo: Slo) -> Iterator[Slo]:
    """The SLO without the groups that have an objective of their own, and each of these: the first match counts."""
    taken: list[Group] = []
    target = slo.target
    assert isinstance(target, Objective)  # which every kind in the table is held to
    for override in target.overrides:
        name = _override_name(slo, override.match)
        own = replace(slo, name=name, target=Objective(override.objective or target.objective))
        for label, value in override.match.items():
            own = _where(own, label, value, "=")
        yield _without(own, taken)
        taken.append(override.match)
    yield _without(replace(slo, target=Objective(target.objective)), taken)


def _override_name(slo: Slo, match: Group) -> str:
    return f"{slo.name}-{plain_name('-'.join(match.values()), 'other')}"


def _without(slo: Slo, groups: Iterable[Group]) -> Slo:
    """Matchers can take out one label value, but not a pair of two: those groups are counted here as well."""
    for group in groups:
        for label, value in group.items() if len(group) == 1 else ():
            slo = _where(slo, label, value, "!=")
    return slo


def _where(slo: Slo, label: str, value: str, op: str) -> Slo:
    if not slo.sli.selectors():
        raise SloEngineError(
            f"{slo.service} {slo.name}: the overrides of this kind of SLI cannot be said in OpenSLO: make SLOs of "
            "them, or export without this one"
        )
    return replace(slo, sli=slo.sli.narrowed([Matcher(label, op, value)]))


def _events(slo: Slo, sli: EventsSli) -> dict[str, Any]:
    part = {"bad": sli.errors} if sli.errors else {"good": sli.good}
    found = _ratio(slo, **part, total=sli.total)
    # A group may have only some of the counters, and what is missing on one side of `+` is missing altogether.
    of_all = " or ".join(
        f'label_replace({_rate(slo, total)}, "counter", "{number}", "", "")'
        for number, total in enumerate((sli.total, *sli.further))
    )
    if sli.further:
        found["ratioMetric"]["total"] = _metric(f"{_sum_by(slo)} ({of_all})")
    return found


def _latency(slo: Slo, sli: LatencySli) -> dict[str, Any]:
    if sli.native:
        fraction = f"histogram_fraction(0, {sli.threshold.seconds:g}, {_rate(slo, sli.histogram)})"
        return {"ratioMetric": {"rawType": "success", "raw": _metric(fraction)}}
    return _ratio(slo, good=sli.watched, total=sli.histogram.with_suffix("_count"))


def _score(slo: Slo, sli: ScoreSli) -> dict[str, Any]:
    return _ratio(slo, bad=sli.watched, total=sli.histogram.with_suffix("_count"))


def _slices(slo: Slo, sli: SlicesSli) -> dict[str, Any]:
    """A minute is good while no series of the group says 0."""
    condition = sli.good if is_judgement(sli.good) else f"({sli.good}) != bool 0"
    by = f"by ({', '.join(slo.by)}) " if slo.by else ""
    return {"thresholdMetric": _metric(f"min {by}({condition})")}


def _ratio(slo: Slo, **counters: Selector | None) -> dict[str, Any]:
    queries = {side: _metric(_rate(slo, selector)) for side, selector in counters.items() if selector}
    return {"ratioMetric": {"counter": True, **queries}}


def _rate(slo: Slo, selector: Selector) -> str:
    return f"{_sum_by(slo)} (rate({selector}[5m]))"


def _sum_by(slo: Slo) -> str:
    return f"sum by ({', '.join(slo.by)})" if slo.by else "sum"


def _metric(query: str) -> dict[str, Any]:
    return {"metricSource": {"type": "Prometheus", "spec": {"query": query}}}


_INDICATORS: Mapping[type, Callable[[Slo, Any], dict[str, Any]]] = {
    EventsSli: _events,
    LatencySli: _latency,
    ScoreSli: _score,
    SlicesSli: _slices,
}
"""A kind that is not here has no equivalent: spend, say."""

_TIMESLICES = frozenset({SlicesSli})
"""Kinds whose budget is one of minutes, not of events."""
