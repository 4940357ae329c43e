"""Messages and outbox: claims with leases and fencing, in order for each sink and thread."""

from __future__ import annotations

from collections.abc import Iterator
from functools import partial
from pathlib import Path
from uuid import uuid4

import pytest
from sqlalchemy import Connection

from slo_engine.store import Database, StoredMessage, inbox, leases, messages, outbox, retention


@pytest.fixture
def database(tmp_path: Path) -> Iterator[Database]:
    opened = Database(f"sqlite:///{tmp_path / 'store.db'}")
    yield opened
    opened.close()


def add(database: Database, thread: str = "thread", kind: str = "firing") -> int:
    posted = database.write(lambda connection: inbox.accept(connection, b"{}", 0.0))
    new = messages.NewMessage(0.0, thread, kind, "page", "title", {}, posted)
    return database.write(lambda connection: messages.add(connection, new))


def finish(database: Database, message: int, *sinks: str) -> None:
    content = {"message": message}
    database.write(lambda connection: messages.finish(connection, message, content, sinks or ("sink",), 1.0))


def claim(database: Database, lease: float = 60.0, holder: str | None = None) -> list[outbox.Claim]:
    """What one engine, another one each time, may send to all sinks."""

    def work(connection: Connection) -> list[outbox.Claim]:
        token = holder or uuid4().hex
        return [
            each
            for sink in sorted(outbox.waiting_sinks(connection))
            for each in outbox.claim(connection, sink, limit=100, lease=lease, holder=token).claims
        ]

    return database.write(work)


def claim_gathering(database: Database, lease: float = 60.0) -> list[StoredMessage]:
    take = partial(messages.claim_gathering, limit=100, lease=lease, holder=uuid4().hex)
    return database.write(take)


def seconds_until_due(database: Database, sink: str = "sink") -> float | None:
    return database.read(lambda connection: outbox.seconds_until_due(connection, sink))


def test_a_message_is_claimed_once_until_its_lease_ends(database: Database) -> None:
    finish(database, add(database))
    assert len(claim(database)) == 1
    assert claim(database) == []


def test_a_lease_that_has_ended_passes_on_and_the_late_holder_changes_nothing(database: Database) -> None:
    finish(database, add(database))
    (late,) = claim(database, lease=-1.0)
    (holder,) = claim(database)
    assert not database.write(lambda connection: outbox.delivered(connection, late))
    assert not database.write(lambda connection: outbox.retry_later(connection, late, "late", 0.0))
    assert database.write(lambda connection: outbox.delivered(connection, holder))
    assert database.read(outbox.counts) == {("sink", "delivered"): 1}


def test_messages_of_one_group_leave_in_order(database: Database) -> None:
    first, second = add(database), add(database, kind="resolved")
    finish(database, second)
    finish(database, first)
    (claimed,) = claim(database)
    assert claimed.message.content == {"message": first}
    database.write(lambda connection: outbox.delivered(connection, claimed))
    (claimed,) = claim(database)
    assert claimed.message.content == {"message": second}


def test_a_message_waits_for_an_older_one_of_its_group_that_still_gathers_evidence(database: Database) -> None:
    first, second = add(database), add(database)
    finish(database, second)
    assert claim(database) == []
    finish(database, first)
    assert [each.message.id for each in claim(database)] == [first]


def test_groups_and_sinks_do_not_wait_for_one_another(database: Database) -> None:
    finish(database, add(database, "a"), "one", "two")
    finish(database, add(database, "b"), "one", "two")
    assert len(claim(database)) == 4


def test_a_retry_holds_back_its_own_group_at_its_own_sink_only(database: Database) -> None:
    finish(database, add(database, "a"), "one", "two")
    for each in claim(database):
        database.write(partial(outbox.retry_later, claimed=each, error="HTTP 503", delay=3600.0))
    finish(database, add(database, "a"), "one", "three")
    finish(database, add(database, "b"), "one")
    assert sorted((each.sink, each.message.id) for each in claim(database)) == [("one", 3), ("three", 2)]


def test_a_dead_letter_lets_the_next_message_of_its_group_pass(database: Database) -> None:
    first, second = add(database), add(database)
    finish(database, first)
    finish(database, second)
    (claimed,) = claim(database)
    database.write(lambda connection: outbox.bury(connection, claimed, "HTTP 410"))
    assert [each.message.id for each in claim(database)] == [second]
    (state,) = database.read(lambda connection: messages.deliveries(connection, [first]))[first]
    assert (state.state, state.last_error, state.attempts) == ("dead", "HTTP 410", 1)


