"""The metrics of AI agents: their names, their series, and what keeps them sound."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Mapping, Sequence
from math import inf
from typing import Final, Literal, TypeVar

from prometheus_client import REGISTRY, CollectorRegistry, Counter, Gauge, Histogram

from slo_engine.monitoring.classify import ErrorCategory, registered_categories

REQUEST_BUCKETS: Final = (0.5, 1, 2, 5, 10, 15, 30, 60, 120, 300, 600)
"""Seconds. 15 is the threshold of the default latency objective; agents run longer than 120."""

LLM_CALL_BUCKETS: Final = (0.1, 0.5, 1, 2, 5, 10, 30, 60, 120)
"""Seconds. A reasoning model thinks longer than 30."""

FIRST_TOKEN_BUCKETS: Final = (0.1, 0.25, 0.5, 1, 2, 5, 10, 30, 60)
"""Seconds until a stream's first token."""

TOOL_CALL_COUNT_BUCKETS: Final = (0, 1, 2, 3, 5, 8, 13, 21)
COST_BUCKETS: Final = (0.001, 0.005, 0.01, 0.05, 0.1, 0.5, 1, 5)
"""US dollars."""

SCORE_BUCKETS: Final = (0.1, 0.2, 0.3, 0.4, 0.5, 0.6, 0.7, 0.8, 0.9, 1)
"""Most evaluators answer between 0 and 1."""

RUN_STATUSES: Final = ("success", "error", "timeout", "cancelled", "exit")
TOOL_STATUSES: Final = ("success", "failure", "timeout")
TOKEN_TYPES: Final = ("input", "output", "cached", "cache_write", "reasoning")
"""``cached`` and ``cache_write`` are parts of ``input``, ``reasoning`` is a part of ``output``."""

OTHER: Final = "other"
"""The label value of what is above the cap."""

EXEMPLAR_SECONDS: Final = 1.0
"""A counter shows one exemplar, the last one written, and Prometheus reads it every few seconds at most: writing it
more often than this would only cost time (a write takes four times as long as counting)."""

BreakerState = Literal["closed", "open", "half_open"]
_BREAKER_STATES: Final[Mapping[BreakerState, int]] = {"closed": 0, "open": 1, "half_open": 2}

S = TypeVar("S")


class CountedSeries:
    """A counter's series that takes exemplars."""

    __slots__ = ("_counter", "_due", "inc")

    def __init__(self, counter: Counter) -> None:
        self._counter = counter
        self.inc = counter.inc
        self._due = 0.0

    def inc_with(self, exemplar: dict[str, str] | None) -> None:
        """Count one; ``exemplar`` (at most 128 characters) is shown if the last one is older than a second."""
        if exemplar is not None and (now := time.monotonic()) >= self._due:
            self._due = now + EXEMPLAR_SECONDS
            self._counter.inc(1, exemplar)
        else:
            self.inc()


class AgentSeries:
    """The series of one agent type."""

    __slots__ = (
        *("_metrics", "_costs", "active", "agent_type", "duration", "errors", "requests", "scores"),
        "tool_call_count",
    )

    def __init__(self, metrics: AgentMetrics, agent_type: str) -> None:
        self._metrics = metrics
        self.agent_type = agent_type
        self.requests = {status: CountedSeries(metrics.requests.labels(agent_type, status)) for status in RUN_STATUSES}
        self.errors = {
            category: CountedSeries(metrics.errors.labels(agent_type, category)) for category in registered_categories()
        }
        self.duration = metrics.request_duration.labels(agent_type)
        self.tool_call_count = metrics.tool_call_count.labels(agent_type)
        self.active = metrics.active_runs.labels(agent_type)
        self.scores: dict[str, Histogram] = {}
        self._costs: dict[str, tuple[Counter, Histogram]] = {}

    def error(self, category: str) -> CountedSeries:
        """The counter of errors of a category."""
        found = self.errors.get(category)
        if found is None:
            category = self._metrics.label_value("error_category", category)
            series = CountedSeries(self._metrics.errors.labels(self.agent_type, category))
            found = self.errors.setdefault(category, series)
        return found

    def cost(self, model: str) -> tuple[Counter, Histogram]:
        """What is spent on a model, and how much of it in a run."""
        found = self._costs.get(model)
        if found is None:
            labelled = self._metrics.label_value("model", model)
            found = (
                self._metrics.llm_cost.labels(labelled, self.agent_type),
                self._metrics.cost_per_request.labels(self.agent_type, labelled),
            )
            if labelled == model:
                self._costs[model] = found
        return found

    def score(self, score_name: str) -> Histogram:
        """The scores of a name."""
        found = self.scores.get(score_name)
        if found is None:
            score_name = self._metrics.label_value("score_name", score_name)
            found = self.scores.setdefault(score_name, self._metrics.score.labels(self.agent_type, score_name))
        return found


