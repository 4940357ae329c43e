"""Scenarios 5 to 10: sinks that are down, hang, limit, fail, refuse, or say no in a 200. Each has a sink of its own."""

from __future__ import annotations

import json
import time
from collections import Counter
from collections.abc import Iterator
from contextlib import ExitStack
from functools import partial
from itertools import pairwise
from pathlib import Path
from typing import Any

import pytest

from tests.fault.engines import Engines
from tests.fault.sinks import Answer, FakeSink, Request, answering, hang, limited, ok, slow
from tests.fault.world import (
    World,
    firing,
    incident,
    incidents,
    resolved,
    wait_until_told,
)
from tests.postgres import Postgres
from tests.waiting import wait_for

pytestmark = [pytest.mark.stack, pytest.mark.takes(seconds=60)]

SINKS = (
    "down",
    "team",
    "phone",
    "hangs",
    "limited",
    "failing",
    "refuses",
    "chat",
    "cards",
    "slow",
    "gone",
    "token",
    "right",
    "address",
    "login",
)


OUTAGE_SECONDS = 10.0
"""What waits for less is not stale yet."""


class Shared:
    """One world with a sink for each scenario, chosen by the label ``to``."""

    def __init__(self, folder: Path, stack: ExitStack, postgres: Postgres | None) -> None:
        self.world = World(folder, stack, postgres)
        self.sinks = {name: self.world.sink(name) for name in SINKS}
        self.engines: Engines = self.world.engines(
            settings={
                "sinks": [self._settings(name) for name in SINKS],
                "routes": [
                    {"match": {"labels": {"to": "down", "severity": "page"}}, "sinks": ["down", "team"]},
                    *({"match": {"labels": {"to": name}}, "sinks": [name]} for name in SINKS),
                ],
            }
        )

    def _settings(self, name: str) -> dict[str, Any]:
        url = self.sinks[name].url
        match name:
            case "down":
                return {"name": name, "type": "webhook", "url": url, "fallback": "phone", "fallback_after": "3s"}
            case "hangs":
                return {"name": name, "type": "webhook", "url": url, "timeout": "2s"}
            case "chat":
                return {"name": name, "type": "slack_webhook", "url": f"{url}/services/T0/B0/x"}
            case "cards":
                return {"name": name, "type": "teams", "url": f"{url}/workflows/x"}
            case _:
                return {"name": name, "type": "webhook", "url": url}

    def __getitem__(self, name: str) -> FakeSink:
        return self.sinks[name]


@pytest.fixture(scope="module")
def shared(tmp_path_factory: pytest.TempPathFactory, store: Postgres | None) -> Iterator[Shared]:
    with ExitStack() as stack:
        yield Shared(tmp_path_factory.mktemp("sinks"), stack, store)


def test_5_sink_that_was_down_gets_what_is_true_now_and_its_fallback_was_told_meanwhile(shared: Shared) -> None:
    world, engines, down, team, phone = shared.world, shared.engines, shared["down"], shared["team"], shared["phone"]
    now = time.time()
    some = incidents("down", 30, to="down")
    told, flapping, over = some[:10], some[10:20], some[20:]
    world.post(engines, [firing(each, now) for each in told])
    wait_until_told(down, told, within=10)
    down.refuse()
    for posts in (
        [firing(each, now) for each in (*flapping, *over)],
        [resolved(each, now) for each in some],
        [firing(each, now + 1) for each in (*told, *flapping)],
    ):
        world.post(engines, posts)
        time.sleep(0.5)
    # Another sink does not notice.
    assert world.settle(team, within=20, group_prefix='{}:{alertname="down-').violations == []
    wait_until_told(phone, [*told, *flapping], within=20)
    assert engines.first.metric("slo_engine_delivery_attempts_total", sink="down", result="retry") > 0
    time.sleep(OUTAGE_SECONDS)
    before = len(down.taken)
    down.listen()
    verdict = world.settle(down, within=60, quiet=3.0, group_prefix='{}:{alertname="down-')
    assert verdict.violations == []
    late = Counter(each.group for each in down.taken[before:])
    ends = {each.key for each in over}
    # One notification of what is true now, and no stale one: the firing and the end that it missed are a line in it.
    assert {each.key: late[each.key] for each in flapping} == {each.key: 1 for each in flapping}
    assert max(late[each.key] for each in over) <= 1
    assert {tuple(state.status for state in each.alerts) for each in down.taken[before:] if each.group in ends} <= {
        ("resolved",)
    }
    assert max(late.values()) <= 2


def test_6_sink_that_hangs_delays_neither_the_webhook_nor_other_sinks(shared: Shared) -> None:
    world, engines, hangs, team = shared.world, shared.engines, shared["hangs"], shared["team"]
    hangs.behave(hang)
    now = time.time()
    stuck, others = incidents("hangs", 60, to="hangs"), incidents("beside", 60, to="team")
    world.post(engines, [firing(each, now) for pair in zip(stuck, others, strict=True) for each in pair])
    wait_until_told(team, others, within=30)
    assert {each.answer for each in world.history.posted if "hangs-" in each.group or "beside-" in each.group} == {200}
    assert hangs.taken == []  # it hangs still
    hangs.behave(ok)
    assert world.settle(hangs, within=60, group_prefix='{}:{alertname="hangs-').violations == []


