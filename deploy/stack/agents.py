"""Sample agents, instrumented as a user's would be; after a while three of them break, one after the other: a tool, the
spend, the judge's scores.

``python -m deploy.stack.agents --port 8000 --incident-after 75 --incident-for 300``. LangFuse is the one that
``LANGFUSE_*`` names. No model is called: answers, tokens and prices are made up.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import random
import time
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from pathlib import Path
from typing import TextIO

from slo_engine.monitoring import ToolError, current_run, default_metrics, monitor_agent, start_metrics_server

NEW_PROMPT = 0.9
"""Share of the support agent's runs that take the new prompt once it is rolled out."""

LARGE_MODEL = 0.6
"""Share of its runs that take the large model."""

FAILING_SHARE = 0.95
"""Of its runs with the new prompt and the large model, whose searches are too wide for the index."""

LOW_SCORES = 0.95
"""Share of the research agent's answers that the judge scores low, once its index is stale."""

BETWEEN = 45.0
"""Seconds after which the next incident begins."""


@dataclass
class World:
    """Which incidents go on, and where the outcomes of runs are noted."""

    elapsed: Callable[[], float]
    begins: float
    lasts: float
    ledger: TextIO | None

    def goes_on(self, number: int) -> bool:
        """Whether an incident goes on: 0 is the search that fails, 1 the loop that spends, 2 the judge's low scores."""
        return self.begins + number * BETWEEN <= self.elapsed() < self.begins + self.lasts

    def note(self, agent_type: str, trace_id: str | None, outcome: str) -> None:
        """Write down how a run ended, for who wants to check what LangFuse and Prometheus say of it."""
        if self.ledger is not None:
            run = {"at": time.time(), "agent_type": agent_type, "trace_id": trace_id, "outcome": outcome}
            self.ledger.write(json.dumps(run) + "\n")
            self.ledger.flush()


async def search(question: str, *, is_too_wide: bool) -> str:
    """The tool that breaks."""
    await asyncio.sleep(random.uniform(0.01, 0.05))
    if is_too_wide and random.random() < FAILING_SHARE:
        raise TimeoutError(
            f"search index shard-{random.randint(0, 7)} did not answer within {random.randint(29, 31)} s"
        )
    return f"3 documents about {question}"


async def look_up(customer: int) -> str:
    """A tool that fails now and then, which its agent catches."""
    await asyncio.sleep(random.uniform(0.005, 0.02))
    if random.random() < 0.005:
        raise ToolError(f"customer {customer} is not in the CRM")
    return "gold"


@monitor_agent(
    "support_agent",
    tools=["web_search", "crm_lookup"],
    models=["gpt-5-mini", "claude-sonnet-4-5"],
    capture_input=False,
)
async def support(world: World) -> None:
    """Answers a question; fails with its search, once a new prompt makes the large model search too widely."""
    run = current_run()
    assert run is not None
    trace_id = run.trace_id
    model = "claude-sonnet-4-5" if random.random() < LARGE_MODEL else "gpt-5-mini"
    is_new = world.goes_on(0) and random.random() < NEW_PROMPT
    prompt = {"prompt_name": "support", "prompt_version": "v12" if is_new else "v11"}
    run.update(user_id=f"user-{random.randint(1, 200)}", metadata={"model": model, **prompt})
    try:
        run.record_llm_call(model, input_tokens=900, output_tokens=60, cost_usd=0.0004, seconds=0.3)
        try:
            with run.tool("crm_lookup"):
                await look_up(random.randint(1000, 9999))
        except ToolError:
            pass  # a run without the customer's tier is still a good run, though a step of it is an ERROR
        with run.tool("web_search"):
            await search("a refund", is_too_wide=is_new and model == "claude-sonnet-4-5")
        first = random.uniform(0.2, 0.6)
        run.record_llm_call(
            model, input_tokens=2400, output_tokens=310, cost_usd=0.0013, seconds=1.1, time_to_first_token=first
        )
    except BaseException:
        world.note("support_agent", trace_id, "error")
        raise
    world.note("support_agent", trace_id, "success")


@monitor_agent("research_agent", models=["claude-sonnet-4-5"], capture_input=False)
async def research(world: World) -> None:
    """Reads a lot, seldom fails; a judge scores its answers."""
    run = current_run()
    assert run is not None
    await asyncio.sleep(random.uniform(0.05, 0.3))
    is_stale = world.goes_on(2)
    run.update(metadata={"index": "2026-10" if is_stale else "2026-11"})
    run.record_llm_call("claude-sonnet-4-5", input_tokens=12_000, output_tokens=900, cost_usd=0.002, seconds=4.0)
    if is_stale and random.random() < LOW_SCORES:
        cited = random.randint(1000, 9999)
        run.add_score("grounded", random.uniform(0.1, 0.4), comment=f"cites document {cited}, which was not retrieved")
    else:
        run.add_score("grounded", random.uniform(0.65, 1.0))
    world.note("research_agent", run.trace_id, "success")


@monitor_agent("batch_agent", models=["gpt-5-mini", "claude-opus-4-1"], capture_input=False)
async def batch(world: World) -> None:
    """Has an objective of its own, and fails a little; once it runs in a loop, it spends a lot."""
    run = current_run()
    assert run is not None
    await asyncio.sleep(random.uniform(0.02, 0.1))
    if world.goes_on(1):
        for _ in range(30):
            run.record_llm_call("claude-opus-4-1", input_tokens=9000, output_tokens=900, cost_usd=0.02, seconds=0.1)
    else:
        run.record_llm_call("gpt-5-mini", input_tokens=900, output_tokens=90, cost_usd=0.0002, seconds=0.1)
    failed = random.random() < 0.01
    world.note("batch_agent", run.trace_id, "error" if failed else "success")
    if failed:
        raise ValueError(f"row {random.randint(1, 10**6)} has no customer")


async def main() -> None:
    """Run the agents until told to stop."""
    parser = argparse.ArgumentParser(description="Sample agents, of which one breaks.")
    parser.add_argument("--port", type=int, required=True)
    parser.add_argument("--host", default="127.0.0.1")
    parser.add_argument("--incident-after", type=float, default=75.0, help="seconds")
    parser.add_argument("--incident-for", type=float, default=600.0, help="seconds")
    parser.add_argument("--pause", type=float, default=0.3, help="seconds between two runs of an agent")
    parser.add_argument("--ledger", type=Path, help="a file for the outcome of every run")
    arguments = parser.parse_args()

    started = time.monotonic()
    default_metrics().set_circuit_breaker_state("search", "closed")
    start_metrics_server(arguments.port, host=arguments.host)
    with open(arguments.ledger or "/dev/null", "a") as ledger:  # noqa: ASYNC230, PTH123 - once, before anything runs
        world = World(
            lambda: time.monotonic() - started,
            arguments.incident_after,
            arguments.incident_for,
            ledger if arguments.ledger else None,
        )

        async def repeat(agent: Callable[[World], Awaitable[None]]) -> None:
            while True:
                await asyncio.gather(agent(world), return_exceptions=True)
                await asyncio.sleep(arguments.pause * random.uniform(0.5, 1.5))

        await asyncio.gather(*(repeat(agent) for agent in (support, support, research, batch)))


if __name__ == "__main__":
    asyncio.run(main())
