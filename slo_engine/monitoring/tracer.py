"""Tracing alone: for agents whose runs are counted elsewhere, and for loops that no decorator fits."""

from __future__ import annotations

import functools
from collections.abc import Callable, Mapping, Sequence
from types import TracebackType
from typing import TYPE_CHECKING, Any, Self, TypeVar

from slo_engine.monitoring.calls import LLMCall
from slo_engine.monitoring.defaults import default_metrics, default_prices
from slo_engine.monitoring.endings import ending
from slo_engine.monitoring.environment import default_tracing
from slo_engine.monitoring.functions import decorator
from slo_engine.monitoring.recording import complain_of, forgiving
from slo_engine.monitoring.run import AgentRun, OutsideRun, current_run
from slo_engine.monitoring.run_trace import RunTrace, fail
from slo_engine.monitoring.scope import Run
from slo_engine.monitoring.tracing import Tracing
from slo_engine.monitoring.usage import UNKNOWN_MODEL, LLMUsage, is_stream, usage_of
from slo_engine.monitoring.usage.fields import number

if TYPE_CHECKING:
    from slo_engine.monitoring.prices import Prices
    from slo_engine.monitoring.usage import TokenDetails

F = TypeVar("F", bound=Callable[..., Any])


def trace_agent_run(
    agent_type: str,
    user_id: str | None = None,
    session_id: str | None = None,
    metadata: Mapping[str, Any] | None = None,
    *,
    tags: Sequence[str] = (),
    capture_input: bool = True,
    capture_output: bool = True,
    tracing: Tracing | None = None,
    prices: Prices | None = None,
) -> Callable[[F], F]:
    """`monitor_agent` without counting runs: every call of the function is a trace. What the library sees of tools and
    models in it is counted where it belongs: in the run around it, if there is one."""
    if not isinstance(agent_type, str):
        raise TypeError('write @trace_agent_run("name of the agent"), with parentheses and a name')
    if tracing is None:
        default_tracing()
    if prices is None:
        default_prices()
    open_run = functools.partial(
        TracedRun,
        agent_type,
        tracing=tracing,
        prices=prices,
        user_id=user_id,
        session_id=session_id,
        tags=tags,
        metadata=metadata,
    )
    return decorator(open_run, capture_input=capture_input, capture_output=capture_output)


class TracedRun(AgentRun):
    """A run that is traced and not counted. Calls in it are counted in the run around it, or as outside of any."""

    def __init__(
        self,
        agent_type: str,
        *,
        tracing: Tracing | None = None,
        prices: Prices | None = None,
        user_id: str | None = None,
        session_id: str | None = None,
        tags: Sequence[str] = (),
        metadata: Mapping[str, Any] | None = None,
    ) -> None:
        self.agent_type = agent_type if type(agent_type) is str else str(agent_type)
        self._metrics = default_metrics()
        self._prices = prices
        self._tracing = tracing or default_tracing()
        self._trace_fields = (user_id, session_id, tags, metadata)
        self._counted: Run = OutsideRun(None, self.agent_type)

    def begin(self) -> None:
        """The run starts now."""
        self.outer = current_run()
        self._counted = self.outer or self._counted
        self._place = (self, None)
        self._is_active = True
        self._begin_trace()

    def finish(self, error: BaseException | None = None) -> None:
        """The run is over; ``error`` says how, None: well. A second call does nothing."""
        if not self._is_active:
            return
        self._is_active = False
        traced = self.traced
        if traced is None:
            return
        if error is not None:
            _, category = ending(error)
            if category is not None:
                fail(traced.step, error, category)
        self._finish_trace(traced)

    def count_tool_call(self, tool_name: str, status: str) -> None:
        """Count a tool call where it belongs. May raise."""
        if self.traced is not None and status != "success":
            self.traced.trace.failed = True
        self._counted.count_tool_call(tool_name, status)

    def count_llm_call(
        self,
        model: str,
        call_type: str,
        input_tokens: int,
        output_tokens: int,
        details: TokenDetails | None,
        cost_usd: float | None,
        seconds: float | None,
        time_to_first_token: float | None,
    ) -> float | None:
        """Count a model call where it belongs, and answer what it cost. May raise."""
        if cost_usd is None and self._prices is not None:
            cost_usd = self._prices.cost_with(model, input_tokens, output_tokens, details)
        return self._counted.count_llm_call(
            model, call_type, input_tokens, output_tokens, details, cost_usd, seconds, time_to_first_token
        )

    def count_score(self, name: str, value: float) -> bool:  # noqa: ARG002 - those of a run
        """It goes to the trace alone."""
        return -float("inf") < value < float("inf")

    def count_category(self, category: str) -> None:
        """It goes to the trace alone."""


