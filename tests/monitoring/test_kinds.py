"""Every kind of function x every way to end: metrics, trace, context, signature, and what the caller sees."""

from __future__ import annotations

import asyncio
import inspect
from collections.abc import AsyncGenerator, Callable, Coroutine, Generator
from contextlib import asynccontextmanager
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from slo_engine.monitoring import current_run, monitor_agent, monitor_tool
from tests.monitoring.world import World


class BoomError(Exception):
    """An error of the agent's own."""


def behave(how: str) -> str:
    """What the functions below do at their end."""
    assert current_run() is not None, "the run is not current inside the function"
    match how:
        case "return":
            return "answer"
        case "raise":
            raise BoomError("broken")
        case "timeout":
            raise TimeoutError("too slow")
        case "exit":
            raise SystemExit(3)
        case "exit 0":
            raise SystemExit(0)
        case "interrupt":
            raise KeyboardInterrupt
        case "cancel":
            raise asyncio.CancelledError
    raise AssertionError(how)


def plain(how: str, *, extra: int = 0) -> str:
    """Plain doc."""
    return behave(how)


async def coroutine(how: str, *, extra: int = 0) -> str:
    """Coroutine doc."""
    await asyncio.sleep(0)
    return behave(how)


def generator(how: str, *, extra: int = 0) -> Generator[str, str, str]:
    """Generator doc."""
    try:
        got = yield "first"
    except BoomError:
        assert current_run() is not None
        got = "caught"
    assert current_run() is not None
    yield f"second {got}"
    return behave(how)


async def async_generator(how: str, *, extra: int = 0) -> AsyncGenerator[str, str]:
    """Async generator doc."""
    await asyncio.sleep(0)
    try:
        got = yield "first"
    except BoomError:
        assert current_run() is not None
        got = "caught"
    assert current_run() is not None
    yield f"second {got}"
    behave(how)


class Service:
    """Methods of every sort."""

    def method(self, how: str) -> str:
        return behave(how)

    @classmethod
    def class_method(cls, how: str) -> str:
        assert cls is Service
        return behave(how)

    @staticmethod
    def static_method(how: str) -> str:
        return behave(how)


def call_plain(function: Callable[..., Any], how: str) -> Any:
    return function(how)


def call_coroutine(function: Callable[..., Any], how: str) -> Any:
    async def main() -> Any:
        return await function(how)

    return asyncio.run(main())


def call_generator(function: Callable[..., Any], how: str) -> Any:
    iterator = function(how)
    while True:
        try:
            next(iterator)
        except StopIteration as stop:
            return stop.value
        assert current_run() is None, "the run leaked into its consumer"


def call_async_generator(function: Callable[..., Any], how: str) -> Any:
    async def main() -> None:
        async for _ in function(how):
            assert current_run() is None, "the run leaked into its consumer"

    asyncio.run(main())
    return "answer"


KINDS: dict[str, tuple[Callable[..., Any], Callable[..., Any]]] = {
    "plain": (plain, call_plain),
    "coroutine": (coroutine, call_coroutine),
    "generator": (generator, call_generator),
    "async generator": (async_generator, call_async_generator),
}
ENDINGS: dict[str, tuple[type[BaseException] | None, str, str | None]] = {
    # how -> (what the caller sees, status, error category)
    "return": (None, "success", None),
    "raise": (BoomError, "error", "internal"),
    "timeout": (TimeoutError, "timeout", "timeout"),
    "exit": (SystemExit, "exit", "cancelled"),
    "exit 0": (SystemExit, "success", None),
    "interrupt": (KeyboardInterrupt, "cancelled", "cancelled"),
    "cancel": (asyncio.CancelledError, "cancelled", "cancelled"),
}


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("how", ENDINGS)
def test_a_run_of_any_kind_that_ends_in_any_way_is_counted_and_traced_once(kind: str, how: str) -> None:
    function, call = KINDS[kind]
    seen, status, category = ENDINGS[how]
    world = World(traced=True)
    decorated = monitor_agent("agent", metrics=world.metrics, tracing=world.tracing)(function)
    if seen is None:
        assert call(decorated, how) == "answer"
    else:
        with pytest.raises(seen) as caught:
            call(decorated, how)
        if how.startswith("exit"):
            assert isinstance(caught.value, SystemExit)
            assert caught.value.code == (0 if how == "exit 0" else 3)
    assert {each: world.runs(each) for each in ("success", "error", "timeout", "cancelled", "exit")} == {
        each: float(each == status) for each in ("success", "error", "timeout", "cancelled", "exit")
    }
    errors = {
        name: world.value("agent_errors_total", agent_type="agent", error_category=name)
        for name in ("internal", "timeout", "cancelled")
    }
    assert errors == {name: float(name == category) for name in errors}
    assert world.value("agent_request_duration_seconds_count", agent_type="agent") == 1
    (root,) = world.trace.steps
    assert root.end_ns >= root.start_ns
    assert root.failed == (category is not None)
    assert world.is_clean()


