"""What waits by a clock that was set back since."""

from __future__ import annotations

import pytest
from sqlalchemy import Connection, insert, select, update

from slo_engine.clock_steps import Steps
from slo_engine.store import Database, leases, messages, set_back, sink_states
from slo_engine.store.tables import leases as leases_table
from slo_engine.store.tables import messages as messages_table
from slo_engine.store.tables import outbox
from slo_engine.store.tables import sink_states as sink_states_table

HOUR = 3600.0


def put_out(connection: Connection, *, until: float) -> None:
    new = messages.NewMessage(0.0, "thread", "firing", "page", "title", {}, None)
    message = messages.add(connection, new)
    messages.finish(connection, message, {}, ("sink",), 1.0)
    connection.execute(update(outbox).values(next_at=until, lease_until=until))
    waits = messages.add(connection, new)
    connection.execute(update(messages_table).where(messages_table.c.id == waits).values(lease_until=until))
    connection.execute(insert(leases_table).values(name="clock", holder="other", token="other", lease_until=until))
    sink_states.hold(connection, "sink", 0.0, 1, "HTTP 503")
    connection.execute(update(sink_states_table).values(held_until=until))


def latest(connection: Connection) -> list[float]:
    columns = [outbox.c.next_at, outbox.c.lease_until, messages_table.c.lease_until, leases_table.c.lease_until]
    columns.append(sink_states_table.c.held_until)
    return [max(connection.execute(select(each)).scalars()) for each in columns]


@pytest.mark.parametrize("hours", [0.1, 1.0, 30.0])
def test_nothing_waits_until_the_clock_shows_that_time_again(database: Database, hours: float) -> None:
    now = database.read(set_back.now)
    database.write(lambda connection: put_out(connection, until=now + hours * HOUR))
    database.write(set_back.bring_forward)
    for each in database.read(latest):
        assert each == pytest.approx(now + leases.LEASE_SECONDS, abs=5)
    database.write(set_back.bring_forward)
    for each in database.read(latest):  # of another engine that saw it, too
        assert each == pytest.approx(now + leases.LEASE_SECONDS, abs=5)


def test_what_waits_for_less_is_left_alone(database: Database) -> None:
    now = database.read(set_back.now)
    database.write(lambda connection: put_out(connection, until=now + 5.0))
    database.write(set_back.bring_forward)
    assert database.read(latest) == [now + 5.0] * 5


@pytest.mark.parametrize(("ahead", "is_seen"), [(-HOUR, False), (0.0, False), (60.0, True), (HOUR, True)])
def test_what_was_put_out_in_the_future_shows_that_the_clock_was_set_back(
    database: Database, ahead: float, is_seen: bool
) -> None:
    now = database.read(set_back.now)
    database.write(lambda connection: put_out(connection, until=0.0))
    database.write(lambda connection: connection.execute(update(outbox).values(queued_at=now + ahead)))
    assert database.read(set_back.is_seen) is is_seen


def test_a_step_back_is_seen_and_no_other() -> None:
    steps = Steps()
    looks = [(1000.0, 10.0), (1004.0, 14.0), (1007.9, 18.0), (4611.0, 22.0), (4615.0, 26.0), (1019.0, 30.0)]
    assert [steps.was_set_back(*each) for each in looks] == [False, False, False, False, False, True]
    assert not steps.was_set_back(1023.0, 34.0)