class LangFuseAgentTracer:
    """A trace made by hand, without metrics. Begins when it is created; nothing is sent before `finish`::

        tracer = LangFuseAgentTracer("support_agent", user_id="u-17")
        call = tracer.start_llm_call("gpt-5-mini", messages)
        response = client.chat.completions.create(...)
        tracer.end_llm_call(call, response)
        tracer.record_tool_call("web_search", {"query": "refunds"}, documents, duration_ms=120)
        tracer.add_score("helpful", 0.9, "answered the question")
        tracer.finish(answer)

    As a context manager it finishes by itself, with the exception that leaves the block; what monitored clients and
    tools do in that block is in the trace, and is counted. Without LangFuse keys it does nothing. None of its methods
    raises.
    """

    def __init__(
        self,
        agent_type: str,
        user_id: str | None = None,
        *,
        session_id: str | None = None,
        tags: Sequence[str] = (),
        metadata: Mapping[str, Any] | None = None,
        input: Any = None,  # noqa: A002 - LangFuse's name
        tracing: Tracing | None = None,
        prices: Prices | None = None,
    ) -> None:
        self._run = TracedRun(
            agent_type,
            tracing=tracing,
            prices=prices,
            user_id=user_id,
            session_id=session_id,
            tags=tags,
            metadata=metadata,
        )
        self._by_hand = _ByHand(self._run, prices)
        self._is_finished = False
        self._run.begin()
        self._run.update(input=input)

    def complain(self, what: str, error: BaseException) -> None:
        """Count a failure of the monitoring's own, and say so once a minute: the agent goes on."""
        self._run.complain(what, error)

    @property
    def trace_id(self) -> str | None:
        """The id of the trace; None when tracing is off."""
        return self._run.trace_id

    def start_llm_call(
        self,
        model: str = UNKNOWN_MODEL,
        messages: Any = None,
        tools: Any = None,
        *more: Any,
        input: Any = None,  # noqa: A002 - LangFuse's name
        call_type: str | None = None,
        **told: Any,
    ) -> LLMCall:
        """A model is called with ``messages`` and ``tools`` (or ``input``). Give what is returned to `end_llm_call`."""
        complain_of(self._run, "start_llm_call", told, more)
        said = messages if input is None else input
        call = LLMCall(self._by_hand, model, call_type, said if tools is None else {"messages": said, "tools": tools})
        call.begin()
        return call

    @forgiving
    def end_llm_call(
        self,
        span_id: LLMCall,
        output: Any = None,
        usage: Any = None,
        model: str | None = None,
        *,
        input_tokens: int = 0,
        output_tokens: int = 0,
        cost_usd: float | None = None,
        error: BaseException | None = None,
    ) -> None:
        """The model has answered, with a response of an SDK as ``output``, or with anything else and its ``usage`` (as
        a provider tells it, or ``{"input": 900, "output": 120}``); or it has failed with ``error``. ``span_id``: what
        `start_llm_call` returned."""
        call = span_id
        found = None if output is None or isinstance(output, str) or is_stream(output) else usage_of(output)
        if found is None and error is None:
            found = _usage_in(usage) or LLMUsage(None, input_tokens, output_tokens)
            call.update(output=output)
        if found is not None:
            found.model = model or found.model
            found.cost_usd = found.cost_usd if cost_usd is None else cost_usd
            call.record_usage(found)
        call.finish(error)

    @forgiving
    def record_tool_call(
        self,
        tool_name: str = "unknown",
        input_data: Any = None,
        output: Any = None,
        duration_ms: float | None = None,
        *,
        input: Any = None,  # noqa: A002 - LangFuse's name
        status: str = "success",
        seconds: float | None = None,
        error: BaseException | str | None = None,
    ) -> None:
        """A tool was called: ``success``, ``failure`` or ``timeout``; an ``error`` makes a success a failure."""
        if error is not None and status == "success":
            status = "timeout" if isinstance(error, TimeoutError) else "failure"
        if seconds is None and duration_ms is not None:
            seconds = duration_ms / 1000
        if self._run.traced is not None:
            said = input_data if input is None else input
            self._run.traced.tool_call(tool_name, status, seconds, said, output, error)

    @forgiving
    def add_score(self, name: str, value: float | bool | str, comment: str | None = None) -> None:
        """Judge the run, before or after it has ended."""
        self._run.add_score(name, value, comment)

    @forgiving
    def update(self, **fields: Any) -> None:
        """Say more about the run: see `AgentRun.update`."""
        self._run.update(**fields)

    @forgiving
    def finish(self, output: Any = None, status: str | None = None, *, error: BaseException | None = None) -> None:
        """The run is over; any ``status`` but ``success`` is that of a failure. A second call does nothing."""
        if self._is_finished:
            return
        self._is_finished = True
        self._run.update(output=output)
        traced = self._run.traced
        if traced is not None and error is None and status not in {None, "success", "ok", "completed"}:
            traced.step.fail(str(status))
        self._run.finish(error)

    def __enter__(self) -> Self:
        self._run.activate()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._run.deactivate()
        self.finish(error=error)

    async def __aenter__(self) -> Self:
        return self.__enter__()

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.__exit__(kind, error, trace)


