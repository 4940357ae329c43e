"""LiteLLM: a callback that records its calls, whichever provider they go to."""

from __future__ import annotations

import threading
import weakref
from collections import OrderedDict
from datetime import datetime
from typing import Any, Final, Self

from litellm.integrations.custom_logger import CustomLogger

from slo_engine.monitoring.classify import mark_as_llm_failure
from slo_engine.monitoring.forks import renew_after_fork
from slo_engine.monitoring.nearest import count_here
from slo_engine.monitoring.run import AgentRun, current_run, run_or_outside
from slo_engine.monitoring.streams import abandon
from slo_engine.monitoring.usage import UNKNOWN_MODEL

REMEMBERED: Final = 10_000
"""Calls that have begun and not ended."""

_MARK: Final = "slo_engine_call"


class LiteLLMMonitor(CustomLogger):
    """``litellm.callbacks = [LiteLLMMonitor()]``: model calls, tokens, LiteLLM's own cost, durations and errors.

    LiteLLM tells the end of a call from another thread, so the run is remembered when the call begins. It says nothing
    of a stream that is given up: that is counted when LiteLLM lets go of what it knew of the call.
    """

    def __init__(self) -> None:
        super().__init__()
        # None: its end has been told. LiteLLM tells some twice, to the sync and to the async method.
        self._runs: OrderedDict[str, AgentRun | None] = OrderedDict()
        self._lock = threading.Lock()
        renew_after_fork(self, "_lock", threading.Lock)

    def log_pre_api_call(self, model: Any, messages: Any, kwargs: Any) -> None:
        """A call begins."""
        count_here(str(model))
        call_id = _id_of(kwargs)
        with self._lock:
            # Not watched: LiteLLM tells the end later, and what is asked meanwhile would be taken for this call.
            self._runs[call_id] = run_or_outside()
            while len(self._runs) > REMEMBERED:
                self._runs.popitem(last=False)
        if isinstance(kwargs, dict) and _MARK not in kwargs:
            mark = kwargs[_MARK] = _Mark()
            weakref.finalize(mark, self._given_up, call_id, str(model)).atexit = False

    def log_success_event(self, kwargs: Any, response_obj: Any, start_time: Any, end_time: Any) -> None:
        """A call has been answered."""
        run = self._run_of(kwargs)
        if run is None or kwargs.get("cache_hit"):
            return  # of what is in LiteLLM's cache nobody was asked, and nothing is paid
        run.record_llm_call(
            response_obj,
            # 0 is what LiteLLM says of a model whose price it does not know.
            cost_usd=kwargs.get("response_cost") or None,
            seconds=_seconds(start_time, end_time),
            time_to_first_token=_seconds(start_time, kwargs.get("completion_start_time"))
            if kwargs.get("stream")
            else None,
            call_type="embedding" if "embedding" in str(kwargs.get("call_type")) else None,
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

    def _run_of(self, kwargs: Any) -> AgentRun | None:
        call_id = _id_of(kwargs)
        with self._lock:
            # A call whose beginning was not told was none of a provider's API, or belongs to whoever runs now.
            if call_id not in self._runs:
                return current_run()
            run, self._runs[call_id] = self._runs[call_id], None
        return run

    def _given_up(self, call_id: str, model: str) -> None:
        run = self._runs.pop(call_id, None)  # without the lock, which the thread that drops it may hold
        if run is not None:
            abandon(_GivenUp(run, model))


class _Mark:
    """Lives as long as what LiteLLM knows of a call."""

    def __copy__(self) -> Self:
        return self

    def __deepcopy__(self, memo: dict[int, Any]) -> Self:
        return self


class _GivenUp:
    """A call whose end LiteLLM has not told: its tokens are not known."""

    wants_content = False
    ended_at: float | None = None

    def __init__(self, run: AgentRun, model: str) -> None:
        self._run = run
        self._model = model

    def first_token(self) -> None:
        """It is over."""

    def record_usage(self, usage: Any) -> None:
        """It is over."""

    def finish(self, error: BaseException | None = None) -> None:
        """Count it."""
        self._run.record_llm_call(self._model, error=error)


def _id_of(kwargs: Any) -> str:
    return str(kwargs.get("litellm_call_id"))


def _seconds(start: Any, end: Any) -> float | None:
    return (end - start).total_seconds() if isinstance(start, datetime) and isinstance(end, datetime) else None
