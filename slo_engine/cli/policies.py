"""The policies that a command can be asked for by name."""

from __future__ import annotations

from collections.abc import Sequence

import typer

from slo_engine.spec import Policy, SloSet
from slo_engine.spec.policies import BUILT_IN


def named(names: Sequence[str], slos: SloSet) -> tuple[Policy, ...]:
    """The policies of these names: built-in ones, and those that an SLO of the files uses."""
    known = dict(BUILT_IN) | {slo.policy.name: slo.policy for slo in slos.slos}
    for name in names:
        if name not in known:
            raise typer.BadParameter(f"there is no policy {name!r}; there are: {', '.join(sorted(known))}")
    return tuple(known[name] for name in dict.fromkeys(names))
