"""The metrics of AI agents: their names, their series, and what keeps them sound."""

from __future__ import annotations

import threading
from bisect import bisect_left
from collections.abc import Callable, Mapping, Sequence
from math import inf
from typing import Any, Final, Literal, TypeVar

from prometheus_client import REGISTRY, CollectorRegistry, Histogram

from slo_engine.monitoring.classify import registered_categories
from slo_engine.monitoring.deferred import (
    Add,
    Deferred,
    DeferredCounter,
    DeferredGauge,
    DeferredHistogram,
    waiting_at,
)
from slo_engine.monitoring.forks import renew_after_fork
from slo_engine.monitoring.quiet import complaints
from slo_engine.monitoring.usage.model import TokenDetails

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
TOKEN_PARTS: Final = ("cached", "cache_write", "reasoning")
"""Of the tokens of type ``input`` the first two are a part, of those of type ``output`` the last."""

LOSSES: Final = (
    *("bad_amount", "label_value", "internal", "trace", "trace_overflow", "trace_refused", "trace_undelivered"),
    "score",
)
"""The reasons of ``agent_monitoring_dropped_total``."""

MAX_TOKENS: Final = 2**53
"""Of one call: from here on a float, which a counter is, does not tell one from the next."""

_BITS_SHOWN: Final = 64
"""Of a whole number that is refused: Python writes none that has thousands of digits."""

MAX_LABEL: Final = 200
"""Characters of a label's value."""

OTHER: Final = "other"
"""The label value of what is above the cap."""

EXEMPLAR_SECONDS: Final = 1.0
"""How much later a run must have begun for its exemplar to take the place of another one's."""

BreakerState = Literal["closed", "open", "half_open"]
_BREAKER_STATES: Final[Mapping[BreakerState, int]] = {"closed": 0, "open": 1, "half_open": 2}

S = TypeVar("S")


class CountedSeries:
    """A counter's series that takes exemplars.

    A counter has room for one, and Prometheus looks every few seconds at most: an exemplar takes the place of another
    one's only if its run began a second later (`EXEMPLAR_SECONDS`). Writing costs four times what counting does.
    """

    __slots__ = ("_counter", "count", "due")

    def __init__(self, metric: DeferredCounter, *labels: str) -> None:
        self._counter = metric.labels(*labels)
        self.count = metric.counter(*labels)
        self.due = -inf

    def inc_with(self, exemplar: dict[str, str] | None, began: float) -> None:
        """Count one, for a run that ``began`` then, with its ``exemplar`` (at most 128 characters) if that is due."""
        if exemplar is None or began < self.due:
            self.count()
        else:
            self.due = began + EXEMPLAR_SECONDS
            self._counter.inc(1, exemplar)


class TimedSeries:
    """A histogram's series that takes exemplars, in each bucket as `CountedSeries` does."""

    __slots__ = ("_bounds", "_dues", "_histogram", "observe")

    def __init__(self, metric: DeferredHistogram, buckets: Sequence[float], *labels: str) -> None:
        self._histogram = metric.labels(*labels)
        self._bounds = list(buckets)
        self._dues = [-inf] * (len(buckets) + 1)
        self.observe = metric.observer(*labels)

    def observe_with(self, amount: float, exemplar: dict[str, str], began: float) -> None:
        """Observe a finite number, of a run that ``began`` then, with its ``exemplar`` if that is due."""
        bucket = bisect_left(self._bounds, amount)
        if began >= self._dues[bucket]:
            self._dues[bucket] = began + EXEMPLAR_SECONDS
            self._histogram.observe(amount, exemplar)
        else:
            self.observe(amount)


