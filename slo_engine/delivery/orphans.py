"""Sinks that are gone from the settings, or have another name, while notifications wait for them: nobody sends these
until a person says where to."""

from __future__ import annotations

import logging
from collections.abc import Collection, Sequence

from slo_engine import telemetry
from slo_engine.store import Database, deliveries
from slo_engine.store.deliveries import Orphans

logger = logging.getLogger(__name__)


class OrphanWatch:
    """Looks for them, and tells of each sink once."""

    def __init__(self, database: Database, sinks: Collection[str]) -> None:
        """``sinks``: those of the settings."""
        self._database = database
        self._sinks = sinks
        self._found: Sequence[Orphans] = ()

    @property
    def found(self) -> Sequence[Orphans]:
        """As of the last look."""
        return self._found

    def look(self) -> None:
        """Look again. Raises StoreError."""
        told = {each.sink for each in self._found}
        self._found = self._database.read(lambda connection: deliveries.orphans(connection, self._sinks))
        telemetry.OUTBOX_ORPHANS.clear()
        for each in self._found:
            telemetry.OUTBOX_ORPHANS.labels(each.sink).set(each.waiting)
            if each.sink not in told:
                logger.warning(
                    "notifications wait (%d of them) for sink %s, which is not in the settings: add it, or run `%s`",
                    each.waiting,
                    each.sink,
                    remedy(each.sink),
                )


def remedy(sink: str) -> str:
    """The command that sends what waits for a sink to another."""
    return f"slo-engine deliveries resend --sink {sink} --state waiting --to <sink>"
