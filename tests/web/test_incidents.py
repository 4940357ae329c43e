"""Messages are grouped into incidents, and an incident tells what its messages say."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from typing import Any

import pytest

from slo_engine.notifications import Evidence, Message, Missing, Section, Topic
from slo_engine.store.messages import MessageHead, StoredMessage
from slo_engine.web.incidents import SHOWN_LAST, Told, incidents, is_link, told

NOON = datetime(2026, 11, 27, 12, 0, tzinfo=UTC).timestamp()
MINUTE = 60.0
DAY = 1440


def head(number: int, kind: str, minute: float, thread: str = "a", state: str = "ready") -> MessageHead:
    return MessageHead(number, f"msg_{number}", NOON + minute * MINUTE, thread, kind, "page", "title", state)


def heads(*said: tuple[str, float] | tuple[str, float, str]) -> list[MessageHead]:
    return [head(number, *each) for number, each in enumerate(said, 1)]


def clock(minute: float) -> str:
    return datetime.fromtimestamp(NOON + minute * MINUTE, UTC).isoformat()


def alert(name: str = "x", start: float | None = 0, end: float | None = None, **other: Any) -> dict[str, Any]:
    times = {"startsAt": clock(start)} if start is not None else {}
    ends = "0001-01-01T00:00:00Z" if end is None else clock(end)
    status = "firing" if end is None else "resolved"
    return {"status": status, "labels": {"name": name}, "fingerprint": name, **times, "endsAt": ends, **other}


def whole(
    said: Sequence[MessageHead],
    payloads: Mapping[int, Any],
    evidence: Mapping[int, Evidence] | None = None,
    *,
    now: float = 60,
    is_all: bool = True,
) -> Told:
    """The one incident of some messages; ``payloads``: alerts, or whole payloads, by message."""
    (incident,) = incidents(said, is_all=is_all)
    read = {}
    for each in said:
        if each.id in payloads:
            payload = payloads[each.id]
            payload = {"alerts": payload} if isinstance(payload, list) else payload
            found = (evidence or {}).get(each.id)
            content = Message(each.key, each.thread, each.kind, None, "", found, payload).content()
            read[each.id] = StoredMessage(**vars(each), content=content)
    return told(incident, read, NOON + now * MINUTE)


def words(found: Told) -> list[str]:
    return [entry.what for entry in found.timeline]


@pytest.mark.parametrize(
    ("said", "expected"),
    [
        pytest.param([], [], id="nothing"),
        pytest.param([("firing", 0)], [[1]], id="one that fires"),
        pytest.param([("firing", 0), ("firing", 240), ("resolved", 300)], [[1, 2, 3]], id="to its resolve"),
        pytest.param([("firing", 0), ("update", 1), ("resolved", 9)], [[1, 2, 3]], id="late evidence belongs to it"),
        pytest.param([("firing", 0), ("resolved", 5), ("update", 6)], [[1, 2, 3]], id="also after the resolve"),
        pytest.param([("firing", 0), ("resolved", 5), ("firing", 15)], [[1, 2], [3]], id="what fires later is another"),
        pytest.param([("firing", 0), ("resolved", 5), ("firing", 5.5)], [[1, 2, 3]], id="the other Alertmanager"),
        pytest.param([("firing", 0), ("resolved", 5), ("resolved", 20)], [[1, 2, 3]], id="resolved twice"),
        pytest.param([("resolved", 5), ("firing", 15)], [[1], [2]], id="a resolve whose beginning was lost"),
        pytest.param([("firing", 0), ("firing", 4 * DAY)], [[1], [2]], id="after days of silence it is another"),
        pytest.param([("firing", 0), ("firing", 2 * DAY)], [[1, 2]], id="a day of silence does not end it"),
        pytest.param(
            [("firing", 0, "a"), ("firing", 1, "b"), ("resolved", 2, "a"), ("resolved", 3, "b")],
            [[1, 3], [2, 4]],
            id="each thread for itself",
        ),
        pytest.param([("status", 0), ("digest", 1), ("report", 2), ("of tomorrow", 3)], [], id="posts are none"),
    ],
)
def test_messages_of_a_thread_are_one_incident_from_the_first_that_fires_to_its_resolve(
    said: list[tuple[str, float]], expected: list[list[int]]
) -> None:
    given = heads(*said)
    found = incidents(reversed(given), is_all=True)
    assert [[each.id for each in incident.messages] for incident in found] == expected


def test_an_incident_that_may_have_begun_before_what_was_read_does_not_say_since_when() -> None:
    said = heads(("firing", 0), ("firing", 240))
    found = whole(said, {1: [alert()], 2: [alert()]}, is_all=False)
    assert found.since is None
    assert words(found) == ["earlier notifications are not shown", "notified again: 1 alert", "repeat"]
    first, second = incidents(heads(("firing", 0), ("resolved", 5), ("firing", 15)), is_all=False)
    assert (first.is_whole, second.is_whole) == (False, True)
    (other, long_after) = incidents(heads(("firing", 0, "a"), ("firing", 4 * DAY, "b")), is_all=False)
    assert (other.is_whole, long_after.is_whole) == (False, True)


@pytest.mark.parametrize(
    ("alerts", "since"),
    [
        pytest.param([alert(start=-5)], -5, id="when the alert began"),
        pytest.param([alert("x", -2), alert("y", -7)], -7, id="the first of them"),
        pytest.param([alert(start=None)], 0, id="it does not say: the first notification"),
        pytest.param([alert(start=0) | {"startsAt": "0001-01-01T00:00:00Z"}], 0, id="a time that is not set"),
        pytest.param([alert(start=0) | {"startsAt": "soon"}], 0, id="no time at all"),
        pytest.param([alert(start=600)], 0, id="in the future"),
        pytest.param([alert("x", -2), alert("y", -90, -60)], -2, id="one that had ended"),
    ],
)
def test_it_fires_since_its_first_alert_began(alerts: list[dict[str, Any]], since: float) -> None:
    found = whole(heads(("firing", 0)), {1: alerts})
    assert found.state == "firing"
    assert found.since == NOON + since * MINUTE


def test_it_fires_since_its_first_notification_at_the_latest_even_if_that_was_not_read() -> None:
    found = whole(heads(("firing", 0), ("firing", 240)), {2: [alert(start=200)]})
    assert found.since == NOON


def test_of_one_that_begins_with_its_end_the_alerts_alone_know_when_it_began() -> None:
    assert whole(heads(("resolved", 20)), {1: [alert(start=3, end=18)]}).since == NOON + 3 * MINUTE
    assert whole(heads(("resolved", 20)), {1: [alert(start=None, end=18)]}).since is None


@pytest.mark.parametrize(
    ("resolved", "ended"),
    [
        pytest.param([alert(end=18)], 18, id="when the alert ended"),
        pytest.param([alert("x", end=18), alert("y", end=19)], 19, id="the last of them"),
        pytest.param([alert(end=18) | {"endsAt": None}], 20, id="it does not say: the notification"),
        pytest.param([alert(end=500)], 20, id="in the future"),
        pytest.param([alert(end=-500)], 20, id="before it began"),
    ],
)
def test_it_is_resolved_when_its_last_alert_ended(resolved: list[dict[str, Any]], ended: float) -> None:
    found = whole(heads(("firing", 0), ("resolved", 20)), {1: [alert()], 2: resolved})
    assert found.state == "resolved"
    assert (found.since, found.ended_at) == (NOON, NOON + ended * MINUTE)
    assert found.firing == ()


def test_what_fires_again_right_after_its_resolve_is_not_called_resolved() -> None:
    said = heads(("firing", 0), ("resolved", 5), ("firing", 5.5))
    again = whole(said, {1: [alert(start=0)], 2: [alert(start=0, end=5)], 3: [alert(start=5.2)]})
    assert (again.state, words(again)[-1]) == ("firing", "fires again: 1 alert")
    unread = whole(said, {1: [alert(start=0)]})
    assert unread.state == "firing"


def test_a_late_copy_of_the_other_alertmanager_leaves_it_resolved() -> None:
    said = heads(("firing", 0), ("resolved", 5), ("firing", 5.5))
    found = whole(said, {1: [alert(start=0)], 2: [alert(start=0, end=5)], 3: [alert(start=0)]})
    assert (found.state, words(found)[-1]) == ("resolved", "fires, said late: these alerts had ended")


def test_after_days_without_a_notification_it_is_not_said_to_fire() -> None:
    assert whole(heads(("firing", 0)), {1: [alert()]}, now=4 * DAY).state == "silent"
    assert whole(heads(("firing", 0)), {1: [alert()]}, now=2 * DAY).state == "firing"


def test_the_timeline_says_what_each_notification_was() -> None:
    said = heads(("firing", 0), ("update", 1), ("firing", 5), ("firing", 10), ("firing", 250), ("resolved", 300))
    one, two = [alert("x")], [alert("x"), alert("y"), alert("z")]
    changed = [alert("x", end=9), alert("y"), alert("z"), alert("v")]
    found = whole(said, {1: one, 2: one, 3: two, 4: changed, 5: changed, 6: [alert("y", end=299)]})
    assert words(found) == [
        "first notification: 1 alert",
        "evidence came late",
        "2 alerts added",
        "1 alert added, 1 alert ended",
        "repeat",
        "resolved",
    ]


def test_alerts_of_a_message_that_was_not_read_are_not_counted() -> None:
    found = whole(heads(("firing", 0), ("firing", 240)), {2: [alert()]})
    assert words(found) == ["first notification", "notified again: 1 alert"]


def test_of_a_long_incident_the_timeline_has_the_beginning_and_the_end() -> None:
    said = heads(*(("firing", 240 * index) for index in range(42)), ("resolved", 240 * 42))
    found = whole(said, {each.id: [alert(end=240 * 42 if each.kind == "resolved" else None)] for each in said})
    assert words(found)[:2] == ["first notification: 1 alert", f"{43 - 1 - SHOWN_LAST} notifications in between"]
    assert len(words(found)) == 2 + SHOWN_LAST
    assert words(found)[-1] == "resolved"
    assert len(found.incident.shown) == 1 + SHOWN_LAST


def test_links_are_those_of_the_newest_notification_each_once_and_never_scripts() -> None:
    def linked(number: int, runbook: str) -> dict[str, Any]:
        annotations = {"runbook_url": runbook, "dashboard_url": "https://grafana/d/1"}
        return alert(str(number), generatorURL=f"https://prometheus/{number}", annotations=annotations)

    old = {"alerts": [linked(9, "https://runbooks/old")]}
    new = {
        "alerts": [
            alert("gone", end=3, generatorURL="https://prometheus/gone"),
            linked(1, "https://runbooks/a"),
            linked(2, "javascript:alert(1)"),
            linked(3, " https://runbooks/b"),
            *(linked(number, "https://runbooks/a") for number in range(4, 30)),
        ],
        "externalURL": "http://alertmanager",
    }
    found = whole(heads(("firing", 0), ("firing", 5)), {1: old, 2: new})
    assert [(link.title, link.url) for link in found.links] == [
        ("Runbook", "https://runbooks/a"),
        ("Dashboard", "https://grafana/d/1"),
        ("Prometheus", "https://prometheus/1"),
        ("Prometheus 2", "https://prometheus/2"),
        ("Prometheus 3", "https://prometheus/3"),
        ("Alertmanager", "http://alertmanager"),
    ]


@pytest.mark.parametrize(
    ("value", "is_one"),
    [
        ("https://example.com/a?b=c", True),
        ("http://localhost:9090", True),
        ("javascript:alert(1)", False),
        ("JAVASCRIPT:alert(1)//http://", False),
        ("data:text/html,x", False),
        ("//example.com", False),
        ("/graph", False),
        ("", False),
        (None, False),
        (3, False),
        (["https://example.com"], False),
        ("https://example.com/" + "x" * 100_000, False),
    ],
)
def test_only_an_address_of_the_web_is_a_link(value: Any, is_one: bool) -> None:
    assert is_link(value) is is_one


def evidence(answer: str | None = None, missing: tuple[Missing, ...] = ()) -> Evidence:
    sections = (Section("answer", answer),) if answer else (Section("budget", "half of it"),)
    return Evidence(clock(1), 0.5, (Topic("agents", "success", {}, sections=sections),), missing)


def test_evidence_is_that_of_the_newest_message_with_an_answer() -> None:
    said = heads(("firing", 0), ("firing", 5), ("firing", 9), ("resolved", 20))
    nothing = Evidence(clock(20), 0.1)
    given = {1: evidence("the first"), 2: evidence("the second"), 3: evidence(), 4: nothing}
    found = whole(said, {number: [alert()] for number in given}, given)
    assert found.enrichment["subjects"][0]["answer"] == "the second"
    assert found.explained_by == said[1]


def test_without_an_answer_it_is_that_of_the_newest_message_with_any() -> None:
    said = heads(("firing", 0), ("firing", 5), ("resolved", 20))
    late = (Missing("langfuse", "did not answer"),)
    found = whole(said, {1: [alert()], 2: [alert()]}, {1: evidence(), 2: evidence(missing=late)})
    assert found.enrichment["missing"] == [{"source": "langfuse", "reason": "did not answer"}]
    assert whole(said, {1: [alert()]}).enrichment == {}


@pytest.mark.parametrize(
    "content",
    [
        {},
        {"payload": None, "evidence": None},
        {"payload": [], "evidence": None},
        {"payload": {"alerts": None}, "evidence": None},
        {"payload": {"alerts": ["x", 3, {"labels": [], "startsAt": 7, "annotations": "no"}]}, "evidence": None},
        {"payload": {"alerts": [], "enrichment": "ours?"}, "evidence": None},
        {"evidence": {"gathered_at": "then"}, "payload": {}},
    ],
)
def test_contents_of_any_shape_are_survived(content: dict[str, Any]) -> None:
    said = heads(("firing", 0))
    (incident,) = incidents(said, is_all=True)
    found = told(incident, {1: StoredMessage(**vars(said[0]), content=content)}, NOON)
    assert (found.state, found.since, found.links) == ("firing", NOON, ())
    assert not found.enrichment


def test_nothing_is_told_of_what_is_not_scrubbed_yet() -> None:
    said = [head(1, "firing", 0, state="gathering")]
    link = alert(generatorURL="https://prometheus/?token=secret")
    found = whole(said, {1: [link]}, {1: evidence("a secret")})
    assert (found.links, found.enrichment) == ((), {})
    assert found.since == NOON