@pytest.mark.parametrize("kind", KINDS)
def test_a_decorated_function_is_still_of_its_kind(kind: str) -> None:
    function, _ = KINDS[kind]
    decorated = monitor_agent("agent", metrics=World().metrics)(function)
    for asks in (inspect.iscoroutinefunction, inspect.isgeneratorfunction, inspect.isasyncgenfunction):
        assert asks(decorated) == asks(function)
    assert inspect.signature(decorated) == inspect.signature(function)
    assert (decorated.__name__, decorated.__qualname__, decorated.__doc__, decorated.__module__) == (
        function.__name__,
        function.__qualname__,
        function.__doc__,
        function.__module__,
    )


@pytest.mark.parametrize("name", ["method", "class_method", "static_method"])
@pytest.mark.parametrize("is_outside", [True, False])
def test_methods_of_every_sort_may_be_decorated_above_or_below(name: str, is_outside: bool) -> None:
    world = World(traced=True)
    decorate = monitor_agent("agent", metrics=world.metrics, tracing=world.tracing)
    raw = inspect.getattr_static(Service, name)
    if is_outside or not isinstance(raw, classmethod | staticmethod):
        attribute: Any = decorate(raw)
    else:
        attribute = type(raw)(decorate(raw.__func__))
    changed = type("Service", (Service,), {name: attribute})
    if name == "class_method":
        changed = Service  # the assertion in it wants the class itself
        original = raw
        setattr(Service, name, attribute)
        try:
            assert Service().class_method("return") == "answer"
        finally:
            setattr(Service, name, original)
    else:
        assert getattr(changed(), name)("return") == "answer"
    assert world.runs("success") == 1
    assert world.trace.steps[0].input == '{"args": ["return"], "kwargs": {}}'
    assert world.trace.steps[0].output == "answer"


def test_send_throw_and_the_return_value_of_a_generator_go_through() -> None:
    world = World(traced=True)
    run = monitor_agent("agent", metrics=world.metrics, tracing=world.tracing)(generator)("return")
    assert next(run) == "first"
    assert run.send("hello") == "second hello"
    with pytest.raises(StopIteration) as stop:
        next(run)
    assert stop.value.value == "answer"
    thrown = monitor_agent("agent", metrics=world.metrics, tracing=world.tracing)(generator)("return")
    next(thrown)
    assert thrown.throw(BoomError()) == "second caught"
    thrown.close()
    assert world.runs("success") == 2
    assert world.is_clean()


def test_asend_athrow_and_aclose_of_an_async_generator_go_through() -> None:
    world = World(traced=True)
    decorated = monitor_agent("agent", metrics=world.metrics, tracing=world.tracing)(async_generator)

    async def main() -> None:
        run = decorated("return")
        assert await anext(run) == "first"
        assert await run.asend("hello") == "second hello"
        with pytest.raises(StopAsyncIteration):
            await anext(run)
        thrown = decorated("return")
        await anext(thrown)
        assert await thrown.athrow(BoomError()) == "second caught"
        await thrown.aclose()

    asyncio.run(main())
    assert world.runs("success") == 2
    assert world.is_clean()


@pytest.mark.parametrize("error", [BoomError("thrown"), TimeoutError("thrown")])
def test_what_is_thrown_into_a_generator_and_not_caught_ends_its_run(error: Exception) -> None:
    world = World(traced=True)

    def passes() -> Generator[int, None, None]:
        yield 1

    run = monitor_agent("agent", metrics=world.metrics, tracing=world.tracing)(passes)()
    next(run)
    with pytest.raises(type(error)) as caught:
        run.throw(error)
    assert caught.value is error
    assert world.runs("timeout" if isinstance(error, TimeoutError) else "error") == 1
    assert world.trace.failed


