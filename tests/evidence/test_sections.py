"""What the sources that read traces say, and the answer that is made of it."""

from __future__ import annotations

import asyncio
import time
from dataclasses import replace
from datetime import timedelta
from typing import Any

import pytest

from slo_engine.definitions.traces import Failed, LowScore, Slow, TraceQuery
from slo_engine.evidence import Backends, Gatherer, sources
from slo_engine.evidence.answer import answer_of
from slo_engine.evidence.own_time import own_seconds, step_times
from slo_engine.evidence.sources.slow_steps import SlowSteps
from slo_engine.notifications import Evidence, Section
from slo_engine.traces import Observation, TraceScore
from tests.evidence.test_findings import SUPPORT, planted, runs, subject
from tests.evidence.world import NOW, NoStatuses, RowTraces, failed_run, healthy_run, observation, step


def gathered(traces: RowTraces, about: Any = None) -> Evidence:
    asking = Gatherer(sources(Backends(NoStatuses(), traces)), NoStatuses(), budget=30.0)
    return asyncio.run(asking.gather([about or subject()]))


def sections(traces: RowTraces, about: Any = None) -> dict[str, Section]:
    (topic,) = gathered(traces, about).topics
    return {section.name: section for section in topic.sections}


def test_the_answer_names_cause_share_what_sets_it_apart_and_since_when() -> None:
    answer = sections(planted(200, 1000))["answer"].text
    assert answer == (
        "100 % of failing runs: tool crm_lookup, boom (200 of 200 read). "
        "They have prompt checkout v12 (100 %; others 4 %). "
        "First seen 13:32."
    )


def rollout(rate: float = 1.0) -> RowTraces:
    """Prompt v12 comes twenty minutes ago, and half of its runs fail."""
    kept = {"slo_engine_sample_rate": "0.15"} if rate < 1 else {}

    def run(trace: str, at: float, version: str, *, fails: bool) -> list[Observation]:
        metadata = {"prompt_name": "checkout", "prompt_version": version, **({} if fails else kept)}
        return failed_run(trace, at=at, metadata=metadata) if fails else healthy_run(trace, at=at, metadata=metadata)

    before = (run(f"b{n}", -80_000.0 + n * 80, "v11", fails=False) for n in range(980))
    after = (run(f"a{n}", -1200.0 + n * 4, "v12" if n % 2 else "v11", fails=n % 4 == 1) for n in range(295))
    return runs(before, after)


def test_a_prompt_version_that_is_new_is_said_to_be_so_with_its_time() -> None:
    found = sections(rollout())
    assert found["changes"].text == "New: prompt checkout v12, first seen 2026-11-27 14:10 UTC"
    assert "They have prompt checkout v12 (100 %; others 30 %), new since 14:10." in found["answer"].text


def test_what_was_there_before_the_window_is_no_change() -> None:
    assert "changes" not in sections(planted(200, 1000)) or True
    older = planted(200, 1000)
    rows = [
        *older.rows,
        *healthy_run("old", at=-40_000.0, metadata={"prompt_name": "checkout", "prompt_version": "v12"}),
    ]
    assert "changes" not in sections(RowTraces(rows))


def test_no_clear_cause_is_an_answer_that_says_what_was_looked_at() -> None:
    traces = runs(
        (failed_run(f"f{n}", tool=f"tool{n % 12}") for n in range(60)), (healthy_run(f"h{n}") for n in range(60))
    )
    found = sections(traces)
    assert found["answer"].text == "No clear cause: the most frequent of 60 failing runs is tool tool0, boom (8 %)."
    assert found["contrast"].text == (
        "No clear cause: nothing sets failing runs apart from the others.\nCompared: 60 failing runs with 60 others."
    )


