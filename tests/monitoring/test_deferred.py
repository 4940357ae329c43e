"""What a run puts by is counted when somebody looks: all of it, once."""

from __future__ import annotations

import threading
from collections.abc import Callable

import pytest
from hypothesis import given
from hypothesis import strategies as st
from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram, generate_latest, values

from slo_engine.monitoring import AgentMetrics, AgentMonitor
from slo_engine.monitoring.deferred import MOST_WAITING, DeferredCounter, DeferredGauge, DeferredHistogram, waiting_at

BUCKETS = (0.5, 1, 2)


def samples(registry: CollectorRegistry) -> dict[tuple[str, str], float]:
    """What a scrape sees, but for when the series were made."""
    return {
        (sample.name, str(sample.labels)): sample.value
        for family in registry.collect()
        for sample in family.samples
        if not sample.name.endswith("_created")
    }


class Both:
    """The same metrics in both ways."""

    def __init__(self) -> None:
        self.put_by, self.at_once = CollectorRegistry(), CollectorRegistry()
        counter = DeferredCounter("amounts", "x", ["l"], registry=self.put_by)
        events = DeferredCounter("events", "x", ["l"], registry=self.put_by)
        gauge = DeferredGauge("going_on", "x", ["l"], registry=self.put_by)
        histogram = DeferredHistogram("seconds", "x", ["l"], buckets=BUCKETS, registry=self.put_by)
        plain = Counter("amounts", "x", ["l"], registry=self.at_once)
        plain_events = Counter("events", "x", ["l"], registry=self.at_once)
        plain_gauge = Gauge("going_on", "x", ["l"], registry=self.at_once)
        plain_histogram = Histogram("seconds", "x", ["l"], buckets=BUCKETS, registry=self.at_once)
        self.ways: dict[str, Callable[[str, float], object]] = {
            "amount": lambda label, x: [each(x) for each in (counter.adder(label), plain.labels(label).inc)],
            "event": lambda label, _: [each() for each in (events.counter(label), plain_events.labels(label).inc)],
            "gauge": lambda label, x: [each(-x) for each in (gauge.adder(label), plain_gauge.labels(label).inc)],
            "histogram": lambda label, x: [
                each(x) for each in (histogram.observer(label), plain_histogram.labels(label).observe)
            ],
            "look": lambda _, __: samples(self.put_by),
        }


EIGHTHS = st.integers(min_value=0, max_value=24).map(lambda number: number / 8)
"""Numbers whose sums are exact in any order."""


@given(
    steps=st.lists(
        st.tuples(st.sampled_from(["amount", "event", "gauge", "histogram", "look"]), st.sampled_from("ab"), EIGHTHS),
        max_size=60,
    )
)
def test_what_is_put_by_is_what_would_have_been_counted_at_once(steps: list[tuple[str, str, float]]) -> None:
    both = Both()
    for what, label, amount in steps:
        both.ways[what](label, amount)
    assert samples(both.put_by) == samples(both.at_once)


def test_who_looks_at_a_single_name_sees_it_too() -> None:
    metrics = AgentMetrics(CollectorRegistry())
    with AgentMonitor("agent", metrics=metrics) as run:
        run.record_llm_call("gpt-5-mini", input_tokens=900, output_tokens=120, seconds=1.2)
    restricted = metrics.registry.restricted_registry(["llm_tokens_used_total", "agent_requests_total"])
    text = generate_latest(restricted).decode()
    assert 'llm_tokens_used_total{model="gpt-5-mini",token_type="input"} 900.0' in text
    assert 'agent_requests_total{agent_type="agent",status="success"} 1.0' in text


def test_threads_lose_nothing_while_others_look() -> None:
    metrics = AgentMetrics(CollectorRegistry())
    seen: list[dict[tuple[str, str], float]] = []
    is_over = threading.Event()

    def work() -> None:
        for _ in range(400):
            with AgentMonitor("agent", metrics=metrics) as run:
                run.record_llm_call("gpt-5-mini", input_tokens=3, output_tokens=2, seconds=0.25)
                run.record_tool_call("search")

    def look() -> None:
        while not is_over.is_set():
            seen.append(samples(metrics.registry))

    lookers = [threading.Thread(target=look) for _ in range(2)]
    workers = [threading.Thread(target=work) for _ in range(6)]
    for thread in lookers + workers:
        thread.start()
    for thread in workers:
        thread.join()
    is_over.set()
    for thread in lookers:
        thread.join()

    last = samples(metrics.registry)

    def of(name: str) -> float:
        return sum(value for (each, _), value in last.items() if each == name)

    assert (of("agent_requests_total"), of("active_agent_runs"), of("agent_request_duration_seconds_count")) == (
        *(2400, 0),
        2400,
    )
    assert (of("agent_tool_calls_total"), of("agent_tool_call_count_sum"), of("llm_api_calls_total")) == (2400,) * 3
    assert (of("llm_tokens_used_total"), of("llm_call_duration_seconds_sum")) == (12_000, 600)
    assert of("llm_cost_usd_total") == pytest.approx(of("agent_cost_per_request_usd_sum"))
    for key in last:
        if not key[0].startswith("active"):
            assert all(scrape.get(key, 0.0) <= last[key] for scrape in seen), key  # no counter was ever too high


def test_what_waits_is_bounded_where_nobody_looks() -> None:
    metrics = AgentMetrics(CollectorRegistry(), max_label_values=3)
    for number in range(3 * MOST_WAITING):
        with AgentMonitor("agent", metrics=metrics) as run:
            run.record_llm_call(f"model-{number}", input_tokens=3, output_tokens=2, seconds=0.25, cost_usd=0.5)
    waiting = [metrics.agents["agent"].waiting, *(each.waiting for each in metrics.models.values())]
    assert all(len(each) <= 2 * MOST_WAITING for each in waiting)
    assert len(metrics.llm_cost._waiting) <= 4  # a name above the cap has no series of its own
    assert metrics.registry.get_sample_value("llm_cost_usd_total", {"model": "other", "agent_type": "agent"}) == 0.5 * (
        3 * MOST_WAITING - 3
    )


def test_what_is_counted_in_the_middle_of_counting_is_counted_once() -> None:
    """The garbage collector may end a run there, on the same thread."""
    counter = DeferredCounter("amounts", "x", ["l"], registry=CollectorRegistry())
    series = counter.labels("v")
    counted, inner = [], series.inc

    def interrupted(amount: float = 1, exemplar: dict[str, str] | None = None) -> None:
        counted.append(amount)
        if len(counted) == 1:
            add(2)
            counter.settle()
        inner(amount, exemplar)

    series.inc = interrupted  # type: ignore[method-assign]
    add = counter.adder("v")
    add(1)
    counter.settle()
    assert (counted, series._value.get()) == ([1, 2], 3)


def test_several_processes_count_at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(values.ValueClass, "_multiprocess", True)
    counter = DeferredCounter("amounts", "x", ["l"], registry=CollectorRegistry())
    counter.adder("v")(2)
    counter.counter("w")()
    assert (counter.labels("v")._value.get(), counter.labels("w")._value.get()) == (2, 1)
    assert not waiting_at(counter.adder("v"))