def test_a_consumer_that_stops_early_makes_a_success_and_the_generator_cleans_up() -> None:
    world = World(traced=True)
    cleaned: list[str] = []

    def tokens() -> Generator[int, None, None]:
        try:
            yield from range(1_000_000)
        finally:
            assert current_run() is not None
            cleaned.append("sync")

    async def async_tokens() -> AsyncGenerator[int, None]:
        try:
            for number in range(1_000_000):
                yield number
        finally:
            assert current_run() is not None
            cleaned.append("async")

    decorate = monitor_agent("agent", metrics=world.metrics, tracing=world.tracing)
    for item in decorate(tokens)():
        if item == 3:
            break

    async def main() -> None:
        stream = decorate(async_tokens)()
        async for number in stream:
            if number == 3:
                break
        await stream.aclose()

    asyncio.run(main())
    assert cleaned == ["sync", "async"]
    assert world.runs("success") == 2
    assert not any(trace.failed for trace in world.kept.traces)
    assert world.is_clean()


def test_an_async_generator_that_the_loop_closes_leaks_nothing() -> None:
    world = World(traced=True)

    async def tokens() -> AsyncGenerator[int, None]:
        while True:
            yield 1

    decorated = monitor_agent("agent", metrics=world.metrics, tracing=world.tracing)(tokens)

    async def main() -> None:
        stream = decorated()
        await anext(stream)
        assert current_run() is None
        del stream  # finalized by the loop, in another task and context
        for _ in range(3):
            await asyncio.sleep(0)

    asyncio.run(main())
    assert world.runs("success") == 1
    assert world.is_clean()


async def leave(stream: AsyncGenerator[int, None], pause: float | None = None) -> None:
    """Read one item of a stream, and drop it."""
    async for _ in stream:
        break
    del stream
    if pause is not None:
        await asyncio.sleep(pause)


def test_a_stream_that_is_left_as_the_loop_ends_was_left_and_not_cancelled() -> None:
    world = World(traced=True)
    seen: list[type[BaseException]] = []

    async def tokens() -> AsyncGenerator[int, None]:
        try:
            while True:
                await asyncio.sleep(0)
                yield 1
        except BaseException as error:
            seen.append(type(error))
            raise

    async def with_calls() -> AsyncGenerator[int, None]:
        run = current_run()
        assert run is not None
        with run.tool("search"), run.llm_call("m"):
            async for token in tokens():
                yield token

    async def by_hand() -> AsyncGenerator[int, None]:
        async with world.run():
            async for token in tokens():
                yield token

    decorate = monitor_agent("agent", metrics=world.metrics, tracing=world.tracing)
    for stream in (
        decorate(tokens),
        decorate(with_calls),
        by_hand,
        monitor_tool("fetch", metrics=world.metrics)(tokens),
    ):
        asyncio.run(leave(stream()))
    assert asyncio.CancelledError in seen, "asyncio has told it by GeneratorExit alone: this test shows nothing"
    assert (world.runs("success"), world.runs("cancelled")) == (3, 0)
    for name in ("search", "fetch"):
        assert world.value("agent_tool_calls_total", tool_name=name, status="success") == 1
    assert world.value("llm_unpriced_calls_total", model="m") == 1  # as of any stream that is left early
    assert not any(trace.failed for trace in world.kept.traces)
    assert world.is_clean()


def test_a_stream_whose_cleanup_is_cut_off_by_the_end_of_the_loop_was_left() -> None:
    world = World(traced=True)

    async def tokens() -> AsyncGenerator[int, None]:
        try:
            while True:
                yield 1
        finally:
            await asyncio.sleep(60)

    decorated = monitor_agent("agent", metrics=world.metrics, tracing=world.tracing)(tokens)
    asyncio.run(leave(decorated(), pause=0.001))
    assert (world.runs("success"), world.runs("cancelled")) == (1, 0)
    assert world.is_clean()


def test_what_is_cancelled_around_a_stream_stays_cancelled() -> None:
    world = World(traced=True)
    decorate = monitor_agent("agent", metrics=world.metrics, tracing=world.tracing)

    async def slow() -> AsyncGenerator[int, None]:
        yield 1
        await asyncio.sleep(60)

    async def reads() -> None:
        async for _ in decorate(slow)():
            pass

    async def works() -> None:
        async with asynccontextmanager(decorate(slow))():
            await asyncio.sleep(60)

    async def main(consumer: Callable[[], Coroutine[Any, Any, None]]) -> None:
        task = asyncio.create_task(consumer())
        await asyncio.sleep(0.001)
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task

    asyncio.run(main(reads))
    asyncio.run(main(works))
    assert (world.runs("success"), world.runs("cancelled")) == (0, 2)

    async def calls_an_agent_at_its_end() -> AsyncGenerator[int, None]:
        try:
            yield 1
        finally:
            await decorate(asyncio.sleep)(60)

    asyncio.run(leave(calls_an_agent_at_its_end(), pause=0.001))
    assert (world.runs("success"), world.runs("cancelled")) == (0, 3)
    assert world.is_clean()


