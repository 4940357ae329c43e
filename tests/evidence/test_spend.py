"""Spend: who spent the money, from a real Prometheus with two days of counters, and what LangFuse adds to it."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import closing
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from deploy.stack.servers import Prometheus as RealPrometheus
from slo_engine.alerts.payload import parse
from slo_engine.alerts.subjects import subjects_of
from slo_engine.connect import Connection
from slo_engine.definitions import load
from slo_engine.definitions.promql import quote
from slo_engine.evidence import Backends, Subject
from slo_engine.evidence.answer import answer_of
from slo_engine.evidence.sources.spend import Spend
from slo_engine.notifications import Section
from slo_engine.prometheus import Prometheus
from slo_engine.traces import Count, Observation, Selection, TracesError, UnsupportedError
from tests.alerts.payloads import body
from tests.evidence.dated import run, step
from tests.evidence.real_metrics import RealMetrics
from tests.evidence.world import NoStatuses, RowTraces
from tests.rules.backfilled import backfill

pytestmark = pytest.mark.stack

SLOS = load([Path(__file__).parent.parent.parent / "slos"])
UNTIL = datetime.fromtimestamp(time.time() // 60 * 60 - 4 * 3600, UTC)
HOUR = timedelta(hours=1)
DAY = timedelta(days=1)
AWKWARD = 'a"b\\c.*|{d}'

Rate = Mapping[tuple[float, float], float]
"""(from, until), in hours before the end -> US dollars an hour."""

ALWAYS = (60.0, 0.0)


def _spent(rate: Rate, *, since: float = 60.0) -> dict[int, float]:
    """The samples of a counter, each minute, since so many hours ago."""
    samples, amount = {}, 0.0
    for minute in range(int(since * 60), -1, -1):
        ago = minute / 60
        samples[int(UNTIL.timestamp()) - minute * 60] = round(amount, 9)
        amount += sum(each for (begin, end), each in rate.items() if end < ago <= begin) / 60
    return samples


def _series(agent: str, model: str, **labels: str) -> str:
    own = {"agent_type": agent, "model": model, "instance": "a:1", "job": "agents", **labels}
    return f"llm_cost_usd_total{{{','.join(f'{name}={quote(value)}' for name, value in own.items())}}}"


def _history() -> dict[str, dict[int, float]]:
    found = {
        _series("batch_agent", "gpt-5-mini"): _spent({ALWAYS: 0.31}),
        _series("batch_agent", "claude-opus-4-1"): _spent({(1.0, 0.0): 200.0}),
        _series("batch_agent", "claude-opus-4-1", instance="b:1"): _spent({(1.0, 0.0): 37.6}),
        _series("nightly_agent", "gpt-5"): _spent({(1.0, 0.0): 100.0, (25.0, 24.0): 100.0, ALWAYS: 1.0}),
        _series("lasting_agent", "gpt-5"): _spent({(5.0, 0.0): 50.0, ALWAYS: 0.5}),
        _series("young_agent", "gpt-5"): _spent({ALWAYS: 30.0}, since=0.7),
        _series("begun_in_the_hour_before", "gpt-5"): _spent({ALWAYS: 30.0}, since=1.5),
        _series("younger_than_a_day", "gpt-5"): _spent({(1.0, 0.0): 30.0, ALWAYS: 2.0}, since=20.0),
        _series(AWKWARD, "gpt-5"): _spent({(1.0, 0.0): 10.0, ALWAYS: 1.0}),
        _series("axb", "gpt-5"): _spent({ALWAYS: 1000.0}),
        _series("idle_agent", "gpt-5"): _spent({}),
    }
    for number in range(30):
        found[_series("shared_agent", "gpt-5", user=f"u{number}")] = _spent({(1.0, 0.0): 1.0, ALWAYS: 0.1})
    for number in range(10):
        found[_series("even_agent", f"model-{number}")] = _spent({(1.0, 0.0): 1.0, ALWAYS: 0.1})
    return found


@pytest.fixture(scope="module")
def metrics(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RealMetrics]:
    folder = tmp_path_factory.mktemp("prometheus")
    backfill(folder, _history())
    with RealPrometheus(folder) as server, closing(Prometheus(Connection(server.url))) as door:
        yield RealMetrics(door)


def subject(agent: str, *, hours: float = 1.0, slo: str = "spend") -> Subject:
    found = SLOS.find("agents", slo)
    assert found is not None
    assert found.traces is not None
    group = {"agent_type": agent}
    query = found.traces.render(group)
    return Subject(found, group, UNTIL - hours * HOUR, UNTIL, query, found.sli.explained_by, ("f",))


def said(
    metrics: RealMetrics, agent: str, traces: RowTraces | None = None, *, hours: float = 1.0, seconds: float = 10.0
) -> Section | None:
    source = Spend(Backends(NoStatuses(), traces, metrics))
    about = subject(agent, hours=hours)
    assert source.wants(about)
    return asyncio.run(source.gather(about, time.monotonic() + seconds))


def data(section: Section | None) -> Mapping[str, Any]:
    assert section is not None
    assert section.data is not None
    return section.data


def answer(section: Section | None) -> str:
    assert section is not None
    found = answer_of([section])
    assert found is not None
    return found.text


def calls(agent: str, model: str, begin: datetime, *, runs: int, each: int, cost: float = 0.0) -> list[Observation]:
    """Runs of an agent within an hour, with so many calls of a model each."""
    tags = (f"agent_type:{agent}",)
    rows = []
    for number in range(runs):
        at = begin + number * HOUR / runs
        trace = f"{model}-{begin:%d%H}-{number}"
        rows.append(run(trace, at, tags=tags))
        rows += [
            step(trace, f"call-{call}", at, type="GENERATION", model=model, tags=tags, cost=cost)
            for call in range(each)
        ]
    return rows


def test_a_model_that_took_over_is_named_with_its_spend_and_calls(metrics: RealMetrics) -> None:
    traces = RowTraces(
        [
            *calls("batch_agent", "claude-opus-4-1", UNTIL - HOUR, runs=10, each=30, cost=0.79),
            *calls("batch_agent", "gpt-5-mini", UNTIL - 2 * HOUR, runs=10, each=1, cost=0.03),
            *calls("support_agent", "gpt-5-mini", UNTIL - HOUR, runs=10, each=400, cost=9.0),
        ]
    )
    section = said(metrics, "batch_agent", traces)
    assert answer(section) == (
        "claude-opus-4-1 in batch_agent: 237.60 USD in the last hour (0 USD an hour before): "
        "30 calls a run instead of 1 of gpt-5-mini."
    )
    assert section is not None
    assert section.text == (
        "237.91 USD in the last hour (0.31 USD in the hour before, 0.31 USD at the same time a day before).\n"
        "claude-opus-4-1 in batch_agent: 237.60 USD an hour, 0 USD before; 100 % of the growth; "
        "30 calls a run instead of 1 of gpt-5-mini\n"
        "The dearest of 10 traces: 23.70 USD in 30 calls, 23.70 USD in 30 calls."
    )
    assert len(section.links) == 2
    assert data(section)["calls"]["now"] == {"runs": 10, "calls": {"claude-opus-4-1": 300}}


def test_without_langfuse_the_counter_says_what_it_knows(metrics: RealMetrics) -> None:
    section = said(metrics, "batch_agent")
    assert answer(section) == "claude-opus-4-1 in batch_agent: 237.60 USD in the last hour (0 USD an hour before)."
    found = data(section)
    assert found["compared_with"] == "the window before and a day before"
    assert found["spenders"][0]["labels"] == {"agent_type": "batch_agent", "model": "claude-opus-4-1"}
    assert found["spenders"][0]["spent"] == pytest.approx(237.6, rel=0.02)
    assert found["query"].startswith("sum without (instance, job, ")
    assert (found["calls"], found["missing"]) == (None, None)


def test_what_is_spent_at_this_time_of_each_day_is_no_growth(metrics: RealMetrics) -> None:
    section = said(metrics, "nightly_agent")
    assert answer(section) == "101.00 USD in the last hour, no more than a day before."
    assert data(section)["grown"] is None


def test_what_goes_on_for_longer_than_the_window_is_compared_with_the_day_before(metrics: RealMetrics) -> None:
    section = said(metrics, "lasting_agent")
    assert answer(section) == "gpt-5 in lasting_agent: 50.50 USD in the last hour (0.50 USD an hour a day before)."
    assert data(section)["compared_with"] == "a day before"


@pytest.mark.parametrize("agent", ["young_agent", "begun_in_the_hour_before"])
def test_without_a_history_of_all_of_the_earlier_window_nothing_is_compared(metrics: RealMetrics, agent: str) -> None:
    section = said(metrics, agent)
    assert section is not None
    assert "no spend before to compare with" in section.text
    assert answer(section).endswith("(100 % of all; no spend before to compare with).")
    found = data(section)
    assert (found["spent_before"], found["spent_a_day_before"], found["grown"]) == (None, None, None)


def test_a_history_of_less_than_a_day_is_compared_with_the_window_before(metrics: RealMetrics) -> None:
    found = data(said(metrics, "younger_than_a_day"))
    assert found["compared_with"] == "the window before"
    assert found["spent_a_day_before"] is None
    assert found["spent_before"] == pytest.approx(2.0, rel=0.02)


def test_a_longer_window_says_what_is_spent_in_an_hour(metrics: RealMetrics) -> None:
    assert answer(said(metrics, "lasting_agent", hours=2.0)) == (
        "gpt-5 in lasting_agent: 101.00 USD in the last 2h, 50.50 USD an hour (0.50 USD an hour a day before)."
    )


def test_an_agent_whose_name_means_something_in_promql_is_that_agent_alone(metrics: RealMetrics) -> None:
    assert data(said(metrics, AWKWARD))["spent"] == pytest.approx(11.0, rel=0.02)
    assert said(metrics, "a.*") is None


def test_an_agent_that_spends_nothing_is_not_talked_about(metrics: RealMetrics) -> None:
    assert said(metrics, "idle_agent") is None
    assert said(metrics, "unknown_agent") is None


def test_what_many_users_spend_is_added_up(metrics: RealMetrics) -> None:
    (spender,) = data(said(metrics, "shared_agent"))["spenders"]
    assert spender["labels"] == {"agent_type": "shared_agent", "model": "gpt-5"}
    assert spender["spent"] == pytest.approx(33.0, rel=0.02)


def test_a_growth_that_many_share_has_no_name(metrics: RealMetrics) -> None:
    assert answer(said(metrics, "even_agent")) == "11.00 USD in the last hour; no agent or model stands out."


def test_a_model_that_is_called_more_often_than_before_is_told_so(metrics: RealMetrics) -> None:
    rows = calls("lasting_agent", "gpt-5", UNTIL - HOUR, runs=4, each=12)
    rows += calls("lasting_agent", "gpt-5", UNTIL - DAY - HOUR, runs=4, each=2)
    assert answer(said(metrics, "lasting_agent", RowTraces(rows))).endswith(": 12 calls a run instead of 2.")


def test_a_model_that_is_called_beside_the_one_before_is_called_instead_of_nothing(metrics: RealMetrics) -> None:
    before, now = UNTIL - 2 * HOUR, UNTIL - HOUR
    rows = calls("batch_agent", "claude-opus-4-1", now, runs=4, each=30)
    rows += calls("batch_agent", "gpt-5-mini", before, runs=4, each=1)
    first = {row.trace_id for row in rows if row.model == "claude-opus-4-1"}
    tags = ("agent_type:batch_agent",)
    rows += [step(each, "mini", now, type="GENERATION", model="gpt-5-mini", tags=tags) for each in first]
    assert answer(said(metrics, "batch_agent", RowTraces(rows))).endswith(": 30 calls a run, none before.")


def test_more_runs_with_as_many_calls_each_are_told_as_runs(metrics: RealMetrics) -> None:
    rows = calls("lasting_agent", "gpt-5", UNTIL - HOUR, runs=8, each=2)
    rows += calls("lasting_agent", "gpt-5", UNTIL - DAY - HOUR, runs=2, each=2)
    assert answer(said(metrics, "lasting_agent", RowTraces(rows))).endswith(": 4 times as many traced runs.")


def test_a_trace_with_far_more_calls_than_the_others_is_a_loop(metrics: RealMetrics) -> None:
    rows = calls("batch_agent", "gpt-5", UNTIL - HOUR, runs=9, each=2)
    rows += calls("batch_agent", "looping", UNTIL - HOUR, runs=1, each=40, cost=0.5)
    section = said(metrics, "batch_agent", RowTraces(rows))
    assert section is not None
    assert section.text.endswith(
        "The dearest of 10 traces: 20.00 USD in 40 calls.\n"
        "Loops: 1 of 10 traces have up to 40 calls each; half of all have 2 or fewer."
    )


def test_nine_calls_are_no_loop_whatever_the_others_do(metrics: RealMetrics) -> None:
    rows = calls("batch_agent", "gpt-5", UNTIL - HOUR, runs=9, each=1)
    rows += calls("batch_agent", "looping", UNTIL - HOUR, runs=1, each=9)
    assert data(said(metrics, "batch_agent", RowTraces(rows)))["calls"]["loops"] == 0


class NotCounting(RowTraces):
    """A server of version 3."""

    async def counts(self, wanted: Selection, *, by: Sequence[str] = (), deadline: float) -> list[Count]:
        raise UnsupportedError("v4 counts")


def test_a_langfuse_that_does_not_count_still_shows_the_dearest_traces(metrics: RealMetrics) -> None:
    traces = NotCounting(calls("batch_agent", "claude-opus-4-1", UNTIL - HOUR, runs=3, each=2, cost=1.0))
    section = said(metrics, "batch_agent", traces)
    assert section is not None
    assert "The dearest of 3 traces: 2.00 USD in 2 calls" in section.text
    assert answer(section).endswith("(0 USD an hour before).")


@pytest.mark.parametrize("traces", [RowTraces(error=TracesError("LangFuse answered HTTP 500")), RowTraces(hangs=True)])
def test_a_langfuse_that_fails_takes_nothing_from_what_prometheus_says(metrics: RealMetrics, traces: RowTraces) -> None:
    section = said(metrics, "batch_agent", traces, seconds=2.0)
    assert answer(section).startswith("claude-opus-4-1 in batch_agent: 237.60 USD")
    assert section is not None
    assert "The calls could not be read: LangFuse" in section.text


def test_a_plain_alert_on_spend_is_about_its_agent_in_the_librarys_currency(metrics: RealMetrics) -> None:
    labels = {"alertname": "AgentHighSpend", "slo_service": "agents", "agent_type": "batch_agent", "tool_name": "x"}
    (about,) = subjects_of(parse(body(labels=labels)).alerts, SLOS, UNTIL)
    assert about.slo is None
    source = Spend(Backends(NoStatuses(), None, metrics))
    assert source.wants(about)
    section = asyncio.run(source.gather(about, time.monotonic() + 10.0))
    assert answer(section).startswith("claude-opus-4-1 in batch_agent: 237.60 USD in the last hour")
    assert 'llm_cost_usd_total{agent_type="batch_agent"}[3600s]' in data(section)["query"]


def test_only_budgets_of_money_are_asked_about() -> None:
    metrics: Any = object()
    source = Spend(Backends(NoStatuses(), None, metrics))
    assert source.wants(subject("batch_agent"))
    assert not source.wants(subject("batch_agent", slo="success"))
    assert not Spend(Backends(NoStatuses())).wants(subject("batch_agent"))
