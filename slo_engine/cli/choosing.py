"""Which SLOs a command is about, as options name them."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import TYPE_CHECKING

import typer

if TYPE_CHECKING:
    from slo_engine.definitions import Slo


def named(slos: Iterable[Slo], names: Sequence[str] | None) -> list[Slo]:
    """The SLOs with these names, each as ``name`` or ``service/name``; all without a name. Raises typer.BadParameter
    with those there are."""
    known = list(slos)
    for name in names or ():
        if not any(name in (slo.name, "/".join(slo.key)) for slo in known):
            offered = ", ".join("/".join(slo.key) for slo in known)
            raise typer.BadParameter(f"there is no SLO {name!r}; there are: {offered or 'none'}", param_hint="--slo")
    return [slo for slo in known if not names or slo.name in names or "/".join(slo.key) in names]


def of_services(slos: Iterable[Slo], services: Sequence[str] | None) -> list[Slo]:
    """The SLOs of these services; all without a service. Raises typer.BadParameter with those there are."""
    found = list(slos)
    known = sorted({slo.service for slo in found})
    for service in services or ():
        if service not in known:
            offered = ", ".join(known) or "none"
            raise typer.BadParameter(f"there is no service {service!r}; there are: {offered}", param_hint="--service")
    return [slo for slo in found if not services or slo.service in services]


def label_values(texts: Sequence[str] | None, option: str) -> list[tuple[str, str]]:
    """Labels and their values, written as ``name=value``. Raises typer.BadParameter."""
    pairs = [text.partition("=") for text in texts or ()]
    for name, equals, value in pairs:
        if not name.isidentifier() or not equals:
            raise typer.BadParameter(
                f"{name + equals + value!r} is not a label and value: write {option} agent_type=support_agent",
                param_hint=option,
            )
    return [(name, value) for name, _, value in pairs]
