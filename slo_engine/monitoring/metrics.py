"""The metrics of an AI agent, by their names."""

from __future__ import annotations

import math
from functools import cache

from prometheus_client import REGISTRY, CollectorRegistry, Counter, Gauge, Histogram

REQUEST_BUCKETS = (0.5, 1, 2, 5, 10, 15, 30, 60, 120, 300, 600)
"""Seconds. 15 is the threshold of the default latency objective; agents run longer than 120."""

LLM_CALL_BUCKETS = (0.1, 0.5, 1, 2, 5, 10, 30)
TOOL_CALL_COUNT_BUCKETS = (0, 1, 2, 3, 5, 8, 13, 21)
COST_BUCKETS = (0.001, 0.005, 0.01, 0.05, 0.1, 0.5, 1, 5)


class AgentMetrics:
    """All metrics of the agents of one process, on one registry."""

    def __init__(self, registry: CollectorRegistry = REGISTRY) -> None:
        self.requests = Counter(
            "agent_requests", "Agent runs that ended, by how.", ["agent_type", "status"], registry=registry
        )
        self.errors = Counter(
            "agent_errors", "Agent runs that failed, by why.", ["agent_type", "error_category"], registry=registry
        )
        self.llm_calls = Counter("llm_api_calls", "Calls of a model.", ["model", "call_type"], registry=registry)
        self.llm_tokens = Counter(
            "llm_tokens_used", "Tokens that calls of a model used.", ["model", "token_type"], registry=registry
        )
        self.llm_cost = Counter(
            "llm_cost_usd", "Money spent on calls of a model, in USD.", ["model", "agent_type"], registry=registry
        )
        self.tool_calls = Counter(
            "agent_tool_calls", "Tool calls that ended, by how.", ["tool_name", "status"], registry=registry
        )
        self.request_duration = Histogram(
            "agent_request_duration_seconds",
            "How long agent runs take.",
            ["agent_type"],
            buckets=REQUEST_BUCKETS,
            registry=registry,
        )
        self.llm_call_duration = Histogram(
            "llm_call_duration_seconds",
            "How long calls of a model take.",
            ["model"],
            buckets=LLM_CALL_BUCKETS,
            registry=registry,
        )
        self.tool_call_count = Histogram(
            "agent_tool_call_count",
            "Tool calls in an agent run.",
            ["agent_type"],
            buckets=TOOL_CALL_COUNT_BUCKETS,
            registry=registry,
        )
        self.cost_per_request = Histogram(
            "agent_cost_per_request_usd",
            "Money spent in an agent run, in USD.",
            ["agent_type", "model"],
            buckets=COST_BUCKETS,
            registry=registry,
        )
        self.active_runs = Gauge(
            "active_agent_runs",
            "Agent runs going on.",
            ["agent_type"],
            registry=registry,
            multiprocess_mode="livesum",
        )
        self.circuit_breaker_state = Gauge(
            "agent_circuit_breaker_state",
            "0 closed, 1 open, 2 half open.",
            ["service_name"],
            registry=registry,
            multiprocess_mode="mostrecent",
        )
        self.dropped = Counter(
            "agent_monitoring_dropped", "What the monitoring itself could not record.", ["reason"], registry=registry
        )

    def declare_agent(self, agent_type: str) -> None:
        """Create the series of an agent at 0, so that its first run and its first error count in `increase()`."""
        for status in ("success", "error", "timeout"):
            self.requests.labels(agent_type, status)
        self.request_duration.labels(agent_type)
        self.tool_call_count.labels(agent_type)
        self.active_runs.labels(agent_type)

    def declare_tool(self, tool_name: str) -> None:
        """Create the series of a tool at 0."""
        for status in ("success", "failure", "timeout"):
            self.tool_calls.labels(tool_name, status)

    def countable(self, amount: float) -> bool:
        """Whether a counter may take this amount. One NaN would kill it for ever, so it is refused and counted."""
        if math.isfinite(amount) and amount >= 0:
            return True
        self.dropped.labels("bad_amount").inc()
        return False


@cache
def default_metrics() -> AgentMetrics:
    """The metrics on prometheus_client's default registry."""
    return AgentMetrics()