class ModelSeries:
    """The series of one model."""

    __slots__ = ("_metrics", "calls", "duration", "first_token", "model", "tokens", "unpriced")

    def __init__(self, metrics: AgentMetrics, model: str) -> None:
        self._metrics = metrics
        self.model = model
        self.calls = {call_type: metrics.llm_calls.labels(model, call_type) for call_type in ("completion",)}
        self.tokens = {token_type: metrics.llm_tokens.labels(model, token_type) for token_type in ("input", "output")}
        self.duration = metrics.llm_call_duration.labels(model)
        self.first_token: Histogram | None = None
        self.unpriced = metrics.llm_unpriced_calls.labels(model)

    def call(self, call_type: str) -> Counter:
        """The counter of calls of a type."""
        found = self.calls.get(call_type)
        if found is None:
            call_type = self._metrics.label_value("call_type", call_type)
            found = self.calls.setdefault(call_type, self._metrics.llm_calls.labels(self.model, call_type))
        return found

    def token(self, token_type: str) -> Counter:
        """The counter of tokens of a type."""
        found = self.tokens.get(token_type)
        if found is None:
            found = self.tokens.setdefault(token_type, self._metrics.llm_tokens.labels(self.model, token_type))
        return found

    def time_to_first_token(self) -> Histogram:
        """Created when it is needed: not every model is streamed."""
        if self.first_token is None:
            self.first_token = self._metrics.llm_time_to_first_token.labels(self.model)
        return self.first_token


class ToolSeries:
    """The series of one tool."""

    __slots__ = ("by_status",)

    def __init__(self, metrics: AgentMetrics, tool_name: str) -> None:
        self.by_status = {
            status: CountedSeries(metrics.tool_calls.labels(tool_name, status)) for status in TOOL_STATUSES
        }


