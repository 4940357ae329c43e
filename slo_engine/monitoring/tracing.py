"""LangFuse traces for agent runs: on when its keys are set, silent when not, and never in the agent's way."""

from __future__ import annotations

import logging
import os
import time
from collections.abc import Callable, Mapping, Sequence
from contextlib import ExitStack
from functools import cache
from typing import TYPE_CHECKING, Any, Literal, ParamSpec

if TYPE_CHECKING:
    from langfuse import Langfuse

logger = logging.getLogger("slo_engine.monitoring")

P = ParamSpec("P")
Kind = Literal["agent", "generation", "tool"]

_SECONDS_BETWEEN_LOG_LINES = 60.0


class Tracing:
    """Where traces go. ``client`` None: nowhere."""

    def __init__(self, client: Langfuse | None = None, on_failure: Callable[[], None] = lambda: None) -> None:
        self._client = client
        self._on_failure = on_failure
        self._last_logged = -_SECONDS_BETWEEN_LOG_LINES

    def start(self, name: str, kind: Kind, *, tags: Sequence[str] = (), **attributes: Any) -> Span:
        """Begin an observation inside the current one; with ``tags`` it is the root of a trace of that name."""
        span = Span(self)
        if self._client is not None:
            self.guarded(span.open, self._client, name, kind, tags, attributes)
        return span

    def guarded(self, call: Callable[P, None], *args: P.args, **kwargs: P.kwargs) -> None:
        """Call LangFuse. What goes wrong is counted, logged once a minute at most, and never reaches the agent."""
        try:
            call(*args, **kwargs)
        except Exception as error:  # noqa: BLE001 - whatever a tracing backend does, the agent goes on
            self._on_failure()
            now = time.monotonic()
            if now - self._last_logged >= _SECONDS_BETWEEN_LOG_LINES:
                self._last_logged = now
                logger.warning("a trace could not be recorded (%s); the agent is not affected", type(error).__name__)


class Span:
    """One observation that is going on; does nothing when tracing is off."""

    def __init__(self, tracing: Tracing) -> None:
        self._tracing = tracing
        self._stack = ExitStack()
        self._observation: Any = None
        self.trace_id: str | None = None

    def open(self, client: Langfuse, name: str, kind: Kind, tags: Sequence[str], attributes: Mapping[str, Any]) -> None:
        """Start the observation, and make it the current one."""
        from langfuse import propagate_attributes

        with ExitStack() as opening:
            if tags:
                # Before the span starts, so that its children carry them too and can be found by them.
                opening.enter_context(propagate_attributes(trace_name=name, tags=list(tags)))
            start: Any = client.start_as_current_observation
            self._observation = opening.enter_context(start(name=name, as_type=kind, **attributes))
            self.trace_id = self._observation.trace_id
            self._stack = opening.pop_all()

    def update(self, **attributes: Any) -> None:
        """Add what became known: output, usage_details, cost_details, ..."""
        if self._observation is not None:
            self._tracing.guarded(self._update, attributes)

    def end(self, error: BaseException | None = None) -> None:
        """End the observation; with an error its level is ERROR and the error its status message."""
        if self._observation is None:
            return
        if error is not None:
            self.update(level="ERROR", status_message=f"{type(error).__name__}: {error}"[:1000])
        self._tracing.guarded(self._stack.close)

    def _update(self, attributes: Mapping[str, Any]) -> None:
        self._observation.update(**attributes)


@cache
def tracing_from_environment(on_failure: Callable[[], None]) -> Tracing:
    """Tracing to the LangFuse that ``LANGFUSE_PUBLIC_KEY``, ``_SECRET_KEY`` and ``_BASE_URL`` name; off without keys.

    Imports the SDK (about a second), so it is called where an agent is declared and never where one runs.
    """
    if not (os.environ.get("LANGFUSE_PUBLIC_KEY") and os.environ.get("LANGFUSE_SECRET_KEY")):
        return Tracing()
    try:
        from langfuse import get_client
    except ImportError:
        logger.warning("LANGFUSE_* is set, but the SDK is not installed: pip install 'slo-engine[langfuse]'")
        return Tracing()
    return Tracing(get_client(), on_failure)
