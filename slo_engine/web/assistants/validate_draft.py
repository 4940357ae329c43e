"""``validate_draft``: whether an SLO file that an assistant has written is right, and what would come of it."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from typing import Annotated, Any

from pydantic import BaseModel, ConfigDict, Field

from slo_engine.definitions import Problem, Slo, SloSet, Threshold, examine
from slo_engine.definitions.labels import BURN_RATE, LONG_WINDOW, SEVERITY, SHORT_WINDOW
from slo_engine.rules import AlertRule, RecordingRule, RuleGroup, build
from slo_engine.web.assistants.answers import Packed, cut, name, query
from slo_engine.web.services import Services

MAX_CHARACTERS = 40_000
"""Of a draft: some sixty SLOs, which take about a second."""

FILE = "draft.yaml"

MOST_SLOS = 20
"""That are looked at for what would be recorded."""


class ValidateDraftArguments(BaseModel):
    """What is asked for."""

    model_config = ConfigDict(extra="forbid")

    text: Annotated[
        str, Field(max_length=MAX_CHARACTERS, description="The whole YAML of an SLO file (version: slo-engine/v1).")
    ]


def validate_draft(asked: ValidateDraftArguments, services: Services) -> Packed:
    """All mistakes at line:column; of a file without any, what would be recorded and alerted."""
    loaded = examine({FILE: asked.text})
    if loaded.problems:
        return (
            Packed()
            .put("valid", value=False)
            .put("mistakes", len(loaded.problems))
            .put_each("problems", map(_problem, loaded.problems))
        )
    packed = (
        Packed()
        .put("valid", value=True)
        .put("found", {"slos": len(loaded.slos.slos), "thresholds": len(loaded.slos.thresholds)})
        .put("warning", _without_traces(loaded.slos))
    )
    shown = loaded.slos.slos[:MOST_SLOS]
    active = services.slos.active.slos
    groups = [group for found in build(SloSet(shown)).values() for group in found]
    packed.put("records", Counter(rule.record for rule in _rules(groups) if isinstance(rule, RecordingRule)))
    packed.put_each("slos", (_slo(each, active, groups) for each in shown), more=len(loaded.slos.slos) - len(shown))
    return packed.put_each("thresholds", map(_threshold, loaded.slos.thresholds))


def _problem(problem: Problem) -> Mapping[str, Any]:
    return {
        "at": f"{problem.line}:{problem.column}",
        "path": cut(problem.path, 40) or None,
        "problem": cut(problem.message, 160),
    }


def _without_traces(slos: SloSet) -> str | None:
    names = [slo.name for slo in slos.slos if slo.lacks_traces]
    if not names:
        return None
    return cut(
        f"{', '.join(names)}: notifications cannot say why, for no label names an agent, tool or model; add `traces`",
        110,
    )


def _slo(slo: Slo, active: SloSet, groups: list[RuleGroup]) -> Mapping[str, Any]:
    own = f"slo-engine:{slo.service}:{slo.name}"
    rules = list(_rules([group for group in groups if group.name in (own, f"{own}:long")]))
    known = active.find(*slo.key)
    in_use = "new" if known is None else "as it is in use" if known == slo else "changes the one in use"
    target = (
        f"objective {slo.target.objective:g} %" if slo.target.objective is not None else f"budget {slo.target.budget}"
    )
    return {
        "service": name(slo.service),
        "slo": name(slo.name),
        "is": in_use,
        "target": f"{target} over {slo.window_name}",
        "by": [name(label) for label in slo.by[:6]] or None,
        "policy": name(slo.policy.name),
        "recording_rules": sum(isinstance(rule, RecordingRule) for rule in rules),
        "alerts": [_named(rule) for rule in rules if isinstance(rule, AlertRule)][:10],
    }


def _rules(groups: Sequence[RuleGroup]) -> Iterator[RecordingRule | AlertRule]:
    return (rule for group in groups for rule in group.rules)


def _named(rule: AlertRule) -> str:
    """``SLOErrorBudgetBurn page 1h/5m x14.4``."""
    labels = rule.labels
    windows = "/".join(labels[key] for key in (LONG_WINDOW, SHORT_WINDOW) if labels.get(key))
    factor = f"x{labels[BURN_RATE]}" if labels.get(BURN_RATE) else ""
    return cut(" ".join(part for part in (rule.alert, labels.get(SEVERITY, ""), windows, factor) if part), 50)


def _threshold(each: Threshold) -> Mapping[str, Any]:
    return {
        "alert": name(each.alert),
        "severity": name(each.severity),
        "for": str(each.duration) if each.duration else None,
        "query": query(each.expr),
    }
