"""Reading a history in chunks that Prometheus bears."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta

import pytest

from slo_engine.backtest.raw_history import HistoryError, fetch
from slo_engine.prometheus import PrometheusError, RangeResult, Series

START = 1_700_000_100 // 300 * 300


@dataclass
class Source:
    """A Prometheus that gives what ``answer`` says for a query at a time, and bears so many steps."""

    answer: Callable[[str, int], dict[str, float]]
    bears: int = 11_000
    failure: PrometheusError = field(default_factory=lambda: PrometheusError("timeout", "too slow"))
    steps: list[int] = field(default_factory=list)

    def query_range(self, expr: str, start: datetime, end: datetime, step: timedelta) -> RangeResult:
        times = range(int(start.timestamp()), int(end.timestamp()) + 1, int(step.total_seconds()))
        self.steps.append(len(times))
        if len(times) > self.bears:
            raise self.failure
        found: dict[str, list[tuple[float, float]]] = {}
        for at in times:
            for agent, value in self.answer(expr, at).items():
                found.setdefault(agent, []).append((float(at), value))
        return RangeResult(tuple(Series({"agent_type": agent}, tuple(points)) for agent, points in found.items()), ())


@dataclass(frozen=True)
class Raw:
    total: str | None = "total"
    errors: str = "errors"


def read(source: Source, minutes: int, *, raw: Raw | None = None) -> dict[str, tuple[list[float], list[float]]]:
    found = fetch(
        source,
        raw or Raw(),
        ("agent_type",),
        datetime.fromtimestamp(START, UTC),
        datetime.fromtimestamp(START + (minutes - 1) * 60, UTC),
    )
    return {agent: (list(each.total or ()), list(each.errors)) for (agent,), each in found.items()}


def both(expr: str, at: int) -> dict[str, float]:
    return {"chat": 10.0 if expr == "total" else float(at - START)}


def test_a_month_comes_in_chunks_without_a_seam() -> None:
    source = Source(both)
    ((total, errors),) = read(source, 43_200).values()
    assert total == [10.0] * 43_200
    assert errors == [60.0 * minute for minute in range(43_200)]
    assert max(source.steps) <= 10_000


@pytest.mark.parametrize(
    "failure",
    [
        PrometheusError("timeout", "did not answer a query within 10 s"),
        PrometheusError("bad_query", "refuses the query: query processing would load too many samples into memory"),
    ],
)
def test_chunks_shrink_to_what_prometheus_bears(failure: PrometheusError) -> None:
    source = Source(both, bears=700, failure=failure)
    ((_, errors),) = read(source, 5000).values()
    assert errors == [60.0 * minute for minute in range(5000)]
    assert sum(step > 700 for step in source.steps) <= 5


def test_a_prometheus_that_bears_nothing_is_an_error_and_no_endless_loop() -> None:
    with pytest.raises(PrometheusError, match="too slow"):
        read(Source(both, bears=0), 5000)


def test_other_failures_are_not_tried_again() -> None:
    source = Source(both, bears=0, failure=PrometheusError("auth", "refuses our credentials"))
    with pytest.raises(PrometheusError, match="credentials"):
        read(source, 5000)
    assert len(source.steps) == 1


def test_many_groups_make_short_chunks() -> None:
    source = Source(lambda expr, at: {f"agent-{number}": 1.0 for number in range(150)})
    read(source, 8000)
    assert max(source.steps) <= 500_000 // 150


def test_too_many_groups_are_refused_with_what_to_do() -> None:
    with pytest.raises(HistoryError, match="choose one with --group"):
        read(Source(lambda expr, at: {f"agent-{number}": 1.0 for number in range(201)}), 100)


def test_what_is_not_there_is_a_gap() -> None:
    def answer(expr: str, at: int) -> dict[str, float]:
        return {} if expr == "errors" or at < START + 600 else {"chat": 3.0}

    ((total, errors),) = read(Source(answer), 20).values()
    assert total[10:] == [3.0] * 10
    assert all(math.isnan(value) for value in (*total[:10], *errors))


def test_what_is_no_number_is_a_gap() -> None:
    values = [1.0, math.nan, math.inf, 2.0]
    ((total, _),) = read(Source(lambda expr, at: {"chat": values[(at - START) // 60]}), 4).values()
    assert [value for value in total if value == value] == [1.0, 2.0]


def test_spend_has_no_total() -> None:
    found = fetch(
        Source(lambda expr, at: {"chat": 0.5}),
        Raw(total=None),
        ("agent_type",),
        datetime.fromtimestamp(START, UTC),
        datetime.fromtimestamp(START + 600, UTC),
    )
    assert found["chat",].total is None
    assert list(found["chat",].errors) == [0.5] * 11
