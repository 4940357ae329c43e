"""The sources of evidence. Each is one file: a class and its row in the table."""

from collections.abc import Callable, Mapping

from slo_engine.evidence.source import Backends, Source
from slo_engine.evidence.sources.budget import Budget
from slo_engine.evidence.sources.failed_runs import FailedRuns
from slo_engine.evidence.sources.slow_runs import SlowRuns

SOURCES: Mapping[str, Callable[[Backends], Source]] = {
    "budget": Budget,
    "causes": FailedRuns,
    "slow_runs": SlowRuns,
}
"""By the name of their section, in the order in which people read them."""

__all__ = ["SOURCES", "Budget", "FailedRuns", "SlowRuns"]
