"""What the commands print: results on standard output, everything else on standard error."""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator, Sequence
from contextlib import AbstractContextManager, contextmanager
from typing import TYPE_CHECKING, Any, TypeVar

import typer

from slo_engine import amounts

if TYPE_CHECKING:
    from slo_engine.status.model import SloStatus


ITEM = TypeVar("ITEM")


def line(text: str) -> None:
    """One line of a result."""
    typer.echo(text)


def note(text: str) -> None:
    """A remark for a person."""
    typer.echo(text, err=True)


def complain(text: str) -> None:
    """Why it did not work."""
    typer.secho(text, fg="red", err=True)


def progress(what: str, items: Sequence[ITEM]) -> AbstractContextManager[Iterable[ITEM]]:
    """The items, with a bar on standard error while they are worked on, when that is a terminal."""
    from rich.console import Console
    from rich.progress import Progress

    @contextmanager
    def shown() -> Iterator[Iterable[ITEM]]:
        console = Console(stderr=True)
        with Progress(console=console, transient=True, disable=not console.is_terminal) as bar:
            yield bar.track(items, description=what)

    return shown()


def json_document(data: Any) -> None:
    """A result for scripts."""
    typer.echo(json.dumps(data, indent=2, allow_nan=False))


def status_table(statuses: Sequence[SloStatus]) -> None:
    """The status of all SLOs, for a person."""
    from rich.console import Console
    from rich.table import Table

    table = Table(box=None, header_style="bold", pad_edge=False)
    for heading in ("service", "slo", "group", "objective"):
        table.add_column(heading)
    table.add_column("budget left", justify="right")
    table.add_column("measured")
    for heading in ("burn 1h", "exhausts at"):
        table.add_column(heading, justify="right")
    table.add_column("firing")
    for status in statuses:
        left, burn = status.error_budget_remaining, status.burn_rate.get("1h")
        table.add_row(
            status.service,
            status.slo,
            status.group_text or "all",
            "-" if status.objective is None else f"{status.objective:g} %",
            "no data" if left is None else amounts.budget_left(left).removesuffix(" left"),
            "-" if left is None else status.measured or f"over {status.window}",
            "-" if burn is None else f"{burn:.2f}",
            _exhausts_at(status),
            ", ".join(_remarks(status)) or "-",
            style="red" if left is not None and left <= 0 else None,
        )
    # A pipe has no width: nothing is cut there.
    console = Console()
    (console if console.is_terminal else Console(width=200)).print(table)


def _remarks(status: SloStatus) -> Iterator[str]:
    for each in status.firing:
        yield each.remark
    if status.unpriced_models:
        yield f"no price for {', '.join(status.unpriced_models)}"


def _exhausts_at(status: SloStatus) -> str:
    if status.error_budget_remaining is None:
        return "-"
    if status.error_budget_remaining <= 0:
        return "exhausted"
    return amounts.date_and_time(status.exhausted_at, "not at this rate")
