"""Exemplars: the runs that the error series itself names, from a real Prometheus that has scraped them."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import closing
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from http.server import BaseHTTPRequestHandler
from typing import Any

import pytest

from deploy.stack.servers import Prometheus as RealPrometheus
from slo_engine.connect import Connection
from slo_engine.definitions import load
from slo_engine.definitions.promql import quote
from slo_engine.definitions.slo import Slo
from slo_engine.definitions.traces import TraceQuery
from slo_engine.evidence import Backends, Subject
from slo_engine.evidence.answer import answer_of
from slo_engine.evidence.sources.exemplars import Exemplars
from slo_engine.notifications import Section
from slo_engine.prometheus import Exemplar, Prometheus, Result
from slo_engine.traces import Observation, TracesError
from tests.evidence.dated import run, step
from tests.evidence.real_metrics import RealMetrics
from tests.evidence.world import NoStatuses, RowTraces
from tests.prometheus.test_client import serving
from tests.waiting import wait_for

pytestmark = pytest.mark.stack

AWKWARD = 'a"b\\c.*|{d}'
"""A label value with all that has a meaning in PromQL and in regular expressions."""

SLOS = load(
    {
        "slos.yaml": """
version: slo-engine/v1
service: shop
defaults: {by: [team]}
slos:
  - {name: errors, objective: 99, sli: {events: {total: asked_total, errors: 'asked_total{status!="ok"}'}}}
  - {name: good, objective: 99, sli: {events: {total: asked_total, good: 'asked_total{status="ok",cached="no"}'}}}
  - {name: elsewhere, objective: 99, sli: {events: {total: asked_total, good: answered_total}}}
  - {name: slow, objective: 99, sli: {latency: {histogram: asked_seconds, threshold: 1s}}}
  - {name: low, objective: 99, sli: {score: {histogram: asked_score, above: 0.5}}}
  - name: calls
    objective: 99
    by: [tool]
    sli: {events: {total: tool_calls_total, errors: 'tool_calls_total{status="error"}'}}
  - {name: minutes, objective: 99, sli: {slices: {good: 'up == bool 1'}}}
  - {name: money, sli: {cost: {spend: spent_total, budget: 10 USD}}}
