"""What the team has agreed to do while so little of the budget is left."""

from __future__ import annotations

from slo_engine.evidence.source import Backends
from slo_engine.evidence.subject import Subject
from slo_engine.notifications import Section


class PolicySource:
    """Asks the store, which knows the steps that are in force."""

    name = "policy"
    backend = "store"

    def __init__(self, backends: Backends) -> None:
        self._agreements = backends.agreements

    def wants(self, subject: Subject) -> bool:
        """Every SLO may have one, where there are policies."""
        return subject.slo is not None and self._agreements is not None

    async def gather(self, subject: Subject, deadline: float) -> Section | None:  # noqa: ARG002 - as every source
        """The steps in force; None without any."""
        assert subject.slo is not None  # which wants() asks for, as it does for the next line
        assert self._agreements is not None
        said = await self._agreements.in_force(subject.slo.service, subject.slo.name, dict(subject.group))
        if not said:
            return None
        return Section(
            self.name, "\n".join(f"Budget policy in force {each}" for each in said), data={"steps": list(said)}
        )
