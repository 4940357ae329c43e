"""Methods of a provider's client that call a model, recorded in the current run."""

from __future__ import annotations

import functools
import inspect
from collections.abc import Callable, Mapping
from typing import Any, Final

from slo_engine.monitoring.calls import LLMCall
from slo_engine.monitoring.run import AgentMonitor, current_run
from slo_engine.monitoring.streams import monitored_stream
from slo_engine.monitoring.usage import is_stream

_MARK: Final = "__slo_engine_monitored__"


def monitor_method(resource: Any, name: str, *, input_key: str, call_type: str | None = None) -> None:
    """Record every call of ``resource.name``, a sync or async method; the object alone is changed, not its class.

    ``input_key``: the keyword argument that holds what the model is told. ``call_type`` None: what the answer says.
    """
    method = getattr(resource, name, None)
    if method is None or hasattr(method, _MARK):
        return

    def begun(run: AgentMonitor, kwargs: Mapping[str, Any]) -> LLMCall:
        model = kwargs.get("model")
        call = LLMCall(run, model if isinstance(model, str) else None, call_type, kwargs.get(input_key))
        call.begin()
        return call

    monitored = _async_method(method, begun) if _is_async(method) else _method(method, begun)
    setattr(monitored, _MARK, True)
    setattr(resource, name, monitored)


Begun = Callable[[AgentMonitor, Mapping[str, Any]], LLMCall]


def _method(method: Callable[..., Any], begun: Begun) -> Callable[..., Any]:
    @functools.wraps(method)
    def call(*args: Any, **kwargs: Any) -> Any:
        run = current_run()
        if run is None:
            return method(*args, **kwargs)
        recorded = begun(run, kwargs)
        try:
            answer = method(*args, **kwargs)
        except BaseException as error:
            recorded.finish(error)
            raise
        return _finished(recorded, answer)

    return call


def _async_method(method: Callable[..., Any], begun: Begun) -> Callable[..., Any]:
    @functools.wraps(method)
    async def call(*args: Any, **kwargs: Any) -> Any:
        run = current_run()
        if run is None:
            return await method(*args, **kwargs)
        recorded = begun(run, kwargs)
        try:
            answer = await method(*args, **kwargs)
        except BaseException as error:
            recorded.finish(error)
            raise
        return _finished(recorded, answer)

    return call


def _finished(call: LLMCall, answer: Any) -> Any:
    if is_stream(answer):
        return monitored_stream(answer, call)
    call.record(answer)
    call.finish()
    return answer


def _is_async(method: Callable[..., Any]) -> bool:
    # The SDKs wrap their methods (deprecations, required arguments), so the kind is that of what is inside.
    return inspect.iscoroutinefunction(inspect.unwrap(method))
