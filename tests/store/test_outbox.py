"""Messages and outbox: claims with leases and fencing, in order for each sink and thread."""

from __future__ import annotations

import time
from functools import partial
from threading import Event
from uuid import uuid4

import pytest
from sqlalchemy import Connection, select, update

from slo_engine.store import Database, StoredMessage, inbox, leases, messages, outbox, retention, sink_states
from slo_engine.store.tables import outbox as table


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


def test_messages_that_gather_evidence_are_found_again_after_a_restart(url: str) -> None:
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


def tell(
    database: Database, *alerts: str, kind: str = "firing", waited: float = 0.0, sink: str = "sink", at: float = 0.0
) -> int:
    """A message about alerts that has waited in the outbox for so long."""
    new = messages.NewMessage(at, "thread", kind, "page", "title", {}, alerts=alerts)
    message = database.write(partial(messages.add, new=new))
    finish(database, message, sink)
    queued = update(table).where(table.c.message_id == message).values(queued_at=time.time() - waited)
    database.write(lambda connection: connection.execute(queued))
    return message


def states(database: Database) -> list[str]:
    return database.read(
        lambda connection: list(connection.execute(select(table.c.state).order_by(table.c.message_id)).scalars())
    )


def test_what_has_waited_is_superseded_by_what_says_the_same_and_more(database: Database) -> None:
    tell(database, "a", waited=60, at=1.0)
    tell(database, "a", "b", waited=30, at=2.0)
    newest = tell(database, "a", "b", kind="resolved", at=3.0)
    (claimed,) = claim(database)
    assert (claimed.message.id, states(database)) == (newest, ["superseded", "superseded", "pending"])
    assert [(each.kind, each.received_at) for each in claimed.missed] == [("firing", 1.0), ("firing", 2.0)]
    database.write(partial(outbox.delivered, claimed=claimed))
    tell(database, "c", at=4.0)
    (claimed,) = claim(database)
    assert claimed.missed == ()  # it was said already


def test_what_tells_of_an_alert_that_nothing_later_tells_of_is_sent(database: Database) -> None:
    first = tell(database, "a", "b", waited=60)
    tell(database, "a", waited=30)
    tell(database, "a")
    (claimed,) = claim(database)
    assert (claimed.message.id, states(database)) == (first, ["pending", "superseded", "pending"])
    database.write(partial(outbox.delivered, claimed=claimed))
    (claimed,) = claim(database)
    assert states(database) == ["delivered", "superseded", "pending"]


def test_what_comes_fast_is_sent_as_it_came(database: Database) -> None:
    order = [tell(database, "a", waited=5), tell(database, "a", kind="resolved", waited=4)]
    for expected in order:
        (claimed,) = claim(database)
        assert claimed.message.id == expected
        database.write(partial(outbox.delivered, claimed=claimed))


def test_an_update_supersedes_nothing_and_is_superseded_by_what_follows(database: Database) -> None:
    first = tell(database, "a", waited=60)
    tell(database, kind="update", waited=50)
    (claimed,) = claim(database)
    assert claimed.message.id == first
    database.write(partial(outbox.retry_later, claimed=claimed, error="HTTP 503", delay=0.0))
    last = tell(database, "a", kind="resolved")
    (claimed,) = claim(database)
    assert (claimed.message.id, states(database)) == (last, ["superseded", "superseded", "pending"])


def test_posts_of_the_engine_are_not_superseded(database: Database) -> None:
    first = tell(database, kind="digest", waited=600)
    tell(database, kind="digest")
    (claimed,) = claim(database)
    assert claimed.message.id == first


def test_of_a_sink_that_is_held_nothing_is_claimed_and_of_one_that_fails_one_at_a_time(database: Database) -> None:
    for thread in "abc":
        finish(database, add(database, thread))
    take = partial(outbox.claim, sink="sink", limit=9, lease=60.0, holder="us", failures_to_probe=3)
    hold = partial(sink_states.hold, sink="sink", failures=3, reason="HTTP 503")
    database.write(partial(hold, seconds=100.0))
    held = database.write(take)
    assert (held.claims, held.state and held.state.held_for > 90) == ((), True)
    database.write(partial(sink_states.release, sink="sink"))
    database.write(partial(hold, seconds=0.0))
    (probe,) = database.write(take).claims
    assert database.write(take).claims == ()
    database.write(partial(outbox.retry_later, claimed=probe, error="HTTP 503", delay=100.0))
    (probe,) = database.write(take).claims  # another one: the first may be what the sink does not take
    assert probe.message.thread == "b"
    database.write(partial(sink_states.release, sink="sink"))
    database.write(partial(outbox.wake, sink="sink"))
    assert [each.message.thread for each in database.write(take).claims] == ["a", "c"]


