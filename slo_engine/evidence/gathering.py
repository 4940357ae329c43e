"""Evidence for a message, within its time budget. What is late or broken is left out, and reported as missing."""

from __future__ import annotations

import asyncio
import logging
import time
from collections.abc import Iterable, Mapping, Sequence
from contextlib import suppress
from datetime import UTC, datetime
from functools import partial

from slo_engine import telemetry
from slo_engine.errors import SloEngineError
from slo_engine.evidence.answer import answer_of
from slo_engine.evidence.once import Once
from slo_engine.evidence.shared_statuses import Statuses
from slo_engine.evidence.source import Backends, CannotTellError, Source
from slo_engine.evidence.sources import SOURCES
from slo_engine.evidence.subject import Subject
from slo_engine.notifications import Evidence, Missing, Section, Topic
from slo_engine.prometheus import PrometheusError
from slo_engine.traces import TracesError, UnsupportedError

logger = logging.getLogger(__name__)

BREAKER_FAILURES = 3
BREAKER_SECONDS = 30.0
"""After three messages in a row for which a backend failed it is not asked for half a minute: in a storm,
notifications leave at once."""

FULL = 0.5
"""The part of the budget from which on a message without an answer says something about the backend: one that waited
for its turn leaves it too little time."""

MAX_SUBJECTS = 10
"""Subjects of one notification that get evidence: a storm in one group must not multiply requests."""

RESERVED = 0.1
"""Seconds of the time that a source does not get, so that it can end with what it has before it is cancelled."""


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

    def __init__(self, sources: Iterable[Source], statuses: Statuses | None = None, *, budget: float) -> None:
        """``statuses``: tells which subjects have the most errors. ``budget``: seconds after which a message leaves
        with what there is."""
        self._sources = tuple(sources)
        self._statuses = statuses
        self.budget = budget
        self._said: Once[Section | None] = Once(is_empty=lambda section: section is None or section.is_empty)
        self._breakers = {source.backend: Breaker() for source in self._sources}

    async def gather(self, subjects: Sequence[Subject], *, within: float | None = None) -> Evidence:
        """Evidence for these subjects; takes no longer than ``within`` seconds (else the budget), and never raises for
        a source."""
        started, gathered_at = time.monotonic(), datetime.now(UTC)
        limit = within or self.budget
        asking = _Asking(self._said, started + limit, is_full=limit >= FULL * self.budget)
        chosen = await self._largest(subjects, started + limit / 4)
        if len(chosen) < len(subjects):
            asking.missing.append(
                Missing("engine", f"evidence for {len(chosen)} of {len(subjects):,} groups: those with the most errors")
            )
        pairs = [(subject, source) for subject in chosen for source in self._sources if source.wants(subject)]
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
            topics=tuple(_topic(subject, self._sources, found) for subject in chosen),
            missing=tuple(dict.fromkeys(asking.missing)),
        )

    async def _largest(self, subjects: Sequence[Subject], deadline: float) -> Sequence[Subject]:
        """The subjects with the most errors, in their order."""
        if len(subjects) <= MAX_SUBJECTS:
            return subjects
        errors: Mapping[object, float] = {}
        with suppress(TimeoutError, SloEngineError):  # then those that are first
            async with asyncio.timeout(max(0.0, deadline - time.monotonic())):
                errors = {
                    (each.service, each.slo, *each.group.items()): each.events.errors
                    for each in (await self._statuses.statuses() if self._statuses else ())
                    if each.events is not None
                }

        def size(index: int) -> tuple[float, int, int]:
            subject = subjects[index]
            key = (*subject.slo.key, *subject.group.items()) if subject.slo else ()
            return -errors.get(key, 0.0), -len(subject.fingerprints), index

        return [subjects[index] for index in sorted(sorted(range(len(subjects)), key=size)[:MAX_SUBJECTS])]


def sources(backends: Backends) -> tuple[Source, ...]:
    """Every source there is."""
    return tuple(make(backends) for make in SOURCES.values())


class _Asking:
    """The questions for one message."""

    def __init__(self, said: Once[Section | None], deadline: float, *, is_full: bool) -> None:
        self._said = said
        self._deadline = deadline
        self._is_full = is_full
        self._started = time.monotonic()
        self.missing: list[Missing] = []
        self.answered: dict[str, bool] = {}
        """Backend -> whether it has answered any question. One that is not here has shown neither."""

    async def ask(self, source: Source, subject: Subject) -> Section | None:
        backend = source.backend
        section: Section | None = None
        try:
            async with asyncio.timeout(self._deadline - time.monotonic()):
                section = await self._section(source, subject)
        except (CannotTellError, UnsupportedError) as error:
            # It is not broken: the breaker stays out of it.
            self.missing.append(Missing(backend, str(error)))
            telemetry.EVIDENCE_SOURCES.labels(backend, "unsupported").inc()
            return None
        except TimeoutError:
            limit = self._deadline - self._started
            self._note_failure(backend, f"no answer within {limit:.2g} s", is_outage=self._is_full)
            return None
        except SloEngineError as error:
            self._note_failure(backend, str(error), is_outage=_is_outage(error))
            return None
        except Exception:
            # A bug in reading evidence must not hold back the notification that it only decorates.
            logger.exception("reading evidence from %s failed", backend)
            self._note_failure(backend, "reading it failed; see the log of the engine", is_outage=False)
            return None
        self.answered[backend] = True
        telemetry.EVIDENCE_SOURCES.labels(backend, "success").inc()
        return section

    async def _section(self, source: Source, subject: Subject) -> Section | None:
        ask = partial(source.gather, subject, self._deadline - RESERVED)
        if source.backend != "langfuse":
            return await ask()  # what it says is of now, or notes the incident
        # In a storm every notification about a subject would ask the same.
        return await self._said.answer((source.name, subject.identity), subject.span, ask)

    def _note_failure(self, backend: str, reason: str, *, is_outage: bool) -> None:
        if is_outage:
            self.answered.setdefault(backend, False)
        self.missing.append(Missing(backend, reason))
        telemetry.EVIDENCE_SOURCES.labels(backend, "failure").inc()


def _is_outage(error: SloEngineError) -> bool:
    """Whether a backend that answered so is better left alone for a while: not for a wrong key or query."""
    if isinstance(error, TracesError):
        return error.is_outage
    return isinstance(error, PrometheusError) and error.kind in ("unavailable", "timeout")


def _topic(subject: Subject, asked: Iterable[Source], found: Mapping[tuple[int, str], Section | None]) -> Topic:
    said = (found.get((id(subject), source.name)) for source in asked)
    sections = tuple(section for section in said if section is not None)
    answer = answer_of(sections)
    return Topic(
        subject.slo.service if subject.slo else None,
        subject.slo.name if subject.slo else None,
        dict(subject.group),
        subject.fingerprints,
        (*((answer,) if answer else ()), *sections),
    )
