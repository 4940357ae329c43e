"""What the monitoring library costs an agent: beside prometheus_client, LangFuse's own decorator, and the peers."""

from __future__ import annotations

import compileall
import json
import statistics
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

from opentelemetry import context
from opentelemetry.trace import NonRecordingSpan, SpanContext, TraceFlags, set_span_in_context
from prometheus_client import CollectorRegistry

from benchmarks.figure import Figure
from slo_engine.monitoring import AgentMetrics, LangFuseTracing, current_run, monitor_agent
from slo_engine.scrub import Scrubber
from tests.monitoring.world import PUBLIC_KEY, SECRET_KEY, langfuse
from tests.scrub import pii

ROOT = Path(__file__).parent.parent
AGENT, MODEL, TOOLS = "agent", "gpt-5-mini", ("search", "lookup", "refund", "notify")
ITEMS = 2000
DOCUMENTS = 600
SEED = 20250807


def figures() -> Iterator[Figure]:
    """All of them; about two minutes."""
    yield from _import()
    yield from _run_without_traces()
    yield from _items()
    yield from _run_with_traces()
    yield from _faults()
    yield from _scrubber()


# The import.


def _import() -> Iterator[Figure]:
    # As pip installs it: compiled.
    compileall.compile_dir(ROOT / "slo_engine", quiet=1)

    def cpu(statement: str) -> float:
        measured = "import time; t = time.process_time(); {}; print(time.process_time() - t)"
        command = [sys.executable, "-c", measured.format(statement)]
        return min(float(subprocess.run(command, capture_output=True, check=True, cwd=ROOT).stdout) for _ in range(25))

    client, ours = cpu("import prometheus_client"), cpu("import slo_engine.monitoring")
    beside = f"{ours * 1e3:.1f} ms, prometheus_client {client * 1e3:.1f} ms"
    yield Figure("import slo_engine.monitoring / prometheus_client", ours / client, "x", 1.3, beside)


# A run: 1 run + 3 model calls + 4 tool calls = 25 operations on metrics.


def _run_without_traces() -> Iterator[Figure]:
    cached, keyword = _cached_children(), _keyword_labels()

    @monitor_agent(AGENT, metrics=AgentMetrics(CollectorRegistry()))
    def recorded() -> None:
        run = current_run()
        assert run is not None
        for _ in range(3):
            run.record_llm_call(MODEL, input_tokens=900, output_tokens=120, cost_usd=0.0004, seconds=1.2)
        for tool in TOOLS:
            run.record_tool_call(tool)

    @monitor_agent(AGENT, metrics=AgentMetrics(CollectorRegistry()))
    def convenient() -> None:
        run = current_run()
        assert run is not None
        for _ in range(3):
            run.record_llm_call(MODEL, input_tokens=900, output_tokens=120, seconds=1.2)
        for tool in TOOLS:
            with run.tool(tool):
                pass

    # Exemplars on: OpenTelemetry knows a trace, as it does in an agent that is traced by something else.
    traced = set_span_in_context(NonRecordingSpan(SpanContext(1 << 127, 1 << 63, False, TraceFlags(1))))
    token = context.attach(traced)
    try:
        least = _least_of_each(cached=cached, keyword=keyword, recorded=recorded, convenient=convenient)
    finally:
        context.detach(token)
    beside = ", ".join(f"{name} {seconds * 1e6:.1f} us" for name, seconds in least.items())
    yield Figure("25 operations / cached children", least["recorded"] / least["cached"], "x", 1.45, beside)
    yield Figure("25 operations / keyword labels()", least["recorded"] / least["keyword"], "x", 1 / 3)
    yield Figure(
        "  with `with run.tool()`, prices / cached",
        least["convenient"] / least["cached"],
        "x",
        1.45,
        "4 blocks, 3 prices",
    )


def _cached_children() -> Callable[[], None]:
    metrics = AgentMetrics(CollectorRegistry())
    active, request = metrics.active_runs.labels(AGENT), metrics.requests.labels(AGENT, "success")
    duration, tool_count = metrics.request_duration.labels(AGENT), metrics.tool_call_count.labels(AGENT)
    per_request, cost = metrics.cost_per_request.labels(AGENT, MODEL), metrics.llm_cost.labels(MODEL, AGENT)
    calls, call_duration = metrics.llm_calls.labels(MODEL, "completion"), metrics.llm_call_duration.labels(MODEL)
    read, written = metrics.llm_tokens.labels(MODEL, "input"), metrics.llm_tokens.labels(MODEL, "output")
    tools = [metrics.tool_calls.labels(tool, "success") for tool in TOOLS]

    def run() -> None:
        active.inc()
        for _ in range(3):
            calls.inc()
            read.inc(900)
            written.inc(120)
            cost.inc(0.0004)
            call_duration.observe(1.2)
        for tool in tools:
            tool.inc()
        active.dec()
        request.inc()
        duration.observe(0.0001)
        tool_count.observe(4)
        per_request.observe(0.0012)

    return run


def _keyword_labels() -> Callable[[], None]:
    metrics = AgentMetrics(CollectorRegistry())

    def run() -> None:
        metrics.active_runs.labels(agent_type=AGENT).inc()
        for _ in range(3):
            metrics.llm_calls.labels(model=MODEL, call_type="completion").inc()
            metrics.llm_tokens.labels(model=MODEL, token_type="input").inc(900)
            metrics.llm_tokens.labels(model=MODEL, token_type="output").inc(120)
            metrics.llm_cost.labels(model=MODEL, agent_type=AGENT).inc(0.0004)
            metrics.llm_call_duration.labels(model=MODEL).observe(1.2)
        for tool in TOOLS:
            metrics.tool_calls.labels(tool_name=tool, status="success").inc()
        metrics.active_runs.labels(agent_type=AGENT).dec()
        metrics.requests.labels(agent_type=AGENT, status="success").inc()
        metrics.request_duration.labels(agent_type=AGENT).observe(0.0001)
        metrics.tool_call_count.labels(agent_type=AGENT).observe(4)
        metrics.cost_per_request.labels(agent_type=AGENT, model=MODEL).observe(0.0012)

    return run


