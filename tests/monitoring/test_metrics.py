"""Names, buckets, caps and processes."""

from __future__ import annotations

import subprocess
import sys
import threading
from pathlib import Path

import pytest
from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram, generate_latest
from prometheus_client.openmetrics.exposition import generate_latest as generate_openmetrics

from slo_engine.monitoring import AgentMetrics, configure, default_metrics, monitor_agent
from slo_engine.monitoring.deferred import DeferredHistogram, adder, observer
from slo_engine.monitoring.metrics import LOSSES, TimedSeries
from tests.monitoring.world import World

PROMISED = {
    "agent_requests": ("counter", {"agent_type", "status"}),
    "agent_errors": ("counter", {"agent_type", "error_category"}),
    "llm_api_calls": ("counter", {"model", "call_type"}),
    "llm_tokens_used": ("counter", {"model", "token_type"}),
    "llm_cost_usd": ("counter", {"model", "agent_type"}),
    "llm_unpriced_calls": ("counter", {"model"}),
    "agent_tool_calls": ("counter", {"tool_name", "status"}),
    "agent_monitoring_dropped": ("counter", {"reason"}),
    "agent_request_duration_seconds": ("histogram", {"agent_type"}),
    "llm_call_duration_seconds": ("histogram", {"model"}),
    "llm_time_to_first_token_seconds": ("histogram", {"model"}),
    "agent_tool_call_count": ("histogram", {"agent_type"}),
    "agent_cost_per_request_usd": ("histogram", {"agent_type", "model"}),
    "agent_score": ("histogram", {"agent_type", "score_name"}),
    "active_agent_runs": ("gauge", {"agent_type"}),
    "agent_circuit_breaker_state": ("gauge", {"service_name"}),
}


def one_of_everything() -> World:
    world = World(traced=True)
    with world.run() as run:
        run.record_tool_call("search")
        run.record_llm_call("gpt-5-mini", input_tokens=1, output_tokens=1, seconds=1, time_to_first_token=0.2)
        run.add_score("helpful", 1)
        run.count_error("validation")
    world.metrics.set_circuit_breaker_state("search", "half_open")
    world.metrics.refuse(-1, "seconds", "m")
    return world


def test_names_kinds_and_labels_are_the_promised_ones() -> None:
    found = {}
    for family in one_of_everything().registry.collect():
        labels = {name for sample in family.samples for name in sample.labels} - {"le"}
        found[family.name] = (family.type, labels)
    assert found == PROMISED


def test_the_documentation_lists_every_metric_with_its_labels() -> None:
    table = (Path(__file__).parent.parent.parent / "docs" / "monitoring.md").read_text()
    for name, (kind, labels) in PROMISED.items():
        full = f"{name}_total" if kind == "counter" else name
        (row,) = [line for line in table.splitlines() if line.startswith(f"| `{full}` |")]
        assert all(f"`{label}`" in row for label in labels), row


def test_the_buckets_are_those_of_the_field_and_can_be_set() -> None:
    def bounds(world: World, name: str) -> list[str]:
        samples = [sample for family in world.registry.collect() for sample in family.samples]
        return [sample.labels["le"] for sample in samples if sample.name == f"{name}_bucket"]

    everything = one_of_everything()
    for name, at_least in {
        "agent_request_duration_seconds": [
            "0.5",
            "1.0",
            "2.0",
            "5.0",
            "10.0",
            "15.0",
            "30.0",
            "60.0",
            "120.0",
            "300.0",
        ],
        "llm_call_duration_seconds": ["0.1", "0.5", "1.0", "2.0", "5.0", "10.0", "30.0"],
        "agent_tool_call_count": ["0.0", "1.0", "2.0", "3.0", "5.0", "8.0", "13.0", "21.0"],
        "agent_cost_per_request_usd": ["0.001", "0.005", "0.01", "0.05", "0.1", "0.5", "1.0", "5.0"],
    }.items():
        assert set(at_least) <= set(bounds(everything, name))
    world = World(request_buckets=[1, 7], llm_call_buckets=[2], tool_call_count_buckets=[3], cost_buckets=[4])
    with world.run() as run:
        run.record_llm_call("m", cost_usd=1, seconds=1)
    assert bounds(world, "agent_request_duration_seconds") == ["1.0", "7.0", "+Inf"]
    assert bounds(world, "llm_call_duration_seconds") == ["2.0", "+Inf"]
    assert bounds(world, "agent_tool_call_count") == ["3.0", "+Inf"]
    assert bounds(world, "agent_cost_per_request_usd") == ["4.0", "+Inf"]