def test_the_key_of_a_message_is_the_same_for_every_attempt_and_every_sink(database: Database) -> None:
    finish(database, add(database), "one", "two")
    first = claim(database, lease=-1.0)
    again = claim(database)
    assert len({each.message.key for each in (*first, *again)}) == 1
    assert len(first) == len(again) == 2


def test_time_until_the_next_message_is_due(database: Database) -> None:
    assert seconds_until_due(database) is None
    finish(database, add(database))
    (claimed,) = claim(database)
    database.write(lambda connection: outbox.retry_later(connection, claimed, "HTTP 503", 100.0))
    due = seconds_until_due(database)
    assert due == pytest.approx(100.0, abs=5.0)


def test_what_waits_behind_a_retry_does_not_make_the_courier_look_again_and_again(database: Database) -> None:
    finish(database, add(database))
    (claimed,) = claim(database)
    database.write(lambda connection: outbox.retry_later(connection, claimed, "HTTP 503", 100.0))
    finish(database, add(database))
    assert seconds_until_due(database) == pytest.approx(100.0, abs=5.0)


def test_messages_that_gather_evidence_are_found_again_after_a_restart(tmp_path: Path) -> None:
    url = f"sqlite:///{tmp_path / 'again.db'}"
    database = Database(url)
    page = add(database)
    database.close()
    database = Database(url)
    assert [each.id for each in claim_gathering(database)] == [page]
    assert claim_gathering(database) == []
    database.close()


def test_old_messages_are_forgotten_but_none_that_is_on_its_way(database: Database) -> None:
    delivered, waiting, gathering = add(database, "a"), add(database, "b"), add(database, "c")
    finish(database, delivered, "one", "two")
    finish(database, waiting, "one", "two")
    for each in claim(database):
        if each.message.id == delivered or each.sink == "one":
            database.write(partial(outbox.delivered, claimed=each))
    bad = database.write(lambda connection: inbox.accept(connection, b"bad", 0.0))
    database.write(lambda connection: inbox.quarantine(connection, bad, "reason"))
    unread = database.write(lambda connection: inbox.accept(connection, b"unread", 0.0))
    own = messages.NewMessage(0.0, "post", "status", None, "what the engine says by itself", {})
    posted_by_nobody = database.write(lambda connection: messages.add(connection, own))
    assert database.write(lambda connection: retention.forget_messages_before(connection, 1.0)) == 2
    assert [page.id for page in database.read(lambda found: messages.newest(found, 10))] == [
        posted_by_nobody,
        gathering,
        waiting,
    ]
    assert database.read(outbox.counts) == {("one", "delivered"): 1, ("two", "pending"): 1}
    assert [each.id for each in database.read(lambda found: inbox.next_pending(found, 10))] == [unread]
    assert database.write(lambda connection: retention.forget_messages_before(connection, 1.0)) == 0


def test_leases_of_a_process_that_is_gone_are_given_back(database: Database) -> None:
    finish(database, add(database))
    (gone,) = claim(database)
    database.write(leases.give_up_all)
    assert len(claim(database)) == 1
    assert not database.write(lambda connection: outbox.delivered(connection, gone))


@pytest.mark.parametrize("body", [b"", b"\xff" * 5000])
def test_of_what_could_not_be_understood_the_beginning_and_the_size_are_shown(database: Database, body: bytes) -> None:
    posted = database.write(lambda connection: inbox.accept(connection, body, 0.0))
    database.write(lambda connection: inbox.quarantine(connection, posted, "reason"))
    (found,) = database.read(lambda connection: inbox.quarantined(connection, 10))
    assert (found.beginning, found.size, found.error) == (body[:2000], len(body), "reason")


def test_what_a_sink_answered_is_kept_with_the_delivery(database: Database) -> None:
    message = add(database)
    finish(database, message)
    (claimed,) = claim(database)
    database.write(lambda connection: outbox.delivered(connection, claimed, {"ts": "17.5"}))
    (state,) = database.read(lambda connection: messages.deliveries(connection, [message]))[message]
    assert (state.state, state.receipt) == ("delivered", {"ts": "17.5"})
