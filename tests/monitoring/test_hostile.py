"""What an attacker, or a careless agent, does to the monitoring; and what becomes of the agent and of the others."""

from __future__ import annotations

import asyncio
import enum
import gc
import json
import socket
import subprocess
import sys
import threading
import time
import types
from collections.abc import AsyncGenerator, Generator, Iterator
from contextlib import suppress
from dataclasses import dataclass, field
from decimal import Decimal
from typing import Any
from unittest.mock import MagicMock

import numpy as np
import pytest
from prometheus_client import CollectorRegistry, generate_latest

from slo_engine.monitoring import (
    AgentMetrics,
    AgentMonitor,
    LangFuseTracing,
    Prices,
    Scrubber,
    classify_error,
    current_run,
    metrics_app,
    monitor_agent,
)
from slo_engine.monitoring.content import MAX_CONTENT, as_text
from tests.monitoring.world import PUBLIC_KEY, SECRET_KEY, Backend, World

KEY = "sk-proj-" + "Abc123" * 4


# Secrets.

SECRETS = {
    "card": "4111 1111 1111 1111",
    "key": KEY,
    "aws": "AKIA" + "ABCDEFGH12345678",
    "github": "ghp_" + "a1B2" * 10,
    "ssn": "536-90-4399",
    "phone": "+49 30 90182000",
    "national phone": "(415) 555-2671",
    "iban": "DE89370400440532013000",
    "ipv4": "203.0.113.7",
    "ipv6": "2001:db8::8a2e:370:7334",
    "mail": "ada@example.org",
}


@pytest.mark.parametrize("before", ["", "\n", "\t", "\r\n", '"', "\\n", "key:\n", "\u00e9\n"])
@pytest.mark.parametrize("name", SECRETS)
def test_a_secret_is_found_after_anything_and_after_any_escaping(name: str, before: str) -> None:
    secret = SECRETS[name]
    for text in (
        f"{before}{secret}\nnext",
        json.dumps(f"{before}{secret}\n"),
        json.dumps(json.dumps(f"{before}{secret}\t")),
    ):
        assert secret not in Scrubber().scrub(text), text


@pytest.mark.parametrize("prefix", ["my-", "prefix_", "key_", "--", "x."])
def test_a_key_is_found_after_a_prefix(prefix: str) -> None:
    for name in ("key", "aws", "github"):
        assert SECRETS[name] not in Scrubber().scrub(f"{prefix}{SECRETS[name]}")


def test_arguments_of_an_agent_are_scrubbed_whatever_their_lines(backend: Backend) -> None:
    tracing = backend.tracing()

    @monitor_agent("agent", metrics=backend.metrics, tracing=tracing)
    def ask(prompt: str) -> None:
        raise ValueError("x" * 980 + " " + KEY)  # cut in the middle of the key, were it cut before it is scrubbed

    with pytest.raises(ValueError, match="x"):
        ask("card:\n4111 1111 1111 1111\nkey:\n" + KEY + "\n")
    assert tracing.flush(10)
    told = json.dumps(backend.standin.rows())
    for part in ("4111", KEY, KEY[:16]):
        assert part not in told


def test_names_tags_and_scores_are_scrubbed_too(backend: Backend) -> None:
    tracing = backend.tracing()
    with backend.run(tracing, tags=["ada@example.org"], metadata={"ada@example.org": 1}) as run:
        run.record_tool_call("mail to ada@example.org")
        run.add_score("said by ada@example.org", "ada@example.org")
    assert tracing.flush(10)
    assert "ada@" not in json.dumps([backend.standin.rows(), backend.standin.scores])


def test_the_agents_own_name_and_tag_are_left_as_they_are_for_that_is_how_traces_are_found(backend: Backend) -> None:
    def broken(text: str) -> str:
        raise RuntimeError

    for scrub in (str.upper, broken):
        tracing = backend.tracing(scrub=scrub)
        with backend.run(tracing, "crawler 10.0.0.7") as run:
            pass
        assert tracing.flush(10)
        (row,) = backend.rows(run.trace_id)
        assert (row["name"], row["traceName"]) == ("crawler 10.0.0.7", "crawler 10.0.0.7")
        assert row["tags"] == ["agent_type:crawler 10.0.0.7"]


