"""Google's Agent Development Kit: a plugin that records the model and tool calls of all agents of a runner."""

from __future__ import annotations

import threading
from collections import OrderedDict
from collections.abc import Mapping
from contextvars import ContextVar
from typing import Any, Final

from google.adk.plugins.base_plugin import BasePlugin

from slo_engine.monitoring.calls import LLMCall, ToolCall, WatchedToolCall
from slo_engine.monitoring.classify import ToolError
from slo_engine.monitoring.nearest import Watched
from slo_engine.monitoring.run import current_run, run_or_outside
from slo_engine.monitoring.streams import abandon
from slo_engine.monitoring.usage import LLMUsage, usage_of
from slo_engine.monitoring.usage.fields import of

REMEMBERED: Final = 10_000
"""Tool calls that have begun and not ended."""


class AdkMonitor(BasePlugin):  # type: ignore[misc]  # of a package that mypy does not see
    """``Runner(..., plugins=[AdkMonitor()])``, and ``@monitor_agent`` around what runs it.

    A stream is one call, which ends with its last piece. One that is left early is counted when the next call of its
    task begins, or its task is gone.
    """

    def __init__(self) -> None:
        super().__init__(name="slo_engine_monitoring")
        self._tools: OrderedDict[str, ToolCall] = OrderedDict()
        self._lock = threading.Lock()

    async def before_model_callback(self, *, callback_context: Any, llm_request: Any) -> None:
        """A model is called."""
        model = of(llm_request, "model")
        _going_on.set(_Request(model if isinstance(model, str) else None, of(llm_request, "contents")))

    async def after_model_callback(self, *, callback_context: Any, llm_response: Any) -> None:
        """A model has answered, or a piece of its answer is here."""
        request = _going_on.get()
        if request is not None:
            request.take(llm_response)

    async def on_model_error_callback(self, *, callback_context: Any, llm_request: Any, error: Exception) -> None:
        """A model has failed."""
        request = _going_on.get()
        if request is not None:
            request.finish(error)

    async def before_tool_callback(self, *, tool: Any, tool_args: dict[str, Any], tool_context: Any) -> None:
        """A tool is called."""
        call = WatchedToolCall(str(of(tool, "name") or "unknown"), run=current_run())
        call.begin()
        call.update(input=tool_args)
        with self._lock:
            self._tools[_id_of(tool_context)] = call
            while len(self._tools) > REMEMBERED:
                self._tools.popitem(last=False)

    async def after_tool_callback(
        self, *, tool: Any, tool_args: dict[str, Any], tool_context: Any, result: Any
    ) -> None:
        """A tool has answered; errors that it handles are in its answer."""
        call = self._ended(tool_context)
        if call is not None:
            call.update(output=result)
            call.finish(ToolError(str(result)) if _tells_of_an_error(result) else None)

    async def on_tool_error_callback(
        self, *, tool: Any, tool_args: dict[str, Any], tool_context: Any, error: Exception
    ) -> None:
        """A tool has failed."""
        call = self._ended(tool_context)
        if call is not None:
            call.finish(error)

    def _ended(self, tool_context: Any) -> ToolCall | None:
        with self._lock:
            return self._tools.pop(_id_of(tool_context), None)


class _Request:
    """A request to a model, until its answer is whole."""

    def __init__(self, model: str | None, told: Any) -> None:
        self._call = LLMCall(run_or_outside(), model, None, told)
        self._call.begin()
        self._watched = Watched(model)
        self._is_over = False

    def take(self, response: Any) -> None:
        self._watched.leave()
        if self._is_over:
            return
        if of(response, "partial"):
            self._call.first_token()
        usage = _usage(response)
        if usage is not None:
            self._call.record_usage(usage)
        if not of(response, "partial"):
            self.finish(None)

    def finish(self, error: Exception | None) -> None:
        self._watched.leave()
        if self._is_over:
            return
        self._is_over = True
        if self._watched.is_counted:
            self._call.discard()
            return
        if error is None:
            self._call.record_unless_known(None)
        self._call.finish(error)

    def __del__(self) -> None:
        if not self.__dict__.get("_is_over", True) and not self._watched.is_counted:
            self._is_over = True
            self._call.record_unless_known(None)
            abandon(self._call)  # see streams: this may come in the middle of anything


_going_on: Final[ContextVar[_Request | None]] = ContextVar("slo_engine_adk_request", default=None)


def _usage(response: Any) -> LLMUsage | None:
    usage = of(response, "usage_metadata")
    if usage is None:
        return None
    return usage_of(
        {
            "usage_metadata": usage,
            "model_version": of(response, "model_version"),
            "candidates": [{"content": of(response, "content")}],
        }
    )


def _tells_of_an_error(result: Any) -> bool:
    """As the kit itself and its MCP tools do it."""
    return isinstance(result, Mapping) and bool(result.get("error") or result.get("isError") or result.get("is_error"))


def _id_of(tool_context: Any) -> str:
    return str(of(tool_context, "function_call_id") or id(tool_context))
