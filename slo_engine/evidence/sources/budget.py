"""What is left of the error budget, how fast it burns, and until when."""

from __future__ import annotations

from slo_engine.evidence.rendering import rendered
from slo_engine.evidence.source import Backends
from slo_engine.evidence.subject import Subject
from slo_engine.notifications import Section


class Budget:
    """Asks Prometheus, once for all subjects that ask at the same time."""

    name = "budget"
    backend = "prometheus"

    def __init__(self, backends: Backends) -> None:
        self._statuses = backends.shared_statuses

    def wants(self, subject: Subject) -> bool:
        """Every SLO has a budget."""
        return subject.slo is not None

    async def gather(self, subject: Subject, deadline: float) -> Section | None:  # noqa: ARG002 - as every source
        """The status of the group; None when nothing is recorded of it."""
        assert subject.slo is not None  # which wants() asks for
        key = (*subject.slo.key, *subject.group.items())
        found = next(
            (each for each in await self._statuses.statuses() if (each.service, each.slo, *each.group.items()) == key),
            None,
        )
        if found is None:
            return None
        return Section(self.name, rendered("budget.txt.j2", status=found), data=found.as_json())
