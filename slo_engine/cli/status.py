"""``slo-engine status``: what the error budgets are doing, once or again and again."""

from __future__ import annotations

import sys
import time
from collections.abc import Callable, Mapping, Sequence
from contextlib import closing, suppress
from datetime import UTC, datetime
from enum import StrEnum
from typing import TYPE_CHECKING, Annotated, Any

import typer
from typer.core import TyperCommand

from slo_engine import amounts
from slo_engine.cli import choosing, output
from slo_engine.cli.arguments import AsJson, ConfigFile, SloPaths, settings_here
from slo_engine.cli.exits import failures, usage_errors
from slo_engine.errors import SloEngineError

if TYPE_CHECKING:
    from pathlib import Path

    from rich.console import RenderableType

    from slo_engine.definitions import SloSet
    from slo_engine.status.evaluate import RecordSource
    from slo_engine.status.model import SloStatus

WATCH_SECONDS = 10
"""Between two looks; the rules record each minute."""


class Sort(StrEnum):
    """What comes first."""

    NAME = "name"
    BUDGET = "budget"
    BURN = "burn"


class FailOn(StrEnum):
    """What is a reason for exit code 1."""

    PAGE = "page"
    TICKET = "ticket"
    EXHAUSTED = "exhausted"


_LAST = float("inf")

_ORDERS: Mapping[Sort, Callable[[SloStatus], float]] = {
    Sort.NAME: lambda _: 0,  # as they come
    Sort.BUDGET: lambda each: _LAST if each.error_budget_remaining is None else each.error_budget_remaining,
    Sort.BURN: lambda each: -each.burn_rate.get("1h", -_LAST),
}

_FAILURES: Mapping[FailOn, Callable[[SloStatus, SloSet], bool]] = {
    FailOn.PAGE: lambda each, slos: any(alert.severity in slos.paging_severities for alert in each.firing),
    FailOn.TICKET: lambda each, _: bool(each.firing),
    FailOn.EXHAUSTED: lambda each, _: each.error_budget_remaining is not None and each.error_budget_remaining <= 0,
}

Services = Annotated[list[str] | None, typer.Option("--service", help="Only SLOs of this service; repeatable.")]
Names = Annotated[
    list[str] | None, typer.Option("--slo", help="Only this SLO, as its name or service/name; repeatable.")
]
Labels = Annotated[
    list[str] | None,
    typer.Option(
        "--label",
        "-l",
        metavar="NAME=VALUE",
        help="Only groups with this label, be it of the group or of the SLO; repeatable: all of them.",
    ),
]
OnlyFiring = Annotated[bool, typer.Option("--firing", help="Only groups for which an alert fires.")]
Order = Annotated[
    Sort, typer.Option("--sort", help="By name; by budget, the least left first; or by burn rate, the highest first.")
]
Failing = Annotated[
    list[FailOn] | None,
    typer.Option(
        "--fail-on",
        help="Exit 1 when a page fires; a ticket or a page; or a budget is exhausted, of what is shown; repeatable.",
    ),
]
Watch = Annotated[
    int | None,
    typer.Option(
        "--watch",
        "-w",
        metavar="[SECONDS]",
        min=1,
        max=86_400,
        help=f"Look again every so many seconds, {WATCH_SECONDS} if none are given, until Ctrl-C.",
    ),
]


class StatusCommand(TyperCommand):
    """The command with an option whose value may be left out, which typer's options have not."""

    def parse_args(self, ctx: Any, args: list[str]) -> list[str]:
        """``--watch`` without a number behind it gets the usual one."""
        end = args.index("--") if "--" in args else len(args)
        options = args[:end]
        for at, option in reversed(list(enumerate(options))):
            if option in ("--watch", "-w") and not "".join(options[at + 1 : at + 2]).isdecimal():
                options.insert(at + 1, str(WATCH_SECONDS))
        return super().parse_args(ctx, [*options, *args[end:]])


def status(
    paths: SloPaths = None,
    services: Services = None,
    names: Names = None,
    labels: Labels = None,
    firing: OnlyFiring = False,
    sort: Order = Sort.NAME,
    fail_on: Failing = None,
    watch: Watch = None,
    config: ConfigFile = None,
    as_json: AsJson = False,
) -> None:
    """Ask Prometheus for the error budget, burn rates and alerts of every SLO.

    A mistake in an SLO file hides that SLO alone: it is printed on standard error, and the exit code is 1.
    """
    from slo_engine.definitions import SloSet, examine
    from slo_engine.prometheus import Prometheus
    from slo_engine.settings import load_settings, paths_in

    with usage_errors():
        settings = load_settings(config or settings_here(), sections=("slos", "prometheus"))
        if watch is not None and (as_json or fail_on or not sys.stdout.isatty()):
            raise SloEngineError("--watch is for a terminal: leave it out for scripts, with --json and with --fail-on")
    wanted = choosing.label_values(labels, "--label")
    loaded = examine(paths_in(settings, paths))
    for problem in loaded.problems:
        output.complain(str(problem))
    chosen = choosing.named(choosing.of_services(loaded.slos.slos, services), names)
    slos = SloSet(tuple(chosen))

    def look(source: RecordSource) -> list[SloStatus]:
        return _looked_at(slos, source, wanted, only_firing=firing, sort=sort)

    with failures(), closing(Prometheus(settings.prometheus.connection())) as source:
        if watch is not None:
            _watch(lambda: _seen(config, slos, look(source)), watch)
            raise typer.Exit(1 if loaded.problems else 0)
        found = look(source)
    if as_json:
        output.json_document([each.as_json() for each in found])
    elif found:
        _show(config, slos, found)
    else:
        output.note("no alert fires for these SLOs" if firing else "there is no SLO to show")
    failed = _tell_failures(fail_on or [], slos, found)
    if failed or loaded.problems:
        raise typer.Exit(1)


