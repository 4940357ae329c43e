"""Something that begins and ends, and what the code in between belongs to."""

from __future__ import annotations

from collections.abc import Mapping
from contextvars import ContextVar
from types import TracebackType
from typing import TYPE_CHECKING, Any, Self

if TYPE_CHECKING:
    from slo_engine.monitoring.run import AgentMonitor
    from slo_engine.monitoring.tracing import Step

current: ContextVar[AgentMonitor | None] = ContextVar("slo_engine_run", default=None)
"""The run that the calling code is part of."""

active_tool: ContextVar[tuple[AgentMonitor, Step] | None] = ContextVar("slo_engine_tool", default=None)
"""The tool call that the calling code is part of, and the run that it is of."""


class Scope:
    """Something that begins and ends: a run, a tool call, a model call. ``with``, ``async with``, or by hand.

    By hand: `begin`, then `finish`; in between, `activate` and `deactivate` around the code that belongs to it. A
    generator's wrapper needs them apart, since a generator belongs to its run only while it is running.
    """

    wants_content = False
    """Whether `update` does anything with inputs and outputs."""

    def begin(self) -> None:
        """It starts now."""
        raise NotImplementedError

    def finish(self, error: BaseException | None = None) -> None:
        """It is over. Counts, and never raises."""
        raise NotImplementedError

    def activate(self) -> None:
        """The calling code belongs to it from here on."""
        raise NotImplementedError

    def deactivate(self) -> None:
        """The calling code belongs to it no more."""
        raise NotImplementedError

    def update(self, *, input: Any = None, output: Any = None, metadata: Mapping[str, Any] | None = None) -> None:  # noqa: A002 - LangFuse's names
        """Say more about it in its trace."""
        raise NotImplementedError

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
