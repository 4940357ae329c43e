"""How much a sink is sent at once: simulated sinks, no clock."""

from __future__ import annotations

import heapq
from collections.abc import Callable
from itertools import count

import pytest

from slo_engine.delivery.pace import LONGEST_LIMIT, Pace

TIMEOUT = 15.0

Answer = tuple[str, float]
"""``passed``, ``failed`` or ``limited``, and after how many seconds the answer comes; of ``limited`` the sink also asks
to wait for one second."""


class World:
    """Notifications that wait for one sink, sent as the pace allows."""

    def __init__(self, answer: Callable[[float, int], Answer]) -> None:
        """``answer``: the sink; asked with the time and the number of requests that it works on."""
        self._answer = answer
        self.requests = 0
        self.most_at_once = 0

    def deliver(self, notifications: int) -> float:
        """Returns after how many seconds all are delivered."""
        pace, now, left, held_until = Pace(), 0.0, notifications, 0.0
        waiting, order = notifications, count()
        events: list[tuple[float, int, str, float]] = []
        while left:
            while waiting and now >= held_until and pace.room(now) > 0:
                pace.begin(now)
                self.requests += 1
                kind, seconds = self._answer(now, pace.sending)
                self.most_at_once = max(self.most_at_once, pace.sending)
                heapq.heappush(events, (now + seconds, next(order), kind, now))
                waiting -= 1
            until_room = pace.seconds_until_room(now)
            ways = [max(held_until, now + until_room)] if waiting and until_room is not None else []
            now = max(now, min([*ways, *(event[0] for event in events[:1])]))
            while events and events[0][0] <= now:
                _, _, kind, began = heapq.heappop(events)
                pace.end()
                if kind == "passed":
                    pace.passed(now - began)
                    left -= 1
                else:
                    waiting += 1
                    if kind == "limited":
                        pace.limited(now, 1.0)
                        held_until = max(held_until, now + 1.0)
                    else:
                        pace.failed()
        return now


def test_a_slow_sink_gets_each_notification_once_and_more_at_once_as_it_bears_them() -> None:
    world = World(lambda now, sending: ("passed", 12.0))
    seconds = world.deliver(400)
    assert world.requests == 400
    assert seconds <= 12.0 * 10
    assert 8 < world.most_at_once <= LONGEST_LIMIT


def test_a_sink_that_works_one_by_one_is_not_sent_more_than_it_answers_in_time() -> None:
    free_at = 0.0

    def answer(now: float, sending: int) -> Answer:
        nonlocal free_at
        free_at = max(free_at, now) + 1.5
        return ("passed", free_at - now) if free_at - now <= TIMEOUT else ("failed", TIMEOUT)

    world = World(answer)
    world.deliver(200)
    assert world.requests <= 205


@pytest.mark.parametrize("allowed", [1, 10, 100])
def test_a_sink_with_a_limit_is_not_asked_again_and_again(allowed: int) -> None:
    taken: dict[int, int] = {}

    def answer(now: float, sending: int) -> Answer:
        second = int(now)
        if taken.get(second, 0) >= allowed:
            return "limited", 0.02
        taken[second] = taken.get(second, 0) + 1
        return "passed", 0.02

    world = World(answer)
    seconds = world.deliver(300)
    assert world.requests <= 330
    assert seconds <= 1.6 * 300 / allowed + 5


def test_a_sink_that_fails_is_sent_less_at_once() -> None:
    pace = Pace()
    for _ in range(10):
        pace.failed()
    assert pace.room(0.0) == 1


def test_a_fast_sink_soon_gets_as_much_as_there_are_connections() -> None:
    world = World(lambda now, sending: ("passed", 0.05))
    assert world.deliver(5000) < 8.0
    assert world.most_at_once == LONGEST_LIMIT


def test_a_sink_that_was_limited_for_hours_gets_what_waits_as_soon_as_it_takes_it() -> None:
    pace, now = Pace(), 0.0
    for _ in range(40):
        pace.begin(now)
        pace.end()
        pace.limited(now, 300.0)
        now += 300.0
    requests: list[float] = []
    while len(requests) < 20 and now < 13_000:
        if pace.room(now) > 0:
            pace.begin(now)
            pace.passed(0.1)
            pace.end()
            requests.append(now)
        now += 0.1
    assert len(requests) == 20
    assert requests[0] <= 12_000.2
    assert requests[-1] - requests[0] < 180


def test_what_passed_hours_ago_says_nothing_of_a_limit() -> None:
    pace = Pace()
    for now in (0.0, 36_000.0):
        pace.begin(now)
        pace.passed(0.1)
        pace.end()
    pace.begin(36_000.2)
    pace.end()
    pace.limited(36_000.2, 1.0)
    assert pace.interval <= 2.0
