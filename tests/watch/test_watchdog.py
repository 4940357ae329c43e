"""The watchdog: notified of to nobody while it comes, told of once when it stays away, and once when it is back."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import select

from slo_engine.alerts import Intake
from slo_engine.alerts.payload import understood
from slo_engine.definitions.slo import SloSet
from slo_engine.notifications.routes import Match, Route, Routes
from slo_engine.store import Database, inbox, messages, tables
from slo_engine.watch import Teller, Watchdog
from slo_engine.watch.watchdog import Expect, is_watchdog
from tests.alerts.payloads import body, notification

WATCHDOG = {"alertname": "Watchdog", "severity": "none"}
TICK = 15.0


class World:
    """A watchdog on a clock of its own."""

    def __init__(self, folder: Path, expect: Expect = "auto") -> None:
        self.now = time.time()
        self.database = Database(f"sqlite:///{folder / 'store.db'}")
        self.told = 0
        self.expect = expect
        self.watchdog = self.started()

    def started(self) -> Watchdog:
        """As a process begins."""
        routes = Routes((Route(Match(), ("pager",)),), ("pager", "log"))
        teller = Teller(self.database, routes, SloSet, ("log",), self._tell)
        return Watchdog(self.database, teller, expect=self.expect, now=lambda: self.now)

    def _tell(self) -> None:
        self.told += 1

    def arrive(self, status: str = "firing") -> None:
        group = understood(notification(status=status, labels=WATCHDOG))
        self.database.write(lambda connection: self.watchdog.note(connection, group, self.now))

    def pass_time(self, seconds: float, *, comes: bool = False) -> None:
        until = self.now + seconds
        while self.now < until:
            self.now += TICK
            if comes:
                self.arrive()
            self.watchdog.tick()

    def said(self) -> list[tuple[str, list[str]]]:
        """What was told to whom, oldest first."""
        found = self.database.read(lambda connection: messages.newest(connection, 100))
        return [(each.kind, self._sinks(each.id)) for each in reversed(found)]

    def _sinks(self, message_id: int) -> list[str]:
        rows = select(tables.outbox.c.sink).where(tables.outbox.c.message_id == message_id)
        return sorted(self.database.read(lambda connection: connection.execute(rows).scalars().all()))


@pytest.fixture
def world(tmp_path: Path) -> Iterator[World]:
    found = World(tmp_path)
    yield found
    found.database.close()


def test_silence_is_told_once_to_routes_and_fallbacks_and_its_end_once(world: World) -> None:
    world.pass_time(600, comes=True)
    assert (world.said(), world.watchdog.state) == ([], "ok")
    world.pass_time(285)
    assert world.said() == []
    world.pass_time(3600)
    assert world.said() == [("firing", ["log", "pager"])]
    assert world.watchdog.state.startswith("silent: last came 64.8 min ago")
    (told,) = world.database.read(lambda connection: messages.newest(connection, 1))
    assert (told.severity, told.title) == ("page", "The watchdog stays away from slo-engine")
    world.pass_time(60, comes=True)
    assert world.said() == [("firing", ["log", "pager"]), ("resolved", ["log", "pager"])]
    assert (world.watchdog.state, world.told) == ("ok", 2)
    world.pass_time(600)
    assert [kind for kind, _ in world.said()] == ["firing", "resolved", "firing"]


def test_a_restart_neither_forgets_nor_repeats(world: World) -> None:
    world.pass_time(60, comes=True)
    world.pass_time(3600)
    world.watchdog = world.started()
    world.pass_time(3600)
    assert [kind for kind, _ in world.said()] == ["firing"]
    world.pass_time(60, comes=True)
    assert [kind for kind, _ in world.said()] == ["firing", "resolved"]


def test_an_engine_that_was_down_gives_alertmanager_time_to_come_again(world: World) -> None:
    world.pass_time(60, comes=True)
    world.now += 7200
    world.watchdog = world.started()
    world.pass_time(270)
    assert world.said() == []
    world.pass_time(60)
    assert [kind for kind, _ in world.said()] == ["firing"]


def test_a_machine_that_slept_is_as_one_that_was_down(world: World) -> None:
    world.pass_time(60, comes=True)
    world.now += 7200
    world.pass_time(285)
    assert world.said() == []


def test_a_clock_that_is_set_back_neither_tells_nor_hides(world: World) -> None:
    world.pass_time(60, comes=True)
    world.now -= 7200
    world.pass_time(60, comes=True)
    assert (world.said(), world.watchdog.state) == ([], "ok")
    world.pass_time(600)
    assert [kind for kind, _ in world.said()] == ["firing"]
    world.now -= 7200
    world.pass_time(60, comes=True)
    assert [kind for kind, _ in world.said()] == ["firing", "resolved"]


def test_one_that_is_resolved_is_no_sign_of_life(world: World) -> None:
    world.pass_time(60, comes=True)
    for _ in range(30):
        world.arrive("resolved")
        world.pass_time(TICK)
    assert [kind for kind, _ in world.said()] == ["firing"]


@pytest.mark.parametrize(
    ("expect", "said", "state"),
    [("auto", [], "waits for the first"), ("always", ["firing"], "silent: nothing has come yet"), ("never", [], "not")],
)
def test_where_none_ever_came_only_who_expects_it_is_told(
    tmp_path: Path, expect: Expect, said: list[str], state: str
) -> None:
    world = World(tmp_path, expect)
    world.pass_time(3600)
    assert [kind for kind, _ in world.said()] == said
    assert world.watchdog.state.startswith(state)
    world.database.close()


def test_who_expects_it_no_more_is_told_that_it_is_over(world: World) -> None:
    world.pass_time(60, comes=True)
    world.pass_time(600)
    world.expect = "never"
    world.watchdog = world.started()
    world.pass_time(60)
    assert [kind for kind, _ in world.said()] == ["firing", "resolved"]


def test_only_a_notification_of_nothing_else_is_the_watchdogs(world: World) -> None:
    mixed = notification(labels=WATCHDOG)
    mixed["alerts"] += notification()["alerts"]
    assert is_watchdog(understood(notification(labels=WATCHDOG)), "Watchdog")
    assert is_watchdog(understood(notification(labels=WATCHDOG, status="resolved")), "Watchdog")
    assert not is_watchdog(understood(notification(labels=WATCHDOG)), "Other")
    assert not is_watchdog(understood(mixed), "Watchdog")
    # It is passed on with the others, and has arrived all the same.
    world.database.write(lambda connection: world.watchdog.note(connection, understood(mixed), world.now))
    world.watchdog.tick()
    assert world.watchdog.state == "ok"


def test_the_intake_notes_it_and_makes_no_message_of_it(world: World) -> None:
    async def take() -> None:
        intake = Intake(world.database, lambda: None, world.watchdog)
        task = asyncio.create_task(intake.run())
        with suppress(TimeoutError):
            async with asyncio.timeout(10):
                while world.database.read(lambda found: inbox.count(found, "pending")):  # noqa: ASYNC110
                    await asyncio.sleep(0.01)
        intake.stop()
        await task

    def post(posted: bytes) -> Any:
        return world.database.write(lambda connection: inbox.accept(connection, posted, world.now))

    post(body(labels=WATCHDOG))
    post(body())
    asyncio.run(take())
    world.watchdog.tick()
    assert world.watchdog.state == "ok"
    assert [each.title for each in world.database.read(lambda found: messages.newest(found, 9))] == [
        "agents success support_agent: 22% of events fail over 1h"
    ]
    assert world.database.read(lambda found: inbox.count(found, "processed")) == 2
