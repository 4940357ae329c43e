"""Gathering evidence: side by side, within the budget, and what is missing is said."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Sequence
from datetime import UTC, datetime
from pathlib import Path

import pytest
from slo_engine.notifications.enriched import enriched, plain

from slo_engine.alerts.payload import parse
from slo_engine.alerts.subjects import subjects_of
from slo_engine.definitions import load
from slo_engine.evidence.gathering import BREAKER_FAILURES, BREAKER_SECONDS, Breaker, Evidence, Gatherer
from slo_engine.evidence.model import Cause, Finding, TraceLink
from slo_engine.evidence.subject import Subject
from slo_engine.prometheus import PrometheusError
from slo_engine.status.evaluate import Recorded, status_of
from slo_engine.status.model import SloStatus
from slo_engine.traces import TracesError
from tests.alerts.payloads import SUCCESS_LABELS, body

SLOS = load([Path(__file__).parent.parent.parent / "slos"])
NOW = datetime(2026, 11, 23, 14, 30, tzinfo=UTC)


class Statuses:
    """Knows the status of the support agent, or raises, or hangs."""

    def __init__(self, error: Exception | None = None, hangs: bool = False) -> None:
        self._error, self._hangs = error, hangs

    async def statuses(self) -> Sequence[SloStatus]:
        if self._hangs:
            await asyncio.Event().wait()
        if self._error:
            raise self._error
        slo = SLOS.find("agents", "success")
        assert slo is not None
        recorded = Recorded(ratios={"1h": 0.3}, total=1000.0, errors=15.0)
        return [status_of(slo, {"agent_type": "support_agent"}, recorded, NOW)]


class Traces:
    """Knows one cause, or raises, or hangs."""

    def __init__(self, error: Exception | None = None, hangs: bool = False) -> None:
        self._error, self._hangs = error, hangs
        self.asked = 0

    async def failures(
        self, tags: Sequence[str], since: datetime, until: datetime, *, observation: str | None = None
    ) -> Finding:
        self.asked += 1
        if self._hangs:
            await asyncio.Event().wait()
        if self._error:
            raise self._error
        links = (TraceLink("abc", "http://langfuse/abc", NOW),)
        return Finding(since, until, 4, (Cause("tool search", "boom <n>", 3, 0.75, NOW, NOW, links),), False)

    async def slow_runs(self, tags: Sequence[str], since: datetime, until: datetime, *, seconds: float) -> Finding:
        return await self.failures(tags, since, until)


def subjects(**labels: str) -> list[Subject]:
    return subjects_of(parse(body(labels={**SUCCESS_LABELS, **labels})).alerts, SLOS)


def gather(statuses: Statuses, traces: Traces | None, budget: float = 5.0) -> Evidence:
    return asyncio.run(Gatherer(statuses, traces, budget=budget).gather(subjects()))


def test_budget_and_causes_are_found_side_by_side() -> None:
    evidence = gather(Statuses(), Traces())
    (found,) = evidence.subjects
    assert found.status is not None
    assert found.status.error_budget_remaining == pytest.approx(0.25)
    assert found.finding is not None
    assert found.finding.causes[0].what == "tool search"
    assert evidence.missing == []


def test_a_source_that_hangs_takes_no_more_than_the_budget_and_the_others_are_used() -> None:
    started = time.monotonic()
    evidence = gather(Statuses(), Traces(hangs=True), budget=0.2)
    assert time.monotonic() - started < 2.0
    assert evidence.subjects[0].status is not None
    assert [(each.source, each.reason) for each in evidence.missing] == [("langfuse", "no answer within 0.2 s")]


def test_two_sources_that_hang_share_the_budget() -> None:
    started = time.monotonic()
    evidence = gather(Statuses(hangs=True), Traces(hangs=True), budget=0.3)
    assert time.monotonic() - started < 0.6
    assert {each.source for each in evidence.missing} == {"langfuse", "prometheus"}


@pytest.mark.parametrize("error", [TracesError("LangFuse answered HTTP 500"), RuntimeError("a bug with secret-123")])
def test_a_source_that_fails_is_left_out_and_said_so(error: Exception) -> None:
    evidence = gather(Statuses(), Traces(error))
    assert [each.source for each in evidence.missing] == ["langfuse"]
    assert "secret-123" not in evidence.missing[0].reason


def test_prometheus_down_leaves_the_causes() -> None:
    evidence = gather(Statuses(PrometheusError("unavailable", "cannot be reached")), Traces())
    assert evidence.subjects[0].status is None
    assert evidence.subjects[0].finding is not None


def test_without_langfuse_the_page_says_that_it_is_not_configured() -> None:
    assert [each.reason for each in gather(Statuses(), None).missing] == ["LangFuse is not configured"]


def test_a_source_that_fails_again_and_again_is_left_alone_for_a_while() -> None:
    traces = Traces(TracesError("down"))
    gatherer = Gatherer(Statuses(), traces, budget=1.0)

    async def storm() -> list[Evidence]:
        return [await gatherer.gather(subjects()) for _ in range(BREAKER_FAILURES + 5)]

    last = asyncio.run(storm())[-1]
    assert traces.asked == BREAKER_FAILURES
    assert "left alone" in last.missing[0].reason


def test_a_breaker_closes_again_after_its_rest_and_after_a_success() -> None:
    breaker = Breaker()
    for _ in range(BREAKER_FAILURES):
        breaker.note(success=False, now=100.0)
    assert breaker.is_open(100.0 + BREAKER_SECONDS - 1)
    assert not breaker.is_open(100.0 + BREAKER_SECONDS)
    breaker.note(success=True, now=200.0)
    assert not breaker.is_open(200.0)


def test_the_message_is_the_payload_with_annotations_and_enrichment_added() -> None:
    posted = parse(body())
    message = enriched(posted, gather(Statuses(), Traces()))
    added = message["alerts"][0].pop("annotations")
    original = dict(posted.raw["alerts"][0])
    assert {key: added[key] for key in original.pop("annotations")} == posted.raw["alerts"][0]["annotations"]
    assert message["alerts"][0] == original
    assert {key: message[key] for key in posted.raw if key != "alerts"} == {
        key: posted.raw[key] for key in posted.raw if key != "alerts"
    }
    assert set(message) - set(posted.raw) == {"enrichment"}
    assert added["slo_engine_causes"] == "3 of 4: tool search: boom <n>"
    assert added["slo_engine_traces"] == "http://langfuse/abc"
    assert added["slo_engine_budget"] == (
        # 30 d x 0.25 / 15 = 12 h after the evaluation at 14:30.
        "25.0 % of the error budget of 30d is left; at the rate of the last hour it is used up in 12h, "
        "2026-11-24 02:30 UTC. Burn rate: 15x over 1h, 0.75x over 30d."
    )
    assert "slo_engine_missing" not in added


def test_resolved_alerts_are_passed_on_as_they_are() -> None:
    posted = parse(body(status="resolved"))
    evidence = asyncio.run(Gatherer(Statuses(), Traces(), budget=1.0).gather([]))
    assert enriched(posted, evidence)["alerts"] == posted.raw["alerts"]


def test_a_plain_page_says_why_it_is_plain() -> None:
    posted = parse(body())
    message = plain(posted.raw, "a reason")
    assert message["alerts"] == posted.raw["alerts"]
    assert message["enrichment"]["missing"] == [{"source": "engine", "reason": "a reason"}]
