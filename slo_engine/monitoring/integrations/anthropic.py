"""Anthropic's client: messages, streamed or not."""

from __future__ import annotations

import functools
from types import TracebackType
from typing import Any, TypeVar

from slo_engine.monitoring.calls import LLMCall
from slo_engine.monitoring.integrations.clients import monitor_method
from slo_engine.monitoring.run import current_run

Client = TypeVar("Client")


def monitor_anthropic(client: Client) -> Client:
    """Record the model calls of an ``Anthropic`` or ``AsyncAnthropic`` client (also on Bedrock, Vertex). Returns it."""
    messages: Any = client.messages  # type: ignore[attr-defined]
    for name in ("create", "parse"):
        monitor_method(messages, name, input_key="messages")
    if hasattr(messages, "stream") and not hasattr(messages.stream, "__wrapped__"):
        messages.stream = _monitored_stream_method(messages.stream)
    return client


def _monitored_stream_method(stream: Any) -> Any:
    @functools.wraps(stream)
    def open_stream(*args: Any, **kwargs: Any) -> Any:
        manager = stream(*args, **kwargs)
        run = current_run()
        if run is None:
            return manager
        return _StreamManager(manager, LLMCall(run, kwargs.get("model"), None, kwargs.get("messages")))

    return open_stream


class _StreamManager:
    """``with client.messages.stream(...) as stream``, recorded when the block is left, from what has come by then."""

    def __init__(self, manager: Any, call: LLMCall) -> None:
        self._manager = manager
        self._call = call
        self._stream: Any = None

    def __getattr__(self, name: str) -> Any:
        return getattr(self._manager, name)

    def __enter__(self) -> Any:
        self._call.begin()
        try:
            self._stream = self._manager.__enter__()
        except BaseException as error:
            self._call.finish(error)
            raise
        return self._stream

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> Any:
        self._finish(error)
        return self._manager.__exit__(kind, error, trace)

    async def __aenter__(self) -> Any:
        self._call.begin()
        try:
            self._stream = await self._manager.__aenter__()
        except BaseException as error:
            self._call.finish(error)
            raise
        return self._stream

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> Any:
        self._finish(error)
        return await self._manager.__aexit__(kind, error, trace)

    def _finish(self, error: BaseException | None) -> None:
        try:
            snapshot = self._stream.current_message_snapshot
        except (AssertionError, AttributeError):  # nothing has come
            snapshot = None
        if snapshot is not None:
            self._call.record(snapshot)
        self._call.finish(error)