def _looked_at(
    slos: SloSet, source: RecordSource, labels: Sequence[tuple[str, str]], *, only_firing: bool, sort: Sort
) -> list[SloStatus]:
    from slo_engine.status.evaluate import evaluate

    found = [each for each in evaluate(slos, source, datetime.now(UTC)) if _has(each, labels, slos)]
    if labels and not found:
        asked = ", ".join(f"{name}={value}" for name, value in labels)
        raise SloEngineError(f"no group of these SLOs has {asked}: look at --label, or at `status` without it")
    return sorted((each for each in found if each.firing or not only_firing), key=_ORDERS[sort])


def _has(status: SloStatus, labels: Sequence[tuple[str, str]], slos: SloSet) -> bool:
    """Whether the group has all of these labels: its own, or those that the SLO gives its alerts."""
    slo = slos.find(status.service, status.slo)
    of_slo = {"owner": slo.owner, **slo.labels} if slo else {}
    known = {**of_slo, **status.group}
    return all(known.get(name) == value for name, value in labels)


def _show(config: Path | None, slos: SloSet, found: Sequence[SloStatus]) -> None:
    from slo_engine.cli.status_table import status_table

    output.console().print(status_table(found))
    try:
        for line in _in_force(config, slos, found):
            output.line(f"budget policy in force: {line}")
    except SloEngineError as error:
        output.note(f"without budget policies: {error}")


def _in_force(config: Path | None, slos: SloSet, statuses: Sequence[SloStatus]) -> list[str]:
    """The steps of budget policies in force, as the store of the engine has them. Raises StoreError, and SettingsError
    where the password of the store may not be read."""
    from slo_engine.posts.in_force import lines_in_force
    from slo_engine.settings import load_settings
    from slo_engine.store import budgets
    from slo_engine.store.reading import StoreReader

    settings = load_settings(config or settings_here(), sections=("budget_policies",))
    policies = [each.policy() for each in settings.budget_policies]
    if not policies:
        return []
    store = load_settings(config or settings_here(), sections=("store",)).store
    return lines_in_force(policies, slos, StoreReader(store.address).read(budgets.states), statuses)


def _tell_failures(reasons: Sequence[FailOn], slos: SloSet, found: Sequence[SloStatus]) -> bool:
    """Say which groups are a reason for exit code 1; whether any is."""
    from slo_engine.cli.status_table import group_text

    failed = False
    for reason in dict.fromkeys(reasons):
        for each in found:
            if _FAILURES[reason](each, slos):
                failed = True
                name = output.printable(f"{each.service}/{each.slo} {group_text(each)}".rstrip())
                output.complain(f"--fail-on {reason.value}: {name}")
    return failed


def _seen(config: Path | None, slos: SloSet, found: Sequence[SloStatus]) -> RenderableType:
    """What is to be seen at one look."""
    from rich.console import Group
    from rich.text import Text

    from slo_engine.cli.status_table import status_table

    try:
        lines = [f"budget policy in force: {line}" for line in _in_force(config, slos, found)]
    except SloEngineError as error:
        lines = [f"without budget policies: {error}"]
    return Group(status_table(found), *(Text(output.printable(line)) for line in lines))


def _watch(look: Callable[[], RenderableType], seconds: int) -> None:
    """Show it again and again, on a screen of its own, until Ctrl-C. While Prometheus does not answer, the last look
    stays below the reason."""
    from rich.console import Console, Group
    from rich.live import Live
    from rich.text import Text

    seen: RenderableType = ""
    with suppress(KeyboardInterrupt), Live(console=Console(), screen=True, auto_refresh=False) as screen:
        while True:
            at = f"every {seconds} s; Ctrl-C ends it"
            try:
                seen = look()
                heading = Text(f"{amounts.second(datetime.now(UTC))}, {at}\n", style="dim")
            except SloEngineError as error:
                before = "below is the last look; " if seen else ""
                heading = Text(f"{error}\n{before}{at}\n", style="red")
            screen.update(Group(heading, seen), refresh=True)
            time.sleep(seconds)
