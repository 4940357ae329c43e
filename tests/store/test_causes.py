"""Causes by incident: one that comes back is known, and one that goes on is counted once."""

from __future__ import annotations

from functools import partial

from sqlalchemy import Connection

from slo_engine.store import Database, causes, messages, retention
from slo_engine.store.causes import SILENT_SECONDS, TWINS_SECONDS, EarlierIncidents

HOUR = 3600.0
CAUSE = "tool crm_lookup: TimeoutError"
THREAD = "a" * 64


def note(
    database: Database, at: float, thread: str = THREAD, title: str = "title", about: str = "agents/success"
) -> EarlierIncidents | None:
    return database.write(
        partial(causes.note, about=about, found=[CAUSE], thread=thread, title=f"{title} at {at:g}", at=at)
    )[CAUSE]


def resolve(database: Database, at: float, thread: str = THREAD) -> None:
    """As the intake does: the message, and the end of the incident, in one write."""

    def write(connection: Connection) -> None:
        messages.add(connection, messages.NewMessage(at, thread, "resolved", None, "title", {}))
        causes.end(connection, thread, at)

    database.write(write)


def test_a_cause_that_was_never_seen_is_new_in_every_notification_of_its_incident(database: Database) -> None:
    assert [note(database, at) for at in (0.0, 4 * HOUR, 8 * HOUR, 30 * HOUR)] == [None] * 4


def test_what_two_alertmanagers_send_at_once_is_one_incident(database: Database) -> None:
    assert [note(database, at) for at in (10.0, 10.0, 12.5, 9.0)] == [None] * 4
    resolve(database, HOUR)
    resolve(database, HOUR + 2)
    found = note(database, 5 * HOUR)
    assert found is not None
    assert found.count == 1


def test_the_late_twin_of_an_incident_that_is_resolved_begins_no_other(database: Database) -> None:
    note(database, 0.0)
    resolve(database, HOUR)
    assert note(database, HOUR + TWINS_SECONDS / 2) is None
    resolve(database, HOUR + TWINS_SECONDS)
    found = note(database, 9 * HOUR)
    assert found is not None
    assert (found.count, found.ended_at) == (1, HOUR + TWINS_SECONDS)


def test_after_it_was_resolved_a_cause_is_known_with_the_incidents_before(database: Database) -> None:
    note(database, 0.0)
    note(database, HOUR)
    resolve(database, 2 * HOUR)
    note(database, 50 * HOUR, title="second")
    resolve(database, 51 * HOUR)
    expected = EarlierIncidents(
        back_since=90 * HOUR,
        first_seen=0.0,
        last_seen=50 * HOUR,
        count=2,
        last_title="second at 180000",
        ended_at=51 * HOUR,
    )
    assert note(database, 90 * HOUR) == expected
    assert note(database, 94 * HOUR) == expected


def test_a_cause_is_known_after_a_restart(database: Database, url: str) -> None:
    note(database, 0.0)
    resolve(database, HOUR)
    database.close()
    again = Database(url)
    found = note(again, 9 * HOUR)
    again.close()
    assert found is not None
    assert (found.count, found.ended_at) == (1, HOUR)


def test_a_notification_whose_evidence_is_gathered_again_after_a_crash_counts_once(database: Database) -> None:
    note(database, 0.0)
    resolve(database, HOUR)
    assert note(database, 0.0) is None
    found = note(database, 9 * HOUR)
    assert found is not None
    assert (found.count, found.ended_at) == (1, HOUR)


def test_evidence_that_is_there_after_its_incident_was_resolved_belongs_to_that_incident(database: Database) -> None:
    resolve(database, HOUR)
    assert note(database, 0.0) is None
    found = note(database, 9 * HOUR)
    assert found is not None
    assert (found.count, found.ended_at) == (1, HOUR)


def test_two_notifications_of_an_incident_in_the_wrong_order_are_one_incident(database: Database) -> None:
    assert [note(database, at) for at in (4 * HOUR, 0.0)] == [None, None]
    resolve(database, 5 * HOUR)
    found = note(database, 20 * HOUR)
    assert found is not None
    assert (found.count, found.first_seen, found.last_seen) == (1, 0.0, 4 * HOUR)


def test_of_two_incidents_in_the_wrong_order_neither_is_taken_for_the_other(database: Database) -> None:
    resolve(database, HOUR)
    assert note(database, 9 * HOUR) is None
    assert note(database, 0.0) is None
    again = note(database, 10 * HOUR)
    assert again is not None
    assert (again.count, again.ended_at) == (1, HOUR)


def test_an_incident_that_nobody_resolves_is_over_when_it_has_been_silent_for_days(database: Database) -> None:
    note(database, 0.0)
    assert note(database, SILENT_SECONDS) is None
    found = note(database, 2.5 * SILENT_SECONDS)
    assert found is not None
    assert (found.count, found.ended_at) == (1, None)


def test_the_ticket_beside_the_page_is_about_the_same_incident(database: Database) -> None:
    assert note(database, 0.0) is None
    assert note(database, HOUR, thread="ticket") is None
    resolve(database, 2 * HOUR)
    assert note(database, 3 * HOUR, thread="ticket") is None


def test_a_cause_elsewhere_and_another_thread_that_is_resolved_change_nothing(database: Database) -> None:
    note(database, 0.0)
    resolve(database, HOUR, thread="another")
    assert note(database, 2 * HOUR, about="agents/latency") is None
    assert note(database, 2 * HOUR) is None


def test_causes_that_were_last_seen_too_long_ago_are_forgotten(database: Database) -> None:
    note(database, 0.0, thread="old")
    note(database, 100.0)
    assert database.write(lambda connection: retention.forget_causes_before(connection, 50.0)) == 1
    assert database.write(lambda connection: retention.forget_causes_before(connection, 50.0)) == 0
