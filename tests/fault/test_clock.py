"""Scenario 18: the clock of an engine is set forward and back, and two engines do not agree on the time."""

from __future__ import annotations

import subprocess
import sys
import time
from pathlib import Path

import pytest

from tests.fault.sinks import hang, ok
from tests.fault.world import World, firing, groups_at, incidents, resolved, wait_until_told

pytestmark = [pytest.mark.stack, pytest.mark.long]


class Clock:
    """The wall clock of processes, set forward and back while they run; their timers go on, as they do when somebody
    sets the clock of a machine."""

    def __init__(self, folder: Path, name: str = "clock") -> None:
        self._ahead = folder / f"{name}.ahead"
        self._library = folder / f"{name}.so"
        self._ahead.write_bytes(bytes(8))
        source = Path(__file__).with_name("clock.c")
        subprocess.run(["gcc", "-O2", "-Wall", "-Werror", "-shared", "-fPIC", "-o", self._library, source], check=True)

    def environment(self) -> dict[str, str]:
        """The environment of a process that runs on this clock."""
        return {"LD_PRELOAD": str(self._library), "CLOCK_AHEAD": str(self._ahead)}

    def set_ahead(self, hours: float) -> None:
        """Ahead of the machine's clock by this, at once."""
        with self._ahead.open("r+b") as file:  # in place: the processes have it mapped
            file.write(round(hours * 3600e9).to_bytes(8, sys.byteorder, signed=True))


def test_clock_is_set_for_python_and_sqlite_and_not_for_timers(tmp_path: Path) -> None:
    clock = Clock(tmp_path)
    clock.set_ahead(-30.0)
    program = """if True:
        import datetime, sqlite3, time
        python, sqlite = time.time(), sqlite3.connect(":memory:").execute(
            "select (julianday('now') - 2440587.5) * 86400.0").fetchone()[0]
        began = time.monotonic()
        time.sleep(0.05)
        print(python, sqlite, datetime.datetime.now().timestamp(), time.monotonic() - began, began)"""
    now, timer = time.time(), time.monotonic()
    told = subprocess.run(
        [sys.executable, "-c", program], env=clock.environment(), check=True, capture_output=True, text=True
    )
    python, sqlite, date, slept, began = map(float, told.stdout.split())
    for each in (python, sqlite, date):
        assert each == pytest.approx(now - 30 * 3600, abs=30)
    assert 0.05 <= slept < 30
    assert began == pytest.approx(timer, abs=30)


@pytest.mark.parametrize("hours", [1.0, -1.0, 30.0])
def test_18_clock_that_jumps_starts_no_storm_and_holds_nothing_back(world: World, hours: float) -> None:
    pager = world.sink(behaviour=hang)
    clock = Clock(world.folder)
    engines = world.engines(pager, environment=clock.environment(), settings=with_timeout(pager.url))
    now = time.time()
    before, after = incidents("before", 15), incidents("after", 15)
    world.post(engines, [firing(each, now) for each in before])
    time.sleep(4.0)
    clock.set_ahead(hours)
    tried = len(pager.received)
    time.sleep(4.0)
    assert len(pager.received) - tried <= 2 * 15  # as many as without the jump: two seconds and more between them
    world.post(engines, [firing(each, now) for each in after])
    pager.behave(ok)
    wait_until_told(pager, [*before, *after], within=45)
    world.post(engines, [resolved(each, now) for each in before])
    clock.set_ahead(0)
    verdict = world.settle(pager, within=45)
    assert verdict.violations == []
    assert groups_at(pager) == {each.key for each in (*before, *after)}
    assert engines.tracebacks() == []


def with_timeout(url: str) -> dict[str, object]:
    return {"sinks": [{"name": "pager", "type": "webhook", "url": url, "timeout": "2s"}]}


def test_18_replicas_that_differ_by_five_minutes_steal_no_lease_from_each_other(postgres_world: World) -> None:
    world = postgres_world
    pager = world.sink()
    engines = world.engines(pager, replicas=2, settings=with_timeout(pager.url))
    clock, ahead = Clock(world.folder), engines.all[1]
    ahead.stop()
    clock.set_ahead(5 / 60)
    ahead.environment.update(clock.environment())
    ahead.start()
    now = time.time()
    some = incidents("skewed", 60)
    world.post(engines, [firing(each, now) for each in some])
    world.post(engines, [resolved(each, now) for each in some])
    verdict = world.settle(pager, within=45, quiet=3.0)
    assert verdict.violations == []
    assert len(pager.received) == len(pager.taken) == 120
    assert engines.tracebacks() == []
