"""The courier: at least once, in order, and one sink never waits for another."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from sqlalchemy import select

from slo_engine.delivery import Delivered, Outcome, Refused, Retry
from slo_engine.delivery.courier import LONGEST_DELAY, Courier, Fallback, delay_before
from slo_engine.notifications import Message
from slo_engine.store import Database, inbox, messages, outbox
from slo_engine.store.tables import outbox as table


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


def put_out(database: Database, *sinks: str, thread: str = "thread", kind: str = "firing") -> int:
    import time

    posted = database.write(lambda connection: inbox.accept(connection, b"{}", time.time()))
    new = messages.NewMessage(time.time(), thread, kind, "page", "title", {}, posted)
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


def test_a_message_for_a_sink_that_is_gone_from_the_settings_is_a_dead_letter(database: Database) -> None:
    put_out(database, "gone")
    run_until(Courier(database, {}), lambda: ("gone", "dead") in database.read(outbox.counts))


def test_retry_after_is_not_undercut(database: Database) -> None:
    put_out(database, "one")
    sink = FakeSink(Retry("HTTP 429", after=1000.0))
    courier = Courier(database, {"one": sink})
    run_until(courier, lambda: (database.read(outbox.seconds_until_due) or 0) > 900)
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