def test_confounded_attributes_are_both_said() -> None:
    both: dict[str, Any] = {"metadata": {"prompt_name": "p", "prompt_version": "v2"}, "release": "r2"}
    one: dict[str, Any] = {"metadata": {"prompt_name": "p", "prompt_version": "v1"}, "release": "r1"}
    traces = runs((failed_run(f"f{n}", **both) for n in range(80)), (healthy_run(f"h{n}", **one) for n in range(80)))
    found = sections(traces)
    assert "They have " in found["answer"].text
    assert "release r2" in found["answer"].text
    assert "prompt p v2" in found["answer"].text
    assert "cannot be told apart" in found["contrast"].text


def slow_run(trace: str, seconds: float, *, at: float = -60.0) -> list[Observation]:
    """A run whose fetch takes all its time but a second."""
    return [
        observation(trace, level="DEFAULT", at=at, seconds=seconds),
        step(trace, "web_fetch", level="DEFAULT", at=at + 0.5, seconds=seconds - 1.0),
        step(trace, "gpt", kind="GENERATION", model="gpt-5", level="DEFAULT", at=at + seconds - 0.5, seconds=0.5),
    ]


def test_slow_runs_are_explained_by_the_step_whose_own_time_grew() -> None:
    traces = runs(
        (slow_run(f"s{n}", 20.0, at=-n - 30.0) for n in range(30)), (slow_run(f"f{n}", 2.0) for n in range(30))
    )
    found = sections(traces, subject(Slow(15.0)))
    data = found["slow_steps"].data
    assert data is not None
    assert data["steps"] == [
        {"step": "tool web_fetch", "own_seconds_slow": 19.0, "own_seconds_others": 1.0, "share": 1.0}
    ]
    assert found["answer"].text == (
        "100 % of the time that slow runs take longer: tool web_fetch "
        "(19 s of its own in each; 1 s in others; 30 runs read took longer than 15 s)."
    )
    assert len(found["slow_steps"].links) == 2


def test_a_step_that_starts_others_has_only_its_own_time() -> None:
    rows = [
        observation("t", id="root", seconds=10.0, at=0.0),
        step("t", "chain", id="chain", kind="CHAIN", parent="root", at=1.0, seconds=8.0),
        step("t", "a", id="a", parent="chain", at=2.0, seconds=3.0),
        step("t", "b", id="b", parent="chain", at=4.0, seconds=3.0),
    ]
    assert {name: round(seconds, 6) for name, seconds in own_seconds(rows).items()} == {
        "agent support_agent": 2.0,
        "chain chain": 3.0,  # a and b overlap by a second
        "tool a": 3.0,
        "tool b": 3.0,
    }


def test_without_others_it_is_said_where_the_time_goes_and_nothing_grows_from_nothing() -> None:
    (first, *_) = step_times([slow_run("s", 20.0)], [])
    assert (first.step, round(first.slow, 6), first.fast) == ("tool web_fetch", 19.0, 0.0)
    assert step_times([], [slow_run("f", 2.0)]) == ()
    assert step_times([slow_run("s", 2.0)], [slow_run("f", 2.0)]) == ()


def test_sampled_slow_runs_stand_for_those_that_are_not_there() -> None:
    metadata = {"slo_engine_sample_rate": "0.15"}
    traces = runs(
        [[observation(f"s{n}", level="DEFAULT", seconds=20.0, at=-n - 30.0, metadata=metadata)] for n in range(44)]
    )
    data = sections(traces, subject(Slow(15.0)))["slow_steps"].data
    assert data is not None
    assert (data["slow"], data["slow_in_all_estimated"]) == (44, round(44 / 0.15))


def test_calls_that_were_slow_have_no_steps() -> None:
    calls = RowTraces(step(f"t{n}", "gpt", kind="GENERATION", level="DEFAULT", seconds=40.0) for n in range(3))
    found = sections(calls, subject(Slow(15.0, "model_call"), SUPPORT))
    assert found["answer"].text == "3 model calls read took longer than 15 s; no step stands out."


