"""Scenarios 1 to 4 and 14: an engine that ends while it has something in hand, and a storm."""

from __future__ import annotations

import time

import psutil
import pytest

from tests.fault.sinks import Answer, Request, hang, ok, slow
from tests.fault.world import (
    World,
    firing,
    groups_at,
    incident,
    incidents,
    percentile,
    resolved,
    wait_until_told,
)
from tests.waiting import wait_for

pytestmark = [pytest.mark.stack, pytest.mark.takes(seconds=45)]

LEASE_SECONDS = 60.0


def test_1_engine_killed_between_commit_and_2xx_makes_one_incident_of_what_is_sent_again(world: World) -> None:
    pager = world.sink()
    engines = world.engines(pager)
    between = world.balancer(engines)
    now = time.time()
    swallowed: list[int] = []

    def passes(number: int) -> bool:
        if number in (60, 150):  # committed, and the sender does not know it
            swallowed.append(number)
            engines.first.kill_now()
        return number not in swallowed

    between.passes = passes
    posting = world.begin_posting(between, [firing(each, now) for each in incidents("kill", 240)])
    for _ in range(2):
        wait_for("the end", lambda: not engines.first.is_running, within=30)
        engines.first.start(wait=False)  # the next end may come before anybody could see it ready
    posting.result(60)
    verdict = world.settle(pager, within=LEASE_SECONDS + 5)
    assert verdict.violations == []
    assert swallowed == [60, 150]
    assert verdict.counts["notifications"] == 240
    assert verdict.counts["requests"] >= 242  # at least these two were sent again
    assert engines.tracebacks() == []


@pytest.mark.long
def test_2_engine_killed_before_it_has_sent_anything_delivers_all_after_its_restart(world: World) -> None:
    pager = world.sink(behaviour=hang)
    engines = world.engines(pager)
    now = time.time()
    some = incidents("waiting", 60)
    world.post(engines, [firing(each, now) for each in some])
    engines.first.kill()
    pager.behave(ok)
    assert groups_at(pager) == set()
    engines.first.start()
    began = time.monotonic()
    verdict = world.settle(pager, within=LEASE_SECONDS + 5)
    assert verdict.violations == []
    assert len(groups_at(pager)) == 60
    assert time.monotonic() - began < LEASE_SECONDS + 7


def test_3_engine_killed_after_the_sink_has_accepted_sends_one_copy_with_the_same_id(world: World) -> None:
    pager = world.sink()
    engines = world.engines(pager)

    def take_and_kill(_: Request) -> Answer:
        engines.first.kill_now()
        pager.behave(ok)
        return Answer()

    pager.behave(take_and_kill)
    world.post(engines, [firing(incident("accepted"), time.time())])
    wait_for("the end", lambda: not engines.first.is_running, within=10)
    engines.first.start()
    wait_for("the copy", lambda: len(pager.taken) == 2, within=LEASE_SECONDS + 5)
    verdict = world.settle(pager, within=1, quiet=2.0)
    assert verdict.violations == []
    assert len(pager.taken) == 2
    assert len({each.key for each in pager.taken}) == 1


def test_4_engine_stopped_with_deliveries_in_flight_loses_none_and_repeats_none(world: World) -> None:
    pager = world.sink(behaviour=slow(1.0))
    engines = world.engines(pager)
    now = time.time()
    some = incidents("stopped", 100)
    world.post(engines, [firing(each, now) for each in some])
    wait_for("a delivery in flight", lambda: pager.received, within=20)
    began = time.monotonic()
    engines.first.stop()
    assert time.monotonic() - began < 10.0
    pager.behave(ok)
    engines.first.start()
    verdict = world.settle(pager, within=LEASE_SECONDS + 5)
    assert verdict.violations == []
    assert len(pager.taken) == 100
    assert engines.tracebacks() == []


def test_14_storm_is_acknowledged_whole_and_what_is_critical_leaves_first(world: World) -> None:
    pager = world.sink(behaviour=slow(0.05))
    engines = world.engines(pager)
    now = time.time()
    tickets = incidents("ticket", 450, severity="ticket")
    pages = incidents("page", 50)
    groups = [*tickets[:300], *pages, *tickets[300:]]
    world.post(engines, [firing(each, now) for each in groups], side_by_side=64)
    wait_until_told(pager, groups, within=60)
    verdict = world.settle(pager, within=1)
    assert verdict.violations == []
    assert {each.answer for each in world.history.posted} == {200}
    order = [each.group for each in pager.taken]
    last_page = max(order.index(each.key) for each in pages)
    behind = sum(order.index(each.key) > last_page for each in tickets)
    assert behind > 50  # those that were there when the pages came, and those that came after


@pytest.mark.long
def test_14_storm_of_five_thousand_groups_is_over_within_a_minute(world: World) -> None:
    pager = world.sink()
    engines = world.engines(pager)
    now = time.time()
    groups = [
        *incidents("ticket", 2000, severity="ticket"),
        *incidents("page", 500),
        *incidents("later", 2500, severity="ticket"),
    ]
    began = time.monotonic()
    world.post(engines, [firing(each, now) for each in groups], side_by_side=64, within=120)
    wait_until_told(pager, groups, within=120)
    took = time.monotonic() - began
    assert psutil.Process(engines.first.pid).memory_info().rss < 300 * 1024 * 1024
    assert world.settle(pager, within=1).violations == []
    assert took < 70.0
    assert percentile([each.took for each in world.acknowledged()], 0.99) < 1.0


@pytest.mark.long
def test_firing_and_resolved_survive_a_crash_in_this_order(world: World) -> None:
    pager = world.sink(behaviour=slow(0.2))
    engines = world.engines(pager)
    now = time.time()
    some = incidents("both", 60)
    world.post(engines, [firing(each, now) for each in some])
    wait_for("half of them", lambda: len(pager.received) > 20, within=30)
    posting = world.begin_posting(engines, [resolved(each, now) for each in some])
    engines.first.kill()
    engines.first.start()
    posting.result(60)
    verdict = world.settle(pager, within=LEASE_SECONDS + 5)
    assert verdict.violations == []
