"""The API of the tutorial that this library grew from, as it is written there."""

from __future__ import annotations

import asyncio
import copy
import logging
import pickle
import threading
import time
from contextlib import suppress
from typing import Any

import pytest
from prometheus_client import CollectorRegistry

from slo_engine.monitoring import (
    AgentMetrics,
    AgentMonitor,
    LangFuseAgentTracer,
    Prices,
    configure,
    current_run,
    monitor_tool,
    start_metrics_server,
    trace_agent_run,
)
from slo_engine.monitoring.defaults import chosen
from slo_engine.monitoring.tracing import Tracing
from tests.monitoring.world import Backend, Kept


class Defaults:
    """What agents use that are given nothing else."""

    def __init__(self) -> None:
        self.registry = CollectorRegistry()
        self.kept = Kept()
        configure(metrics=AgentMetrics(self.registry), tracing=Tracing(self.kept))

    def value(self, name: str, **labels: str) -> float | None:
        return self.registry.get_sample_value(name, labels)


@pytest.fixture
def defaults(monkeypatch: pytest.MonkeyPatch) -> Defaults:
    for name in ("metrics", "tracing", "is_tracing_known", "prices"):
        monkeypatch.setattr(chosen, name, getattr(chosen, name))
    return Defaults()


class Agent:
    """Typed from the tutorial."""

    def __init__(self) -> None:
        self.monitor = AgentMonitor("support", "gpt-4o", "user-1")

    async def run(self, question: str) -> str:
        async with self.monitor.run_context():
            await asyncio.sleep(0.001)
            self.monitor.record_llm_call(input_tokens=500, output_tokens=200, duration=1.5)
            self.monitor.record_tool_call("search_knowledge_base", 0.8, success=True)
            self.monitor.record_tool_call("search_knowledge_base", 0.2, success=False)
            return f"answer to {question}"


def test_the_tutorials_agent_runs_and_its_numbers_are_right(defaults: Defaults) -> None:
    agent = Agent()

    async def many() -> list[str]:
        return await asyncio.gather(*(agent.run(str(each)) for each in range(3)))

    assert asyncio.run(many()) == ["answer to 0", "answer to 1", "answer to 2"]
    value = defaults.value
    assert value("agent_requests_total", agent_type="support", status="success") == 3
    assert value("active_agent_runs", agent_type="support") == 0
    assert value("llm_api_calls_total", model="gpt-4o", call_type="completion") == 3
    assert value("llm_tokens_used_total", model="gpt-4o", token_type="input") == 1500
    assert value("llm_tokens_used_total", model="gpt-4o", token_type="output") == 600
    assert value("llm_call_duration_seconds_sum", model="gpt-4o") == 4.5
    price = Prices().cost("gpt-4o", 500, 200)
    assert price is not None
    assert value("llm_cost_usd_total", model="gpt-4o", agent_type="support") == pytest.approx(3 * price)
    assert value("agent_cost_per_request_usd_sum", agent_type="support", model="gpt-4o") == pytest.approx(3 * price)
    assert value("agent_cost_per_request_usd_count", agent_type="support", model="gpt-4o") == 3
    assert value("agent_tool_calls_total", tool_name="search_knowledge_base", status="success") == 3
    assert value("agent_tool_calls_total", tool_name="search_knowledge_base", status="failure") == 3
    assert value("agent_tool_call_count_sum", agent_type="support") == 6
    for trace in defaults.kept.traces:
        assert (trace.user_id, [step.name for step in trace.steps]) == (
            "user-1",
            ["support", "gpt-4o", "search_knowledge_base", "search_knowledge_base"],
        )
        tool = trace.steps[2]
        assert (tool.end_ns - tool.start_ns) / 1e9 == pytest.approx(0.8, abs=0.1)


