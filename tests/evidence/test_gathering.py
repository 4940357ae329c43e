"""Gathering evidence: side by side, within the budget, and what is missing is said."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Sequence
from dataclasses import replace
from datetime import timedelta
from pathlib import Path

import pytest

from slo_engine.alerts.payload import AlertGroup, parse
from slo_engine.alerts.subjects import subjects_of
from slo_engine.definitions import load
from slo_engine.evidence import Backends, Gatherer, sources
from slo_engine.evidence.gathering import BREAKER_FAILURES, BREAKER_SECONDS, Breaker
from slo_engine.evidence.subject import Subject
from slo_engine.notifications import Evidence, Message, Missing, Section, as_payload
from slo_engine.prometheus import PrometheusError
from slo_engine.status.evaluate import GroupRecords, status_of
from slo_engine.status.model import SloStatus
from slo_engine.traces import TracesError, UnsupportedError
from tests.alerts.payloads import SUCCESS_LABELS, body
from tests.evidence.world import NOW, RowTraces, failed_run

SLOS = load([Path(__file__).parent.parent.parent / "slos"])


class Statuses:
    """Knows the status of the support agent, or raises, or hangs."""

    def __init__(
        self, error: Exception | None = None, hangs: bool = False, recorded: GroupRecords | None = None
    ) -> None:
        self._error, self._hangs = error, hangs
        self._recorded = recorded or GroupRecords(ratios={"1h": 0.3}, total=1000.0, errors=15.0)

    async def statuses(self) -> Sequence[SloStatus]:
        if self._hangs:
            await asyncio.Event().wait()
        if self._error:
            raise self._error
        slo = SLOS.find("agents", "success")
        assert slo is not None
        return [status_of(slo, {"agent_type": "support_agent"}, self._recorded, NOW)]


def traces() -> RowTraces:
    """Four failing runs, of two causes."""
    said = ("boom 17", "boom 18", "boom 19", "something else")
    return RowTraces(
        row
        for number, message in enumerate(said)
        for row in failed_run(f"t{number}", tool="search", message=message, at=number - 9)
    )


def subjects(**labels: str) -> list[Subject]:
    return subjects_of(parse(body(labels={**SUCCESS_LABELS, **labels})).alerts, SLOS, NOW)


def gather(statuses: Statuses, traces: RowTraces | None, budget: float = 5.0) -> Evidence:
    return asyncio.run(gatherer(statuses, traces, budget).gather(subjects()))


def gatherer(statuses: Statuses, traces: RowTraces | None, budget: float = 5.0) -> Gatherer:
    return Gatherer(sources(Backends(statuses, traces)), statuses, budget=budget)


def said(evidence: Evidence, name: str) -> Section | None:
    """What a source says about the one topic."""
    (topic,) = evidence.topics
    return topic.section(name)


def test_budget_and_causes_are_found_side_by_side() -> None:
    evidence = gather(Statuses(), traces())
    budget, causes = said(evidence, "budget"), said(evidence, "causes")
    assert budget is not None
    assert budget.data is not None
    assert budget.data["error_budget_remaining"] == pytest.approx(0.25)
    assert causes is not None
    assert causes.data is not None
    assert causes.data["causes"][0]["what"] == "tool search"
    assert evidence.missing == ()


def test_a_source_that_hangs_takes_no_more_than_the_budget_and_the_others_are_used() -> None:
    started = time.monotonic()
    evidence = gather(Statuses(), RowTraces(hangs=True), budget=0.2)
    assert time.monotonic() - started < 2.0
    assert said(evidence, "budget") is not None
    assert [(each.source, each.reason) for each in evidence.missing] == [("langfuse", "no answer within 0.2 s")]


def test_two_sources_that_hang_share_the_budget() -> None:
    started = time.monotonic()
    evidence = gather(Statuses(hangs=True), RowTraces(hangs=True), budget=0.3)
    assert time.monotonic() - started < 0.6
    assert {each.source for each in evidence.missing} == {"langfuse", "prometheus"}


@pytest.mark.parametrize("error", [TracesError("LangFuse answered HTTP 500"), RuntimeError("a bug with secret-123")])
def test_a_source_that_fails_is_left_out_and_said_so(error: Exception) -> None:
    evidence = gather(Statuses(), RowTraces(error=error))
    assert [each.source for each in evidence.missing] == ["langfuse"]
    assert "secret-123" not in evidence.missing[0].reason


def test_prometheus_down_leaves_the_causes() -> None:
    evidence = gather(Statuses(PrometheusError("unavailable", "cannot be reached")), traces())
    assert said(evidence, "budget") is None
    assert said(evidence, "causes") is not None


def test_without_langfuse_nothing_is_said_of_it() -> None:
    evidence = gather(Statuses(), None)
    assert evidence.missing == ()
    assert said(evidence, "causes") is None


def test_a_source_that_fails_again_and_again_is_left_alone_for_a_while() -> None:
    broken = RowTraces(error=TracesError("down", is_outage=True))
    asked = gatherer(Statuses(), broken, budget=1.0)

    async def storm() -> Evidence:
        for _ in range(BREAKER_FAILURES):
            await asked.gather(subjects())
        before = broken.calls["observations"]
        last = await asked.gather(subjects())
        assert broken.calls["observations"] == before > 0
        return last

    last = asyncio.run(storm())
    assert "circuit breaker open" in last.missing[0].reason


def test_a_breaker_closes_again_after_its_rest_and_after_a_success() -> None:
    breaker = Breaker()
    for _ in range(BREAKER_FAILURES):
        breaker.note(success=False, now=100.0)
    assert breaker.is_open(100.0 + BREAKER_SECONDS - 1)
    assert not breaker.is_open(100.0 + BREAKER_SECONDS)
    breaker.note(success=True, now=200.0)
    assert not breaker.is_open(200.0)


def sent(posted: AlertGroup, evidence: Evidence) -> Message:
    return Message("key", posted.thread, "firing", "page", posted.title, evidence, posted.raw)


def test_the_message_is_the_payload_with_annotations_and_enrichment_added() -> None:
    posted = parse(body())
    message = as_payload(sent(posted, gather(Statuses(), traces())))
    added = message["alerts"][0].pop("annotations")
    original = dict(posted.raw["alerts"][0])
    assert {key: added[key] for key in original.pop("annotations")} == posted.raw["alerts"][0]["annotations"]
    assert message["alerts"][0] == original
    assert {key: message[key] for key in posted.raw if key != "alerts"} == {
        key: posted.raw[key] for key in posted.raw if key != "alerts"
    }
    assert set(message) - set(posted.raw) == {"enrichment"}
    assert added["slo_engine_causes"] == "3 of 4: tool search: boom <n>\n1 of 4: tool search: something else"
    assert added["slo_engine_traces"].splitlines() == [
        *(f"http://langfuse/t{number}" for number in (2, 1, 3)),
        "http://langfuse/project?5",
    ]
    assert added["slo_engine_budget"] == (
        # 30 d x 0.25 / 15 = 12 h after the evaluation at 14:30.
        "Error budget of 30d: 25.0 % left; exhausts at 2026-11-28 02:30 UTC, in 12h at the current burn rate. "
        "Burn rate: 15x over 1h, 0.75x over 30d."
    )
    assert added["slo_engine_answer"] == "75 % of failing runs: tool search, boom <n> (3 of 4 read). First seen 14:29."
    assert "slo_engine_missing" not in added


@pytest.mark.parametrize(
    ("recorded", "text"),
    [
        (GroupRecords(total=60.0, errors=0.9), "25.0 % left (over 5 min of data)"),
        (GroupRecords(ratios={"1h": 0.005}), "75.0 % left (estimated from 5 min of data: 30d is not recorded yet)"),
    ],
)
def test_page_says_over_how_much_data_a_young_budget_is_measured(recorded: GroupRecords, text: str) -> None:
    young = replace(recorded, since=NOW - timedelta(minutes=5))
    budget = said_by_budget(gather(Statuses(recorded=young), traces()))
    assert budget.startswith(f"Error budget of 30d: {text}")


def said_by_budget(evidence: Evidence) -> str:
    section = said(evidence, "budget")
    assert section is not None
    return section.text


def test_resolved_alerts_are_passed_on_as_they_are() -> None:
    posted = parse(body(status="resolved"))
    evidence = asyncio.run(gatherer(Statuses(), traces()).gather([]))
    assert as_payload(sent(posted, evidence))["alerts"] == posted.raw["alerts"]


def test_a_plain_page_says_why_it_is_plain() -> None:
    posted = parse(body())
    message = as_payload(sent(posted, Evidence("", 0.0, missing=(Missing("engine", "a reason"),))))
    assert message["alerts"] == posted.raw["alerts"]
    assert message["enrichment"]["missing"] == [{"source": "engine", "reason": "a reason"}]


def test_three_subjects_that_wait_for_one_server_are_one_failure() -> None:
    broken = RowTraces(error=TracesError("down", is_outage=True))
    asked = gatherer(Statuses(), broken)
    three = [each for name in ("a", "b", "c") for each in subjects(agent_type=name)]

    async def twice() -> list[Evidence]:
        return [await asked.gather(three) for _ in range(2)]

    for evidence in asyncio.run(twice()):
        assert [each.reason for each in evidence.missing] == ["down"]
    assert broken.calls["observations"] > 0


def test_a_server_that_cannot_answer_is_no_failure_and_the_next_question_is_asked() -> None:
    broken = RowTraces(error=UnsupportedError("v4 can"))
    asked = gatherer(Statuses(), broken)

    async def often() -> None:
        for _ in range(BREAKER_FAILURES):
            last = await asked.gather(subjects(slo="latency"))
            assert [each.reason for each in last.missing] == ["v4 can"]
        before = broken.calls["observations"]
        await asked.gather(subjects(slo="latency"))
        assert broken.calls["observations"] > before

    asyncio.run(often())


def test_ten_subjects_ask_prometheus_once() -> None:
    class Counting(Statuses):
        asked = 0

        async def statuses(self) -> Sequence[SloStatus]:
            self.asked += 1
            return await super().statuses()

    statuses = Counting()
    many = [each for number in range(10) for each in subjects(agent_type=f"agent-{number}")]
    asyncio.run(gatherer(statuses, None).gather(many))
    assert statuses.asked == 1
