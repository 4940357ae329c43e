"""Which runs took longer than a latency SLO allows."""

from __future__ import annotations

import asyncio

from slo_engine.definitions.traces import Slow
from slo_engine.evidence.causes import group_by_cause
from slo_engine.evidence.model import Causes
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

        def explain() -> Causes:
            slow = [each for each in found.rows if each.is_root]
            causes = group_by_cause(slow, traces.url_of, message=f"took longer than {wanted.seconds:g} s")
            return Causes(since, now, len(slow), causes, found.is_partial)

        return causes_section(self.name, await asyncio.to_thread(explain))
