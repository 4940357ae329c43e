"""Calls of tools and models that are going on."""

from __future__ import annotations

import time
from collections.abc import Mapping
from contextvars import Token
from typing import TYPE_CHECKING, Any, TypeVar

from slo_engine.monitoring.classify import ErrorCategory, classify_error, mark_as_llm_failure, mark_as_tool_failure
from slo_engine.monitoring.defaults import default_metrics
from slo_engine.monitoring.metrics import AgentMetrics
from slo_engine.monitoring.scope import Scope, active_step, current
from slo_engine.monitoring.tracing import Step, merged
from slo_engine.monitoring.usage import LLMUsage, usage_of

if TYPE_CHECKING:
    from slo_engine.monitoring.run import AgentMonitor

T = TypeVar("T")


class ToolCall(Scope):
    """One tool call, counted and traced on every path. Without ``run``: of the run that is current when it begins."""

    __slots__ = ("_metrics", "_run", "_step", "_step_token", "_trace_token", "tool_name")

    def __init__(self, tool_name: str, *, run: AgentMonitor | None = None, metrics: AgentMetrics | None = None) -> None:
        self.tool_name = tool_name
        self._run = run
        self._metrics = metrics
        self._step: Step | None = None
        self._step_token: Token[Step | None] | None = None
        self._trace_token: Any = None

    @property
    def wants_content(self) -> bool:
        """Whether inputs and outputs are traced."""
        return self._step is not None and self._step.trace.tracing.capture_content

    def begin(self) -> None:
        """The tool is called."""
        run = self._run = self._run or current.get()
        if run is not None and run.trace_id is not None:
            try:
                self._step = run.start_step("tool", self.tool_name)
            except Exception as error:  # noqa: BLE001 - see AgentMonitor.complain
                run.complain("a tool call could not be begun", error)

    def finish(self, error: BaseException | None = None) -> None:
        """The tool has answered, or failed."""
        status = "success"
        run = self._run
        try:
            if error is not None and not isinstance(error, GeneratorExit):
                status = "timeout" if classify_error(error) == ErrorCategory.TIMEOUT else "failure"
                if run is not None:
                    run.fail_step(self._step, error)
                mark_as_tool_failure(error, self.tool_name)
            if self._step is not None:
                self._step.end()
            if run is not None:
                run.count_tool_call(self.tool_name, status)
            else:
                (self._metrics or default_metrics()).tool(self.tool_name).by_status[status].inc()
        except Exception as failure:  # noqa: BLE001 - see AgentMonitor.complain
            if run is not None:
                run.complain("a tool call could not be recorded", failure)

    def activate(self) -> None:
        """What is traced now is traced inside this call."""
        step = self._step
        if step is not None:
            self._step_token = active_step.set(step)
            self._trace_token = step.trace.tracing.sink.make_current(step.trace, step)

    def deactivate(self) -> None:
        """What is traced now is traced outside this call."""
        if self._trace_token is not None and self._step is not None:
            self._step.trace.tracing.sink.restore(self._trace_token)
            self._trace_token = None
        if self._step_token is not None:
            try:
                active_step.reset(self._step_token)
            except ValueError:  # left in another context than it was entered in
                active_step.set(None)
            self._step_token = None

    def update(self, *, input: Any = None, output: Any = None, metadata: Mapping[str, Any] | None = None) -> None:  # noqa: A002 - LangFuse's names
        """Say more about the call in the trace."""
        if self._run is not None and self._step is not None:
            self._run.describe(self._step, input, output)
            self._step.metadata = merged(self._step.metadata, metadata)


class LLMCall(Scope):
    """One call of a model that is going on; counted on every path, with what `record` was told of it."""

    __slots__ = ("_call_type", "_first_token", "_input", "_model", "_run", "_started", "_step", "_usage")

    def __init__(
        self,
        run: AgentMonitor,
        model: str | None,
        call_type: str | None,
        input: Any,  # noqa: A002 - LangFuse's name
    ) -> None:
        self._run = run
        self._model = model
        self._call_type = call_type
        self._input = input
        self._usage: LLMUsage | None = None
        self._first_token: float | None = None
        self._started = 0.0
        self._step: Step | None = None

    @property
    def wants_content(self) -> bool:
        """Whether inputs and outputs are traced."""
        return self._run.wants_content

    def begin(self) -> None:
        """The model is called."""
        self._started = time.perf_counter()
        try:
            self._step = self._run.start_step("generation", self._model or "unknown")
            self._run.describe(self._step, self._input, None)
        except Exception as error:  # noqa: BLE001 - see AgentMonitor.complain
            self._run.complain("a model call could not be begun", error)

    def first_token(self) -> None:
        """The first token is here; later calls change nothing."""
        if self._first_token is None:
            self._first_token = time.perf_counter() - self._started

    def record(self, response: T, *, output: Any = None) -> T:
        """Take tokens, model and answer from a provider's response, which is returned."""
        try:
            self.record_usage(usage_of(response) or LLMUsage(self._model))
            if output is not None:
                self.update(output=output)
        except Exception as error:  # noqa: BLE001 - see AgentMonitor.complain
            self._run.complain("a response could not be read", error)
        return response

    def record_usage(self, usage: LLMUsage) -> None:
        """Take tokens and model as they are."""
        self._usage = usage

    def finish(self, error: BaseException | None = None) -> None:
        """The model has answered, or failed."""
        seconds = time.perf_counter() - self._started
        run, usage, step = self._run, self._usage or LLMUsage(self._model), self._step
        usage.model = usage.model or self._model
        try:
            if error is not None and isinstance(error, GeneratorExit):
                error = None
            if error is not None:
                mark_as_llm_failure(error, usage.model or "unknown")
                if self._usage is None:
                    usage.cost_usd = 0.0  # nothing came back, and nothing is paid: it is not a call of unknown price
            run.record_usage(usage, self._call_type or usage.call_type or "completion", seconds, self._first_token)
            if step is None:
                return
            step.name = usage.model or step.name
            step.attributes = usage.for_trace(step.start_ns, self._first_token)
            if step.output is None:
                run.describe(step, None, usage.output)
            if error is not None:
                run.fail_step(step, error)
            step.end()
        except Exception as failure:  # noqa: BLE001 - see AgentMonitor.complain
            run.complain("a model call could not be recorded", failure)

    def activate(self) -> None:
        """Nothing is traced inside a model's call."""

    def deactivate(self) -> None:
        """Nothing is traced inside a model's call."""

    def update(self, *, input: Any = None, output: Any = None, metadata: Mapping[str, Any] | None = None) -> None:  # noqa: A002 - LangFuse's names
        """Say more about the call in the trace."""
        self._run.describe(self._step, input, output)
        if self._step is not None:
            self._step.metadata = merged(self._step.metadata, metadata)
