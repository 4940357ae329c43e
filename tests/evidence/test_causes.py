"""Failing observations -> causes."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest

from slo_engine.evidence.causes import culprits, group_by_cause
from slo_engine.traces import Observation

START = datetime(2026, 11, 23, 12, 0, tzinfo=UTC)


def step(trace: str, name: str = "agent", *, root: bool = False, at: int = 0, message: str = "boom") -> Observation:
    return Observation(
        id=f"{trace}-{name}",
        trace_id=trace,
        project_id="project",
        is_root=root,
        type="AGENT" if root else "TOOL",
        name=name,
        level="ERROR",
        status_message=message,
        model="",
        start_time=START + timedelta(seconds=at),
    )


def url_of(observation: Observation) -> str:
    return f"http://langfuse/{observation.trace_id}"


def test_a_run_that_caught_a_tools_error_has_not_failed() -> None:
    assert culprits([step("recovered", "crm"), step("failed", root=True)]) == [step("failed", root=True)]


def test_the_last_failing_step_inside_a_failed_run_is_blamed() -> None:
    steps = [step("t", root=True), step("t", "crm", at=1), step("t", "search", at=2)]
    assert [each.name for each in culprits(steps)] == ["search"]


def test_a_run_that_failed_by_itself_is_blamed_itself() -> None:
    assert [each.name for each in culprits([step("t", "agent", root=True)])] == ["agent"]


def test_for_a_tools_slo_its_failing_calls_count_whatever_became_of_the_run() -> None:
    steps = [step("recovered", "crm"), step("other", "search"), step("other", root=True)]
    assert [each.trace_id for each in culprits(steps, name="crm")] == ["recovered"]


def test_failures_that_differ_in_numbers_and_names_are_one_cause() -> None:
    blamed = [step(f"t{n}", "search", at=n, message=f"TimeoutError: shard-{n} took {n}.5 s") for n in range(9)]
    blamed += [step("x", "search", at=100, message="KeyError: 'order_id'")]
    causes = group_by_cause(blamed, url_of)
    assert [(cause.message, cause.count) for cause in causes] == [
        ("TimeoutError: shard-<n> took <n> s", 9),
        ("KeyError: <text>", 1),
    ]
    assert causes[0].share == pytest.approx(0.9)
    assert (causes[0].first_seen, causes[0].last_seen) == (START, START + timedelta(seconds=8))


def test_the_newest_runs_of_a_cause_are_its_examples() -> None:
    causes = group_by_cause([step(f"t{n}", "search", at=n) for n in range(9)], url_of)
    assert [(trace.id, trace.url) for trace in causes[0].examples] == [
        ("t8", "http://langfuse/t8"),
        ("t7", "http://langfuse/t7"),
    ]


def test_only_the_most_frequent_causes_are_told() -> None:
    blamed = [step(f"{kind}{n}", f"tool{kind}") for kind in range(8) for n in range(kind + 1)]
    causes = group_by_cause(blamed, url_of)
    assert [cause.count for cause in causes] == [8, 7, 6, 5, 4]


def test_secrets_in_the_name_of_a_step_are_taken_out_and_long_names_cut() -> None:
    assert group_by_cause([step("t", "Bearer sk-lf-abcdefghijkl")], url_of)[0].what == "tool Bearer <secret>"
    assert len(group_by_cause([step("t", "x" * 10**6)], url_of)[0].what) == 100
