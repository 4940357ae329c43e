"""What Alertmanager has, compared with what arrived: an alert that it should have sent and did not is passed on.

Alertmanager gives a notification up after one 4xx, whoever answered it, and a page that resolves before its next try is
never sent at all. What is passed on in its place takes the way of everything that is posted, through the inbox, as the
notification that should have come: the same receiver and group, so that the one of Alertmanager, when it comes after
all, belongs to the same incident.
"""

from __future__ import annotations

import hashlib
import json
import logging
import time
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import partial
from typing import Any

from sqlalchemy import Connection

from slo_engine import telemetry
from slo_engine.store import Database, StoreError, inbox, watching
from slo_engine.watch.alertmanager import Alertmanager, AlertmanagerError, KnownAlert, seconds_of
from slo_engine.watch.expectations import GRACE, SAME_START, Expectations, Group, Placed
from slo_engine.watch.own_alerts import LOCK, NEVER, OwnAlert, Status, Teller, rfc3339
from slo_engine.watch.routing import GROUP_INTERVAL, Configuration, RoutingError, read

logger = logging.getLogger(__name__)

TICK_SECONDS = 15

DOWN_AFTER = 180.0
"""Seconds without an answer of any Alertmanager after which that is told."""

UNREAD_AFTER = 5.0
"""Seconds: while a posted body waits for longer than this to be read, what has come is not known."""

BEGAN = ":reconciliation"
"""The mark of the first comparison on this store. What had begun before it may have been told to anybody."""

REMARK = "slo_engine_reconciled"
"""The annotation that says that Alertmanager did not send the alert."""

_SHOWN = ("description", "summary", "message")
"""The annotations of which a notification shows the first that is there."""

_UNREACHABLE = OwnAlert(
    "SloEngineAlertmanagerUnreachable",
    "page",
    "slo-engine cannot read the alerts of Alertmanager",
    "No Alertmanager of the settings has answered for three minutes. If it is down, no alert is sent to anybody.",
    "alertmanager-unreachable",
)


@dataclass(frozen=True)
class _Answer:
    alerts: Mapping[str, KnownAlert]
    """By fingerprint, of all that answered."""
    configuration: Configuration | None
    """None: it could not be read."""


