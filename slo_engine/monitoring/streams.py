"""A provider's stream that is recorded while its consumer reads it, and stays what it was in every other way."""

from __future__ import annotations

import gc
import time
from collections import deque
from copy import copy
from threading import get_ident
from types import TracebackType
from typing import Any, Final, Protocol, Self

from slo_engine.monitoring.nearest import remember
from slo_engine.monitoring.usage import LLMUsage, StreamReader


class StreamedCall(Protocol):
    """The model call that a stream answers: `calls.LLMCall`, which wraps its streams with this module."""

    wants_content: bool
    ended_at: float | None

    def first_token(self) -> None:
        """The first token is here; later calls change nothing."""

    def record_usage(self, usage: LLMUsage) -> None:
        """Take tokens and model as they are."""

    def finish(self, error: BaseException | None = None) -> None:
        """The model has answered, or failed."""


def monitored_stream(stream: Any, call: StreamedCall) -> Any:
    """The stream, recorded: ``call`` (begun) is finished when the stream ends, fails, or is closed or dropped.

    A stream of the SDKs of OpenAI and Anthropic is returned as it is, and recorded from within; another one wrapped.
    """
    if "response" in getattr(stream, "__dict__", ()) and hasattr(stream, "__stream__"):
        _record_within(stream, call)
        remember(stream)
        return stream
    is_async = hasattr(type(stream), "__anext__") or hasattr(type(stream), "__aiter__")
    is_sync = hasattr(type(stream), "__next__") or hasattr(type(stream), "__iter__")
    if is_async and is_sync:  # LiteLLM's are both
        return _EitherStream(stream, call)
    return _AsyncStream(stream, call) if is_async else _Stream(stream, call)


def _record_within(stream: Any, call: StreamedCall) -> None:
    """Put the recorder where the stream keeps the iterator that it reads from."""
    # A twin makes the iterator: one that refers to the stream that holds it is a cycle, and a stream that its consumer
    # has dropped would be found by the garbage collector at some time only.
    twin = copy(stream)
    twin.__dict__.pop("_iterator", None)
    recorder = (_AsyncStream if hasattr(type(stream), "__anext__") else _Stream)(twin.__stream__(), call)
    stream._iterator = recorder
    close = type(stream).close
    if hasattr(type(stream), "__anext__"):

        async def close_async() -> None:
            recorder.end()
            await close(twin)

        stream.close = close_async
        return

    def close_sync() -> None:
        recorder.end()
        close(twin)

    stream.close = close_sync


class Unended(Protocol):
    """A call or a run that is over and was not ended."""

    ended_at: float | None

    def finish(self, error: BaseException | None = None) -> None:
        """It is over. A second call does nothing."""


abandoned: Final[deque[tuple[Unended, float, BaseException | None]]] = deque()
"""Calls whose streams were dropped, and runs whose generators were: over since then, and not yet counted."""


def abandon(unended: Unended, error: BaseException | None = None) -> None:
    """It is over, and is counted with the next run that ends: this may be called in the middle of anything, a counter's
    lock held by this very thread included."""
    abandoned.append((unended, time.perf_counter(), error))


def settle_abandoned() -> None:
    """Finish what was abandoned."""
    while abandoned:
        try:
            unended, ended_at, error = abandoned.popleft()
        except IndexError:  # another thread was faster
            return
        unended.ended_at = ended_at
        unended.finish(error)


class _Collections:
    """Which thread the garbage collector runs in now: what ends in the course of it may hold any lock."""

    def __init__(self) -> None:
        self.thread = 0
        gc.callbacks.append(self._note)

    def _note(self, phase: str, _: Any) -> None:
        self.thread = get_ident() if phase == "start" else 0


collections: Final = _Collections()


def is_collecting() -> bool:
    """Whether this is done by the garbage collector: whatever takes a lock has to wait (`abandon`)."""
    return collections.thread != 0 and collections.thread == get_ident()


class _Recording:
    """What both kinds of streams do with a chunk, and at the end."""

    def __init__(self, stream: Any, call: StreamedCall) -> None:
        self._stream = stream
        self._call = call
        self._reader = StreamReader()
        self._iterator: Any = None
        self._has_begun = False
        self._is_over = False

    def __getattr__(self, name: str) -> Any:
        if name == "_stream":  # not yet there: a copy that is being made
            raise AttributeError(name)
        return getattr(self._stream, name)

    def __del__(self) -> None:
        # A consumer that breaks out of its loop closes nothing. What it has read was paid for all the same.
        if not self.__dict__.get("_is_over", True):
            self._is_over = True
            self._call.record_usage(self._reader.usage(keep_text=self._call.wants_content))
            abandon(self._call)

    def end(self) -> None:
        """Its consumer has had enough."""
        self._finish(None)

    def _take(self, chunk: Any) -> None:
        self._has_begun = True
        if self._reader.read(chunk):
            self._call.first_token()

    def _exhausted(self) -> None:
        self._reader.end()
        self._finish(None)

    def _finish(self, error: BaseException | None) -> None:
        if not self._is_over:
            self._is_over = True
            if self._has_begun or error is None:  # else it was refused, and nothing is paid
                self._call.record_usage(self._reader.usage(keep_text=self._call.wants_content))
            self._call.finish(error)


class _Stream(_Recording):
    def __iter__(self) -> Self:
        return self

    def __next__(self) -> Any:
        try:
            if self._iterator is None:
                self._iterator = iter(self._stream)
            chunk = next(self._iterator)
        except StopIteration:
            self._exhausted()
            raise
        except BaseException as error:
            self._finish(error)
            raise
        self._take(chunk)
        return chunk

    def close(self) -> None:
        """Close the stream: its consumer has had enough."""
        self._finish(None)
        if hasattr(self._stream, "close"):
            self._stream.close()

    def __enter__(self) -> Self:
        if hasattr(self._stream, "__enter__"):
            self._stream = self._stream.__enter__()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> Any:
        self._finish(error)
        return self._stream.__exit__(kind, error, trace) if hasattr(self._stream, "__exit__") else None


class _AsyncStream(_Recording):
    def __aiter__(self) -> Self:
        return self

    async def __anext__(self) -> Any:
        try:
            if self._iterator is None:
                self._iterator = aiter(self._stream)
            chunk = await anext(self._iterator)
        except StopAsyncIteration:
            self._exhausted()
            raise
        except BaseException as error:
            self._finish(error)
            raise
        self._take(chunk)
        return chunk

    async def close(self) -> None:
        """Close the stream: its consumer has had enough."""
        self._finish(None)
        if hasattr(self._stream, "close"):
            await self._stream.close()

    async def aclose(self) -> None:
        """Close the stream, as generators call it."""
        self._finish(None)
        if hasattr(self._stream, "aclose"):
            await self._stream.aclose()

    async def __aenter__(self) -> Self:
        if hasattr(self._stream, "__aenter__"):
            self._stream = await self._stream.__aenter__()
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> Any:
        self._finish(error)
        return await self._stream.__aexit__(kind, error, trace) if hasattr(self._stream, "__aexit__") else None


class _EitherStream(_Stream):
    """One that may be read either way."""

    __aiter__ = _AsyncStream.__aiter__
    __anext__ = _AsyncStream.__anext__
