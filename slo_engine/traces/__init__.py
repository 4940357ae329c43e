"""The one door to LangFuse for reading: error traces -> findings."""

from slo_engine.traces.langfuse import LangFuse, TracesError
from slo_engine.traces.model import Cause, Finding, Observation, TraceLink

__all__ = ["Cause", "Finding", "LangFuse", "Observation", "TraceLink", "TracesError"]
