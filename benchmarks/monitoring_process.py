"""The parts of `monitoring` that need a process of their own: tracing to the LangFuse that ``LANGFUSE_*`` names."""

from __future__ import annotations

import json
import sys
import time
from collections.abc import Callable

from benchmarks.monitoring import AGENT, MODEL, TOOLS, percentile
from slo_engine.monitoring import current_run, monitor_agent


@monitor_agent(AGENT, tools=TOOLS, models=[MODEL])
def agent(question: str) -> str:
    """A run with three model calls and four tool calls."""
    run = current_run()
    assert run is not None
    for _ in range(3):
        run.record_llm_call(
            MODEL, input_tokens=900, output_tokens=120, seconds=1.2, input="a prompt " * 20, output="an answer " * 20
        )
    for tool in TOOLS:
        with run.tool(tool):
            pass
    return question


def latency() -> dict[str, float]:
    """Milliseconds of a run, of an agent that runs for 5 s and is seldom busy."""
    taken = []
    until = time.monotonic() + 5
    while time.monotonic() < until:
        begun = time.perf_counter()
        agent("a question")
        taken.append((time.perf_counter() - begun) * 1e3)
        time.sleep(0.005)
    return {"p50": percentile(taken, 0.5), "p99": percentile(taken, 0.99)}


def cost_of_ours() -> dict[str, float]:
    """CPU microseconds of the agent's thread for a traced run."""
    return {"least": _least(lambda: agent("a question"))}


def cost_of_observe() -> dict[str, float]:
    """The same tree of observations by LangFuse's decorator, with its inputs and outputs."""
    from langfuse import get_client, observe

    @observe(as_type="generation", name=MODEL)
    def call_model(prompt: str) -> str:  # noqa: ARG001 - it is the input that is traced
        get_client().update_current_generation(model=MODEL, usage_details={"input": 900, "output": 120})
        return "an answer " * 20

    @observe(as_type="tool")
    def call_tool() -> None:
        return None

    @observe(as_type="agent", name=AGENT)
    def observed(question: str) -> str:
        for _ in range(3):
            call_model("a prompt " * 20)
        for _ in TOOLS:
            call_tool()
        return question

    return {"least": _least(lambda: observed("a question"))}


def _least(run: Callable[[], object]) -> float:
    found = float("inf")
    for _ in range(100):
        begun = time.thread_time()
        for _ in range(10):
            run()
        found = min(found, (time.thread_time() - begun) / 10)
        time.sleep(0.01)
    return found * 1e6


if __name__ == "__main__":
    measured = {"latency": latency, "cost_of_ours": cost_of_ours, "cost_of_observe": cost_of_observe}[sys.argv[1]]()
    print(json.dumps({**measured, "ended": time.monotonic()}))
