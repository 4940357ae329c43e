"""Inbox -> messages -> outbox."""

from __future__ import annotations

import asyncio
import json
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from functools import partial
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import Connection, select

from slo_engine.alerts import Enrichment, Intake, intake
from slo_engine.alerts.enrichment import CROWD, PAGES_FIRST_SECONDS, SIDE_BY_SIDE, _add_update
from slo_engine.alerts.intake import BATCH
from slo_engine.definitions import load
from slo_engine.delivery.route_settings import RouteSettings
from slo_engine.evidence import Backends, Gatherer, Source, Subject, once, sources
from slo_engine.notifications import Evidence, as_payload, restored
from slo_engine.notifications.routes import Routes
from slo_engine.precedence import Precedence
from slo_engine.status.model import SloStatus
from slo_engine.store import Database, StoredMessage, StoreError, inbox, messages, outbox, retention
from slo_engine.store.tables import outbox as outbox_table
from tests.alerts.payloads import SUCCESS_LABELS, body
from tests.evidence.world import NoStatuses, RowTraces, failed_run

SLOS = load([Path(__file__).parent.parent.parent / "slos"])


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
        chosen = gatherer or Gatherer(asking(NoStatuses()), budget=1.0)
        together = Precedence()
        enrichment = Enrichment(
            database, lambda: SLOS, chosen, Routes((), ("sink",)), lambda: None, precedence=together
        )
        reading = Intake(database, enrichment.tell, precedence=together)
        tasks = [asyncio.create_task(reading.run()), asyncio.create_task(enrichment.run())]
        async with asyncio.timeout(20):
            while not done():  # noqa: ASYNC110 - what is looked at is the store
                await asyncio.sleep(0.01)
        reading.stop()
        enrichment.stop()
        await asyncio.gather(*tasks)

    asyncio.run(run())


def asking(statuses: NoStatuses) -> tuple[Source, ...]:
    return sources(Backends(statuses, None))


def payload(stored: StoredMessage) -> dict[str, Any]:
    return as_payload(restored(stored))


def put_out(database: Database) -> int:
    return database.read(outbox.counts).get(("sink", "pending"), 0)


def test_a_posted_notification_becomes_a_message_in_the_outbox(database: Database) -> None:
    post(database, body())
    work(database, lambda: put_out(database) == 1)
    (page,) = database.read(lambda connection: messages.newest(connection, 10))
    assert (page.state, page.kind, page.title) == (
        "ready",
        "firing",
        "agents success support_agent: 22% of events fail over 1h",
    )
    assert payload(page)["enrichment"]["subjects"][0]["slo"] == "success"
    assert database.read(lambda connection: inbox.count(connection, "processed")) == 1


def test_what_cannot_be_understood_is_kept_passed_on_and_holds_up_nothing(database: Database) -> None:
    for posted in (b"nonsense", body(), b"[]"):
        post(database, posted)
    work(database, lambda: put_out(database) == 3)
    nonsense, _, _ = reversed(database.read(lambda connection: messages.newest(connection, 10)))
    assert (nonsense.kind, nonsense.severity, nonsense.priority) == ("firing", "page", 0)
    assert payload(nonsense)["alerts"][0]["labels"]["alertname"] == "UnreadableNotification"
    assert payload(nonsense)["unreadable"] == {"reason": "not JSON", "body": "nonsense"}
    found = database.read(lambda connection: inbox.quarantined(connection, 10))
    assert {each.beginning: each.error for each in found} == {
        b"nonsense": "not JSON",
        b"[]": "expected a JSON object",
    }


def test_a_bug_in_the_evidence_lets_the_plain_message_leave(database: Database) -> None:
    post(database, body())
    work(database, lambda: put_out(database) == 1, BrokenGatherer(asking(NoStatuses()), budget=1.0))
    (page,) = database.read(lambda connection: messages.newest(connection, 10))
    assert payload(page)["alerts"] == json.loads(body())["alerts"]
    assert payload(page)["enrichment"]["missing"][0]["source"] == "engine"


def test_a_message_that_was_being_completed_at_a_crash_is_completed_at_the_next_start(database: Database) -> None:
    post(database, body())
    read = database.read(lambda connection: inbox.next_pending(connection, 1))[0]
    content = {"evidence": None, "payload": json.loads(read.body)}
    new = messages.NewMessage(read.received_at, "thread", "firing", "page", "title", content, read.id)
    database.write(lambda connection: messages.add(connection, new))
    work(database, lambda: put_out(database) == 1)
    assert database.read(lambda connection: inbox.count(connection, "pending")) == 0