@pytest.mark.parametrize(
    "text",
    [
        *(
            "password=hunter2",
            "password=correcthorse",
            "pwd=abc12345",
            '{"password": "hunter2"}',
            "password=Tr0ub4dor&3",
        ),
        *("secret=abc12345xyz", "token=abcdef123456789", '"api_key": "abc123def456"', "password: hunter2"),
    ],
)
def test_what_a_program_calls_a_password_is_one_however_short(text: str) -> None:
    scrubbed = Scrubber().scrub(text)
    assert scrubbed.rstrip('"}').endswith("[SECRET]")


@pytest.mark.parametrize(
    "text", ["password: required", '"password": null', "password=None", "token: 311", "max_tokens=4096"]
)
def test_what_only_speaks_of_passwords_is_none(text: str) -> None:
    assert Scrubber().scrub(text) == text


# Values.


class Sleepy:
    """Its text takes a minute."""

    def __str__(self) -> str:
        time.sleep(60)
        return "late"

    __repr__ = __str__

    def model_dump(self) -> dict[str, Any]:
        time.sleep(60)
        return {}


@dataclass
class Order:
    number: int
    lines: list[str] = field(default_factory=list)


class Colour(enum.Enum):
    RED = "red"


def test_nothing_of_the_agents_own_is_called_to_trace_it() -> None:
    exiting = type("Exiting", (), {"__str__": lambda self: sys.exit(1)})()
    begun = time.monotonic()
    assert as_text([Sleepy(), MagicMock(), exiting]) == '["<Sleepy>", "<MagicMock>", "<Exiting>"]'
    assert time.monotonic() - begun < 5
    assert as_text(Order(7, ["tea"])) == '{"number": 7, "lines": ["tea"]}'
    assert as_text({"colour": Colour.RED, "price": Decimal("1.50")}) == '{"colour": "red", "price": "1.50"}'


@pytest.mark.parametrize(
    "value",
    [
        "x" * 50_000_000,
        ["x" * 50_000_000],
        list(range(2_000_000)),
        dict.fromkeys(range(100000), "y" * 100),
        [[[]]] * 10**6,
    ],
    ids=["text", "text in a list", "numbers", "mapping", "lists"],
)
def test_a_value_however_large_takes_no_more_than_it_may(value: Any) -> None:
    begun = time.thread_time()
    text = as_text({"args": value})
    assert text is not None
    assert len(text) < 8 * MAX_CONTENT
    assert time.thread_time() - begun < 0.5


def test_metadata_are_taken_as_they_are() -> None:
    world = World(traced=True)
    places = [1]
    with world.run(metadata={"places": places, "sleepy": Sleepy()}) as run:
        places.append(2)
        run.tool("search").update(metadata=[1])  # type: ignore[arg-type]
        run.update(metadata=5)  # type: ignore[arg-type]
    assert world.trace.steps[0].metadata == {"places": "[1]", "sleepy": '"<Sleepy>"'}


@pytest.mark.parametrize(
    "poison",
    [
        lambda run: run.record_llm_call("m", input_tokens=np.int64(5)),
        lambda run: run.record_tool_call(17),
        lambda run: run.record_tool_call(None),
        lambda run: run.record_llm_call("m", input_tokens=Decimal(3), output_tokens="12", cached_tokens=-7),
        lambda run: run.record_tool_call("search\ud83d"),
        lambda run: run.update(user_id="\ud83d", output="\ud83d", tags=["\ud83d"]),
        lambda run: run.llm_call(Colour.RED).finish(),
        lambda run: run.add_score("\ud83d", 1),
    ],
)
def test_one_strange_run_costs_no_other_its_trace(
    backend: Backend, poison: Any, caplog: pytest.LogCaptureFixture
) -> None:
    tracing = backend.tracing()
    ids = []
    for number in range(5):
        with backend.run(tracing) as run:
            ids.append(run.trace_id)
            if number == 2:
                poison(run)
    assert tracing.flush(10)
    assert {row["traceId"] for row in backend.standin.rows()} == set(ids)
    # The SDK's client is one for the process, which an earlier test has created: that is told, too.
    assert len([message for message in caplog.messages if "declare the agents first" not in message]) <= 1
    generate_latest(backend.metrics.registry)  # half a character in a label would break every scrape


