"""Which runs took longer than a latency SLO allows."""

from __future__ import annotations

import asyncio
from functools import partial

from slo_engine.definitions.traces import Slow
from slo_engine.evidence.causes import slow_runs
from slo_engine.evidence.rendering import causes_section
from slo_engine.evidence.source import Backends, traces_of
from slo_engine.evidence.subject import Subject
from slo_engine.notifications import Section


class SlowRuns:
    """Asks LangFuse for observations by their latency."""

    name = "slow_runs"
    backend = "langfuse"

    def __init__(self, backends: Backends) -> None:
        self._backends = backends

    def wants(self, subject: Subject) -> bool:
        """Slow runs explain slow events."""
        return subject.query is not None and isinstance(subject.explained_by, Slow)

    async def gather(self, subject: Subject) -> Section | None:
        """The slow runs of the window."""
        traces, query, wanted = traces_of(self._backends), subject.query, subject.explained_by
        assert query is not None  # which wants() asks for, as it does for the next line
        assert isinstance(wanted, Slow)
        since, now = subject.span()
        found = await traces.slow(query.tags, since, now, seconds=wanted.seconds)
        explain = partial(slow_runs, found, since, now, traces.url_of, seconds=wanted.seconds)
        return causes_section(self.name, await asyncio.to_thread(explain))
