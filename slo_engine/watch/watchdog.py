"""The watchdog: an alert that always fires, and must keep coming.

It takes the way of every alert, from a rule of Prometheus through Alertmanager to the webhook. When it stays away, so
do the alerts that matter, and nobody else would notice: silence looks like health.
"""

from __future__ import annotations

import logging
import time
from collections.abc import Callable, Mapping, Sequence
from typing import Literal, Protocol

from sqlalchemy import Connection

from slo_engine import telemetry
from slo_engine.amounts import length
from slo_engine.store import Database, StoreError, watching
from slo_engine.watch.own_alerts import OwnAlert, Teller

logger = logging.getLogger(__name__)

TICK_SECONDS = 15

LOST_TIME = 60.0
"""Seconds between two looks that mean that the engine stood still (a suspended machine) or that its clock was set:
arrivals of that time are not missing."""

ARRIVED = ":watchdog"
"""The mark of the last arrival."""

Expect = Literal["auto", "always", "never"]
"""From the first arrival on; from the start of the engine on; not at all."""


class Alertlike(Protocol):
    """An alert of a notification."""

    @property
    def labels(self) -> Mapping[str, str]: ...  # noqa: D102 - as those of alerts.payload.Alert
    @property
    def is_firing(self) -> bool: ...  # noqa: D102


class Grouplike(Protocol):
    """A notification of Alertmanager."""

    @property
    def alerts(self) -> Sequence[Alertlike]: ...  # noqa: D102 - as those of alerts.payload.AlertGroup


def is_watchdog(group: Grouplike, name: str) -> bool:
    """Whether a notification tells of nothing but the watchdog, so that nobody is to be notified."""
    return bool(group.alerts) and all(alert.labels.get("alertname") == name for alert in group.alerts)


def has_arrived(group: Grouplike, name: str) -> bool:
    """Whether it shows that the watchdog fires. One that is resolved says that Prometheus does not send it any more."""
    return any(alert.labels.get("alertname") == name and alert.is_firing for alert in group.alerts)


class Watchdog:
    """Notes when the watchdog arrives, and tells when it stays away."""

    def __init__(
        self,
        database: Database,
        teller: Teller,
        *,
        alert: str = "Watchdog",
        silent_after: float = 300.0,
        expect: Expect = "auto",
        now: Callable[[], float] = time.time,
    ) -> None:
        """``silent_after``: seconds."""
        self._database = database
        self._teller = teller
        self._alert = alert
        self._silent_after = silent_after
        self._expect = expect
        self._now = now
        self._watched_since = self._looked_at = now()
        self._said = "not looked yet"
        self._missing = OwnAlert(
            "SloEngineWatchdogSilent",
            "page",
            "The watchdog stays away from slo-engine",
            f"The alert {alert}, which always fires, has not come for {length(silent_after)}: Prometheus or "
            "Alertmanager is down, or they do not reach each other or the engine. Other alerts stay away likewise.",
            "watchdog",
        )

    @property
    def state(self) -> str:
        """``ok``, or what is to be said of it."""
        return self._said

    def is_watchdog(self, group: Grouplike) -> bool:
        """Whether the notification is the watchdog's alone: it is noted, and passed on to nobody."""
        return is_watchdog(group, self._alert)

    def note(self, connection: Connection, group: Grouplike, received_at: float) -> None:
        """Note an arrival, if the notification is one, in the write in which the notification is taken."""
        if has_arrived(group, self._alert):
            known = watching.mark(connection, ARRIVED)
            # Replicas read what waits in any order. What lies ahead of now is of a clock that was set back since.
            if known is None or known < received_at or known > self._now():
                watching.set_mark(connection, ARRIVED, received_at)

    def tick(self) -> None:
        """What the clock does, in every engine: look, and tell what changed. Never raises for an outage."""
        now = self._now()
        if not 0 <= now - self._looked_at < LOST_TIME:
            self._watched_since = now
        self._looked_at = now
        try:
            last = self._database.read(lambda connection: watching.mark(connection, ARRIVED))
            self._tell(last, self._teller.since(self._missing), now)
        except StoreError as error:
            logger.error("the watchdog waits for the store: %s", error)  # noqa: TRY400 - an outage, no bug

    def _tell(self, last: float | None, told_at: float | None, now: float) -> None:
        heard = last is not None and (last > now or now - last <= self._silent_after)
        if told_at is not None and ((heard and _is_after(last, told_at, now)) or self._expect == "never"):
            if self._teller.resolve(self._missing, now):
                logger.info("the watchdog is back")
            told_at = None
        is_expected = self._expect == "always" or (self._expect == "auto" and last is not None)
        is_silent = is_expected and not heard and now - self._watched_since > self._silent_after
        if is_silent and told_at is None:
            if self._teller.fire(self._missing, now):
                logger.error("the watchdog has stayed away for more than %s", length(self._silent_after))
            told_at = now
        telemetry.WATCHDOG_SILENT.set(told_at is not None)
        telemetry.WATCHDOG_LAST_ARRIVAL.set(last or 0)
        if self._expect == "never":
            self._said = "not expected: watchdog.expect is never"
        elif told_at is not None:
            self._said = f"silent: {'nothing has come yet' if last is None else f'last came {_ago(now - last)}'}"
        else:
            self._said = "ok" if last is not None else "waits for the first"


def _is_after(last: float | None, told_at: float, now: float) -> bool:
    # What was told in the future was told before the clock was set back.
    return last is not None and (last > told_at or told_at > now)


def _ago(seconds: float) -> str:
    return f"{length(max(0.0, seconds))} ago"
