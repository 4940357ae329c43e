"""Agent runs: what is counted, and that nothing reaches the agent."""

from __future__ import annotations

import asyncio
import logging
import math
import threading
from collections.abc import Iterator
from enum import StrEnum
from typing import Any

import pytest

from slo_engine.monitoring import Prices, ToolError, count_error, current_run, monitor_agent
from slo_engine.monitoring.tracing import Trace, Tracing
from tests.monitoring.world import World


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
        (asyncio.CancelledError(), "cancelled", "cancelled"),
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


def test_a_tool_of_a_run_may_be_a_decorator(world: World) -> None:
    with world.run() as run:

        @run.tool("search")
        def search(query: str) -> str:
            return query.upper()

        assert [search("a"), search("b")] == ["A", "B"]
    assert world.value("agent_tool_calls_total", tool_name="search", status="success") == 2
    assert world.value("agent_tool_call_count_sum", agent_type="agent") == 2


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


@pytest.mark.parametrize("bad", [math.nan, math.inf, -1, "12", None])
def test_tokens_and_durations_that_are_none_are_refused_and_counted(world: World, bad: Any) -> None:
    with world.run() as run:
        run.record_llm_call("m", input_tokens=bad, output_tokens=3, cost_usd=0.1)
        run.record_llm_call("m", input_tokens=1, output_tokens=3, cost_usd=0.1, seconds=bad if bad is not None else -1)
    assert world.value("llm_tokens_used_total", model="m", token_type="input") in {0, 1}
    assert world.value("agent_requests_total", agent_type="agent", status="success") == 1
    dropped = [world.value("agent_monitoring_dropped_total", reason=reason) for reason in ("bad_amount", "internal")]
    assert any(dropped)


def test_parts_of_the_tokens_are_counted_apart(world: World) -> None:
    with world.run() as run:
        run.record_llm_call(
            "m", input_tokens=100, cached_tokens=40, cache_write_tokens=5, output_tokens=20, reasoning_tokens=12
        )
    counted = {
        kind: world.value("llm_tokens_used_total", model="m", token_type=kind)
        for kind in ("input", "output", "cached", "cache_write", "reasoning")
    }
    assert counted == {"input": 100, "output": 20, "cached": 40, "cache_write": 5, "reasoning": 12}


def test_a_model_without_a_price_is_counted_as_unpriced_and_never_as_free(world: World) -> None:
    with world.run() as run:
        run.record_llm_call("nobody-knows-me", input_tokens=10, output_tokens=10)
        run.record_llm_call("gpt-5-mini")  # tokens nobody knows have no price either
    assert world.value("llm_unpriced_calls_total", model="nobody-knows-me") == 1
    assert world.value("llm_unpriced_calls_total", model="gpt-5-mini") == 1
    assert world.value("llm_cost_usd_total", model="nobody-knows-me", agent_type="agent") is None
    assert world.value("agent_cost_per_request_usd_count", model="gpt-5-mini", agent_type="agent") is None


def test_the_mean_cost_of_a_model_is_that_of_all_runs_that_called_it_at_a_known_price() -> None:
    world = World()
    prices = Prices({"our-llama": {"input": 0, "output": 0}})
    for number in range(4):
        with world.run(prices=prices) as run:
            run.record_llm_call("our-llama", input_tokens=10, output_tokens=10)  # has a price, and it is 0
            run.record_llm_call("ollama/llama3", input_tokens=10, output_tokens=10)  # has none
            if number == 0:
                run.record_llm_call("dear", cost_usd=0.5)
                run.record_llm_call("dear", cost_usd=0.25)
            elif number == 1:
                run.record_llm_call("dear", error=TimeoutError())  # nothing came back, and nothing is paid

    def of(name: str, model: str) -> float | None:
        return world.value(f"agent_cost_per_request_usd_{name}", agent_type="agent", model=model)

    assert (of("sum", "our-llama"), of("count", "our-llama")) == (0, 4)
    assert (of("sum", "dear"), of("count", "dear")) == (0.75, 2)
    assert of("count", "ollama/llama3") is None
    spent = sum(
        world.value("llm_cost_usd_total", agent_type="agent", model=each) or 0 for each in ("our-llama", "dear")
    )
    assert spent / world.runs("success") == 0.75 / 4