class AgentMetrics:
    """All metrics of the agents of one process, on one registry.

    ``registry``: where they are registered; a second `AgentMetrics` on the same one raises prometheus_client's
    ``ValueError``. The ``..._buckets`` are upper bounds in the unit of their metric. ``max_label_values``: how many
    different agent types, models, tools, ... get series of their own; what comes later is counted under ``other``,
    and in ``agent_monitoring_dropped_total{reason="label_value"}``.

    Works in prometheus_client's multiprocess mode (``PROMETHEUS_MULTIPROC_DIR``), which knows no exemplars.
    """

    def __init__(
        self,
        registry: CollectorRegistry = REGISTRY,
        *,
        request_buckets: Sequence[float] = REQUEST_BUCKETS,
        llm_call_buckets: Sequence[float] = LLM_CALL_BUCKETS,
        first_token_buckets: Sequence[float] = FIRST_TOKEN_BUCKETS,
        tool_call_count_buckets: Sequence[float] = TOOL_CALL_COUNT_BUCKETS,
        cost_buckets: Sequence[float] = COST_BUCKETS,
        score_buckets: Sequence[float] = SCORE_BUCKETS,
        max_label_values: int = 100,
    ) -> None:
        self.registry = registry
        self._max_label_values = max_label_values
        self._label_values: dict[str, set[str]] = {}
        self._agents: dict[str, AgentSeries] = {}
        self._models: dict[str, ModelSeries] = {}
        self._tools: dict[str, ToolSeries] = {}
        self._lock = threading.RLock()

        def counter(name: str, meaning: str, *labels: str) -> Counter:
            return Counter(name, meaning, labels, registry=registry)

        def histogram(name: str, meaning: str, buckets: Sequence[float], *labels: str) -> Histogram:
            return Histogram(name, meaning, labels, buckets=tuple(buckets), registry=registry)

        # No two gauges of the processes of one service mean the same thing; dead processes have no runs, while the
        # state of a breaker is what its last writer saw.
        def gauge(name: str, meaning: str, mode: Literal["livesum", "mostrecent"], *labels: str) -> Gauge:
            return Gauge(name, meaning, labels, registry=registry, multiprocess_mode=mode)

        self.requests = counter("agent_requests", "Agent runs that ended, by how.", "agent_type", "status")
        self.errors = counter("agent_errors", "Agent errors, by why.", "agent_type", "error_category")
        self.request_duration = histogram(
            "agent_request_duration_seconds", "How long agent runs take.", request_buckets, "agent_type"
        )
        self.active_runs = gauge("active_agent_runs", "Agent runs going on.", "livesum", "agent_type")
        self.tool_calls = counter("agent_tool_calls", "Tool calls that ended, by how.", "tool_name", "status")
        self.tool_call_count = histogram(
            "agent_tool_call_count", "Tool calls in an agent run.", tool_call_count_buckets, "agent_type"
        )
        self.score = histogram("agent_score", "Scores given to agent runs.", score_buckets, "agent_type", "score_name")
        self.llm_calls = counter("llm_api_calls", "Calls of a model.", "model", "call_type")
        self.llm_call_duration = histogram(
            "llm_call_duration_seconds", "How long calls of a model take.", llm_call_buckets, "model"
        )
        self.llm_time_to_first_token = histogram(
            "llm_time_to_first_token_seconds", "How long streams let one wait.", first_token_buckets, "model"
        )
        self.llm_tokens = counter("llm_tokens_used", "Tokens used.", "model", "token_type")
        self.llm_cost = counter("llm_cost_usd", "Money spent on calls of a model, in USD.", "model", "agent_type")
        self.llm_unpriced_calls = counter(
            "llm_unpriced_calls", "Calls of a model whose price is not known: llm_cost_usd lacks them.", "model"
        )
        self.cost_per_request = histogram(
            "agent_cost_per_request_usd", "Money spent in an agent run, in USD.", cost_buckets, "agent_type", "model"
        )
        self.circuit_breaker_state = gauge(
            "agent_circuit_breaker_state", "0 closed, 1 open, 2 half open.", "mostrecent", "service_name"
        )
        self.dropped = counter("agent_monitoring_dropped", "What the monitoring itself could not record.", "reason")
        self._bad_amounts = self.dropped.labels("bad_amount")
        self._label_values_over_cap = self.dropped.labels("label_value")

    def agent(self, agent_type: str) -> AgentSeries:
        """The series of an agent; those that count events are created at 0."""
        return self._agents.get(agent_type) or self._series(self._agents, AgentSeries, "agent_type", agent_type)

    def model(self, model: str) -> ModelSeries:
        """The series of a model."""
        return self._models.get(model) or self._series(self._models, ModelSeries, "model", model)

    def tool(self, tool_name: str) -> ToolSeries:
        """The series of a tool, created at 0."""
        return self._tools.get(tool_name) or self._series(self._tools, ToolSeries, "tool_name", tool_name)

    def declare_agent(self, agent_type: str, *, tools: Sequence[str] = (), models: Sequence[str] = ()) -> None:
        """Create the series of an agent, its tools and models at 0.

        ``increase()`` never sees the first sample of a series: without this, the first error of a process is lost.
        """
        series = self.agent(agent_type)
        for tool_name in tools:
            self.tool(tool_name)
        for model in models:
            self.model(model)
            series.cost(model)

    def declare_tool(self, tool_name: str) -> None:
        """Create the series of a tool at 0."""
        self.tool(tool_name)

    def set_circuit_breaker_state(self, service_name: str, state: BreakerState) -> None:
        """Say what a circuit breaker is: ``closed``, ``open`` or ``half_open``. Raises KeyError for anything else."""
        number = _BREAKER_STATES[state]
        self.circuit_breaker_state.labels(self.label_value("service_name", service_name)).set(number)

    def countable(self, amount: float) -> bool:
        """Whether a counter may take this amount. One NaN would kill it for ever, so it is refused and counted."""
        try:
            if 0 <= amount < inf:
                return True
        except TypeError:  # not a number at all
            pass
        self._bad_amounts.inc()
        return False

    def label_value(self, label: str, value: str) -> str:
        """``value``, or ``other`` if this label has its number of values already.

        Models make names up, and each would be a series for ever.
        """
        value = str(value)
        known = self._label_values.get(label)
        if known is not None and value in known:
            return value
        with self._lock:
            known = self._label_values.setdefault(label, {OTHER})
            if value in known:
                return value
            if len(known) <= self._max_label_values:
                known.add(value)
                return value
        self._label_values_over_cap.inc()
        return OTHER

    def _series(self, table: dict[str, S], create: Callable[[AgentMetrics, str], S], label: str, value: str) -> S:
        labelled = self.label_value(label, value)
        with self._lock:
            if labelled not in table:
                table[labelled] = create(self, labelled)
            return table[labelled]