class AgentSeries:
    """The series of one agent type."""

    __slots__ = (
        *("_metrics", "add_active", "agent_type", "costs", "duration", "errors"),
        *("observe_tool_call_count", "requests", "scores", "waiting"),
    )

    def __init__(self, metrics: AgentMetrics, agent_type: str) -> None:
        self._metrics = metrics
        self.agent_type = agent_type
        self.requests = {status: CountedSeries(metrics.requests, agent_type, status) for status in RUN_STATUSES}
        self.errors = {
            category: CountedSeries(metrics.errors, agent_type, category) for category in registered_categories()
        }
        self.duration = TimedSeries(metrics.request_duration, metrics.request_buckets, agent_type)
        self.observe_tool_call_count = metrics.tool_call_count.observer(agent_type)
        self.add_active = metrics.active_runs.adder(agent_type)
        self.waiting = waiting_at(self.add_active)
        self.scores: dict[str, Histogram] = {}
        self.costs: dict[str, tuple[Add, Add]] = {}

    def error(self, category: str) -> CountedSeries:
        """The counter of errors of a category."""
        found = self.errors.get(category)
        if found is None:
            category = self._metrics.label_value("error_category", category)
            series = CountedSeries(self._metrics.errors, self.agent_type, category)
            found = self.errors.setdefault(category, series)
        return found

    def cost(self, model: str) -> tuple[Add, Add]:
        """Adds to what is spent on a model; observes how much of it in a run."""
        found = self.costs.get(model)
        if found is None:
            labelled = self._metrics.label_value("model", model)
            found = (
                self._metrics.llm_cost.adder(labelled, self.agent_type),
                self._metrics.cost_per_request.observer(self.agent_type, labelled),
            )
            if labelled == model:
                self.costs[model] = found
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

    __slots__ = (
        *("_first_token", "_metrics", "_parts", "add_input", "add_output", "add_unpriced", "count_calls", "model"),
        *("observe_duration", "waiting"),
    )

    def __init__(self, metrics: AgentMetrics, model: str) -> None:
        self._metrics = metrics
        self.model = model
        self.count_calls = {"completion": metrics.llm_calls.counter(model, "completion")}
        self.add_input = metrics.llm_tokens.adder(model, "input")
        self.waiting = waiting_at(self.add_input)
        self.add_output = metrics.llm_tokens.adder(model, "output")
        self._parts: dict[str, Add] = {}
        self.observe_duration = metrics.llm_call_duration.observer(model)
        self._first_token: Add | None = None
        self.add_unpriced = metrics.llm_unpriced_calls.adder(model)

    def call(self, call_type: str) -> Callable[[], object]:
        """Counts a call of a type."""
        found = self.count_calls.get(call_type)
        if found is None:
            call_type = self._metrics.label_value("call_type", call_type)
            found = self.count_calls.setdefault(call_type, self._metrics.llm_calls.counter(self.model, call_type))
        return found

    def token(self, token_type: str) -> Add:
        """Adds to a part of the input or the output: not every model has them."""
        found = self._parts.get(token_type)
        if found is None:
            found = self._parts.setdefault(token_type, self._metrics.llm_tokens.adder(self.model, token_type))
        return found

    def add_details(self, details: TokenDetails, input_tokens: int, output_tokens: int) -> TokenDetails:
        """Add to the parts of a call's input and output; answers them as they can be: none is more than its whole."""
        part = self._part
        cached, written = part(details.cached, "cached_tokens"), part(details.cache_write, "cache_write_tokens")
        for_an_hour = part(details.cache_write_1h, "cache_write_1h_tokens")
        is_priced = details.is_priced and None not in (cached, written, for_an_hour)
        cached = min(cached or 0, input_tokens)
        written = min(written or 0, input_tokens - cached)
        reasoning = min(part(details.reasoning, "reasoning_tokens") or 0, output_tokens)
        for token_type, amount in zip(TOKEN_PARTS, (cached, written, reasoning), strict=True):
            if amount:
                self.token(token_type)(amount)
        return TokenDetails(cached, written, reasoning, min(for_an_hour or 0, written), details.service_tier, is_priced)

    def _part(self, amount: Any, what: str) -> int | None:
        """Of the input or the output; None: refused."""
        if type(amount) is int and 0 <= amount < MAX_TOKENS:
            return amount
        return 0 if amount is None else self._metrics.whole(amount, what, self.model)

    def time_to_first_token(self) -> Add:
        """Created when it is needed: not every model is streamed."""
        if self._first_token is None:
            self._first_token = self._metrics.llm_time_to_first_token.observer(self.model)
        return self._first_token