def test_the_tutorials_tracer_makes_a_trace_as_langfuse_shows_it(backend: Backend) -> None:
    tracing = backend.tracing()
    tracer = LangFuseAgentTracer("support", "user-1", tracing=tracing)
    span_id = tracer.start_llm_call("gpt-4o", [{"role": "user", "content": "q"}], [{"name": "search"}])
    tracer.end_llm_call(span_id, "an answer", {"input": 500, "output": 200}, "gpt-4o-2024-08-06")
    tracer.record_tool_call("search", {"query": "q"}, ["found"], 120)
    tracer.add_score("helpful", 0.9, "it was")
    tracer.finish("done", "success")
    assert tracing.flush(10)
    rows = {row["name"]: row for row in backend.rows(tracer.trace_id)}
    assert set(rows) == {"support", "gpt-4o-2024-08-06", "search"}
    assert rows["support"]["userId"] == "user-1"
    assert rows["support"]["output"] == "done"
    generation = rows["gpt-4o-2024-08-06"]
    assert generation["output"] == "an answer"
    assert (generation["usageDetails"]["input"], generation["usageDetails"]["output"]) == (500, 200)
    assert "search" in str(generation["input"])
    assert rows["search"]["input"] is not None


def test_a_tracers_status_that_is_no_success_is_an_error(defaults: Defaults) -> None:
    LangFuseAgentTracer("support").finish("", "failed")
    assert defaults.kept.traces[0].steps[0].failed


def test_the_tutorials_decorator_traces_with_user_session_and_metadata(defaults: Defaults) -> None:
    @trace_agent_run("support", "user-1", "session-2", {"tenant": "a"})
    async def agent(question: str) -> str:
        return question.upper()

    assert asyncio.run(agent("q")) == "Q"
    (trace,) = defaults.kept.traces
    assert (trace.user_id, trace.session_id) == ("user-1", "session-2")
    assert trace.steps[0].metadata == {"tenant": "a"}
    assert defaults.value("agent_requests_total", agent_type="support", status="success") is None


def test_the_tutorials_server_serves(defaults: Defaults) -> None:
    with_port = start_metrics_server(0)
    try:
        assert with_port.port > 0
    finally:
        with_port.close()


WRONG: list[Any] = [
    lambda run: run.record_llm_call("m", input_tokens=1, ouput_tokens=2),
    lambda run: run.record_llm_call(1, 2, 3, 4, 5),
    lambda run: run.record_tool_call("search", 0.8, True, "more"),
    lambda run: run.record_tool_call("search", succes=False),
    lambda run: run.record_tool_call("search", status="success", latency=3),
    lambda run: run.add_score(),
    lambda run: run.add_score("helpful", None),
    lambda run: run.add_score("helpful", 1, "why", "more"),
    lambda run: run.count_error(),
    lambda run: run.update("output"),
]


@pytest.mark.parametrize("wrong", range(len(WRONG)))
@pytest.mark.parametrize("on", ["run", "monitor"])
def test_wrong_arguments_never_fail_the_agent_and_are_counted_and_told(
    defaults: Defaults, caplog: pytest.LogCaptureFixture, wrong: int, on: str
) -> None:
    monitor = AgentMonitor("support")
    with caplog.at_level(logging.WARNING), monitor as run:
        WRONG[wrong](run if on == "run" else monitor)
    assert defaults.value("agent_requests_total", agent_type="support", status="success") == 1
    assert (defaults.value("agent_monitoring_dropped_total", reason="internal") or 0) == 1
    assert "the agent is not affected" in caplog.text


def test_wrong_arguments_of_a_tracer_never_fail_the_agent(defaults: Defaults) -> None:
    tracer: Any = LangFuseAgentTracer("support")
    tracer.end_llm_call()
    tracer.end_llm_call("not what start_llm_call returned")
    tracer.record_tool_call("search", 1, 2, 3, 4, 5)
    tracer.add_score()
    tracer.update(outputs=1)
    tracer.end_llm_call(tracer.start_llm_call("gpt-4o", [], [], "more", temperature=0.5), "answer")
    tracer.finish(1, 2, 3)
    assert (defaults.value("agent_monitoring_dropped_total", reason="internal") or 0) == 7


def test_a_call_that_was_told_wrongly_is_counted_all_the_same(defaults: Defaults) -> None:
    monitor: Any = AgentMonitor("support", "gpt-4o")
    with monitor:
        monitor.record_llm_call(input_tokens=10, output_tokens=5, latency=3)
        monitor.record_tool_call("search", duration=0.5, success=False, user="me")
    assert defaults.value("llm_tokens_used_total", model="gpt-4o", token_type="input") == 10
    assert defaults.value("agent_tool_calls_total", tool_name="search", status="failure") == 1


