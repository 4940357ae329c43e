"""Scenario 18: the clock of an engine is set forward and back, and two engines do not agree on the time."""

from __future__ import annotations

import time
from pathlib import Path

import pytest

from tests.fault.engines import EngineProcess
from tests.fault.sinks import hang, ok
from tests.fault.world import World, firing, groups_at, incidents, resolved, wait_until_told

pytestmark = [pytest.mark.stack, pytest.mark.long]


def faketime(folder: Path) -> dict[str, str]:
    """The environment of a process whose clock follows ``folder/clock``; timers go on as they do when somebody sets the
    clock of a machine."""
    library = next(iter(Path("/usr/lib").glob("*/faketime/libfaketimeMT.so.1")), None)
    if library is None:
        pytest.skip("libfaketime is not installed: apt-get install faketime")
    set_clock(folder, 0)
    return {
        "LD_PRELOAD": str(library),
        "FAKETIME_TIMESTAMP_FILE": str(folder / "clock"),
        "FAKETIME_NO_CACHE": "1",
        "FAKETIME_DONT_FAKE_MONOTONIC": "1",
        "FAKETIME_DONT_RESET": "1",
    }


def set_clock(folder: Path, hours: float) -> None:
    new = folder / "clock.new"
    new.write_text(f"{hours:+g}h\n")
    new.replace(folder / "clock")


def attempts(engine: EngineProcess) -> float:
    return engine.metric("slo_engine_delivery_attempts_total", sink="pager")


@pytest.mark.parametrize("hours", [1.0, -1.0, 30.0])
def test_18_clock_that_jumps_starts_no_storm_and_holds_nothing_back(world: World, hours: float) -> None:
    pager = world.sink(behaviour=hang)
    engines = world.engines(pager, environment=faketime(world.folder), settings=with_timeout(pager.url))
    now = time.time()
    before, after = incidents("before", 15), incidents("after", 15)
    world.post(engines, [firing(each, now) for each in before])
    time.sleep(4.0)
    set_clock(world.folder, hours)
    tried = len(pager.received)
    time.sleep(4.0)
    assert len(pager.received) - tried <= 2 * 15  # as many as without the jump: two seconds and more between them
    world.post(engines, [firing(each, now) for each in after])
    pager.behave(ok)
    wait_until_told(pager, [*before, *after], within=45)
    world.post(engines, [resolved(each, now) for each in before])
    set_clock(world.folder, 0)
    verdict = world.settle(pager, within=45)
    assert verdict.violations == []
    assert groups_at(pager) == {each.key for each in (*before, *after)}
    assert engines.tracebacks() == []


def with_timeout(url: str) -> dict[str, object]:
    return {"sinks": [{"name": "pager", "type": "webhook", "url": url, "timeout": "2s"}]}


def test_18_replicas_that_differ_by_five_minutes_steal_no_lease_from_each_other(postgres_world: World) -> None:
    world = postgres_world
    pager = world.sink()
    engines = world.engines(pager, replicas=2, environment=faketime(world.folder), settings=with_timeout(pager.url))
    ahead = engines.all[1]
    ahead.stop()
    set_clock(world.folder, 5 / 60)
    # The other one reads the file at each call, so the one that is ahead gets a clock of its own.
    ahead.environment["FAKETIME_TIMESTAMP_FILE"] = str(world.folder / "clock.ahead")
    (world.folder / "clock").replace(world.folder / "clock.ahead")
    set_clock(world.folder, 0)
    ahead.start()
    now = time.time()
    some = incidents("skewed", 60)
    world.post(engines, [firing(each, now) for each in some])
    world.post(engines, [resolved(each, now) for each in some])
    verdict = world.settle(pager, within=45, quiet=3.0)
    assert verdict.violations == []
    assert len(pager.received) == len(pager.taken) == 120
    assert engines.tracebacks() == []
