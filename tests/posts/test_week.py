"""A week on a moved clock: what is said when, and to whom; nothing twice over restarts and a lost lease."""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from zoneinfo import ZoneInfo

import pytest

from slo_engine.definitions import load
from slo_engine.definitions.slo import SloSet
from slo_engine.notifications import Message, Post, restored
from slo_engine.posts.plan import Plan, Planned
from slo_engine.posts.poster import Poster
from slo_engine.posts.schedule import Schedule
from slo_engine.posts.settings import BudgetPolicySettings, PostsSettings
from slo_engine.store import Database, budgets, messages
from tests.posts.worlds import SLOS_TEXT, START, MadeUpBoard, slos

UTC_ZONE = ZoneInfo("UTC")

HOUR, DAY, MINUTE = timedelta(hours=1), timedelta(days=1), timedelta(minutes=1)

PLAN = PostsSettings.model_validate(
    {
        "schedules": [
            {"name": "daily", "cron": "0 9 * * mon-fri", "zone": "Europe/Berlin", "sinks": ["team"]},
            {"name": "weekly", "cron": "30 8 * * mon", "zone": "Europe/Berlin", "sinks": ["team", "boss"]},
            {"name": "monthly", "kind": "report", "cron": "0 7 5 * *", "sinks": ["boss"]},
        ],
        "crossings": {"sinks": "team", "quiet": {"begin": "22:00", "end": "07:00", "zone": "Europe/Berlin"}},
    }
).plan(
    [
        BudgetPolicySettings.model_validate(
            {
                "match": {"service": "agents", "slo": "success"},
                "steps": [{"at": 0, "text": "no releases but fixes", "freeze": True, "until": 10, "tell": "boss"}],
            }
        ).policy()
    ],
    (),
)

BUDGETS: dict[str, list[tuple[timedelta, float | None]]] = {
    # Falls on Monday noon, is exhausted in the night to Wednesday, recovers on Friday.
    "support": [(timedelta(0), 0.8), (12 * HOUR, 0.45), (DAY + 12 * HOUR, 0.2), (2 * DAY, -0.05), (4 * DAY, 0.6)],
    # Moves around a level all week.
    "noisy": [(look * 10 * MINUTE, 0.49 if look % 2 else 0.53) for look in range(1008)],
    # Loses its data for half a day.
    "gone": [(timedelta(0), 0.9), (3 * DAY, None), (3 * DAY + 12 * HOUR, 0.9)],
    # Is bad from the beginning, which is no news.
    "bad": [(timedelta(0), -2.0)],
}


def report(planned: Planned, due: datetime, now: datetime) -> tuple[str, Post]:
    return f"report due at {due:%d %H:%M}", Post(due.isoformat())


class Week:
    """Engines that share a store, one after the other, or beside each other."""

    def __init__(self, database: Database, plan: Plan = PLAN) -> None:
        self.database = database
        self.plan = plan
        self.board = MadeUpBoard(BUDGETS)

    def poster(self, board: MadeUpBoard | None = None) -> Poster:
        used = board or self.board
        return Poster(self.database, used, slos, self.plan, report, now=lambda: self.board.now)

    def said(self) -> list[tuple[str, str, tuple[str, ...]]]:
        """(when, what, to whom), in order."""
        stored = self.database.read(lambda connection: messages.newest(connection, 500))
        sent = self.database.read(lambda connection: messages.deliveries(connection, [each.id for each in stored]))
        return [
            (
                f"{datetime.fromtimestamp(each.received_at, UTC):%a %H:%M}",
                _what(restored(each)),
                tuple(delivery.sink for delivery in sent[each.id]),
            )
            for each in reversed(stored)
        ]


def _what(message: Message) -> str:
    assert message.post is not None
    if message.kind == "status":
        return "; ".join(change.removeprefix("agents success agent_type=") for change in message.post.changes)
    return f"{message.kind}: {message.title}"


@pytest.fixture
def database(tmp_path: Path) -> Iterator[Database]:
    opened = Database(f"sqlite:///{tmp_path / 'store.db'}")
    yield opened
    opened.close()


FREEZE = "at 0 %: no releases but fixes (releases are frozen)"

