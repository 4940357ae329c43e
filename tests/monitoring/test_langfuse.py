"""Traces through the LangFuse SDK's world into the stand-in, and what becomes of an agent when LangFuse misbehaves."""

from __future__ import annotations

import asyncio
import itertools
import json
import os
import random
import subprocess
import sys
import threading
import time
from contextlib import suppress
from typing import Any

import pytest
from opentelemetry.sdk.trace import SpanProcessor

from deploy.stack.processes import free_port
from slo_engine.monitoring import AgentRun, LangFuseAgentTracer, LangFuseTracing, monitor_agent
from slo_engine.monitoring.quiet import OnceAMinute
from slo_engine.monitoring.tracer import trace_agent_run
from tests.monitoring.world import PUBLIC_KEY, SECRET_KEY, Backend
from tests.waiting import wait_for


def test_a_run_is_a_trace_with_its_steps_tags_users_and_errors(backend: Backend) -> None:
    tracing = backend.tracing(environment="staging", release="v7")
    options: dict[str, Any] = {"user_id": "u-1", "session_id": "s-1", "tags": ["beta"], "metadata": {"plan": "gold"}}
    with pytest.raises(TimeoutError), backend.run(tracing, **options) as run:
        run.record_llm_call(
            "gpt-5-mini",
            input_tokens=1000,
            cached_tokens=400,
            output_tokens=50,
            reasoning_tokens=20,
            cost_usd=0.001,
            seconds=1.5,
            time_to_first_token=0.5,
            input=[{"role": "user", "content": "hello"}],
            output="hi",
        )
        run.add_score("helpful", 0.8, comment="well said")
        with run.tool("search") as tool:
            tool.update(input={"query": "refund"})
            raise TimeoutError("index did not answer")
    assert tracing.flush(10)
    steps = {row["type"]: row for row in backend.rows(run.trace_id)}
    root, generation, tool_step = steps["AGENT"], steps["GENERATION"], steps["TOOL"]
    for row in steps.values():
        assert row["tags"] == ["agent_type:support_agent", "beta"]
        assert (row["traceName"], row["userId"], row["sessionId"]) == ("support_agent", "u-1", "s-1")
        assert (row["environment"], row["release"]) == ("staging", "v7")
    assert root["isRootObservation"]
    assert generation["parentObservationId"] == tool_step["parentObservationId"] == root["id"]
    assert (root["level"], generation["level"], tool_step["level"]) == ("ERROR", "DEFAULT", "ERROR")
    assert root["statusMessage"] == tool_step["statusMessage"] == "TimeoutError: index did not answer"
    assert root["metadata"]["plan"] == "gold"
    assert root["metadata"]["error_category"] == "tool_failure"
    assert root["metadata"]["traceback"].endswith("tests_tags_users_and_errors".removeprefix("tests"))
    assert generation["usageDetails"] == {
        "input": 600,
        "input_cached_tokens": 400,
        "output": 30,
        "output_reasoning_tokens": 20,
        "total": 1050,  # LangFuse adds it
    }
    assert (generation["totalCost"], generation["model"], generation["latency"]) == (0.001, "gpt-5-mini", 1.5)
    assert json.loads(generation["input"]) == [{"role": "user", "content": "hello"}]
    assert json.loads(tool_step["input"]) == {"query": "refund"}
    assert backend.standin.scores == [
        {
            "traceId": run.trace_id,
            "name": "helpful",
            "value": 0.8,
            "dataType": "NUMERIC",
            "comment": "well said",
            "environment": "staging",
        }
    ]


def test_everything_that_leaves_is_scrubbed_and_trace_ids_are_not(backend: Backend) -> None:
    secret = "sk-" + "a1b2c3d4" * 4
    tracing = backend.tracing()
    with (
        pytest.raises(ValueError, match="ada@example"),
        backend.run(tracing, metadata={"mail": "ada@example.org"}) as run,
    ):
        run.record_llm_call("m", input={"mail": "ada@example.org"}, output=f"your key is {secret}", input_tokens=1)
        run.add_score("helpful", 1, comment="said by ada@example.org")
        run.update(output=f"see trace {run.trace_id}")
        raise ValueError(f"ada@example.org has no right to {secret}")
    assert tracing.flush(10)
    told = json.dumps([backend.rows(run.trace_id), backend.standin.scores])
    assert "ada@" not in told
    assert secret not in told
    assert "ValueError: [EMAIL] has no right to [SECRET]" in told
    assert f"see trace {run.trace_id}" in told


