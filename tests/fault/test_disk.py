"""Scenario 15 and what else a disk does: full, read-only, a flipped bit, a torn log. Loud, never silent."""

from __future__ import annotations

import os
import resource
import sqlite3
import subprocess
import time
from contextlib import suppress
from pathlib import Path

import psutil
import pytest

from deploy.stack.processes import StackError
from tests.fault.engines import Engines
from tests.fault.sinks import FakeSink, hang, ok
from tests.fault.world import World, firing, incident, incidents, resolved, wait_until_told
from tests.waiting import wait_for

pytestmark = [pytest.mark.stack, pytest.mark.takes(seconds=45)]


def store_of(world: World) -> Path:
    return world.folder / "slo-engine.db"


def test_15_disk_that_is_full_is_answered_503_and_the_engine_resumes_by_itself(sqlite_world: World) -> None:
    world = sqlite_world
    pager = world.sink()
    engines = world.engines(pager)
    before = incidents("before", 20)
    now = time.time()
    world.post(engines, [firing(each, now) for each in before])
    process = psutil.Process(engines.first.pid)
    log = store_of(world).with_name("slo-engine.db-wal")
    # No file of the engine may grow beyond this: what a quota, or a disk that is full, says to it.
    limit = max(log.stat().st_size, store_of(world).stat().st_size) + 64 * 1024
    process.rlimit(resource.RLIMIT_FSIZE, (limit, resource.RLIM_INFINITY))
    large = {"filling": "x" * 20_000}
    posting = world.begin_posting(engines, [firing(each, now) for each in incidents("full", 60, **large)])
    wait_for("a 503", lambda: any(each.answer == 503 for each in world.history.posted), within=30)
    assert {each.answer for each in world.history.posted} <= {200, 503}
    assert engines.first.get("/readyz")["ready"] is False
    process.rlimit(resource.RLIMIT_FSIZE, (resource.RLIM_INFINITY, resource.RLIM_INFINITY))
    posting.result(60)
    verdict = world.settle(pager, within=60)
    assert verdict.violations == []
    assert verdict.counts["notifications"] == 80
    wait_for("readiness", lambda: engines.first.get("/readyz")["ready"], within=15)
    assert engines.tracebacks() == []


@pytest.fixture
def small_disk(tmp_path: Path) -> object:
    folder = tmp_path / "disk"
    folder.mkdir()
    done = subprocess.run(["mount", "-t", "tmpfs", "-o", "size=16m", "tmpfs", str(folder)], check=False)
    if done.returncode != 0:
        pytest.skip("this user may not mount a tmpfs")
    yield folder
    subprocess.run(["umount", "-l", str(folder)], check=True)


@pytest.mark.long
def test_15_small_disk_that_is_full_loses_nothing_that_was_acknowledged(sqlite_world: World, small_disk: Path) -> None:
    world = sqlite_world
    pager = world.sink()
    engines = world.engines(pager, store=None, settings={"store": {"url": f"sqlite:///{small_disk / 'engine.db'}"}})
    ballast = small_disk / "ballast"
    ballast.write_bytes(b"\0" * 64 * 1024)
    now = time.time()
    world.post(engines, [firing(each, now) for each in incidents("before", 5)])
    with ballast.open("ab", buffering=0) as file:
        with suppress(OSError):  # it is full
            while file.write(b"\0" * 4096):
                pass
        file.truncate(file.tell() - 32 * 1024)
    posting = world.begin_posting(
        engines, [firing(each, now) for each in incidents("full", 20, filling="x" * 20_000)], side_by_side=4
    )
    wait_for("a 503", lambda: any(each.answer == 503 for each in world.history.posted), within=30)
    ballast.unlink()
    posting.result(60)
    verdict = world.settle(pager, within=60)
    assert verdict.violations == []
    assert {each.answer for each in world.history.posted} == {200, 503}


