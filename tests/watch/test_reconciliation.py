"""Reconciliation with a real Alertmanager: what it lost is passed on, and nothing else is."""

from __future__ import annotations

import json
import time
from collections.abc import Iterator, Mapping, Sequence
from functools import partial
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import Connection, delete, insert, select

from slo_engine import telemetry
from slo_engine.alerts.payload import parse
from slo_engine.connect import Connection as HttpConnection
from slo_engine.definitions.slo import SloSet
from slo_engine.notifications.routes import Routes
from slo_engine.store import Database, inbox, messages, tables, watching
from slo_engine.watch import Reconciliation, Teller
from slo_engine.watch.alertmanager import Alertmanager
from slo_engine.watch.reconciliation import REMARK
from tests.waiting import wait_for
from tests.watch.alertmanagers import RealAlertmanager, Receiver, names, receiving

pytestmark = [pytest.mark.stack]

LATER = 50.0
"""Seconds after which what is due now is overdue, and no look is stale."""


class Engine:
    """The store, and what compares it with Alertmanager, on a clock that can be moved ahead."""

    def __init__(self, folder: Path, urls: Sequence[str], receivers: Sequence[str], port: int = 0) -> None:
        self.ahead = 0.0
        self.database = Database(f"sqlite:///{folder / 'store.db'}")
        teller = Teller(self.database, Routes((), ("pager", "log")), SloSet, ("log",), lambda: None)
        self._receivers, self._port, self._teller = receivers, port, teller
        self.reconciliation = self._started(urls)
        self._urls = urls

    def restart(self, urls: Sequence[str] | None = None) -> None:
        """As a new process would begin."""
        self.reconciliation.close()
        self.reconciliation = self._started(urls or self._urls)

    def _started(self, urls: Sequence[str]) -> Reconciliation:
        doors = [Alertmanager(HttpConnection(url, timeout=5)) for url in urls]
        return Reconciliation(
            doors,
            self.database,
            self._teller,
            lambda: None,
            receivers=self._receivers,
            port=self._port,
            now=lambda: time.time() + self.ahead,
        )

    def look(self, after: float = 0.0) -> None:
        self.ahead += after
        self.reconciliation.tick()

    def passed_on(self) -> list[dict[str, Any]]:
        """What waits in the inbox."""
        return [json.loads(each.body) for each in self.database.read(lambda found: inbox.next_pending(found, 100))]

    def take(self, bodies: Sequence[Mapping[str, Any]], *, at: float | None = None) -> None:
        """Note what arrived, as the intake does."""
        for body in bodies:
            for alert in parse(json.dumps(body).encode()).raw["alerts"]:
                self.database.write(partial(self._note, alert=alert, at=at))

    def read_all(self) -> list[dict[str, Any]]:
        """Take what waits in the inbox."""
        found = self.passed_on()
        self.take(found, at=time.time() + self.ahead)
        self.database.write(lambda connection: connection.execute(delete(tables.inbox)))
        return found

    def _note(self, connection: Connection, alert: Mapping[str, Any], at: float | None) -> None:
        states = tables.alert_states
        connection.execute(delete(states).where(states.c.fingerprint == alert["fingerprint"]))
        connection.execute(
            insert(states).values(
                alert=alert["fingerprint"],
                source="",
                fingerprint=alert["fingerprint"],
                status=alert["status"],
                starts_at=alert["startsAt"],
                message_id=1,
                thread="thread",
                at=time.time() if at is None else at,
            )
        )

    def close(self) -> None:
        self.reconciliation.close()
        self.database.close()


@pytest.fixture(scope="module")
def receiver() -> Iterator[Receiver]:
    def refuses(body: Mapping[str, Any]) -> bool:
        return any(alert["labels"].get("lost") for alert in body["alerts"])

    with receiving(refuses) as found:
        yield found


