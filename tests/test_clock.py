"""The engine's jobs go on whatever is done to the machine's clock."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable
from types import SimpleNamespace

import pytest

from slo_engine import clock as module
from slo_engine.clock import Clock


def test_jobs_go_on_when_the_clock_is_set_back(monkeypatch: pytest.MonkeyPatch) -> None:
    runs: list[float] = []
    clock = Clock()
    clock.add("job", lambda: runs.append(time.monotonic()), 3600.0)

    async def scenario() -> None:
        clock.start()
        watching = asyncio.create_task(clock.run())
        await until(lambda: len(runs) == 1)
        monkeypatch.setattr(
            module, "time", SimpleNamespace(time=lambda: time.time() - 7200.0, monotonic=time.monotonic)
        )
        clock.tell()
        await until(lambda: len(runs) == 2)
        clock.stop()
        await watching
        clock.shut_down()

    asyncio.run(scenario())
    assert not clock.is_running


async def until(is_so: Callable[[], bool]) -> None:
    async with asyncio.timeout(10):
        while not is_so():  # noqa: ASYNC110 - what is looked at has no event
            await asyncio.sleep(0.02)
