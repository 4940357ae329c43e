"""Memory: notifications on their whole way, with a real store, tell whether their causes are known."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterator, Mapping, Sequence
from datetime import UTC, datetime, timedelta
from functools import partial
from pathlib import Path
from typing import Any

import pytest

from slo_engine.alerts import Enrichment, Intake
from slo_engine.alerts.payload import parse
from slo_engine.alerts.subjects import subjects_of
from slo_engine.definitions import load
from slo_engine.engine import _StoreMemory
from slo_engine.evidence import Backends, Gatherer
from slo_engine.evidence.source import Remembered
from slo_engine.evidence.sources.causes import CausesSource
from slo_engine.evidence.sources.memory import MemorySource
from slo_engine.notifications import restored
from slo_engine.notifications.routes import Routes
from slo_engine.store import Database, StoreError, inbox, messages, outbox
from slo_engine.traces import Observation, TracesError
from tests.alerts.payloads import SUCCESS_LABELS, body
from tests.evidence.dated import run, step
from tests.evidence.world import NoStatuses, RowTraces

SLOS = load([Path(__file__).parent.parent.parent / "slos"])
START = datetime(2026, 11, 2, 14, 0, tzinfo=UTC)
HOUR = timedelta(hours=1)
TAGS = ("agent_type:support_agent",)


class BrokenMemory:
    async def remember(
        self, subject: str, found: Sequence[str], incident: str, title: str, at: datetime
    ) -> dict[str, Remembered | None]:
        raise StoreError("the store cannot commit: disk full")


@pytest.fixture
def url(tmp_path: Path) -> str:
    return f"sqlite:///{tmp_path / 'store.db'}"


@pytest.fixture
def database(url: str) -> Iterator[Database]:
    opened = Database(url)
    yield opened
    opened.close()


def failing(number: int, at: datetime, message: str = "TimeoutError: no answer") -> list[Observation]:
    root = run(f"{at:%d%H%M}-{number}-{message}", at, level="ERROR", status_message=message, tags=TAGS)
    below = {"level": "ERROR", "status_message": message, "tags": TAGS, "parent_id": root.id}
    return [root, step(root.trace_id, "crm_lookup", at + timedelta(seconds=1), **below)]


def failures(at: datetime, count: int = 4, message: str = "TimeoutError: no answer") -> list[Observation]:
    """Runs that fail shortly before a notification comes."""
    return [row for number in range(count) for row in failing(number, at - timedelta(minutes=1 + number), message)]


def notified(
    database: Database,
    posts: Sequence[tuple[datetime, bytes]],
    traces: RowTraces,
    memory: Any = None,
) -> list[Mapping[str, Any]]:
    """What the memory says in the notifications of these posts; nothing where it says nothing."""
    backends = Backends(NoStatuses(), traces, memory=memory or _StoreMemory(database))
    gatherer = Gatherer([CausesSource(backends), MemorySource(backends)], budget=5.0)
    for at, posted in posts:
        database.write(partial(inbox.accept, body=posted, now=at.timestamp()))
    count = database.read(outbox.counts).get(("sink", "pending"), 0) + len(posts)
    _work(database, gatherer, lambda: database.read(outbox.counts).get(("sink", "pending"), 0) == count)
    newest = database.read(lambda connection: messages.newest(connection, len(posts)))
    return [_memory(restored(each)) for each in reversed(newest)]


def _work(database: Database, gatherer: Gatherer, done: Callable[[], bool]) -> None:
    async def work() -> None:
        enrichment = Enrichment(database, lambda: SLOS, gatherer, Routes((), ("sink",)), lambda: None)
        intake = Intake(database, enrichment.tell)
        tasks = [asyncio.create_task(intake.run()), asyncio.create_task(enrichment.run())]
        async with asyncio.timeout(20):
            while not done():  # noqa: ASYNC110 - what is looked at is the store
                await asyncio.sleep(0.01)
        intake.stop()
        enrichment.stop()
        await asyncio.gather(*tasks)

    asyncio.run(work())


def _memory(message: Any) -> Mapping[str, Any]:
    for topic in message.evidence.topics:
        section = topic.section("memory")
        if section is not None:
            return {each["cause"]: each["text"] for each in section.data["causes"]} | {"": section.text}
    return {"missing": [each.reason for each in message.evidence.missing]} if message.evidence.missing else {}


CAUSE = "tool crm_lookup: TimeoutError: no answer"


def test_a_cause_is_new_while_its_first_incident_goes_on(database: Database) -> None:
    times = [START, START + 4 * HOUR, START + 8 * HOUR]
    traces = RowTraces([row for at in times for row in failures(at)])
    for at in times:
        (said,) = notified(database, [(at, body())], traces)
        assert said[CAUSE] == "new"
        assert said[""] == f"{CAUSE}: new"


def test_notifications_of_one_group_at_the_same_time_are_one_incident(database: Database) -> None:
    traces = RowTraces([*failures(START), *failures(START + 30 * HOUR)])
    more = body(fingerprint="another")
    twins = [(START, body()), (START, more), (START + timedelta(seconds=2), body(fingerprint="third"))]
    assert [said[CAUSE] for said in notified(database, twins, traces)] == ["new"] * 3
    ends = [(START + HOUR, body(status="resolved")), (START + HOUR, body(fingerprint="another", status="resolved"))]
    assert notified(database, ends, traces) == [{}, {}]
    back = [(START + 30 * HOUR, body()), (START + 30 * HOUR, more)]
    for said in notified(database, back, traces):
        assert said[CAUSE] == (
            "regressed: last seen 2026-11-02 14:00 UTC in “agents success support_agent: 22% of events fail over 1h”, "
            "resolved 2026-11-02 15:00 UTC"
        )


def test_back_within_an_hour_is_seen_before_and_not_regressed_however_long_it_lasts(database: Database) -> None:
    times = [START, START + 1.9 * HOUR, START + 9 * HOUR]
    traces = RowTraces([row for at in times for row in failures(at)])
    notified(database, [(times[0], body()), (START + HOUR, body(status="resolved"))], traces)
    for at in times[1:]:
        assert (
            notified(database, [(at, body())], traces)[0][CAUSE] == "seen before: 1 incident, last 2026-11-02 14:00 UTC"
        )


def test_failures_of_the_last_incident_in_a_long_window_are_not_back(database: Database) -> None:
    # Six hours of the window of a ticket, in which nothing has failed since the page was resolved.
    traces = RowTraces(failures(START))
    notified(database, [(START, body()), (START + HOUR, body(status="resolved"))], traces)
    ticket = body(labels={**SUCCESS_LABELS, "long_window": "6h"}, group_key="ticket")
    assert notified(database, [(START + 3 * HOUR, ticket)], traces)[0][CAUSE].startswith("seen before: 1 incident")


def test_several_incidents_are_counted_since_the_first(database: Database) -> None:
    days = [START + timedelta(days=number) for number in range(3)]
    last = days[-1] + 1.5 * HOUR
    traces = RowTraces([row for at in (*days, last) for row in failures(at)])
    for at in days:
        notified(database, [(at, body()), (at + HOUR, body(status="resolved"))], traces)
    (said,) = notified(database, [(last, body())], traces)
    assert said[CAUSE] == "seen before: 3 incidents since 2026-11-02, the last 2026-11-04 14:00 UTC"


def test_a_cause_is_known_after_a_restart(database: Database, url: str) -> None:
    traces = RowTraces([*failures(START), *failures(START + 30 * HOUR)])
    notified(database, [(START, body()), (START + HOUR, body(status="resolved"))], traces)
    database.close()
    again = Database(url)
    (said,) = notified(again, [(START + 30 * HOUR, body())], traces)
    again.close()
    assert said[CAUSE].startswith("regressed: ")


def test_another_cause_of_the_same_slo_is_new(database: Database) -> None:
    later = START + 30 * HOUR
    traces = RowTraces([*failures(START), *failures(later, message="KeyError: order")])
    notified(database, [(START, body()), (START + HOUR, body(status="resolved"))], traces)
    (said,) = notified(database, [(later, body())], traces)
    assert [text for cause, text in said.items() if cause] == ["new"]


def test_what_fails_now_and_then_is_not_remembered(database: Database) -> None:
    rows = [*failures(START, 39), *failures(START, 1, "one in forty")]
    (said,) = notified(database, [(START, body())], RowTraces(rows))
    assert [cause for cause in said if cause] == [CAUSE]


def test_the_three_most_frequent_causes_are_remembered(database: Database) -> None:
    words = {"disk is full": 4, "no such order": 3, "quota exceeded": 2}
    rows = [row for word, count in words.items() for row in failures(START, count, word)]
    (said,) = notified(database, [(START, body())], RowTraces([*rows, *failures(START, 9)]))
    assert [cause for cause in said if cause] == [
        CAUSE,
        "tool crm_lookup: disk is full",
        "tool crm_lookup: no such order",
    ]


def test_where_nothing_failed_in_langfuse_nothing_is_remembered(database: Database) -> None:
    assert notified(database, [(START, body())], RowTraces()) == [{}]


def test_a_store_that_fails_is_missing_and_the_causes_are_there(database: Database) -> None:
    (said,) = notified(database, [(START, body())], RowTraces(failures(START)), BrokenMemory())
    assert said == {"missing": ["the store cannot commit: disk full"]}
    (message,) = database.read(lambda connection: messages.newest(connection, 1))
    evidence = restored(message).evidence
    assert evidence is not None
    assert evidence.topics[0].section("causes") is not None


def test_a_langfuse_that_fails_is_no_failure_of_the_store(database: Database) -> None:
    traces = RowTraces(error=TracesError("LangFuse answered HTTP 500"))
    assert notified(database, [(START, body())], traces) == [{"missing": ["LangFuse answered HTTP 500"]}]


def test_only_causes_of_an_incident_are_remembered() -> None:
    source = MemorySource(Backends(NoStatuses(), RowTraces(), memory=BrokenMemory()))
    wanted = {
        (slo, incident): source.wants(each)
        for slo in ("success", "latency", "spend")
        for incident in ("thread", "")
        for each in subjects_of(
            parse(body(labels={**SUCCESS_LABELS, "slo": slo})).alerts, SLOS, START, incident=incident
        )
    }
    assert [key for key, is_wanted in wanted.items() if is_wanted] == [("success", "thread")]
