"""One run of an agent: what is counted, timed and traced while it goes on."""

from __future__ import annotations

import itertools
import time
from collections.abc import Mapping, Sequence
from contextvars import Token
from typing import Any, Literal, TypeVar, overload

from slo_engine.monitoring.calls import LLMCall, ToolCall
from slo_engine.monitoring.classify import classify_error
from slo_engine.monitoring.content import as_text
from slo_engine.monitoring.defaults import default_metrics, default_prices, default_tracing
from slo_engine.monitoring.endings import MAX_MESSAGE, ending, frames, told
from slo_engine.monitoring.metrics import TOOL_STATUSES, AgentMetrics
from slo_engine.monitoring.prices import Prices
from slo_engine.monitoring.quiet import complaints
from slo_engine.monitoring.scope import Scope, active_step, current
from slo_engine.monitoring.streams import monitored_stream
from slo_engine.monitoring.tracing import Kind, Score, Step, Trace, Tracing, ambient_exemplar, merged, with_tags
from slo_engine.monitoring.usage import LLMUsage, is_stream, usage_of

T = TypeVar("T")


def current_run() -> AgentMonitor | None:
    """The run that the calling code is part of."""
    return current.get()


class AgentMonitor(Scope):
    """A run of an agent, as a context manager (``with`` and ``async with``)::

        with AgentMonitor("support_agent", user_id="u-17") as run:
            with run.tool("web_search"):
                ...
            run.record_llm_call("gpt-5-mini", input_tokens=900, output_tokens=120, seconds=1.2)

    What leaves the block decides the status: nothing, or a SystemExit of 0: ``success``; a timeout: ``timeout``;
    CancelledError and KeyboardInterrupt: ``cancelled``; another SystemExit: ``exit``; else ``error``. It goes on its
    way unchanged. Inside another run this one is counted as a run of its own, and traced as a part of the outer trace.

    ``metrics``, ``tracing`` and ``prices`` are those of `configure` unless given. ``user_id``, ``session_id``, ``tags``
    and ``metadata`` are of the trace. May be used by several threads; none of its methods raises.
    """

    __slots__ = (
        *("_costs", "_exemplar", "_metrics", "_owns_trace", "_prices", "_series", "_started", "_step", "_token"),
        *("_tool_calls", "_trace", "_tracing", "_trace_token", "agent_type", "trace_fields"),
    )

    def __init__(
        self,
        agent_type: str,
        *,
        metrics: AgentMetrics | None = None,
        tracing: Tracing | None = None,
        prices: Prices | None = None,
        user_id: str | None = None,
        session_id: str | None = None,
        tags: Sequence[str] = (),
        metadata: Mapping[str, Any] | None = None,
    ) -> None:
        self.agent_type = agent_type
        self._metrics = metrics or default_metrics()
        self._tracing = tracing or default_tracing()
        self._prices = prices or default_prices()
        self._series = self._metrics.agent(agent_type)
        self._trace: Trace | None = None
        self._step: Step | None = None
        self._owns_trace = False
        self._exemplar: dict[str, str] | None = None
        self._token: Token[AgentMonitor | None] | None = None
        self._trace_token: Any = None
        self._started = 0.0
        # Appending and counting are atomic, `+=` is not: a run may be shared by threads.
        self._tool_calls = itertools.count()
        self._costs: list[tuple[str, float]] = []
        self.trace_fields: tuple[str | None, str | None, Sequence[str], Mapping[str, Any] | None] | None = (
            (user_id, session_id, tags, metadata) if user_id or session_id or tags or metadata else None
        )

    @property
    def trace_id(self) -> str | None:
        """The id of the run's trace in LangFuse; None when tracing is off."""
        return self._trace.hex if self._trace is not None else None

    @property
    def wants_content(self) -> bool:
        """Whether inputs and outputs are traced."""
        return self._trace is not None and self._trace.tracing.capture_content

    def begin(self) -> None:
        """The run starts now."""
        try:
            if self._tracing is not None:
                self._begin_trace(self._tracing)
            else:
                self._exemplar = ambient_exemplar()
            self._series.active.inc()
        except Exception as error:  # noqa: BLE001 - see _complain
            self._complain("a run could not be begun", error)
        self._started = time.perf_counter()

    def finish(self, error: BaseException | None = None) -> None:
        """The run is over; ``error`` says how, None: well."""
        seconds = time.perf_counter() - self._started
        try:
            series = self._series
            series.active.dec()
            if error is None:
                status, category = "success", None
            else:
                status, category = ending(error)
                if category is not None:
                    self._fail(self._step, error, category)
            exemplar = self._exemplar
            if self._trace is not None:
                exemplar = self._trace.exemplar_for(failed=category is not None)
            series.requests[status].inc_with(exemplar)
            series.duration.observe(seconds, exemplar)
            series.tool_call_count.observe(next(self._tool_calls))
            if self._costs:
                self._observe_costs()
            if category is not None:
                series.error(category).inc_with(exemplar)
        except Exception as failure:  # noqa: BLE001 - see _complain
            self._complain("a run could not be recorded", failure)
        self._finish_trace()

    def activate(self) -> None:
        """Make it the current run."""
        self._token = current.set(self)
        if self._trace is not None and self._step is not None:
            self._trace_token = self._trace.tracing.sink.make_current(self._trace, self._step)

    def deactivate(self) -> None:
        """Make the one before it the current run again."""
        if self._trace_token is not None and self._trace is not None:
            self._trace.tracing.sink.restore(self._trace_token)
            self._trace_token = None
        if self._token is not None:
            try:
                current.reset(self._token)
            except ValueError:  # left in another context than it was entered in: a generator closed by the loop
                current.set(None)
            self._token = None

    # What happens in a run.

    def tool(self, tool_name: str) -> ToolCall:
        """One tool call, ``with run.tool("web_search"):``. A failure when an exception leaves the block."""
        return ToolCall(tool_name, run=self)

    def llm_call(self, model: str, *, call_type: str = "completion", input: Any = None) -> LLMCall:  # noqa: A002
        """One call of a model, timed: ``with run.llm_call("gpt-5-mini") as call: call.record(client.create(...))``."""
        return LLMCall(self, model, call_type, input)

    def record_tool_call(
        self,
        tool_name: str,
        status: str = "success",
        *,
        seconds: float | None = None,
        input: Any = None,  # noqa: A002 - LangFuse's name
        output: Any = None,
        error: BaseException | str | None = None,
    ) -> None:
        """Count a tool call that is over: ``success``, ``failure`` or ``timeout``. ``error`` tells the trace why."""
        try:
            step = None
            if self._trace is not None:
                step = self._step_of_the_past("tool", tool_name, seconds)
                self._describe(step, input, output)
                if status != "success":
                    self._fail_saying(step, error if error is not None else status)
                step.end()
            self.count_tool_call(tool_name, status)
        except Exception as failure:  # noqa: BLE001 - see _complain
            self._complain("a tool call could not be recorded", failure)

    def count_tool_call(self, tool_name: str, status: str) -> None:
        """Count it without tracing it: for those who trace tools by other means."""
        next(self._tool_calls)
        by_status = self._metrics.tool(tool_name).by_status
        series = by_status.get(status)
        if series is None:
            complaints.warn(f"tool status {status!r} is none of {', '.join(TOOL_STATUSES)}: counted as a failure")
            series = by_status["failure"]
        trace = self._trace
        series.inc_with(self._exemplar if trace is None else trace.exemplar_for(status != "success"))

    @overload
    def record_llm_call(
        self,
        model: str,
        *,
        input_tokens: int = 0,
        output_tokens: int = 0,
        cached_tokens: int = 0,
        cache_write_tokens: int = 0,
        reasoning_tokens: int = 0,
        cost_usd: float | None = None,
        seconds: float | None = None,
        time_to_first_token: float | None = None,
        call_type: str | None = None,
        input: Any = None,
        output: Any = None,
        error: BaseException | str | None = None,
        metadata: Mapping[str, Any] | None = None,
    ) -> None: ...

    @overload
    def record_llm_call(
        self,
        model: T,
        *,
        cost_usd: float | None = None,
        seconds: float | None = None,
        time_to_first_token: float | None = None,
        call_type: str | None = None,
        input: Any = None,
        output: Any = None,
        metadata: Mapping[str, Any] | None = None,
    ) -> T: ...

    def record_llm_call(
        self,
        model: str | Any,
        *,
        input_tokens: int = 0,
        output_tokens: int = 0,
        cached_tokens: int = 0,
        cache_write_tokens: int = 0,
        reasoning_tokens: int = 0,
        cost_usd: float | None = None,
        seconds: float | None = None,
        time_to_first_token: float | None = None,
        call_type: str | None = None,
        input: Any = None,  # noqa: A002 - LangFuse's name
        output: Any = None,
        error: BaseException | str | None = None,
        metadata: Mapping[str, Any] | None = None,
    ) -> Any:
        """Count a call of a model: from numbers, or from what a provider's SDK answered.

        ``model``: its name; or a response of OpenAI, Anthropic, Google or LiteLLM, which is returned as it is; or a
        stream of one of them, which is returned wrapped and recorded when it ends. ``input_tokens`` are all of the
        input, of which ``cached_tokens`` were read from and ``cache_write_tokens`` written to a cache;
        ``reasoning_tokens`` are a part of ``output_tokens``. ``cost_usd`` None: from `Prices`; a model without a
        price is counted in ``llm_unpriced_calls_total``. Durations are seconds.
        """
        if type(model) is str:
            usage = LLMUsage(
                model, input_tokens, output_tokens, cached_tokens, cache_write_tokens, reasoning_tokens, cost_usd
            )
            answer = None
        elif is_stream(model):
            call = LLMCall(self, None, call_type, input)
            call.begin()
            return monitored_stream(model, call)
        else:
            usage = usage_of(model) or LLMUsage(None)
            if cost_usd is not None:
                usage.cost_usd = cost_usd
            call_type = call_type or usage.call_type
            output = output if output is not None else usage.output
            answer = model
        self.record_usage(usage, call_type or "completion", seconds, time_to_first_token)
        if self._trace is not None:
            self._trace_llm_call(usage, seconds, time_to_first_token, input, output, error, metadata)
        return answer

    def record_usage(
        self, usage: LLMUsage, call_type: str, seconds: float | None, time_to_first_token: float | None
    ) -> None:
        """Count a call of a model without tracing it. Fills in ``usage.cost_usd`` where the price is known."""
        try:
            metrics = self._metrics
            countable = metrics.countable
            name = usage.model or "unknown"
            model = metrics.model(name)
            (model.calls.get(call_type) or model.call(call_type)).inc()
            tokens = model.tokens
            if countable(usage.input_tokens):
                tokens["input"].inc(usage.input_tokens)
            if countable(usage.output_tokens):
                tokens["output"].inc(usage.output_tokens)
            for token_type, amount in usage.parts():
                if countable(amount):
                    model.token(token_type).inc(amount)
            if seconds is not None and countable(seconds):
                model.duration.observe(seconds)
            if time_to_first_token is not None and countable(time_to_first_token):
                model.time_to_first_token().observe(time_to_first_token)
            if usage.cost_usd is None:
                usage.cost_usd = self._prices.cost(usage)
            cost = usage.cost_usd
            if cost is None:
                model.unpriced.inc()
            elif countable(cost):
                self._series.cost(name)[0].inc(cost)
                self._costs.append((name, cost))
        except Exception as failure:  # noqa: BLE001 - see _complain
            self._complain("a model call could not be recorded", failure)

    def add_score(
        self,
        name: str,
        value: float | bool | str,  # noqa: FBT001 - a score is a value
        *,
        comment: str | None = None,
    ) -> None:
        """Judge the run: numbers and yes/no count in ``agent_score`` and go to the trace, words go to the trace."""
        try:
            kind: Literal["NUMERIC", "BOOLEAN", "CATEGORICAL"] = "CATEGORICAL"
            amount: float | str = str(value) if isinstance(value, str) else float(value)
            if isinstance(amount, float):
                if amount != amount or abs(amount) == float("inf"):  # noqa: PLR0124 - NaN alone differs from itself
                    self._metrics.countable(amount)
                    return
                kind = "BOOLEAN" if isinstance(value, bool) else "NUMERIC"
                self._series.score(name).observe(amount)
            if self._trace is not None:
                self._trace.add_score(Score(self._trace.hex, name, amount, kind, comment))
        except Exception as failure:  # noqa: BLE001 - see _complain
            self._complain("a score could not be recorded", failure)

    def count_error(self, error: BaseException | str) -> None:
        """Count an error that the run survives: an exception, or a category."""
        count_error(self.agent_type, error, metrics=self._metrics)

    def update(
        self,
        *,
        input: Any = None,  # noqa: A002 - LangFuse's name
        output: Any = None,
        metadata: Mapping[str, Any] | None = None,
        user_id: str | None = None,
        session_id: str | None = None,
        tags: Sequence[str] = (),
    ) -> None:
        """Say more about the run in its trace. Does nothing when tracing is off."""
        trace, step = self._trace, self._step
        if trace is None or step is None:
            return
        try:
            self._describe(step, input, output)
            step.metadata = merged(step.metadata, metadata)
            trace.user_id = user_id or trace.user_id
            trace.session_id = session_id or trace.session_id
            if tags:
                trace.tags = with_tags(trace.tags, tags)
        except Exception as failure:  # noqa: BLE001 - see _complain
            self._complain("a trace could not be updated", failure)

    # How it does it.

    def start_step(self, kind: Kind, name: str, start_ns: int = 0) -> Step | None:
        """Begin an observation inside what is going on in this run; None when tracing is off."""
        trace = self._trace
        if trace is None or self._step is None:
            return None
        active = active_step.get()
        parent = active if active is not None and active.trace is trace and not active.end_ns else self._step
        return trace.start(kind, name, parent.span_id, start_ns)

    def fail_step(self, step: Step | None, error: BaseException) -> None:
        """Make an observation an ERROR that says why."""
        self._fail(step, error, classify_error(error))

    def describe(self, step: Step | None, input: Any, output: Any) -> None:  # noqa: A002 - LangFuse's name
        """Give an observation its input and output, None: what it has."""
        if step is not None:
            self._describe(step, input, output)

    def complain(self, what: str, error: BaseException) -> None:
        """Count a failure of the monitoring's own, and say so, once a minute."""
        self._complain(what, error)

    def _begin_trace(self, tracing: Tracing) -> None:
        outer = current.get()
        inside = outer._trace if outer is not None else None
        if inside is not None and outer is not None and not inside.is_done and inside.tracing is tracing:
            self._trace = inside
            self._step = outer.start_step("agent", self.agent_type)
        else:
            self._trace = tracing.begin(self.agent_type)
            self._step = self._trace.start("agent", self.agent_type)
            self._owns_trace = True
        if self.trace_fields is not None:
            user_id, session_id, tags, metadata = self.trace_fields
            self.update(user_id=user_id, session_id=session_id, tags=tags, metadata=metadata)

    def _finish_trace(self) -> None:
        trace, step = self._trace, self._step
        if trace is None or step is None:
            return
        try:
            step.end()
            if self._owns_trace:
                trace.tracing.finish(trace)
        except Exception as failure:  # noqa: BLE001 - see _complain
            self._complain("a trace could not be handed over", failure)

    def _observe_costs(self) -> None:
        by_model: dict[str, float] = {}
        for model, cost in self._costs:
            by_model[model] = by_model.get(model, 0.0) + cost
        for model, cost in by_model.items():
            self._series.cost(model)[1].observe(cost)

    def _trace_llm_call(
        self,
        usage: LLMUsage,
        seconds: float | None,
        time_to_first_token: float | None,
        input: Any,  # noqa: A002 - LangFuse's name
        output: Any,
        error: BaseException | str | None,
        metadata: Mapping[str, Any] | None,
    ) -> None:
        try:
            step = self._step_of_the_past("generation", usage.model or "unknown", seconds)
            step.metadata = merged(step.metadata, metadata)
            self._describe(step, input, output)
            step.attributes = usage.for_trace(step.start_ns, time_to_first_token)
            if error is not None:
                self._fail_saying(step, error)
            step.end()
        except Exception as failure:  # noqa: BLE001 - see _complain
            self._complain("a model call could not be traced", failure)

    def _step_of_the_past(self, kind: Kind, name: str, seconds: float | None) -> Step:
        lasted = int(seconds * 1e9) if seconds is not None and 0 <= seconds < 1e9 else 0
        step = self.start_step(kind, name, time.time_ns() - lasted)
        assert step is not None
        return step

    def _describe(self, step: Step, input: Any, output: Any) -> None:  # noqa: A002 - LangFuse's name
        if not step.trace.tracing.capture_content:
            return
        if input is not None:
            step.input = as_text(input)
        if output is not None:
            step.output = as_text(output)

    def _fail_saying(self, step: Step, error: BaseException | str) -> None:
        if isinstance(error, BaseException):
            self._fail(step, error, classify_error(error))
        else:
            step.fail(str(error)[:MAX_MESSAGE])

    def _fail(self, step: Step | None, error: BaseException, category: str) -> None:
        if step is None:
            return
        step.fail(told(error))
        step.metadata = merged(step.metadata, {"error_category": str(category), "traceback": frames(error)})

    def _complain(self, what: str, error: BaseException) -> None:
        # Whatever goes wrong in the monitoring is the monitoring's business: the agent goes on.
        self._metrics.dropped.labels("internal").inc()
        complaints.warn(f"{what} ({type(error).__name__}: {error}); the agent is not affected")


def count_error(agent_type: str, error: BaseException | str, *, metrics: AgentMetrics | None = None) -> None:
    """Count an error outside any run: initialization, authentication, network set-up. ``error``: it, or its category."""
    category = classify_error(error) if isinstance(error, BaseException) else str(error)
    (metrics or default_metrics()).agent(agent_type).error(category).inc_with(None)
