"""The courier: at least once, in order, and one sink never waits for another."""

from __future__ import annotations

import asyncio
import json
import time
from collections.abc import Callable, Iterator, Mapping
from functools import partial
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from sqlalchemy import select, update

from slo_engine.delivery import Delivered, Misconfigured, Outcome, Refused, Retry
from slo_engine.delivery import courier as module
from slo_engine.delivery.courier import LONGEST_DELAY, Courier, Fallback, delay_before
from slo_engine.notifications import Message
from slo_engine.store import Database, inbox, messages, outbox, sink_states
from slo_engine.store.tables import messages as message_table
from slo_engine.store.tables import outbox as table
from slo_engine.store.tables import sink_states as sink_table


class FakeSink:
    """Answers as it is told, and remembers what it got."""

    def __init__(self, *answers: Outcome | Exception, hang: asyncio.Event | None = None) -> None:
        self._answers = list(answers)
        self._hang = hang
        self.got: list[Message] = []

    async def send(self, message: Message, earlier: Mapping[str, Any] | None = None) -> Outcome:
        self.got.append(message)
        if self._hang is not None:
            await self._hang.wait()
        answer = self._answers.pop(0) if self._answers else Delivered()
        if isinstance(answer, Exception):
            raise answer
        return answer

    def preview(self, message: Message) -> str:
        return ""

    async def close(self) -> None:
        """Nothing to give back."""


@pytest.fixture
def database(tmp_path: Path) -> Iterator[Database]:
    opened = Database(f"sqlite:///{tmp_path / 'store.db'}")
    yield opened
    opened.close()


def put_out(
    database: Database, *sinks: str, thread: str = "thread", kind: str = "firing", at: float | None = None
) -> int:
    received_at = time.time() if at is None else at
    posted = database.write(lambda connection: inbox.accept(connection, b"{}", received_at))
    new = messages.NewMessage(received_at, thread, kind, "page", "title", {}, posted)
    added = database.write(lambda connection: messages.add(connection, new))
    content = {"evidence": None, "payload": {"message": added}}
    database.write(lambda connection: messages.finish(connection, added, content, sinks, 0.0))
    return added


def run_until(courier: Courier, done: Callable[[], bool]) -> None:
    async def run() -> None:
        task = asyncio.create_task(courier.run())
        async with asyncio.timeout(20):
            while not done():  # noqa: ASYNC110 - what is looked at is the store
                await asyncio.sleep(0.01)
        courier.stop()
        await task

    asyncio.run(run())


def delivered(database: Database, sink: str) -> int:
    return database.read(outbox.counts).get((sink, "delivered"), 0)


def test_messages_reach_every_sink_in_order(database: Database) -> None:
    order = [put_out(database, "one", "two") for _ in range(5)]
    one, two = FakeSink(), FakeSink()
    run_until(
        Courier(database, {"one": one, "two": two}),
        lambda: delivered(database, "two") == 5 == delivered(database, "one"),
    )
    assert [(each.payload or {})["message"] for each in one.got] == order
    assert [(each.payload or {})["message"] for each in two.got] == order


def test_a_sink_that_hangs_holds_up_no_other(database: Database) -> None:
    hang = asyncio.Event()
    for _ in range(3):
        put_out(database, "stuck", "fine")
    fine, stuck = FakeSink(), FakeSink(hang=hang)
    courier = Courier(database, {"stuck": stuck, "fine": fine})

    def done() -> bool:
        if delivered(database, "fine") == 3:
            hang.set()
            return True
        return False

    run_until(courier, done)
    assert len(fine.got) == 3


def test_a_refused_message_becomes_a_dead_letter_with_its_reason(database: Database) -> None:
    refused = put_out(database, "one")
    sink = FakeSink(Refused("HTTP 410"))
    run_until(Courier(database, {"one": sink}), lambda: ("one", "dead") in database.read(outbox.counts))
    (state,) = database.read(lambda connection: messages.deliveries(connection, [refused]))[refused]
    assert (state.state, state.last_error) == ("dead", "HTTP 410")
    assert len(sink.got) == 1


def test_a_message_is_tried_again_with_the_same_key_until_it_is_taken(database: Database) -> None:
    put_out(database, "one")
    sink = FakeSink(Retry("HTTP 503"), RuntimeError("a bug in the sink"))
    run_until(Courier(database, {"one": sink}), lambda: delivered(database, "one") == 1)
    assert len(sink.got) == 3
    assert len({each.key for each in sink.got}) == 1