def test_a_storm_becomes_one_message_each_in_order(database: Database) -> None:
    for number in range(200):
        post(database, body(group_key=f"group-{number % 7}", fingerprint=str(number)))
    work(database, lambda: put_out(database) == 200)
    listed = database.read(lambda connection: messages.newest(connection, 300))
    fingerprints = [payload(page)["alerts"][0]["fingerprint"] for page in reversed(listed)]
    assert fingerprints == [str(number) for number in range(200)]


def warning(number: int) -> bytes:
    labels = {**SUCCESS_LABELS, "severity": "warning"}
    return body(group_key=f"group-{number}", fingerprint=f"{number:016x}", labels=labels)


def in_outbox(database: Database) -> list[StoredMessage]:
    """The messages in the order in which they were put there."""
    ids = database.read(
        lambda connection: list(
            connection.execute(select(outbox_table.c.message_id).order_by(outbox_table.c.id)).scalars()
        )
    )
    found = database.read(lambda connection: messages.by_id(connection, ids))
    return [found[each] for each in ids]


def test_a_page_at_the_end_of_what_is_not_read_yet_is_begun_before_what_is_no_page(database: Database) -> None:
    for number in range(2 * BATCH):
        post(database, warning(number))
    post(database, body(group_key="the page"))

    async def run() -> None:
        together = Precedence()
        gatherer = Gatherer(asking(NoStatuses()), budget=1.0)
        enrichment = Enrichment(
            database, lambda: SLOS, gatherer, Routes((), ("sink",)), lambda: None, precedence=together
        )
        reading = Intake(database, lambda: None, precedence=together)
        for _ in range(2):
            assert await reading._work_off()
            assert await enrichment._waiting() == []
        assert await reading._work_off()
        begun = await enrichment._waiting()
        assert len(begun) == 2 * BATCH + 1
        assert begun[0].severity == "page"

    asyncio.run(run())