@pytest.fixture(scope="module")
def alertmanager(tmp_path_factory: pytest.TempPathFactory, receiver: Receiver) -> Iterator[RealAlertmanager]:
    ours = {"webhook_configs": [{"url": f"{receiver.url}/webhooks/alertmanager", "max_alerts": 3}]}
    config = {
        "route": {
            "receiver": "ours",
            "group_by": ["alertname"],
            "group_wait": "1s",
            "group_interval": "5m",
            "routes": [
                {"receiver": "theirs", "matchers": ['team="other"']},
                {
                    "receiver": "ours",
                    "matchers": ['odd=~"a|b\\"c"', 'alertname!="Nothing"'],
                    "group_by": ["..."],
                    "continue": True,
                },
                {"receiver": "ours", "matchers": ['hours="some"'], "mute_time_intervals": ["always"]},
            ],
        },
        "receivers": [
            {"name": "ours", **ours},
            {"name": "theirs", "webhook_configs": [{"url": f"{receiver.url}/theirs"}]},
        ],
        "inhibit_rules": [
            {"source_matchers": ['alertname="Cause"'], "target_matchers": ['alertname="Consequence"'], "equal": []}
        ],
        "time_intervals": [{"name": "always", "time_intervals": [{"years": ["2000:2100"]}]}],
    }
    with RealAlertmanager(tmp_path_factory.mktemp("alertmanager"), config) as started:
        yield started


@pytest.fixture
def engine(tmp_path: Path, alertmanager: RealAlertmanager) -> Iterator[Engine]:
    found = Engine(tmp_path, [alertmanager.url], ["ours"])
    yield found
    found.close()


def wait_until_seen(receiver: Receiver, *wanted: str) -> None:
    wait_for(str(wanted), lambda: set(wanted) <= names(receiver.refused) | names(receiver.taken), within=20, every=0.05)


def of(bodies: Sequence[dict[str, Any]], name: str) -> dict[str, Any]:
    return next(body for body in bodies if body["alerts"][0]["labels"]["alertname"] == name)


def test_a_page_that_alertmanager_lost_is_passed_on_as_it_would_have_come_and_resolved_when_it_ends(
    engine: Engine, alertmanager: RealAlertmanager, receiver: Receiver
) -> None:
    before = telemetry.REGISTRY.get_sample_value("slo_engine_reconciled_alerts_total") or 0
    engine.look()
    plain = {"alertname": "Lost", "lost": "1", "severity": "page"}
    odd = {"alertname": "LostToo", "lost": "1", "odd": 'b"c', "zone": "Zürich\\1"}
    alertmanager.tell(plain, odd, began_ago=600)
    wait_until_seen(receiver, "Lost", "LostToo")
    engine.look()
    assert engine.passed_on() == []  # Alertmanager has a little time left
    engine.look(LATER)
    for name in ("Lost", "LostToo"):
        refused, passed_on = of(receiver.refused, name), of(engine.passed_on(), name)
        for key in ("receiver", "groupKey", "groupLabels", "status", "version"):
            assert passed_on[key] == refused[key], key
        (was,), (now_is,) = refused["alerts"], passed_on["alerts"]
        for key in ("labels", "fingerprint", "endsAt", "status", "generatorURL"):
            assert now_is[key] == was[key], key
        # The API cuts times at the millisecond.
        assert now_is["startsAt"] == was["startsAt"][:23] + "Z"
        assert now_is["annotations"].pop(REMARK) in now_is["annotations"].pop("summary")
        assert now_is["annotations"] == {}
    assert telemetry.REGISTRY.get_sample_value("slo_engine_reconciled_alerts_total") == before + 2

    engine.read_all()
    engine.look(LATER)
    engine.restart()  # what was passed on is known to the next process
    engine.look(LATER)
    assert engine.passed_on() == []
    alertmanager.tell(plain, odd, ends_in=-1, began_ago=600)
    for _ in range(8):  # Alertmanager, which never sent it, says nothing; it had its interval to do so
        engine.look(LATER)
    resolved = of(engine.passed_on(), "Lost")
    assert (resolved["status"], resolved["groupKey"]) == ("resolved", of(receiver.refused, "Lost")["groupKey"])
    assert names(engine.passed_on()) == {"Lost", "LostToo"}
    assert engine.database.read(watching.reconciled) == []