def test_a_run_cut_off_by_a_real_cancellation_and_a_real_timeout() -> None:
    world = World(traced=True)

    async def slow() -> None:
        await asyncio.sleep(60)

    decorated = monitor_agent("agent", metrics=world.metrics, tracing=world.tracing)(slow)

    async def main() -> None:
        task = asyncio.create_task(decorated())
        await asyncio.sleep(0)
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task

        async def with_a_limit() -> None:
            async with asyncio.timeout(0.001):
                await asyncio.sleep(60)

        limited = monitor_agent("agent", metrics=world.metrics, tracing=world.tracing)(with_a_limit)
        with pytest.raises(TimeoutError):
            await limited()

        # Around the run: it sees a cancellation, and cannot know why.
        with pytest.raises(TimeoutError):
            async with asyncio.timeout(0.001):
                await decorated()
        with pytest.raises(TimeoutError):
            await asyncio.wait_for(decorated(), 0.001)

    asyncio.run(main())
    assert world.runs("cancelled") == 3
    assert world.runs("timeout") == 1
    assert world.is_clean()


def test_a_generator_that_was_never_started_is_no_run() -> None:
    world = World()
    monitor_agent("agent", metrics=world.metrics)(generator)("return").close()
    assert sum(world.runs(status) for status in ("success", "error")) == 0
    assert world.is_clean()


def test_interleaved_generators_keep_their_own_runs() -> None:
    world = World(traced=True)

    def numbered(number: int) -> Generator[Any, None, None]:
        mine = current_run()
        for _ in range(3):
            assert current_run() is mine
            yield mine, number

    decorate = monitor_agent("agent", metrics=world.metrics, tracing=world.tracing)
    first, second = decorate(numbered)(1), decorate(numbered)(2)
    for left, right in zip(first, second, strict=True):
        assert left[0] is not right[0]
        assert current_run() is None
    assert len({trace.id for trace in world.kept.traces}) == 2


@given(
    sent=st.lists(st.integers(), max_size=20),
    closes_after=st.one_of(st.none(), st.integers(min_value=0, max_value=10)),
)
def test_a_decorated_generator_answers_as_the_bare_one_does(sent: list[int], closes_after: int | None) -> None:
    def echo() -> Generator[int, int | None, int]:
        total = 0
        try:
            while True:
                got = yield total
                if got is None:
                    return total
                total += got
        except GeneratorExit:
            total = -1
            raise

    def conversation(run: Generator[int, int | None, int]) -> list[Any]:
        heard: list[Any] = [next(run)]
        for turn, number in enumerate(sent):
            if turn == closes_after:
                run.close()
            try:
                heard.append(run.send(number))
            except StopIteration as stop:
                heard.append(("stopped", stop.value))
        try:
            heard.append(run.send(None))
        except StopIteration as stop:
            heard.append(("stopped", stop.value))
        return heard

    world = World()
    assert conversation(monitor_agent("agent", metrics=world.metrics)(echo)()) == conversation(echo())
    assert world.runs("success") == 1


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize(
    ("how", "status"),
    [("return", "success"), ("raise", "failure"), ("timeout", "timeout"), ("cancel", "failure"), ("exit", "failure")],
)
def test_a_tool_of_any_kind_is_counted_on_every_path(kind: str, how: str, status: str) -> None:
    function, call = KINDS[kind]
    world = World(traced=True)
    tool = monitor_tool("search")(function)

    def agent() -> Any:
        return call(tool, how)

    decorated = monitor_agent("agent", metrics=world.metrics, tracing=world.tracing)(agent)
    # The consumers above assert that no run leaks out of a generator; here they run inside the agent's.
    if "generator" in kind:
        iterator = function
        decorated = monitor_agent("agent", metrics=world.metrics, tracing=world.tracing)(
            lambda: exhaust(monitor_tool("search")(iterator)(how))
        )
    if how == "return":
        decorated()
    else:
        with pytest.raises(ENDINGS[how][0] or Exception):
            decorated()
    assert world.value("agent_tool_calls_total", tool_name="search", status=status) == 1
    steps = {step.kind: step for step in world.trace.steps}
    assert steps["tool"].failed == (status != "success")
    assert steps["tool"].parent_id == steps["agent"].span_id
    assert world.is_clean()


def exhaust(stream: Any) -> None:
    if inspect.isasyncgen(stream):

        async def main() -> None:
            async for _ in stream:
                pass

        asyncio.run(main())
    else:
        for _ in stream:
            pass