def test_a_declared_agent_has_all_its_series_at_0_before_it_runs() -> None:
    world = World()
    monitor_agent("agent", tools=["search"], models=["gpt-5-mini"], metrics=world.metrics)
    for status in ("success", "error", "timeout", "cancelled", "exit"):
        assert world.value("agent_requests_total", agent_type="agent", status=status) == 0
    for category in ("tool_failure", "llm_error", "timeout", "rate_limit", "auth", "internal"):
        assert world.value("agent_errors_total", agent_type="agent", error_category=category) == 0
    for status in ("success", "failure", "timeout"):
        assert world.value("agent_tool_calls_total", tool_name="search", status=status) == 0
    assert world.value("llm_cost_usd_total", model="gpt-5-mini", agent_type="agent") == 0
    assert world.value("llm_tokens_used_total", model="gpt-5-mini", token_type="input") == 0
    assert world.value("llm_unpriced_calls_total", model="gpt-5-mini") == 0
    assert world.value("llm_api_calls_total", model="gpt-5-mini", call_type="tool_call") == 0
    assert world.value("llm_tokens_used_total", model="gpt-5-mini", token_type="cached") == 0
    assert world.value("active_agent_runs", agent_type="agent") == 0


def test_names_that_a_model_makes_up_end_in_other_and_are_counted() -> None:
    world = World(max_label_values=10)
    with world.run() as run:
        for number in range(500):
            run.record_tool_call(f"tool{number}")
            run.record_llm_call(f"model{number}", input_tokens=2, cost_usd=0.5)
            run.add_score(f"score{number}", 1)
            run.count_error(f"category{number}")
    assert world.value("agent_tool_calls_total", tool_name="tool9", status="success") == 1
    assert world.value("agent_tool_calls_total", tool_name="tool10", status="success") is None
    assert world.value("agent_tool_calls_total", tool_name="other", status="success") == 490
    assert world.value("llm_tokens_used_total", model="other", token_type="input") == 980
    assert world.value("llm_cost_usd_total", model="other", agent_type="agent") == 245
    assert world.value("agent_score_count", agent_type="agent", score_name="other") == 490
    assert (world.value("agent_monitoring_dropped_total", reason="label_value") or 0) >= 4 * 400
    assert len(generate_latest(world.registry)) < 100_000