class ToolSeries:
    """The series of one tool."""

    __slots__ = ("by_status",)

    def __init__(self, metrics: AgentMetrics, tool_name: str) -> None:
        self.by_status = {status: CountedSeries(metrics.tool_calls, tool_name, status) for status in TOOL_STATUSES}

    def of(self, status: str) -> CountedSeries:
        """The counter of calls that ended so."""
        found = self.by_status.get(status)
        if found is None:
            complaints.warn(f"tool status {status!r} is none of {', '.join(TOOL_STATUSES)}: counted as a failure")
            found = self.by_status["failure"]
        return found


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
        self.request_buckets = tuple(request_buckets)
        self._max_label_values = max_label_values
        self._label_values: dict[str, set[str]] = {}
        # By label value; a run looks in here first, a call costs more than counting.
        self.agents: dict[str, AgentSeries] = {}
        self.models: dict[str, ModelSeries] = {}
        self.tools: dict[str, ToolSeries] = {}
        self._lock = threading.RLock()
        renew_after_fork(self, "_lock", threading.RLock)

        def counter(name: str, meaning: str, *labels: str) -> DeferredCounter:
            return DeferredCounter(name, meaning, labels, registry=registry)

        def histogram(name: str, meaning: str, buckets: Sequence[float], *labels: str) -> DeferredHistogram:
            return DeferredHistogram(name, meaning, labels, buckets=tuple(buckets), registry=registry)

        # No two gauges of the processes of one service mean the same thing; dead processes have no runs, while the
        # state of a breaker is what its last writer saw.
        def gauge(name: str, meaning: str, mode: Literal["livesum", "mostrecent"], *labels: str) -> DeferredGauge:
            return DeferredGauge(name, meaning, labels, registry=registry, multiprocess_mode=mode)

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
            "llm_unpriced_calls",
            "Calls of a model whose price, or tokens, are not known: llm_cost_usd lacks them.",
            "model",
        )
        self.cost_per_request = histogram(
            "agent_cost_per_request_usd",
            "Money that an agent run spent on a model, in USD.",
            cost_buckets,
            "agent_type",
            "model",
        )
        self.circuit_breaker_state = gauge(
            "agent_circuit_breaker_state", "0 closed, 1 open, 2 half open.", "mostrecent", "service_name"
        )
        self.dropped = counter("agent_monitoring_dropped", "What the monitoring itself could not record.", "reason")
        self._bad_amounts, self._label_values_over_cap = (self.dropped.labels(each) for each in LOSSES[:2])
        for reason in LOSSES:
            self.dropped.labels(reason)
        self._deferred = [each for each in vars(self).values() if isinstance(each, Deferred)]

    def agent(self, agent_type: str) -> AgentSeries:
        """The series of an agent; those that count events are created at 0."""
        return self.agents.get(agent_type) or self._series(self.agents, AgentSeries, "agent_type", agent_type)

    def model(self, model: str) -> ModelSeries:
        """The series of a model."""
        return self.models.get(model) or self._series(self.models, ModelSeries, "model", model)

    def tool(self, tool_name: str) -> ToolSeries:
        """The series of a tool, created at 0."""
        return self.tools.get(tool_name) or self._series(self.tools, ToolSeries, "tool_name", tool_name)

    def settle(self) -> None:
        """Count what the runs have put by: who reads the registry need not ask for it."""
        for metric in self._deferred:
            metric.settle()

    def declare_agent(self, agent_type: str, *, tools: Sequence[str] = (), models: Sequence[str] = ()) -> None:
        """Create the series of an agent, its tools and models at 0.

        ``increase()`` never sees the first sample of a series: without this, the first error of a process is lost.
        """
        series = self.agent(agent_type)
        for tool_name in tools:
            self.tool(tool_name)
        for model in models:
            known = self.model(model)
            known.call("tool_call")
            for part in TOKEN_PARTS:
                known.token(part)
            series.cost(model)

    def declare_tool(self, tool_name: str) -> None:
        """Create the series of a tool at 0."""
        self.tool(tool_name)

    def set_circuit_breaker_state(self, service_name: str, state: BreakerState) -> None:
        """Say what a breaker is: ``closed``, ``open`` or ``half_open``. Anything else is ignored and counted."""
        number = _BREAKER_STATES.get(state)
        if number is None:
            self._bad_amounts.inc()
            complaints.warn(f"a circuit breaker is closed, open or half_open, not {state!r}")
            return
        self.circuit_breaker_state.labels(self.label_value("service_name", service_name)).set(number)

    def amount(self, amount: Any, what: str, of: str) -> float | None:
        """``amount`` as a counter takes it. One NaN would kill it for ever: None for what is no number from 0 on, which
        is refused."""
        try:
            found = float(amount)
        except (TypeError, ValueError, OverflowError):
            found = -1.0
        if 0 <= found < inf:
            return found
        self.refuse(amount, what, of)
        return None

    def whole(self, amount: Any, what: str, of: str) -> int | None:
        """A number of tokens; None for what is none, which is refused."""
        try:
            tokens = -1 if isinstance(amount, str | bytes) else int(amount)
        except (TypeError, ValueError, OverflowError):  # NaN is a ValueError, infinity an OverflowError
            tokens = -1
        if 0 <= tokens < MAX_TOKENS:
            return tokens
        self.refuse(amount, what, of)
        return None

    def refuse(self, amount: Any, what: str, of: str) -> None:
        """Count an amount that is not recorded, and say so once a minute."""
        self._bad_amounts.inc()
        is_short = (
            amount is None or type(amount) is float or (type(amount) is int and amount.bit_length() <= _BITS_SHOWN)
        )
        shown = repr(amount) if is_short else f"a {type(amount).__name__}"
        complaints.warn(f"{what} of {of}: {shown} cannot be counted, and is refused; the agent is not affected")

    def label_value(self, label: str, value: str) -> str:
        """``value``, or ``other`` if this label has its number of values already.

        Models make names up, and each would be a series for ever.
        """
        # Half a character (models do write such) would break every scrape from here on.
        value = str(value)[:MAX_LABEL].encode("utf-8", "replace").decode()
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
