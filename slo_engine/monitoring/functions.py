"""Functions of every kind inside a scope: plain, coroutine, generator and async generator functions."""

from __future__ import annotations

import functools
import sys
from collections.abc import AsyncGenerator, Awaitable, Callable, Generator, Mapping, Sequence
from types import CoroutineType
from typing import Any, TypeVar, cast

from slo_engine.monitoring.content import MAX_CONTENT, as_text
from slo_engine.monitoring.scope import Scope

F = TypeVar("F", bound=Callable[..., Any])


def decorator(open_scope: Callable[[], Scope], *, capture_input: bool, capture_output: bool) -> Callable[[F], F]:
    """What puts each call of a function inside a scope of its own."""

    def decorate(function: F) -> F:
        if isinstance(function, property):
            raise TypeError("this is a property: decorate the function that it is made from")
        if isinstance(function, classmethod | staticmethod):
            inner = decorate(function.__func__)
            return cast("F", type(function)(inner))
        return cast("F", within(open_scope, function, capture_input=capture_input, capture_output=capture_output))

    return decorate


def within(
    open_scope: Callable[[], Scope], function: Callable[..., Any], *, capture_input: bool, capture_output: bool
) -> Callable[..., Any]:
    """``function`` with each of its calls inside a scope of its own, and otherwise as it was."""
    import inspect  # 4 ms: as long as a tenth of this whole package, so with the first function, not with the import

    is_method = next(iter(_parameters(function)), "") in {"self", "cls"}

    def begin(args: tuple[Any, ...], kwargs: Mapping[str, Any]) -> Scope:
        scope = open_scope()
        scope.begin()
        if scope.wants_content and capture_input:
            scope.update(input={"args": args[1:] if is_method else args, "kwargs": kwargs})
        return scope

    if not callable(function):
        raise TypeError(f"{function!r} is no function")
    if inspect.isasyncgenfunction(function):
        return _async_generator(function, begin, capture_output=capture_output)
    if _is_coroutine_function(function):
        return _coroutine(function, begin, capture_output=capture_output)
    if inspect.isgeneratorfunction(function):
        return _generator(function, begin, capture_output=capture_output)
    return _plain(function, begin, capture_output=capture_output)


def _is_coroutine_function(function: Callable[..., Any]) -> bool:
    import inspect

    code = getattr(function, "__code__", None)
    is_old_style = code is not None and bool(code.co_flags & inspect.CO_ITERABLE_COROUTINE)  # @types.coroutine
    return (
        is_old_style
        or inspect.iscoroutinefunction(function)
        or inspect.iscoroutinefunction(getattr(type(function), "__call__", None))  # noqa: B004 - an object with an async one
    )


Begin = Callable[[tuple[Any, ...], Mapping[str, Any]], Scope]


def _plain(function: Callable[..., Any], begin: Begin, *, capture_output: bool) -> Callable[..., Any]:
    @functools.wraps(function)
    def run(*args: Any, **kwargs: Any) -> Any:
        scope = begin(args, kwargs)
        scope.activate()
        try:
            result = function(*args, **kwargs)
        except BaseException as error:
            scope.deactivate()
            scope.finish(error)
            raise
        scope.deactivate()
        if isinstance(result, CoroutineType):  # of a lambda or a partial: the run is what it will do
            return _awaited(scope, result, capture_output=capture_output)
        if capture_output and scope.wants_content:
            scope.update(output=result)
        scope.finish()
        return result

    return run


def _coroutine(function: Callable[..., Any], begin: Begin, *, capture_output: bool) -> Callable[..., Any]:
    @functools.wraps(function)
    async def run(*args: Any, **kwargs: Any) -> Any:
        scope = begin(args, kwargs)
        return await _awaited(scope, function(*args, **kwargs), capture_output=capture_output)

    return run


async def _awaited(scope: Scope, awaitable: Awaitable[Any], *, capture_output: bool) -> Any:
    scope.activate()
    try:
        result = await awaitable
    except BaseException as error:
        scope.deactivate()
        scope.finish(error)
        raise
    scope.deactivate()
    if capture_output and scope.wants_content:
        scope.update(output=result)
    scope.finish()
    return result


