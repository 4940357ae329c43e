"""What evidence costs: a page with thousands of failing runs, a storm of alerts, and a LangFuse that never answers.

The engine is measured alone: what the stand-in answers is recorded before, and played back.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import random
import sys
import time
import tracemalloc
from collections import Counter
from collections.abc import Iterator
from dataclasses import replace
from datetime import timedelta

import httpx

from benchmarks.causes.asking import door_to, gatherer_over, said_in, subjects
from benchmarks.causes.runs import SINCE, UNTIL, Row, Run, rows_of
from benchmarks.causes.worlds import Plan, plan
from benchmarks.figure import Figure
from deploy.stack.standin.app import StandIn
from slo_engine.notifications import Evidence

FAILING, HEALTHY = 5_000, 20_000
BUDGET = 5.0
"""Seconds: the default of ``evidence.budget``."""

UNLIMITED = 600.0
"""Seconds, where it is measured what the work takes."""

SERVER_TAKES = 0.1
"""Seconds for each answer, as measured of a server with 13,000 runs: 0.1 to 0.6."""

CPU_LIMIT = 2.0
"""Seconds."""

MEMORY_LIMIT = 60.0
"""MB."""

SUBJECTS, NOTIFICATIONS, AT_ONCE = 50, 20, 10
"""Of the notifications about a subject, so many come at the same time, and the others one after the other."""

STORM_LASTS = timedelta(seconds=30)
HANGING_BUDGET, GRACE = 1.0, 0.5
_MB = 1024 * 1024

_Answers = dict[str, tuple[int, bytes]]


def figures() -> Iterator[Figure]:
    """All of them."""
    yield from page()
    yield from storm()
    yield from hanging()


def page(failing: int = FAILING, healthy: int = HEALTHY) -> Iterator[Figure]:
    """The evidence of one page."""
    agent, rows = _runs(failing, healthy)
    answers: _Answers = {}
    asyncio.run(_gather(agent, _recording(rows, answers), UNLIMITED))
    began, spent = time.perf_counter(), time.process_time()
    found = asyncio.run(_gather(agent, _playing(answers), UNLIMITED))
    cpu, wall = time.process_time() - spent, time.perf_counter() - began
    counted = said_in(found)[0]["traces"]["failed"]
    beside = f"{failing:,} failing and {healthy:,} healthy runs; {counted:,} and a part of the others are read"
    yield Figure("a page: CPU time of the engine", cpu, "s", CPU_LIMIT, f"{beside}; wall {wall:.2f} s")
    tracemalloc.start()
    before = tracemalloc.get_traced_memory()[0]
    tracemalloc.reset_peak()
    asyncio.run(_gather(agent, _playing(answers), UNLIMITED))
    peak = (tracemalloc.get_traced_memory()[1] - before) / _MB
    tracemalloc.stop()
    yield Figure("a page: peak of Python's memory (tracemalloc)", peak, "MB", MEMORY_LIMIT, f"{len(answers)} requests")
    found = asyncio.run(_gather(agent, _playing(answers, SERVER_TAKES), BUDGET))
    missing = "; ".join(each.reason for each in found.missing) or "nothing missing"
    beside = f"answers take {SERVER_TAKES} s; {missing}"
    yield Figure("a page: seconds until it leaves", found.seconds, "s", BUDGET, beside)


def storm(agents: int = SUBJECTS, notifications: int = NOTIFICATIONS) -> Iterator[Figure]:
    """Many notifications about the same subjects within half a minute."""
    names = [f"agent_{number}" for number in range(agents)]
    rows = [row for name in names for row in _runs(20, 40, agent=name)[1]]
    once = asyncio.run(_asked(rows, [[name] for name in names], 1, 1))
    requests = asyncio.run(_asked(rows, [[name] for name in names], min(AT_ONCE, notifications), notifications))
    each = sum(once.values()) / agents
    beside = f"{sum(requests.values())} requests for {agents * notifications:,} alerts; a subject takes {each:.1f}"
    yield Figure("a storm: questions of each source", sum(requests.values()) / each, "", agents + 0.5, beside)


def hanging() -> Iterator[Figure]:
    """A LangFuse that takes the question and never answers."""
    standin = StandIn()
    standin.delay = 3600.0
    names = [f"agent_{number}" for number in range(10)]

    async def wait() -> float:
        door = door_to(httpx.ASGITransport(app=standin.app))
        gatherer = gatherer_over(door, budget=HANGING_BUDGET)
        began = time.perf_counter()
        await gatherer.gather(subjects(names))
        return time.perf_counter() - began

    took = asyncio.run(wait())
    yield Figure("LangFuse hangs: seconds until a page leaves", took, "s", HANGING_BUDGET + GRACE, "budget 1 s")


def main() -> int:
    """Measure, print, judge."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.causes.cost", description=__doc__)
    parser.add_argument("--json", action="store_true", help="print JSON for scripts")
    as_json = parser.parse_args().json
    found = []
    for figure in figures():
        found.append(figure)
        print(figure, file=sys.stderr if as_json else sys.stdout, flush=True)
    if as_json:
        print(json.dumps([figure.as_json() for figure in found], indent=2))
    return 0 if all(figure.is_reached for figure in found) else 1


