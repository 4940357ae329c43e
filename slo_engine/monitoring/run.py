"""One run of an agent: what is counted, timed and traced while it goes on."""

from __future__ import annotations

import functools
import inspect
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from contextvars import ContextVar, Token
from types import TracebackType
from typing import Any, ParamSpec, Self, TypeVar, cast

from slo_engine.monitoring.classify import classify_error, mark_as_tool_failure
from slo_engine.monitoring.metrics import AgentMetrics, default_metrics
from slo_engine.monitoring.tracing import Span, Tracing, tracing_from_environment

P = ParamSpec("P")
R = TypeVar("R")

_current: ContextVar[AgentMonitor | None] = ContextVar("slo_engine_run", default=None)


class AgentMonitor:
    """A run of an agent, as a context manager (``with`` and ``async with``)::

        with AgentMonitor("support_agent") as run:
            with run.tool("web_search"):
                ...
            run.record_llm_call("gpt-5-mini", input_tokens=900, output_tokens=120, cost_usd=0.0005, seconds=1.2)

    An exception that leaves the block counts as ``error`` (``timeout`` for TimeoutError), makes the trace an ERROR,
    and goes on its way unchanged.
    """

    def __init__(self, agent_type: str, *, metrics: AgentMetrics | None = None, tracing: Tracing | None = None) -> None:
        self.agent_type = agent_type
        self._metrics = metrics or default_metrics()
        self._tracing = tracing or tracing_from_environment(self._metrics.dropped.labels("trace").inc)
        self._metrics.declare_agent(agent_type)
        self._span = Span(self._tracing)
        self._started = 0.0
        self._tools = 0
        self._costs: dict[str, float] = {}
        self._token: Token[AgentMonitor | None] | None = None

    @property
    def trace_id(self) -> str | None:
        """The id of the run's trace in LangFuse; None when tracing is off."""
        return self._span.trace_id

    def __enter__(self) -> Self:
        self._span = self._tracing.start(self.agent_type, "agent", tags=[f"agent_type:{self.agent_type}"])
        self._token = _current.set(self)
        self._metrics.active_runs.labels(self.agent_type).inc()
        self._started = time.perf_counter()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        seconds = time.perf_counter() - self._started
        metrics, agent, exemplar = self._metrics, self.agent_type, self._exemplar()
        status = "success" if error is None else "timeout" if isinstance(error, TimeoutError) else "error"
        metrics.active_runs.labels(agent).dec()
        metrics.requests.labels(agent, status).inc(exemplar=exemplar)
        metrics.request_duration.labels(agent).observe(seconds, exemplar=exemplar)
        metrics.tool_call_count.labels(agent).observe(self._tools)
        for model, cost in self._costs.items():
            metrics.cost_per_request.labels(agent, model).observe(cost)
        if error is not None:
            metrics.errors.labels(agent, classify_error(error)).inc(exemplar=exemplar)
        self._span.end(error)
        if self._token is not None:
            _current.reset(self._token)
            self._token = None

    async def __aenter__(self) -> Self:
        return self.__enter__()

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.__exit__(kind, error, trace)

    @contextmanager
    def tool(self, tool_name: str) -> Iterator[None]:
        """Count and trace one tool call: a failure when an exception leaves the block, a success otherwise."""
        span = self._tracing.start(tool_name, "tool")
        self._metrics.declare_tool(tool_name)
        status = "success"
        failure: BaseException | None = None
        try:
            yield
        except BaseException as error:
            status = "timeout" if isinstance(error, TimeoutError) else "failure"
            failure = error
            mark_as_tool_failure(error, tool_name)
            raise
        finally:
            span.end(failure)
            self.record_tool_call(tool_name, status)

    def record_tool_call(self, tool_name: str, status: str = "success") -> None:
        """Count a tool call that is over: ``success``, ``failure`` or ``timeout``."""
        self._tools += 1
        self._metrics.tool_calls.labels(tool_name, status).inc(exemplar=self._exemplar())

    def record_llm_call(
        self,
        model: str,
        *,
        input_tokens: int = 0,
        output_tokens: int = 0,
        cost_usd: float | None = None,
        seconds: float | None = None,
        call_type: str = "completion",
    ) -> None:
        """Count a call of a model that is over. ``cost_usd`` None: its price is not known."""
        metrics = self._metrics
        metrics.llm_calls.labels(model, call_type).inc()
        for token_type, amount in (("input", input_tokens), ("output", output_tokens)):
            if metrics.countable(amount):
                metrics.llm_tokens.labels(model, token_type).inc(amount)
        if seconds is not None and metrics.countable(seconds):
            metrics.llm_call_duration.labels(model).observe(seconds)
        cost: dict[str, float] = {}
        if cost_usd is not None and metrics.countable(cost_usd):
            metrics.llm_cost.labels(model, self.agent_type).inc(cost_usd)
            self._costs[model] = self._costs.get(model, 0.0) + cost_usd
            cost = {"total": cost_usd}
        span = self._tracing.start(model, "generation", model=model)
        span.update(usage_details={"input": input_tokens, "output": output_tokens}, cost_details=cost)
        span.end()

    def _exemplar(self) -> dict[str, str] | None:
        # 8 + 32 characters, well within the 128 that OpenMetrics allows: the client raises, after counting, above it.
        return {"trace_id": self.trace_id} if self.trace_id else None


def current_run() -> AgentMonitor | None:
    """The run that the calling code is part of."""
    return _current.get()


def monitor_agent(
    agent_type: str, *, metrics: AgentMetrics | None = None, tracing: Tracing | None = None
) -> Callable[[Callable[P, R]], Callable[P, R]]:
    """Make every call of a function or coroutine function a run of ``agent_type``.

    Signature, kind and exceptions stay as they are. Raises TypeError for generator functions, whose runs end where
    their consumers stop: use :class:`AgentMonitor` inside them.
    """

    def decorate(function: Callable[P, R]) -> Callable[P, R]:
        if inspect.isgeneratorfunction(function) or inspect.isasyncgenfunction(function):
            raise TypeError(f"{function.__qualname__} is a generator function: use AgentMonitor inside it")
        AgentMonitor(agent_type, metrics=metrics, tracing=tracing)  # declares the agent, and loads the SDK now

        if inspect.iscoroutinefunction(function):

            @functools.wraps(function)
            async def run_async(*args: P.args, **kwargs: P.kwargs) -> Any:
                async with AgentMonitor(agent_type, metrics=metrics, tracing=tracing):
                    return await function(*args, **kwargs)

            return cast("Callable[P, R]", run_async)

        @functools.wraps(function)
        def run(*args: P.args, **kwargs: P.kwargs) -> R:
            with AgentMonitor(agent_type, metrics=metrics, tracing=tracing):
                return function(*args, **kwargs)

        return run

    return decorate