EXPECTED = [
    ("Mon 07:30", "digest: 4 error budgets: 1 exhausted", ("team", "boss")),
    ("Mon 08:00", "digest: 4 error budgets: 1 exhausted", ("team",)),
    ("Mon 12:10", "support fell below 50 %: 45.0 % left", ("team",)),
    ("Tue 08:00", "digest: 4 error budgets: 1 exhausted; 1 change", ("team",)),
    ("Tue 12:10", "support fell below 25 %: 20.0 % left", ("team",)),
    # What happened in the night is told when the quiet hours end, at seven in Berlin.
    ("Wed 06:00", "support is exhausted, overspent by 5.0 %", ("team",)),
    (
        "Wed 06:00",
        f"support budget policy in force {FREEZE}",
        ("team", "boss"),
    ),
    ("Wed 08:00", "digest: 4 error budgets: 2 exhausted; 3 changes", ("team",)),
    ("Thu 06:00", "gone has no data any more: its budget is not known", ("team",)),
    ("Thu 07:00", "report: report due at 05 07:00", ("boss",)),
    ("Thu 08:00", "digest: 4 error budgets: 2 exhausted, 1 without data; 1 change", ("team",)),
    ("Thu 12:10", "gone has data again: 90.0 % left", ("team",)),
    ("Fri 06:00", "support is no longer exhausted: 60.0 % left", ("team",)),
    (
        "Fri 06:00",
        f"support budget policy no longer in force {FREEZE}",
        ("team", "boss"),
    ),
    ("Fri 08:00", "digest: 4 error budgets: 1 exhausted; 3 changes", ("team",)),
]


def live(week: Week, *, restarts: range = range(0), twin: bool = False) -> None:
    poster, other = week.poster(), week.poster()
    stale = MadeUpBoard(BUDGETS)
    late = week.poster(stale)
    for minute in range(0, 7 * 24 * 60, 10):
        if minute in restarts:
            poster = week.poster()  # what it held in memory is gone
        week.board.now = START + minute * MINUTE
        week.board.refresh()
        poster.tick()
        if twin:
            other.tick()
            if minute % 360 == 0:  # an engine that was paused, with an old look at the budgets
                stale.now = week.board.now - 20 * MINUTE
                if stale.now >= START:
                    stale.refresh()
                    late.tick()


def test_a_week_is_said_once_over_three_restarts(database: Database) -> None:
    week = Week(database)
    live(week, restarts=range(1000, 6001, 2500))
    assert week.said() == EXPECTED


def test_a_week_is_said_once_by_two_engines_and_one_that_lost_its_lease(database: Database) -> None:
    week = Week(database)
    live(week, twin=True)
    assert week.said() == EXPECTED


def test_a_digest_leads_with_what_changed_and_what_moved(database: Database) -> None:
    week = Week(database)
    poster = week.poster()
    for minute in range(0, 32 * 60 + 1, 10):
        week.board.now = START + minute * MINUTE
        week.board.refresh()
        poster.tick()
    stored = database.read(lambda connection: messages.newest(connection, 1))[0]
    post = restored(stored).post
    assert post is not None
    assert post.changes == ("2026-11-02 12:10 UTC: agents success agent_type=support fell below 50 %: 45.0 % left",)
    assert [row["group"]["agent_type"] for row in post.statuses][:2] == ["bad", "support"]
    assert post.at == datetime(2026, 11, 3, 8, tzinfo=UTC).isoformat()
    of_that_minute = sorted(week.board.statuses, key=lambda each: each.error_budget_remaining or 0.0)
    assert json.loads(json.dumps(post.statuses)) == [each.as_json() for each in of_that_minute]


def test_what_an_engine_that_was_down_has_missed_is_made_up_for_once_and_only_when_it_is_not_long_ago(
    database: Database,
) -> None:
    week = Week(database)
    week.board.now = START
    week.board.refresh()
    week.poster().tick()
    week.board.now = START + DAY + 10 * HOUR  # Tuesday: two dailies and a weekly were due
    week.board.refresh()
    poster = week.poster()
    for _ in range(3):
        poster.tick()
    assert [(what.partition(":")[0], sinks) for _, what, sinks in week.said() if "digest" in what] == [
        ("digest", ("team",))
    ]