"""
    }
)


def trace(number: int) -> str:
    return f"{number:032x}"


def _series(name: str, labels: Mapping[str, str], value: float, exemplar: Mapping[str, str], seen: float) -> str:
    written = ",".join(f"{label}={quote(text)}" for label, text in labels.items())
    named = ",".join(f"{label}={quote(text)}" for label, text in exemplar.items())
    return f"{name}{{{written}}} 1 # {{{named}}} {seen:g}" if named else f"{name}{{{written}}} {value:g}"


def _page() -> bytes:
    def asked(pod: int, status: str, named: Mapping[str, str], team: str = "a", cached: str = "no") -> str:
        labels = {"team": team, "status": status, "cached": cached, "pod": str(pod)}
        return _series("asked_total", labels, 1, named, 1)

    def bucket(metric: str, le: str, number: int, seen: float, pod: int) -> str:
        named = {"trace_id": trace(number)}
        return _series(f"{metric}_bucket", {"team": "a", "pod": str(pod), "le": le}, 1, named, seen)

    lines = ["# TYPE asked counter"]
    lines += [asked(number, "error", {"trace_id": trace(number)}) for number in (1, 2, 3)]
    lines += [asked(4, "timeout", {"traceID": trace(4).upper()})]
    lines += [asked(5, "ok", {"trace_id": trace(5)}), asked(6, "ok", {"trace_id": trace(6)}, cached="yes")]
    lines += [asked(7, "error", {"trace_id": trace(7)}, team=AWKWARD), asked(8, "error", {"trace_id": trace(8)}, "axb")]
    # Ids that LangFuse has not: too short, none at all, another label.
    lines += [asked(9, "error", {"trace_id": "abc"}), asked(10, "error", {"trace_id": "0" * 32})]
    lines += [asked(11, "error", {"span_id": trace(11)})]
    lines += ["# TYPE asked_seconds histogram"]
    lines += [bucket("asked_seconds", "1.0", 21, 0.7, 1), bucket("asked_seconds", "5.0", 22, 3.0, 1)]
    lines += [bucket("asked_seconds", "+Inf", 23, 40.0, 1)]
    lines += ["# TYPE asked_score histogram"]
    lines += [bucket("asked_score", "0.5", 31, 0.5, 1), bucket("asked_score", "+Inf", 32, 0.9, 1)]
    lines += ["# TYPE tool_calls counter"]
    calls = {"tool": "crm_lookup", "status": "error"}
    lines += [_series("tool_calls_total", calls, 1, {"trace_id": trace(41)}, 1)]
    return "\n".join([*lines, "# EOF", ""]).encode()


@pytest.fixture(scope="module")
def metrics(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RealMetrics]:
    page = _page()

    def answer(handler: BaseHTTPRequestHandler, _: bytes) -> None:
        handler.send_response(200)
        handler.send_header("content-type", "application/openmetrics-text; version=1.0.0; charset=utf-8")
        handler.end_headers()
        handler.wfile.write(page)

    with (
        serving(answer) as url,
        RealPrometheus(
            tmp_path_factory.mktemp("prometheus"),
            targets={"shop": url.removeprefix("http://")},
            scrape_interval="1s",
        ) as server,
        closing(Prometheus(Connection(server.url))) as door,
    ):
        now = datetime.now(UTC)
        hour = timedelta(hours=1)
        wait_for("exemplars", lambda: door.exemplars("tool_calls_total", now - hour, now + hour), within=20)
        yield RealMetrics(door)


def slo(name: str) -> Slo:
    found = SLOS.find("shop", name)
    assert found is not None
    return found


def subject(name: str, **group: str) -> Subject:
    found = slo(name)
    until = datetime.now(UTC) + timedelta(seconds=1)
    return Subject(
        slo=found,
        group=group or {"team": "a"},
        since=until - timedelta(hours=1),
        until=until,
        query=None,
        explained_by=found.sli.explained_by,
        fingerprints=("f",),
    )


def said(metrics: Any, about: Subject, traces: RowTraces | None = None, seconds: float = 10.0) -> Section | None:
    source = Exemplars(Backends(NoStatuses(), traces, metrics))
    assert source.wants(about)
    return asyncio.run(source.gather(about, time.monotonic() + seconds))


def ids(section: Section | None) -> set[int]:
    return {int(each, 16) for each in data(section)["trace_ids"]}


def data(section: Section | None) -> Mapping[str, Any]:
    assert section is not None
    assert section.data is not None
    return section.data


def failing(number: int, message: str = "TimeoutError: crm-7 took 30 s", **values: Any) -> list[Observation]:
    at = datetime.now(UTC) - timedelta(minutes=5, seconds=number)
    root = run(trace(number), at, level="ERROR", status_message=message, **values)
    called = step(
        trace(number), "crm_lookup", at + timedelta(seconds=1), level="ERROR", status_message=message, parent_id=root.id
    )
    return [root, called]


def test_without_langfuse_the_ids_of_failing_runs_are_there_for_programs(metrics: RealMetrics) -> None:
    section = said(metrics, subject("errors"))
    assert section is not None
    assert section.text == "4 runs of the error series itself (its exemplars, a sample)."
    assert section.links == ()
    assert ids(section) == {1, 2, 3, 4}
    assert data(section)["query"] == 'asked_total{status!="ok",team="a"}'


def test_errors_beside_the_good_ones_are_found_by_each_label_that_makes_them_good(metrics: RealMetrics) -> None:
    assert ids(said(metrics, subject("good"))) == {1, 2, 3, 4, 6}


def test_of_a_histogram_only_values_beyond_the_threshold_are_errors(metrics: RealMetrics) -> None:
    assert ids(said(metrics, subject("slow"))) == {22, 23}
    assert ids(said(metrics, subject("low"))) == {31}


def test_a_group_whose_name_means_something_in_promql_is_that_group_alone(metrics: RealMetrics) -> None:
    assert ids(said(metrics, subject("errors", team=AWKWARD))) == {7}
    assert said(metrics, subject("errors", team="a.*")) is None


def test_exemplars_of_another_time_say_nothing(metrics: RealMetrics) -> None:
    now = subject("errors")
    day = timedelta(days=1)
    assert said(metrics, replace(now, since=now.since - day, until=now.until - day)) is None


def test_an_sli_whose_errors_stand_in_no_series_is_not_asked_about() -> None:
    source = Exemplars(Backends(NoStatuses(), None, RealMetrics(None)))  # type: ignore[arg-type]
    assert not any(source.wants(subject(name)) for name in ("elsewhere", "minutes", "money"))
    assert not Exemplars(Backends(NoStatuses())).wants(subject("errors"))


def test_an_slo_that_is_tied_to_no_traces_gets_cause_links_and_answer(metrics: RealMetrics) -> None:
    rows = [row for number in (1, 2, 3) for row in failing(number)] + failing(4, "KeyError: 'order_id'")
    section = said(metrics, subject("errors"), RowTraces(rows))
    assert section is not None
    assert [link.url.rpartition("/")[2] for link in section.links] == [trace(1), trace(2)]
    assert section.text.startswith(
        "4 runs of the error series itself (its exemplars, a sample); 4 of them are in LangFuse.\n"
        "3 of 4 failures: tool crm_lookup: TimeoutError"
    )
    answer = answer_of([section])
    assert answer is not None
    assert answer.text.startswith("3 of 4 traced failures: tool crm_lookup, TimeoutError")
    assert data(section)["causes"][0]["share"] == 0.75


def test_where_the_causes_speak_for_the_slo_the_exemplars_have_no_answer(metrics: RealMetrics) -> None:
    about = replace(subject("errors"), query=TraceQuery(tags=("agent_type:support_agent",)))
    section = said(metrics, about, RowTraces(failing(1)))
    assert data(section)["causes"]
    assert "answer" not in data(section)


def test_runs_that_langfuse_has_but_that_did_not_fail_there_have_no_cause(metrics: RealMetrics) -> None:
    at = datetime.now(UTC) - timedelta(minutes=5)
    caught = [run(trace(1), at), step(trace(1), "crm_lookup", at, level="ERROR", status_message="caught")]
    section = said(metrics, subject("errors"), RowTraces(caught))
    assert data(section)["causes"] == []
    assert "answer" not in data(section)


def test_a_run_alone_in_its_trace_is_the_one_that_failed_whatever_it_is_called(metrics: RealMetrics) -> None:
    alone = [replace(row, type="SPAN", trace_name="another") for row in failing(1)]
    assert data(said(metrics, subject("errors"), RowTraces(alone)))["failures"] == 1
    beside = step(trace(1), "worker", alone[0].start_time, is_root=True, type="SPAN", trace_name="another")
    overlapping = replace(beside, start_time=alone[0].start_time - timedelta(minutes=1))
    assert data(said(metrics, subject("errors"), RowTraces([*alone, overlapping])))["failures"] == 0


def test_an_error_in_a_slow_run_is_not_why_it_was_slow(metrics: RealMetrics) -> None:
    section = said(metrics, subject("slow"), RowTraces(failing(22)))
    assert section is not None
    assert data(section)["causes"] == []
    assert [link.title for link in section.links] == [trace(22)]


def test_for_calls_of_a_tool_only_that_tools_calls_are_to_blame(metrics: RealMetrics) -> None:
    about = subject("calls", tool="crm_lookup")
    other = step(trace(41), "search", datetime.now(UTC) - timedelta(minutes=3), level="ERROR", status_message="no")
    section = said(metrics, about, RowTraces([*failing(41), other]))
    assert [cause["what"] for cause in data(section)["causes"]] == ["tool crm_lookup"]
    renamed = [replace(row, name="another") for row in failing(41)]
    assert data(said(metrics, about, RowTraces(renamed)))["causes"] == []


def test_traces_of_which_langfuse_has_none_are_said_to_be_missing(metrics: RealMetrics) -> None:
    section = said(metrics, subject("errors"), RowTraces())
    assert section is not None
    assert section.text.endswith("; none of them is in LangFuse.")


@pytest.mark.parametrize("traces", [RowTraces(error=TracesError("LangFuse answered HTTP 500")), RowTraces(hangs=True)])
def test_a_langfuse_that_fails_takes_nothing_from_what_prometheus_says(metrics: RealMetrics, traces: RowTraces) -> None:
    section = said(metrics, subject("errors"), traces, seconds=1.0)
    assert section is not None
    assert "4 runs of the error series itself" in section.text
    assert "could not be read: LangFuse" in section.text


def test_a_langfuse_that_hangs_is_left_alone_for_the_next_notifications(metrics: RealMetrics) -> None:
    traces = RowTraces(hangs=True)
    source = Exemplars(Backends(NoStatuses(), traces, metrics))

    async def twice() -> None:
        for _ in range(2):
            await source.gather(subject("errors"), time.monotonic() + 1.0)

    asyncio.run(twice())
    assert traces.calls["observations"] == 1


class Answering:
    """A Prometheus that sends exemplars which nobody asked for."""

    def __init__(self, *exemplars: Exemplar) -> None:
        self._exemplars = exemplars

    async def query(self, expr: str, at: datetime) -> Result:
        raise NotImplementedError

    async def exemplars(self, expr: str, since: datetime, until: datetime) -> Sequence[Exemplar]:
        return self._exemplars


def test_exemplars_that_were_not_asked_for_are_dropped_and_the_newest_ids_are_looked_up() -> None:
    now = time.time()
    others = [
        Exemplar({"team": "b"}, {"trace_id": trace(1)}, 1.0, now),
        Exemplar({"team": "a"}, {"trace_id": trace(2)}, 1.0, now - 100_000),
    ]
    assert said(Answering(*others), subject("errors")) is None
    many = [Exemplar({"team": "a"}, {"trace_id": trace(n)}, 1.0, now - n) for n in range(1, 61) for _ in range(2)]
    traces = RowTraces(failing(1))
    section = said(Answering(*many), subject("errors"), traces)
    assert data(section)["runs"] == 60
    assert traces.asked[0].trace_ids == tuple(trace(n) for n in range(1, 51))
    assert section is not None
    assert "1 of the newest 50 is in LangFuse" in section.text