def test_what_came_or_should_not_come_is_not_passed_on(
    engine: Engine, alertmanager: RealAlertmanager, receiver: Receiver
) -> None:
    engine.look()
    alertmanager.silence(alertname="Silenced")
    alertmanager.tell(
        {"alertname": "Came"},
        {"alertname": "Silenced", "lost": "1"},
        {"alertname": "Cause"},
        {"alertname": "Theirs", "team": "other", "lost": "1"},
        {"alertname": "Muted", "hours": "some", "lost": "1"},
        {"alertname": "Watchdog", "lost": "1"},
        # More than a notification holds: those that were cut off are not missing.
        *({"alertname": "Storm", "number": str(number)} for number in range(6)),
    )
    alertmanager.tell({"alertname": "Consequence", "lost": "1"})
    alertmanager.tell({"alertname": "Brief", "lost": "1"}, ends_in=0.3)
    wait_until_seen(receiver, "Came", "Cause", "Theirs", "Storm")
    storm = of(receiver.taken, "Storm")
    assert (len(storm["alerts"]), storm["truncatedAlerts"]) == (3, 3)
    engine.take(receiver.taken)
    for _ in range(10):
        engine.look(LATER)
    assert engine.passed_on() == []
    assert engine.reconciliation.state == "ok"
    # It is no accident: of what did not come, all but the wrong ones are passed on.
    engine.database.write(lambda connection: connection.execute(delete(tables.alert_states)))
    engine.restart()
    for _ in range(9):
        engine.look(LATER)
    assert names(engine.passed_on()) >= {"Came", "Cause", "Storm"}
    assert not names(engine.passed_on()) & {"Silenced", "Theirs", "Muted", "Consequence", "Brief", "Watchdog"}


def test_what_was_there_before_the_first_comparison_was_sent_to_whoever_was_there(
    tmp_path: Path, alertmanager: RealAlertmanager, receiver: Receiver
) -> None:
    alertmanager.tell({"alertname": "Older", "lost": "1"})
    wait_until_seen(receiver, "Older")
    engine = Engine(tmp_path, [alertmanager.url], ["ours"])
    try:
        for _ in range(10):
            engine.look(LATER)
        assert "Older" not in names(engine.passed_on())
        engine.restart()
        for _ in range(10):
            engine.look(LATER)
        assert "Older" not in names(engine.passed_on())
    finally:
        engine.close()


def test_receivers_are_found_by_the_address_that_alertmanager_posts_to(
    tmp_path: Path, alertmanager: RealAlertmanager, receiver: Receiver
) -> None:
    engine = Engine(tmp_path, [alertmanager.url], [], port=receiver.port)
    stranger = Engine(tmp_path / "other", [alertmanager.url], [], port=1)
    try:
        engine.look()
        stranger.look()
        alertmanager.tell({"alertname": "Addressed", "lost": "1"})
        wait_until_seen(receiver, "Addressed")
        for each in (engine, stranger):
            each.look()
            each.look(LATER)
        assert names(engine.passed_on()) == {"Addressed"}
        assert stranger.passed_on() == []
        assert "alertmanager.receivers" in stranger.reconciliation.state
    finally:
        engine.close()
        stranger.close()


def test_an_alertmanager_that_is_gone_is_told_once_and_one_of_two_is_enough(
    tmp_path: Path, alertmanager: RealAlertmanager, receiver: Receiver
) -> None:
    engine = Engine(tmp_path, ["http://127.0.0.1:9"], ["ours"])
    pair = Engine(tmp_path / "pair", ["http://127.0.0.1:9", alertmanager.url], ["ours"])
    try:
        for _ in range(6):
            engine.look(LATER)
            pair.look(LATER)
        (told,) = engine.database.read(lambda connection: messages.newest(connection, 10))
        assert (told.kind, told.severity, told.title) == (
            "firing",
            "page",
            "slo-engine cannot read the alerts of Alertmanager",
        )
        sinks = engine.database.read(
            lambda connection: connection.execute(select(tables.outbox.c.sink)).scalars().all()
        )
        assert sorted(sinks) == ["log", "pager"]
        assert "connection refused" in engine.reconciliation.state
        assert pair.database.read(lambda connection: messages.newest(connection, 10)) == []

        engine.restart([alertmanager.url])
        engine.look()
        kinds = [each.kind for each in engine.database.read(lambda connection: messages.newest(connection, 10))]
        assert kinds == ["resolved", "firing"]

        alertmanager.tell({"alertname": "OfOne", "lost": "1"})
        wait_until_seen(receiver, "OfOne")
        pair.look()
        pair.look(LATER)
        assert names(pair.passed_on()) == {"OfOne"}
    finally:
        engine.close()
        pair.close()
