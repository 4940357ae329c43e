"""What the peers' decorators cost an agent beside ours, and what each of them keeps of the function it decorates.

``python -m benchmarks.peers --python /path/to/venv/bin/python``: every library runs in fresh processes of that
interpreter, in turn, and sends what it saw to a sink on this machine, with the pipeline it has by default.
"""

from __future__ import annotations

import argparse
import asyncio
import contextlib
import contextvars
import importlib
import importlib.metadata
import importlib.util
import inspect
import json
import os
import socket
import subprocess
import sys
import tempfile
import threading
import time
import types
from collections.abc import AsyncGenerator, Callable, Generator
from dataclasses import dataclass
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any, Final

ROOT = Path(__file__).parent.parent
MODEL, TOOLS = "gpt-5-mini", ("search", "lookup", "refund", "notify")
TOKENS = {"input": 900, "output": 120}
ITEMS = 1000
ROUNDS, REPEATS = 3, 40

Function = Callable[..., Any]
Decorator = Callable[[str], Callable[[Function], Function]]


# What is measured.


@dataclass(frozen=True)
class Ended:
    """A call of a decorated function, as the library saw it: how long it took, and whether it is told as a failure."""

    seconds: float
    failed: bool


@dataclass(frozen=True)
class Peer:
    """A library. ``run``, ``model`` and ``tool`` decorate, given a name; ``tell_usage`` is called inside a model call.

    ``settle`` sends what waits. ``watch`` starts to look at what it sees, and returns what tells the calls of functions
    named ``probe`` that have ended since it was last asked.
    """

    run: Decorator
    model: Decorator
    tool: Decorator
    tell_usage: Callable[[], object] = lambda: None
    settle: Callable[[], object] = lambda: None
    watch: Callable[[], Callable[[], list[Ended]]] = lambda: list


PLAIN, RUN, ITEM, ASYNC = "a plain function", "an agent's run", "an item of a generator", "an async function"
WHOLE = "an agent's run, all threads"


def costs(peer: Peer) -> dict[str, float]:
    """CPU microseconds of the calling thread, the least of many short repeats taken in turn; `WHOLE`: of the process,
    until everything is sent. What waits is sent between the repeats: no queue is ever full.
    """
    workloads = {PLAIN: (_plain(peer), 100), RUN: (_agent(peer), 25), ITEM: (_items(peer), 1), ASYNC: (_async(peer), 100)}
    least = dict.fromkeys([*workloads, WHOLE], float("inf"))
    for _ in range(REPEATS):
        for name, (workload, calls) in workloads.items():
            begun, all_begun = time.thread_time(), time.process_time()
            for _ in range(calls):
                workload()
            least[name] = min(least[name], (time.thread_time() - begun) / calls * 1e6)
            peer.settle()
            if name == RUN:
                least[WHOLE] = min(least[WHOLE], (time.process_time() - all_begun) / calls * 1e6)
    return {**least, ITEM: least[ITEM] / ITEMS}


def _plain(peer: Peer) -> Function:
    decorated = peer.run("answer")(lambda question: question)
    return lambda: decorated("a question")


def _agent(peer: Peer) -> Function:
    """A run, three model calls and four tool calls: eight observations."""

    @peer.model(MODEL)
    def call_model(prompt: str) -> str:  # noqa: ARG001 - it is the input that is traced
        peer.tell_usage()
        return "an answer " * 20

    tools = [peer.tool(name)(lambda query: f"found {query}") for name in TOOLS]

    @peer.run("agent")
    def agent(question: str) -> str:
        for _ in range(3):
            call_model("a prompt " * 20)
        for tool in tools:
            tool("something")
        return question

    return lambda: agent("a question")


def _items(peer: Peer) -> Function:
    @peer.run("stream")
    def words() -> Generator[str, None, None]:
        for _ in range(ITEMS):
            yield "word "

    def exhaust() -> None:
        for _ in words():
            pass

    return exhaust


def _async(peer: Peer) -> Function:
    """Driven by hand: an event loop would cost more than most of what is measured."""

    @types.coroutine
    def suspended() -> Generator[None, None, None]:
        yield

    @peer.run("answer")
    async def answer(question: str) -> str:
        await suspended()
        return question

    def drive() -> None:
        coroutine = answer("a question")
        coroutine.send(None)
        with contextlib.suppress(StopIteration):
            coroutine.send(None)

    return drive


# What is asked of every library: each question decorates a function of its own, calls it, and looks.