def test_a_model_call_that_is_timed_counts_on_every_path(world: World) -> None:
    with world.run() as run:
        with run.llm_call("gpt-5-mini") as call:
            call.first_token()
            call.record({"model": "gpt-5-mini", "usage": {"prompt_tokens": 1000, "completion_tokens": 100}})
        with pytest.raises(ConnectionError), run.llm_call("gpt-5-mini"):
            raise ConnectionError("reset")
    assert world.value("llm_api_calls_total", model="gpt-5-mini", call_type="completion") == 2
    assert world.value("llm_call_duration_seconds_count", model="gpt-5-mini") == 2
    assert world.value("llm_time_to_first_token_seconds_count", model="gpt-5-mini") == 1
    assert world.value("llm_cost_usd_total", model="gpt-5-mini", agent_type="agent") == pytest.approx(0.00045)
    assert world.value("llm_unpriced_calls_total", model="gpt-5-mini") == 0  # a failed call is paid by nobody


class Model(StrEnum):
    MINI = "gpt-5-mini"


def test_a_model_named_by_an_enumeration_is_that_model(world: World) -> None:
    with world.run() as run:
        run.record_llm_call(Model.MINI, input_tokens=10, output_tokens=5)
    assert world.value("llm_tokens_used_total", model="gpt-5-mini", token_type="input") == 10
    assert world.value("llm_cost_usd_total", model="gpt-5-mini", agent_type="agent") is not None


def test_a_failed_call_without_tokens_costs_nothing_and_is_not_unpriced(world: World) -> None:
    with world.run() as run:
        run.record_llm_call("gpt-5-mini", error=ConnectionError("reset"))
    assert world.value("llm_unpriced_calls_total", model="gpt-5-mini") == 0
    assert world.value("llm_cost_usd_total", model="gpt-5-mini", agent_type="agent") == 0


def chunks() -> Iterator[Any]:
    yield {"model": "gpt-5-mini", "choices": [{"delta": {"content": "hello"}}]}
    yield {"model": "gpt-5-mini", "choices": [], "usage": {"prompt_tokens": 1000, "completion_tokens": 10}}


def test_what_is_known_of_a_stream_is_taken_and_the_rest_is_measured() -> None:
    world = World(traced=True)
    with world.run() as run:
        for _ in run.record_llm_call(chunks(), seconds=9, cost_usd=7, time_to_first_token=3, metadata={"n": 1}):
            pass
    assert (world.value("llm_call_duration_seconds_sum", model="gpt-5-mini") or 0) > 9
    assert world.value("llm_time_to_first_token_seconds_sum", model="gpt-5-mini") == 3
    assert world.value("llm_cost_usd_total", model="gpt-5-mini", agent_type="agent") == 7
    assert world.trace.steps[1].metadata == {"n": "1"}


def test_a_timed_call_may_be_a_stream_read_inside_or_after_its_block(world: World) -> None:
    with world.run() as run:
        with run.llm_call("gpt-5-mini") as call:
            for _ in call.record(chunks()):
                pass
        with run.llm_call("gpt-5-mini") as call:
            later = call.record(chunks())
        assert world.value("llm_api_calls_total", model="gpt-5-mini", call_type="completion") == 1
        list(later)
    assert world.value("llm_tokens_used_total", model="gpt-5-mini", token_type="input") == 2000
    assert world.value("llm_time_to_first_token_seconds_count", model="gpt-5-mini") == 2


class ReadTimeout(Exception):  # noqa: N818 - httpx' name
    """As httpx raises it."""


