"""What counts an agent's runs: one for an agent, for as many runs as it has, one after another or at the same time."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from contextlib import suppress
from types import TracebackType
from typing import TYPE_CHECKING, Any, Self

from slo_engine.monitoring.calls import ToolCall
from slo_engine.monitoring.defaults import default_metrics, default_prices
from slo_engine.monitoring.environment import default_tracing
from slo_engine.monitoring.metrics import AgentMetrics
from slo_engine.monitoring.recording import Recording
from slo_engine.monitoring.run import AgentRun, OutsideRun
from slo_engine.monitoring.scope import Run, current
from slo_engine.monitoring.tracing import Tracing

if TYPE_CHECKING:
    from slo_engine.monitoring.prices import Prices


class AgentMonitor(Recording):
    """Monitors an agent: each ``with`` or ``async with`` is a run of its own::

        monitor = AgentMonitor("support_agent", model="gpt-5-mini")

        async with monitor.run_context() as run:  # or: async with monitor as run
            with run.tool("web_search"):
                ...
            run.record_llm_call(input_tokens=900, output_tokens=120, seconds=1.2)

    What it is told itself (``monitor.record_llm_call(...)``) it tells the run that goes on in the calling code: in a
    thread that was not handed one, its only run. See `AgentRun`. A generator that holds a run over a ``yield`` takes it
    from `run_context`: which run a bare ``with monitor`` leaves is told by the calling context.

    ``model``: that of calls that name none. ``metrics``, ``tracing`` and ``prices`` are those of `configure` unless
    given. ``user_id``, ``session_id``, ``tags`` and ``metadata`` are of the traces.
    """

    def __init__(
        self,
        agent_type: str,
        model: str | None = None,
        user_id: str | None = None,
        *,
        metrics: AgentMetrics | None = None,
        tracing: Tracing | None = None,
        prices: Prices | None = None,
        session_id: str | None = None,
        tags: Sequence[str] = (),
        metadata: Mapping[str, Any] | None = None,
    ) -> None:
        self.agent_type = agent_type if type(agent_type) is str else str(agent_type)
        self.model = model
        self._options: dict[str, Any] = {
            "metrics": metrics,
            "tracing": tracing,
            "prices": prices,
            "user_id": user_id,
            "session_id": session_id,
            "tags": tags,
            "metadata": metadata,
        }
        self._open: dict[AgentRun, None] = {}
        """The runs that go on, in the order in which they began."""
        # All that is slow is done here, and not in the event loop's first run: the LangFuse SDK, price tables; and the
        # series are created at 0, so that the first error of a process is an increase.
        (metrics or default_metrics()).agent(self.agent_type)
        if tracing is None:
            default_tracing()
        if prices is None:
            default_prices()

    def run_context(self) -> AgentRun:
        """A new run, which begins with ``with`` or ``async with``."""
        return _MonitorsRun(self._open, self.agent_type, model=self.model, **self._options)

    def _run(self) -> Run:
        place, runs = current.get(), self._open
        here: Run | None = None if place is None else place[0]
        while isinstance(here, AgentRun):  # one of another agent's, or one that is traced alone, may be in between
            if here in runs:
                return here
            here = here.outer
        if len(runs) == 1:
            with suppress(IndexError):  # it has just ended, in another thread
                return list(runs)[0]  # noqa: RUF015 - a copy in one step, which no other thread can come between
        return OutsideRun(self._options["metrics"], self.agent_type, self.model, self._options["prices"])

    def _ending(self) -> AgentRun | None:
        place = current.get()
        if place is not None and place[0] in self._open:
            return place[0]
        runs = list(self._open)
        return runs[-1] if runs else None

    def __enter__(self) -> AgentRun:
        return self.run_context().__enter__()

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        run = self._ending()
        if run is not None:
            run.__exit__(kind, error, trace)

    async def __aenter__(self) -> AgentRun:
        return self.__enter__()

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.__exit__(kind, error, trace)

    def tool(self, tool_name: str) -> ToolCall:
        """A tool call, also as a decorator of a function that is called in runs to come."""
        run = self._run()
        return ToolCall(tool_name, None if isinstance(run, OutsideRun) else run, metrics=self._options["metrics"])

    def __getstate__(self) -> dict[str, Any]:
        # What is of the process (metrics, tracing, prices, the runs that go on) does not travel to another one.
        of_the_process = {"metrics": None, "tracing": None, "prices": None}
        return {**self.__dict__, "_open": {}, "_options": {**self._options, **of_the_process}}

    def __deepcopy__(self, memo: dict[int, Any]) -> Self:
        return self  # metrics are those of the process, whoever copies the agent that holds them


class _MonitorsRun(AgentRun):
    """A run that its monitor knows of while it goes on."""

    def __init__(self, runs: dict[AgentRun, None], agent_type: str, **options: Any) -> None:
        super().__init__(agent_type, **options)
        self._runs = runs

    def begin(self) -> None:
        super().begin()
        self._runs[self] = None

    def finish(self, error: BaseException | None = None) -> None:
        self._runs.pop(self, None)
        super().finish(error)