def test_a_label_has_an_end() -> None:
    world = World()
    with world.run() as run:
        run.record_tool_call("x" * 1_000_000)
    assert len(generate_latest(world.registry)) < 50_000


def test_a_call_of_unknown_worth_is_unpriced_and_cached_tokens_are_no_more_than_there_are() -> None:
    world = World()
    with world.run() as run:
        run.record_llm_call("gpt-5-mini", input_tokens=10, cached_tokens=500)
        run.record_llm_call("gpt-5-mini", input_tokens=100, cached_tokens=-100_000)
        run.record_llm_call("nobody", cost_usd=-1)
        run.record_llm_call("nobody", input_tokens=float("nan"))  # type: ignore[call-overload]
    assert world.value("llm_tokens_used_total", model="gpt-5-mini", token_type="cached") == 10
    cost = Prices().cost("gpt-5-mini", 10, 0, 10)
    assert world.value("llm_cost_usd_total", model="gpt-5-mini", agent_type="agent") == cost
    assert world.value("llm_unpriced_calls_total", model="gpt-5-mini") == 1
    assert world.value("llm_unpriced_calls_total", model="nobody") == 2


# Traces.


def test_a_long_failing_run_keeps_its_steps_and_drives_out_no_other(backend: Backend) -> None:
    backend.standin.is_hanging = True
    tracing = backend.tracing(timeout=0.5, max_bytes=2_000_000)
    others = []
    for _ in range(20):
        with backend.run(tracing) as run:
            run.record_tool_call("search", "failure")
            others.append(run.trace_id)
    with backend.run(tracing) as long:
        for _ in range(300):
            long.record_llm_call("m", input_tokens=1, input="word " * 12_000)
        long.record_tool_call("search", "failure")
    assert backend.dropped("trace_overflow") == 0
    backend.standin.is_hanging = False
    assert tracing.flush(30)
    assert {row["traceId"] for row in backend.standin.rows()} == {*others, long.trace_id}
    # What was sent again because the answer came too late has the same ids, by which LangFuse knows it.
    assert len({row["id"] for row in backend.rows(long.trace_id)}) == 302


def test_what_is_too_large_for_one_request_goes_in_several(backend: Backend) -> None:
    tracing = backend.tracing()
    with backend.run(tracing) as run:
        for _ in range(600):
            run.record_llm_call("m", input_tokens=1, input="word " * 3000)
    assert tracing.flush(30)
    assert len(backend.rows(run.trace_id)) == 601
    assert backend.standin.requests >= 3


def test_scores_that_are_refused_keep_no_trace_waiting(backend: Backend) -> None:
    tracing = backend.tracing()
    door: Any = tracing.sink
    take = door._door.post_score
    door._door.post_score = lambda score: type(take({}))(is_sent=False, is_final=False, why="scores are away")
    ids = []
    for _ in range(5):
        with backend.run(tracing) as run:
            run.add_score("helpful", 1)
            ids.append(run.trace_id)
    assert not tracing.flush(1.5)
    assert {row["traceId"] for row in backend.standin.rows()} == set(ids)


def test_what_the_sdk_traces_outside_of_runs_is_sent_at_a_flush_and_at_the_end(backend: Backend) -> None:
    source = f"""
from langfuse import get_client, observe
from slo_engine.monitoring import monitor_agent
import os
os.environ.update(LANGFUSE_PUBLIC_KEY={PUBLIC_KEY!r}, LANGFUSE_SECRET_KEY={SECRET_KEY!r})
os.environ.update(LANGFUSE_BASE_URL={backend.url!r})

@monitor_agent("agent")
def agent(): ...

@observe()
def outside(): ...

outside()
get_client().flush()
import urllib.request
print(urllib.request.urlopen({backend.url!r}).read().decode())
outside()
"""
    done = subprocess.run([sys.executable, "-c", source], capture_output=True, text=True, check=True, timeout=60)
    assert "holds 1 observations" in done.stdout
    assert len(backend.standin.rows()) == 2


