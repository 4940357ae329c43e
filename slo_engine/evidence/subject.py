"""What a notification is about, as far as evidence can be found: an SLO, its group, and the window that burns."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime

from slo_engine.definitions.slo import Slo
from slo_engine.definitions.targets import Group
from slo_engine.definitions.traces import Explanation, TraceQuery


@dataclass(frozen=True)
class Subject:
    """What one or more alerts of a notification are about."""

    slo: Slo | None
    group: Group
    since: datetime
    until: datetime
    """The window that is looked at: it lies around the alert, whenever its notification is worked on."""
    query: TraceQuery | None
    """How to find its traces; None: it is tied to none."""
    explained_by: Explanation | None
    """What explains it; None: nothing that is known here."""
    fingerprints: tuple[str, ...]
    incident: str = ""
    """What the notifications of one incident share: their thread. Empty: it is of no notification."""
    title: str = ""
    """Of its notification, scrubbed."""

    @property
    def identity(self) -> tuple[object, ...]:
        """What two notifications about the same thing share, but for the time."""
        key = self.slo.key if self.slo else None
        return key, tuple(self.group.items()), self.query, self.explained_by

    @property
    def span(self) -> tuple[datetime, datetime]:
        """The window."""
        return self.since, self.until
