"""The newest status of every SLO, kept by the clock and read by pages, API and evidence."""

from __future__ import annotations

import logging
import threading
import time
from collections.abc import Callable, Sequence
from datetime import UTC, datetime, timedelta

from slo_engine import telemetry
from slo_engine.definitions.slo import SloSet
from slo_engine.prometheus import PrometheusError
from slo_engine.status.beginnings import Beginnings
from slo_engine.status.evaluate import RecordSource, evaluate
from slo_engine.status.model import SloStatus
from slo_engine.status.trends import Trends
from slo_engine.store import Database, StoreError, history

logger = logging.getLogger(__name__)

HISTORY_INTERVAL = timedelta(minutes=5)
"""How often the status goes into the history: as often as the long windows are recorded."""

HISTORY_KEPT = timedelta(days=40)
"""A window of 30 days, and enough to look back on it."""


class StatusBoard:
    """Evaluates all SLOs, remembers the result, and keeps its history. Thread-safe."""

    def __init__(
        self,
        slos: Callable[[], SloSet],
        source: RecordSource,
        database: Database,
        now: Callable[[], datetime] = lambda: datetime.now(UTC),
        keeps: Callable[[], bool] = lambda: True,
    ) -> None:
        """``keeps``: whether this engine keeps the history."""
        self._keeps = keeps
        self._slos = slos
        self._source = source
        self._database = database
        self._now = now
        self._lock = threading.Lock()
        self._statuses: Sequence[SloStatus] = ()
        self._evaluated_at: datetime | None = None
        self._kept_at: datetime | None = None
        self._failure: str | None = None
        self._beginnings = Beginnings()
        self.trends = Trends(database)
        """How the budgets went."""

    @property
    def statuses(self) -> Sequence[SloStatus]:
        """The newest status of every SLO group; empty before the first evaluation."""
        return self._statuses

    @property
    def evaluated_at(self) -> datetime | None:
        """When the newest status was taken."""
        return self._evaluated_at

    @property
    def failure(self) -> str | None:
        """Why the last evaluation failed; None when it did not."""
        return self._failure

    def refresh(self, *, max_age: timedelta = timedelta(0)) -> Sequence[SloStatus]:
        """Evaluate all SLOs now, unless that was done less than ``max_age`` ago. Raises PrometheusError."""
        with self._lock:
            at = self._now()
            # A clock that was set back makes ages negative: that is no reason to wait until it has caught up.
            if self._evaluated_at is not None and timedelta(0) <= at - self._evaluated_at < max_age:
                return self._statuses
            started = time.monotonic()
            try:
                statuses = evaluate(self._slos(), self._source, at, self._beginnings)
            except Exception as error:
                # Whatever it was, what is shown must not look current; it goes on to the caller.
                telemetry.EVALUATIONS.labels("failure").inc()
                known = isinstance(error, PrometheusError)
                self._failure = str(error) if known else f"the evaluation failed ({type(error).__name__})"
                raise
            telemetry.EVALUATIONS.labels("success").inc()
            telemetry.EVALUATION_SECONDS.observe(time.monotonic() - started)
            telemetry.LAST_EVALUATION.set(at.timestamp())
            self._statuses, self._evaluated_at, self._failure = statuses, at, None
            return statuses

    def tick(self) -> None:
        """What the clock does: evaluate, and from time to time keep the result. Never raises for an outage."""
        try:
            statuses = self.refresh()
            at = self._now()
            self.trends.refresh(at)
            if not self._keeps():
                return
            if self._kept_at is None or not timedelta(0) <= at - self._kept_at < HISTORY_INTERVAL:
                self._keep(statuses, at)
                self._kept_at = at
        except (PrometheusError, StoreError) as error:
            logger.error("the status of the SLOs is not up to date: %s", error)  # noqa: TRY400 - an outage, no bug

    def _keep(self, statuses: Sequence[SloStatus], at: datetime) -> None:
        rows = [
            history.StatusRow(
                at.timestamp(),
                status.service,
                status.slo,
                status.group,
                status.error_budget_remaining,
                status.as_json(),
            )
            for status in statuses
            if status.measured_over is not None
        ]
        self._database.write(lambda connection: history.append(connection, rows))
        self._database.write(lambda connection: history.forget_before(connection, (at - HISTORY_KEPT).timestamp()))
