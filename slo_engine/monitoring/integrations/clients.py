"""Methods of a provider's client that call a model, recorded in the current run."""

from __future__ import annotations

import functools
import inspect
from collections.abc import Callable
from typing import Any, Final

from slo_engine.monitoring.calls import LLMCall
from slo_engine.monitoring.run import AgentMonitor, current_run
from slo_engine.monitoring.streams import monitored_stream
from slo_engine.monitoring.usage import is_stream

_MARK: Final = "__slo_engine_monitored__"


def monitor_method(resource: Any, name: str, *, input_key: str) -> None:
    """Record every call of ``resource.name``, a sync or async method; the object alone is changed, not its class.

    ``input_key``: the keyword argument that holds what the model is told.
    """
    method = getattr(resource, name, None)
    if method is None or hasattr(method, _MARK):
        return
    monitored = _async_method(method, input_key) if _is_async(method) else _method(method, input_key)
    setattr(monitored, _MARK, True)
    setattr(resource, name, monitored)


def _method(method: Callable[..., Any], input_key: str) -> Callable[..., Any]:
    @functools.wraps(method)
    def call(*args: Any, **kwargs: Any) -> Any:
        run = current_run()
        if run is None:
            return method(*args, **kwargs)
        recorded = _begun(run, kwargs, input_key)
        try:
            answer = method(*args, **kwargs)
        except BaseException as error:
            recorded.finish(error)
            raise
        return _finished(recorded, answer)

    return call


def _async_method(method: Callable[..., Any], input_key: str) -> Callable[..., Any]:
    @functools.wraps(method)
    async def call(*args: Any, **kwargs: Any) -> Any:
        run = current_run()
        if run is None:
            return await method(*args, **kwargs)
        recorded = _begun(run, kwargs, input_key)
        try:
            answer = await method(*args, **kwargs)
        except BaseException as error:
            recorded.finish(error)
            raise
        return _finished(recorded, answer)

    return call


def _begun(run: AgentMonitor, kwargs: dict[str, Any], input_key: str) -> LLMCall:
    call = LLMCall(run, _named(kwargs.get("model")), None, kwargs.get(input_key))
    call.begin()
    return call


def _finished(call: LLMCall, answer: Any) -> Any:
    if is_stream(answer):
        return monitored_stream(answer, call)
    call.record(answer)
    call.finish()
    return answer


def _named(model: Any) -> str | None:
    return model if isinstance(model, str) else None


def _is_async(method: Callable[..., Any]) -> bool:
    # The SDKs wrap their methods (deprecations, required arguments), so the kind is that of what is inside.
    return inspect.iscoroutinefunction(inspect.unwrap(method))
