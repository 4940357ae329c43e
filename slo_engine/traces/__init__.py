"""The one door to LangFuse for reading."""

from slo_engine.traces.langfuse import LangFuse, TracesError, UnsupportedError
from slo_engine.traces.model import Observation, Observations

__all__ = ["LangFuse", "Observation", "Observations", "TracesError", "UnsupportedError"]
