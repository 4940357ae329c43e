"""Calls of tools and models that are going on."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping
from functools import partial
from types import TracebackType
from typing import Any, Self, TypeVar, cast

from slo_engine.monitoring.classify import is_timeout, mark_as_llm_failure, mark_as_tool_failure
from slo_engine.monitoring.defaults import default_metrics
from slo_engine.monitoring.endings import is_left_early
from slo_engine.monitoring.functions import decorator
from slo_engine.monitoring.metrics import AgentMetrics
from slo_engine.monitoring.nearest import Watched, count_here, count_tool_here, is_remembered, watched_tools
from slo_engine.monitoring.quiet import complaints
from slo_engine.monitoring.run_trace import fail
from slo_engine.monitoring.scope import Run, Scope, current
from slo_engine.monitoring.streams import (
    abandon,
    abandoned,
    collections,
    is_collecting,
    monitored_stream,
    settle_abandoned,
)
from slo_engine.monitoring.tracing import Step
from slo_engine.monitoring.usage import UNKNOWN_MODEL, LLMUsage, is_stream, usage_of

T = TypeVar("T")
F = TypeVar("F", bound=Callable[..., Any])


class ToolCall(Scope):
    """One tool call, counted and traced on every path. Without ``run``: of the run that is current when it begins.

    Around a block by ``with`` or ``async with``, also again after that, each time a call; as a decorator of a function,
    each call of which is one.
    """

    # Defaults of the class: most calls need none of them.
    _metrics: AgentMetrics | None = None
    _step: Step | None = None
    _in: Run | None = None
    _open = 0

    def __init__(self, tool_name: str, run: Run | None = None, *, metrics: AgentMetrics | None = None) -> None:
        self.tool_name = tool_name
        self._run = run
        if metrics is not None:
            self._metrics = metrics

    def begin(self) -> None:
        """The tool is called."""
        count_tool_here(self.tool_name)
        self._open += 1
        run = self._run
        if run is None:
            place = current.get()
            if place is None:
                return
            run = place[0]
        self._in = run
        if run.traced is not None:
            try:
                self._step = run.traced.start("tool", self.tool_name)
                self._place = (run, self._step)
                self.wants_content = run.wants_content
            except Exception as error:  # noqa: BLE001 - see AgentRun.complain
                run.complain("a tool call could not be begun", error)

    def finish(self, error: BaseException | None = None) -> None:
        """The tool has answered, or failed."""
        if not self._open:
            return
        if collections.thread and is_collecting():
            abandon(self, error)
            return
        self._open -= 1
        status = "success"
        run = self._in
        try:
            if error is not None and not is_left_early(error):
                status = "timeout" if is_timeout(error) else "failure"
                if self._step is not None:
                    fail(self._step, error)
                    if run is not None and run.traced is not None:
                        run.traced.keep()
                mark_as_tool_failure(error, self.tool_name)
            if self._step is not None:
                self._step.end()
            if run is not None:
                run.count_tool_call(self.tool_name, status)
            else:
                (self._metrics or default_metrics()).tool(self.tool_name).of(status).count()
        except Exception as failure:  # noqa: BLE001 - see AgentRun.complain
            if run is not None:
                run.complain("a tool call could not be recorded", failure)
            else:
                complaints.warn(f"a tool call could not be recorded ({type(failure).__name__})")

    def discard(self) -> None:
        """It is counted by somebody else, or the tool was not called after all."""
        if self._open:
            self._open -= 1
            if self._step is not None:
                self._step.trace.leave_out(self._step)

    def update(self, *, input: Any = None, output: Any = None, metadata: Mapping[str, Any] | None = None) -> None:  # noqa: A002 - LangFuse's names
        """Say more about the call in the trace."""
        if self._step is not None:
            self._step.describe(input, output, metadata)

    def __call__(self, function: F) -> F:
        """A function each call of which is a call of this tool."""
        again = partial(ToolCall, self.tool_name, run=self._run, metrics=self._metrics)
        return decorator(again, capture_input=True, capture_output=True)(function)

    def __enter__(self) -> Self:
        run = self._run
        if run is not None and run.traced is None:  # what `begin` comes to then, at a third of the cost
            if watched_tools.get() is not None:
                count_tool_here(self.tool_name)
            self._open += 1
            self._in = run
            return self
        self.begin()
        if self._step is not None:
            self.activate()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        run = self._in
        if error is None and self._step is None and run is not None and self._open:  # as in __enter__
            self._open -= 1
            try:
                run.count_tool_call(self.tool_name, "success")
            except Exception as failure:  # noqa: BLE001 - see AgentRun.complain
                run.complain("a tool call could not be recorded", failure)
            return
        if self._step is not None:
            self.deactivate()
        self.finish(error)


class WatchedToolCall(ToolCall):
    """A tool call as a framework's monitor sees it: left to a nearer one where the tool itself is decorated."""

    _watched: Watched | None = None

    def begin(self) -> None:
        """The tool is called."""
        super().begin()
        self._watched = Watched(self.tool_name, "tool")

    def finish(self, error: BaseException | None = None) -> None:
        """The tool has answered, or failed."""
        watched, self._watched = self._watched, None
        if watched is not None:
            watched.leave()
            if watched.is_counted:
                self.discard()
        super().finish(error)

    def discard(self) -> None:
        """It is counted by somebody else, or the tool was not called after all."""
        if self._watched is not None:
            self._watched.leave()
        super().discard()