def test_a_digest_waits_for_prometheus_and_then_says_that_nothing_is_known(database: Database) -> None:
    week = Week(database)
    poster = week.poster()
    week.board.now = START
    week.board.refresh()
    poster.tick()
    week.board.is_down = True
    for minute in range(7 * 60, 8 * 60 + 30, 5):
        week.board.now = START + minute * MINUTE
        poster.tick()
    stored = database.read(lambda connection: messages.newest(connection, 10))
    assert [f"{datetime.fromtimestamp(each.received_at, UTC):%H:%M}" for each in stored] == ["08:15", "07:45"]
    post = restored(stored[0]).post
    assert post is not None
    assert "could not be evaluated: Prometheus at http://prom" in post.lines[0]
    assert post.tone == "bad"


def test_an_slo_that_is_declared_no_more_has_lost_no_data(database: Database) -> None:
    declared = [slos()]
    board = MadeUpBoard({"support": [(timedelta(0), 0.9)]})
    poster = Poster(database, board, lambda: declared[0], PLAN, report, now=lambda: board.now)
    board.refresh()
    poster.tick()
    assert len(database.read(budgets.states)) == 1
    declared[0] = SloSet()
    board.statuses, board.now = (), board.now + HOUR
    board.evaluated_at = board.now
    poster.tick()
    assert database.read(budgets.states) == {}
    assert database.read(lambda connection: messages.newest(connection, 10)) == []


def one(database: Database, board: MadeUpBoard, text: str | None = None) -> Poster:
    declared = load(text) if text else slos()
    return Poster(database, board, lambda: declared, PLAN, report, now=lambda: board.now)


def pass_time(poster: Poster, board: MadeUpBoard, span: timedelta, step: timedelta = 5 * MINUTE) -> None:
    until = board.now + span
    while board.now < until:
        board.now += step
        board.refresh()
        poster.tick()


def test_an_slo_that_is_divided_otherwise_has_lost_no_data(database: Database) -> None:
    board = MadeUpBoard({"support": [(timedelta(0), -0.5)]})
    pass_time(one(database, board), board, HOUR)
    assert len(database.read(budgets.states)) == 1
    poster = one(database, board, SLOS_TEXT.replace("by: [agent_type]", "by: [agent_type, region]"))
    board.statuses, board.now = (), board.now + MINUTE
    board.evaluated_at = board.now
    poster.tick()
    assert database.read(budgets.states) == {}
    assert database.read(lambda connection: messages.newest(connection, 10)) == []


def test_a_group_that_is_gone_for_as_long_as_its_window_is_forgotten(database: Database) -> None:
    board = MadeUpBoard({"support": [(timedelta(0), -0.5)], "other": [(timedelta(0), 0.9)]})
    poster = one(database, board)
    pass_time(poster, board, 9 * HOUR)
    del board.plan["support"]
    pass_time(poster, board, HOUR)
    pass_time(poster, board, 29 * DAY, 6 * HOUR)
    assert len(database.read(budgets.states)) == 2
    pass_time(poster, board, 3 * DAY, 6 * HOUR)
    assert len(database.read(budgets.states)) == 1


def test_a_clock_that_was_ahead_once_stops_nothing(database: Database) -> None:
    board = MadeUpBoard({"support": [(timedelta(0), 0.9), (26 * HOUR, 0.2), (300 * DAY, 0.9)]})
    poster = one(database, board)
    board.now = START + 365 * DAY
    board.refresh()
    poster.tick()
    board.now = START
    pass_time(one(database, board), board, 36 * HOUR)
    kinds = [each.kind for each in reversed(database.read(lambda connection: messages.newest(connection, 50)))]
    assert sorted(kinds) == ["digest", "digest", "digest", "status"]


def test_one_post_that_fails_keeps_no_other_from_being_made(database: Database) -> None:
    def broken(planned: Planned, due: datetime, now: datetime) -> tuple[str, Post]:
        raise KeyError("a bug")

    board = MadeUpBoard({"support": [(timedelta(0), 0.9)]})
    plan = replace(
        PLAN, schedules=(replace(PLAN.schedules[2], schedule=Schedule("0 7 * * *", UTC_ZONE)), *PLAN.schedules)
    )
    poster = Poster(database, board, slos, plan, broken, now=lambda: board.now)
    pass_time(poster, board, 12 * HOUR)
    assert [each.kind for each in database.read(lambda connection: messages.newest(connection, 10))] == ["digest"] * 2
