"""Google's client (``google-genai``): Gemini and Vertex, streamed or not, chats, and automatic function calling."""

from __future__ import annotations

import functools
import inspect
from collections.abc import AsyncIterator, Callable, Iterator, Mapping
from typing import Any, Final, TypeVar

from slo_engine.monitoring.calls import LLMCall
from slo_engine.monitoring.integrations.clients import monitor_method
from slo_engine.monitoring.run import run_or_outside
from slo_engine.monitoring.streams import monitored_stream

Client = TypeVar("Client")

_MARK: Final = "__slo_engine_monitored__"


def monitor_google(client: Client) -> Client:
    """Record the model calls of a ``google.genai.Client``, sync and async. Returns the client."""
    for models in (client.models, client.aio.models):  # type: ignore[attr-defined]
        # Automatic function calling makes several calls within a public one, each of which is billed: all go through
        # the private method, where the SDK has one.
        monitor_method(models, _inner(models, "generate_content"), input_key="contents")
        _monitor_stream(models, _inner(models, "generate_content_stream"))
        monitor_method(models, "embed_content", input_key="contents", call_type="embedding")
    return client


def _inner(models: Any, name: str) -> str:
    return f"_{name}" if hasattr(models, f"_{name}") else name


def _monitor_stream(models: Any, name: str) -> None:
    method = getattr(models, name)
    if hasattr(method, _MARK):
        return
    is_async = inspect.iscoroutinefunction(inspect.unwrap(method))
    recorded = _recorded_async(method) if is_async else _recorded(method)
    setattr(recorded, _MARK, True)
    setattr(models, name, recorded)


def _recorded(method: Callable[..., Any]) -> Callable[..., Any]:
    @functools.wraps(method)
    def call(*args: Any, **kwargs: Any) -> Any:
        begun = _begun(kwargs)
        return monitored_stream(_refused_at_first(method(*args, **kwargs), begun), begun)

    return call


def _recorded_async(method: Callable[..., Any]) -> Callable[..., Any]:
    @functools.wraps(method)
    async def call(*args: Any, **kwargs: Any) -> Any:
        begun = _begun(kwargs)
        try:
            stream = await method(*args, **kwargs)
        except BaseException as error:
            begun.finish(error)
            raise
        return monitored_stream(_refused_at_first_async(stream, begun), begun)

    return call


def _begun(kwargs: Mapping[str, Any]) -> LLMCall:
    model = kwargs.get("model")
    call = LLMCall(run_or_outside(), model if isinstance(model, str) else None, None, kwargs.get("contents"))
    call.begin()
    return call


def _refused_at_first(stream: Any, call: LLMCall) -> Iterator[Any]:
    """The SDK asks when its stream is read: what fails before the first piece was refused, and nothing is paid."""
    has_begun = False
    try:
        for chunk in stream:
            has_begun = True
            yield chunk
    except Exception as error:
        if not has_begun:
            call.finish(error)
        raise


async def _refused_at_first_async(stream: Any, call: LLMCall) -> AsyncIterator[Any]:
    has_begun = False
    try:
        async for chunk in stream:
            has_begun = True
            yield chunk
    except Exception as error:
        if not has_begun:
            call.finish(error)
        raise
