"""Functions of every kind inside a scope: plain, coroutine, generator and async generator functions."""

from __future__ import annotations

import functools
import inspect
from collections.abc import AsyncGenerator, Callable, Generator, Mapping, Sequence
from typing import TYPE_CHECKING, Any, Final, TypeVar, cast

from slo_engine.monitoring.calls import ToolCall
from slo_engine.monitoring.defaults import default_metrics, default_prices, default_tracing
from slo_engine.monitoring.metrics import AgentMetrics
from slo_engine.monitoring.run import AgentMonitor
from slo_engine.monitoring.scope import Scope
from slo_engine.monitoring.tracing import Tracing

if TYPE_CHECKING:
    from slo_engine.monitoring.prices import Prices

F = TypeVar("F", bound=Callable[..., Any])

_ITEMS_KEPT: Final = 1000
"""Items of a generator that become its output in the trace."""


def monitor_agent(
    agent_type: str,
    *,
    tools: Sequence[str] = (),
    models: Sequence[str] = (),
    capture_input: bool = True,
    capture_output: bool = True,
    metrics: AgentMetrics | None = None,
    tracing: Tracing | None = None,
    prices: Prices | None = None,
) -> Callable[[F], F]:
    """Make every call of a function a run of ``agent_type``: plain, coroutine, generator or async generator functions,
    methods, classmethods and staticmethods (above or below those decorators).

    Signature, kind, result and exceptions stay as they are; `send`, `throw`, `close` and return values of generators
    go through. A generator's run lasts from its first item to its end; a consumer that stops early makes it a
    success. ``tools`` and ``models`` that are named here have series at 0 from the start. The ``capture_...``: whether
    arguments and results go to the trace (scrubbed). The others: see `AgentMonitor`.
    """
    # All that is slow is done here, once: the LangFuse SDK, price tables, series at 0.
    (metrics or default_metrics()).declare_agent(agent_type, tools=tools, models=models)
    if tracing is None:
        default_tracing()
    if prices is None:
        default_prices()

    def open_run() -> AgentMonitor:
        return AgentMonitor(agent_type, metrics=metrics, tracing=tracing, prices=prices)

    return _decorator(open_run, capture_input=capture_input, capture_output=capture_output)


def monitor_tool(
    tool_name: str, *, capture_input: bool = True, capture_output: bool = True, metrics: AgentMetrics | None = None
) -> Callable[[F], F]:
    """Make every call of a function a call of the tool ``tool_name``, in whichever run is current when it is called."""
    (metrics or default_metrics()).declare_tool(tool_name)

    def open_call() -> ToolCall:
        return ToolCall(tool_name, metrics=metrics)

    return _decorator(open_call, capture_input=capture_input, capture_output=capture_output)


def _decorator(open_scope: Callable[[], Scope], *, capture_input: bool, capture_output: bool) -> Callable[[F], F]:
    def decorate(function: F) -> F:
        if isinstance(function, classmethod | staticmethod):
            inner = decorate(function.__func__)
            return cast("F", type(function)(inner))
        return cast("F", within(open_scope, function, capture_input=capture_input, capture_output=capture_output))

    return decorate


def within(
    open_scope: Callable[[], Scope], function: Callable[..., Any], *, capture_input: bool, capture_output: bool
) -> Callable[..., Any]:
    """``function`` with each of its calls inside a scope of its own, and otherwise as it was."""
    is_method = next(iter(_parameters(function)), "") in {"self", "cls"}

    def begun(args: tuple[Any, ...], kwargs: Mapping[str, Any]) -> Scope:
        scope = open_scope()
        scope.begin()
        if capture_input and scope.wants_content:
            scope.update(input={"args": args[1:] if is_method else args, "kwargs": kwargs})
        return scope

    if inspect.isasyncgenfunction(function):
        return _async_generator(function, begun, capture_output=capture_output)
    if inspect.isgeneratorfunction(function):
        return _generator(function, begun, capture_output=capture_output)
    if inspect.iscoroutinefunction(function):
        return _coroutine(function, begun, capture_output=capture_output)
    return _plain(function, begun, capture_output=capture_output)