def test_what_the_store_cannot_commit_together_is_committed_in_smaller_batches(
    database: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    keep = intake._keep

    def on_a_full_disk(connection: Connection, found: Sequence[intake.Read], **options: Any) -> Any:
        if len(found) > 3:
            raise StoreError("the store cannot commit: database or disk is full")
        return keep(connection, found, **options)

    monkeypatch.setattr(intake, "_keep", on_a_full_disk)
    monkeypatch.setattr(intake, "STORE_RETRY_SECONDS", 0.0)
    for number in range(6):
        post(database, warning(number))
    work(database, lambda: put_out(database) == 6)


def test_what_is_no_page_waits_for_the_reading_of_the_rest_only_for_a_while(database: Database) -> None:
    now = time.time()
    for received_at, posted in ((now, warning(1)), (now - 2 * PAGES_FIRST_SECONDS, warning(2))):
        database.write(partial(inbox.accept, body=posted, now=received_at))

    async def run() -> None:
        behind = Precedence()
        gatherer = Gatherer(asking(NoStatuses()), budget=1.0)
        enrichment = Enrichment(
            database, lambda: SLOS, gatherer, Routes((), ("sink",)), lambda: None, precedence=behind
        )
        reading = Intake(database, lambda: None)
        assert await reading._work_off()
        behind.is_behind = True
        assert [each.received_at < now for each in await enrichment._waiting()] == [True]
        behind.is_behind = False
        assert [each.received_at < now for each in await enrichment._waiting()] == [False]

    asyncio.run(run())


def test_in_a_crowd_evidence_is_gathered_for_pages_alone(database: Database) -> None:
    for number in range(2 * CROWD):
        post(database, warning(number))
    post(database, body(group_key="the page"))
    work(database, lambda: put_out(database) == 2 * CROWD + 1)
    has_evidence: dict[str | None, list[bool]] = {}
    for each in in_outbox(database):
        has_evidence.setdefault(each.severity, []).append(bool(payload(each)["enrichment"]["subjects"]))
    assert has_evidence["page"] == [True]
    assert has_evidence["warning"].count(False) >= CROWD / 2


def test_a_number_that_python_cannot_write_out_again_ends_no_worker(database: Database) -> None:
    post(database, body()[:-1] + b', "x": 1e999}')
    post(database, body(group_key="another"))
    work(database, lambda: put_out(database) == 2)


def test_messages_are_completed_after_old_ones_are_gone(database: Database) -> None:
    def ready() -> bool:
        return any(page.state == "ready" for page in database.read(lambda found: messages.newest(found, 9)))

    async def run() -> None:
        enrichment = Enrichment(
            database, lambda: SLOS, Gatherer(asking(NoStatuses()), budget=1.0), Routes((), ()), lambda: None
        )
        reading = Intake(database, enrichment.tell)
        tasks = [asyncio.create_task(reading.run()), asyncio.create_task(enrichment.run())]
        for number in range(3):
            post(database, body(fingerprint=str(number)))
            reading.tell()
            async with asyncio.timeout(10):
                while not ready():  # noqa: ASYNC110 - what is looked at is the store
                    await asyncio.sleep(0.01)
            database.write(lambda found: retention.forget_messages_before(found, time.time() + 1))
        reading.stop()
        enrichment.stop()
        await asyncio.gather(*tasks)

    asyncio.run(run())


def test_what_a_sender_calls_enrichment_is_not_kept(database: Database) -> None:
    post(database, body()[:-1] + b', "enrichment": {"subjects": [{"group": "x"}]}}')
    work(database, lambda: put_out(database) == 1)
    (page,) = database.read(lambda connection: messages.newest(connection, 10))
    assert payload(page)["enrichment"]["subjects"][0]["slo"] == "success"


def test_with_too_many_notifications_at_once_the_late_ones_leave_plain_within_the_budget(database: Database) -> None:
    class Slow(NoStatuses):
        async def statuses(self) -> Sequence[SloStatus]:
            await asyncio.sleep(0.45)
            return []

    number = 4 * SIDE_BY_SIDE
    for group in range(number):
        posted = database.write(lambda connection: inbox.accept(connection, body(), 0.0))
        content = {"evidence": None, "payload": json.loads(body())}
        new = messages.NewMessage(0.0, str(group), "firing", "page", "title", content, posted)
        database.write(partial(messages.add, new=new))
    work(database, lambda: put_out(database) == number, Gatherer(asking(Slow()), budget=0.5))
    listed = database.read(lambda connection: messages.newest(connection, 300))
    reasons = [each["reason"] for page in listed for each in payload(page)["enrichment"]["missing"]]
    assert any("too many notifications at once" in reason for reason in reasons)


def test_evidence_that_comes_late_goes_out_once_where_the_sink_can(
    database: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(once, "EMPTY_SECONDS", 0.1)
    traces = RowTraces()
    gatherer = Gatherer(sources(Backends(NoStatuses(), traces)), budget=5.0)
    post(database, body(labels=SUCCESS_LABELS))

    async def run() -> None:
        names = ("plain", "taking-updates")
        enrichment = Enrichment(
            database, lambda: SLOS, gatherer, Routes((), names), lambda: None, updated=names[1:], update_after=0.3
        )
        reading = Intake(database, enrichment.tell)
        tasks = [asyncio.create_task(reading.run()), asyncio.create_task(enrichment.run())]
        async with asyncio.timeout(20):
            while not database.read(outbox.counts):  # noqa: ASYNC110 - what is looked at is the store
                await asyncio.sleep(0.01)
            now = datetime.now(UTC)
            rows = [row for number in range(3) for row in failed_run(f"t{number}")]
            traces.rows = [replace(row, start_time=now - timedelta(minutes=1)) for row in rows]
            await asyncio.sleep(1.5)
        reading.stop()
        enrichment.stop()
        await asyncio.gather(*tasks)

    asyncio.run(run())
    assert database.read(outbox.counts) == {("plain", "pending"): 1, ("taking-updates", "pending"): 2}
    update, first = database.read(lambda connection: messages.newest(connection, 10))
    assert (first.kind, update.kind, update.thread) == ("firing", "update", first.thread)
    assert "slo_engine_answer" not in payload(first)["alerts"][0]["annotations"]
    assert payload(update)["alerts"][0]["annotations"]["slo_engine_answer"].startswith("100 % of failing runs")
    assert (payload(first)["enrichment"]["update"], payload(update)["enrichment"]["update"]) == (False, True)


def test_nothing_is_updated_that_has_ended_meanwhile_or_that_stays_without_an_answer(database: Database) -> None:
    for status, group in (("firing", "ended"), ("resolved", "ended"), ("firing", "empty")):
        post(database, body(labels=SUCCESS_LABELS, status=status, group_key=group, fingerprint=group))
    traces = RowTraces()
    gatherer = Gatherer(sources(Backends(NoStatuses(), traces)), budget=5.0)

    async def run() -> None:
        enrichment = Enrichment(
            database, lambda: SLOS, gatherer, Routes((), ("sink",)), lambda: None, updated=["sink"], update_after=0.2
        )
        reading = Intake(database, enrichment.tell)
        tasks = [asyncio.create_task(reading.run()), asyncio.create_task(enrichment.run())]
        await asyncio.sleep(1.5)
        reading.stop()
        enrichment.stop()
        await asyncio.gather(*tasks)

    asyncio.run(run())
    assert {each.kind for each in database.read(lambda connection: messages.newest(connection, 10))} == {
        "firing",
        "resolved",
    }


ROUTED = Routes(
    (
        RouteSettings.model_validate(
            {"match": {"severity": "page", "hours": {"begin": "00:00", "end": "12:00"}}, "sinks": "early"}
        ).route(),
        RouteSettings.model_validate({"match": {"severity": "page"}, "sinks": "late"}).route(),
    ),
    ("early", "late", "rest"),
)


def at_hour(hour: int) -> float:
    return datetime(2026, 11, 23, hour, tzinfo=UTC).timestamp()


def completed(
    database: Database, *posted: tuple[int, bytes], routes: Routes | None = None
) -> list[tuple[str, list[str]]]:
    """(kind, sinks) of each message, when these were posted at these hours."""
    wanted = len(stored(database)) + len(posted)
    for hour, each in posted:
        database.write(partial(inbox.accept, body=each, now=at_hour(hour)))

    async def run() -> None:
        gatherer = Gatherer(asking(NoStatuses()), budget=1.0)
        enrichment = Enrichment(database, lambda: SLOS, gatherer, routes or ROUTED, lambda: None)
        reading = Intake(database, enrichment.tell)
        tasks = [asyncio.create_task(reading.run()), asyncio.create_task(enrichment.run())]
        async with asyncio.timeout(20):
            while len([each for each in stored(database) if each.state == "ready"]) < wanted:  # noqa: ASYNC110
                await asyncio.sleep(0.01)
        reading.stop()
        enrichment.stop()
        await asyncio.gather(*tasks)

    asyncio.run(run())
    found = stored(database)
    sent = database.read(lambda connection: messages.deliveries(connection, [each.id for each in found]))
    return [(each.kind, [one.sink for one in sent.get(each.id, [])]) for each in reversed(found)]


def stored(database: Database) -> list[StoredMessage]:
    return database.read(lambda connection: messages.newest(connection, 100))


def test_a_message_goes_where_its_route_leads_at_the_hour_at_which_it_came(database: Database) -> None:
    page = {**SUCCESS_LABELS, "severity": "page"}
    found = completed(
        database,
        (9, body(labels=page, group_key="a")),
        (15, body(labels=page, group_key="b")),
        (9, body(labels={**SUCCESS_LABELS, "severity": "other"}, group_key="c")),
    )
    assert found == [("firing", ["early"]), ("firing", ["late"]), ("firing", ["early", "late", "rest"])]


def test_what_resolves_an_incident_goes_to_whoever_was_told_of_it(database: Database) -> None:
    page = {**SUCCESS_LABELS, "severity": "page"}
    found = completed(
        database,
        (11, body(labels=page)),
        (15, body(labels=page, status="resolved")),
        (16, body(labels=page)),
        (17, body(labels=page, status="resolved")),
    )
    assert found == [("firing", ["early"]), ("resolved", ["early"]), ("firing", ["late"]), ("resolved", ["late"])]


def test_a_resolved_alert_of_which_nobody_was_told_goes_where_its_route_leads(database: Database) -> None:
    page = {**SUCCESS_LABELS, "severity": "page"}
    assert completed(database, (15, body(labels=page, status="resolved"))) == [("resolved", ["late"])]


def test_what_resolves_an_incident_goes_to_a_sink_that_is_there_when_the_other_was_renamed(database: Database) -> None:
    page = {**SUCCESS_LABELS, "severity": "page"}
    completed(database, (11, body(labels=page)))
    renamed = Routes((), ("new-name",))
    found = completed(database, (15, body(labels=page, status="resolved")), routes=renamed)
    assert found[-1] == ("resolved", ["new-name"])


def test_late_evidence_is_not_told_after_the_end(database: Database) -> None:
    page = {**SUCCESS_LABELS, "severity": "page"}
    completed(database, (11, body(labels=page)), (12, body(labels=page, status="resolved")))
    _, first = database.read(lambda connection: messages.newest(connection, 2))
    new = messages.NewMessage(at_hour(13), first.thread, "update", "page", "title", first.content)
    database.write(partial(_add_update, new=new, after=first.id, takes_it=["early"]))
    assert [each.kind for each in stored(database)] == ["resolved", "firing"]
