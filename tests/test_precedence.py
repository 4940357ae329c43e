"""Work in the background gives way to who waits for an answer."""

from __future__ import annotations

import asyncio
from contextlib import ExitStack

import pytest

from slo_engine.precedence import LASTING_SECONDS, MANY, PAUSE_SECONDS, Precedence


class Clock:
    def __init__(self) -> None:
        self.now = 1000.0
        self.slept: list[float] = []

    async def sleep(self, seconds: float) -> None:
        self.slept.append(round(seconds, 6))

    def pause_of(self, given: Precedence, pieces: int = 1) -> float:
        """For how long a piece of work waits."""
        self.slept.clear()
        asyncio.run(given.give_way(pieces))
        return sum(self.slept)


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> Clock:
    clock = Clock()
    monkeypatch.setattr(asyncio, "sleep", clock.sleep)
    return clock


def test_work_goes_on_at_once_while_few_wait(clock: Clock) -> None:
    given = Precedence(lambda: clock.now)
    with ExitStack() as waiting:
        for _ in range(MANY - 1):
            waiting.enter_context(given)
        assert clock.pause_of(given) == 0


def test_work_takes_turns_while_many_wait_however_long_they_do(clock: Clock) -> None:
    given = Precedence(lambda: clock.now)
    with ExitStack() as waiting:
        for _ in range(MANY):
            waiting.enter_context(given)
        clock.now += 60
        assert [clock.pause_of(given), clock.pause_of(given, 4)] == [PAUSE_SECONDS, 5 * PAUSE_SECONDS]
    clock.now += LASTING_SECONDS / 2
    assert clock.pause_of(given) > 0  # between two answers
    clock.now += LASTING_SECONDS
    assert clock.pause_of(given) == 0
