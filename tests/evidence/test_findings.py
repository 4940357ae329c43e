"""What is read of a subject, and concluded from it."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Iterable
from datetime import timedelta
from random import Random
from typing import Any

import pytest

from slo_engine.definitions.traces import Event, Explanation, Failed, LowScore, Slow, TraceQuery
from slo_engine.evidence.findings import Compared, Findings, first_in
from slo_engine.evidence.model import Causes
from slo_engine.evidence.reading import MOST_FAILING, Traces
from slo_engine.evidence.subject import Subject
from slo_engine.traces import Observation, Selection, TraceScore, TracesError
from tests.evidence.world import NOW, RowTraces, failed_run, healthy_run, observation, step

HOUR = timedelta(hours=1)
SUPPORT = TraceQuery(tags=("agent_type:support_agent",))


def subject(
    explained_by: Explanation | None = None, query: TraceQuery = SUPPORT, *, until: Any = NOW, window: timedelta = HOUR
) -> Subject:
    return Subject(None, {"agent_type": "support_agent"}, until - window, until, query, explained_by or Failed(), ())


def causes(traces: Traces, about: Subject | None = None) -> Causes:
    return asyncio.run(Findings(traces).causes(about or subject(), time.monotonic() + 30))


def compared(traces: Traces, about: Subject | None = None) -> Compared | None:
    return asyncio.run(Findings(traces).compared(about or subject(), time.monotonic() + 30))


def runs(*kinds: Iterable[list[Observation]]) -> RowTraces:
    return RowTraces(row for kind in kinds for run in kind for row in run)


def test_a_quiet_tool_keeps_its_evidence_beside_another_tools_outage() -> None:
    outage = (failed_run(f"o{n}", tool="crm", at=-n / 100) for n in range(6000))
    quiet = (failed_run(f"q{n}", tool="refund_api", at=-1800.0 - n) for n in range(60))
    traces = runs(outage, quiet)
    found = causes(traces, subject(Failed("tool"), TraceQuery(observation="refund_api")))
    assert [(cause.what, cause.count) for cause in found.causes] == [("tool refund_api", 60)]
    assert (found.failed, found.is_partial) == (60, False)


def test_where_rows_are_cut_off_the_number_and_the_first_occurrence_are_exact_all_the_same() -> None:
    number = MOST_FAILING + 700
    cut = runs(
        failed_run(f"t{n}", message=f"TimeoutError: order {n} gave no answer", at=-3000.0 + n / 10)
        for n in range(number)
    )
    found = causes(cut)
    # The oldest run that was read is left out: a step of it may have been cut off.
    assert (found.failed, found.total, found.is_partial) == (MOST_FAILING - 1, number, True)
    (cause,) = found.causes
    assert (cause.count, cause.is_first) == (MOST_FAILING - 1, True)
    assert cause.first_seen == min(row.start_time for row in cut.rows if not row.is_root)


@pytest.mark.parametrize("seed", range(20))
def test_the_first_occurrence_is_found_wherever_it_is(seed: int) -> None:
    random = Random(seed)
    times = sorted(random.uniform(-3600, 0) ** random.choice([1, 1, 3]) % -3600 for _ in range(random.randint(1, 2000)))
    traces = RowTraces(step(f"t{n}", "crm", at=at) for n, at in enumerate(times))
    wanted = Selection(NOW - HOUR, NOW, levels=("ERROR",))
    first = asyncio.run(first_in(traces, wanted, time.monotonic() + 30))
    assert first == min(row.start_time for row in traces.rows)
    assert traces.calls["observations"] <= 16


def test_a_run_whose_step_was_cut_off_is_not_blamed_itself() -> None:
    # Each run has three failing steps, so the steps are cut off before the roots are.
    number = MOST_FAILING // 2
    rows = []
    for n in range(number):
        rows += failed_run(f"t{n}", at=-3000.0 + n)
        rows += [
            step(f"t{n}", f"retry{i}", message="boom", at=-3000.0 + n, seconds=0.1, parent=f"t{n}-crm_lookup")
            for i in range(3)
        ]
    found = causes(RowTraces(rows))
    assert {cause.what.split()[0] for cause in found.causes} == {"tool"}
    assert 0 < found.failed < number


def test_a_few_runs_with_thousands_of_failing_steps_are_read_by_themselves() -> None:
    rows = [*failed_run("a", at=-300.0), *failed_run("b", at=-200.0)]
    rows += [step("b", f"s{n}", message="boom", at=-200.0, parent="b-crm_lookup") for n in range(MOST_FAILING + 5)]
    assert causes(RowTraces(rows)).failed == 2


@pytest.mark.parametrize(
    ("query", "wanted"),
    [
        (TraceQuery(environment="production"), {"p"}),
        (TraceQuery(name="other"), {"n"}),
        (TraceQuery(user="user-1"), {"u"}),
        (TraceQuery(session="s-1"), {"s"}),
        (TraceQuery(metadata=(("tenant", "acme"),)), {"m"}),
        (TraceQuery(tags=("team:x",)), {"t"}),
    ],
    ids=["environment", "name", "user", "session", "metadata", "tags"],
)
def test_an_slo_gets_the_failures_that_it_is_tied_to_and_no_others(query: TraceQuery, wanted: set[str]) -> None:
    base: dict[str, Any] = {"environment": "staging"}
    traces = runs(
        [
            failed_run("p", environment="production"),
            failed_run("n", **base, trace_name="other"),
            failed_run("u", **base, user="user-1"),
            failed_run("s", **base, session="s-1"),
            [observation("m", **base, metadata={"tenant": "acme"}), step("m", "crm_lookup", environment="staging")],
            failed_run("t", **base, tags=("team:x",)),
        ]
    )
    found = causes(traces, subject(Failed(), query))
    assert {link.id for cause in found.causes for link in cause.examples} == wanted
    assert [cause.what for cause in found.causes] == ["tool crm_lookup"]


@pytest.mark.parametrize(("event", "kind"), [("tool", "TOOL"), ("model_call", "GENERATION")])
def test_calls_of_a_kind_are_read_whatever_became_of_their_runs(event: Event, kind: str) -> None:
    rows = [step("a", "x", kind="TOOL"), step("b", "y", kind="GENERATION", model="gpt"), observation("c")]
    found = causes(RowTraces(rows), subject(Failed(event), SUPPORT))
    assert found.failed == 1
    assert found.causes[0].what == {"TOOL": "tool x", "GENERATION": "model gpt"}[kind]


def planted(bad: int, good: int, *, rate: float = 1.0) -> RowTraces:
    """Runs of which those with prompt v12 fail, and one of 25 that do not."""
    random = Random(1)
    kept = {} if rate == 1.0 else {"slo_engine_sample_rate": str(rate)}

    def prompt(version: str) -> dict[str, Any]:
        return {
            "at": -random.uniform(1, 3500),
            "metadata": {"prompt_name": "checkout", "prompt_version": version, **kept},
        }

    return runs(
        (failed_run(f"f{n}", **prompt("v12")) for n in range(bad)),
        (healthy_run(f"h{n}", **prompt("v11" if n % 25 else "v12")) for n in range(good)),
    )


def test_what_sets_failing_runs_apart_is_found() -> None:
    found = compared(planted(200, 1000))
    assert found is not None
    (trait,) = found.contrast.traits
    assert trait.attributes == {"prompt": "checkout v12"}
    assert (trait.failing_share, round(trait.healthy_share, 2)) == (1.0, 0.04)


def test_healthy_runs_that_are_sampled_count_for_those_that_are_not_there() -> None:
    found = compared(planted(200, 150, rate=0.15))
    assert found is not None
    assert (found.contrast.healthy, round(found.contrast.healthy_weight)) == (150, 1000)
    assert found.sample_rate == 0.15
    assert found.contrast.traits[0].attributes == {"prompt": "checkout v12"}


def test_of_many_healthy_runs_some_are_read_evenly_and_stand_for_all() -> None:
    found = compared(planted(200, 20_000))
    assert found is not None
    assert found.contrast.healthy == 2000
    assert found.contrast.healthy_weight == pytest.approx(20_000, rel=0.1)


def test_what_only_failures_say_of_themselves_tells_nothing_apart() -> None:
    bad = (failed_run(f"f{n}", metadata={"error_category": "tool", "my_error_code": "E17"}) for n in range(100))
    found = compared(runs(bad, (healthy_run(f"h{n}") for n in range(100))))
    assert found is not None
    assert found.contrast.traits == ()


def test_without_healthy_runs_nothing_is_compared() -> None:
    assert compared(runs(failed_run(f"f{n}") for n in range(100))) is None


def test_slow_runs_are_compared_with_those_that_were_not() -> None:
    slow = (healthy_run(f"s{n}", seconds=20.0, release="r2", at=-n - 1.0) for n in range(50))
    fast = (healthy_run(f"f{n}", seconds=2.0, release="r1", at=-n - 1.0) for n in range(50))
    found = compared(runs(slow, fast), subject(Slow(15.0)))
    assert found is not None
    assert [trait.attributes for trait in found.contrast.traits] == [{"release": "r2"}]


def test_low_scored_runs_are_compared_with_the_others() -> None:
    rows = [healthy_run(f"t{n}", release="r2" if n % 2 else "r1", at=-n - 1.0) for n in range(60)]
    scores = [TraceScore(f"t{n}", "grounded", 0.2 if n % 2 else 0.9, NOW - timedelta(seconds=1)) for n in range(60)]
    traces = RowTraces((row for run in rows for row in run), scores)
    about = subject(LowScore(0.6), TraceQuery(tags=SUPPORT.tags, score="grounded"))
    found = compared(traces, about)
    assert found is not None
    assert (found.contrast.failing, found.contrast.healthy) == (30, 30)
    assert [trait.attributes for trait in found.contrast.traits] == [{"release": "r2"}]


def test_a_storm_of_alerts_about_one_thing_asks_once() -> None:
    traces = planted(20, 20)
    findings = Findings(traces)

    async def storm() -> None:
        deadline = time.monotonic() + 30
        about = [subject(until=NOW + timedelta(seconds=n % 60)) for n in range(100)]
        await asyncio.gather(*(findings.causes(each, deadline) for each in about))
        await asyncio.gather(*(findings.compared(each, deadline) for each in about))

    asyncio.run(storm())
    assert (
        traces.calls["observations"] <= 2 + 2 + 4
    )  # failing runs and steps, again for the contrast, four parts of the healthy


def test_another_time_is_asked_for_again() -> None:
    traces = planted(20, 20)
    findings = Findings(traces)

    async def twice() -> list[int]:
        deadline = time.monotonic() + 30
        return [(await findings.causes(subject(until=NOW - n * HOUR), deadline)).failed for n in range(2)]

    assert asyncio.run(twice()) == [20, 0]


def test_a_failure_is_told_to_all_who_wait_and_the_next_one_asks_again() -> None:
    traces = RowTraces(error=TracesError("down"))
    findings = Findings(traces)

    async def ask() -> list[Any]:
        waiting = [findings.causes(subject(), time.monotonic() + 5) for _ in range(3)]
        return await asyncio.gather(*waiting, return_exceptions=True)

    for number in (1, 2):
        assert [str(each) for each in asyncio.run(ask())] == ["down"] * 3
        assert traces.calls["observations"] == 2 * number


def test_who_gives_up_waiting_does_not_take_the_answer_from_the_others() -> None:
    traces = planted(20, 20)
    findings = Findings(traces)

    async def ask() -> Causes:
        deadline = time.monotonic() + 5
        impatient = asyncio.create_task(findings.causes(subject(), deadline))
        patient = asyncio.create_task(findings.causes(subject(), deadline))
        await asyncio.sleep(0)
        impatient.cancel()
        return await patient

    assert asyncio.run(ask()).failed == 20


def test_calls_are_compared_by_what_their_runs_have() -> None:
    def run(number: int, *, fails: bool) -> list[Observation]:
        version, level = ("v12", "ERROR") if fails else ("v11", "DEFAULT")
        root = observation(f"t{number}", level="DEFAULT", at=-number - 1.0, metadata={"prompt_version": version})
        return [root, step(f"t{number}", "search", level=level, at=-number - 0.9, metadata=None)]

    traces = runs(run(number, fails=number % 3 == 0) for number in range(300))
    found = compared(traces, subject(Failed("tool"), TraceQuery(observation="search")))
    assert found is not None
    assert [trait.attributes for trait in found.contrast.traits] == [{"prompt": "v12"}]
    assert (found.contrast.failing, found.contrast.healthy) == (100, 200)


def test_where_all_failures_have_nothing_in_common_those_of_one_cause_are_compared_with_the_rest() -> None:
    def other(number: int) -> dict[str, Any]:
        return {"at": -number - 1.0, "release": f"r{number % 3}"}

    traces = runs(
        (failed_run(f"a{n}", tool="crm", message="no quota left", at=-n - 1.0, release="r2") for n in range(40)),
        (failed_run(f"b{n}", tool="search", message="timed out", **other(n)) for n in range(90)),
        (healthy_run(f"h{n}", **other(n)) for n in range(12)),
    )
    found = compared(traces)
    assert found is not None
    assert [trait.attributes for trait in found.contrast.traits] == [{"release": "r2"}]
    assert found.cause == "tool crm: no quota left"
    assert found.contrast.failing == 40


def test_what_only_failing_runs_have_sets_them_apart_if_it_says_what_a_run_is() -> None:
    bad = (failed_run(f"f{n}", tags=("agent_type:support_agent", "beta")) for n in range(60))
    found = compared(runs(bad, (healthy_run(f"h{n}") for n in range(60))))
    assert found is not None
    assert [trait.attributes for trait in found.contrast.traits] == [{"tag": "beta"}]
