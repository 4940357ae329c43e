"""A sign of life to a service outside, which raises an alarm when none comes (a dead man's switch): nothing that runs
here can tell that all of it is gone."""

from __future__ import annotations

import logging
import time
from collections.abc import Callable, Sequence

from slo_engine import telemetry
from slo_engine.connect import Connection, Verdict, explained, failure_of, said_in, verdict_on
from slo_engine.connect.client import ERRORS, client, fetch
from slo_engine.store import Database, StoreError, watching

logger = logging.getLogger(__name__)

SENT = ":heartbeat"
"""The mark that is written before each: whoever cannot write is not healthy."""

MAX_ANSWER_BYTES = 64 * 1024
"""Such services say ``OK``."""

Check = Callable[[], str | None]
"""Why the engine is not healthy; None: in this respect it is."""


class Heartbeat:
    """Sends it while the engine is healthy. Not thread-safe: one job of the clock."""

    def __init__(
        self,
        connection: Connection,
        database: Database,
        checks: Sequence[Check],
        now: Callable[[], float] = time.time,
    ) -> None:
        """Raises TlsError."""
        self._connection = connection
        self._client = client(connection)
        self._database = database
        self._checks = checks
        self._now = now
        self._state = "not sent yet"
        for result in ("sent", "failed", "withheld"):  # from 0, so that the first one is an increase
            telemetry.HEARTBEATS.labels(result)

    @property
    def state(self) -> str:
        """``ok``, or why none was sent."""
        return self._state

    def tick(self) -> None:
        """What the clock does. Never raises, whatever the service does."""
        unhealthy = next((why for check in self._checks if (why := check()) is not None), None) or self._not_stored()
        if unhealthy is not None:
            self._note("withheld", f"withheld: {unhealthy}")
            return
        failure = self._send()
        self._note("sent" if failure is None else "failed", "ok" if failure is None else failure)

    def close(self) -> None:
        """Close the connections."""
        self._client.close()

    def _not_stored(self) -> str | None:
        try:
            self._database.write(lambda connection: watching.set_mark(connection, SENT, self._now()))
        except StoreError as error:
            return str(error)
        return None

    def _send(self) -> str | None:
        """Why the service did not take it."""
        # GET: the one method that all such services take.
        request = self._client.build_request("GET", self._connection.url)
        try:
            answer = fetch(request, self._client, seconds=self._connection.timeout, max_bytes=MAX_ANSWER_BYTES)
        except ERRORS as error:
            return failure_of(error, self._connection).of(self._name)
        if verdict_on(answer.status) is Verdict.DELIVERED:
            return None
        said = said_in(answer.body, self._connection)
        return f"{self._name} answered {explained(answer.status, self._connection, said=said, credentials='token')}"

    @property
    def _name(self) -> str:
        return f"the heartbeat service at {self._connection.address}"

    def _note(self, result: str, state: str) -> None:
        telemetry.HEARTBEATS.labels(result).inc()
        if state != self._state:  # an outage is one line, not one a minute
            (logger.info if state == "ok" else logger.error)("heartbeat: %s", state)
        self._state = state
