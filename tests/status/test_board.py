"""The status board: what the clock does."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from slo_engine.definitions import load
from slo_engine.prometheus import PrometheusError, RangeResult, Result, Sample
from slo_engine.status.board import StatusBoard
from slo_engine.store import Database, history

SLOS = load([Path(__file__).parent.parent.parent / "slos"])
NOW = datetime(2026, 11, 23, 12, 0, tzinfo=UTC)
RATIO = Sample({"slo_service": "agents", "slo": "success", "agent_type": "a", "slo_window": "1h"}, 0.01)


class Source:
    """Answers with one ratio, or fails; counts."""

    def __init__(self) -> None:
        self.queries = 0
        self.fails = False

    def query(self, expr: str, at: datetime) -> Result:
        self.queries += 1
        if self.fails:
            raise PrometheusError("unavailable", "down")
        return Result((RATIO,) if expr.startswith("slo:sli_error:ratio") else (), ())

    def samples(self, expr: str, at: datetime) -> RangeResult:
        return RangeResult((), self.query(expr, at).warnings)


class Clock:
    """A time that is set."""

    def __init__(self) -> None:
        self.now = NOW

    def __call__(self) -> datetime:
        return self.now


@pytest.fixture
def database(tmp_path: Path) -> Iterator[Database]:
    opened = Database(f"sqlite:///{tmp_path / 'store.db'}")
    yield opened
    opened.close()


def kept(database: Database) -> list[datetime]:
    rows = database.read(lambda connection: history.of_slo(connection, "agents", "success", 0.0))
    return [datetime.fromtimestamp(row.evaluated_at, UTC) for row in rows]


def test_history_is_kept_every_five_minutes_and_only_of_what_has_data(database: Database) -> None:
    source, clock = Source(), Clock()
    board = StatusBoard(lambda: SLOS, source, database, clock)
    for minute in range(12):
        clock.now = NOW + timedelta(minutes=minute)
        board.tick()
    assert kept(database) == [NOW, NOW + timedelta(minutes=5), NOW + timedelta(minutes=10)]
    assert database.read(lambda connection: history.of_slo(connection, "agents", "latency", 0.0)) == []


def test_history_is_forgotten_after_forty_days(database: Database) -> None:
    source, clock = Source(), Clock()
    board = StatusBoard(lambda: SLOS, source, database, clock)
    board.tick()
    clock.now = NOW + timedelta(days=41)
    board.tick()
    assert kept(database) == [clock.now]


def test_an_outage_of_prometheus_keeps_the_last_status_and_says_so(database: Database) -> None:
    source, clock = Source(), Clock()
    board = StatusBoard(lambda: SLOS, source, database, clock)
    board.tick()
    before = board.statuses
    source.fails = True
    clock.now += timedelta(minutes=1)
    board.tick()
    assert board.statuses == before
    assert board.failure == "down"
    assert board.evaluated_at == NOW
    source.fails = False
    board.tick()
    assert board.failure is None


def test_a_status_that_is_young_enough_is_not_asked_for_again(database: Database) -> None:
    source, clock = Source(), Clock()
    board = StatusBoard(lambda: SLOS, source, database, clock)
    board.refresh()
    asked = source.queries
    clock.now += timedelta(seconds=1)
    board.refresh(max_age=timedelta(seconds=2))
    assert source.queries == asked
    clock.now += timedelta(seconds=2)
    board.refresh(max_age=timedelta(seconds=2))
    assert source.queries == 2 * asked


def test_a_clock_that_is_set_back_does_not_stop_the_evaluation(database: Database) -> None:
    source, clock = Source(), Clock()
    board = StatusBoard(lambda: SLOS, source, database, clock)
    board.tick()
    asked = source.queries
    clock.now -= timedelta(hours=1)
    board.tick()
    assert source.queries == 2 * asked
    assert board.evaluated_at == clock.now


def test_a_bug_in_the_evaluation_is_said_and_not_shown_as_current(database: Database) -> None:
    class Broken(Source):
        def query(self, expr: str, at: datetime) -> Result:
            raise ZeroDivisionError

    board = StatusBoard(lambda: SLOS, Broken(), database, Clock())
    with pytest.raises(ZeroDivisionError):
        board.refresh()
    assert board.failure == "the evaluation failed (ZeroDivisionError)"