def test_7_sink_that_says_retry_after_is_left_alone_until_then(shared: Shared) -> None:
    world, engines, sink = shared.world, shared.engines, shared["limited"]
    answers: list[tuple[float, int | None]] = []
    inner = limited(10, retry_after=2)

    def noted(request: Request) -> Answer:
        answer = inner(request)
        answers.append((request.at, answer.status))
        return answer

    sink.behave(noted)
    now = time.time()
    some = incidents("limited", 60, to="limited")
    world.post(engines, [firing(each, now) for each in some])
    world.post(engines, [resolved(each, now) for each in some[:10]])
    verdict = world.settle(sink, within=60, group_prefix='{}:{alertname="limited-')
    assert verdict.violations == []
    refused = [at for at, status in answers if status == 429]
    # Within the first second they may have been on their way already.
    early = [at for at, _ in answers for said in refused if said + 1.0 < at < said + 1.9]
    assert early == []
    assert len(answers) < 2 * 70


def test_8_sink_that_failed_for_a_while_is_spared_and_gets_everything_exactly_once(shared: Shared) -> None:
    world, engines, sink = shared.world, shared.engines, shared["failing"]
    sink.behave(answering(500))
    now = time.time()
    some = incidents("failing", 40, to="failing")
    world.post(engines, [firing(each, now) for each in some])
    time.sleep(6.0)
    tried = len(sink.received)
    sink.behave(ok)
    verdict = world.settle(sink, within=60, group_prefix='{}:{alertname="failing-')
    assert verdict.violations == []
    assert len(sink.taken) == 40
    assert 1 <= tried <= 40  # a breaker: not each of them again and again


def test_9_what_a_sink_refuses_is_sent_plain_once_then_a_dead_letter_that_can_be_sent_again(shared: Shared) -> None:
    world, engines, sink = shared.world, shared.engines, shared["refuses"]
    sink.behave(answering(400, b"no such field"))
    one = incident("refused", to="refuses")
    world.post(engines, [firing(one, time.time())])
    wait_for("two attempts", lambda: len(sink.received) >= 2, within=20)
    time.sleep(4.0)
    assert len(sink.received) == 2
    assert len({each.key for each in sink.received}) == 1
    full, plain = sink.requests
    assert len(plain.body) <= len(full.body)
    dead = wait_for("the dead letter", lambda: letters(engines, "refuses"), within=60)
    assert len(dead) == 1
    sink.behave(ok)
    again = engines.first.command("deliveries", "resend", "--sink", "refuses", "--yes")
    assert again.returncode == 0, again.stderr
    wait_until_told(sink, [one], within=20)
    assert world.settle(sink, within=1, group_prefix=one.key).violations == []


def letters(engines: Engines, sink: str) -> list[Any]:
    """The dead letters of a sink, as the command line lists them."""
    done = engines.first.command("deliveries", "list", "--sink", sink, "--json")
    assert done.returncode in (0, 1), done.stderr
    rows: list[Any] = json.loads(done.stdout)["deliveries"]
    return rows


@pytest.mark.long
def test_9_what_people_have_to_repair_is_no_dead_letter_at_once(shared: Shared) -> None:
    world, engines, gone = shared.world, shared.engines, shared["gone"]
    elsewhere = {401: "token", 403: "right", 404: "address", 302: "login"}
    some = {status: incident(f"wants-{name}", to=name) for status, name in elsewhere.items()}
    for status, name in elsewhere.items():
        shared[name].behave(answering(status, location=f"{gone.url}/elsewhere"))
    world.post(engines, [firing(each, time.time()) for each in some.values()])
    for name in elsewhere.values():
        wait_for(f"an attempt at {name}", partial(getattr, shared[name], "received"), within=15)
        assert letters(engines, name) == []
        shared[name].behave(ok)
    for status, name in elsewhere.items():
        wait_until_told(shared[name], [some[status]], within=60)
        assert world.settle(shared[name], within=1, quiet=0, group_prefix=some[status].key).violations == []
    assert gone.received == []  # a redirect is not followed


@pytest.mark.parametrize(
    ("name", "refusal", "success"),
    [
        ("chat", answering(200, b"invalid_payload", is_taken=False), answering(200, b"ok")),
        (
            "cards",
            answering(200, b"Microsoft Teams endpoint returned HTTP error 429", is_taken=False),
            answering(200, b"1"),
        ),
    ],
)
def test_10_error_in_a_200_is_a_failure(shared: Shared, name: str, refusal: Any, success: Any) -> None:
    world, engines, sink = shared.world, shared.engines, shared[name]
    sink.behave(refusal)
    world.post(engines, [firing(incident(f"in-a-200-{name}", to=name), time.time())])
    wait_for("an attempt", lambda: sink.received, within=15)
    sink.behave(success)
    if name == "cards":
        wait_for("the card", lambda: sink.taken, within=45)
        assert b"in-a-200-cards" in sink.requests[-1].body
    else:  # what the chat refuses for good: its text says so
        wait_for(
            "the failure in the metrics",
            lambda: engines.first.metric("slo_engine_delivery_attempts_total", sink=name) > 0,
            within=15,
        )
    wait_for(
        "as many deliveries in the metrics as the sink has taken",
        lambda: (
            engines.first.metric("slo_engine_delivery_attempts_total", sink=name, result="delivered") == len(sink.taken)
        ),
        within=15,
    )


@pytest.mark.long
def test_sink_that_takes_its_time_gets_as_many_requests_as_there_are_notifications(shared: Shared) -> None:
    world, engines, sink = shared.world, shared.engines, shared["slow"]
    sink.behave(slow(3.0))
    now = time.time()
    some = incidents("slow", 60, to="slow")
    world.post(engines, [firing(each, now) for each in some])
    wait_until_told(sink, some, within=60)
    sink.behave(ok)
    assert world.settle(sink, within=1, quiet=4.0, group_prefix='{}:{alertname="slow-').violations == []
    assert len(sink.received) == 60


def test_no_sink_is_answered_with_a_traceback_in_the_log(shared: Shared) -> None:
    assert shared.engines.tracebacks() == []
    keys = [each.key for each in shared["team"].taken]
    assert all(first != second for first, second in pairwise(keys))