def test_the_cap_holds_when_threads_race_for_it() -> None:
    world = World(max_label_values=20)
    barrier = threading.Barrier(8)

    def work(offset: int) -> None:
        barrier.wait()
        with world.run() as run:
            for number in range(200):
                run.record_tool_call(f"tool{offset}-{number}")

    threads = [threading.Thread(target=work, args=(offset,)) for offset in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    samples = [sample for family in world.registry.collect() for sample in family.samples]
    counted = [s for s in samples if s.name == "agent_tool_calls_total" and s.labels["status"] == "success"]
    assert len(counted) == 21
    assert sum(sample.value for sample in counted) == 1600


def test_states_of_a_breaker() -> None:
    world = World()
    for state, number in (("closed", 0), ("open", 1), ("half_open", 2)):
        world.metrics.set_circuit_breaker_state("search", state)  # type: ignore[arg-type]
        assert world.value("agent_circuit_breaker_state", service_name="search") == number
    world.metrics.set_circuit_breaker_state("search", "ajar")  # type: ignore[arg-type]
    assert world.value("agent_circuit_breaker_state", service_name="search") == 2
    assert world.value("agent_monitoring_dropped_total", reason="bad_amount") == 1


def test_losses_can_be_counted_from_the_first_one_on() -> None:
    world = World()
    for reason in LOSSES:
        assert world.value("agent_monitoring_dropped_total", reason=reason) == 0


def test_a_second_set_on_one_registry_is_refused_by_prometheus_client() -> None:
    world = World()
    with pytest.raises(ValueError, match="Duplicated timeseries"):
        AgentMetrics(world.registry)


def test_configure_sets_what_agents_use_that_are_given_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    world = World()
    before = default_metrics()
    try:
        configure(metrics=world.metrics)
        monitor_agent("configured")(lambda: None)()
    finally:
        configure(metrics=before)
    assert world.runs("success", "configured") == 1


def test_the_short_ways_to_count_do_what_the_long_ones_do() -> None:
    registry = CollectorRegistry()
    counters = [Counter(name, "x", ["l"], registry=registry).labels("v") for name in ("short", "long")]
    gauges = [Gauge(f"{name}_g", "x", ["l"], registry=registry).labels("v") for name in ("short", "long")]
    histograms = [
        Histogram(f"{name}_h", "x", ["l"], buckets=(0.5, 1, 2), registry=registry).labels("v")
        for name in ("short", "long")
    ]
    for amount in (0, 0.5, 0.50001, 1, 2, 2.1, 1e9):
        adder(counters[0])(amount)
        counters[1].inc(amount)
        adder(gauges[0])(-amount)
        gauges[1].dec(amount)
        observer(histograms[0])(amount)
        histograms[1].observe(amount)
    text = generate_latest(registry).decode()
    values = {
        name: [line.rpartition(" ")[2] for line in text.splitlines() if line.startswith(name) and "created" not in line]
        for name in ("short", "long")
    }
    assert values["short"] == values["long"]
    assert values["short"]


def test_the_short_ways_fall_back_to_the_public_ones(monkeypatch: pytest.MonkeyPatch) -> None:
    registry = CollectorRegistry()
    counter = Counter("c", "x", ["l"], registry=registry).labels("v")
    histogram = Histogram("h", "x", ["l"], registry=registry).labels("v")

    class Elsewhere:
        """A client that keeps its numbers in another place."""

        inc = staticmethod(counter.inc)
        observe = staticmethod(histogram.observe)

    adder(Elsewhere())(2)  # type: ignore[arg-type]
    observer(Elsewhere())(3)  # type: ignore[arg-type]
    assert registry.get_sample_value("c_total", {"l": "v"}) == 2
    assert registry.get_sample_value("h_sum", {"l": "v"}) == 3


def test_every_bucket_has_room_for_an_exemplar_of_its_own() -> None:
    registry = CollectorRegistry()
    histogram = DeferredHistogram("h", "x", ["l"], buckets=(1, 10), registry=registry)
    series = TimedSeries(histogram, (1, 10), "v")
    for number, amount in enumerate((0.5, 0.6, 5, 50)):
        series.observe_with(amount, {"trace_id": str(number)}, 100.0)
    text = generate_openmetrics(registry).decode()  # type: ignore[no-untyped-call]
    shown = [line for line in text.splitlines() if "# {" in line]
    assert [line.partition("trace_id=")[2][:3] for line in shown] == ['"0"', '"2"', '"3"']


WORKERS = """
import os, sys
from prometheus_client import CollectorRegistry, generate_latest
from prometheus_client.multiprocess import MultiProcessCollector, mark_process_dead
from slo_engine.monitoring import AgentMonitor, default_metrics

default_metrics().set_circuit_breaker_state("search", "closed")
children = []
for number in range(3):
    child = os.fork()
    if child == 0:
        with AgentMonitor("agent") as run:
            run.record_llm_call("m", input_tokens=5, cost_usd=0.5, seconds=0.2)
        AgentMonitor("agent").__enter__()  # one that still runs when its process is killed
        default_metrics().set_circuit_breaker_state("search", "open")
        os._exit(0)
    children.append(child)
    os.waitpid(child, 0)
for child in children[:2]:
    mark_process_dead(child)
registry = CollectorRegistry()
MultiProcessCollector(registry)
print(generate_latest(registry).decode())
"""


def test_many_processes_are_one_service(tmp_path: Path) -> None:
    done = subprocess.run(
        [sys.executable, "-c", WORKERS],
        capture_output=True,
        text=True,
        check=True,
        env={"PATH": "", "PROMETHEUS_MULTIPROC_DIR": str(tmp_path)},
        timeout=60,
    )
    lines = done.stdout.splitlines()
    assert 'agent_requests_total{agent_type="agent",status="success"} 3.0' in lines
    assert 'llm_cost_usd_total{agent_type="agent",model="m"} 1.5' in lines
    assert 'llm_call_duration_seconds_count{model="m"} 3.0' in lines
    assert 'active_agent_runs{agent_type="agent"} 1.0' in lines  # of the process that nobody has called dead
    assert 'agent_circuit_breaker_state{service_name="search"} 1.0' in lines
