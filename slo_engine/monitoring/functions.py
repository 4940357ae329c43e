"""Functions of every kind inside a scope: plain, coroutine, generator and async generator functions."""

from __future__ import annotations

import functools
import sys
import weakref
from collections.abc import AsyncGenerator, AsyncIterator, Awaitable, Callable, Generator, Mapping, Sequence
from functools import partial
from types import AsyncGeneratorType, CoroutineType, GeneratorType, MappingProxyType, MethodType
from typing import Any, Final, TypeVar, cast

from slo_engine.monitoring.content import MAX_CONTENT, as_text
from slo_engine.monitoring.quiet import complaints
from slo_engine.monitoring.scope import Scope
from slo_engine.monitoring.streams import abandon

F = TypeVar("F", bound=Callable[..., Any])


def decorator(open_scope: Callable[[], Scope], *, capture_input: bool, capture_output: bool) -> Callable[[F], F]:
    """What puts each call of a function inside a scope of its own."""

    def decorate(function: Any) -> Any:
        if isinstance(function, property):
            raise TypeError("this is a property: decorate the function that it is made from")
        if isinstance(function, type):
            raise TypeError(f"{function.__name__} is a class: decorate the method that does the work")
        if isinstance(function, functools.partialmethod):
            return functools.partialmethod(decorate(function.func), *function.args, **function.keywords)
        if isinstance(function, functools.cached_property):
            return functools.cached_property(decorate(function.func))
        if isinstance(function, classmethod | staticmethod):
            inner = decorate(function.__func__)
            return type(function)(inner)
        return within(open_scope, function, capture_input=capture_input, capture_output=capture_output)

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
        raise TypeError(f"{function!r} is not a function")
    if inspect.isasyncgenfunction(function):
        return _GeneratorFunction(function, partial(_async_items, begin=begin, capture_output=capture_output))
    if _is_coroutine_function(function):
        return _coroutine(function, begin, capture_output=capture_output)
    if inspect.isgeneratorfunction(function):
        return _GeneratorFunction(function, partial(_items, begin=begin, capture_output=capture_output))
    run = _plain(function, begin, capture_output=capture_output)
    for name in ("cache_info", "cache_clear", "cache_parameters"):  # of an lru_cache
        if hasattr(function, name):
            setattr(run, name, getattr(function, name))
    return run


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
        return _returned(scope, result, capture_output=capture_output)

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
    return _returned(scope, result, capture_output=capture_output)


def _returned(scope: Scope, result: Any, *, capture_output: bool) -> Any:
    """What a function has returned: the end, unless it is something that is still to be done."""
    kind = type(result)
    if kind not in _DONE:
        try:
            goes_on = _going_on(scope, result, kind, capture_output=capture_output)
        except Exception as error:  # noqa: BLE001 - an object of the agent's own, which may raise when it is looked at
            complaints.warn(f"what a {kind.__name__} goes on in cannot be seen ({type(error).__name__})")
            goes_on = None
        if goes_on is not None:
            return goes_on
    if capture_output and scope.wants_content:
        scope.update(output=result)
    scope.finish()
    return result


_DONE: Final = frozenset({str, type(None), dict, list, tuple, bool, int, float, bytes})


def _going_on(scope: Scope, result: Any, kind: type, *, capture_output: bool) -> Any:
    """What was returned, if the run goes on in it: it ends with that. None: it does not."""
    if kind is CoroutineType:  # of a lambda or a partial
        return _awaited(scope, result, capture_output=capture_output)
    if kind is GeneratorType:
        return _followed(scope, _items(result, scope, capture_output=capture_output))
    if kind is AsyncGeneratorType:
        return _followed(scope, _async_items(result, scope, capture_output=capture_output))
    if all(callable(getattr(kind, name, None)) for name in _FUTURE):  # a task, or a future of asyncio or an executor
        result.add_done_callback(partial(_end_with, scope, capture_output))
        return result
    # In its own __dict__: a lazy object would be made by asking it.
    body: Any = _own(result).get("body_iterator")
    if hasattr(type(body), "__anext__"):  # a StreamingResponse of Starlette or FastAPI
        items = body if isinstance(body, AsyncGeneratorType) else _generated(body)
        result.body_iterator = _followed(scope, _async_items(items, scope, capture_output=capture_output))
        return result
    return None


_FUTURE: Final = ("add_done_callback", "cancelled", "exception", "result")


def _own(result: Any) -> Mapping[str, Any]:
    try:
        found = object.__getattribute__(result, "__dict__")
    except AttributeError:
        return {}
    return found if type(found) is dict else {}


def _followed(scope: Scope, items: Any) -> Any:
    # One that is dropped before its first item never runs, and could not end its run.
    weakref.finalize(items, abandon, scope).atexit = False
    return items


async def _generated(items: AsyncIterator[Any]) -> AsyncGenerator[Any, None]:
    async for item in items:
        yield item


def _end_with(scope: Scope, capture_output: bool, future: Any) -> None:
    """A future is done."""
    error: BaseException | None = None
    try:
        if future.cancelled():
            import asyncio

            error = asyncio.CancelledError()
        else:
            # Asking asyncio's by its method would take away its warning of an exception that nobody has asked for.
            error = future._exception if hasattr(future, "_exception") else future.exception()
            if error is None and capture_output and scope.wants_content:
                scope.update(output=future.result())
    except Exception as failure:  # noqa: BLE001 - a future of somebody's own
        complaints.warn(f"how a future ended cannot be seen ({type(failure).__name__})")
    scope.finish(error)


class _GeneratorFunction:
    """A generator function, or an async one, each call of which is inside a scope. As `inspect` sees it, it is of the
    kind of the function in it; but what a generator function would do with its first item is done at the call: wrong
    arguments raise there, as they do without us."""

    def __init__(self, function: Callable[..., Any], items: Callable[..., Any]) -> None:
        functools.update_wrapper(self, function)
        for name in ("__code__", "__defaults__", "__kwdefaults__"):  # what makes it a function for `inspect`
            setattr(self, name, getattr(_innermost(function), name, None))
        self._function = function
        self._items = items

    def __call__(self, *args: Any, **kwargs: Any) -> Any:
        return self._items(self._function(*args, **kwargs), args=args, kwargs=kwargs)

    def __get__(self, owner: Any, kind: type | None = None) -> Any:
        return self if owner is None else MethodType(self, owner)

    def __reduce__(self) -> str:
        return cast("str", self.__qualname__)  # type: ignore[attr-defined]  # of update_wrapper

    def __repr__(self) -> str:
        return repr(self._function)


def _innermost(function: Any) -> Any:
    while isinstance(function, functools.partial):
        function = function.func
    return function


def _items(
    inner: Generator[Any, Any, Any],
    scope: Scope | None = None,
    *,
    begin: Begin | None = None,
    args: tuple[Any, ...] = (),
    kwargs: Mapping[str, Any] = MappingProxyType({}),
    capture_output: bool,
) -> Generator[Any, Any, Any]:
    """What a generator gives, each step of it inside of ``scope``; or of one that begins with the first."""
    if scope is None:
        assert begin is not None
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


async def _async_items(
    inner: AsyncGenerator[Any, Any],
    scope: Scope | None = None,
    *,
    begin: Begin | None = None,
    args: tuple[Any, ...] = (),
    kwargs: Mapping[str, Any] = MappingProxyType({}),
    capture_output: bool,
) -> AsyncGenerator[Any, Any]:
    """As `_items`, of an async generator."""
    if scope is None:
        assert begin is not None
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
