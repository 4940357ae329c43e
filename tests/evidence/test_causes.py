"""Failing steps -> causes."""

from __future__ import annotations

from datetime import timedelta

import pytest

from slo_engine.evidence.causes import causes_of
from slo_engine.evidence.failing_step import Failure
from tests.evidence.world import NOW, step, url_of


def failures(count: int, name: str = "search", message: str = "TimeoutError: shard-{n} took {n}.5 s") -> list[Failure]:
    return [Failure(step(f"{name}{n}", name, message=message.format(n=n), at=n - 100.0), None) for n in range(count)]


def test_failures_that_differ_in_numbers_are_one_cause() -> None:
    found = causes_of([*failures(9), *failures(1, "other", "KeyError: 'order_id'")], url_of)
    assert [(cause.what, cause.message, cause.count) for cause in found] == [
        ("tool search", "TimeoutError: shard-<n> took <n> s", 9),
        ("tool other", "KeyError: 'order_id'", 1),
    ]
    assert found[0].share == pytest.approx(0.9)
    assert (found[0].first_seen, found[0].last_seen) == (NOW - timedelta(seconds=100), NOW - timedelta(seconds=92))


def test_the_newest_runs_of_a_cause_are_its_examples_each_once() -> None:
    (cause,) = causes_of([*failures(9), *failures(9)], url_of)
    assert [(trace.id, trace.url) for trace in cause.examples] == [
        ("search8", "http://langfuse/search8"),
        ("search7", "http://langfuse/search7"),
    ]


def test_the_most_frequent_cause_is_the_first() -> None:
    found = causes_of([each for kind in range(8) for each in failures(kind + 1, f"tool{kind}")], url_of)
    assert [cause.count for cause in found] == [8, 7, 6, 5, 4, 3, 2, 1]


def test_a_step_without_a_message_is_named_by_what_its_run_says() -> None:
    root = step("t", "support_agent", message="the run says why")
    (cause,) = causes_of([Failure(step("t", "search", message=""), root)], url_of)
    assert (cause.what, cause.message) == ("tool search", "the run says why")


def test_where_the_runs_of_a_cause_were_is_said() -> None:
    rows = [step(f"t{n}", "search", environment="staging" if n < 3 else "production") for n in range(4)]
    (cause,) = causes_of([Failure(row, None) for row in rows], url_of)
    assert cause.environments == ("staging", "production")


def test_secrets_in_the_name_of_a_step_are_taken_out_and_long_names_cut() -> None:
    (cause,) = causes_of([Failure(step("t", "Bearer sk-lf-abcdefghijkl"), None)], url_of)
    assert cause.what == "tool Bearer <secret>"
    (cause,) = causes_of([Failure(step("t", "x" * 10**6), None)], url_of)
    assert len(cause.what) == 100
