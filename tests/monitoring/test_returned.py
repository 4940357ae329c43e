"""A run goes on in what its function returns; odd things are decorated as they are, or refused with a sentence."""

from __future__ import annotations

import asyncio
import functools
import gc
import inspect
import pickle
import time
from collections.abc import AsyncIterator, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import suppress
from typing import Any
from unittest.mock import MagicMock

import anyio
import pytest
from fastapi import Depends, FastAPI
from fastapi.responses import StreamingResponse
from fastapi.testclient import TestClient

from slo_engine.monitoring import current_run, monitor_agent, monitor_tool
from slo_engine.monitoring.streams import settle_abandoned
from tests.monitoring.world import World


def decorated(world: World, function: Any) -> Any:
    return monitor_agent("agent", metrics=world.metrics, tracing=world.tracing)(function)


def work() -> None:
    run = current_run()
    assert run is not None
    run.record_tool_call("search")


def items() -> Iterator[str]:
    yield "a"
    work()
    raise ValueError("bad end")


async def items_later() -> AsyncIterator[str]:
    yield "a"
    await asyncio.sleep(0.01)
    work()
    raise ValueError("bad end")


async def task() -> None:
    await asyncio.sleep(0.01)
    work()
    raise ValueError("bad end")


async def read(source: Any) -> None:
    if inspect.isawaitable(source):
        source = await source
    if source is not None:
        async for _ in source:
            pass


async def handler() -> AsyncIterator[str]:
    return items_later()


RETURNING: dict[str, Any] = {
    "a coroutine that returns an async generator": handler,
    "a function that returns an async generator": lambda: items_later(),
    "a function that returns a task": lambda: asyncio.ensure_future(task()),
    "a function that returns a coroutine": lambda: task(),
}


@pytest.mark.parametrize("kind", RETURNING)
def test_a_run_ends_with_what_its_function_returned(kind: str) -> None:
    world = World()

    async def main() -> None:
        with pytest.raises(ValueError, match="bad end"):
            await read(decorated(world, RETURNING[kind])())

    asyncio.run(main())
    assert world.runs("error") == 1
    assert world.runs("success") == 0
    assert (world.value("agent_request_duration_seconds_sum", agent_type="agent") or 0) > 0.009
    assert world.value("agent_tool_call_count_sum", agent_type="agent") == 1
    assert world.is_clean()


def test_a_generator_that_a_function_returns_is_a_generator_and_its_run() -> None:
    world = World(traced=True)
    found = decorated(world, lambda: items())()
    assert inspect.isgenerator(found)
    assert world.value("active_agent_runs", agent_type="agent") == 1
    with pytest.raises(ValueError, match="bad end"):
        list(found)
    assert world.runs("error") == 1
    assert world.trace.steps[0].output == "a"
    assert world.is_clean()


def test_what_is_returned_and_never_read_ends_its_run() -> None:
    world = World()
    decorated(world, lambda: items())()
    settle_abandoned()
    assert world.runs("success") == 1
    assert world.value("active_agent_runs", agent_type="agent") == 0