class Reconciliation:
    """Compares, and passes on. Not thread-safe: one job of the clock, in the engine that leads it."""

    def __init__(
        self,
        alertmanagers: Sequence[Alertmanager],
        database: Database,
        teller: Teller,
        on_posted: Callable[[], None],
        *,
        receivers: Sequence[str] = (),
        watchdog: str = "Watchdog",
        source: str | None = None,
        port: int = 0,
        public_url: str | None = None,
        now: Callable[[], float] = time.time,
    ) -> None:
        """``receivers``: those that post to this engine; empty: those whose address says so, by ``port`` and
        ``public_url``. ``watchdog``: the alert that is noted elsewhere, and never made up. ``source``: the name under
        which they post; None: any."""
        self._alertmanagers = alertmanagers
        self._database = database
        self._teller = teller
        self._on_posted = on_posted
        self._receivers = frozenset(receivers)
        self._watchdog = watchdog
        self._source = source
        self._port = port
        self._public_url = public_url
        self._now = now
        self._expectations = Expectations()
        self._configurations: dict[str, tuple[str, Configuration]] = {}
        self._answered_at = now()
        self._gone_since: dict[str, float] = {}
        self._state = "not compared yet"

    @property
    def state(self) -> str:
        """``ok``, or why nothing is compared."""
        return self._state

    def tick(self) -> None:
        """What the clock does. Never raises for an outage."""
        now = self._now()
        try:
            answer = self._ask()
            if answer is None:
                if now - self._answered_at > DOWN_AFTER and self._teller.fire(_UNREACHABLE, now):
                    logger.error("no Alertmanager answers: what it does not send is not noticed")
                return
            self._answered_at = now
            if self._teller.since(_UNREACHABLE) is not None:
                self._teller.resolve(_UNREACHABLE, now)
            self._compare(answer, now)
        except StoreError as error:
            # Nothing was taken in meanwhile, either: Alertmanager has its next try to send it.
            self._expectations.forget()
            self._note(f"the store cannot be used: {error}")

    def close(self) -> None:
        """Close the connections."""
        for each in self._alertmanagers:
            each.close()

    def _ask(self) -> _Answer | None:
        """What those that answer have; None: none does."""
        alerts: dict[str, KnownAlert] = {}
        configuration, has_answered, said = None, False, ""
        for number, each in enumerate(self._alertmanagers, start=1):
            try:
                for alert in each.alerts(sorted(self._receivers)):
                    alerts[alert.fingerprint] = _merged(alerts.get(alert.fingerprint), alert)
                has_answered = True
                telemetry.ALERTMANAGER_UP.labels(str(number)).set(1)
            except AlertmanagerError as error:
                telemetry.ALERTMANAGER_UP.labels(str(number)).set(0)
                said = str(error)
                continue
            try:
                configuration = configuration or self._configuration(each)
            except (AlertmanagerError, RoutingError) as error:
                said = str(error)
        if not has_answered:
            self._note(said)
            return None
        if configuration is None and not self._receivers:
            self._note(f"{said}: name the receivers in alertmanager.receivers")
        return _Answer(alerts, configuration)

    def _configuration(self, alertmanager: Alertmanager) -> Configuration:
        text = alertmanager.config()
        known = self._configurations.get(alertmanager.address)
        if known is None or known[0] != text:
            known = self._configurations[alertmanager.address] = (text, read(text))
        return known[1]

    def _compare(self, answer: _Answer, now: float) -> None:
        try:
            ours = self._receivers or _addressed(answer.configuration, self._port, self._public_url)
        except RoutingError as error:
            self._note(str(error))
            return
        if not ours:
            return
        placed = [
            each
            for alert in answer.alerts.values()
            if alert.labels.get("alertname") != self._watchdog
            for each in _places(alert, answer.configuration, ours)
        ]
        self._expectations.look(now, placed, self._began(now))
        self._follow(placed, answer.configuration, now)
        unread = self._database.read(watching.oldest_unread)
        if unread is not None and now - unread > UNREAD_AFTER:
            self._note("waits until all that was posted is read")
            return
        overdue = self._expectations.overdue(now)
        fingerprints = {each.alert.fingerprint for each in (*overdue, *placed)} if overdue else set()
        arrived = self._database.read(partial(watching.arrived, fingerprints=fingerprints, source=self._source))
        has_come = {
            each.key for each in (*overdue, *placed) if has_arrived(arrived.get(each.alert.fingerprint), each.alert)
        }
        groups: dict[Group, list[Placed]] = {}
        for each in overdue:
            members = [other for other in placed if other.group == each.group]
            is_cut = 0 < each.group.most_alerts < len(members) and any(other.key in has_come for other in members)
            if each.key in has_come or is_cut:
                self._expectations.settle(each)
            else:
                groups.setdefault(each.group, []).append(each)
        for group, missing in groups.items():
            self._pass_on(group, missing, placed, now)
        self._note("ok")

    def _began(self, now: float) -> float:
        began = self._database.read(lambda connection: watching.mark(connection, BEGAN))
        if began is None:
            self._database.write(lambda connection: watching.set_mark(connection, BEGAN, now))
            return now
        return began

    def _pass_on(self, group: Group, missing: Sequence[Placed], placed: Sequence[Placed], now: float) -> None:
        known = {each.alert.fingerprint for each in missing}
        others = [
            each.alert
            for each in placed
            if each.group == group and each.alert.fingerprint not in known and not each.alert.is_suppressed
        ]
        lost = [_remarked(each.alert) for each in missing]
        body = notification(group, "firing", [*lost, *others], now)
        rows = [
            watching.Reconciled(_row_key(each), now, json.dumps(notification(group, "firing", [alert], now)))
            for each, alert in zip(missing, lost, strict=True)
        ]

        def accept(connection: Connection) -> None:
            self._database.lock(connection, LOCK)
            inbox.accept(connection, json.dumps(body).encode(), now, self._source or "")
            for row in rows:
                watching.add_reconciled(connection, row)

        self._database.write(accept)
        for each in missing:
            self._expectations.settle(each)
        telemetry.RECONCILED.inc(len(missing))
        logger.error(
            "Alertmanager did not send %d alerts of the receiver %s, which are passed on: %s",
            *(len(missing), group.receiver),
            ", ".join(sorted({each.alert.labels.get("alertname", "?") for each in missing})[:5]),
        )
        self._on_posted()

    def _follow(self, placed: Iterable[Placed], configuration: Configuration | None, now: float) -> None:
        """What was passed on ends, too. Alertmanager resolves only what it has sent."""
        rows = self._database.read(watching.reconciled)
        if not rows:
            self._gone_since.clear()
            return
        there = {_row_key(each) for each in placed}
        payloads = {row.alert: json.loads(row.payload) for row in rows}
        fingerprints = [payload["alerts"][0]["fingerprint"] for payload in payloads.values()]
        arrived = self._database.read(partial(watching.arrived, fingerprints=fingerprints, source=self._source))
        for row in rows:
            payload = payloads[row.alert]
            newest = arrived.get(payload["alerts"][0]["fingerprint"])
            if newest is not None and newest.at > row.told_at + SAME_START:
                # Alertmanager has sent it after all, and resolves it.
                self._database.write(partial(watching.forget_reconciled, alert=row.alert))
            elif row.alert in there:
                self._gone_since.pop(row.alert, None)
            elif now - self._gone_since.setdefault(row.alert, now) > _interval(payload, configuration) + GRACE:
                self._resolve(row.alert, payload, now)

    def _resolve(self, key: str, payload: Mapping[str, Any], now: float) -> None:
        ended = self._gone_since.pop(key, now)
        alerts = [{**each, "status": "resolved", "endsAt": rfc3339(ended)} for each in payload["alerts"]]
        body = json.dumps({**payload, "status": "resolved", "alerts": alerts}).encode()

        def accept(connection: Connection) -> None:
            inbox.accept(connection, body, now, self._source or "")
            watching.forget_reconciled(connection, key)

        self._database.write(accept)
        self._on_posted()

    def _note(self, state: str) -> None:
        if state != self._state:  # an outage is one line, not one each look
            (logger.info if state == "ok" else logger.warning)("comparison with Alertmanager: %s", state)
        self._state = state


