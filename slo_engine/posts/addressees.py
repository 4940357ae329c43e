"""What posts and policies are matched by."""

from __future__ import annotations

from collections.abc import Mapping

from slo_engine.definitions.slo import Slo
from slo_engine.notifications.routes import Addressee


def addressee(slo: Slo, group: Mapping[str, str]) -> Addressee:
    """One budget: of an SLO, or of one of its groups."""
    return Addressee("status", service=slo.service, slo=slo.name, owner=slo.owner or "", labels={**slo.labels, **group})
