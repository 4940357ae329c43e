"""LangChain and LangGraph: a callback handler that records their model and tool calls."""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Mapping
from threading import Lock
from typing import Any, Final
from uuid import UUID

from langchain_core.callbacks import BaseCallbackHandler

from slo_engine.monitoring.calls import LLMCall, ToolCall
from slo_engine.monitoring.run import current_run
from slo_engine.monitoring.scope import Scope
from slo_engine.monitoring.usage import LLMUsage, number, of

REMEMBERED: Final = 10_000
"""Calls that have begun and not ended."""


class LangChainMonitor(BaseCallbackHandler):
    """``graph.invoke(state, {"callbacks": [LangChainMonitor()]})`` inside a run; one handler serves all of them."""

    # In the caller's thread, where the run is current.
    run_inline = True

    def __init__(self) -> None:
        self._calls: OrderedDict[UUID, Scope] = OrderedDict()
        self._lock = Lock()

    def on_chat_model_start(self, serialized: Any, messages: Any, *, run_id: UUID, **kwargs: Any) -> None:
        """A chat model is called."""
        self._begin_llm(run_id, messages, kwargs)

    def on_llm_start(self, serialized: Any, prompts: Any, *, run_id: UUID, **kwargs: Any) -> None:
        """A model of the older kind is called."""
        self._begin_llm(run_id, prompts, kwargs)

    def on_llm_new_token(self, token: Any, *, run_id: UUID, **kwargs: Any) -> None:
        """A stream brings something; its first tokens are empty."""
        call = self._calls.get(run_id)
        if token and isinstance(call, LLMCall):
            call.first_token()

    def on_llm_end(self, response: Any, *, run_id: UUID, **kwargs: Any) -> None:
        """A model has answered."""
        call = self._pop(run_id)
        if isinstance(call, LLMCall):
            call.record_usage(_usage(response))
            call.finish()

    def on_llm_error(self, error: BaseException, *, run_id: UUID, **kwargs: Any) -> None:
        """A model has failed."""
        self._finish(run_id, error)

    def on_tool_start(self, serialized: Any, input_str: str, *, run_id: UUID, **kwargs: Any) -> None:
        """A tool is called."""
        run = current_run()
        if run is None:
            return
        call = ToolCall(str((serialized or {}).get("name") or kwargs.get("name") or "unknown"), run=run)
        call.begin()
        call.update(input=kwargs.get("inputs") or input_str)
        self._put(run_id, call)

    def on_tool_end(self, output: Any, *, run_id: UUID, **kwargs: Any) -> None:
        """A tool has answered. LangGraph turns errors that a tool handles into messages of status error."""
        call = self._pop(run_id)
        if call is None:
            return
        call.update(output=of(output, "content") or output)
        call.finish(RuntimeError(str(of(output, "content"))) if of(output, "status") == "error" else None)

    def on_tool_error(self, error: BaseException, *, run_id: UUID, **kwargs: Any) -> None:
        """A tool has failed."""
        self._finish(run_id, error)

    def _begin_llm(self, run_id: UUID, told: Any, kwargs: Mapping[str, Any]) -> None:
        run = current_run()
        if run is None:
            return
        asked = kwargs.get("invocation_params") or {}
        model = asked.get("model") or asked.get("model_name") or (kwargs.get("metadata") or {}).get("ls_model_name")
        call = LLMCall(run, model if isinstance(model, str) else None, None, told)
        call.begin()
        self._put(run_id, call)

    def _put(self, run_id: UUID, call: Scope) -> None:
        with self._lock:
            self._calls[run_id] = call
            while len(self._calls) > REMEMBERED:
                self._calls.popitem(last=False)

    def _pop(self, run_id: UUID) -> Scope | None:
        with self._lock:
            return self._calls.pop(run_id, None)

    def _finish(self, run_id: UUID, error: BaseException) -> None:
        call = self._pop(run_id)
        if call is not None:
            call.finish(error)


def _usage(response: Any) -> LLMUsage:
    """Of an ``LLMResult``: of its message, which every chat model fills in; ``llm_output`` only some do."""
    generations = of(response, "generations") or [[]]
    message = of(generations[0][0], "message") if generations[0] else None
    told, about = of(message, "usage_metadata"), of(message, "response_metadata")
    inputs, outputs = of(told, "input_token_details"), of(told, "output_token_details")
    found = LLMUsage(
        of(about, "model_name") or of(about, "model") or of(of(response, "llm_output"), "model_name"),
        number(told, "input_tokens"),
        number(told, "output_tokens"),
        number(inputs, "cache_read"),
        number(inputs, "cache_creation"),
        number(outputs, "reasoning"),
    )
    if of(message, "tool_calls"):
        found.call_type = "tool_call"
    found.output = of(message, "content") or of(message, "tool_calls")
    return found
