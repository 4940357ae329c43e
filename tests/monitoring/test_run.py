"""Agent runs: what is counted, and that nothing reaches the agent."""

from __future__ import annotations

import asyncio
import inspect
import logging
import math
from typing import Any

import pytest
from prometheus_client import CollectorRegistry

from slo_engine.monitoring import AgentMetrics, AgentMonitor, ToolError, current_run, monitor_agent
from slo_engine.monitoring.tracing import Tracing


class World:
    """Metrics on a registry of their own."""

    def __init__(self, tracing: Tracing | None = None) -> None:
        self.registry = CollectorRegistry()
        self.metrics = AgentMetrics(self.registry)
        self.tracing = tracing or Tracing()

    def run(self, agent_type: str = "agent") -> AgentMonitor:
        return AgentMonitor(agent_type, metrics=self.metrics, tracing=self.tracing)

    def value(self, name: str, **labels: str) -> float | None:
        return self.registry.get_sample_value(name, labels)


@pytest.fixture
def world() -> World:
    return World()


@pytest.mark.parametrize(
    ("error", "status", "category"),
    [
        (ValueError("x"), "error", "validation"),
        (TimeoutError("x"), "timeout", "timeout"),
        (ToolError("x"), "error", "tool_failure"),
        (RuntimeError("x"), "error", "internal"),
        (asyncio.CancelledError(), "error", "cancelled"),
    ],
)
def test_a_run_that_fails_is_counted_by_how_and_why_and_its_error_goes_on(
    world: World, error: BaseException, status: str, category: str
) -> None:
    with pytest.raises(type(error)) as caught, world.run():
        raise error
    assert caught.value is error
    assert world.value("agent_requests_total", agent_type="agent", status=status) == 1
    assert world.value("agent_requests_total", agent_type="agent", status="success") == 0
    assert world.value("agent_errors_total", agent_type="agent", error_category=category) == 1
    assert world.value("agent_request_duration_seconds_count", agent_type="agent") == 1
    assert world.value("active_agent_runs", agent_type="agent") == 0


def test_series_of_an_agent_exist_at_0_before_its_first_run(world: World) -> None:
    world.run("new_agent")
    for status in ("success", "error", "timeout"):
        assert world.value("agent_requests_total", agent_type="new_agent", status=status) == 0


def test_the_threshold_of_the_default_latency_objective_is_a_bucket(world: World) -> None:
    with world.run():
        pass
    assert world.value("agent_request_duration_seconds_bucket", agent_type="agent", le="15.0") == 1


def test_decorated_functions_keep_their_kind_name_signature_and_result(world: World) -> None:
    def plain(a: int, *, b: str = "x") -> str:
        """Doc."""
        assert current_run() is not None
        return b * a

    async def coroutine(a: int) -> int:
        assert current_run() is not None
        return a

    decorate: Any = monitor_agent("agent", metrics=world.metrics, tracing=world.tracing)
    for function in (plain, coroutine):
        decorated = decorate(function)
        assert inspect.signature(decorated) == inspect.signature(function)
        assert inspect.iscoroutinefunction(decorated) == inspect.iscoroutinefunction(function)
        assert (decorated.__name__, decorated.__doc__) == (function.__name__, function.__doc__)
    assert decorate(plain)(2, b="y") == "yy"
    assert asyncio.run(decorate(coroutine)(7)) == 7
    assert world.value("agent_requests_total", agent_type="agent", status="success") == 2
    assert current_run() is None


def test_generator_functions_are_refused_when_decorated_with_what_to_do(world: World) -> None:
    def generator() -> Any:
        yield 1

    with pytest.raises(TypeError, match="use AgentMonitor inside"):
        monitor_agent("agent", metrics=world.metrics)(generator)


def test_nested_agents_are_runs_of_their_own(world: World) -> None:
    with world.run("outer") as outer:
        with world.run("inner") as inner:
            assert current_run() is inner
        assert current_run() is outer
    assert world.value("agent_requests_total", agent_type="inner", status="success") == 1


def test_concurrent_runs_do_not_see_one_another(world: World) -> None:
    async def one(name: str) -> None:
        async with world.run(name) as run:
            await asyncio.sleep(0)
            assert current_run() is run

    async def all_of_them() -> None:
        await asyncio.gather(*(one(f"agent{number}") for number in range(20)))

    asyncio.run(all_of_them())


@pytest.mark.parametrize(
    ("error", "status"), [(None, "success"), (TimeoutError(), "timeout"), (KeyError("x"), "failure")]
)
def test_a_tool_is_counted_on_every_path(world: World, error: Exception | None, status: str) -> None:
    def call() -> None:
        with world.run() as run, run.tool("search"):
            if error:
                raise error

    if error:
        with pytest.raises(type(error)):
            call()
    else:
        call()
    assert world.value("agent_tool_calls_total", tool_name="search", status=status) == 1
    assert world.value("agent_tool_call_count_sum", agent_type="agent") == 1


def test_an_error_that_came_from_a_tool_is_a_tool_failure(world: World) -> None:
    with pytest.raises(KeyError), world.run() as run, run.tool("search"):
        raise KeyError("x")
    assert world.value("agent_errors_total", agent_type="agent", error_category="tool_failure") == 1


def test_model_calls_are_counted_with_their_tokens_and_money(world: World) -> None:
    with world.run() as run:
        run.record_llm_call("m", input_tokens=100, output_tokens=20, cost_usd=0.25, seconds=1.5)
        run.record_llm_call("m", input_tokens=1, cost_usd=0.5)
    assert world.value("llm_api_calls_total", model="m", call_type="completion") == 2
    assert world.value("llm_tokens_used_total", model="m", token_type="input") == 101
    assert world.value("llm_cost_usd_total", model="m", agent_type="agent") == 0.75
    assert world.value("agent_cost_per_request_usd_sum", model="m", agent_type="agent") == 0.75
    assert world.value("llm_call_duration_seconds_count", model="m") == 1


@pytest.mark.parametrize("bad", [math.nan, math.inf, -1.0])
def test_an_amount_that_would_kill_a_counter_is_refused_and_counted(world: World, bad: float) -> None:
    with world.run() as run:
        run.record_llm_call("m", cost_usd=bad)
        run.record_llm_call("m", cost_usd=1.0)
    assert world.value("llm_cost_usd_total", model="m", agent_type="agent") == 1.0
    assert world.value("agent_monitoring_dropped_total", reason="bad_amount") == 1


def test_a_tracing_backend_that_breaks_never_reaches_the_agent(caplog: pytest.LogCaptureFixture) -> None:
    class Broken:
        def __getattr__(self, name: str) -> Any:
            raise RuntimeError("broken")

    failures: list[None] = []
    world = World(Tracing(Broken(), on_failure=lambda: failures.append(None)))  # type: ignore[arg-type]
    with caplog.at_level(logging.WARNING):
        for _ in range(20):
            with world.run() as run, run.tool("search"):
                pass
    assert world.value("agent_requests_total", agent_type="agent", status="success") == 20
    assert len(failures) == 40
    assert len(caplog.records) == 1
