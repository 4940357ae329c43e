"""The sources of evidence. Each is one file: a class and its row in the table."""

from collections.abc import Callable, Mapping

from slo_engine.evidence.source import Backends, Source
from slo_engine.evidence.sources.budget import Budget
from slo_engine.evidence.sources.causes import CausesSource
from slo_engine.evidence.sources.changes import Changes
from slo_engine.evidence.sources.contrast import ContrastSource
from slo_engine.evidence.sources.exemplars import Exemplars
from slo_engine.evidence.sources.memory import MemorySource
from slo_engine.evidence.sources.policy import PolicySource
from slo_engine.evidence.sources.related import Related
from slo_engine.evidence.sources.scores import Scores
from slo_engine.evidence.sources.slow_steps import SlowSteps
from slo_engine.evidence.sources.spend import Spend

SOURCES: Mapping[str, Callable[[Backends], Source]] = {
    "budget": Budget,
    "policy": PolicySource,
    "causes": CausesSource,
    "exemplars": Exemplars,
    "slow_steps": SlowSteps,
    "scores": Scores,
    "spend": Spend,
    "contrast": ContrastSource,
    "changes": Changes,
    "memory": MemorySource,
    "related": Related,
}
"""By the name of their section, in the order in which people read them."""

__all__ = ["SOURCES"]