def test_a_scrubber_that_fails_costs_the_content_and_nothing_else(backend: Backend) -> None:
    def broken(text: str) -> str:
        raise RuntimeError("no")

    tracing = backend.tracing(scrub=broken)
    with backend.run(tracing) as run:
        run.update(input="ada@example.org")
    assert tracing.flush(10)
    (root,) = backend.rows(run.trace_id)
    assert root["input"] == "[content dropped: the scrubber failed]"


def test_content_can_be_left_out_altogether(backend: Backend) -> None:
    tracing = backend.tracing(capture_content=False)

    @monitor_agent("support_agent", metrics=backend.metrics, tracing=tracing)
    def agent(question: str) -> str:
        return "answer"

    agent("question")
    assert tracing.flush(10)
    assert [(row["input"], row["output"]) for row in backend.standin.rows()] == [(None, None)]


def test_what_the_sdk_sees_inside_a_run_is_kept_or_dropped_with_it_and_scrubbed(backend: Backend) -> None:
    from langfuse import get_client, observe

    key = f"pk-lf-{random.SystemRandom().getrandbits(64)}"  # clients are singletons of their key
    backend.standin._credentials = f"{key}:{SECRET_KEY}"
    tracing = backend.tracing(public_key=key, sample_rate=0.0)
    client = get_client(public_key=key)

    @observe(name="observed")
    def observed(mail: str, *, fails: bool) -> None:
        if fails:
            raise KeyError(mail)

    with backend.run(tracing) as healthy:
        observed("ada@example.org", fails=False, langfuse_public_key=key)  # type: ignore[call-arg]
    with backend.run(tracing) as caught, caught.tool("search"), suppress(KeyError):
        observed("ada@example.org", fails=True, langfuse_public_key=key)  # type: ignore[call-arg]
    client.flush()
    assert tracing.flush(10)
    assert backend.rows(healthy.trace_id) == []
    steps = {row["name"]: row for row in backend.rows(caught.trace_id)}
    assert set(steps) == {"support_agent", "search", "observed"}
    assert steps["observed"]["parentObservationId"] == steps["search"]["id"]
    assert steps["observed"]["level"] == "ERROR"
    assert steps["observed"]["tags"] == ["agent_type:support_agent"]
    assert "ada@" not in json.dumps(steps)
    assert sum(row["isRootObservation"] for row in steps.values()) == 1


def test_trace_ids_are_unique_even_where_agents_seed_random(backend: Backend) -> None:
    tracing = backend.tracing()
    ids = set()
    for _ in range(50):
        random.seed(7)
        with backend.run(tracing) as run:
            ids.add(run.trace_id)
    assert len(ids) == 50


def test_a_run_that_succeeded_says_at_which_rate_it_was_kept(backend: Backend) -> None:
    """Who compares failing runs with healthy ones must know for how many a healthy one stands."""
    tracing = backend.tracing(sample_rate=0.999)
    with backend.run(tracing) as healthy:
        healthy.record_tool_call("search")
    with suppress(ValueError), backend.run(tracing) as failing:
        raise ValueError("boom")
    assert tracing.flush(5.0)

    def rate_of(run: AgentRun) -> Any:
        roots = [row for row in backend.rows(run.trace_id) if row["isRootObservation"]]
        return roots[0]["metadata"].get("slo_engine_sample_rate") if roots else "no trace"

    assert float(rate_of(healthy)) == 0.999
    assert rate_of(failing) is None


@pytest.mark.parametrize("rate", [0.15])
def test_10_000_runs_keep_every_error_whole_and_the_rate_of_the_rest(backend: Backend, rate: float) -> None:
    tracing = backend.tracing(sample_rate=rate)
    failing: set[str] = set()
    healthy: set[str] = set()
    numbers = itertools.count()

    def steps(run: AgentRun, number: int) -> None:
        assert run.trace_id is not None
        run.record_llm_call("m", input_tokens=1, output_tokens=1, cost_usd=0.1, input=f"question {number}")
        if number % 40 == 0:  # an error that the agent survives is an error in its trace
            failing.add(run.trace_id)
            run.record_tool_call("search", "failure", error="index is away")
        else:
            run.record_tool_call("search")
        if number % 25 == 3:
            failing.add(run.trace_id)
            raise ValueError(f"run {number}")
        if run.trace_id not in failing:
            healthy.add(run.trace_id)

    def in_a_thread() -> None:
        for _ in range(1000):
            with suppress(ValueError), backend.run(tracing) as run:
                steps(run, next(numbers))

    async def one() -> None:
        with suppress(ValueError):
            async with backend.run(tracing) as run:
                await asyncio.sleep(0)
                steps(run, next(numbers))

    async def in_a_loop() -> None:
        for _ in range(50):
            await asyncio.gather(*(one() for _ in range(100)))

    threads = [threading.Thread(target=in_a_thread) for _ in range(5)]
    for thread in threads:
        thread.start()
    asyncio.run(in_a_loop())
    for thread in threads:
        thread.join()
    assert len(failing) + len(healthy) == 10_000
    assert tracing.flush(60)
    seen: dict[str, int] = {}
    for row in backend.standin.rows():
        seen[row["traceId"]] = seen.get(row["traceId"], 0) + 1
    assert {trace_id: seen.get(trace_id) for trace_id in failing} == dict.fromkeys(failing, 3)
    kept = healthy & set(seen)
    standard_error = (rate * (1 - rate) / len(healthy)) ** 0.5
    assert abs(len(kept) / len(healthy) - rate) < 5 * standard_error  # one run of two million is further off by chance
    assert all(seen[trace_id] == 3 for trace_id in kept)


