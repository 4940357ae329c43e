"""One run of an agent: what is counted, timed and traced while it goes on."""

from __future__ import annotations

import itertools
import time
from collections.abc import Mapping, Sequence
from math import inf
from typing import TYPE_CHECKING, Any, Final, Self

from slo_engine.monitoring.defaults import default_metrics, default_prices
from slo_engine.monitoring.deferred import MOST_WAITING
from slo_engine.monitoring.endings import ending, told
from slo_engine.monitoring.environment import default_tracing
from slo_engine.monitoring.metrics import MAX_TOKENS, AgentMetrics
from slo_engine.monitoring.quiet import complaints
from slo_engine.monitoring.recording import Recording, category_of
from slo_engine.monitoring.run_trace import RunTrace, fail
from slo_engine.monitoring.scope import Run, Scope, current
from slo_engine.monitoring.streams import abandon, abandoned, collections, is_collecting, settle_abandoned
from slo_engine.monitoring.tracing import Tracing, ambient_exemplar
from slo_engine.monitoring.usage.model import TokenDetails

if TYPE_CHECKING:
    from slo_engine.monitoring.prices import Prices


def current_run() -> AgentRun | None:
    """The run that the calling code is part of."""
    place = current.get()
    return place[0] if place is not None else None  # type: ignore[return-value]  # AgentRun is the only Run in a place