def test_a_client_that_the_program_has_created_before_stays_its_own_and_that_is_told(backend: Backend) -> None:
    source = f"""
import os
os.environ.update(LANGFUSE_PUBLIC_KEY={PUBLIC_KEY!r}, LANGFUSE_SECRET_KEY={SECRET_KEY!r})
os.environ.update(LANGFUSE_BASE_URL={backend.url!r})
from langfuse import get_client, observe
get_client()
from slo_engine.monitoring import monitor_agent

@observe()
def inside(): ...

@monitor_agent("agent")
def agent():
    inside()

agent()
"""
    done = subprocess.run([sys.executable, "-c", source], capture_output=True, text=True, check=True, timeout=60)
    assert "declare the agents first" in done.stderr
    assert len({row["traceId"] for row in backend.standin.rows()}) == 2


def test_the_agents_own_opentelemetry_is_left_alone(backend: Backend) -> None:
    from opentelemetry.sdk.trace import TracerProvider
    from opentelemetry.trace import get_current_span

    tracing = backend.tracing()
    tracer = TracerProvider().get_tracer("theirs")
    with tracer.start_as_current_span("http request") as request, backend.run(tracing):
        assert get_current_span() is request
        with tracer.start_as_current_span("db query") as query:
            assert query.get_span_context().trace_id == request.get_span_context().trace_id


def test_an_answer_without_an_end_is_not_read_to_its_end(backend: Backend) -> None:
    sent: list[int] = []

    def answer_for_ever(listening: socket.socket) -> None:
        connection, _ = listening.accept()
        with connection, suppress(OSError):
            connection.recv(65_536)
            connection.sendall(b"HTTP/1.1 200 OK\r\n\r\n")
            while len(sent) < 3000:
                connection.sendall(b"x" * 65_536)
                sent.append(65_536)

    with socket.create_server(("127.0.0.1", 0)) as listening:
        thread = threading.Thread(target=answer_for_ever, args=(listening,))
        thread.start()
        tracing = backend.tracing(base_url=f"http://127.0.0.1:{listening.getsockname()[1]}")
        with backend.run(tracing):
            pass
        assert tracing.flush(10)
        thread.join()
    assert sum(sent) < 20_000_000


# Functions.


def test_wrong_arguments_are_no_run_and_no_leak() -> None:
    world = World()

    def numbers(first: int) -> Generator[int, None, None]:
        yield first

    async def later(first: int) -> AsyncGenerator[int, None]:
        yield first

    decorate = monitor_agent("agent", metrics=world.metrics)
    with pytest.raises(TypeError, match="first"):
        list(decorate(numbers)())  # type: ignore[call-arg]

    async def main() -> None:
        with pytest.raises(TypeError, match="first"):
            async for _ in decorate(later)():  # type: ignore[call-arg]
                pass

    asyncio.run(main())
    assert world.value("active_agent_runs", agent_type="agent") == 0


def test_an_async_generator_that_is_left_open_ends_with_its_loop() -> None:
    world = World()
    told: list[Any] = []

    async def tokens() -> AsyncGenerator[int, None]:
        try:
            yield 1
            yield 2
        finally:
            await asyncio.sleep(0)
            told.append("closed")

    kept: list[Any] = []

    async def main() -> None:
        asyncio.get_running_loop().set_exception_handler(lambda loop, context: told.append(context))
        stream = monitor_agent("agent", metrics=world.metrics)(tokens)()
        kept.append(stream)
        await anext(stream)

    asyncio.run(main())
    assert told == ["closed"]
    assert world.runs("success") == 1


def test_coroutines_of_every_origin_are_runs_until_they_end() -> None:
    world = World()
    decorate = monitor_agent("agent", metrics=world.metrics)

    @types.coroutine
    def old_style() -> Generator[Any, None, int]:
        yield from asyncio.sleep(0).__await__()
        return 1

    async def new_style() -> int:
        assert current_run() is not None
        await asyncio.sleep(0)
        raise KeyError("x")

    class Callable:
        async def __call__(self) -> int:
            assert current_run() is not None
            return 3

    async def main() -> None:
        assert await decorate(old_style)() == 1
        assert await decorate(Callable())() == 3
        with pytest.raises(KeyError):
            await decorate(lambda: new_style())()

    asyncio.run(main())
    assert (world.runs("success"), world.runs("error")) == (2, 1)
    with pytest.raises(TypeError, match="property"):
        decorate(property(lambda self: 1))  # type: ignore[type-var]
    with pytest.raises(TypeError, match="not a function"):
        decorate(3)  # type: ignore[type-var]