def test_memory_stays_bounded_while_the_backend_hangs_and_errors_go_last(backend: Backend) -> None:
    backend.standin.is_hanging = True
    limit = 200_000
    tracing = backend.tracing(max_bytes=limit, timeout=0.2)
    sink: Any = tracing.sink
    failing = []
    for number in range(3000):
        with backend.run(tracing) as run:
            run.update(input="x" * 500)
            if number % 100 == 0:
                failing.append(run.trace_id)
                run.record_tool_call("search", "failure")
        assert sink._outbox.bytes_waiting <= limit
    assert backend.dropped("trace_overflow") > 2000
    backend.standin.is_hanging = False
    assert not tracing.flush(60)
    kept = {row["traceId"] for row in backend.standin.rows()}
    assert kept >= set(failing)


def test_one_bad_trace_does_not_take_the_others_along(backend: Backend) -> None:
    backend.standin.poison = b"poisonous"
    tracing = backend.tracing()
    ids = []
    for number in range(20):
        with backend.run(tracing) as run:
            run.update(output="poisonous" if number == 7 else "fine")
            ids.append(run.trace_id)
    assert not tracing.flush(10)
    assert {row["traceId"] for row in backend.standin.rows()} == {*ids[:7], *ids[8:]}
    assert backend.dropped("trace_refused") == 1


def test_traces_wait_for_a_backend_that_comes_back(backend: Backend) -> None:
    backend.standin.refusal = 503
    tracing = backend.tracing()
    with backend.run(tracing) as run:
        pass
    wait_for("a refusal", lambda: backend.standin.requests >= 1, within=10)
    backend.standin.refusal = None
    wait_for("the trace", lambda: backend.rows(run.trace_id), within=15)
    assert backend.dropped("trace_undelivered") == 0


def test_wrong_keys_are_told_once_and_cost_the_traces(backend: Backend, caplog: pytest.LogCaptureFixture) -> None:
    tracing = backend.tracing(secret_key="wrong-key")
    for _ in range(20):
        with backend.run(tracing):
            pass
        tracing.flush(5)
    assert backend.dropped("trace_undelivered") == 20
    told = [message for message in caplog.messages if "could not be sent" in message or "takes no traces" in message]
    assert len(told) == 1
    assert "401" in told[0]
    assert "LANGFUSE_SECRET_KEY" in told[0]
    assert "wrong-key" not in caplog.text


@pytest.mark.parametrize("status", [400, 401, 404])
def test_a_flush_says_whether_all_that_was_left_since_the_last_one_was_taken(backend: Backend, status: int) -> None:
    tracing = backend.tracing()
    assert tracing.flush(10)
    backend.standin.refusal = status
    with backend.run(tracing):
        pass
    wait_for(
        "the loss", lambda: backend.dropped("trace_undelivered") + backend.dropped("trace_refused") == 1, within=10
    )
    provider: Any = tracing._collect.__self__  # type: ignore[attr-defined]  # the SDK's client has that of another test
    provider.add_span_processor(SpanProcessor())
    assert provider.force_flush(10_000), "nothing waits; and who flushes the SDK takes nothing from the answer to ours"
    assert not tracing.flush(10)
    assert tracing.flush(10), "what one flush has answered for is told again"
    with backend.run(tracing):
        pass
    assert not tracing.flush(10)
    backend.standin.refusal = None
    with backend.run(tracing) as run:
        pass
    assert tracing.flush(10)
    backend.standin.refusal = status
    run.add_score("helpful", 1)
    assert not tracing.flush(10)


