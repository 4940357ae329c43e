"""LiteLLM: a callback that records its calls, whichever provider they go to."""

from __future__ import annotations

import threading
from collections import OrderedDict
from datetime import datetime
from typing import Any, Final

from litellm.integrations.custom_logger import CustomLogger

from slo_engine.monitoring.classify import mark_as_llm_failure
from slo_engine.monitoring.run import AgentMonitor, current_run
from slo_engine.monitoring.usage import UNKNOWN_MODEL

REMEMBERED: Final = 10_000
"""Calls that have begun and of which no end has been told: LiteLLM says nothing of a stream that is given up."""


class LiteLLMMonitor(CustomLogger):
    """``litellm.callbacks = [LiteLLMMonitor()]``: model calls, tokens, LiteLLM's own cost, durations and errors.

    LiteLLM tells the end of a call from another thread, so the run is remembered when the call begins.
    """

    def __init__(self) -> None:
        super().__init__()
        self._runs: OrderedDict[str, AgentMonitor] = OrderedDict()
        self._lock = threading.Lock()

    def log_pre_api_call(self, model: Any, messages: Any, kwargs: Any) -> None:
        """A call begins."""
        run = current_run()
        if run is None:
            return
        with self._lock:
            self._runs[_id_of(kwargs)] = run
            while len(self._runs) > REMEMBERED:
                self._runs.popitem(last=False)

    def log_success_event(self, kwargs: Any, response_obj: Any, start_time: Any, end_time: Any) -> None:
        """A call has been answered."""
        run = self._run_of(kwargs)
        if run is None:
            return
        run.record_llm_call(
            response_obj,
            # 0 is what LiteLLM says of a model whose price it does not know.
            cost_usd=kwargs.get("response_cost") or None,
            seconds=_seconds(start_time, end_time),
            time_to_first_token=_seconds(start_time, kwargs.get("completion_start_time"))
            if kwargs.get("stream")
            else None,
            input=kwargs.get("messages"),
        )

    def log_failure_event(self, kwargs: Any, response_obj: Any, start_time: Any, end_time: Any) -> None:
        """A call has failed."""
        run = self._run_of(kwargs)
        if run is None:
            return
        model, error = str(kwargs.get("model") or UNKNOWN_MODEL), kwargs.get("exception")
        if isinstance(error, BaseException):
            mark_as_llm_failure(error, model)
        run.record_llm_call(
            model,
            cost_usd=0.0,
            seconds=_seconds(start_time, end_time),
            input=kwargs.get("messages"),
            error=error if isinstance(error, BaseException) else str(error or "failed"),
        )

    async def async_log_success_event(self, kwargs: Any, response_obj: Any, start_time: Any, end_time: Any) -> None:
        """A call has been answered."""
        self.log_success_event(kwargs, response_obj, start_time, end_time)

    async def async_log_failure_event(self, kwargs: Any, response_obj: Any, start_time: Any, end_time: Any) -> None:
        """A call has failed."""
        self.log_failure_event(kwargs, response_obj, start_time, end_time)

    def _run_of(self, kwargs: Any) -> AgentMonitor | None:
        with self._lock:
            return self._runs.pop(_id_of(kwargs), None) or current_run()


def _id_of(kwargs: Any) -> str:
    return str(kwargs.get("litellm_call_id"))


def _seconds(start: Any, end: Any) -> float | None:
    return (end - start).total_seconds() if isinstance(start, datetime) and isinstance(end, datetime) else None