def test_numbers_in_their_order_are_tokens_and_seconds(defaults: Defaults) -> None:
    monitor: Any = AgentMonitor("support", "gpt-4o")
    with monitor as run:
        run.record_llm_call(500, 200, 1.5)
        run.record_llm_call("gpt-4o", 500, 200, 1.5)
    assert defaults.value("llm_tokens_used_total", model="gpt-4o", token_type="input") == 1000
    assert defaults.value("llm_call_duration_seconds_sum", model="gpt-4o") == 3.0
    assert defaults.value("agent_monitoring_dropped_total", reason="internal") == 0


# One monitor, many runs.


def test_one_monitor_counts_each_of_its_runs_by_itself(defaults: Defaults) -> None:
    monitor = AgentMonitor("support")
    for _ in range(3):
        with monitor as run:
            with run.tool("search"):
                pass
            run.record_llm_call("gpt-5-mini", input_tokens=1000, output_tokens=50)
    assert defaults.value("agent_tool_call_count_sum", agent_type="support") == 3
    assert defaults.value("agent_cost_per_request_usd_sum", agent_type="support", model="gpt-5-mini") == pytest.approx(
        3 * 0.00035
    )
    assert len(defaults.kept.traces) == 3


def test_runs_of_one_monitor_at_the_same_time_do_not_meet(defaults: Defaults) -> None:
    monitor = AgentMonitor("support")

    async def one(number: int) -> None:
        async with monitor:
            for _ in range(number):
                await asyncio.sleep(0.005)
                monitor.record_tool_call("search")
            if number == 3:
                raise ValueError("three")

    async def main() -> None:
        await asyncio.gather(*(one(each) for each in range(5)), return_exceptions=True)

    asyncio.run(main())
    assert defaults.value("agent_requests_total", agent_type="support", status="success") == 4
    assert defaults.value("agent_requests_total", agent_type="support", status="error") == 1
    assert defaults.value("active_agent_runs", agent_type="support") == 0
    assert sorted(len(trace.steps) for trace in defaults.kept.traces) == [1, 2, 3, 4, 5]


def test_a_monitor_that_is_told_of_something_outside_of_its_runs_counts_it(defaults: Defaults) -> None:
    monitor = AgentMonitor("support", "gpt-4o")
    monitor.record_llm_call(input_tokens=10, output_tokens=5)
    monitor.record_tool_call("search")
    monitor.count_error("auth")
    assert (defaults.value("llm_cost_usd_total", model="gpt-4o", agent_type="support") or 0) > 0
    assert defaults.value("agent_tool_calls_total", tool_name="search", status="success") == 1
    assert defaults.value("agent_errors_total", agent_type="support", error_category="auth") == 1
    assert defaults.value("agent_requests_total", agent_type="support", status="success") == 0


def test_a_copied_monitor_is_the_same_one(defaults: Defaults) -> None:
    monitor = AgentMonitor("support")
    with monitor as run:
        assert copy.deepcopy({"state": [monitor, run]})["state"] == [monitor, run]


def test_a_tool_that_is_entered_again_is_called_again(defaults: Defaults) -> None:
    with AgentMonitor("support") as run:
        tool = run.tool("search")
        for outcome in (ValueError("away"), ValueError("away"), None):
            with suppress(ValueError), tool:
                if outcome is not None:
                    raise outcome
    assert defaults.value("agent_tool_calls_total", tool_name="search", status="failure") == 2
    assert defaults.value("agent_tool_calls_total", tool_name="search", status="success") == 1


# Tracing beside metrics.


@monitor_tool("look_up")
def look_up() -> int:
    return 1


def test_a_traced_run_inside_of_a_counted_one_leaves_it_its_tools_and_money(defaults: Defaults) -> None:
    def work() -> None:
        look_up()
        with LangFuseAgentTracer("inner"):
            look_up()

    traced = trace_agent_run("support")(work)
    with AgentMonitor("support"):
        traced()
    assert defaults.value("agent_tool_call_count_sum", agent_type="support") == 2
    assert defaults.value("agent_tool_calls_total", tool_name="look_up", status="success") == 2
    assert len(defaults.kept.traces) == 1