Begun = Callable[[tuple[Any, ...], Mapping[str, Any]], Scope]


def _plain(function: Callable[..., Any], begun: Begun, *, capture_output: bool) -> Callable[..., Any]:
    @functools.wraps(function)
    def run(*args: Any, **kwargs: Any) -> Any:
        scope = begun(args, kwargs)
        scope.activate()
        try:
            result = function(*args, **kwargs)
        except BaseException as error:
            scope.deactivate()
            scope.finish(error)
            raise
        scope.deactivate()
        if capture_output and scope.wants_content:
            scope.update(output=result)
        scope.finish()
        return result

    return run


def _coroutine(function: Callable[..., Any], begun: Begun, *, capture_output: bool) -> Callable[..., Any]:
    @functools.wraps(function)
    async def run(*args: Any, **kwargs: Any) -> Any:
        scope = begun(args, kwargs)
        scope.activate()
        try:
            result = await function(*args, **kwargs)
        except BaseException as error:
            scope.deactivate()
            scope.finish(error)
            raise
        scope.deactivate()
        if capture_output and scope.wants_content:
            scope.update(output=result)
        scope.finish()
        return result

    return run


def _generator(function: Callable[..., Any], begun: Begun, *, capture_output: bool) -> Callable[..., Any]:
    @functools.wraps(function)
    def run(*args: Any, **kwargs: Any) -> Generator[Any, Any, Any]:
        scope = begun(args, kwargs)
        activate, deactivate = scope.activate, scope.deactivate
        keep: list[Any] | None = [] if capture_output and scope.wants_content else None
        inner = function(*args, **kwargs)
        step, value = inner.send, None
        try:
            while True:
                # The caller's context is its own while the generator is suspended.
                activate()
                try:
                    item = step(value)
                finally:
                    deactivate()
                if keep is not None:
                    _keep(keep, item)
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
            _say(scope, keep, stop.value)
            scope.finish()
            return stop.value
        except GeneratorExit as end:
            _say(scope, keep, None)
            scope.finish(end)
            raise
        except BaseException as error:
            _say(scope, keep, None)
            scope.finish(error)
            raise

    return run


def _async_generator(function: Callable[..., Any], begun: Begun, *, capture_output: bool) -> Callable[..., Any]:
    @functools.wraps(function)
    async def run(*args: Any, **kwargs: Any) -> AsyncGenerator[Any, Any]:
        scope = begun(args, kwargs)
        activate, deactivate = scope.activate, scope.deactivate
        keep: list[Any] | None = [] if capture_output and scope.wants_content else None
        inner = function(*args, **kwargs)
        step, value = inner.asend, None
        try:
            while True:
                # Entered and left in one step of one task: the context may be another one at the next.
                activate()
                try:
                    item = await step(value)
                finally:
                    deactivate()
                if keep is not None:
                    _keep(keep, item)
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
            _say(scope, keep, None)
            scope.finish()
        except GeneratorExit as end:
            _say(scope, keep, None)
            scope.finish(end)
            raise
        except BaseException as error:
            _say(scope, keep, None)
            scope.finish(error)
            raise

    return run


def _keep(items: list[Any], item: Any) -> None:
    if len(items) < _ITEMS_KEPT:
        items.append(item)


def _say(scope: Scope, items: list[Any] | None, returned: Any) -> None:
    """What a generator gave, as the output of its trace: one text if it gave text, as streams of an answer do."""
    if items is None:
        return
    output: Any = "".join(items) if items and all(isinstance(item, str) for item in items) else items
    scope.update(output=output if returned is None else {"yielded": output, "returned": returned})


def _parameters(function: Callable[..., Any]) -> Sequence[str]:
    try:
        return list(inspect.signature(function).parameters)
    except (TypeError, ValueError):  # some callables written in C have none
        return ()