def test_a_shorter_hold_does_not_end_a_longer_one(database: Database) -> None:
    for seconds in (100.0, 1.0):
        database.write(partial(sink_states.hold, sink="sink", seconds=seconds, failures=0, reason="HTTP 429"))
    (state,) = database.read(sink_states.states)
    assert state.held_for > 90


def test_leases_go_on_for_what_is_in_hand_and_pass_on_else(database: Database) -> None:
    for thread in "ab":
        finish(database, add(database, thread))
    first, second = claim(database, lease=0.2, holder="us")
    gathered = add(database, "c")
    assert [each.id for each in claim_gathering(database, lease=0.2)] == [gathered]
    database.write(partial(leases.renew, token="us", sending=[first.id], seconds=60.0))
    time.sleep(0.3)
    assert [each.id for each in claim(database)] == [second.id]
    assert [each.id for each in claim_gathering(database)] == [gathered]


def test_a_message_whose_lease_has_passed_on_is_completed_once(database: Database) -> None:
    message = add(database)
    take = partial(messages.claim_gathering, limit=1)
    database.write(partial(take, lease=-1.0, holder="paused"))
    database.write(partial(take, lease=60.0, holder="us"))
    complete = partial(messages.finish, message_id=message, content={}, sinks=["sink"], now=0.0)
    assert not database.write(partial(complete, holder="paused"))
    assert database.write(partial(complete, holder="us"))
    assert not database.write(partial(complete, holder="us"))
    assert database.read(outbox.counts) == {("sink", "pending"): 1}


def test_one_engine_leads_until_it_stops_or_is_gone(database: Database) -> None:
    def leads(token: str, seconds: float = 60.0) -> bool:
        return database.write(lambda connection: leases.take(connection, leases.CLOCK, "host", token, seconds))

    assert leads("one")
    assert leads("one")
    assert not leads("two")
    database.write(partial(leases.give_up, token="one"))
    assert leads("two", seconds=-1.0)
    assert leads("one")
    assert not leads("two")


@pytest.mark.parametrize("url", ["postgresql"], indirect=True)
def test_engines_that_start_together_for_the_first_time_agree_who_leads(url: str, database: Database) -> None:
    other = Database(url)
    is_taken, may_commit = Event(), Event()

    def take(connection: Connection, token: str) -> bool:
        return leases.take(connection, leases.CLOCK, "host", token)

    def take_slowly(connection: Connection) -> bool:
        found = take(connection, "one")
        is_taken.set()
        may_commit.wait(30)
        return found

    first = database.submit(take_slowly)
    assert is_taken.wait(30)
    second = other.submit(partial(take, token="two"))
    time.sleep(0.2)
    may_commit.set()
    assert (first.result(30), second.result(30)) == (True, False)
    other.close()


def test_what_says_more_waits_for_other_groups_that_tell_of_its_alerts(database: Database) -> None:
    tell(database, "a", waited=60)
    other = add(database, "other")
    later = tell(database, "a", "b")
    database.write(partial(messages.put_after, order=[(later, other)]))
    assert claim(database) == []
    assert states(database) == ["superseded", "pending"]
    finish(database, other)
    assert [each.message.id for each in claim(database)] == [other]


def test_a_sink_does_not_wait_for_what_another_has_not_been_told_of_the_same_alert(database: Database) -> None:
    first = add(database, "first")
    finish(database, first, "down", "well")
    second = add(database, "second")
    database.write(partial(messages.put_after, order=[(second, first)]))
    finish(database, second, "down", "well")
    told = [each for each in claim(database) if each.sink == "well"]
    assert [each.message.id for each in told] == [first]
    database.write(lambda connection: outbox.delivered(connection, told[0]))
    # For the other one the first still waits.
    assert [(each.sink, each.message.id) for each in claim(database)] == [("well", second)]


def test_what_a_page_waits_for_is_begun_with_it_while_others_wait(database: Database) -> None:
    def gather(thread: str, priority: int) -> int:
        new = messages.NewMessage(100.0, thread, "firing", None, "title", {}, priority=priority)
        return database.write(partial(messages.add, new=new))

    ticket, alike, other = gather("thread", 1), gather("elsewhere", 1), gather("other", 1)
    page = gather("thread", 0)
    database.write(partial(messages.put_after, order=[(page, alike)]))
    begin = partial(messages.claim_gathering, limit=10, lease=60.0, holder="us")
    found = database.write(partial(begin, others_before=50.0))
    assert [each.id for each in found] == [page, ticket, alike]
    assert [each.id for each in database.write(begin)] == [other]
