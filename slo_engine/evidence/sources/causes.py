"""Why what failed did: the steps to blame, grouped by what they said."""

from __future__ import annotations

from slo_engine.definitions.traces import Failed
from slo_engine.evidence.rendering import causes_section
from slo_engine.evidence.source import Backends, CannotTellError
from slo_engine.evidence.subject import Subject
from slo_engine.notifications import Section


class CausesSource:
    """Asks LangFuse for ERROR observations."""

    name = "causes"
    backend = "langfuse"

    def __init__(self, backends: Backends) -> None:
        self._findings = backends.findings

    def wants(self, subject: Subject) -> bool:
        """Failing runs explain failing events."""
        return self._findings is not None and subject.query is not None and isinstance(subject.explained_by, Failed)

    async def gather(self, subject: Subject, deadline: float) -> Section | None:
        """The causes of the window."""
        assert self._findings is not None  # which wants() asks for
        found = await self._findings.causes(subject, deadline)
        if found.unasked and not (found.failed or found.uncertain or found.waiting):
            raise CannotTellError(
                f"this LangFuse server ignores filters: of {found.unasked:,} observations that it sent none was asked "
                "for, and none is used; a newer server (v4) filters"
            )
        return causes_section(self.name, found)
