"""Evidence for a page, within its time budget. What is late or broken is left out, and said to be."""

from __future__ import annotations

import asyncio
import logging
import time
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any, Protocol, TypeVar

from slo_engine import telemetry
from slo_engine.errors import SloEngineError
from slo_engine.evidence.subject import Subject
from slo_engine.status.model import SloStatus
from slo_engine.evidence.model import Finding

logger = logging.getLogger(__name__)

T = TypeVar("T")

BREAKER_FAILURES = 3
BREAKER_SECONDS = 30.0
"""After three failures in a row a source is not asked for half a minute: in a storm, pages leave at once."""


class StatusSource(Protocol):
    """What knows the status of the SLOs."""

    async def statuses(self) -> Sequence[SloStatus]:
        """The status of every SLO group, now. Raises SloEngineError."""
        ...


class TraceSource(Protocol):
    """What knows the traces: :class:`slo_engine.traces.LangFuse`, or a test."""

    async def failures(
        self, tags: Sequence[str], since: datetime, until: datetime, *, observation: str | None = None
    ) -> Finding:
        """Why runs failed. Raises SloEngineError."""
        ...

    async def slow_runs(self, tags: Sequence[str], since: datetime, until: datetime, *, seconds: float) -> Finding:
        """Which runs were slow. Raises SloEngineError."""
        ...


@dataclass(frozen=True)
class Missing:
    """A source that gave nothing, and why."""

    source: str
    reason: str


@dataclass
class SubjectEvidence:
    """What was found out about one subject."""

    subject: Subject
    status: SloStatus | None = None
    finding: Finding | None = None


@dataclass
class Evidence:
    """What was found out for one page."""

    gathered_at: datetime
    seconds: float = 0.0
    subjects: list[SubjectEvidence] = field(default_factory=list)
    missing: list[Missing] = field(default_factory=list)


class Breaker:
    """Lets a source rest that has failed several times in a row."""

    def __init__(self) -> None:
        self._failures = 0
        self._closed_again_at = 0.0

    def is_open(self, now: float) -> bool:
        """Whether the source should not be asked now."""
        return self._failures >= BREAKER_FAILURES and now < self._closed_again_at

    def note(self, *, success: bool, now: float) -> None:
        """Remember how a request went."""
        self._failures = 0 if success else self._failures + 1
        self._closed_again_at = now + BREAKER_SECONDS


class Gatherer:
    """Asks all sources side by side."""

    def __init__(self, statuses: StatusSource, traces: TraceSource | None, *, budget: float) -> None:
        """``budget``: seconds after which a page leaves with what there is."""
        self._statuses = statuses
        self._traces = traces
        self.budget = budget
        self._breakers = {"prometheus": Breaker(), "langfuse": Breaker()}

    async def gather(self, subjects: Sequence[Subject], *, within: float | None = None) -> Evidence:
        """Evidence for these subjects; takes no longer than ``within`` seconds (else the budget), and never raises for
        a source."""
        limit = within or self.budget
        started = time.monotonic()
        now = datetime.now(UTC)
        evidence = Evidence(now, subjects=[SubjectEvidence(subject) for subject in subjects])
        async with asyncio.TaskGroup() as tasks:
            if any(each.subject.slo for each in evidence.subjects):
                tasks.create_task(self._add_statuses(evidence, limit))
            for each in evidence.subjects:
                if self._traces is not None and each.subject.query is not None:
                    tasks.create_task(self._add_finding(evidence, each, self._traces, now, limit))
        if self._traces is None and any(each.subject.query for each in evidence.subjects):
            evidence.missing.append(Missing("langfuse", "LangFuse is not configured"))
        evidence.missing = list(dict.fromkeys(evidence.missing))  # ten subjects, one LangFuse that is down
        evidence.seconds = time.monotonic() - started
        return evidence

    async def _add_statuses(self, evidence: Evidence, limit: float) -> None:
        statuses = await self._ask("prometheus", evidence, limit, self._statuses.statuses)
        by_key = {(status.service, status.slo, *status.group.items()): status for status in statuses or ()}
        for each in evidence.subjects:
            if each.subject.slo is not None:
                each.status = by_key.get((*each.subject.slo.key, *each.subject.group.items()))

    async def _add_finding(
        self, evidence: Evidence, each: SubjectEvidence, traces: TraceSource, now: datetime, limit: float
    ) -> None:
        subject = each.subject
        assert subject.query is not None  # asked for by gather() only then
        query, since = subject.query, now - subject.window
        if subject.slower_than is None:
            each.finding = await self._ask(
                "langfuse",
                evidence,
                limit,
                lambda: traces.failures(query.tags, since, now, observation=query.observation),
            )
        else:
            slower_than = subject.slower_than
            each.finding = await self._ask(
                "langfuse", evidence, limit, lambda: traces.slow_runs(query.tags, since, now, seconds=slower_than)
            )

    async def _ask(self, source: str, evidence: Evidence, limit: float, ask: Callable[[], Awaitable[T]]) -> T | None:
        breaker = self._breakers[source]
        if breaker.is_open(time.monotonic()):
            evidence.missing.append(Missing(source, "it failed several times in a row and is left alone for a while"))
            telemetry.EVIDENCE_SOURCES.labels(source, "skipped").inc()
            return None
        answer: T | None = None
        reason: str | None = None
        try:
            async with asyncio.timeout(limit):
                answer = await ask()
        except TimeoutError:
            reason = f"no answer within {limit:.2g} s"
        except SloEngineError as error:
            reason = str(error)
        except Exception:
            # A bug in reading evidence must not hold back the page that it only decorates.
            logger.exception("reading evidence from %s failed", source)
            reason = "reading it failed; the engine's log says why"
        breaker.note(success=reason is None, now=time.monotonic())
        telemetry.EVIDENCE_SOURCES.labels(source, "success" if reason is None else "failure").inc()
        if reason is not None:
            evidence.missing.append(Missing(source, reason))
        return answer


def as_json(evidence: Evidence) -> dict[str, Any]:
    """The ``enrichment`` object of a page."""
    return {
        "version": "1",
        "gathered_at": evidence.gathered_at.isoformat(),
        "seconds": round(evidence.seconds, 3),
        "missing": [{"source": each.source, "reason": each.reason} for each in evidence.missing],
        "subjects": [_subject_as_json(each) for each in evidence.subjects],
    }


def _subject_as_json(each: SubjectEvidence) -> dict[str, Any]:
    slo = each.subject.slo
    return {
        "service": slo.service if slo else None,
        "slo": slo.name if slo else None,
        "group": dict(each.subject.group),
        "fingerprints": list(each.subject.fingerprints),
        "status": each.status.as_json() if each.status else None,
        "traces": each.finding.as_json() if each.finding else None,
    }
