"""What is new, what a twin, what stale; in which order; through the store."""

from __future__ import annotations

import json
import time
from collections.abc import Iterator
from functools import partial
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import Connection, select

from slo_engine.alerts.incidents import LATE_SECONDS, REMINDER_TWINS_SECONDS, Verdict
from slo_engine.alerts.intake import _keep, read
from slo_engine.store import Database, StoredMessage, inbox, messages, outbox
from slo_engine.store.tables import message_order

T0 = 1_800_000_000.0


@pytest.fixture
def database(tmp_path: Path) -> Iterator[Database]:
    opened = Database(f"sqlite:///{tmp_path / 'store.db'}")
    yield opened
    opened.close()


def alert(name: str, status: str = "firing", began: int = 0, ended: int = 5) -> dict[str, Any]:
    """An alert of the episode that began in this minute."""
    end = f"2027-01-15T08:{ended:02}:00Z" if status == "resolved" else "0001-01-01T00:00:00Z"
    labels = {"alertname": name, "severity": "page"}
    return {
        "status": status,
        "labels": labels,
        "annotations": {},
        "startsAt": f"2027-01-15T08:{began:02}:00.123456789Z",
        "endsAt": end,
        "fingerprint": f"fp-{name}",
    }


def group(*alerts: dict[str, Any], key: str = "{}:{}", peer: str = "a", **more: Any) -> bytes:
    status = "firing" if any(each["status"] == "firing" for each in alerts) else "resolved"
    return json.dumps(
        {
            "version": "4",
            "receiver": "slo-engine",
            "groupKey": key,
            "status": status,
            "alerts": list(alerts),
            "externalURL": f"http://alertmanager-{peer}:9093",
            **more,
        }
    ).encode()


def take(
    database: Database, *posted: tuple[float, bytes], source: str = "", at_once: bool = False
) -> dict[Verdict, int]:
    """Post and read them, one by one or together. Returns how many were what."""
    for seconds, body in posted:
        database.write(partial(inbox.accept, body=body, now=T0 + seconds, source=source))
    counts: dict[Verdict, int] = {}
    while pending := database.read(partial(inbox.next_pending, limit=100 if at_once else 1)):
        found = [read(each) for each in pending]
        new, _ = database.write(partial(_keep, found=found, lock=database.lock, watcher=None))
        counts = {verdict: counts.get(verdict, 0) + new.get(verdict, 0) for verdict in Verdict}
    return counts


def kept(database: Database) -> list[StoredMessage]:
    return list(reversed(database.read(lambda connection: messages.newest(connection, 100))))


@pytest.mark.parametrize("at_once", [False, True])
def test_the_other_alertmanager_of_a_cluster_says_the_same_and_is_not_heard_twice(
    database: Database, at_once: bool
) -> None:
    firing, resolved = alert("A"), alert("A", "resolved")
    late_twin = {**resolved, "endsAt": "2027-01-15T08:05:01Z"}  # each finds out by itself when it ended
    counts = take(
        database,
        (0, group(firing)),
        (15, group(firing, peer="b")),
        (60, group(resolved)),
        (75, group(late_twin, peer="b")),
        at_once=at_once,
    )
    assert counts == {Verdict.NEW: 2, Verdict.TWIN: 2, Verdict.STALE: 0}
    assert [each.kind for each in kept(database)] == ["firing", "resolved"]
    assert database.read(lambda connection: inbox.count(connection, "processed")) == 4


def test_what_is_said_again_after_a_while_is_a_reminder_with_a_key_of_its_own(database: Database) -> None:
    firing = group(alert("A"))
    take(database, (0, firing), (LATE_SECONDS + 1, firing), (LATE_SECONDS + 16, firing), (14_400, firing))
    first, second, third = kept(database)
    assert (first.repeats, second.repeats, third.repeats) == (0, 1, 2)
    assert second.key == f"{first.key}_1"
    assert third.key == f"{first.key}_2"


def test_a_reminder_that_says_so_may_come_sooner_and_has_twins_too(database: Database) -> None:
    said = group(alert("A"), notification_reason="first notification")
    again = group(alert("A"), notification_reason="repeat interval elapsed")
    counts = take(database, (0, said), (60, again), (60 + REMINDER_TWINS_SECONDS - 1, again), (120, again))
    assert counts == {Verdict.NEW: 3, Verdict.TWIN: 1, Verdict.STALE: 0}


def test_the_key_follows_from_what_is_said_on_every_engine(tmp_path: Path) -> None:
    keys = set()
    for name, peer in (("one", "a"), ("two", "b")):
        opened = Database(f"sqlite:///{tmp_path / name}.db")
        take(opened, (0, group(alert("A"), alert("B"), peer=peer)))
        keys |= {each.key for each in kept(opened)}
        opened.close()
    assert len(keys) == 1


