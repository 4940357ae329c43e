"""Failing observations -> causes."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from slo_engine.evidence.causes import culprits, group_by_cause, without_variable_parts
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


@pytest.mark.parametrize(
    ("message", "expected"),
    [
        ("mail to jane.doe+x@mail.example.co.uk failed", "mail to <email> failed"),
        ("Incorrect API key provided: sk-proj-abc123DEF456ghi", "Incorrect API key provided: <secret>"),
        ("401 for Authorization: Bearer eyJhbGciOi.eyJzdWIi.sig", "<n> for Authorization: Bearer <secret>"),
        ("token=abcdefg123 refused", "token=<secret> refused"),
        ("AWS_SECRET_ACCESS_KEY=abc/def refused", "AWS_SECRET_ACCESS_KEY=<secret> refused"),
        ("Authorization: Basic dXNlcjpwYXNz refused", "Authorization: Basic <secret> refused"),
        ("connect to postgres://user:pass@db/x failed", "connect to <url> failed"),
        ("the password is hunter2!", "the password is <secret>"),
        ("key gsk_a1B2c3D4e5F6g7H8i9J0k1L2 refused", "key <secret> refused"),
        ("key AIzaSyA1234567890abcdefghijklmnopqrstuv refused", "key <secret> refused"),
        ("key hf_AbCdEfGhIjKlMnOpQrStUvWxYz1234 refused", "key <secret> refused"),
        ("AKIAIOSFODNN7EXAMPLE is not allowed", "<secret> is not allowed"),
        ("run 119a72d174c9df6acc011cdd9474031b failed", "run <id> failed"),
        ("job 7b0f7e2e-8a35-4b6a-9f57-3f6b0f1a2c3d failed", "job <id> failed"),
        ("GET https://api.example.com/v1/x?key=1 gave 503", "GET <url> gave <n>"),
        ("", "no message"),
        ("\n", "no message"),
        ("first line\nsecond line", "first line"),
    ],
)
def test_what_differs_from_run_to_run_and_what_is_secret_is_taken_out(message: str, expected: str) -> None:
    assert without_variable_parts(message) == expected


@given(st.text(max_size=4000))
def test_a_message_is_never_long_never_empty_and_settled_at_once(message: str) -> None:
    said = without_variable_parts(message)
    assert 0 < len(said) <= 200
    assert "\n" not in said


@given(st.integers(0, 10**12), st.integers(0, 10**12))
def test_numbers_never_make_two_causes_of_one(one: int, other: int) -> None:
    first, second = (without_variable_parts(f"order {number} timed out") for number in (one, other))
    assert first == second


def test_secrets_in_the_name_of_a_step_are_taken_out_and_long_names_cut() -> None:
    assert group_by_cause([step("t", "Bearer sk-lf-abcdefghijkl")], url_of)[0].what == "tool Bearer <secret>"
    assert len(group_by_cause([step("t", "x" * 10**6)], url_of)[0].what) == 100


@pytest.mark.parametrize(
    "worst", ["0" * 10**6, "a." * 10**5, "eyJ" * 10**5, "'" * 10**5, "token" * 10**5, "a@" * 10**5]
)
def test_the_worst_message_is_no_more_work_than_its_beginning(worst: str) -> None:
    for _ in range(200):  # with a quadratic pattern these are minutes
        without_variable_parts(worst)