def _generator(function: Callable[..., Any], begin: Begin, *, capture_output: bool) -> Callable[..., Any]:
    @functools.wraps(function)
    def run(*args: Any, **kwargs: Any) -> Generator[Any, Any, Any]:
        inner = function(*args, **kwargs)  # raises for wrong arguments, before there is a run
        scope = begin(args, kwargs)
        activate, deactivate = scope.activate, scope.deactivate
        said = _Said() if capture_output and scope.wants_content else None
        step, value = inner.send, None
        try:
            while True:
                # The caller's context is its own while the generator is suspended.
                activate()
                try:
                    item = step(value)
                finally:
                    deactivate()
                if said is not None:
                    said.add(item)
                try:
                    value = yield item
                    step = inner.send
                except GeneratorExit:
                    activate()
                    try:
                        inner.close()
                    finally:
                        deactivate()
                    raise
                except BaseException as thrown:  # noqa: BLE001 - it goes into the generator
                    step, value = inner.throw, thrown
        except StopIteration as stop:
            _end(scope, said, None, stop.value)
            return stop.value
        except BaseException as error:
            _end(scope, said, error)
            raise

    return run


def _async_generator(function: Callable[..., Any], begin: Begin, *, capture_output: bool) -> Callable[..., Any]:
    @functools.wraps(function)
    async def run(*args: Any, **kwargs: Any) -> AsyncGenerator[Any, Any]:
        inner = function(*args, **kwargs)  # raises for wrong arguments, before there is a run
        scope = begin(args, kwargs)
        activate, deactivate = scope.activate, scope.deactivate
        said = _Said() if capture_output and scope.wants_content else None
        step: Callable[[Any], Awaitable[Any]] = functools.partial(_first, inner)
        value: Any = None
        try:
            while True:
                # Entered and left in one step of one task: the context may be another one at the next.
                activate()
                try:
                    item = await step(value)
                finally:
                    deactivate()
                if said is not None:
                    said.add(item)
                try:
                    value = yield item
                    step = inner.asend
                except GeneratorExit:
                    activate()
                    try:
                        await inner.aclose()
                    finally:
                        deactivate()
                    raise
                except BaseException as thrown:  # noqa: BLE001 - it goes into the generator
                    step, value = inner.athrow, thrown
        except StopAsyncIteration:
            _end(scope, said, None)
        except BaseException as error:
            _end(scope, said, error)
            raise

    return run


def _first(inner: AsyncGenerator[Any, Any], value: Any) -> Awaitable[Any]:
    """Start it unknown to the event loop, which closes at its end what it knows: it knows the generator around it,
    and that one closes this one. Both at once would meet."""
    hooks = sys.get_asyncgen_hooks()
    sys.set_asyncgen_hooks(None, None)
    try:
        return inner.asend(value)
    finally:
        sys.set_asyncgen_hooks(*hooks)


class _Said:
    """What a generator gave, as it was when it gave it, up to what a trace may hold."""

    def __init__(self) -> None:
        self._items: list[str] = []
        self._is_text = True
        self._room = MAX_CONTENT

    def add(self, item: Any) -> None:
        """One item."""
        if self._room <= 0:
            return
        kind = type(item)
        if kind is not str:
            self._is_text = False
            item = repr(item) if kind is int or kind is float else as_text(item) or "null"
        self._room -= len(item) + 1
        self._items.append(item)

    def as_output(self, returned: Any) -> Any:
        """One text if it gave text, as streams of an answer do; else a list."""
        output: Any = "".join(self._items) if self._is_text else self._items
        return output if returned is None else {"yielded": output, "returned": returned}


def _end(scope: Scope, said: _Said | None, error: BaseException | None, returned: Any = None) -> None:
    if said is not None:
        scope.update(output=said.as_output(returned))
    scope.finish(error)


def _parameters(function: Callable[..., Any]) -> Sequence[str]:
    import inspect

    try:
        return list(inspect.signature(function).parameters)
    except (TypeError, ValueError):  # some callables written in C have none
        return ()