def test_a_future_of_an_executor_is_the_run_of_who_returned_it() -> None:
    world = World()
    with ThreadPoolExecutor(1) as threads:

        def submit() -> Future[int]:
            return threads.submit(lambda: 1 // 0)

        with suppress(ZeroDivisionError):
            decorated(world, submit)().result()
    assert world.runs("error") == 1


def test_a_task_whose_exception_nobody_asks_for_is_still_told_of_by_asyncio() -> None:
    world = World()
    told: list[Any] = []

    async def main() -> None:
        asyncio.get_running_loop().set_exception_handler(lambda _, context: told.append(context["message"]))
        decorated(world, lambda: asyncio.ensure_future(task()))()
        await asyncio.sleep(0.05)

    asyncio.run(main())
    assert world.runs("error") == 1
    assert told == ["Task exception was never retrieved"]


@pytest.mark.parametrize("is_async", [True, False])
def test_a_streaming_response_is_the_run_of_its_endpoint(is_async: bool) -> None:
    world = World(traced=True)
    app = FastAPI()

    async def pieces_later() -> AsyncIterator[str]:
        yield "a"
        work()
        yield "b"

    def pieces() -> Iterator[str]:
        yield "a"
        work()
        yield "b"

    @app.get("/")
    @monitor_agent("agent", metrics=world.metrics, tracing=world.tracing)
    async def endpoint() -> StreamingResponse:
        return StreamingResponse(pieces_later() if is_async else pieces())

    with TestClient(app) as client:
        assert client.get("/").text == "ab"
    assert world.runs("success") == 1
    assert [step.name for step in world.trace.steps] == ["agent", "search"]


# What is decorated.


def numbers(first: int) -> Iterator[int]:
    yield first


async def numbers_later(first: int) -> AsyncIterator[int]:
    yield first


@pytest.mark.parametrize("function", [numbers, numbers_later])
def test_wrong_arguments_of_a_generator_raise_at_the_call(function: Any) -> None:
    world = World()
    monitored = decorated(world, function)
    with pytest.raises(TypeError, match="takes 1 positional argument but 3 were given"):
        monitored(1, 2, 3)
    assert world.value("active_agent_runs", agent_type="agent") == 0


def test_a_generator_function_stays_one() -> None:
    world = World()
    monitored, later = decorated(world, numbers), decorated(world, numbers_later)
    assert inspect.isgeneratorfunction(monitored)
    assert inspect.isasyncgenfunction(later)
    assert inspect.signature(monitored) == inspect.signature(numbers)
    assert (monitored.__name__, monitored.__doc__, monitored.__module__) == ("numbers", None, __name__)

    class Agent:
        @monitor_agent("agent", metrics=world.metrics)
        def method(self, first: int) -> Iterator[int]:
            yield first

    assert list(Agent().method(3)) == [3]
    assert inspect.isgeneratorfunction(Agent().method)
    assert world.runs("success") == 1


@monitor_tool("pickled")
def pickled(first: int) -> Iterator[int]:
    yield first


def test_a_decorated_generator_function_is_pickled_by_its_name() -> None:
    assert pickle.loads(pickle.dumps(pickled)) is pickled


def test_fastapi_knows_a_decorated_dependency_for_what_it_is() -> None:
    world = World()
    app = FastAPI()

    @monitor_agent("agent", metrics=world.metrics)
    async def dependency() -> AsyncIterator[int]:
        yield 7

    @app.get("/")
    async def endpoint(found: int = Depends(dependency)) -> int:
        return found

    with TestClient(app) as client:
        assert client.get("/").json() == 7
    assert world.runs("success") == 1


def test_a_class_is_refused_with_a_sentence() -> None:
    with pytest.raises(TypeError, match="Agent is a class: decorate the method that does the work"):

        @monitor_agent("agent")
        class Agent:
            """Has no runs."""


def test_partial_methods_and_cached_properties_stay_what_they_are() -> None:
    world = World()

    class Agent:
        def add(self, one: int, other: int) -> int:
            return one + other

        add_five = decorated(world, functools.partialmethod(add, 5))

        @functools.cached_property
        def plain(self) -> int:
            return 1

        cached = decorated(world, functools.cached_property(lambda _: 42))

    agent = Agent()
    assert agent.add_five(3) == 8
    assert (agent.cached, agent.cached) == (42, 42)
    assert world.runs("success") == 2


def test_a_cache_keeps_what_it_says_of_itself() -> None:
    monitored = decorated(World(), functools.lru_cache(lambda x: x))
    monitored(1)
    assert monitored.cache_info().misses == 1


# How runs end.


@pytest.mark.parametrize("backend_name", ["asyncio", "trio"])
def test_a_cancellation_is_one_whoever_cancels(backend_name: str) -> None:
    world = World()

    async def main() -> None:
        with anyio.move_on_after(0.02):
            async with world.run():
                await anyio.sleep(5)

    anyio.run(main, backend=backend_name)
    assert world.runs("cancelled") == 1
    assert world.value("agent_errors_total", agent_type="agent", error_category="cancelled") == 1


@pytest.mark.parametrize("name", ["TimeoutError", "ConnectTimeout", "TimeoutExpired", "QueryTimeoutException"])
def test_a_timeout_of_any_librarys_own_class_is_one(name: str) -> None:
    world = World()
    kind = type(name, (Exception,), {"__module__": "redis.exceptions"})
    with suppress(Exception), world.run():
        raise kind("slow")
    assert world.runs("timeout") == 1
    assert world.value("agent_errors_total", agent_type="agent", error_category="timeout") == 1


def test_an_error_that_comes_to_light_after_the_run_brings_its_trace_back() -> None:
    world = World(traced=True, sample_rate=0.0)
    with world.run() as run:
        run.record_llm_call("m", input_tokens=1, output_tokens=1, input="q")
    assert world.kept.traces == []
    run.count_error("validation")
    assert world.trace.hex == run.trace_id
    assert [step.name for step in world.trace.steps] == ["agent", "m"]
    run.count_error("validation")
    assert len(world.kept.traces) == 1


def test_a_tool_that_fails_after_the_run_brings_its_trace_back() -> None:
    world = World(traced=True, sample_rate=0.0)
    with world.run() as run:
        tool = run.tool("search")
        tool.begin()
    tool.finish(ValueError("late"))
    assert [step.name for step in world.trace.steps] == ["agent", "search"]


class Raising:
    """Raises whatever it is asked for."""

    def __getattr__(self, name: str) -> Any:
        raise RuntimeError(name)


class ReadOnly:
    """Looks like a response."""

    @property
    def body_iterator(self) -> Any:
        return items_later()


class OddFuture:
    """Looks like a future, and is none."""

    def add_done_callback(self, callback: Any) -> None:
        raise RuntimeError("no")

    cancelled = exception = result = add_done_callback


@pytest.mark.parametrize("kind", [Raising, ReadOnly, OddFuture, MagicMock])
def test_a_result_however_odd_is_returned_and_ends_its_run(kind: Any) -> None:
    world = World()
    result = kind()
    assert decorated(world, lambda: result)() is result
    assert world.runs("success") == 1
    assert world.value("active_agent_runs", agent_type="agent") == 0


def test_a_generator_that_the_collector_finds_takes_no_lock_that_is_held() -> None:
    world = World()

    def agent() -> Iterator[int]:
        yield 1

    generator = decorated(world, agent)()
    next(generator)
    cycle: Any = [generator]
    cycle.append(cycle)
    del generator, cycle
    counter: Any = world.metrics.agents["agent"].requests["success"]._counter
    with counter._value._lock:
        gc.collect()
    assert world.runs("success") == 0
    settle_abandoned()
    assert world.runs("success") == 1
    assert (world.value("agent_request_duration_seconds_sum", agent_type="agent") or 0) < 5


def test_what_was_abandoned_lasted_until_then_and_not_until_it_is_counted() -> None:
    world = World()
    decorated(world, lambda: items())()
    time.sleep(0.2)
    settle_abandoned()
    assert (world.value("agent_request_duration_seconds_sum", agent_type="agent") or 0) < 0.1


def test_a_run_that_is_begun_again_counts_anew() -> None:
    world = World()
    run = world.run()
    for _ in range(2):
        with run:
            run.record_tool_call("search")
            run.record_llm_call("m", input_tokens=1, output_tokens=1, cost_usd=0.25)
    assert world.value("agent_tool_call_count_sum", agent_type="agent") == 2
    assert world.value("agent_cost_per_request_usd_sum", agent_type="agent", model="m") == 0.5


def test_an_error_of_a_run_inside_of_another_brings_the_trace_back() -> None:
    world = World(traced=True, sample_rate=0.0)
    with world.run("outer"), world.run("inner") as inner:
        pass
    inner.count_error("validation")
    assert world.trace.agent_type == "outer"