class _ByHand:
    """The run of calls that are traced by hand: who counts them does so by other means."""

    model: str | None = None

    def __init__(self, run: TracedRun, prices: Prices | None) -> None:
        self._traced_run = run
        self._prices = prices
        self.wants_content = run.wants_content

    @property
    def traced(self) -> RunTrace | None:
        return self._traced_run.traced

    def count_tool_call(self, tool_name: str, status: str) -> None:
        """Not counted."""

    def count_llm_call(
        self,
        model: str,
        call_type: str,  # noqa: ARG002 - those of a run
        input_tokens: int,
        output_tokens: int,
        details: TokenDetails | None,
        cost_usd: float | None,
        seconds: float | None,  # noqa: ARG002
        time_to_first_token: float | None,  # noqa: ARG002
    ) -> float | None:
        """Not counted; its price is for the trace."""
        if cost_usd is not None or not (input_tokens or output_tokens):
            return cost_usd
        return (self._prices or default_prices()).cost_with(model, input_tokens, output_tokens, details)

    def count_score(self, name: str, value: float) -> bool:  # noqa: ARG002 - those of a run
        """Not counted."""
        return True

    def count_category(self, category: str) -> None:
        """Not counted."""

    def complain(self, what: str, error: BaseException) -> None:
        self._traced_run.complain(what, error)


def _usage_in(usage: Any) -> LLMUsage | None:
    """Of a ``usage`` without its answer, as providers and LangFuse name its fields."""
    if usage is None:
        return None
    if isinstance(usage, LLMUsage):
        return usage
    for kind in ("chat.completion", "response"):
        found = usage_of({"object": kind, "usage": usage})
        if found is not None and (found.input_tokens or found.output_tokens):
            return found
    return LLMUsage(None, number(usage, "input", "input_tokens"), number(usage, "output", "output_tokens"))