async def _gather(agent: str, transport: httpx.AsyncBaseTransport, budget: float) -> Evidence:
    door = door_to(transport)
    try:
        return await gatherer_over(door, budget=budget).gather(subjects([agent]))
    finally:
        await door.close()


async def _asked(rows: list[Row], agents: list[list[str]], at_once: int, notifications: int) -> Counter[str]:
    """The requests, by path, for so many notifications about each: first some at the same time, then one by one."""
    standin = StandIn()
    standin.add(rows)
    door = door_to(httpx.ASGITransport(app=standin.app))
    gatherer = gatherer_over(door, budget=UNLIMITED)
    later = notifications - at_once
    rounds = [(UNTIL, at_once), *((UNTIL + STORM_LASTS * (number + 1) / later, 1) for number in range(later))]
    for until, times in rounds:
        asking = [gatherer.gather(subjects(names, until)) for names in agents for _ in range(times)]
        for found in await asyncio.gather(*asking):
            if not said_in(found)[0]["traces"]["causes"]:
                raise RuntimeError("a notification of the storm left without its cause")
    await door.close()
    return standin.asked


def _runs(failing: int, healthy: int, *, agent: str | None = None) -> tuple[str, list[Row]]:
    """An agent that fails in a step: each failing run has two ERROR rows, its own and the step's."""
    made = _simple(agent)
    rng = random.Random(f"{made.agent}")
    cause = made.causes[0]
    rows: list[Row] = []
    for number in range(failing + healthy):
        attributes = {name: rng.choices(each.values, each.weights)[0] for name, each in made.choices.items()}
        failed = number < failing
        if failed and rng.random() < 0.8:
            attributes |= cause.cell
        run = Run(
            trace=f"{rng.getrandbits(128):032x}",
            at=SINCE + rng.random() * (UNTIL - timedelta(seconds=30) - SINCE),
            attributes=attributes,
            failure=cause.failure if failed and rng.random() < 0.9 else made.background[0] if failed else None,
            cause=cause if failed else None,
            caught=None,
            is_kept=True,
        )
        rows += rows_of(run, made, rng)
    return made.agent, rows


def _simple(agent: str | None) -> Plan:
    drawn = plan(0)
    background = [each for each in drawn.background if each.type == "TOOL"]
    causes = (replace(drawn.causes[0], failure=replace(drawn.causes[0].failure, attempts=1)),)
    return replace(
        drawn,
        agent=agent or drawn.agent,
        causes=causes,
        background=(replace(background[0], attempts=1),),
        wraps=False,
        is_parallel=False,
        sample_rate=1.0,
    )


def _recording(rows: list[Row], answers: _Answers) -> httpx.AsyncBaseTransport:
    standin = StandIn()
    standin.add(rows)
    server = httpx.ASGITransport(app=standin.app)

    async def answer(request: httpx.Request) -> httpx.Response:
        found = await server.handle_async_request(request)
        body = await found.aread()
        answers[str(request.url)] = (found.status_code, body)
        return httpx.Response(found.status_code, content=body)

    return httpx.MockTransport(answer)


def _playing(answers: _Answers, takes: float = 0.0) -> httpx.AsyncBaseTransport:
    async def answer(request: httpx.Request) -> httpx.Response:
        await asyncio.sleep(takes)
        status, body = answers[str(request.url)]
        return httpx.Response(status, content=body)

    return httpx.MockTransport(answer)


if __name__ == "__main__":
    sys.exit(main())
