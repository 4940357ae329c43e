"""What every source of evidence answers: does it have something to say about a subject, and what?"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Protocol

from slo_engine.errors import SloEngineError
from slo_engine.evidence.subject import Subject
from slo_engine.notifications import Section
from slo_engine.status.model import SloStatus
from slo_engine.traces import Observation, Observations


class CannotTellError(SloEngineError):
    """There is nobody to ask."""


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

    async def gather(self, subject: Subject) -> Section | None:
        """What it says; None when it has nothing to say. Raises CannotTellError, or SloEngineError for a failure. It is
        cancelled when the time is up."""
        ...


class Statuses(Protocol):
    """What knows the status of the SLOs."""

    async def statuses(self) -> Sequence[SloStatus]:
        """The status of every SLO group, now. Raises SloEngineError."""
        ...


class Traces(Protocol):
    """What knows the traces: :class:`slo_engine.traces.LangFuse`, or a test."""

    async def failed(self, tags: Sequence[str], since: datetime, until: datetime) -> Observations:
        """ERROR observations. Raises SloEngineError."""
        ...

    async def slow(self, tags: Sequence[str], since: datetime, until: datetime, *, seconds: float) -> Observations:
        """Observations that took longer. Raises SloEngineError."""
        ...

    def url_of(self, observation: Observation) -> str:
        """Where people look at its run."""
        ...


@dataclass(frozen=True)
class Backends:
    """Whom sources ask."""

    statuses: Statuses
    traces: Traces | None
    """None: LangFuse is not configured."""


def traces_of(backends: Backends) -> Traces:
    """The traces. Raises CannotTellError where there are none."""
    if backends.traces is None:
        raise CannotTellError("LangFuse is not configured")
    return backends.traces