class AgentRun(Recording, Scope):
    """One run of an agent, which `AgentMonitor`, `monitor_agent` or `current_run` gives::

        with AgentMonitor("support_agent", user_id="u-17") as run:
            with run.tool("web_search"):
                ...
            run.record_llm_call("gpt-5-mini", input_tokens=900, output_tokens=120, seconds=1.2)

    What leaves the block decides the status: nothing, or a SystemExit of 0: ``success``; a timeout: ``timeout``;
    a cancellation and KeyboardInterrupt: ``cancelled``; another SystemExit: ``exit``; else ``error``. It goes on its
    way unchanged. Inside another run this one is counted as a run of its own, and traced as a part of the outer trace.

    May be used by several threads; none of its methods raises.
    """

    _is_run = True

    # Defaults of the class, so that a run without a trace need not set them.
    traced: RunTrace | None = None
    """Its part of a trace; None when tracing is off."""

    model: str | None = None
    """That of calls that name none."""

    outer: Run | None = None
    """The run that it began in."""

    _prices: Prices | None = None
    _exemplar: dict[str, str] | None = None
    _trace_fields: tuple[str | None, str | None, Sequence[str], Mapping[str, Any] | None] | None = None
    _began = 0.0
    _is_active = False
    _was_used = False

    def __init__(
        self,
        agent_type: str,
        *,
        model: str | None = None,
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
        if model is not None:
            self.model = model
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
        outer = current.get()
        if outer is not None:
            self.outer = outer[0]
        self._place = (self, None)
        self._is_active = True
        if self._was_used:
            self._tool_calls, self._costs, self.ended_at = itertools.count(), {}, None
        self._was_used = True
        try:
            self._series.add_active(1)
        except Exception as error:  # noqa: BLE001 - see complain
            self.complain("a run could not be counted", error)
        self._begin_trace()

    def _begin_trace(self) -> None:
        try:
            if self._tracing is not None:
                self.traced = RunTrace(self._tracing, self.agent_type, self._prices or default_prices())
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
        if collections.thread and is_collecting():
            abandon(self, error)
            return
        self._is_active = False
        seconds = (self.ended_at or time.perf_counter()) - self._began
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
                series.requests[status].count()
                series.duration.observe(seconds)
            else:
                series.requests[status].inc_with(exemplar, self._began)
                series.duration.observe_with(seconds, exemplar, self._began)
            series.observe_tool_call_count(next(self._tool_calls))
            for model, costs in self._costs.items():
                (series.costs.get(model) or series.cost(model))[1](sum(costs))
            if len(series.waiting) >= MOST_WAITING:
                self._metrics.settle()
            if category is not None:
                series.error(category).inc_with(exemplar, self._began)
        except Exception as failure:  # noqa: BLE001 - see complain
            self.complain("a run could not be recorded", failure)
        if traced is not None:
            self._finish_trace(traced)

    def _finish_trace(self, traced: RunTrace) -> None:
        try:
            traced.finish()
        except Exception as failure:  # noqa: BLE001 - see complain
            self.complain("a trace could not be handed over", failure)

    # What its calls, and those who trace them by other means, count in it.

    def _run(self) -> Self:
        return self

    def count_tool_call(self, tool_name: str, status: str) -> None:
        """Count a tool call without tracing it. May raise."""
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
            series.count()
        else:
            series.inc_with(exemplar, self._began)

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
        """Count a model call without tracing it, and answer what it cost. May raise."""
        metrics = self._metrics
        series = metrics.models.get(model) or metrics.model(model)
        (series.count_calls.get(call_type) or series.call(call_type))()
        # Comparing is cheap, a call is not: only what is no plain number is looked at twice.
        if (
            type(input_tokens) is not int
            or not 0 <= input_tokens < MAX_TOKENS
            or type(output_tokens) is not int
            or not 0 <= output_tokens < MAX_TOKENS
        ):
            input_tokens, output_tokens, details = self._countable(model, input_tokens, output_tokens, details)
        series.add_input(input_tokens)
        series.add_output(output_tokens)
        if details is not None:
            details = series.add_details(details, input_tokens, output_tokens)
        if len(series.waiting) >= MOST_WAITING:
            metrics.settle()
        if seconds is not None:
            if type(seconds) is not float or not 0 <= seconds < inf:
                seconds = metrics.amount(seconds, "seconds", model)
            if seconds is not None:
                series.observe_duration(seconds)
        if time_to_first_token is not None:
            time_to_first_token = metrics.amount(time_to_first_token, "time_to_first_token", model)
            if time_to_first_token is not None:
                series.time_to_first_token()(time_to_first_token)
        if cost_usd is not None and (type(cost_usd) is not float or not 0 <= cost_usd < inf):
            cost_usd = metrics.amount(cost_usd, "cost_usd", model)  # may be a Decimal, of genai-prices
        if cost_usd is None:
            cost_usd = self._price(model, input_tokens, output_tokens, details)
            if cost_usd is None:
                series.add_unpriced(1)
                return None
        self._spend(model, cost_usd)
        return cost_usd

    def _countable(
        self, model: str, input_tokens: Any, output_tokens: Any, details: TokenDetails | None
    ) -> tuple[int, int, TokenDetails | None]:
        """What can be counted of a call's tokens. Where some are refused, nobody knows its price."""
        read = self._metrics.whole(input_tokens, "input_tokens", model)
        written = self._metrics.whole(output_tokens, "output_tokens", model)
        if read is None or written is None:
            details = (details or TokenDetails())._replace(is_priced=False)
        return read or 0, written or 0, details

    def _price(self, model: str, input_tokens: int, output_tokens: int, details: TokenDetails | None) -> float | None:
        prices = self._prices or default_prices()
        by_token = prices.by_token.get(model) if details is None else None
        if by_token is None:
            return prices.cost_with(model, input_tokens, output_tokens, details)
        if input_tokens or output_tokens:
            return input_tokens * by_token[0] + output_tokens * by_token[1]
        return None  # nobody knows them, since a call without any does not exist

    def count_score(self, name: str, value: float) -> bool:
        """Count a score without tracing it; False: it is no number. May raise."""
        if not -inf < value < inf:
            self._metrics.refuse(value, "score", name)
            return False
        self._series.score(name).observe(value)
        return True

    def count_category(self, category: str) -> None:
        """Count an error of a category. May raise."""
        exemplar = self._exemplar if self.traced is None else self.traced.trace.exemplar
        self._series.error(category).inc_with(exemplar, self._began)

    def complain(self, what: str, error: BaseException) -> None:
        """Count a failure of the monitoring's own, and say so once a minute: the agent goes on."""
        self._metrics.dropped.labels("internal").inc()
        complaints.warn(f"{what} ({told(error)}); the agent is not affected")

    def _spend(self, model: str, cost_usd: float) -> None:
        (self._series.costs.get(model) or self._series.cost(model))[0](cost_usd)
        (self._costs.get(model) or self._costs.setdefault(model, [])).append(cost_usd)

    def __deepcopy__(self, memo: dict[int, Any]) -> Self:
        return self  # an agent that copies its state goes on in the same run


NO_RUN: Final = "no_run"
"""The ``agent_type`` of money that is spent on calls outside of any run."""


class OutsideRun(AgentRun):
    """Where calls are counted that belong to no run: in a thread that was not handed one, or before the first."""

    def __init__(
        self,
        metrics: AgentMetrics | None = None,
        agent_type: str = NO_RUN,
        model: str | None = None,
        prices: Prices | None = None,
    ) -> None:
        self.agent_type = agent_type
        self.model = model
        self._prices = prices
        self._metrics = metrics or default_metrics()
        self._tool_calls = itertools.count()

    def begin(self) -> None:
        """There is nothing to begin."""

    def finish(self, error: BaseException | None = None) -> None:
        """Nor to end."""

    def count_score(self, name: str, value: float) -> bool:
        """Count a score of an agent outside of its runs; without an agent there is none to count it for."""
        if not -inf < value < inf:
            self._metrics.refuse(value, "score", name)
            return False
        if self.agent_type == NO_RUN:
            self._metrics.dropped.labels("internal").inc()
            complaints.warn("a score outside of any run is no agent's, and is not counted")
            return False
        self._metrics.agent(self.agent_type).score(name).observe(value)
        return True

    def count_category(self, category: str) -> None:
        """Count an error of an agent outside of its runs; without an agent there is none to count it for."""
        if self.agent_type != NO_RUN:
            self._metrics.agent(self.agent_type).error(category).count()

    def _spend(self, model: str, cost_usd: float) -> None:
        model = self._metrics.label_value("model", model)
        self._metrics.llm_cost.labels(model, self.agent_type).inc(cost_usd)


def run_or_outside() -> AgentRun:
    """The run that the calling code is part of; where it is part of none, what counts all the same."""
    return current_run() or OutsideRun()


def count_error(agent_type: str, error: BaseException | str, *, metrics: AgentMetrics | None = None) -> None:
    """Count an error outside any run: initialization, authentication, network set-up. ``error``, or its category."""
    (metrics or default_metrics()).agent(agent_type).error(category_of(error)).count()
