"""Alerts that the engine raises by itself, in the form of Alertmanager's, for what it can tell nobody by way of
Prometheus: that Prometheus or Alertmanager is gone."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any, Literal

from sqlalchemy import Connection

from slo_engine.definitions.labels import SERVICE, SEVERITY
from slo_engine.definitions.slo import SloSet
from slo_engine.notifications import Message
from slo_engine.notifications.alertmanager import fingerprint_of
from slo_engine.notifications.routes import Routes, addressees
from slo_engine.scrub.outgoing import outgoing, outgoing_text
from slo_engine.store import Database, messages, watching

Status = Literal["firing", "resolved"]

SERVICE_NAME = "slo-engine"
"""What these alerts are about, and who they come from; as in ``slos/engine.yaml``."""

NEVER = "0001-01-01T00:00:00Z"
"""``endsAt`` of what still fires."""

LOCK = 7_300_613
"""Of the writes in which an alert is raised or resolved: engines that share a store tell it once."""


@dataclass(frozen=True)
class OwnAlert:
    """What can be wrong. ``runbook``: a section of docs/runbooks.md."""

    name: str
    severity: str
    summary: str
    description: str
    runbook: str

    @property
    def mark(self) -> str:
        """The name under which the store keeps since when it fires."""
        return f":alert:{self.name}"

    @property
    def thread(self) -> str:
        """The incident that it is."""
        return hashlib.sha256(f"{SERVICE_NAME}\0{self.name}".encode()).hexdigest()


def payload(alert: OwnAlert, status: Status, since: float, now: float) -> dict[str, Any]:
    """As Alertmanager would have sent it."""
    labels = {"alertname": alert.name, SERVICE: SERVICE_NAME, SEVERITY: alert.severity}
    annotations = {
        "summary": alert.summary,
        "description": alert.description,
        "runbook_url": f"docs/runbooks.md#{alert.runbook}",
    }
    told = {
        "status": status,
        "labels": labels,
        "annotations": annotations,
        "startsAt": rfc3339(since),
        "endsAt": NEVER if status == "firing" else rfc3339(now),
        "generatorURL": "",
    }
    return {
        "version": "4",
        "groupKey": f'{{}}:{{alertname="{alert.name}"}}',
        "truncatedAlerts": 0,
        "status": status,
        "receiver": SERVICE_NAME,
        "groupLabels": {"alertname": alert.name},
        "commonLabels": labels,
        "commonAnnotations": annotations,
        "externalURL": "",
        "alerts": [{**told, "fingerprint": fingerprint_of(told)}],
    }


class Teller:
    """Raises and resolves the engine's own alerts: each once, however many engines share the store. They go where the
    routes send them and, as nobody knows what else is broken, to the fallbacks of the sinks."""

    def __init__(
        self,
        database: Database,
        routes: Routes,
        slos: Callable[[], SloSet],
        fallbacks: Sequence[str],
        on_told: Callable[[], None],
    ) -> None:
        self._database = database
        self._routes = routes
        self._slos = slos
        self._fallbacks = fallbacks
        self._on_told = on_told

    def since(self, alert: OwnAlert) -> float | None:
        """Since when it fires, in Unix seconds; None: it does not. Raises StoreError."""
        return self._database.read(lambda connection: watching.mark(connection, alert.mark))

    def fire(self, alert: OwnAlert, now: float) -> bool:
        """Raise it, unless it fires already. Returns whether that was told now. Raises StoreError."""
        new, sinks = self._message(alert, "firing", now, now)

        def tell(connection: Connection) -> bool:
            self._database.lock(connection, LOCK)
            if watching.mark(connection, alert.mark) is not None:
                return False
            watching.set_mark(connection, alert.mark, now)
            messages.add_ready(connection, new, sinks)
            return True

        return self._told(tell)

    def resolve(self, alert: OwnAlert, now: float) -> bool:
        """Resolve it, if it fires, wherever it was told. Returns whether that was told now. Raises StoreError."""

        def tell(connection: Connection) -> bool:
            self._database.lock(connection, LOCK)
            since = watching.mark(connection, alert.mark)
            if since is None:
                return False
            watching.remove_mark(connection, alert.mark)
            new, routed = self._message(alert, "resolved", since, now)
            newest = messages.newest_of(connection, alert.thread)
            told = messages.sinks_of_incident(connection, alert.thread, newest + 1) if newest else ()
            known = [sink for sink in told if sink in self._routes.otherwise]
            messages.add_ready(connection, new, known or routed)
            return True

        return self._told(tell)

    def _told(self, tell: Callable[[Connection], bool]) -> bool:
        is_new = self._database.write(tell)
        if is_new:
            self._on_told()
        return is_new

    def _message(
        self, alert: OwnAlert, status: Status, since: float, now: float
    ) -> tuple[messages.NewMessage, tuple[str, ...]]:
        key = hashlib.sha256(f"{alert.name}\0{status}\0{since:.3f}".encode()).hexdigest()
        message = Message(
            f"own_{key[:40]}",
            alert.thread,
            status,
            alert.severity,
            outgoing_text(alert.summary),
            payload=outgoing(payload(alert, status, since, now)),
        )
        routed = self._routes.sinks(addressees(message, self._slos()), datetime.fromtimestamp(now, UTC))
        new = messages.NewMessage(
            now, message.thread, status, message.severity, message.title, message.content(), key=message.key
        )
        return new, tuple(dict.fromkeys((*routed, *self._fallbacks)))


def rfc3339(seconds: float) -> str:
    """A time as Alertmanager writes it."""
    return datetime.fromtimestamp(seconds, UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")
