"""LangChain and LangGraph: a callback handler that records their model and tool calls."""

from __future__ import annotations

import weakref
from collections import OrderedDict
from collections.abc import Mapping
from threading import Lock
from typing import Any, Final, NamedTuple
from uuid import UUID

from langchain_core.callbacks import BaseCallbackHandler

from slo_engine.monitoring.calls import LLMCall, ToolCall, WatchedToolCall
from slo_engine.monitoring.forks import renew_after_fork
from slo_engine.monitoring.nearest import Watched
from slo_engine.monitoring.run import current_run, run_or_outside
from slo_engine.monitoring.streams import abandon
from slo_engine.monitoring.usage import LLMUsage, langchain, openai_chat
from slo_engine.monitoring.usage.fields import of

REMEMBERED: Final = 10_000
"""Calls that have begun and not ended."""


class LangChainMonitor(BaseCallbackHandler):
    """``graph.invoke(state, {"callbacks": [LangChainMonitor()]})`` inside a run; one handler serves all of them, and of
    several that see the same call one records it."""

    # In the caller's thread, where the run is current.
    run_inline = True

    def on_chat_model_start(self, serialized: Any, messages: Any, *, run_id: UUID, **kwargs: Any) -> None:
        """A chat model is called."""
        _begin_llm(run_id, messages, kwargs)

    def on_llm_start(self, serialized: Any, prompts: Any, *, run_id: UUID, **kwargs: Any) -> None:
        """A model of the older kind is called."""
        _begin_llm(run_id, prompts, kwargs)

    def on_llm_new_token(self, token: Any, *, run_id: UUID, **kwargs: Any) -> None:
        """A stream brings something; its first tokens are empty."""
        begun = _going_on.get(run_id)
        if isinstance(begun, _ModelCall):
            begun.watched.leave()
            if token:
                begun.call.first_token()

    def on_llm_end(self, response: Any, *, run_id: UUID, **kwargs: Any) -> None:
        """A model has answered."""
        begun = _going_on.pop(run_id)
        if not isinstance(begun, _ModelCall):
            return
        begun.watched.leave()
        # LangChain gives what its own cache has a cost of 0: nothing was asked, and nothing is paid.
        if begun.watched.is_counted or of(of(_message(response), "usage_metadata"), "total_cost") == 0:
            begun.call.discard()
            return
        begun.call.record_usage(_usage(response))
        begun.call.finish()

    def on_llm_error(self, error: BaseException, *, run_id: UUID, **kwargs: Any) -> None:
        """A model has failed."""
        begun = _going_on.pop(run_id)
        if isinstance(begun, _ModelCall):
            begun.watched.leave()
            if begun.watched.is_counted:
                begun.call.discard()
            begun.call.finish(error)

    def on_tool_start(self, serialized: Any, input_str: str, *, run_id: UUID, **kwargs: Any) -> None:
        """A tool is called."""
        if _going_on.has(run_id):
            return
        call = WatchedToolCall(
            str((serialized or {}).get("name") or kwargs.get("name") or "unknown"), run=current_run()
        )
        call.begin()
        call.update(input=kwargs.get("inputs") or input_str)
        _going_on.put(run_id, call)

    def on_tool_end(self, output: Any, *, run_id: UUID, **kwargs: Any) -> None:
        """A tool has answered. LangGraph turns errors that a tool handles into messages of status error."""
        call = _going_on.pop(run_id)
        if isinstance(call, ToolCall):
            call.update(output=of(output, "content") or output)
            call.finish(RuntimeError(str(of(output, "content"))) if of(output, "status") == "error" else None)

    def on_tool_error(self, error: BaseException, *, run_id: UUID, **kwargs: Any) -> None:
        """A tool has failed."""
        call = _going_on.pop(run_id)
        if isinstance(call, ToolCall):
            call.finish(error)


class _ModelCall(NamedTuple):
    call: LLMCall
    watched: Watched


class _GoingOn:
    """What has begun and not ended, whichever handler was told: a graph inside a graph tells those of both."""

    def __init__(self) -> None:
        self._calls: OrderedDict[int, ToolCall | _ModelCall] = OrderedDict()
        self._lock = Lock()
        renew_after_fork(self, "_lock", Lock)

    def has(self, run_id: UUID) -> bool:
        return run_id.int in self._calls

    def get(self, run_id: UUID) -> ToolCall | _ModelCall | None:
        return self._calls.get(run_id.int)

    def put(self, run_id: UUID, call: ToolCall | _ModelCall) -> None:
        with self._lock:
            self._calls[run_id.int] = call
            while len(self._calls) > REMEMBERED:
                self._calls.popitem(last=False)
        # LangChain says nothing of a call that is cancelled: its id goes with all that it knew of it.
        weakref.finalize(run_id, self._given_up, run_id.int).atexit = False

    def pop(self, run_id: UUID) -> ToolCall | _ModelCall | None:
        with self._lock:
            return self._calls.pop(run_id.int, None)

    def _given_up(self, number: int) -> None:
        begun = self._calls.pop(number, None)  # without the lock, which the thread that drops it may hold
        if begun is None:
            return
        if isinstance(begun, _ModelCall):
            begun.watched.leave()
            if begun.watched.is_counted:
                begun.call.discard()
                return
            begun.call.record_usage(LLMUsage(None))
        abandon(begun.call if isinstance(begun, _ModelCall) else begun)


_going_on: Final = _GoingOn()


def _begin_llm(run_id: UUID, told: Any, kwargs: Mapping[str, Any]) -> None:
    if _going_on.has(run_id):
        return
    asked = kwargs.get("invocation_params") or {}
    model = asked.get("model") or asked.get("model_name") or (kwargs.get("metadata") or {}).get("ls_model_name")
    call = LLMCall(run_or_outside(), model if isinstance(model, str) else None, None, told)
    call.begin()
    _going_on.put(run_id, _ModelCall(call, Watched(model if isinstance(model, str) else None)))


def _message(response: Any) -> Any:
    """That of an ``LLMResult``."""
    generations = of(response, "generations") or [[]]
    return of(generations[0][0], "message") if generations[0] else None


def _usage(response: Any) -> LLMUsage:
    """Of an ``LLMResult``: of its message, as chat models have it; else of ``llm_output``, as older models do."""
    output = of(response, "llm_output")
    found = langchain.read(_message(response))
    if found is None:
        found = openai_chat.read({"usage": of(output, "token_usage")}) or LLMUsage(None)
    found.model = found.model or of(output, "model_name")
    return found