@pytest.mark.parametrize("key", ["{}:{}", "another route"])
def test_what_fires_after_its_end_is_stale_and_what_fires_anew_is_not(database: Database, key: str) -> None:
    take(database, (0, group(alert("A"))), (300, group(alert("A", "resolved"))))
    stale = group(alert("A"), key=key, notification_reason="some alerts resolved")
    assert take(database, (310, stale))[Verdict.NEW] == 0
    assert take(database, (320, group(alert("A", began=9), key=key)))[Verdict.NEW] == 1


def test_an_alert_that_goes_on_with_the_same_start_long_after_its_end_is_told(database: Database) -> None:
    """Prometheus could not reach Alertmanager, which took it for resolved."""
    take(database, (0, group(alert("A"))), (400, group(alert("A", "resolved"))))
    assert take(database, (400 + LATE_SECONDS, group(alert("A"))))[Verdict.NEW] == 1


def test_the_end_of_an_episode_that_comes_after_the_next_began_ends_nothing(database: Database) -> None:
    take(database, (0, group(alert("A"))), (600, group(alert("A", began=9))))
    assert take(database, (610, group(alert("A", "resolved", ended=5)))) == {
        Verdict.NEW: 0,
        Verdict.TWIN: 0,
        Verdict.STALE: 1,
    }


def test_the_end_of_an_episode_whose_start_two_prometheus_servers_see_differently_is_told(database: Database) -> None:
    """Alertmanager takes the earlier start of the two, in the message that resolves it, too."""
    take(database, (0, group(alert("A", began=2))))
    assert take(database, (600, group(alert("A", "resolved", began=1, ended=9))))[Verdict.NEW] == 1


def test_a_group_with_one_stale_alert_and_news_is_told(database: Database) -> None:
    take(database, (0, group(alert("A"))), (60, group(alert("A", "resolved"))))
    assert take(database, (70, group(alert("A"), alert("B"))))[Verdict.NEW] == 1


def test_sources_do_not_know_each_other(database: Database) -> None:
    take(database, (0, group(alert("A"))))
    assert take(database, (1, group(alert("A"))), source="other")[Verdict.NEW] == 1
    assert len({each.thread for each in kept(database)}) == 2


def order(connection: Connection) -> set[tuple[int, int]]:
    return {(row.message_id, row.after_id) for row in connection.execute(select(message_order))}


@pytest.mark.parametrize("at_once", [False, True])
def test_an_alert_that_moves_to_another_group_is_told_in_its_order(database: Database, at_once: bool) -> None:
    bodies = (0, group(alert("A"), key="old")), (1, group(alert("A", "resolved"), key="new"))
    take(database, *bodies, at_once=at_once)
    first, second = kept(database)
    assert first.thread != second.thread
    assert database.read(order) == {(second.id, first.id)}
    for each in (second, first):
        finish = partial(messages.finish, message_id=each.id, content=each.content, sinks=["sink"], now=T0)
        database.write(finish)
    claim = partial(outbox.claim, sink="sink", limit=9, lease=60.0, holder="us")
    (claimed,) = database.write(claim).claims
    assert claimed.message.id == first.id
    database.write(partial(outbox.delivered, claimed=claimed))
    (claimed,) = database.write(claim).claims
    assert claimed.message.id == second.id


def test_a_group_that_waits_for_evidence_holds_back_others_with_its_alerts(database: Database) -> None:
    take(database, (0, group(alert("A"), key="old")), (1, group(alert("A", "resolved"), key="new")))
    first, second = kept(database)
    finish = partial(messages.finish, message_id=second.id, content=second.content, sinks=["sink"], now=T0)
    database.write(finish)
    assert database.write(partial(outbox.claim, sink="sink", limit=9, lease=60.0, holder="us")).claims == ()
    assert first.state == "gathering"


def test_of_a_group_with_an_alert_that_cannot_be_read_both_parts_are_passed_on(database: Database) -> None:
    take(database, (0, group(alert("A"), {"status": "firing", "labels": ["x"], "annotations": {"summary": "disk"}})))
    known, unknown = kept(database)
    assert [each["labels"]["alertname"] for each in known.content["payload"]["alerts"]] == ["A"]
    said = unknown.content["payload"]
    assert said["alerts"][0]["annotations"]["summary"].startswith("disk: ")
    assert said["unreadable"]["reason"] == "alerts[1].labels: expected a JSON object"
    assert '"labels": ["x"]' in said["unreadable"]["body"]
    assert database.read(lambda connection: inbox.count(connection, "quarantined")) == 1


def test_the_same_nonsense_is_passed_on_once(database: Database) -> None:
    assert take(database, (0, b"nonsense"), (10, b"nonsense"), (20, b"other nonsense")) == {
        Verdict.NEW: 2,
        Verdict.TWIN: 1,
        Verdict.STALE: 0,
    }
    assert len({each.thread for each in kept(database)}) == 1  # one incident for each mistake


