"""Why runs failed: the steps to blame, grouped by what they said."""

from __future__ import annotations

import asyncio
from functools import partial

from slo_engine.definitions.traces import Failed
from slo_engine.evidence.causes import failed_runs
from slo_engine.evidence.rendering import causes_section
from slo_engine.evidence.source import Backends, traces_of
from slo_engine.evidence.subject import Subject
from slo_engine.notifications import Section


class FailedRuns:
    """Asks LangFuse for ERROR observations."""

    name = "causes"
    backend = "langfuse"

    def __init__(self, backends: Backends) -> None:
        self._backends = backends

    def wants(self, subject: Subject) -> bool:
        """Failing runs explain failing events."""
        return subject.query is not None and isinstance(subject.explained_by, Failed)

    async def gather(self, subject: Subject) -> Section | None:
        """The causes of the window."""
        traces, query = traces_of(self._backends), subject.query
        assert query is not None  # which wants() asks for
        since, now = subject.span()
        found = await traces.failed(query.tags, since, now)
        # In a thread: thousands of rows must not hold up the webhook.
        explain = partial(failed_runs, found, since, now, traces.url_of, name=query.observation)
        return causes_section(self.name, await asyncio.to_thread(explain))
