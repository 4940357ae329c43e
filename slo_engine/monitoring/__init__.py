"""What an AI agent imports: Prometheus metrics and LangFuse traces for its runs, model calls and tool calls.

::

    from slo_engine.monitoring import current_run, monitor_agent, start_metrics_server

    @monitor_agent("support_agent")
    async def answer(question: str) -> str: ...

Loads the standard library and prometheus_client; LangFuse only where its keys are set.
"""

from typing import TYPE_CHECKING, Any

from slo_engine.monitoring.calls import LLMCall, ToolCall
from slo_engine.monitoring.classify import (
    ErrorCategory,
    ToolError,
    classify_error,
    register_error_category,
)
from slo_engine.monitoring.decorator import monitor_agent, monitor_tool
from slo_engine.monitoring.defaults import configure, default_metrics
from slo_engine.monitoring.environment import flush_traces
from slo_engine.monitoring.metrics import AgentMetrics
from slo_engine.monitoring.monitor import AgentMonitor
from slo_engine.monitoring.run import AgentRun, count_error, current_run
from slo_engine.monitoring.tracing import Tracing

if TYPE_CHECKING:
    from slo_engine.monitoring.langfuse import LangFuseTracing
    from slo_engine.monitoring.prices import Prices
    from slo_engine.monitoring.server import metrics_app, start_metrics_server
    from slo_engine.monitoring.tracer import LangFuseAgentTracer, trace_agent_run
    from slo_engine.scrub import Scrubber

__all__ = [
    "AgentMetrics",
    "AgentMonitor",
    "AgentRun",
    "ErrorCategory",
    "LLMCall",
    "LangFuseAgentTracer",
    "LangFuseTracing",
    "Prices",
    "Scrubber",
    "ToolCall",
    "ToolError",
    "Tracing",
    "classify_error",
    "configure",
    "count_error",
    "current_run",
    "default_metrics",
    "flush_traces",
    "metrics_app",
    "monitor_agent",
    "monitor_tool",
    "register_error_category",
    "start_metrics_server",
    "trace_agent_run",
]

# Loaded when they are asked for: not every agent pays for what only some use.
_LATER = {
    "LangFuseAgentTracer": "slo_engine.monitoring.tracer",
    "LangFuseTracing": "slo_engine.monitoring.langfuse",
    "Prices": "slo_engine.monitoring.prices",
    "Scrubber": "slo_engine.scrub",
    "metrics_app": "slo_engine.monitoring.server",
    "start_metrics_server": "slo_engine.monitoring.server",
    "trace_agent_run": "slo_engine.monitoring.tracer",
}


def __getattr__(name: str) -> Any:
    if name in _LATER:
        from importlib import import_module

        value = globals()[name] = getattr(import_module(_LATER[name]), name)
        return value
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
