"""What every source of evidence answers: does it have something to say about a subject, and what?"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from functools import cached_property
from typing import Protocol

from slo_engine.errors import SloEngineError
from slo_engine.evidence.findings import Findings
from slo_engine.evidence.reading import Traces
from slo_engine.evidence.shared_statuses import SharedStatuses, Statuses
from slo_engine.evidence.subject import Subject
from slo_engine.notifications import Section
from slo_engine.prometheus import Exemplar, Result


class CannotTellError(SloEngineError):
    """Who was asked cannot answer, and is not broken."""


class Source(Protocol):
    """One kind of evidence."""

    @property
    def name(self) -> str:
        """Of its section."""
        ...

    @property
    def backend(self) -> str:
        """Whom it asks. A backend that is down is down for all sources that ask it."""
        ...

    def wants(self, subject: Subject) -> bool:
        """Whether it can say something about the subject, which must be tied to what it knows."""
        ...

    async def gather(self, subject: Subject, deadline: float) -> Section | None:
        """What it says; None when it has nothing to say. At ``deadline`` (of ``time.monotonic``) it is cancelled: it
        ends before, with what it has. Raises CannotTellError, or SloEngineError for a failure."""
        ...


class Metrics(Protocol):
    """What knows the metrics: Prometheus, or a test."""

    async def query(self, expr: str, at: datetime) -> Result:
        """Evaluate an expression. Raises SloEngineError."""
        ...

    async def exemplars(self, expr: str, since: datetime, until: datetime) -> Sequence[Exemplar]:
        """The exemplars of the series in an expression. Raises SloEngineError."""
        ...


@dataclass(frozen=True)
class Remembered:
    """What is known of a cause from before."""

    back_since: datetime
    """When it was first seen in this incident."""
    first_seen: datetime
    last_seen: datetime
    """In the incidents before this one."""
    incidents: int
    """How many there were before this one."""
    last_incident: str
    """The title of the last of them."""
    ended_at: datetime | None
    """When that was resolved; None: it was not, as far as is known."""
    caused_by: str | None = None
    """What people wrote of why it happened."""


class Memory(Protocol):
    """What remembers causes: the store, or a test."""

    async def remember(
        self, subject: str, found: Sequence[str], incident: str, title: str, at: datetime
    ) -> dict[str, Remembered | None]:
        """Note the causes that were found for a notification, received ``at``, and say what was known of each before
        its incident; None: it is new. ``subject``: what it is about; ``incident``: what all notifications of one share
        until it is resolved. Raises SloEngineError."""
        ...


class Agreements(Protocol):
    """What knows the steps of budget policies: the store, or a test."""

    async def in_force(self, service: str, slo: str, group: Mapping[str, str]) -> Sequence[str]:
        """Those in force for a budget, one line each. Raises SloEngineError."""
        ...


@dataclass(frozen=True)
class Backends:
    """Whom sources ask. None: it is not configured, and nothing that depends on it is said."""

    statuses: Statuses
    traces: Traces | None = None
    metrics: Metrics | None = None
    memory: Memory | None = None
    agreements: Agreements | None = None

    @cached_property
    def shared_statuses(self) -> SharedStatuses:
        """The status of all SLOs, for whoever asks at the same time."""
        return SharedStatuses(self.statuses)

    @cached_property
    def findings(self) -> Findings | None:
        """What sources conclude from the same observations."""
        return None if self.traces is None else Findings(self.traces)
