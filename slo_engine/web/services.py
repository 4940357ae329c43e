"""What the HTTP side needs of the rooms below."""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Annotated

from fastapi import Depends, Request

from slo_engine.definitions.live import ActiveSlos, LiveSlos
from slo_engine.posts.in_force import lines_in_force
from slo_engine.posts.policies import Policy
from slo_engine.precedence import Precedence
from slo_engine.prometheus import Prometheus
from slo_engine.rollout.rollout import Rollout, RolloutStatus
from slo_engine.status.board import StatusBoard
from slo_engine.store import Database, budgets
from slo_engine.store.deliveries import Orphans
from slo_engine.web.access import Access
from slo_engine.web.authorization import Doors


@dataclass(frozen=True)
class Reloaded:
    """What came of reading the SLO files again."""

    active: ActiveSlos
    rules: RolloutStatus | None


@dataclass(frozen=True)
class Services:
    """Handed to every endpoint."""

    database: Database
    slos: LiveSlos
    board: StatusBoard
    doors: Doors
    """Who may post."""
    sinks: Collection[str]
    """The names of those in the settings."""
    orphans: Callable[[], Sequence[Orphans]]
    """What waits for other sinks."""
    on_posted: Callable[[], None]
    precedence: Precedence
    """Of who posts before what works in the background."""
    reload: Callable[[], Reloaded]
    """Read the SLO files again, and roll out their rules."""
    rollout: Rollout | None
    """None: rules are rolled out by somebody else."""
    policies: Sequence[Policy]
    """On the budgets."""
    clock_is_running: Callable[[], bool]
    workers_are_running: Callable[[], bool]
    prometheus: Prometheus | None = None
    """Answers what pages ask beyond the status."""
    addresses: Mapping[str, str] = field(default_factory=dict)
    """Where a browser finds ``prometheus``, ``alertmanager``, ``grafana`` and ``langfuse``, as far as the settings say;
    without a slash at the end."""
    access: Access = field(default_factory=Access)
    """Who may read, and act on the pages."""
    watching: Callable[[], Mapping[str, str]] = dict
    """What watches the engine, and how that stands: ``ok``, or what is wrong."""

    def policies_in_force(self) -> Sequence[str]:
        """The steps of budget policies in force, one line each."""
        if not self.policies:
            return ()
        known = self.database.read(budgets.states)
        return lines_in_force(self.policies, self.slos.active.slos, known, self.board.statuses)


def _services(request: Request) -> Services:
    services: Services = request.app.state.services
    return services


NeedsServices = Annotated[Services, Depends(_services)]