def test_what_a_generator_holds_over_a_yield_is_current_again_when_it_goes_on() -> None:
    world = World(traced=True)

    def agent() -> Generator[Any, None, None]:
        with world.run("inner") as inner, inner.tool("search"):
            yield current_run()
            yield current_run()
            inner.record_llm_call("m", input_tokens=1)

    seen = []
    for run in monitor_agent("agent", metrics=world.metrics, tracing=world.tracing)(agent)():
        assert current_run() is None
        seen.append(run)
    assert [run.agent_type for run in seen] == ["inner", "inner"]
    steps = {step.name: step for step in world.trace.steps}
    assert steps["m"].parent_id == steps["search"].span_id


def test_items_of_a_generator_are_taken_as_they_were_and_not_held() -> None:
    world = World(traced=True)

    def growing() -> Generator[dict[str, int], None, None]:
        shared = {"n": 0}
        for _ in range(3):
            shared["n"] += 1
            yield shared

    list(monitor_agent("agent", metrics=world.metrics, tracing=world.tracing)(growing)())
    assert json.loads(world.trace.steps[0].output or "") == ['{"n": 1}', '{"n": 2}', '{"n": 3}']


def test_ending_twice_counts_once() -> None:
    world = World(traced=True)
    run = world.run()
    run.begin()
    tool = run.tool("search")
    tool.begin()
    for _ in range(2):
        tool.finish()
    for _ in range(2):
        run.finish()
    assert world.runs("success") == 1
    assert world.value("agent_tool_calls_total", tool_name="search", status="success") == 1
    assert world.value("active_agent_runs", agent_type="agent") == 0


# Exceptions.


@dataclass(frozen=True)
class FrozenError(Exception):
    code: Any


class ArrayError(Exception):
    status_code = 500
    code = np.array([1, 2])


class TruthyError(Exception):
    def __getattr__(self, name: str) -> Any:
        return "yes"


@pytest.mark.parametrize("error", [FrozenError(3), ArrayError(), TruthyError()])
def test_an_exception_however_strange_is_counted_as_the_tools(error: Exception) -> None:
    world = World(traced=True, sample_rate=0.0)
    with pytest.raises(type(error)), world.run() as run:
        run.count_error(error)
        with run.tool("search"):
            raise error
    assert world.runs("error") == 1
    assert world.value("agent_tool_calls_total", tool_name="search", status="failure") == 1
    assert world.value("agent_errors_total", agent_type="agent", error_category="tool_failure") == 1
    assert world.trace.failed
    assert classify_error(type(error)(1)) in {"internal", "llm_error"}


def test_a_group_of_errors_is_of_the_first_category_that_says_something() -> None:
    world = World()

    async def slow() -> None:
        raise TimeoutError

    async def agent() -> None:
        async with asyncio.TaskGroup() as group:
            group.create_task(slow())

    with pytest.raises(ExceptionGroup):
        asyncio.run(monitor_agent("agent", metrics=world.metrics)(agent)())
    assert world.runs("timeout") == 1


def test_a_counted_error_keeps_the_trace() -> None:
    world = World(traced=True, sample_rate=0.0)
    with world.run() as run:
        run.count_error("validation")
    assert world.trace.failed


# Streams, locks and forks.


class Raising:
    """A chunk that may not be looked at."""

    @property
    def usage(self) -> Any:
        raise RuntimeError("no")

    choices = type = candidates = usage


def test_a_stream_of_strange_chunks_goes_through() -> None:
    world = World()
    with world.run() as run:
        assert len(list(run.record_llm_call(iter([Raising(), Raising()])))) == 2
        run.record_llm_call(Raising())
    assert world.runs("success") == 1