def test_pages_leave_first_wherever_they_wait(database: Database) -> None:
    ticket = {**alert("T"), "labels": {"alertname": "T", "severity": "ticket"}}
    now = time.time() - T0
    take(database, (now, group(ticket, key="t")), (now + 1, group(alert("P"), key="p")))
    claim = partial(messages.claim_gathering, limit=9, lease=60.0, holder="us")
    found = database.write(claim)
    assert [each.content["payload"]["groupKey"] for each in found] == ["p", "t"]
    for each in reversed(found):
        database.write(partial(messages.finish, message_id=each.id, content=each.content, sinks=["sink"], now=T0))
    claimed = database.write(partial(outbox.claim, sink="sink", limit=9, lease=60.0, holder="us")).claims
    assert [each.message.content["payload"]["groupKey"] for each in claimed] == ["p", "t"]


def told(database: Database) -> list[tuple[str, list[tuple[str, str]]]]:
    """The kind of each message, and what it says of each alert."""
    found = database.read(partial(messages.newest, limit=100))[::-1]
    return [
        (each.kind, [(alert["labels"]["alertname"], alert["status"]) for alert in each.content["payload"]["alerts"]])
        for each in found
    ]


def test_late_end_of_one_alert_does_not_close_the_incident_of_another_that_has_begun_again(database: Database) -> None:
    take(database, (0, group(alert("a"), alert("b"))))
    take(database, (70, group(alert("a", began=10, ended=0), key="{}:{}")))
    take(database, (80, group(alert("a", "resolved", ended=5), alert("b", "resolved", ended=5), peer="b")))
    assert told(database)[1:] == [("firing", [("a", "firing")]), ("firing", [("b", "resolved")])]


def test_alert_that_is_over_is_not_told_again_by_what_is_news_of_another(database: Database) -> None:
    take(database, (0, group(alert("a"))), (60, group(alert("a", "resolved"))))
    take(database, (90, group(alert("a"), alert("b"), peer="b")))
    assert told(database)[2:] == [("firing", [("b", "firing")])]
    take(database, (150, group(alert("a", "resolved"), alert("b", "resolved"), peer="b")))
    assert told(database)[3:] == [("resolved", [("a", "resolved"), ("b", "resolved")])]


def test_beginning_of_an_episode_is_no_news_while_the_next_goes_on(database: Database) -> None:
    take(database, (0, group(alert("a", began=10))))
    counts = take(database, (90, group(alert("a"), peer="b")), (95, group(alert("a"), alert("b"), peer="b")))
    assert counts[Verdict.STALE] == 1
    assert told(database)[1:] == [("firing", [("a", "firing"), ("b", "firing")])]
    assert take(database, (150, group(alert("a", "resolved", began=10), alert("b", "resolved"))))[Verdict.NEW] == 1


def test_an_alert_whose_start_goes_back_a_little_stays_in_what_else_is_told(database: Database) -> None:
    """The second of two Prometheus servers has seen it begin earlier."""
    take(database, (0, group(alert("A", began=2))))
    assert take(database, (60, group(alert("A", began=1))))[Verdict.STALE] == 1  # that it fires is known
    assert take(database, (90, group(alert("A", began=1), alert("B"))))[Verdict.NEW] == 1
    told = kept(database)[-1].content["payload"]
    assert [each["labels"]["alertname"] for each in told["alerts"]] == ["A", "B"]
    assert take(database, (600, group(alert("A", "resolved", began=1, ended=9), alert("B"))))[Verdict.NEW] == 1


def test_end_of_an_episode_is_not_told_after_that_of_the_next(database: Database) -> None:
    take(database, (0, group(alert("a"))), (60, group(alert("a", "resolved", began=10, ended=15))))
    assert take(database, (65, group(alert("a", "resolved", ended=5), peer="b")))[Verdict.STALE] == 1


def test_group_that_an_alert_has_left_is_closed_though_it_fires_again_elsewhere(database: Database) -> None:
    take(database, (0, group(alert("a"), key="old")), (60, group(alert("a", began=10), key="new")))
    take(database, (65, group(alert("a", "resolved", ended=5), key="old", peer="b")))
    assert told(database)[2:] == [("resolved", [("a", "resolved")])]
    # And what is known of the alert is still that it fires.
    assert take(database, (70, group(alert("a"), key="new", peer="b")))[Verdict.STALE] == 1


@pytest.mark.parametrize("at_once", [False, True])
def test_late_end_does_not_close_the_other_of_two_groups_that_both_told_that_the_alert_fires_again(
    database: Database, at_once: bool
) -> None:
    again, over = alert("a", began=10), alert("a", "resolved", ended=5)
    both = [(seconds, group(each, key=key)) for seconds, each, key in (
        (0, alert("a"), "one"), (1, alert("a"), "two"), (300, over, "one"), (660, again, "two"), (661, again, "one"),
    )]  # fmt: skip
    late = (662, group(over, key="two", peer="b"))
    counts = take(database, *both, late, at_once=at_once)
    assert counts[Verdict.STALE] == 1
    assert [kind for kind, _ in told(database)] == ["firing", "firing", "resolved", "firing", "firing"]