# The items of a generator.


def _items() -> Iterator[Figure]:
    def numbers() -> Iterator[int]:
        yield from range(ITEMS)

    def exhaust(generator: Callable[[], Iterator[int]]) -> None:
        for _ in generator():
            pass

    with langfuse() as (_, url):
        tracing = LangFuseTracing(public_key=PUBLIC_KEY, secret_key=SECRET_KEY, base_url=url)
        counted = monitor_agent(AGENT, metrics=AgentMetrics(CollectorRegistry()))(numbers)
        traced = monitor_agent(AGENT, metrics=AgentMetrics(CollectorRegistry()), tracing=tracing)(numbers)
        least = _least_of_each(
            calls=20,
            bare=lambda: exhaust(numbers),
            counted=lambda: exhaust(counted),
            traced=lambda: exhaust(traced),
        )
        tracing.close()
    beside = f"bare {least['bare'] / ITEMS * 1e6:.3f} us"
    for name, what in (("counted", "metrics"), ("traced", "metrics and traces")):
        added = (least[name] - least["bare"]) / ITEMS
        yield Figure(f"an item of a generator, {what}", added * 1e6, "us", 1.0, beside)


# A run with traces, beside the same tree of langfuse.observe.


def _run_with_traces() -> Iterator[Figure]:
    with langfuse() as (_, url):
        ours, theirs = (_in_a_process(f"cost_of_{who}", url) for who in ("ours", "observe"))
    beside = f"{ours['least']:.0f} us, langfuse.observe {theirs['least']:.0f} us (8 observations)"
    yield Figure("a traced run / langfuse.observe", ours["least"] / theirs["least"], "x", 1.0, beside)


# A backend that fails.


def _faults() -> Iterator[Figure]:
    with langfuse() as (standin, url):
        calm = _in_a_process("latency", None)
        for fault in ("fine", "refused", "hangs", "401", "429", "500"):
            standin.is_hanging = fault == "hangs"
            standin.refusal = int(fault) if fault.isdigit() else None
            seen = _in_a_process("latency", "http://127.0.0.1:9" if fault == "refused" else url)
            beside = f"p50 {seen['p50']:.3f} ms; without tracing p99 {calm['p99']:.3f} ms"
            yield Figure(f"backend {fault}: p99 added to a run", seen["p99"] - calm["p99"], "ms", 1.0, beside)
            yield Figure(f"backend {fault}: seconds to exit", seen["exit"], "s", 2.0)
            yield Figure(f"backend {fault}: log lines", seen["lines"], "", 1.5, "of a run of 5 s")


def _in_a_process(what: str, url: str | None) -> dict[str, float]:
    keys = (
        {}
        if url is None
        else {"LANGFUSE_PUBLIC_KEY": "pk-lf-local", "LANGFUSE_SECRET_KEY": "sk-lf-local", "LANGFUSE_BASE_URL": url}
    )
    done = subprocess.run(
        [sys.executable, "-m", "benchmarks.monitoring_process", what],
        capture_output=True,
        text=True,
        check=True,
        cwd=ROOT,
        env={"PATH": "", **keys},
    )
    ended = time.monotonic()
    seen: dict[str, float] = json.loads(done.stdout)
    return {**seen, "exit": ended - seen["ended"], "lines": float(len(done.stderr.splitlines()))}


# The scrubber.


def _scrubber() -> Iterator[Figure]:
    scrubber = Scrubber()
    documents = list(pii.documents(SEED, DOCUMENTS))
    entities = hits = findings = right = 0
    for document in documents:
        found = scrubber.find(document.text)
        for entity in document.entities:
            covered = sum(max(0, min(each.end, entity.end) - max(each.start, entity.start)) for each in found)
            hits += covered >= 0.9 * (entity.end - entity.start)
        entities += len(document.entities)
        findings += len(found)
        right += sum(
            any(each.start < entity.end and entity.start < each.end for entity in document.entities) for each in found
        )
    yield Figure("scrubber: 1 - recall", 1 - hits / entities, "", 0.07, f"{entities} entities")
    yield Figure("scrubber: 1 - precision", 1 - right / findings, "", 0.03, f"{findings} findings")
    clean = [document.text for document in documents if not document.entities]
    kilobytes = sum(map(len, clean)) / 1024

    def scrub() -> None:
        for text in clean:
            scrubber.scrub(text)

    least = _least_of_each(calls=1, clean=scrub)["clean"]
    yield Figure("scrubber: clean text", least / kilobytes * 1e6, "us/KB", 150, f"{kilobytes:.0f} KB of hard negatives")


def _least_of_each(calls: int = 300, repeats: int = 60, **workloads: Callable[[], Any]) -> dict[str, float]:
    """CPU seconds of a call, the least of many short repeats taken in turn: a noisy machine hits them all alike."""
    least = dict.fromkeys(workloads, float("inf"))
    for _ in range(repeats):
        for name, workload in workloads.items():
            begun = time.thread_time()
            for _ in range(calls):
                workload()
            least[name] = min(least[name], (time.thread_time() - begun) / calls)
    return least


def percentile(values: list[float], share: float) -> float:
    """The value below which this share lies."""
    return statistics.quantiles(values, n=1000)[round(share * 1000) - 1]
