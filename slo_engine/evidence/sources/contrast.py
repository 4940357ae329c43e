"""What sets bad runs apart from good ones of the same subject and window: a prompt version, a model, a release, ..."""

from __future__ import annotations

from typing import Any

from slo_engine.definitions.traces import Failed, LowScore, Slow
from slo_engine.evidence.attributes import told
from slo_engine.evidence.contrast import Trait
from slo_engine.evidence.findings import Compared
from slo_engine.evidence.queries import asked
from slo_engine.evidence.rendering import rendered
from slo_engine.evidence.source import Backends
from slo_engine.evidence.subject import Subject
from slo_engine.notifications import Section
from slo_engine.scrub.outgoing import outgoing_text

BAD = {Failed: "failing", Slow: "slow", LowScore: "low-scored"}
"""Explanation -> what its bad runs, or calls, are called."""


class ContrastSource:
    """Compares runs that LangFuse has."""

    name = "contrast"
    backend = "langfuse"

    def __init__(self, backends: Backends) -> None:
        self._findings = backends.findings

    def wants(self, subject: Subject) -> bool:
        """Whatever has good runs beside bad ones."""
        return self._findings is not None and subject.query is not None and type(subject.explained_by) in BAD

    async def gather(self, subject: Subject, deadline: float) -> Section | None:
        """What was compared, and what differs."""
        assert self._findings is not None  # which wants() asks for
        found = await self._findings.compared(subject, deadline)
        if found is None:
            return None
        bad = f"{BAD[type(subject.explained_by)]} {'runs' if found.wanted.is_root else 'calls'}"
        traits = [as_data(trait) for trait in found.contrast.traits]
        text = rendered(
            "contrast.txt.j2",
            traits=traits,
            contrast=found.contrast,
            rate=found.sample_rate,
            bad=bad,
            cause=found.cause,
        )
        return Section(self.name, text, data=_data(found, traits, bad))


def as_data(trait: Trait) -> dict[str, Any]:
    """A trait as JSON; what people read of it is ``text``."""
    return {
        "attributes": dict(trait.attributes),
        "text": outgoing_text(told(trait.attributes)),
        "share_of_bad": round(trait.failing_share, 4),
        "share_of_good": round(trait.healthy_share, 4),
        "failure_rate": round(trait.failure_rate, 4),
        "failure_rate_elsewhere": round(trait.failure_rate_elsewhere, 4),
        "q_value": float(f"{trait.q_value:.3g}"),
        "same_runs": [outgoing_text(told(each)) for each in trait.confounded_with],
    }


def _data(found: Compared, traits: list[dict[str, Any]], bad: str) -> dict[str, Any]:
    contrast = found.contrast
    return {
        "source": "langfuse",
        "bad": bad,
        "cause": found.cause,
        "bad_read": contrast.failing,
        "good_read": contrast.healthy,
        "good_stand_for": round(contrast.healthy_weight),
        "sample_rate": found.sample_rate,
        "traits": traits,
        "compared": list(found.names),
        "query": asked(found.wanted),
    }
