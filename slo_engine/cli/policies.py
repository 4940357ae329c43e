"""The policies that a command can be asked for by name."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING

import typer

if TYPE_CHECKING:
    from slo_engine.definitions import Policy


def named(names: Sequence[str], known: Mapping[str, Policy]) -> tuple[Policy, ...]:
    """The policies of these names. Raises typer.BadParameter with those there are."""
    for name in names:
        if name not in known:
            raise typer.BadParameter(f"there is no policy {name!r}; there are: {', '.join(sorted(known))}")
    return tuple(known[name] for name in dict.fromkeys(names))
