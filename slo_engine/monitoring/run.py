"""One run of an agent: what is counted, timed and traced while it goes on."""

from __future__ import annotations

import itertools
import time
from collections.abc import Mapping, Sequence
from math import inf
from typing import TYPE_CHECKING, Any, TypeVar, overload

from slo_engine.monitoring.calls import LLMCall, ToolCall
from slo_engine.monitoring.classify import classify_error
from slo_engine.monitoring.defaults import default_metrics, default_prices
from slo_engine.monitoring.endings import ending, told
from slo_engine.monitoring.environment import default_tracing
from slo_engine.monitoring.metrics import TOKEN_PARTS, AgentMetrics
from slo_engine.monitoring.quiet import complaints
from slo_engine.monitoring.run_trace import RunTrace, fail
from slo_engine.monitoring.scope import Scope, current
from slo_engine.monitoring.streams import abandoned, monitored_stream, settle_abandoned
from slo_engine.monitoring.tracing import Tracing, ambient_exemplar
from slo_engine.monitoring.usage import LLMUsage, is_stream, usage_of

if TYPE_CHECKING:
    from slo_engine.monitoring.prices import Prices

T = TypeVar("T")


def current_run() -> AgentMonitor | None:
    """The run that the calling code is part of."""
    place = current.get()
    return place[0] if place is not None else None  # type: ignore[return-value]  # AgentMonitor is the only Run


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

    # Defaults of the class, so that a run without a trace need not set them.
    traced: RunTrace | None = None
    """Its part of a trace; None when tracing is off."""

    _exemplar: dict[str, str] | None = None
    _trace_fields: tuple[str | None, str | None, Sequence[str], Mapping[str, Any] | None] | None = None
    _began = 0.0
    _is_active = False

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
        self.agent_type = agent_type if type(agent_type) is str else str(agent_type)
        self._metrics = metrics = metrics or default_metrics()
        self._tracing = tracing or default_tracing()
        self._prices = prices
        self._series = metrics.agents.get(self.agent_type) or metrics.agent(self.agent_type)
        # Appending and counting are atomic, `+=` is not: a run may be shared by threads.
        self._tool_calls = itertools.count()
        self._costs: dict[str, list[float]] = {}
        if user_id or session_id or tags or metadata:
            self._trace_fields = (user_id, session_id, tags, metadata)

    @property
    def trace_id(self) -> str | None:
        """The id of the run's trace in LangFuse; None when tracing is off."""
        return self.traced.trace.hex if self.traced is not None else None

    def begin(self) -> None:
        """The run starts now."""
        self._began = time.perf_counter()
        self._place = (self, None)
        self._is_active = True
        try:
            self._series.add_active(1)
        except Exception as error:  # noqa: BLE001 - see complain
            self.complain("a run could not be counted", error)
        try:
            if self._tracing is not None:
                self.traced = RunTrace(self._tracing, self.agent_type)
                self.wants_content = self._tracing.capture_content
                if self._trace_fields is not None:
                    user_id, session_id, tags, metadata = self._trace_fields
                    self.update(user_id=user_id, session_id=session_id, tags=tags, metadata=metadata)
            else:
                self._exemplar = ambient_exemplar()
        except Exception as error:  # noqa: BLE001 - see complain
            self.complain("a run could not be begun", error)

    def finish(self, error: BaseException | None = None) -> None:
        """The run is over; ``error`` says how, None: well. A second call does nothing."""
        if not self._is_active:
            return
        self._is_active = False
        seconds = time.perf_counter() - self._began
        if abandoned:
            settle_abandoned()
        traced = self.traced
        try:
            series = self._series
            series.add_active(-1)
            category = None
            if error is None:
                status = "success"
            else:
                status, category = ending(error)
                if category is not None and traced is not None:
                    fail(traced.step, error, category)
            exemplar = self._exemplar if traced is None else traced.trace.exemplar_for(category is not None)
            if exemplar is None:
                series.requests[status].add(1)
                series.duration.observe(seconds)
            else:
                series.requests[status].inc_with(exemplar, self._began)
                series.duration.observe_with(seconds, exemplar, self._began)
            series.observe_tool_call_count(next(self._tool_calls))
            for model, costs in self._costs.items():
                (series.costs.get(model) or series.cost(model))[1](sum(costs))
            if category is not None:
                series.error(category).inc_with(exemplar, self._began)
        except Exception as failure:  # noqa: BLE001 - see complain
            self.complain("a run could not be recorded", failure)
        if traced is not None:
            try:
                traced.finish()
            except Exception as failure:  # noqa: BLE001 - see complain
                self.complain("a trace could not be handed over", failure)

    # What happens in a run.

    def tool(self, tool_name: str) -> ToolCall:
        """A tool call: ``with run.tool("web_search"):``, or a decorator. A failure when an exception leaves it."""
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
            if self.traced is not None:
                self.traced.tool_call(tool_name, status, seconds, input, output, error)
            self.count_tool_call(tool_name, status)
        except Exception as failure:  # noqa: BLE001 - see complain
            self.complain("a tool call could not be recorded", failure)

    def count_tool_call(self, tool_name: str, status: str) -> None:
        """Count it without tracing it: for those who trace tools by other means. May raise."""
        next(self._tool_calls)
        tool = self._metrics.tools.get(tool_name) or self._metrics.tool(tool_name)
        series = tool.by_status.get(status) or tool.of(status)
        traced = self.traced
        if traced is None:
            exemplar = self._exemplar
        else:
            traced.trace.failed = traced.trace.failed or status != "success"
            exemplar = traced.trace.exemplar_for(failed=False)
        if exemplar is None or self._began < series.due:
            series.add(1)
        else:
            series.inc_with(exemplar, self._began)

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
        price is counted in ``llm_unpriced_calls_total``. Durations are seconds; of a stream, ``seconds`` are those
        that its call had taken when it was given here.
        """
        try:
            if type(model) is not str:
                if not isinstance(model, str):
                    return self._record_answer(
                        model, cost_usd, seconds, time_to_first_token, call_type, input, output, metadata
                    )
                model = str.__str__(model)  # a member of an enumeration
            if error is not None and cost_usd is None and not (input_tokens or output_tokens):
                cost_usd = 0.0  # nothing came back, and nothing is paid: it is not a call of unknown price
            cost_usd = self.count_llm_call(
                model,
                call_type or "completion",
                input_tokens,
                output_tokens,
                cached_tokens,
                cache_write_tokens,
                reasoning_tokens,
                cost_usd,
                seconds,
                time_to_first_token,
            )
            if self.traced is not None:
                usage = LLMUsage(
                    model, input_tokens, output_tokens, cached_tokens, cache_write_tokens, reasoning_tokens, cost_usd
                )
                self.traced.llm_call(usage, seconds, time_to_first_token, input, output, error, metadata)
        except Exception as failure:  # noqa: BLE001 - see complain
            self.complain("a model call could not be recorded", failure)
            return None if type(model) is str else model
        return None

    def count_llm_call(
        self,
        model: str,
        call_type: str,
        input_tokens: int,
        output_tokens: int,
        cached_tokens: int,
        cache_write_tokens: int,
        reasoning_tokens: int,
        cost_usd: float | None,
        seconds: float | None,
        time_to_first_token: float | None,
    ) -> float | None:
        """Count it without tracing it, and answer what it cost: for those who trace it by other means. May raise."""
        metrics = self._metrics
        series = metrics.models.get(model) or metrics.model(model)
        (series.add_calls.get(call_type) or series.call(call_type))(1)
        # Comparing is cheap, a call is not: only what is no plain number of tokens is looked at twice.
        if type(input_tokens) is not int or input_tokens < 0:
            input_tokens = metrics.whole(input_tokens)
        if type(output_tokens) is not int or output_tokens < 0:
            output_tokens = metrics.whole(output_tokens)
        series.add_input(input_tokens)
        series.add_output(output_tokens)
        if cached_tokens or cache_write_tokens or reasoning_tokens:
            cached_tokens = min(metrics.whole(cached_tokens), input_tokens)
            cache_write_tokens = min(metrics.whole(cache_write_tokens), input_tokens - cached_tokens)
            reasoning_tokens = min(metrics.whole(reasoning_tokens), output_tokens)
            amounts = (cached_tokens, cache_write_tokens, reasoning_tokens)
            for token_type, amount in zip(TOKEN_PARTS, amounts, strict=True):
                if amount:
                    series.token(token_type)(amount)
        if seconds is not None and (0 <= seconds < inf or metrics.countable(seconds)):
            series.observe_duration(seconds)
        if time_to_first_token is not None and metrics.countable(time_to_first_token):
            series.time_to_first_token()(time_to_first_token)
        if cost_usd is None or not (0 <= cost_usd < inf or metrics.countable(cost_usd)):
            # No tokens: nobody knows them, since a call without any does not exist.
            cost_usd = (
                (self._prices or default_prices()).cost(
                    model, input_tokens, output_tokens, cached_tokens, cache_write_tokens
                )
                if input_tokens or output_tokens
                else None
            )
            if cost_usd is None:
                series.add_unpriced(1)
                return None
        (self._series.costs.get(model) or self._series.cost(model))[0](cost_usd)
        (self._costs.get(model) or self._costs.setdefault(model, [])).append(cost_usd)
        return cost_usd

    def add_score(
        self,
        name: str,
        value: float | bool | str,
        *,
        comment: str | None = None,
    ) -> None:
        """Judge the run: numbers and yes/no count in ``agent_score`` and go to the trace, words go to the trace."""
        try:
            amount: float | str = str(value) if isinstance(value, str) else float(value)
            if isinstance(amount, float):
                if not -inf < amount < inf:
                    self._metrics.countable(inf)
                    return
                self._series.score(name).observe(amount)
            if self.traced is not None:
                self.traced.add_score(str(name), amount, is_boolean=isinstance(value, bool), comment=comment)
        except Exception as failure:  # noqa: BLE001 - see complain
            self.complain("a score could not be recorded", failure)

    def count_error(self, error: BaseException | str) -> None:
        """Count an error that the run survives: an exception, or a category. Its trace is kept."""
        exemplar = self._exemplar
        if self.traced is not None:
            self.traced.trace.failed = True
            exemplar = self.traced.trace.exemplar
        try:
            self._series.error(_category(error)).inc_with(exemplar, self._began)
        except Exception as failure:  # noqa: BLE001 - see complain
            self.complain("an error could not be counted", failure)

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
        if self.traced is not None:
            try:
                self.traced.update(input, output, metadata, user_id, session_id, tags)
            except Exception as failure:  # noqa: BLE001 - see complain
                self.complain("a trace could not be updated", failure)

    def complain(self, what: str, error: BaseException) -> None:
        """Count a failure of the monitoring's own, and say so once a minute: the agent goes on."""
        self._metrics.dropped.labels("internal").inc()
        complaints.warn(f"{what} ({told(error)}); the agent is not affected")

    def _record_answer(
        self,
        answer: Any,
        cost_usd: float | None,
        seconds: float | None,
        time_to_first_token: float | None,
        call_type: str | None,
        input: Any,  # noqa: A002 - LangFuse's name
        output: Any,
        metadata: Mapping[str, Any] | None,
    ) -> Any:
        """What a provider's SDK answered: a stream, or all of it."""
        if is_stream(answer):
            call = LLMCall(self, None, call_type, input)
            call.begin(seconds or 0.0, cost_usd, time_to_first_token)
            call.update(output=output, metadata=metadata)
            return monitored_stream(answer, call)
        usage = usage_of(answer) or LLMUsage(None)
        if cost_usd is not None:
            usage.cost_usd = cost_usd
        usage.cost_usd = self.count_llm_call(
            usage.name(),
            call_type or usage.call_type or "completion",
            *usage.tokens(),
            usage.cost_usd,
            seconds,
            time_to_first_token,
        )
        if self.traced is not None:
            output = output if output is not None else usage.output
            self.traced.llm_call(usage, seconds, time_to_first_token, input, output, None, metadata)
        return answer


def count_error(agent_type: str, error: BaseException | str, *, metrics: AgentMetrics | None = None) -> None:
    """Count an error outside any run: initialization, authentication, network set-up. ``error``, or its category."""
    (metrics or default_metrics()).agent(agent_type).error(_category(error)).add(1)


def _category(error: BaseException | str) -> str:
    return classify_error(error) if isinstance(error, BaseException) else str(error)
