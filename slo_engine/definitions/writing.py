"""SLOs -> SLO files: with defaults, templates and shared keys written out, so that a file says all that it means."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import fields
from typing import Any, Literal

from slo_engine.definitions.policies import ALPHA, BUILT_IN, Policy
from slo_engine.definitions.slo import Slo, SloSet, Threshold, TierAlerting
from slo_engine.definitions.targets import Override, window_of
from slo_engine.definitions.traces import TraceQuery
from slo_engine.definitions.yaml_text import mapping


def write_out(slos: SloSet) -> Mapping[str, str]:
    """The files of an SLO set: name -> text. Loading them gives the same SLO set again.

    One file for each service; more where its SLOs come from files with different owners or labels.
    """
    files: dict[str, str] = {}
    declared: set[str] = set(BUILT_IN)
    for service in slos.services:
        headers: dict[_Header, list[Slo]] = {}
        for slo in slos.slos:
            if slo.service == service:
                headers.setdefault((slo.owner, tuple(slo.labels.items())), []).append(slo)
        thresholds = [_threshold(threshold) for threshold in slos.thresholds if threshold.service == service]
        # The labels of a file are added to its thresholds: they go where there are none.
        beside = next((header for header in headers if not header[1]), (None, ()))
        if thresholds:
            headers.setdefault(beside, [])
        for number, (header, several) in enumerate(headers.items(), start=1):
            own = {slo.policy.name: slo.policy for slo in several if slo.policy.name not in declared}
            declared |= own.keys()
            owner, labels = header
            data: dict[str, Any] = {"version": "slo-engine/v1", "service": service}
            data |= {"owner": owner} if owner is not None else {}
            data |= {"labels": dict(labels)} if labels else {}
            data |= {"slos": [_slo(slo) for slo in several]} if several else {}
            data |= {"policies": [_policy(policy) for policy in own.values()]} if own else {}
            data |= {"thresholds": thresholds} if thresholds and header == beside else {}
            files[f"{service}{'' if number == 1 else f'-{number}'}.yaml"] = _text(data)
    return files


_Header = tuple[str | None, tuple[tuple[str, str], ...]]
"""Owner and labels, which a file says once."""


def _text(data: Mapping[str, Any]) -> str:
    return "\n".join(mapping(data)) + "\n"


def _slo(slo: Slo) -> dict[str, Any]:
    data: dict[str, Any] = {"name": slo.name}
    data |= {"description": slo.description} if slo.description else {}
    data |= {"objective": slo.target.objective} if slo.target.objective is not None else {}
    data |= {} if window_of(slo.target) else {"window": str(slo.window)}
    data |= {"by": list(slo.by), "sli": slo.sli.written()}
    data |= {"overrides": [_override(override) for override in slo.target.overrides]} if slo.target.overrides else {}
    alerting: dict[str, Any] = {"policy": slo.policy.name}
    alerting |= {"name": slo.alert} if slo.alert else {}
    own = {severity: tier.severity for severity, tier in slo.alerting.items() if tier.severity}
    alerting |= {"severities": own} if own else {}
    for severity, tier in slo.alerting.items():
        alerting |= {severity: _tier_alerting(tier)} if _tier_alerting(tier) else {}
    alerting |= {"disabled": [str(long) for long in slo.disabled]} if slo.disabled else {}
    alerting |= {"min_events": slo.min_events} if slo.min_events else {}
    alerting |= {"sure": False} if slo.alpha is None else {"alpha": slo.alpha} if slo.alpha != ALPHA else {}
    for key, value in (
        ("keep_firing_for", slo.keep_firing_for),
        ("exhausted", slo.exhausted),
        ("absent", slo.absent),
    ):
        alerting |= {key: str(value)} if value is not None else {}
    if slo.declares_traces:
        data |= {"traces": _traces(slo.traces)}
    return {**data, "alerting": alerting}


def _traces(query: TraceQuery | None) -> dict[str, Any] | Literal[False]:
    if query is None:
        return False
    texts = {field.name: getattr(query, field.name) for field in fields(query)}
    written = {name: value for name, value in texts.items() if value is not None}
    written |= {"tags": list(query.tags), "metadata": dict(query.metadata)}
    return written if query.metadata else {name: value for name, value in written.items() if name != "metadata"}


def _override(override: Override) -> dict[str, Any]:
    data: dict[str, Any] = {"match": dict(override.match)}
    data |= {"objective": override.objective} if override.objective is not None else {}
    data |= {"budget": override.budget.written} if override.budget else {}
    return data


def _tier_alerting(tier: TierAlerting) -> dict[str, Any]:
    data: dict[str, Any] = {"disabled": True} if tier.disabled else {}
    data |= {"labels": dict(tier.labels)} if tier.labels else {}
    data |= {"annotations": dict(tier.annotations)} if tier.annotations else {}
    return data


def _threshold(threshold: Threshold) -> dict[str, Any]:
    annotations = dict(threshold.annotations)
    data: dict[str, Any] = {"alert": threshold.alert, "expr": threshold.expr}
    data |= {"for": str(threshold.duration)} if threshold.duration else {}
    data |= {"severity": threshold.severity, "summary": annotations.pop("summary")}
    data |= {"labels": dict(threshold.labels)} if threshold.labels else {}
    data |= {"annotations": annotations} if annotations else {}
    return data


def _policy(policy: Policy) -> dict[str, Any]:
    tiers: Iterable[dict[str, Any]] = (
        {"severity": tier.severity, "long": str(tier.long), "short": str(tier.short), "factor": tier.factor}
        | ({"above": tier.above} if tier.above else {})
        | ({"alpha": tier.alpha} if tier.alpha is not None else {})
        for tier in policy.tiers
    )
    return {"name": policy.name, "tiers": list(tiers)}