def test_a_stream_that_gc_finds_takes_no_lock_that_is_held() -> None:
    world = World()
    with world.run() as run:
        stream: Any = run.record_llm_call(iter([{"model": "new-model", "choices": []}]))
        next(stream)
        stream.itself = stream  # a cycle: only the collector finds it
        del stream
        with world.metrics.llm_calls._lock:
            gc.collect()
    assert world.value("llm_api_calls_total", model="new-model", call_type="completion") == 1


def test_a_forked_child_finds_no_lock_held() -> None:
    source = """
import os, threading
from slo_engine.monitoring import AgentMonitor, defaults, quiet
from slo_engine.monitoring.defaults import chosen, default_metrics
default_metrics()
held = threading.Event()
def hold():
    with chosen.lock, quiet.complaints._lock, default_metrics()._lock:
        held.set()
        threading.Event().wait(30)
threading.Thread(target=hold, daemon=True).start()
held.wait()
child = os.fork()
if child == 0:
    with AgentMonitor("agent") as run:
        run.record_tool_call("new tool", "no such status")
    os._exit(7)
assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 7
os._exit(0)
"""
    subprocess.run([sys.executable, "-W", "ignore", "-c", source], check=True, timeout=30)


def test_closing_while_runs_begin_loses_none(backend: Backend) -> None:
    for _ in range(20):
        tracing = LangFuseTracing(
            public_key=PUBLIC_KEY, secret_key=SECRET_KEY, base_url=backend.url, metrics=backend.metrics
        )
        stop = threading.Event()

        def work(made: LangFuseTracing = tracing, stopped: threading.Event = stop) -> None:
            while not stopped.is_set():
                with AgentMonitor("agent", metrics=backend.metrics, tracing=made):
                    pass

        threads = [threading.Thread(target=work) for _ in range(4)]
        for thread in threads:
            thread.start()
        try:
            tracing.close(0.5)
        finally:
            stop.set()
            for thread in threads:
                thread.join()


# The server.


def test_a_collector_that_hangs_takes_neither_health_nor_the_exit_along() -> None:
    registry = CollectorRegistry()
    AgentMetrics(registry)
    release = threading.Event()

    class Hanging:
        is_on = False

        def collect(self) -> Iterator[Any]:
            if self.is_on:
                release.wait(30)
            return iter(())

    hanging = Hanging()
    registry.register(hanging)
    hanging.is_on = True
    app = metrics_app(registry=registry)

    async def get(path: str) -> int:
        statuses: list[int] = []

        async def send(message: Any) -> None:
            if message["type"] == "http.response.start":
                statuses.append(message["status"])

        await app({"type": "http", "path": path, "headers": [], "method": "GET"}, None, send)
        return statuses[0]

    async def main() -> list[int]:
        scrapes = [asyncio.create_task(get("/metrics")) for _ in range(40)]
        await asyncio.sleep(0.1)
        found = [await get("/healthz"), await get("/readyz"), await get("/nowhere")]
        for scrape in scrapes:
            scrape.cancel()
        return found

    assert asyncio.run(main()) == [200, 200, 404]
    release.set()


def test_scrapes_that_fail_together_all_say_so() -> None:
    registry = CollectorRegistry()
    barrier = threading.Event()

    class Failing:
        is_on = False

        def collect(self) -> Iterator[Any]:
            if self.is_on:
                barrier.wait(10)
                raise RuntimeError("cannot count")
            return iter(())

    failing = Failing()
    registry.register(failing)
    app = metrics_app(registry=registry)

    async def get(accept: bytes) -> int:
        statuses: list[int] = []

        async def send(message: Any) -> None:
            if message["type"] == "http.response.start":
                statuses.append(message["status"])

        await app({"type": "http", "path": "/metrics", "headers": [(b"accept", accept)], "method": "GET"}, None, send)
        return statuses[0]

    async def main() -> list[int]:
        assert await get(b"text/plain") == 200
        failing.is_on = True
        scrapes = [asyncio.create_task(get(b"text/plain")) for _ in range(6)]
        await asyncio.sleep(0.2)
        barrier.set()
        return list(await asyncio.gather(*scrapes))

    assert asyncio.run(main()) == [500] * 6
