"""Inbox -> pages -> outbox."""

from __future__ import annotations

import asyncio
import json
import time
from collections.abc import Callable, Iterator, Sequence
from functools import partial
from pathlib import Path

import pytest

from slo_engine.alerts import Enrichment, Intake
from slo_engine.alerts.workers import SIDE_BY_SIDE
from slo_engine.definitions import load
from slo_engine.evidence.gathering import Evidence, Gatherer
from slo_engine.evidence.subject import Subject
from slo_engine.status.model import SloStatus
from slo_engine.store import Database, inbox, outbox, pages, retention
from tests.alerts.payloads import body

SLOS = load([Path(__file__).parent.parent.parent / "slos"])


class NoStatuses:
    async def statuses(self) -> Sequence[SloStatus]:
        return []


class BrokenGatherer(Gatherer):
    """Has a bug."""

    async def gather(self, subjects: Sequence[Subject], *, within: float | None = None) -> Evidence:
        raise ZeroDivisionError


@pytest.fixture
def database(tmp_path: Path) -> Iterator[Database]:
    opened = Database(f"sqlite:///{tmp_path / 'store.db'}")
    yield opened
    opened.close()


def post(database: Database, posted: bytes) -> None:
    database.write(lambda connection: inbox.accept(connection, posted, time.time()))


def work(database: Database, done: Callable[[], bool], gatherer: Gatherer | None = None) -> None:
    """Run both loops until ``done``, then stop them as the engine does."""

    async def run() -> None:
        chosen = gatherer or Gatherer(NoStatuses(), None, budget=1.0)
        enrichment = Enrichment(database, lambda: SLOS, chosen, ["sink"], lambda: None)
        intake = Intake(database, enrichment.tell)
        tasks = [asyncio.create_task(intake.run()), asyncio.create_task(enrichment.run())]
        async with asyncio.timeout(20):
            while not done():  # noqa: ASYNC110 - what is looked at is the store
                await asyncio.sleep(0.01)
        intake.stop()
        enrichment.stop()
        await asyncio.gather(*tasks)

    asyncio.run(run())


def put_out(database: Database) -> int:
    return database.read(outbox.counts).get(("sink", "pending"), 0)


def test_a_posted_notification_becomes_a_page_in_the_outbox(database: Database) -> None:
    post(database, body())
    work(database, lambda: put_out(database) == 1)
    (page,) = database.read(lambda connection: pages.newest(connection, 10))
    assert (page.state, page.status, page.title) == (
        "ready",
        "firing",
        "agents success support_agent: 22% of events fail over 1h",
    )
    assert page.message["enrichment"]["subjects"][0]["slo"] == "success"
    assert database.read(lambda connection: inbox.count(connection, "processed")) == 1


def test_what_cannot_be_understood_is_quarantined_and_holds_up_nothing(database: Database) -> None:
    for posted in (b"nonsense", body(), b"[]"):
        post(database, posted)
    work(
        database, lambda: put_out(database) == 1 and database.read(lambda found: inbox.count(found, "quarantined")) == 2
    )
    found = database.read(lambda connection: inbox.quarantined(connection, 10))
    assert {each.beginning: each.error for each in found} == {
        b"nonsense": "it is not JSON",
        b"[]": "it is JSON, but no object",
    }


def test_a_bug_in_the_evidence_lets_the_plain_page_leave(database: Database) -> None:
    post(database, body())
    work(database, lambda: put_out(database) == 1, BrokenGatherer(NoStatuses(), None, budget=1.0))
    (page,) = database.read(lambda connection: pages.newest(connection, 10))
    assert page.message["alerts"] == json.loads(body())["alerts"]
    assert page.message["enrichment"]["missing"][0]["source"] == "engine"


def test_a_page_that_was_being_completed_at_a_crash_is_completed_at_the_next_start(database: Database) -> None:
    post(database, body())
    read = database.read(lambda connection: inbox.next_pending(connection, 1))[0]
    new = pages.NewPage(read.id, read.received_at, "group", "receiver", "firing", "title", json.loads(read.body))
    database.write(lambda connection: pages.add(connection, new))
    work(database, lambda: put_out(database) == 1)
    assert database.read(lambda connection: inbox.count(connection, "pending")) == 0


def test_a_storm_becomes_one_page_each_in_order(database: Database) -> None:
    for number in range(200):
        post(database, body(group_key=f"group-{number % 7}", fingerprint=str(number)))
    work(database, lambda: put_out(database) == 200)
    listed = database.read(lambda connection: pages.newest(connection, 300))
    fingerprints = [page.message["alerts"][0]["fingerprint"] for page in reversed(listed)]
    assert fingerprints == [str(number) for number in range(200)]


def test_a_number_that_python_cannot_write_out_again_ends_no_worker(database: Database) -> None:
    post(database, body()[:-1] + b', "x": 1e999}')
    post(database, body(group_key="another"))
    work(database, lambda: put_out(database) == 2)


def test_pages_are_completed_after_old_ones_are_gone(database: Database) -> None:
    def ready() -> bool:
        return any(page.state == "ready" for page in database.read(lambda found: pages.newest(found, 9)))

    async def run() -> None:
        enrichment = Enrichment(database, lambda: SLOS, Gatherer(NoStatuses(), None, budget=1.0), [], lambda: None)
        intake = Intake(database, enrichment.tell)
        tasks = [asyncio.create_task(intake.run()), asyncio.create_task(enrichment.run())]
        for _ in range(3):
            post(database, body())
            intake.tell()
            async with asyncio.timeout(10):
                while not ready():  # noqa: ASYNC110 - what is looked at is the store
                    await asyncio.sleep(0.01)
            database.write(lambda found: retention.forget_pages_before(found, time.time() + 1))
        intake.stop()
        enrichment.stop()
        await asyncio.gather(*tasks)

    asyncio.run(run())


def test_what_a_sender_calls_enrichment_is_not_kept(database: Database) -> None:
    post(database, body()[:-1] + b', "enrichment": {"subjects": [{"group": "x"}]}}')
    work(database, lambda: put_out(database) == 1)
    (page,) = database.read(lambda connection: pages.newest(connection, 10))
    assert page.message["enrichment"]["subjects"][0]["slo"] == "success"


def test_with_too_many_pages_at_once_the_late_ones_leave_plain_within_the_budget(database: Database) -> None:
    class Slow(NoStatuses):
        async def statuses(self) -> Sequence[SloStatus]:
            await asyncio.sleep(0.45)
            return []

    number = 4 * SIDE_BY_SIDE
    for group in range(number):
        posted = database.write(lambda connection: inbox.accept(connection, body(), 0.0))
        new = pages.NewPage(posted, 0.0, str(group), "receiver", "firing", "title", json.loads(body()))
        database.write(partial(pages.add, page=new))
    work(database, lambda: put_out(database) == number, Gatherer(Slow(), None, budget=0.5))
    listed = database.read(lambda connection: pages.newest(connection, 300))
    reasons = [each["reason"] for page in listed for each in page.message["enrichment"]["missing"]]
    assert any("too many pages at once" in reason for reason in reasons)