@pytest.mark.long
def test_store_on_a_read_only_disk_is_refused_in_a_sentence(sqlite_world: World, small_disk: Path) -> None:
    world = sqlite_world
    pager = world.sink()
    store = small_disk / "engine.db"
    engines = Engines(world.folder, world.history, [pager], settings={"store": {"url": f"sqlite:///{store}"}})
    with engines:
        world.post(engines, [firing(incident("before"), time.time())])
    subprocess.run(["mount", "-o", "remount,ro", str(small_disk)], check=True)
    with pytest.raises(StackError):
        engines.first.start()
    assert engines.tracebacks() == []
    assert "engine.db" in engines.first.log().splitlines()[-1]


def crashed_with_waiting_rows(world: World, pager: FakeSink) -> Engines:
    """An engine that was killed while what it has acknowledged waits for a sink that hangs; the sink works again."""
    pager.behave(hang)
    engines = world.engines(pager)
    now = time.time()
    some = incidents("kept", 40, filling="y" * 2000)
    world.post(engines, [firing(each, now) for each in some])
    world.post(engines, [resolved(each, now) for each in some[:10]])
    engines.first.kill()
    pager.behave(ok)
    return engines


def is_loud(engines: Engines) -> bool:
    """Whether it has refused to start, or says on /readyz and in its log what is wrong with its store."""
    before = len(engines.first.log())
    try:
        engines.first.start()
    except StackError:
        said = engines.first.log()[before:]
        return "Traceback" not in said and "store" in said
    time.sleep(5.0)
    ready = engines.first.get("/readyz")
    said = engines.first.log()[before:].lower()
    return ready["ready"] is False and ("corrupt" in said or "malformed" in said or "damaged" in said)


def checkpoint(store: Path) -> None:
    with sqlite3.connect(store) as connection:
        connection.execute("PRAGMA wal_checkpoint(TRUNCATE)")
    connection.close()


def pages_of(store: Path, table: str) -> tuple[int, int]:
    """The size of a page, and the first page of a table."""
    with sqlite3.connect(store) as connection:
        (size,) = connection.execute("PRAGMA page_size").fetchone()
        (root,) = connection.execute("SELECT rootpage FROM sqlite_master WHERE name = ?", (table,)).fetchone()
    connection.close()
    return size, root


def overwrite(path: Path, at: int, content: bytes) -> None:
    with path.open("r+b") as file:
        file.seek(at)
        file.write(content)
        file.flush()
        os.fsync(file.fileno())


@pytest.mark.parametrize("table", ["inbox", "messages", pytest.param("outbox", marks=pytest.mark.long)])
def test_damaged_page_of_the_store_is_never_served_in_silence(sqlite_world: World, table: str) -> None:
    pager = sqlite_world.sink()
    engines = crashed_with_waiting_rows(sqlite_world, pager)
    store = store_of(sqlite_world)
    checkpoint(store)
    size, root = pages_of(store, table)
    overwrite(store, (root - 1) * size, b"\xff")  # the kind of page: one that there is not
    assert is_loud(engines)


def test_flipped_bit_in_the_write_ahead_log_is_never_a_silent_loss(sqlite_world: World) -> None:
    """SQLite itself takes the frames before the damaged one, and forgets the others without a word."""
    world = sqlite_world
    pager = world.sink()
    engines = crashed_with_waiting_rows(world, pager)
    log = store_of(world).with_name("slo-engine.db-wal")
    size = log.stat().st_size
    assert size > 40_000
    at = size // 3
    before = log.read_bytes()[at]
    overwrite(log, at, bytes([before ^ 0x10]))
    if not is_loud(engines):
        assert world.settle(pager, within=20).violations == []


@pytest.mark.long
def test_torn_end_of_the_write_ahead_log_costs_nothing_that_was_acknowledged(sqlite_world: World) -> None:
    """What a power failure leaves: half of a commit that nobody was told of."""
    world = sqlite_world
    pager = world.sink()
    engines = crashed_with_waiting_rows(world, pager)
    log = store_of(world).with_name("slo-engine.db-wal")
    with log.open("ab") as file:
        file.write(os.urandom(2000))
    engines.first.start()
    verdict = world.settle(pager, within=60)
    assert verdict.violations == []
    wait_until_told(pager, incidents("kept", 40, filling="y" * 2000)[10:], within=1)
