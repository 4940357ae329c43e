"""Something that begins and ends, and what the code in between belongs to."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from contextvars import ContextVar, Token
from types import TracebackType
from typing import TYPE_CHECKING, Any, Protocol, Self, TypeAlias

if TYPE_CHECKING:
    from slo_engine.monitoring.tracing import Kind, Step, Trace
    from slo_engine.monitoring.usage import LLMUsage, TokenDetails


class PartOfTrace(Protocol):
    """A run's part of a trace: `run_trace.RunTrace`."""

    trace: Trace

    def parent_of_steps(self) -> Step:
        """The observation that the calling code is in: a tool call of this run, or the run."""

    def start(self, kind: Kind, name: str, start_ns: int = 0) -> Step:
        """Begin an observation inside what is going on in this run. May raise."""

    def keep(self) -> None:
        """Something in it has failed: its trace is kept, also when it was let go at its end. May raise."""

    def tool_call(
        self,
        tool_name: str,
        status: str,
        seconds: float | None,
        input: Any,  # noqa: A002 - LangFuse's name
        output: Any,
        error: BaseException | str | None,
    ) -> None:
        """A tool call that is over. May raise."""

    def llm_call(
        self,
        usage: LLMUsage,
        seconds: float | None,
        time_to_first_token: float | None,
        input: Any,  # noqa: A002 - LangFuse's name
        output: Any,
        error: BaseException | str | None,
        metadata: Mapping[str, Any] | None,
    ) -> None:
        """A call of a model that is over. May raise."""

    def add_score(self, name: str, value: float | str, *, is_boolean: bool, comment: str | None) -> None:
        """A judgement of it. May raise."""

    def update(
        self,
        input: Any,  # noqa: A002 - LangFuse's name
        output: Any,
        metadata: Mapping[str, Any] | None,
        user_id: str | None,
        session_id: str | None,
        tags: Sequence[str],
        prompt: Any,
    ) -> None:
        """What is known of it by now. May raise."""

    def attributes_of(self, usage: LLMUsage, start_ns: int, time_to_first_token: float | None) -> dict[str, Any]:
        """Those of a generation. May raise."""


class Run(Protocol):
    """What its calls need of a run: `run.AgentRun`, which is built from them and therefore above them."""

    wants_content: bool

    @property
    def model(self) -> str | None:
        """That of calls that name none."""

    @property
    def traced(self) -> PartOfTrace | None:
        """Its part of a trace; None when tracing is off."""

    def count_tool_call(self, tool_name: str, status: str) -> None:
        """Count a tool call without tracing it. May raise."""

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

    def count_score(self, name: str, value: float) -> bool:
        """Count a score without tracing it; False: it is no number. May raise."""

    def count_category(self, category: str) -> None:
        """Count an error of a category. May raise."""

    def complain(self, what: str, error: BaseException) -> None:
        """Count a failure of the monitoring's own, and say so once a minute: the agent goes on."""


Place: TypeAlias = "tuple[Run, Step | None]"
"""Where the calling code is: in a run, and perhaps in a tool call of it. A plain tuple: one is made for every run."""

# Defined beside `Scope`, which uses it for every item of a generator: CPython 3.11 compiles calls of methods of an
# imported name to a slower instruction, and an item would take 0.4 us more.
current: ContextVar[Place | None] = ContextVar("slo_engine_place", default=None)


class Scope:
    """Something that begins and ends: a run, a tool call, a model call. ``with``, ``async with``, or by hand.

    By hand: `begin`, then `finish`; in between, `activate` and `deactivate` around the code that belongs to it. A
    generator's wrapper needs them apart, since a generator belongs to its run only while it is running; what the
    generator has made current by then (a scope held over a `yield`) is current again when it goes on.
    """

    wants_content = False
    """Whether `update` does anything with inputs and outputs."""

    ended_at: float | None = None
    """When it ended, on the clock of `time.perf_counter`, where that is told later; None: it ends when it is told."""

    _place: Place | None = None
    _token: Token[Place | None] | None = None

    def begin(self) -> None:
        """It starts now."""
        raise NotImplementedError

    def finish(self, error: BaseException | None = None) -> None:
        """It is over. Counts, and never raises. A second call does nothing."""
        raise NotImplementedError

    def update(self, *, input: Any = None, output: Any = None, metadata: Mapping[str, Any] | None = None) -> None:  # noqa: A002 - LangFuse's names
        """Say more about it in its trace."""
        raise NotImplementedError

    def activate(self) -> None:
        """The calling code belongs to it from here on."""
        if self._place is not None:
            self._token = current.set(self._place)

    def deactivate(self) -> None:
        """The calling code belongs to it no more."""
        token = self._token
        if token is not None:
            was, place = self._place, current.get()
            self._place = place
            self._token = None
            try:
                current.reset(token)
            except ValueError:  # left in another context than it was entered in: a generator closed by the loop
                self._place = was
                if place is not None and was is not None and place[0] is was[0]:
                    current.set(None)  # what is current of somebody else's stays so

    def __enter__(self) -> Self:
        self.begin()
        self.activate()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.deactivate()
        self.finish(error)

    async def __aenter__(self) -> Self:
        return self.__enter__()

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.__exit__(kind, error, trace)