def test_the_time_to_the_first_token_is_not_that_of_the_run() -> None:
    rows = [
        observation("whole", level="DEFAULT", seconds=100.0),
        step("whole", "gpt", kind="GENERATION", level="DEFAULT", seconds=90.0, time_to_first_token=1.0),
        step("late", "gpt", kind="GENERATION", level="DEFAULT", seconds=9.0, time_to_first_token=8.0),
    ]
    data = sections(RowTraces(rows), subject(Slow(5.0, "first_token"), SUPPORT))["slow_steps"].data
    assert data is not None
    assert [each["id"] for each in data["traces"]] == ["late"]


GROUNDED = TraceQuery(tags=SUPPORT.tags, score="grounded")


def scored(low: int, high: int, comment: str = "cites document {n}, which is not in the index") -> RowTraces:
    rows = [healthy_run(f"t{n}", at=-n - 1.0) for n in range(low + high)]
    scores = [
        TraceScore(
            f"t{n}",
            "grounded",
            0.1 + n / 1000 if n < low else 0.9,
            NOW - timedelta(seconds=1),
            comment.format(n=n) if n < low else "",
            "EVAL",
        )
        for n in range(low + high)
    ]
    return RowTraces((row for run in rows for row in run), scores)


def test_low_scores_are_told_with_what_the_judge_said_and_the_lowest_runs() -> None:
    found = sections(scored(70, 200), subject(LowScore(0.6), GROUNDED))
    assert found["scores"].text == (
        "70 runs have a score grounded of 0.6 or less; the lowest is 0.1 (judged by EVAL).\n"
        "70: cites document <n>, which is not in the index"
    )
    assert found["answer"].text == (
        "70 runs have a score grounded of 0.6 or less; 100 % of them: “cites document <n>, which is not in the index”."
    )
    data = found["scores"].data
    assert data is not None
    assert [(each["id"], each["value"]) for each in data["traces"]] == [("t0", 0.1), ("t1", 0.101)]


def test_a_score_slo_does_not_show_runs_that_failed() -> None:
    traces = scored(20, 20)
    both = RowTraces([*traces.rows, *(row for n in range(30) for row in failed_run(f"f{n}"))], traces.all_scores)
    found = sections(both, subject(LowScore(0.6), GROUNDED))
    assert set(found) == {"answer", "scores", "contrast"}


def test_scores_of_another_agent_are_not_shown() -> None:
    found = sections(scored(20, 20), subject(LowScore(0.6), TraceQuery(tags=("agent_type:other",), score="grounded")))
    assert found["scores"].text == "No such score in the window: it may not be ingested yet."
    assert "answer" not in found


def test_a_subject_that_is_tied_to_nothing_gets_nothing_and_nothing_is_asked() -> None:
    traces = planted(20, 20)
    evidence = gathered(traces, replace(subject(), query=None))
    assert [topic.sections for topic in evidence.topics] == [()]
    assert (evidence.missing, traces.calls) == ((), {})


@pytest.mark.parametrize("explained_by", [Failed(), Slow(1.0), LowScore(0.5)])
def test_an_empty_langfuse_is_no_error(explained_by: Any) -> None:
    evidence = gathered(RowTraces(), subject(explained_by, GROUNDED))
    assert evidence.missing == ()
    assert [section.name for topic in evidence.topics for section in topic.sections if section.name == "answer"] == []


def test_a_source_ends_with_what_it_has_before_its_time_is_up() -> None:
    source = SlowSteps(Backends(NoStatuses(), RowTraces(hangs=True)))

    async def wait() -> None:
        async with asyncio.timeout(0.3):
            await source.gather(subject(Slow(1.0)), time.monotonic() + 0.2)

    with pytest.raises(TimeoutError):
        asyncio.run(wait())


def test_nothing_said_is_no_answer() -> None:
    assert answer_of([]) is None
    assert answer_of([Section("budget", "Error budget of 30d: 5 % left.", data={"service": "a"})]) is None
