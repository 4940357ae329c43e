"""The table of ``slo-engine status``."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING

from rich.markup import escape
from rich.table import Table

from slo_engine import amounts
from slo_engine.cli import output
from slo_engine.definitions.money import Budget

if TYPE_CHECKING:
    from slo_engine.status.model import SloStatus


def status_table(statuses: Sequence[SloStatus]) -> Table:
    """The status of these SLO groups, for a person. Only where one of them is about money there is a column of it."""
    table = Table(box=None, header_style="bold", pad_edge=False)
    has_money = any(status.budget for status in statuses)
    for heading in ("service", "slo", "group", "objective"):
        table.add_column(heading)
    table.add_column("budget left", justify="right")
    table.add_column("measured")
    for heading in (*(["spent"] if has_money else []), "burn 1h", "exhausts at"):
        table.add_column(heading, justify="right")
    table.add_column("firing")
    for status in statuses:
        left, burn = status.error_budget_remaining, status.burn_rate.get("1h")
        cells = (
            status.service,
            status.slo,
            group_text(status) or "all",
            "-" if status.objective is None else f"{status.objective:g} %",
            "no data" if left is None else amounts.budget_left(left).removesuffix(" left"),
            "-" if left is None else status.measured or f"over {status.window}",
            *([_spent(status)] if has_money else []),
            "-" if burn is None else f"{burn:.2f}",
            _exhausts_at(status),
            ", ".join(_remarks(status)) or "-",
        )
        style = "red" if left is not None and left <= 0 else None
        table.add_row(*(escape(output.printable(cell)) for cell in cells), style=style)
    return table


def group_text(status: SloStatus) -> str:
    """``agent_type=support_agent, region=eu``; empty when the SLO is not divided."""
    return ", ".join(f"{label}={value}" for label, value in status.group.items())


def _spent(status: SloStatus) -> str:
    """``2,710.00 USD of 3,000.00 USD``; a dash when the SLO is not about money."""
    if status.budget is None:
        return "-"
    if status.events is None:
        return f"- of {status.budget}"
    return f"{Budget(status.events.errors, status.budget.currency)} of {status.budget}"


def _remarks(status: SloStatus) -> Iterator[str]:
    for each in status.firing:
        yield each.remark
    if status.unpriced_models:
        yield f"cost not known of calls of {', '.join(status.unpriced_models)}"


def _exhausts_at(status: SloStatus) -> str:
    if status.error_budget_remaining is None:
        return "-"
    if status.error_budget_remaining <= 0:
        return "exhausted"
    return amounts.date_and_time(status.exhausted_at, "not at this rate")