@pytest.mark.parametrize("error", [TimeoutError(), ReadTimeout(), ExceptionGroup("g", [TimeoutError()])])
def test_a_timeout_out_of_a_tool_is_a_timeout_of_both(world: World, error: Exception) -> None:
    with pytest.raises(type(error)), world.run() as run, run.tool("search"):
        raise error
    assert world.runs("timeout") == 1
    assert world.value("agent_tool_calls_total", tool_name="search", status="timeout") == 1


def test_a_counted_error_carries_an_exemplar_of_its_run() -> None:
    world = World(traced=True, sample_rate=0.0)
    with world.run() as run:
        run.count_error("validation")
    assert world.exemplar("agent_errors", "agent_errors_total", error_category="validation") == run.trace_id


def test_a_decorator_without_its_parentheses_is_told_at_once() -> None:
    with pytest.raises(TypeError, match="with parentheses"):
        monitor_agent(lambda: None)  # type: ignore[arg-type]


def test_an_error_out_of_a_model_call_is_an_llm_error(world: World) -> None:
    with pytest.raises(ConnectionError), world.run() as run, run.llm_call("m"):
        raise ConnectionError("reset")
    assert world.value("agent_errors_total", agent_type="agent", error_category="llm_error") == 1


def test_an_unknown_tool_status_is_a_failure_that_is_told(world: World, caplog: pytest.LogCaptureFixture) -> None:
    with world.run() as run:
        run.record_tool_call("search", "exploded")
    assert world.value("agent_tool_calls_total", tool_name="search", status="failure") == 1


@pytest.mark.parametrize(
    ("value", "expected"), [(0.75, 0.75), (True, 1.0), (False, 0.0), (math.nan, None), ("good", None)]
)
def test_scores_become_an_sli_of_answer_quality(world: World, value: Any, expected: float | None) -> None:
    with world.run() as run:
        run.add_score("helpful", value)
    assert world.value("agent_score_sum", agent_type="agent", score_name="helpful") == expected


def test_errors_before_any_run_can_be_counted(world: World) -> None:
    count_error("agent", PermissionError("no key"), metrics=world.metrics)
    count_error("agent", "network_setup", metrics=world.metrics)
    with world.run() as run:
        run.count_error(TimeoutError())
    for category in ("auth", "network_setup", "timeout"):
        assert world.value("agent_errors_total", agent_type="agent", error_category=category) == 1
    assert world.runs("success") == 1


