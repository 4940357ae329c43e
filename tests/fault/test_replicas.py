"""Scenarios 16 and 17: PostgreSQL goes away and comes back; two engines share it, and one of them dies or is paused."""

from __future__ import annotations

import random
import time
from functools import partial

import pytest

from tests.fault.alertmanagers import Pair, groups_by_chance
from tests.fault.checker import check
from tests.fault.engines import EngineProcess
from tests.fault.sinks import Answer, Request, ok
from tests.fault.world import World, firing, incident, incidents, resolved, wait_until_told
from tests.waiting import wait_for

pytestmark = [pytest.mark.stack, pytest.mark.takes(seconds=60)]

LEASE_SECONDS = 60.0


def is_ready(engine: EngineProcess) -> bool:
    return engine.get("/readyz").get("ready") is True


def test_16_postgres_that_is_down_is_answered_503_in_time_and_the_engine_recovers(postgres_world: World) -> None:
    world = postgres_world
    assert world.postgres is not None
    pager = world.sink()
    engines = world.engines(pager)
    now = time.time()
    world.post(engines, [firing(each, now) for each in incidents("before", 10)])
    for end in (world.postgres.stop, world.postgres.kill, world.postgres.pause):
        broken = world.history.disrupted(f"postgres {end.__name__}")
        end()
        name = f"during-{end.__name__}"
        posting = world.begin_posting(engines, [firing(each, now) for each in incidents(name, 10)])
        seen = len(world.history.posted)
        wait_for("503", partial(_has_503, world, seen), within=10)
        time.sleep(2.0)
        world.postgres.resume()
        if not world.postgres.is_running:
            world.postgres.start()
        broken.until = time.time()
        posting.result(60)
    took = [each.took for each in world.history.posted if each.answer == 503]
    assert max(took) < 6.0
    assert {each.answer for each in world.history.posted} <= {200, 503}
    verdict = world.settle(pager, within=LEASE_SECONDS + 15)
    assert verdict.violations == []
    assert verdict.counts["notifications"] == 40
    wait_for("readiness", lambda: is_ready(engines.first), within=15)
    assert engines.tracebacks() == []


def _has_503(world: World, since: int) -> bool:
    return any(each.answer == 503 for each in world.history.posted[since:])


def test_17_two_engines_that_get_both_halves_of_a_pair_notify_once(postgres_world: World) -> None:
    world = postgres_world
    pager = world.sink()
    engines = world.engines(pager, replicas=2)
    pair = Pair(world.history, engines.webhooks, interval=2.0, chance=random.Random(17))
    pair.is_gossiping = False  # each of them sends everything
    world.loop.run(pair.run(groups_by_chance(25, 5, random.Random(17))), within=90)
    verdict = world.settle(pager, within=30, quiet=3.0)
    assert verdict.violations == []
    assert verdict.counts["acknowledged"] > 1.8 * verdict.counts["notifications"]
    assert engines.tracebacks() == []


@pytest.mark.long
def test_17_what_a_dead_engine_had_in_hand_is_delivered_by_the_other_one(postgres_world: World) -> None:
    world = postgres_world
    pager = world.sink()
    engines = world.engines(pager, replicas=2)
    victim, survivor = engines.all

    def take_and_kill(_: Request) -> Answer:
        victim.kill_now()
        pager.behave(ok)
        return Answer()

    pager.behave(take_and_kill)
    now = time.time()
    some = incidents("dies", 40)
    world.post(engines, [firing(each, now) for each in some])
    wait_for("the end of one", lambda: not victim.is_running or not survivor.is_running, within=30)
    world.history.posted.clear()  # what was cut off was sent again to the other one
    wait_until_told(pager, some, within=LEASE_SECONDS + 15)
    time.sleep(1.0)
    assert check(world.history, ["pager"]).duplicates == []


@pytest.mark.long
def test_17_engine_that_was_paused_past_its_lease_changes_nothing_when_it_comes_back(postgres_world: World) -> None:
    world = postgres_world
    pager = world.sink()
    engines = world.engines(pager, replicas=2)
    victim, other = engines.all
    one, beside = incident("paused"), incidents("beside", 20)
    now = time.time()

    def answer_to_the_dead(_: Request) -> Answer:
        """The sink has it; whoever sent it is stopped before it can note that."""
        victim.pause()
        pager.behave(ok)
        return Answer()

    pager.behave(answer_to_the_dead)
    other.stop()  # so that the victim is the one who sends it
    world.post(victim, [firing(one, now)])
    wait_for("the first attempt", lambda: pager.taken, within=15)
    other.start()
    world.post(other, [firing(each, now) for each in beside])
    wait_for("the copy", lambda: len([each for each in pager.taken if each.group == one.key]) == 2, within=90)
    world.post(other, [resolved(one, now)])
    wait_until_told(pager, beside, within=15)
    wait_for("the end", lambda: any("resolved" in {s.status for s in each.alerts} for each in pager.taken), within=15)
    victim.resume()
    time.sleep(5.0)
    verdict = world.settle(pager, within=15)
    assert verdict.violations == []
    assert len([each for each in pager.taken if each.group == one.key]) == 3
    assert engines.tracebacks() == []