def test_what_is_traced_by_hand_is_not_counted_for_it_is_counted_by_hand(defaults: Defaults) -> None:
    with AgentMonitor("support", "gpt-4o") as run:
        tracer = LangFuseAgentTracer("support")
        call = tracer.start_llm_call("gpt-4o", "q")
        tracer.end_llm_call(call, "a", {"prompt_tokens": 500, "completion_tokens": 200})
        run.record_llm_call(input_tokens=500, output_tokens=200)
        tracer.record_tool_call("search", "q", "a", 20)
        tracer.finish("a")
    assert defaults.value("llm_api_calls_total", model="gpt-4o", call_type="completion") == 1
    assert defaults.value("agent_tool_calls_total", tool_name="search", status="success") is None


def test_a_monitor_travels_to_another_process_without_its_runs(defaults: Defaults) -> None:
    monitor = AgentMonitor("support", "gpt-4o", "user-1", metrics=AgentMetrics(CollectorRegistry()))
    with monitor:
        found = pickle.loads(pickle.dumps(monitor))
    with found as run:
        assert (run.agent_type, run.model) == ("support", "gpt-4o")
    assert defaults.value("agent_requests_total", agent_type="support", status="success") == 1


def test_runs_that_begin_and_end_in_other_threads_disturb_no_recording(defaults: Defaults) -> None:
    monitor, errors = AgentMonitor("support"), []
    deadline = time.monotonic() + 1.0

    def runs() -> None:
        while time.monotonic() < deadline:
            with monitor:
                pass

    def records() -> None:
        while time.monotonic() < deadline:
            try:
                monitor.record_tool_call("search")
                monitor.tool("search")
            except Exception as error:  # noqa: BLE001 - what is looked for
                errors.append(error)

    threads = [threading.Thread(target=each) for each in (runs, runs, runs, records, records)]
    for each in threads:
        each.start()
    for each in threads:
        each.join()
    assert errors == []
    assert defaults.value("active_agent_runs", agent_type="support") == 0


def test_a_tool_that_is_declared_with_the_monitor_is_called_in_runs_to_come(defaults: Defaults) -> None:
    monitor = AgentMonitor("support")

    @monitor.tool("search")
    def search() -> int:
        return 1

    with monitor:
        search()
    assert defaults.value("agent_tool_call_count_sum", agent_type="support") == 1


def test_prices_of_ones_own_hold_outside_of_runs_and_in_traced_ones(defaults: Defaults) -> None:
    prices = Prices({"ours": {"input": 1.0, "output": 1.0}})
    AgentMonitor("support", "ours", prices=prices).record_llm_call(input_tokens=1_000_000)

    @trace_agent_run("traced", prices=prices)
    def agent() -> None:
        run = current_run()
        assert run is not None
        run.record_llm_call("ours", input_tokens=1_000_000)

    agent()
    assert defaults.value("llm_cost_usd_total", model="ours", agent_type="support") == 1.0
    assert defaults.value("llm_cost_usd_total", model="ours", agent_type="traced") == 1.0


def test_a_monitor_tells_its_own_run_from_inside_of_another_ones(defaults: Defaults) -> None:
    outer, inner = AgentMonitor("outer"), AgentMonitor("inner")

    async def one() -> None:
        async with outer:
            async with inner:
                await asyncio.sleep(0.01)
                outer.record_tool_call("search")
            with LangFuseAgentTracer("traced"):
                await asyncio.sleep(0.01)
                outer.record_llm_call("m", input_tokens=1, cost_usd=0.25)

    async def main() -> None:
        await asyncio.gather(one(), one())

    asyncio.run(main())
    assert defaults.value("agent_tool_call_count_sum", agent_type="outer") == 2
    assert defaults.value("agent_tool_call_count_sum", agent_type="inner") == 0
    assert defaults.value("agent_cost_per_request_usd_sum", agent_type="outer", model="m") == 0.5
