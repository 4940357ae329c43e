"""Incidents of a month, from what the store has of it."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path

import pytest
from sqlalchemy import Connection, insert

from slo_engine.reports.incidents import incidents_of
from slo_engine.reports.model import Incident
from slo_engine.store import Database, causes, messages, retention
from slo_engine.store.causes import SILENT_SECONDS
from slo_engine.store.period import causes_since, crossings_between, notifications_since
from slo_engine.store.tables import crossings

HOUR, DAY = 3600.0, 86_400.0
START, END = 100 * DAY, 130 * DAY
AFTER = END + DAY


@pytest.fixture
def database(tmp_path: Path) -> Iterator[Database]:
    opened = Database(f"sqlite:///{tmp_path / 'store.db'}")
    yield opened
    opened.close()


def said(database: Database, kind: str, at: float, thread: str = "a", title: str = "Runs fail") -> None:
    """A notification, as the intake stores it; one that resolves ends its causes."""

    def write(connection: Connection) -> None:
        message_id = messages.add(connection, messages.NewMessage(at, thread, kind, "page", title, {}))
        messages.finish(connection, message_id, {}, (), at)
        if kind == "resolved":
            causes.end(connection, thread, at)

    database.write(write)


def noted(database: Database, cause: str, at: float, thread: str = "a") -> None:
    database.write(lambda connection: causes.note(connection, "shop", [cause], thread=thread, title="Runs fail", at=at))


def found(database: Database, now: float = AFTER) -> tuple[Incident, ...]:
    notifications = database.read(lambda connection: notifications_since(connection, START - 31 * DAY))
    of_causes = database.read(lambda connection: causes_since(connection, START - 31 * DAY))
    return incidents_of(notifications, of_causes, START, END, now)


def test_incident_lasts_from_its_first_notification_to_the_one_that_resolves_it(database: Database) -> None:
    at = START + 5 * DAY
    said(database, "firing", at)
    noted(database, "TimeoutError: crm_lookup", at)
    said(database, "firing", at + 4 * HOUR)
    noted(database, "TimeoutError: crm_lookup", at + 4 * HOUR)
    noted(database, "RateLimitError: sonnet", at + 4 * HOUR)
    said(database, "resolved", at + 5 * HOUR)
    said(database, "firing", at + 9 * HOUR)
    said(database, "resolved", at + 10 * HOUR)
    first, second = found(database)
    assert (first.began, first.length, first.notifications) == (at, timedelta(hours=5), 3)
    assert [(each.cause, each.first_seen, each.last_seen) for each in first.causes] == [
        ("TimeoutError: crm_lookup", at, at + 4 * HOUR),
        ("RateLimitError: sonnet", at + 4 * HOUR, at + 4 * HOUR),
    ]
    assert (second.length, second.notifications, second.causes) == (timedelta(hours=1), 2, ())
    assert (first.title, first.severity, first.is_open) == ("Runs fail", "page", False)


def test_what_both_alertmanagers_of_a_pair_send_is_counted_once(database: Database) -> None:
    at = START + DAY
    for kind, time in (("firing", at), ("resolved", at + HOUR)):
        said(database, kind, time)
        said(database, kind, time + 2)
    said(database, "firing", at + HOUR + 3)  # late
    (only,) = found(database)
    assert (only.notifications, only.length) == (2, timedelta(hours=1))


def test_incidents_of_the_month_are_those_that_reach_into_it(database: Database) -> None:
    said(database, "firing", START - 3 * HOUR, "over before")
    said(database, "resolved", START - 2 * HOUR, "over before")
    said(database, "firing", START - 3 * HOUR, "began before", title="began before")
    said(database, "resolved", START + HOUR, "began before", title="began before")
    said(database, "firing", END - HOUR, "ends after", title="ends after")
    said(database, "resolved", END + HOUR, "ends after", title="ends after")
    said(database, "firing", END, "begins after")
    assert [(each.title, each.length) for each in found(database)] == [
        ("began before", timedelta(hours=4)),
        ("ends after", timedelta(hours=2)),
    ]


def test_incident_that_nobody_ended_goes_on_until_it_has_been_silent_for_days(database: Database) -> None:
    said(database, "firing", END - HOUR)
    (goes_on,) = found(database)
    assert (goes_on.is_open, goes_on.length) == (True, None)
    (over,) = found(database, now=END + SILENT_SECONDS)
    assert (over.is_open, over.length) == (False, None)


def test_causes_tell_of_incidents_whose_notifications_are_forgotten(database: Database) -> None:
    for day in (2, 12):
        at = START + day * DAY
        said(database, "firing", at)
        noted(database, "TimeoutError: crm_lookup", at)
        noted(database, "RateLimitError: sonnet", at + HOUR)
        said(database, "resolved", at + 3 * HOUR)
    database.write(lambda connection: retention.forget_messages_before(connection, START + 10 * DAY))
    first, second = found(database)
    assert (first.notifications, second.notifications) == (None, 2)
    assert first.began == START + 2 * DAY
    assert (first.length, second.length) == (timedelta(hours=3),) * 2
    assert [each.cause for each in first.causes] == [each.cause for each in second.causes]
    assert len(first.causes) == 2


def test_nothing_private_is_in_a_title_or_a_cause(database: Database) -> None:
    said(database, "firing", START + DAY, title="Runs of jane.doe@example.com fail")
    noted(database, "no mail for jane.doe@example.com", START + DAY)
    (only,) = found(database)
    assert "jane.doe" not in only.title + only.causes[0].cause


def test_other_messages_of_the_engine_are_no_incidents(database: Database) -> None:
    said(database, "status", START + DAY)
    said(database, "update", START + DAY)
    assert found(database) == ()


def test_crossings_of_a_stretch_of_time_are_read_whatever_they_hold(database: Database) -> None:
    assert database.read(lambda connection: crossings_between(connection, START, END)) == []
    rows = [
        {"at": at, "service": "shop", "slo": "runs", "group_labels": group, "kind": "level", "crossing": crossing}
        for at, group, crossing in (
            (START - 1, "{}", "{}"),
            (START, '{"agent_type":"chat"}', '{"text":"50 % of the budget is left"}'),
            (END - 1, "{}", "no JSON"),
            (END, "{}", "{}"),
        )
    ]
    database.write(lambda connection: connection.execute(insert(crossings), rows))
    first, last = database.read(lambda connection: crossings_between(connection, START, END))
    assert (first.group, first.crossing) == ({"agent_type": "chat"}, {"text": "50 % of the budget is left"})
    assert (last.at, last.crossing) == (END - 1, {})