class LLMCall(Scope):
    """One call of a model that is going on; counted on every path, with what `record` was told of it."""

    _step: Step | None = None
    _usage: LLMUsage | None = None
    _first_token: float | None = None
    _cost_usd: float | None = None
    _is_streamed = False
    _is_elsewhere = False
    _is_over = False
    _watched: Watched | None = None

    def __init__(
        self,
        run: Run,
        model: str | None,
        call_type: str | None,
        input: Any,  # noqa: A002 - LangFuse's name
    ) -> None:
        self._run = run
        self._model = model
        self._call_type = call_type
        self._input = input
        self._began = 0.0

    def begin(self, ago: float = 0.0, cost_usd: float | None = None, time_to_first_token: float | None = None) -> None:
        """The model is called, or was so many seconds ``ago``; what is known of it already is not measured."""
        if abandoned:
            settle_abandoned()
        count_here(self._model)
        self._is_over = self._is_streamed = self._is_elsewhere = False
        self._usage = self._step = self._watched = self.ended_at = None
        self._began = time.perf_counter() - ago
        self._cost_usd = cost_usd
        self._first_token = time_to_first_token
        try:
            if self._run.traced is not None:
                start_ns = time.time_ns() - int(ago * 1e9) if ago else 0
                self._step = self._run.traced.start("generation", self._model or UNKNOWN_MODEL, start_ns)
                self.wants_content = self._run.wants_content
                self._step.describe(self._input, None)
        except Exception as error:  # noqa: BLE001 - see AgentRun.complain
            self._run.complain("a model call could not be begun", error)
        self._input = None

    def first_token(self) -> None:
        """The first token is here; later calls change nothing."""
        if self._first_token is None:
            self._first_token = time.perf_counter() - self._began

    def record(self, response: T, *, output: Any = None) -> T:
        """Take tokens, model and answer from a provider's response, which is returned; or from a stream of one, which
        is returned wrapped, and ends the call when it ends."""
        if is_remembered(response):
            self._is_elsewhere = True
            return response  # of a monitored client
        if is_stream(response):
            self._is_streamed = True
            return cast("T", monitored_stream(response, self))
        self.record_usage(usage_of(response) or LLMUsage(self._model))
        if output is not None:
            self.update(output=output)
        return response

    def record_unless_known(self, response: Any) -> None:
        """`record`, where nothing has been recorded yet."""
        if self._usage is None:
            self.record(response)

    def record_usage(self, usage: LLMUsage) -> None:
        """Take tokens and model as they are."""
        self._usage = usage

    def __enter__(self) -> Self:
        self.begin()
        self._watched = Watched(self._model)
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if error is not None or not self._is_streamed:
            self.finish(error)
        elif self._watched is not None:
            self._watched.leave()

    def finish(self, error: BaseException | None = None) -> None:
        """The model has answered, or failed."""
        if self._is_over:
            return
        if collections.thread and is_collecting():
            abandon(self, error)
            return
        if self._leave():
            self.discard()
            return
        self._is_over = True
        seconds = (self.ended_at or time.perf_counter()) - self._began
        try:
            self._count(None if error is None or is_left_early(error) else error, seconds)
        except Exception as failure:  # noqa: BLE001 - see AgentRun.complain
            self._run.complain("a model call could not be recorded", failure)
        if self._step is not None:
            self._step.end()

    def _count(self, error: BaseException | None, seconds: float) -> None:
        run, usage, step, traced = self._run, self._usage or LLMUsage(self._model), self._step, self._run.traced
        usage.model = usage.model or self._model
        usage.cost_usd = usage.cost_usd if self._cost_usd is None else self._cost_usd
        if error is not None:
            mark_as_llm_failure(error, usage.name())
            if step is not None and traced is not None:
                fail(step, error)
                traced.keep()
            if self._usage is None:
                usage.cost_usd = 0.0  # nothing came back, and nothing is paid: it is not a call of unknown price
        usage.cost_usd = run.count_llm_call(
            usage.name(),
            self._call_type or usage.call_type or "completion",
            usage.input_tokens,
            usage.output_tokens,
            usage.details(),
            usage.cost_usd,
            seconds,
            self._first_token,
        )
        if step is not None and traced is not None:
            step.name = usage.name()
            step.attributes = traced.attributes_of(usage, step.start_ns, self._first_token)
            if step.output is None:
                step.describe(None, usage.output)

    def _leave(self) -> bool:
        """Whether a monitored client that was called in the block has counted it."""
        if self._watched is None:
            return self._is_elsewhere
        self._watched.leave()
        return self._is_elsewhere or (self._usage is None and self._watched.is_counted)

    def discard(self) -> None:
        """It is counted by somebody else, or was no call of a model at all."""
        if not self._is_over:
            self._is_over = True
            if self._step is not None:
                self._step.trace.leave_out(self._step)

    def update(self, *, input: Any = None, output: Any = None, metadata: Mapping[str, Any] | None = None) -> None:  # noqa: A002 - LangFuse's names
        """Say more about the call in the trace."""
        if self._step is not None:
            self._step.describe(input, output, metadata)