def has_arrived(newest: watching.ArrivedAlert | None, alert: KnownAlert) -> bool:
    """Whether the newest that came of an alert is of the episode that goes on. A pair of Prometheus servers does not
    agree on when it began, and Alertmanager moves the beginning back."""
    if newest is None:
        return False
    started = seconds_of(newest.starts_at)
    if started is not None and started >= alert.started - SAME_START:
        return True
    return newest.status == "firing" and newest.at >= alert.started


def notification(group: Group, status: Status, alerts: Sequence[KnownAlert], now: float) -> dict[str, Any]:
    """As Alertmanager would have sent it."""
    told = [
        {
            "status": status,
            "labels": dict(alert.labels),
            "annotations": dict(alert.annotations),
            "startsAt": alert.starts_at,
            "endsAt": NEVER if status == "firing" else rfc3339(now),
            "generatorURL": alert.generator_url,
            "fingerprint": alert.fingerprint,
        }
        for alert in alerts
    ]
    return {
        "version": "4",
        "groupKey": group.key,
        "truncatedAlerts": 0,
        "status": status,
        "receiver": group.receiver,
        "groupLabels": dict(group.labels),
        "commonLabels": _common([alert.labels for alert in alerts]),
        "commonAnnotations": _common([alert.annotations for alert in alerts]),
        "externalURL": "",
        "alerts": told,
    }


def _common(each: Sequence[Mapping[str, str]]) -> dict[str, str]:
    return {name: text for name, text in each[0].items() if all(other.get(name) == text for other in each)}


def _remarked(alert: KnownAlert) -> KnownAlert:
    remark = "Alertmanager has this alert and did not send it: slo-engine read it from its API."
    shown = next((name for name in _SHOWN if alert.annotations.get(name)), "description")
    text = f"{alert.annotations.get(shown, '')}\n{remark}".strip()
    return replace(alert, annotations={**alert.annotations, shown: text, REMARK: remark})


def _row_key(placed: Placed) -> str:
    return hashlib.sha256("\0".join(placed.key).encode()).hexdigest()


def _merged(known: KnownAlert | None, alert: KnownAlert) -> KnownAlert:
    """What two peers say of an alert: they tell each other of silences a little late."""
    if known is None:
        return alert
    earlier = min(known, alert, key=lambda each: each.started)
    return replace(
        earlier,
        is_suppressed=known.is_suppressed or alert.is_suppressed,
        receivers=tuple(dict.fromkeys((*known.receivers, *alert.receivers))),
    )


def _addressed(configuration: Configuration | None, port: int, public_url: str | None) -> frozenset[str]:
    return frozenset() if configuration is None else configuration.receivers_at(port, public_url)


def _places(alert: KnownAlert, configuration: Configuration | None, ours: frozenset[str]) -> Iterable[Placed]:
    """The groups of our receivers that an alert belongs to. Where Alertmanager and we do not agree on that, or its
    route has hours, nothing is expected."""
    if configuration is None:
        labels = {"alertname": alert.labels.get("alertname", "")}
        key = f"{{}}:{{alertname={json.dumps(labels['alertname'])}}}"
        for receiver in alert.receivers:
            if receiver in ours:
                yield Placed(Group(receiver, key, labels, GROUP_INTERVAL, GROUP_INTERVAL), alert)
        return
    for route in configuration.route.matching(alert.labels):
        if route.receiver in ours and route.receiver in alert.receivers and not route.has_hours:
            yield Placed(
                Group(
                    route.receiver,
                    route.group_key(alert.labels),
                    route.group_of(alert.labels),
                    route.group_wait,
                    route.group_interval,
                    configuration.most_alerts(route.receiver),
                ),
                alert,
            )


def _interval(payload: Mapping[str, Any], configuration: Configuration | None) -> float:
    """How long Alertmanager may take to send that an alert has ended."""
    routes = configuration.route.matching(payload["alerts"][0]["labels"]) if configuration else ()
    return max((route.group_interval for route in routes), default=GROUP_INTERVAL)
