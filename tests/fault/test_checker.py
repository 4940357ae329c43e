"""The checker finds what was broken, and nothing else; the model of Alertmanager keeps to its table."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest

from tests.fault.alertmanagers import Alert, Group, Pair
from tests.fault.checker import check
from tests.fault.history import AlertState, Disruption, History, Posted, Received, rfc3339
from tests.fault.loop import Loop
from tests.fault.sinks import FakeSink, answering, hang

GROUP = "{}:{x}"
FIRING = AlertState("a", 1000.0, "firing")
RESOLVED = AlertState("a", 1000.0, "resolved")
AGAIN = AlertState("a", 1060.0, "firing")


def post(at: float, *states: AlertState, answer: int | None = 200) -> Posted:
    return Posted(at, 0.01, "am-0", "http://engine", GROUP, frozenset(states), answer)


def receipt(at: float, key: str, *states: AlertState, answer: int = 204) -> Received:
    alerts = [
        {"fingerprint": state.fingerprint, "startsAt": rfc3339(state.starts_at), "status": state.status}
        for state in states
    ]
    return Received(at, "pager", key, {"groupKey": GROUP, "alerts": alerts}, answer, answer < 300)


def violations(history: History) -> list[str]:
    return [text.split(":")[0] for text in check(history, ["pager"]).violations]


def test_history_in_which_all_was_kept_has_no_violation() -> None:
    history = History(
        posted=[post(1, FIRING), post(2, RESOLVED), post(3, AGAIN, answer=503), post(4, AGAIN)],
        received=[
            receipt(1, "1", FIRING),
            receipt(2, "2", RESOLVED, answer=500),
            receipt(3, "2", RESOLVED),
            receipt(5, "3", AGAIN),
        ],
    )
    verdict = check(history, ["pager"])
    assert verdict.violations == []
    assert verdict.counts["notifications"] == 3
    assert verdict.counts["pager: requests"] == 4
    assert verdict.counts["pager: taken"] == 3


@pytest.mark.parametrize(
    ("received", "expected"),
    [
        pytest.param([receipt(1, "1", FIRING)], ["lost", "lost"], id="the end is missing"),
        pytest.param([receipt(1, "1", FIRING), receipt(2, "2", RESOLVED, answer=429)], ["lost", "lost"], id="refused"),
        pytest.param([], ["lost", "lost"], id="nothing arrives, and nothing was broken"),
        pytest.param(
            [receipt(1, "2", RESOLVED), receipt(2, "1", FIRING)], ["lost", "out of order"], id="resolved comes first"
        ),
        pytest.param(
            [receipt(1, "1", FIRING), receipt(2, "2", RESOLVED), receipt(3, "1", FIRING)],
            ["sent more than once"],
            id="sent again with nothing broken",
        ),
        pytest.param(
            [receipt(1, "1", FIRING), receipt(2, "9", FIRING), receipt(3, "2", RESOLVED)],
            ["two ids"],
            id="twins under two ids",
        ),
        pytest.param(
            [receipt(1, "1", FIRING), receipt(2, "2", RESOLVED), receipt(3, "3", AGAIN)],
            ["never sent"],
            id="a state that nobody posted",
        ),
    ],
)
def test_each_broken_promise_is_found(received: list[Received], expected: list[str]) -> None:
    assert violations(History(posted=[post(1, FIRING), post(2, RESOLVED)], received=received)) == expected


def test_earlier_start_that_is_told_late_is_no_violation_while_the_alert_fires_and_is_one_after_its_end() -> None:
    posted = [post(1, FIRING), post(2, AGAIN)]
    received = [receipt(2, "2", AGAIN), receipt(3, "1", FIRING)]
    assert violations(History(posted=posted, received=received)) == []
    ended = AlertState("a", 1060.0, "resolved")
    later = [receipt(4, "3", ended), receipt(5, "4", FIRING)]
    assert "out of order" in violations(History(posted=[*posted, post(4, ended)], received=[*received, *later]))


def test_copy_is_explained_by_a_crash_that_followed_the_first_one_and_by_no_other() -> None:
    received = [receipt(100, "1", FIRING), receipt(130, "1", FIRING)]
    posted = [post(99, FIRING)]
    assert violations(History(posted, received, [Disruption("kill", 101.0, 101.0)])) == []
    assert violations(History(posted, received, [Disruption("kill", 120.0, 121.0)])) == ["sent more than once"]
    assert violations(History(posted, received, [Disruption("kill", 60.0, 61.0)])) == ["sent more than once"]


def test_episode_that_was_over_while_the_sink_took_nothing_may_be_left_out_and_its_end_may_not() -> None:
    down = [Disruption("pager", 0.0, 5.0)]
    over = History(posted=[post(1, FIRING), post(2, RESOLVED)], outages=down)
    assert violations(over) == []
    assert check(over, ["pager"]).counts["pager: over before it could be told"] == 2
    began_before = History([post(1, FIRING), post(2, RESOLVED)], [receipt(1, "1", FIRING)], outages=down)
    assert violations(began_before) == ["lost", "lost"]
    goes_on = History([post(1, FIRING), post(2, RESOLVED), post(3, AGAIN)], outages=down)
    assert violations(goes_on) == ["lost", "lost", "lost"]


@pytest.fixture
def loop() -> Iterator[Loop]:
    with Loop() as running:
        yield running


def one_alert(*fires: bool) -> Group:
    alert = Alert({"alertname": "A"})
    steps = [{alert.fingerprint: 0.0} if each else {} for each in fires]
    return Group(GROUP, {alert.fingerprint: alert}, steps)


def posts_of(loop: Loop, engine_is: Any, group: Group, **options: Any) -> list[tuple[str, int | None, str]]:
    history = History()
    engine = FakeSink("engine", loop, History(), engine_is)
    pair = Pair(history, [engine.url], interval=0.3, peer_timeout=0.1, flush_seconds=0.28, **options)
    loop.run(pair.run([group]))
    engine.refuse()
    return [(each.member, each.answer, next(iter(each.alerts)).status) for each in history.posted]


def test_pair_sends_each_change_once_and_the_second_member_is_silent(loop: Loop) -> None:
    found = posts_of(loop, answering(200), one_alert(True, True, False))
    assert found == [("am-0", 200, "firing"), ("am-0", 200, "resolved")]


def test_members_that_do_not_hear_of_each_other_send_both(loop: Loop) -> None:
    history = History()
    engine = FakeSink("engine", loop, History(), answering(200))
    pair = Pair(history, [engine.url], interval=0.3, peer_timeout=0.1)
    pair.is_gossiping = False
    loop.run(pair.run([one_alert(True, False)]))
    assert sorted((each.member, next(iter(each.alerts)).status) for each in history.posted) == [
        ("am-0", "firing"),
        ("am-0", "resolved"),
        ("am-1", "firing"),
        ("am-1", "resolved"),
    ]


def test_alert_that_nobody_took_while_it_fired_is_never_mentioned_again(loop: Loop) -> None:
    """A 429 is given up at once. This is how pages vanish without an engine that takes everything."""
    assert posts_of(loop, answering(429), one_alert(True, False), members=1) == [("am-0", 429, "firing")]


def test_engine_that_hangs_is_given_up_with_the_flush_and_tried_at_the_next(loop: Loop) -> None:
    found = posts_of(loop, hang, one_alert(True, True, False), members=1)
    assert found == [("am-0", None, "firing"), ("am-0", None, "firing")]
