"""Traces while they grow, and what waits to be sent."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from slo_engine.monitoring.content import MAX_CONTENT, as_text, truncated
from slo_engine.monitoring.outbox import Outbox, Parcel
from slo_engine.monitoring.tracing import MAX_STEPS, Trace, Tracing
from tests.monitoring.world import Kept, World


@given(trace_id=st.integers(min_value=1, max_value=2**128 - 1), rate=st.floats(min_value=0, max_value=1))
def test_the_fate_of_a_healthy_trace_follows_from_its_id_alone(trace_id: int, rate: float) -> None:
    first, second = Tracing(Kept(), rate), Tracing(Kept(), rate)
    assert first.samples(trace_id) == second.samples(trace_id)
    assert not Tracing(Kept(), 0.0).samples(trace_id)
    assert Tracing(Kept(), 1.0).samples(trace_id)


def test_sampling_decides_as_opentelemetrys_own_sampler_does() -> None:
    from opentelemetry.sdk.trace.sampling import Decision, TraceIdRatioBased

    for rate in (0.05, 0.15, 0.5):
        ours, theirs = Tracing(Kept(), rate), TraceIdRatioBased(rate)
        ids = [Trace(ours, "agent").id for _ in range(500)]
        assert [ours.samples(each) for each in ids] == [
            theirs.should_sample(None, each, "x").decision is Decision.RECORD_AND_SAMPLE for each in ids
        ]


def test_a_dropped_trace_holds_on_to_nothing() -> None:
    world = World(traced=True, sample_rate=0.0)
    with world.run() as run:
        run.update(input="x" * 1000)
        run.add_score("helpful", 1)
        assert run.traced is not None
        trace = run.traced.trace
    assert (trace.steps, trace.scores, trace.foreign, world.kept.traces) == ([], [], [], [])


def test_a_trace_has_a_limit_that_errors_may_exceed() -> None:
    world = World(traced=True)
    with world.run() as run:
        for _ in range(MAX_STEPS * 3):
            run.record_tool_call("search")
        for _ in range(10):
            run.record_tool_call("search", "failure", error="index is away")
    steps = world.trace.steps
    assert len(steps) == MAX_STEPS + 10
    assert sum(step.failed for step in steps) == 10
    assert world.value("agent_tool_call_count_sum", agent_type="agent") == MAX_STEPS * 3 + 10


def test_inputs_are_taken_as_they_are_when_they_are_seen() -> None:
    world = World(traced=True)
    messages = [{"role": "user", "content": "hello"}]
    with world.run() as run:
        run.record_llm_call("m", input=messages, input_tokens=1)
        messages.append({"role": "assistant", "content": "changed"})
    assert world.trace.steps[1].input == '[{"role": "user", "content": "hello"}]'


class Unprintable:
    def __str__(self) -> str:
        raise RuntimeError

    __repr__ = __str__


def test_any_value_becomes_a_text() -> None:
    circular: list[object] = []
    circular.append(circular)
    assert as_text(None) is None
    assert as_text("as it is") == "as it is"
    assert as_text({"a": b"1234", "b": {1}}) == '{"a": "<4 bytes>", "b": [1]}'
    assert "..." in (as_text(circular) or "")
    assert as_text({(1, 2): 3}) == '{"...": 3}'
    assert as_text(Unprintable()) == '"<Unprintable>"'
    consumed = iter([1, 2, 3])
    as_text({"stream": consumed})
    assert list(consumed) == [1, 2, 3]


def test_a_long_text_is_cut_and_says_so() -> None:
    assert truncated("x" * MAX_CONTENT) == "x" * MAX_CONTENT
    assert truncated("x" * (MAX_CONTENT + 5)) == "x" * MAX_CONTENT + "... (5 more characters)"


def parcel(failed: bool, size: int = 100) -> Parcel:
    trace = Trace(Tracing(Kept()), "agent")
    trace.failed = failed
    trace.start("agent", "agent").input = "x" * size
    return Parcel(trace, trace.steps)


def test_when_there_is_no_room_the_oldest_healthy_traces_go_first() -> None:
    dropped: list[Parcel] = []
    outbox = Outbox(dropped.append, max_bytes=5 * parcel(failed=False).size)
    failed, healthy = [parcel(failed=True) for _ in range(3)], [parcel(failed=False) for _ in range(6)]
    for each in (*failed, *healthy):
        outbox.put(each)
    assert dropped == healthy[:4]
    more = [parcel(failed=True) for _ in range(4)]
    for each in more:
        outbox.put(each)
    assert dropped == [*healthy, *failed[:2]]
    assert outbox.take(100, 10**9) == [failed[2], *more]


@given(
    puts=st.lists(st.tuples(st.booleans(), st.integers(min_value=0, max_value=3000)), max_size=40),
    limit=st.integers(min_value=0, max_value=20_000),
)
def test_an_outbox_never_holds_more_than_it_may_and_loses_nothing_in_silence(
    puts: list[tuple[bool, int]], limit: int
) -> None:
    dropped: list[Parcel] = []
    outbox = Outbox(dropped.append, max_bytes=limit)
    for failed, size in puts:
        outbox.put(parcel(failed, size))
        assert outbox.bytes_waiting <= limit
    taken: list[Parcel] = []
    while batch := outbox.take(3, 2000):
        assert len(batch) == 1 or sum(each.size for each in batch) <= 2000
        taken += batch
    assert len(taken) + len(dropped) == len(puts)
    assert outbox.bytes_waiting == 0


@pytest.mark.parametrize("rate", [-0.1, 1.1, float("nan")])
def test_a_rate_that_is_no_share_is_refused(rate: float) -> None:
    with pytest.raises(ValueError, match="between 0 and 1"):
        Tracing(Kept(), rate)