def test_a_run_may_be_shared_by_threads(world: World) -> None:
    with world.run() as run:

        def work() -> None:
            for _ in range(500):
                run.record_tool_call("search")
                run.record_llm_call("m", input_tokens=1, output_tokens=1, cost_usd=0.5)

        threads = [threading.Thread(target=work) for _ in range(8)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
    assert world.value("agent_tool_call_count_sum", agent_type="agent") == 4000
    assert world.value("agent_cost_per_request_usd_sum", agent_type="agent", model="m") == 2000
    assert world.value("llm_cost_usd_total", agent_type="agent", model="m") == 2000


class Broken:
    """Whatever is asked of it, it raises."""

    def __getattr__(self, name: str) -> Any:
        raise RuntimeError(f"{name} is broken")


def test_a_tracing_backend_that_breaks_never_reaches_the_agent(caplog: pytest.LogCaptureFixture) -> None:
    world = World()
    world.tracing = Tracing(Broken())
    with caplog.at_level(logging.WARNING):
        for _ in range(20):
            with world.run() as run, run.tool("search"):
                run.record_llm_call("m", input_tokens=1)
                run.add_score("helpful", 1)
                run.update(output="x")
    assert world.runs("success") == 20
    assert world.value("agent_tool_calls_total", tool_name="search", status="success") == 20
    assert (world.value("agent_monitoring_dropped_total", reason="internal") or 0) >= 20
    assert len(caplog.records) <= 1


def test_metrics_that_break_never_reach_the_agent(monkeypatch: pytest.MonkeyPatch) -> None:
    world = World(traced=True)
    run = world.run()
    monkeypatch.setattr(run, "_series", Broken())
    with run:
        run.record_llm_call("m", cost_usd=1.0)
        run.add_score("helpful", 1)
    assert world.is_clean() or world.value("active_agent_runs", agent_type="agent") == 0
    assert (world.value("agent_monitoring_dropped_total", reason="internal") or 0) >= 3
    assert world.kept.traces, "the trace is handed over all the same"


def test_exemplars_lead_from_every_counter_and_bucket_to_the_trace() -> None:
    world = World(traced=True)
    with pytest.raises(KeyError), world.run() as run:
        run.record_tool_call("search")
        with run.tool("lookup"):
            raise KeyError("x")
    trace_id = run.trace_id
    assert trace_id is not None
    assert world.exemplar("agent_requests", "agent_requests_total", status="error") == trace_id
    assert world.exemplar("agent_errors", "agent_errors_total", error_category="tool_failure") == trace_id
    assert world.exemplar("agent_tool_calls", "agent_tool_calls_total", tool_name="search") == trace_id
    assert world.exemplar("agent_tool_calls", "agent_tool_calls_total", tool_name="lookup") == trace_id
    duration = ("agent_request_duration_seconds", "agent_request_duration_seconds_bucket")
    assert world.exemplar(*duration, le="0.5") == trace_id


def test_exemplars_name_no_trace_that_sampling_drops() -> None:
    world = World(traced=True, sample_rate=0.0)
    with world.run() as run:
        run.record_tool_call("search")
    assert run.trace_id is not None
    assert world.kept.traces == []
    assert world.exemplar("agent_requests", "agent_requests_total") is None
    assert world.exemplar("agent_tool_calls", "agent_tool_calls_total") is None
    assert world.exemplar("agent_request_duration_seconds", "agent_request_duration_seconds_bucket") is None
    with pytest.raises(ValueError, match="x"), world.run() as failed:
        raise ValueError("x")
    assert world.exemplar("agent_requests", "agent_requests_total", status="error") == failed.trace_id


def test_an_exemplar_gives_way_to_one_of_a_run_that_began_a_second_later(monkeypatch: pytest.MonkeyPatch) -> None:
    world = World(traced=True)
    clock = [1000.0]
    monkeypatch.setattr("slo_engine.monitoring.run.time.perf_counter", lambda: clock[0])
    seen = []
    for _ in range(5):
        with world.run():
            clock[0] += 0.4
        seen.append(world.exemplar("agent_requests", "agent_requests_total", status="success"))
    first, _, _, fourth, _ = (trace.hex for trace in world.kept.traces)
    assert seen == [first, first, first, fourth, fourth]
    assert world.runs("success") == 5


def test_a_nested_agent_is_part_of_the_outer_trace() -> None:
    world = World(traced=True)
    with world.run("outer") as outer, outer.tool("delegate"), world.run("inner") as inner:
        inner.record_llm_call("m", input_tokens=1)
    trace: Trace = world.trace
    assert inner.trace_id == outer.trace_id == trace.hex
    by_name = {step.name: step for step in trace.steps}
    assert by_name["inner"].parent_id == by_name["delegate"].span_id
    assert by_name["delegate"].parent_id == by_name["outer"].span_id
    assert by_name["m"].parent_id == by_name["inner"].span_id


def test_what_is_left_of_an_ended_run_begins_a_trace_of_its_own() -> None:
    world = World(traced=True)

    async def background() -> str | None:
        with world.run("later") as run:
            return run.trace_id

    async def main() -> tuple[str | None, str | None]:
        async with world.run() as run:
            task = asyncio.create_task(background())  # copies the context, run and all
        return run.trace_id, await task

    ended, later = asyncio.run(main())
    assert ended != later
    assert len(world.kept.traces) == 2
