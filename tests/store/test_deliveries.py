"""Sending again what could not be delivered: each once, in its order, and nothing that is over by now."""

from __future__ import annotations

import json
from collections.abc import Collection, Sequence
from concurrent.futures import ThreadPoolExecutor
from functools import partial

import pytest
from sqlalchemy import Connection, insert, update

from slo_engine.store import Database, StoreError, deliveries, messages, outbox, sink_states, tables
from slo_engine.store.deliveries import Orphans, Resent, Selection, Skipped, State
from slo_engine.store.reading import StoreReader, StoreWriter
from slo_engine.store.tables import message_order
from tests.store.claims import claim

SINKS = ("chat", "pager")
DEAD = Selection(states=["dead"])


def add(
    database: Database, sinks: Sequence[str] = ("pager",), thread: str = "thread", kind: str = "firing", at: float = 1.0
) -> int:
    """A message that is ready. Returns its id."""
    new = messages.NewMessage(at, thread, kind, "page", f"{kind} of {thread}", {"payload": {}, "evidence": None})
    return database.write(lambda connection: messages.add_ready(connection, new, sinks))


def bury(database: Database, error: str = "HTTP 401") -> None:
    """Whatever is due becomes a dead letter."""
    while claimed := claim(database):
        for each in claimed:
            database.write(partial(outbox.bury, claimed=each, error=error))


def deliver(database: Database) -> None:
    for each in claim(database):
        database.write(partial(outbox.delivered, claimed=each))


def resend(
    database: Database,
    selection: Selection = DEAD,
    *,
    sinks: Collection[str] = SINKS,
    to: str | None = None,
    outdated: bool = False,
) -> Resent:
    return database.write(partial(deliveries.resend, selection=selection, sinks=sinks, to=to, outdated=outdated))


def states(database: Database) -> list[tuple[str, State, int]]:
    found = database.read(lambda connection: deliveries.find(connection, Selection(), 100))
    return [(each.sink, each.state, each.attempts) for each in reversed(found)]


def test_dead_letter_that_is_sent_again_leaves_with_its_key_as_if_it_were_new(database: Database) -> None:
    add(database)
    database.write(lambda found: found.execute(update(tables.outbox).values(queued_at=7.0)).rowcount)
    (first,) = claim(database)
    database.write(partial(outbox.bury, claimed=first, error="HTTP 401"))
    assert resend(database) == Resent((first.id,), ())
    (again,) = claim(database)
    assert (again.id, again.message.key, again.attempts) == (first.id, first.message.key, 0)
    (known,) = database.read(lambda connection: deliveries.find(connection, Selection(), 10))
    assert (known.state, known.last_error, known.finished_at) == ("waiting", "HTTP 401", None)
    assert known.queued_at > 1e9


def test_sending_again_keeps_the_order_of_an_incident(database: Database) -> None:
    ids = [add(database), add(database, kind="resolved")]
    bury(database)
    ids.append(add(database, kind="firing"))  # waits
    assert len(resend(database).ids) == 2
    left = []
    while claimed := claim(database):
        left += [each.message.id for each in claimed]
        for each in claimed:
            database.write(partial(outbox.delivered, claimed=each))
    assert left == ids


@pytest.mark.parametrize(("old", "new"), [("firing", "resolved"), ("firing", "firing"), ("resolved", "firing")])
def test_what_a_newer_message_has_overtaken_is_sent_again_only_when_that_is_wanted(
    database: Database, old: str, new: str
) -> None:
    add(database, kind=old)
    bury(database)
    add(database, kind=new)
    deliver(database)
    (skipped,) = resend(database).skipped
    assert skipped.reason == "pager has taken a newer message of this incident since"
    assert claim(database) == []
    assert len(resend(database, outdated=True).ids) == 1
    assert [each.message.kind for each in claim(database)] == [old]


def test_message_that_came_later_in_another_thread_about_the_same_alerts_overtakes_too(database: Database) -> None:
    old = add(database, thread="before the routes changed")
    bury(database)
    new = add(database, thread="after", kind="resolved")
    database.write(
        lambda connection: connection.execute(insert(message_order).values(message_id=new, after_id=old)).rowcount
    )
    deliver(database)
    assert [each.reason for each in resend(database).skipped] == [
        "pager has taken a newer message of this incident since"
    ]


def test_what_another_sink_has_taken_overtakes_nothing_nor_does_an_update_or_another_incident(
    database: Database,
) -> None:
    add(database)
    bury(database)
    add(database, kind="update")
    add(database, ["chat"], kind="resolved")
    add(database, thread="another", kind="resolved")
    deliver(database)
    assert len(resend(database).ids) == 1


def test_what_the_engine_says_by_itself_is_sent_again_though_there_is_a_newer_one(database: Database) -> None:
    add(database, kind="digest")
    bury(database)
    add(database, kind="digest")
    deliver(database)
    assert len(resend(database).ids) == 1


def test_what_is_sent_again_is_chosen_by_sink_time_and_id(database: Database) -> None:
    for number, at in enumerate((10.0, 20.0, 30.0)):
        add(database, ["pager", "chat"], thread=str(number), at=at)
    bury(database)
    ids = [each.id for each in database.read(lambda found: deliveries.find(found, Selection(sink="pager"), 10))]
    chosen = Selection(states=["dead"], sink="pager", since=20.0, until=30.0)
    assert database.read(lambda connection: deliveries.count(connection, chosen)) == 1
    assert resend(database, chosen).ids == (ids[1],)
    found = resend(database, Selection(ids=[ids[0], ids[1], 9999]))
    assert found.ids == (ids[1], ids[0])  # in the order in which they leave; what waits is due at once
    assert found.skipped == (Skipped(9999, "there is no such delivery"),)