def test_a_flush_is_no_success_when_traces_had_to_make_room(backend: Backend) -> None:
    tracing = backend.tracing(max_bytes=10_000)
    for _ in range(100):
        with backend.run(tracing) as run:
            run.update(input="x" * 1000)
    assert not tracing.flush(10)
    assert backend.dropped("trace_overflow") > 0


def test_scores_that_have_to_make_room_are_counted(backend: Backend, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("slo_engine.monitoring.langfuse.MAX_SCORES", 3)
    backend.standin.refusal = 503
    tracing = backend.tracing()
    with backend.run(tracing) as run:
        for number in range(5):
            run.add_score(f"score {number}", 1)
    backend.standin.refusal = None
    assert not tracing.flush(10)
    assert len(backend.standin.scores) == 3
    assert backend.dropped("score") == 2


def test_what_ends_after_its_trace_follows_a_kept_one_and_an_error_brings_a_dropped_one_back(backend: Backend) -> None:
    for rate in (1.0, 0.0):
        tracing = backend.tracing(sample_rate=rate)
        with backend.run(tracing) as run:
            fine, broken = run.tool("fine"), run.tool("broken")
            fine.begin()
            broken.begin()
        assert tracing.flush(10)
        fine.finish()
        broken.finish(ValueError("late"))
        run.add_score("late", 1)
        assert tracing.flush(10)
        late = {
            row["name"] for row in backend.rows(run.trace_id) if row["type"] == "TOOL" and row["level"] != "WARNING"
        }
        assert late == {"fine", "broken"}
        assert [score["traceId"] for score in backend.standin.scores][-1] == run.trace_id


def test_a_tracer_by_hand_makes_the_same_traces_and_counts_nothing(backend: Backend) -> None:
    tracing = backend.tracing()
    tracer = LangFuseAgentTracer("support_agent", user_id="u-1", input="question", tracing=tracing)
    call = tracer.start_llm_call("gpt-5-mini", input="prompt")
    tracer.end_llm_call(call, output="text", input_tokens=1000, output_tokens=100)
    failed = tracer.start_llm_call("gpt-5-mini")
    tracer.end_llm_call(failed, error=ConnectionError("reset"))
    tracer.record_tool_call("search", error=TimeoutError("slow"))
    tracer.add_score("helpful", value=True)
    tracer.finish(output="answer")
    tracer.finish()
    assert tracing.flush(10)
    rows = backend.rows(tracer.trace_id)
    assert [(row["type"], row["level"]) for row in rows] == [
        ("AGENT", "DEFAULT"),
        ("GENERATION", "DEFAULT"),
        ("GENERATION", "ERROR"),
        ("TOOL", "ERROR"),
    ]
    assert (rows[0]["input"], rows[0]["output"], rows[1]["output"]) == ("question", "answer", "text")
    assert rows[1]["totalCost"] == pytest.approx(0.00045)
    assert backend.standin.scores[0]["dataType"] == "BOOLEAN"
    assert b"support_agent" not in b"".join(str(metric).encode() for metric in backend.metrics.registry.collect())


def test_tracing_alone_as_a_decorator(backend: Backend) -> None:
    tracing = backend.tracing()

    @trace_agent_run("support_agent", tracing=tracing)
    async def agent(question: str) -> str:
        raise RuntimeError("broken")

    with pytest.raises(RuntimeError):
        asyncio.run(agent("q"))
    assert tracing.flush(10)
    (row,) = backend.standin.rows()
    assert (row["level"], row["statusMessage"]) == ("ERROR", "RuntimeError: broken")


def test_at_most_one_line_a_minute_is_logged_and_it_says_what_was_left_out(
    caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    clock = [1000.0]
    monkeypatch.setattr("slo_engine.monitoring.quiet.time.monotonic", lambda: clock[0])
    log = OnceAMinute()
    for _ in range(181):
        log.warn("LangFuse is away")
        clock[0] += 1
    assert [record.getMessage() for record in caplog.records] == [
        "LangFuse is away",
        "LangFuse is away (59 more since the last line)",
        "LangFuse is away (59 more since the last line)",
        "LangFuse is away (59 more since the last line)",
    ]


# What only a process of its own can show: exits, environments, forks.

AGENT = """
import sys, time
from slo_engine.monitoring import AgentMonitor, monitor_agent

@monitor_agent("support_agent")
def agent():
    with AgentMonitor("inner") as run:
        run.record_tool_call("search")
        run.add_score("helpful", 1)
"""


def program(source: str, url: str | None, **environment: str) -> tuple[subprocess.CompletedProcess[str], float]:
    """Run it; seconds from its own word 'exiting' to its end."""
    settings = {"PATH": "", "PYTHONUNBUFFERED": "1", **environment}
    if url is not None:
        settings |= {
            "LANGFUSE_PUBLIC_KEY": PUBLIC_KEY,
            "LANGFUSE_SECRET_KEY": SECRET_KEY,
            "LANGFUSE_BASE_URL": url,
        }
    begun = time.monotonic()
    done = subprocess.run(
        [sys.executable, "-W", "error", "-c", AGENT + source + "\nprint('exiting', time.monotonic())"],
        capture_output=True,
        text=True,
        check=True,
        env=settings,
        timeout=60,
    )
    word, _, at = done.stdout.strip().splitlines()[-1].partition(" ")
    assert word == "exiting"
    assert begun < float(at)
    return done, time.monotonic() - float(at)


def test_without_keys_nothing_is_loaded_and_nothing_is_said() -> None:
    done, _ = program("for _ in range(100): agent()\nassert 'langfuse' not in sys.modules", None)
    assert done.stderr == ""


def test_tracing_can_be_switched_off_by_the_sdks_own_variable(backend: Backend) -> None:
    done, _ = program("agent()\nassert 'langfuse' not in sys.modules", backend.url, LANGFUSE_TRACING_ENABLED="false")
    assert done.stderr == ""
    assert backend.standin.requests == 0


def test_a_program_that_just_ends_has_its_traces_sent(backend: Backend) -> None:
    done, seconds = program("agent()", backend.url)
    assert done.stderr == ""
    assert len(backend.standin.rows()) == 3
    assert len(backend.standin.scores) == 1
    assert seconds < 4


def test_a_program_that_a_signal_ends_can_flush_before(backend: Backend) -> None:
    source = """
import os, signal
from slo_engine.monitoring import flush_traces
signal.signal(signal.SIGTERM, lambda *_: sys.exit(0))
agent()
assert flush_traces(10)
print('exiting', time.monotonic())
os.kill(os.getpid(), signal.SIGTERM)
"""
    program(source, backend.url)
    assert len(backend.standin.rows()) == 3


def test_a_run_that_the_end_of_the_process_cuts_off_is_sent_too(backend: Backend) -> None:
    done, _ = program("run = AgentMonitor('cut').__enter__()\nrun.record_tool_call('search', 'failure')", backend.url)
    assert {row["name"] for row in backend.standin.rows()} == {"cut", "search"}
    assert done.stderr == ""


@pytest.mark.parametrize("fault", ["refused", "hangs", 401, 429, 500])
def test_a_backend_that_fails_neither_holds_the_exit_nor_floods_the_log(backend: Backend, fault: str | int) -> None:
    url = backend.url
    if fault == "refused":
        url = f"http://127.0.0.1:{free_port()}"
    elif fault == "hangs":
        backend.standin.is_hanging = True
    else:
        backend.standin.refusal = int(fault)
    done, seconds = program("for _ in range(300): agent(); time.sleep(0.005)", url)
    assert seconds < 4, f"the exit took {seconds:.1f} s; it may take 2"
    assert len(done.stderr.splitlines()) <= 1, done.stderr
    assert SECRET_KEY not in done.stderr
    assert "Traceback" not in done.stderr


def test_a_forked_worker_sends_its_own_traces(backend: Backend) -> None:
    source = """
import os
agent()
child = os.fork()
agent()
if child == 0:
    pass
else:
    os.waitpid(child, 0)
"""
    program(source, backend.url, PYTHONWARNINGS="ignore::DeprecationWarning")
    wait_for("three traces", lambda: len({row["traceId"] for row in backend.standin.rows()}) == 3, within=10)
    assert len(backend.standin.rows()) == 9


def test_a_flush_gives_up_in_time(backend: Backend) -> None:
    backend.standin.is_hanging = True
    tracing = backend.tracing(timeout=5)
    with backend.run(tracing):
        pass
    begun = time.monotonic()
    assert not tracing.flush(0.3)
    assert time.monotonic() - begun < 3


@pytest.mark.parametrize(
    ("options", "says"),
    [
        ({"sample_rate": 1.5}, "between 0 and 1"),
        ({"public_key": "", "secret_key": ""}, "LANGFUSE_PUBLIC_KEY"),
    ],
)
def test_options_that_make_no_sense_are_refused_with_what_to_do(options: dict[str, Any], says: str) -> None:
    assert "LANGFUSE_PUBLIC_KEY" not in os.environ
    given: dict[str, Any] = {"public_key": "pk", "secret_key": "sk", "base_url": "http://127.0.0.1:9", **options}
    with pytest.raises(ValueError, match=says):
        LangFuseTracing(**given)