def _async_is_awaited(peer: Peer, ended: Callable[[], list[Ended]]) -> bool:
    async def probe() -> None:
        await asyncio.sleep(0.05)

    asyncio.run(peer.run("probe")(probe)())
    return [0.045 < each.seconds < 0.5 for each in ended()] == [True]


def _generator_is_covered(peer: Peer, ended: Callable[[], list[Ended]]) -> bool:
    def probe() -> Generator[int, None, None]:
        time.sleep(0.02)
        yield 1
        time.sleep(0.02)

    list(peer.run("probe")(probe)())
    return [0.035 < each.seconds < 0.5 for each in ended()] == [True]


def _echo() -> Generator[Any, Any, str]:
    got = None
    while got != "stop":
        got = yield got
    return "the end"


async def _async_echo() -> AsyncGenerator[Any, Any]:
    got = None
    while True:
        got = yield got


def _send_and_return(peer: Peer, _: Callable[[], list[Ended]]) -> bool:
    generator = peer.run("probe")(_echo)()
    next(generator)
    echoed = generator.send("this")
    try:
        generator.send("stop")
    except StopIteration as stop:
        return bool(echoed == "this" and stop.value == "the end")
    return False


def _asend(peer: Peer, _: Callable[[], list[Ended]]) -> bool:
    async def ask() -> bool:
        generator = peer.run("probe")(_async_echo)()
        await anext(generator)
        echoed = await generator.asend("this")
        await generator.aclose()
        return bool(echoed == "this")

    return asyncio.run(ask())


def _early_break(peer: Peer, ended: Callable[[], list[Ended]]) -> bool:
    def probe() -> Generator[int, None, None]:
        yield from range(10)

    for _ in peer.run("probe")(probe)():
        break
    return [each.failed for each in ended()] == [False]


def _cancelled(peer: Peer, ended: Callable[[], list[Ended]]) -> bool:
    async def probe() -> None:
        await asyncio.sleep(10)

    async def cancel() -> None:
        task = asyncio.create_task(peer.run("probe")(probe)())
        await asyncio.sleep(0.01)
        task.cancel()
        with contextlib.suppress(asyncio.CancelledError):
            await task

    asyncio.run(cancel())
    return [each.failed for each in ended()] == [True]


def _system_exit(peer: Peer, ended: Callable[[], list[Ended]]) -> bool:
    def probe() -> None:
        raise SystemExit(3)

    with contextlib.suppress(SystemExit):
        peer.run("probe")(probe)()
    return len(ended()) == 1


def _context_is_kept(peer: Peer, _: Callable[[], list[Ended]]) -> bool:
    generator, before = peer.run("probe")(_echo)(), dict(contextvars.copy_context())
    next(generator)
    return before == dict(contextvars.copy_context())


def _async_context_is_kept(peer: Peer, _: Callable[[], list[Ended]]) -> bool:
    async def ask() -> bool:
        generator, before = peer.run("probe")(_async_echo)(), dict(contextvars.copy_context())
        await anext(generator)
        during = dict(contextvars.copy_context())
        await generator.aclose()
        return before == during

    return asyncio.run(ask())


async def _coroutine_function() -> None: ...


COVERED, AWAITED = "generator: duration covers its items", "async function: awaited, duration right"
QUESTIONS: Final[dict[str, Callable[[Peer, Callable[[], list[Ended]]], bool]]] = {
    AWAITED: _async_is_awaited,
    COVERED: _generator_is_covered,
    "coroutine function stays one": lambda peer, _: inspect.iscoroutinefunction(peer.run("x")(_coroutine_function)),
    "generator function stays one": lambda peer, _: inspect.isgeneratorfunction(peer.run("x")(_echo)),
    "async generator function stays one": lambda peer, _: inspect.isasyncgenfunction(peer.run("x")(_async_echo)),
    "generator: send() and return value pass": _send_and_return,
    "async generator: asend() passes": _asend,
    "generator: an early break is no error": _early_break,
    "CancelledError is reported": _cancelled,
    "SystemExit ends the observation": _system_exit,
    "suspended generator: caller's context kept": _context_is_kept,
    "suspended async generator: the same": _async_context_is_kept,
}


def answers(peer: Peer) -> dict[str, bool]:
    """What holds for a library."""
    ended = peer.watch()
    found = {}
    for name, question in QUESTIONS.items():
        ended()
        try:
            found[name] = contextvars.copy_context().run(question, peer, ended)
        except Exception as error:  # noqa: BLE001 - whatever a peer's wrapper raises, the answer is no
            print(f"{name}: {type(error).__name__}: {error}", file=sys.stderr)
            found[name] = False
    return found
