"""Tracing alone: for agents whose metrics come from elsewhere, and for loops that no decorator fits."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from functools import cache
from types import TracebackType
from typing import Any, Self, TypeVar

from prometheus_client import CollectorRegistry

from slo_engine.monitoring.calls import LLMCall
from slo_engine.monitoring.decorator import monitor_agent
from slo_engine.monitoring.metrics import AgentMetrics
from slo_engine.monitoring.prices import Prices
from slo_engine.monitoring.run import AgentMonitor
from slo_engine.monitoring.tracing import Tracing
from slo_engine.monitoring.usage import LLMUsage

F = TypeVar("F", bound=Callable[..., Any])


def trace_agent_run(
    agent_type: str,
    *,
    capture_input: bool = True,
    capture_output: bool = True,
    tracing: Tracing | None = None,
    prices: Prices | None = None,
) -> Callable[[F], F]:
    """`monitor_agent` without its metrics: every call of the function is a trace, and nothing is counted."""
    return monitor_agent(
        agent_type,
        capture_input=capture_input,
        capture_output=capture_output,
        metrics=_unseen_metrics(),
        tracing=tracing,
        prices=prices,
    )


class LangFuseAgentTracer:
    """A trace made by hand, without metrics. Begins when it is created; nothing is sent before `finish`::

        tracer = LangFuseAgentTracer("support_agent", user_id="u-17")
        call = tracer.start_llm_call("gpt-5-mini", input=messages)
        response = client.chat.completions.create(...)
        tracer.end_llm_call(call, response)
        tracer.record_tool_call("web_search", output=documents)
        tracer.add_score("helpful", 0.9)
        tracer.finish(output=answer)

    As a context manager it finishes by itself, with the exception that leaves the block. Without LangFuse keys it does
    nothing. None of its methods raises.
    """

    def __init__(
        self,
        agent_type: str,
        *,
        user_id: str | None = None,
        session_id: str | None = None,
        tags: Sequence[str] = (),
        metadata: Mapping[str, Any] | None = None,
        input: Any = None,  # noqa: A002 - LangFuse's name
        tracing: Tracing | None = None,
        prices: Prices | None = None,
    ) -> None:
        self._run = AgentMonitor(
            agent_type,
            metrics=_unseen_metrics(),
            tracing=tracing,
            prices=prices,
            user_id=user_id,
            session_id=session_id,
            tags=tags,
            metadata=metadata,
        )
        self._is_finished = False
        self._run.begin()
        self._run.update(input=input)

    @property
    def trace_id(self) -> str | None:
        """The id of the trace; None when tracing is off."""
        return self._run.trace_id

    def start_llm_call(self, model: str, *, input: Any = None, call_type: str = "completion") -> LLMCall:  # noqa: A002 - LangFuse's name
        """A model is called. Give what is returned to `end_llm_call`."""
        call = self._run.llm_call(model, call_type=call_type, input=input)
        call.begin()
        return call

    def end_llm_call(
        self,
        call: LLMCall,
        response: Any = None,
        *,
        output: Any = None,
        input_tokens: int = 0,
        output_tokens: int = 0,
        cost_usd: float | None = None,
        error: BaseException | None = None,
    ) -> None:
        """The model has answered, with a ``response`` of an SDK, or ``output`` and tokens; or it has failed."""
        if response is not None:
            call.record(response, output=output)
        elif error is None:
            call.record_usage(LLMUsage(None, input_tokens, output_tokens, cost_usd=cost_usd))
            call.update(output=output)
        call.finish(error)

    def record_tool_call(
        self,
        tool_name: str,
        *,
        status: str = "success",
        input: Any = None,  # noqa: A002 - LangFuse's name
        output: Any = None,
        seconds: float | None = None,
        error: BaseException | str | None = None,
    ) -> None:
        """A tool was called: ``success``, ``failure`` or ``timeout``; an ``error`` makes a success a failure."""
        if error is not None and status == "success":
            status = "timeout" if isinstance(error, TimeoutError) else "failure"
        self._run.record_tool_call(tool_name, status, seconds=seconds, input=input, output=output, error=error)

    def add_score(self, name: str, value: float | bool | str, *, comment: str | None = None) -> None:
        """Judge the run, before or after it has ended."""
        self._run.add_score(name, value, comment=comment)

    def update(self, **fields: Any) -> None:
        """Say more about the run: see `AgentMonitor.update`."""
        self._run.update(**fields)

    def finish(self, *, output: Any = None, error: BaseException | None = None) -> None:
        """The run is over. A second call does nothing."""
        if not self._is_finished:
            self._is_finished = True
            self._run.update(output=output)
            self._run.finish(error)

    def __enter__(self) -> Self:
        self._run.activate()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._run.deactivate()
        self.finish(error=error)


@cache
def _unseen_metrics() -> AgentMetrics:
    """Metrics on a registry that nobody reads: counting is how a run works, and costs next to nothing."""
    return AgentMetrics(CollectorRegistry())
