"""The one door to LangFuse for reading."""

from slo_engine.traces.langfuse import LangFuse, TracesError, UnsupportedError
from slo_engine.traces.model import Count, Observation, Observations, TraceScore, TraceScores
from slo_engine.traces.selection import HEALTHY_LEVELS, Selection

__all__ = [
    "HEALTHY_LEVELS",
    "Count",
    "LangFuse",
    "Observation",
    "Observations",
    "Selection",
    "TraceScore",
    "TraceScores",
    "TracesError",
    "UnsupportedError",
]