def test_removed_sink_is_told_with_what_waits_for_it_which_goes_to_another(database: Database) -> None:
    waits = add(database, ["old"], at=5.0)
    add(database, ["old"], thread="b", at=7.0)
    add(database, ["pager"], thread="c")
    assert database.read(lambda found: deliveries.orphans(found, SINKS)) == [Orphans("old", 2, 5.0)]
    waiting = Selection(states=["waiting"], sink="old")
    assert {each.reason for each in resend(database, waiting).skipped} == {
        "there is no sink old in the settings any more: send it to another"
    }
    assert len(resend(database, waiting, to="chat").ids) == 2
    assert database.read(lambda found: deliveries.orphans(found, SINKS)) == []
    claimed = {each.message.id: each for each in claim(database)}
    assert (claimed[waits].sink, claimed[waits].instead_of) == ("chat", "old")


def test_end_of_an_incident_follows_it_to_the_sink_that_it_was_sent_to(database: Database) -> None:
    message = add(database, ["old"])
    resend(database, Selection(states=["waiting"]), to="chat")
    assert database.read(lambda found: messages.sinks_of_incident(found, "thread", message + 1)) == ("chat",)


def test_message_goes_to_another_sink_once(database: Database) -> None:
    add(database, ["old", "older", "chat"], thread="everywhere")
    add(database, ["old", "older"], thread="nowhere")
    bury(database)
    found = resend(database, to="chat")
    assert len(found.ids) == 2  # its own dead letter, and one of the two of the other message
    assert sorted(each.reason for each in found.skipped) == [
        "chat gets it already",
        "chat has it already, or gets it",
        "chat has it already, or gets it",
    ]
    assert [each.sink for each in claim(database)] == ["chat", "chat"]


def test_message_that_comes_back_to_its_first_sink_says_nothing_of_another(database: Database) -> None:
    add(database, ["pager"])
    bury(database)
    resend(database, to="chat")
    resend(database, Selection(states=["waiting"]), to="pager")
    (claimed,) = claim(database)
    assert (claimed.sink, claimed.instead_of) == ("pager", None)


def test_delivered_message_and_one_that_is_being_sent_stay_as_they_are(database: Database) -> None:
    add(database, ["pager"])
    deliver(database)
    add(database, ["chat"])
    (sending,) = claim(database)
    found = resend(database, Selection(), outdated=True)
    assert (found.ids, [each.reason for each in found.skipped]) == (
        (),
        ["it was delivered", "it is being sent now"],
    )
    assert database.write(partial(outbox.delivered, claimed=sending))


def test_sending_again_twice_at_once_sends_each_once(url: str, database: Database) -> None:
    for number in range(12):
        add(database, ["old", "older"], thread=str(number))
    bury(database)
    with ThreadPoolExecutor(4) as threads:
        work = partial(deliveries.resend, selection=DEAD, sinks=SINKS, to="pager")
        found = list(threads.map(lambda _: StoreWriter(url).write(work), range(4)))
    assert sum(len(each.ids) for each in found) == 12
    pending = database.read(lambda connection: deliveries.find(connection, Selection(states=["waiting"]), 1000))
    assert len({each.message_id for each in pending}) == len(pending) == 12


def test_writer_beside_the_engine_commits_and_undoes_what_fails(url: str, database: Database) -> None:
    add(database)
    bury(database)
    writer = StoreWriter(url)

    def fails(connection: Connection) -> None:
        writer_work(connection)
        raise LookupError("a bug")

    writer_work = partial(deliveries.resend, selection=DEAD, sinks=SINKS)
    with pytest.raises(LookupError):
        writer.write(fails)
    assert states(database) == [("pager", "dead", 1)]
    writer.write(writer_work)
    assert states(database) == [("pager", "waiting", 0)]
    assert len(claim(database)) == 1


def test_reader_refuses_to_send_again(url: str, database: Database) -> None:
    add(database)
    bury(database)
    with pytest.raises(StoreError, match=r"cannot be read: .*read-?only"):
        StoreReader(url).read(lambda connection: deliveries.resend(connection, DEAD, sinks=SINKS))
    assert states(database) == [("pager", "dead", 1)]


def test_what_is_sent_again_beside_what_something_newer_says_too_is_superseded(database: Database) -> None:
    alerts = ["a"]
    for kind in ("firing", "resolved"):
        add(database, kind=kind)
    database.write(lambda found: found.execute(update(tables.messages).values(alerts=json.dumps(alerts))).rowcount)
    bury(database)
    assert len(resend(database).ids) == 2
    assert [each.message.kind for each in claim(database)] == ["resolved"]
    assert states(database)[0][1] == "superseded"


@pytest.mark.parametrize(("failures", "is_tried"), [(5, True), (0, False)])
def test_sink_that_failed_is_tried_at_once_but_not_one_that_asked_to_wait(
    database: Database, failures: int, is_tried: bool
) -> None:
    add(database)
    bury(database)
    database.write(lambda found: sink_states.hold(found, "pager", 3600.0, failures, "HTTP 401"))
    resend(database)
    assert bool(claim(database)) == is_tried
