"""What an AI agent imports: Prometheus metrics and LangFuse traces for its runs, model calls and tool calls.

::

    from slo_engine.monitoring import current_run, monitor_agent, start_metrics_server

    @monitor_agent("support_agent")
    async def answer(question: str) -> str: ...

Loads the standard library and prometheus_client; LangFuse only where its keys are set.
"""

from slo_engine.monitoring.classify import ToolError, classify_error
from slo_engine.monitoring.metrics import AgentMetrics
from slo_engine.monitoring.run import AgentMonitor, current_run, monitor_agent
from slo_engine.monitoring.server import start_metrics_server

__all__ = [
    "AgentMetrics",
    "AgentMonitor",
    "ToolError",
    "classify_error",
    "current_run",
    "monitor_agent",
    "start_metrics_server",
]