def test_a_sink_that_does_not_end_is_given_up_without_a_traceback(
    database: Database, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setattr(module, "LONGEST_SENDING_SECONDS", 0.2)
    message = put_out(database, "one")
    hang = asyncio.Event()
    sink = FakeSink(hang=hang)

    def last_error() -> str | None:
        return database.read(lambda connection: messages.deliveries(connection, [message]))[message][0].last_error

    run_until(Courier(database, {"one": sink}), lambda: last_error() == "no answer within 0.2 s")
    assert not [record for record in caplog.records if record.exc_info]


def test_a_message_for_a_sink_that_is_gone_from_the_settings_waits_for_a_day(database: Database) -> None:
    put_out(database, "gone", "here")
    run_until(Courier(database, {"here": FakeSink()}), lambda: delivered(database, "here") == 1)
    assert database.read(outbox.counts)["gone", "pending"] == 1
    a_day_ago = update(table).values(queued_at=time.time() - 90_000.0)
    database.write(lambda connection: connection.execute(a_day_ago))
    run_until(Courier(database, {"here": FakeSink()}), lambda: ("gone", "dead") in database.read(outbox.counts))


def test_retry_after_is_not_undercut(database: Database) -> None:
    put_out(database, "one")
    sink = FakeSink(Retry("HTTP 429", after=1000.0))
    courier = Courier(database, {"one": sink})
    run_until(courier, lambda: (database.read(partial(outbox.seconds_until_due, sink="one")) or 0) > 900)
    assert len(sink.got) == 1


@given(st.integers(0, 10_000), st.floats(0, 1))
def test_delays_grow_to_a_limit_and_are_spread(attempt: int, chance: float) -> None:
    delay = delay_before(attempt, chance)
    assert 0.5 <= delay <= LONGEST_DELAY
    assert delay_before(attempt, 1.0) == min(2.0 ** min(attempt, 30), LONGEST_DELAY)
    assert delay_before(attempt, 0.0) == delay_before(attempt, 1.0) / 2


def rows(database: Database, sink: str) -> list[tuple[int, str, str | None]]:
    columns = (table.c.message_id, table.c.state, table.c.instead_of)
    found = select(*columns).where(table.c.sink == sink).order_by(table.c.id)
    return [(row[0], row[1], row[2]) for row in database.read(lambda connection: connection.execute(found).all())]


def test_what_a_sink_refuses_goes_to_its_fallback_which_says_so(database: Database) -> None:
    refused = put_out(database, "one")
    spare = FakeSink()
    sinks = {"one": FakeSink(Refused("HTTP 404")), "spare": spare}
    courier = Courier(database, sinks, {"one": Fallback("spare", 60.0)})
    run_until(courier, lambda: delivered(database, "spare") == 1)
    assert [each.instead_of for each in spare.got] == ["one"]
    assert rows(database, "one") == [(refused, "dead", None)]
    assert rows(database, "spare") == [(refused, "delivered", "one")]


def test_what_waits_behind_a_message_that_a_sink_does_not_take_goes_to_the_fallback_too(database: Database) -> None:
    order = [put_out(database, "down") for _ in range(3)]
    fine_elsewhere = put_out(database, "down", thread="other")
    down = FakeSink(*[Retry("HTTP 503")] * 100)
    spare = FakeSink()
    courier = Courier(database, {"down": down, "spare": spare}, {"down": Fallback("spare", 0.0)})
    run_until(courier, lambda: delivered(database, "spare") == 4)
    assert [message for message, _, _ in rows(database, "spare")] == [*order, fine_elsewhere]
    assert [(each.payload or {})["message"] for each in spare.got if each.thread == "thread"] == order
    assert {state for _, state, _ in rows(database, "down")} == {"pending"}  # it still waits for the sink itself


def test_a_message_is_given_time_before_it_goes_to_the_fallback(database: Database) -> None:
    put_out(database, "slow")
    sink = FakeSink(Retry("HTTP 503", 0.1))
    courier = Courier(database, {"slow": sink, "spare": FakeSink()}, {"slow": Fallback("spare", 600.0)})
    run_until(courier, lambda: delivered(database, "slow") == 1)
    assert rows(database, "spare") == []


def test_sinks_that_are_each_others_fallback_get_a_message_once_each(database: Database) -> None:
    put_out(database, "one")
    one, two = FakeSink(Refused("HTTP 404")), FakeSink(Refused("HTTP 404"))
    fallbacks = {"one": Fallback("two", 0.0), "two": Fallback("one", 0.0)}
    courier = Courier(database, {"one": one, "two": two}, fallbacks)
    run_until(courier, lambda: ("two", "dead") in database.read(outbox.counts))
    assert (len(one.got), len(two.got)) == (1, 1)


def test_a_sink_gets_what_it_said_of_the_same_incident_before(database: Database) -> None:
    class Noting(FakeSink):
        def __init__(self) -> None:
            super().__init__(*(Delivered({"ts": number}) for number in range(10)))
            self.earlier: list[object] = []

        async def send(self, message: Message, earlier: Mapping[str, Any] | None = None) -> Outcome:
            self.earlier.append((message.kind, earlier))
            return await super().send(message, earlier)

    for kind in ("firing", "firing", "resolved", "firing"):
        put_out(database, "one", kind=kind)
    sink = Noting()
    run_until(Courier(database, {"one": sink}), lambda: delivered(database, "one") == 4)
    put_out(database, "one", thread="other")
    run_until(Courier(database, {"one": sink}), lambda: delivered(database, "one") == 5)
    assert sink.earlier == [
        ("firing", None),
        ("firing", {"ts": 0}),
        ("resolved", {"ts": 1}),
        ("firing", None),  # another incident begins
        ("firing", None),
    ]


def kinds(sink: FakeSink) -> list[str]:
    return [each.kind for each in sink.got]


def test_who_is_told_of_an_incident_by_fallback_is_told_of_its_end(database: Database) -> None:
    put_out(database, "pager")
    put_out(database, "pager", kind="resolved")
    pager, mail = FakeSink(Refused("HTTP 400")), FakeSink()
    courier = Courier(database, {"pager": pager, "mail": mail}, {"pager": Fallback("mail", 600.0)})
    run_until(courier, lambda: delivered(database, "mail") == 2 and delivered(database, "pager") == 1)
    assert kinds(mail) == ["firing", "resolved"]


def test_who_was_told_of_the_end_is_not_told_after_it_that_the_incident_goes_on(database: Database) -> None:
    first = put_out(database, "pager", "mail")
    put_out(database, "pager")
    put_out(database, "pager", "mail", kind="resolved")
    pager, mail = FakeSink(*[Retry("HTTP 503")] * 2, Refused("HTTP 400"), Refused("HTTP 400")), FakeSink()
    courier = Courier(database, {"pager": pager, "mail": mail}, {"pager": Fallback("mail", 0.0)})
    run_until(courier, lambda: delivered(database, "pager") == 1)
    assert kinds(mail) == ["firing", "resolved"]
    assert rows(database, "mail")[0][0] == first


def test_a_message_goes_to_the_fallback_in_time_though_its_sink_takes_others_and_the_engine_was_restarted(
    database: Database,
) -> None:
    class Picky(FakeSink):
        async def send(self, message: Message, earlier: Mapping[str, Any] | None = None) -> Outcome:
            outcome = await super().send(message, earlier)
            return Retry("HTTP 500") if message.thread == "thread" else outcome

    put_out(database, "pager")
    pager, mail = Picky(), FakeSink()
    run_until(Courier(database, {"pager": pager, "mail": mail}), lambda: len(pager.got) == 1)
    put_out(database, "pager", thread="other")
    courier = Courier(database, {"pager": pager, "mail": mail}, {"pager": Fallback("mail", 0.2)})
    run_until(courier, lambda: delivered(database, "mail") == 1 and delivered(database, "pager") == 1)
    assert [each.thread for each in mail.got] == ["thread"]


def test_one_odd_answer_ends_nothing(database: Database) -> None:
    put_out(database, "odd")
    put_out(database, "fine", thread="other")
    odd, fine = FakeSink(Refused("half a letter: \ud800")), FakeSink()
    courier = Courier(database, {"odd": odd, "fine": fine})
    run_until(courier, lambda: delivered(database, "fine") == 1 and ("odd", "dead") in database.read(outbox.counts))


def test_a_message_that_is_old_because_the_engine_was_down_is_tried_again(database: Database) -> None:
    put_out(database, "one", at=time.time() - 30 * 3600)
    sink = FakeSink(Retry("HTTP 503"))
    run_until(Courier(database, {"one": sink}), lambda: delivered(database, "one") == 1)


def test_what_is_being_sent_when_the_clock_is_set_forward_is_sent_once(database: Database) -> None:
    put_out(database, "one")
    hang = asyncio.Event()
    sink = FakeSink(hang=hang)
    courier = Courier(database, {"one": sink})
    looks = 0

    def lapse() -> bool:
        nonlocal looks
        if sink.got and not hang.is_set():
            database.write(lambda connection: connection.execute(update(table).values(lease_until=1.0)))
            courier.tell()
            looks += 1
            if looks == 20:
                hang.set()
        return delivered(database, "one") == 1

    run_until(courier, lapse)
    assert len(sink.got) == 1


WITH_EVIDENCE = {"evidence": {"gathered_at": "", "seconds": 0.1, "topics": [], "missing": []}, "payload": {"a": 1}}


def put_out_with_evidence(database: Database, sink: str) -> int:
    message = put_out(database, sink)
    content = json.dumps(WITH_EVIDENCE)
    change = update(message_table).where(message_table.c.id == message).values(content=content)
    database.write(lambda connection: connection.execute(change))
    return message


@pytest.mark.parametrize("answer", [Refused("HTTP 400"), Misconfigured("HTTP 413", is_too_large=True)])
def test_what_is_refused_with_its_evidence_is_sent_once_more_without(database: Database, answer: Outcome) -> None:
    put_out_with_evidence(database, "one")
    sink = FakeSink(answer)
    run_until(Courier(database, {"one": sink}), lambda: delivered(database, "one") == 1)
    assert [each.evidence is None for each in sink.got] == [False, True]


def test_what_is_refused_in_its_plain_form_too_is_a_dead_letter(database: Database) -> None:
    put_out_with_evidence(database, "one")
    sink = FakeSink(*[Refused("HTTP 400")] * 9)
    run_until(Courier(database, {"one": sink}), lambda: ("one", "dead") in database.read(outbox.counts))
    assert len(sink.got) == 2


def test_a_mistake_that_people_mend_is_no_dead_letter_and_goes_to_the_fallback_at_once(database: Database) -> None:
    for thread in "abc":
        put_out(database, "pager", thread=thread)
    pager, mail = FakeSink(*[Misconfigured("HTTP 401")] * 99), FakeSink()
    courier = Courier(database, {"pager": pager, "mail": mail}, {"pager": Fallback("mail", 0.5)})
    run_until(courier, lambda: delivered(database, "mail") == 3)
    assert database.read(outbox.counts)["pager", "pending"] == 3
    (state,) = database.read(sink_states.states)
    assert state.reason == "HTTP 401"
    assert state.held_for > 5
    mended = FakeSink()
    database.write(partial(sink_states.hold, sink="pager", seconds=0.0, failures=3, reason="HTTP 401"))
    now = update(sink_table).values(held_until=0.0)
    database.write(lambda connection: connection.execute(now))
    soon = update(table).where(table.c.thread == "b").values(next_at=0.0)
    database.write(lambda connection: connection.execute(soon))
    run_until(Courier(database, {"pager": mended}), lambda: delivered(database, "pager") == 3)
    assert database.read(sink_states.states) == []


def test_what_a_sink_allows_no_more_of_holds_back_all_of_it(database: Database) -> None:
    for number in range(30):
        put_out(database, "one", thread=str(number))
    sink = FakeSink(*[Delivered()] * 3, *[Retry("HTTP 429", 1.0, is_limit=True)] * 5)
    run_until(Courier(database, {"one": sink}), lambda: delivered(database, "one") == 30)
    assert len(sink.got) <= 30 + 5


def test_a_sink_that_is_down_is_tried_now_and_then_and_gets_all_when_it_is_back(database: Database) -> None:
    for number in range(200):
        put_out(database, "one", thread=str(number))
    sink = FakeSink(*[Retry("connection refused")] * 11)
    run_until(Courier(database, {"one": sink}), lambda: delivered(database, "one") == 200)
    assert len(sink.got) == 211


def test_a_late_delivery_says_how_late_it_is_and_what_it_stands_for(database: Database) -> None:
    for kind, minutes in (("firing", 9), ("resolved", 5)):
        put_out(database, "one", kind=kind, at=time.time() - 60 * minutes)
    old = update(table).values(queued_at=time.time() - 300.0)
    database.write(lambda connection: connection.execute(old))
    alerts = update(message_table).values(alerts=json.dumps(["a"]))
    database.write(lambda connection: connection.execute(alerts))
    sink = FakeSink()
    run_until(Courier(database, {"one": sink}), lambda: delivered(database, "one") == 1)
    (message,) = sink.got
    late, missed = message.remarks
    assert (message.kind, late.startswith("Late by 5 min: it came at ")) == ("resolved", True)
    assert missed.startswith("1 earlier notification of this incident could not be delivered here in time: firing ")


def test_a_group_that_fires_again_within_minutes_goes_on_with_its_incident(database: Database) -> None:
    now = time.time()
    for kind, at in (("firing", now), ("resolved", now + 30), ("firing", now + 60), ("resolved", now + 90)):
        put_out(database, "one", kind=kind, at=at)
    put_out(database, "one", at=now + 1000)
    sink = FakeSink(*(Delivered({"ts": number}) for number in range(9)))
    run_until(Courier(database, {"one": sink}), lambda: delivered(database, "one") == 5)
    assert [each.goes_on_from for each in sink.got] == [None, None, {"ts": 1}, None, None]
