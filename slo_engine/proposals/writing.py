"""Proposals, as they were answered -> the text of an SLO file, with comments."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from slo_engine.definitions.yaml_text import item, mapping
from slo_engine.proposals.propose import Proposal

SCHEMA = "slo-file.json"
"""The JSON Schema, beside the SLO file."""

_HEAD = (
    f"# yaml-language-server: $schema={SCHEMA}",
    "# Written by `slo-engine init`: it is yours to change. Every key: docs/slo-files.md.",
)


@dataclass(frozen=True)
class Answers:
    """What a first SLO without a Prometheus is made of."""

    service: str
    total: str
    """A counter of all events."""
    errors: str
    """A counter of those that fail."""
    by: str
    """The label that divides them; empty: none."""
    objective: float


def slo_file(service: str, proposals: Sequence[Proposal]) -> str:
    """An SLO file with these SLOs."""
    lines = [*_HEAD, *_beginning(service)]
    for proposal in proposals:
        lines += [*item(_slo(proposal), 2), ""]
    return "\n".join(lines)


def example(answers: Answers) -> str:
    """An SLO file with one SLO, and others as comments."""
    first: dict[str, Any] = {
        "name": "success",
        "objective": answers.objective,
        "by": [answers.by] if answers.by else [],
        "sli": {"events": {"total": answers.total, "errors": answers.errors}},
    }
    comments = {
        "objective": ["Percent of events that are good."],
        "by": ["Each value of these labels has an error budget and alerts of its own."],
        "sli": ["Any counters do. `slo-engine doctor` says whether Prometheus has them, with these labels."],
    }
    lines = [*_HEAD, *_beginning(answers.service), *item(mapping(first, 4, comments), 2)]
    return "\n".join(lines) + "\n" + _MORE


_MORE = """
  # A histogram must have a bucket that ends at the threshold.
  # - name: latency
  #   objective: 95
  #   sli: {latency: {histogram: agent_request_duration_seconds, threshold: 15s}}

  # - name: spend
  #   sli: {cost: {spend: llm_cost_usd_total, budget: 3000 USD, month: UTC}}
"""


def _beginning(service: str) -> list[str]:
    defaults = {"window": "30d", "alerting": {"policy": "agent"}}
    comments = {"defaults": ["agent: the tiers of Google's workbook, and one that pages a full outage in ten minutes."]}
    return [*mapping({"version": "slo-engine/v1", "service": service, "defaults": defaults}, 0, comments), "", "slos:"]


def _slo(proposal: Proposal) -> list[str]:
    data: dict[str, Any] = {"name": proposal.name, "description": proposal.description}
    data |= {} if proposal.objective is None else {"objective": proposal.objective}
    data |= {"by": list(proposal.by), "sli": dict(proposal.sli)}
    if proposal.overrides:
        (label,) = proposal.by
        data["overrides"] = [
            {"match": {label: value}, "objective": objective} for value, objective in proposal.overrides.items()
        ]
    data |= {} if proposal.has_traces else {"traces": False}
    return mapping(data, 4, {key: [text] for key, text in proposal.remarks.items()})
