"""Evidence for a message, within its time budget. What is late or broken is left out, and reported as missing."""

from __future__ import annotations

import asyncio
import logging
import time
from collections.abc import Iterable, Sequence
from datetime import UTC, datetime

from slo_engine import telemetry
from slo_engine.errors import SloEngineError
from slo_engine.evidence.source import Backends, CannotTellError, Source
from slo_engine.evidence.sources import SOURCES
from slo_engine.evidence.subject import Subject
from slo_engine.notifications import Evidence, Missing, Section, Topic
from slo_engine.traces import UnsupportedError

logger = logging.getLogger(__name__)

BREAKER_FAILURES = 3
BREAKER_SECONDS = 30.0
"""After three messages in a row for which a backend failed it is not asked for half a minute: in a storm,
notifications leave at once."""


class Breaker:
    """Lets a backend rest that has failed several times in a row."""

    def __init__(self) -> None:
        self._failures = 0
        self._closed_again_at = 0.0

    def is_open(self, now: float) -> bool:
        """Whether the backend should not be asked now."""
        return self._failures >= BREAKER_FAILURES and now < self._closed_again_at

    def note(self, *, success: bool, now: float) -> None:
        """Remember how a message fared."""
        self._failures = 0 if success else self._failures + 1
        self._closed_again_at = now + BREAKER_SECONDS


class Gatherer:
    """Asks all sources side by side."""

    def __init__(self, sources: Iterable[Source], *, budget: float) -> None:
        """``budget``: seconds after which a message leaves with what there is."""
        self._sources = tuple(sources)
        self.budget = budget
        self._breakers = {source.backend: Breaker() for source in self._sources}

    async def gather(self, subjects: Sequence[Subject], *, within: float | None = None) -> Evidence:
        """Evidence for these subjects; takes no longer than ``within`` seconds (else the budget), and never raises for
        a source."""
        started, gathered_at = time.monotonic(), datetime.now(UTC)
        asking = _Asking(within or self.budget)
        pairs = [(subject, source) for subject in subjects for source in self._sources if source.wants(subject)]
        resting = {name for name, breaker in self._breakers.items() if breaker.is_open(started)}
        async with asyncio.TaskGroup() as tasks:
            asked = [
                None if source.backend in resting else tasks.create_task(asking.ask(source, subject))
                for subject, source in pairs
            ]
        for backend in sorted({source.backend for _, source in pairs} & resting):
            asking.missing.append(Missing(backend, "circuit breaker open after several failures in a row"))
            telemetry.EVIDENCE_SOURCES.labels(backend, "skipped").inc()
        # Once for each message and backend: ten subjects that wait for one server are one failure.
        for backend, answered in asking.answered.items():
            self._breakers[backend].note(success=answered, now=time.monotonic())
        found = {
            (id(subject), source.name): task.result()
            for (subject, source), task in zip(pairs, asked, strict=True)
            if task is not None
        }
        return Evidence(
            gathered_at=gathered_at.isoformat(),
            seconds=round(time.monotonic() - started, 3),
            topics=tuple(_topic(subject, self._sources, found) for subject in subjects),
            missing=tuple(dict.fromkeys(asking.missing)),
        )


def sources(backends: Backends) -> tuple[Source, ...]:
    """Every source there is."""
    return tuple(make(backends) for make in SOURCES.values())


class _Asking:
    """The questions for one message."""

    def __init__(self, limit: float) -> None:
        self._limit = limit
        self.missing: list[Missing] = []
        self.answered: dict[str, bool] = {}
        """Backend -> whether it has answered any of the questions that it could have answered."""

    async def ask(self, source: Source, subject: Subject) -> Section | None:
        backend = source.backend
        section: Section | None = None
        try:
            async with asyncio.timeout(self._limit):
                section = await source.gather(subject)
        except (CannotTellError, UnsupportedError) as error:
            # It is not broken: the breaker stays out of it.
            self.missing.append(Missing(backend, str(error)))
            telemetry.EVIDENCE_SOURCES.labels(backend, "unsupported").inc()
            return None
        except TimeoutError:
            self._note_failure(backend, f"no answer within {self._limit:.2g} s")
            return None
        except SloEngineError as error:
            self._note_failure(backend, str(error))
            return None
        except Exception:
            # A bug in reading evidence must not hold back the notification that it only decorates.
            logger.exception("reading evidence from %s failed", backend)
            self._note_failure(backend, "reading it failed; see the log of the engine")
            return None
        self.answered[backend] = True
        telemetry.EVIDENCE_SOURCES.labels(backend, "success").inc()
        return section

    def _note_failure(self, backend: str, reason: str) -> None:
        self.answered.setdefault(backend, False)
        self.missing.append(Missing(backend, reason))
        telemetry.EVIDENCE_SOURCES.labels(backend, "failure").inc()


def _topic(subject: Subject, asked: Sequence[Source], found: dict[tuple[int, str], Section | None]) -> Topic:
    said = (found.get((id(subject), source.name)) for source in asked)
    return Topic(
        subject.slo.service if subject.slo else None,
        subject.slo.name if subject.slo else None,
        dict(subject.group),
        subject.fingerprints,
        tuple(section for section in said if section is not None),
    )
