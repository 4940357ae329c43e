"""``slo-engine simulate``: how soon a policy would tell of an outage, before anything is rolled out."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from slo_engine.amounts import length, noun, share
from slo_engine.cli import output, pictures, policies
from slo_engine.cli.amounts import Duration, duration, objective, percent
from slo_engine.cli.arguments import AsJson, SloFiles, slo_file
from slo_engine.cli.exits import failures

if TYPE_CHECKING:
    from slo_engine.backtest.detection import Traffic
    from slo_engine.backtest.simulation import Simulated, SimulatedTier
    from slo_engine.definitions import Policy

SloPaths = Annotated[
    SloFiles,
    typer.Argument(
        parser=slo_file,
        metavar="FILES",
        help="SLO files, or folders of them, whose policies can be named; - is standard input; ./slos if any.",
    ),
]
Policies = Annotated[list[str] | None, typer.Option("--policy", "-p", help="A policy by its name; repeatable.")]
Objectives = Annotated[
    list[float] | None,
    typer.Option("--objective", parser=objective, metavar="PERCENT", help="An objective; repeatable."),
]
ErrorRatios = Annotated[
    list[float] | None,
    typer.Option(
        "--error-ratio", "-e", parser=percent, metavar="PERCENT", help="The share of events that fails; repeatable."
    ),
]
Window = Annotated[
    Duration | None, typer.Option("--window", parser=duration, metavar="DURATION", help="The SLO window; 30d.")
]
Held = Annotated[
    Duration | None,
    typer.Option("--for", parser=duration, metavar="DURATION", help="As if every alert waited so long (`for`)."),
]
EventsPerHour = Annotated[
    float | None,
    typer.Option("--events-per-hour", min=1e-6, help="Also say what single errors do in a service of this traffic."),
]
AllTiers = Annotated[bool, typer.Option("--tiers", help="Show every tier, not only the one that fires first.")]
Svg = Annotated[Path | None, typer.Option("--svg", help="Draw a picture into this file.")]

OBJECTIVES = (99.9, 99.0, 95.0)
ERROR_RATIOS = (1.0, 0.5, 0.2, 0.1, 0.05, 0.02, 0.01, 0.005, 0.001)


def simulate(
    paths: SloPaths = None,
    policy: Policies = None,
    objectives: Objectives = None,
    error_ratios: ErrorRatios = None,
    window: Window = None,
    held: Held = None,
    events_per_hour: EventsPerHour = None,
    tiers: AllTiers = False,
    as_json: AsJson = False,
    svg: Svg = None,
) -> None:
    """Show how soon a policy's alerts fire, what budget is spent by then, and how soon they are over.

    For outages of one error ratio in a service that was healthy for the whole long window before; with less history an
    alert fires sooner.
    """
    from slo_engine.backtest.simulation import simulate as run

    chosen = policies.named(policy or ["google"], _known(paths))
    if paths and not objectives:
        shown = ", ".join(f"{each:g}" for each in OBJECTIVES)
        output.note(f"of SLO files the policies are read; the objectives here are {shown}: name yours with --objective")
    over = window or duration("30d")
    waits = held.seconds if held else 0.0
    found = list(run(chosen, objectives or OBJECTIVES, error_ratios or ERROR_RATIOS, over, held=waits))
    if as_json:
        output.json_document([_as_data(each, events_per_hour) for each in found])
    else:
        _show(found, every_tier=tiers, events_per_hour=events_per_hour)
    if svg is not None:
        from slo_engine.charts.detection import draw

        with failures():
            pictures.save(svg, draw(found))


def _known(paths: SloFiles) -> Mapping[str, Policy]:
    from slo_engine.definitions import SloFileError, examine

    here = Path("slos")
    loaded = examine(paths or ([here] if here.is_dir() else []))
    if loaded.problems:
        output.complain(str(SloFileError(loaded.problems)))
        raise typer.Exit(1)
    return loaded.policies


def _traffic(outcome: Simulated, events_per_hour: float) -> Traffic:
    from slo_engine.backtest.detection import Traffic
    from slo_engine.definitions.targets import error_budget

    return Traffic(events_per_hour, error_budget(outcome.objective), outcome.window)


def _as_data(outcome: Simulated, events_per_hour: float | None) -> dict[str, Any]:
    from slo_engine.backtest.detection import threshold
    from slo_engine.definitions.targets import error_budget

    data: dict[str, Any] = {
        "policy": outcome.policy.name,
        "objective": outcome.objective,
        "window": str(outcome.window),
        "error_ratio": outcome.error_ratio,
        "burn_rate": outcome.burn_rate,
        "exhausted_after_seconds": outcome.exhausted_seconds,
        "first": str(outcome.first.ideal.tier) if outcome.first else None,
        "tiers": [
            {
                "severity": each.ideal.tier.severity,
                "long_window": str(each.ideal.tier.long),
                "short_window": str(each.ideal.tier.short),
                "factor": each.ideal.factor,
                "threshold": threshold(each.ideal.factor, error_budget(outcome.objective)),
                "detected_after_seconds": each.ideal.seconds,
                "budget_spent": each.ideal.budget_spent,
                "reset_after_seconds": each.ideal.reset_seconds,
                "in_prometheus": {
                    "detected_after_seconds": each.seconds,
                    "budget_spent": each.budget_spent,
                    "reset_after_seconds": each.reset_seconds,
                },
            }
            for each in outcome.tiers
        ],
    }
    if events_per_hour is not None:
        traffic = _traffic(outcome, events_per_hour)
        data["traffic"] = {
            "events_per_hour": events_per_hour,
            "errors_allowed": traffic.errors_allowed,
            "budget_share_of_one_error": traffic.share_of_one_error,
        }
        for tier, each in zip(data["tiers"], outcome.tiers, strict=True):
            tier["errors_to_fire"] = traffic.errors_to_fire(each.ideal.tier.long, tier["threshold"], _alpha(each))
    return data


def _show(found: Sequence[Simulated], *, every_tier: bool, events_per_hour: float | None) -> None:
    from rich.table import Table

    console = output.console()
    tables: dict[tuple[str, float], list[Simulated]] = {}
    for each in found:
        tables.setdefault((each.policy.name, each.objective), []).append(each)
    for (name, percent_good), outcomes in tables.items():
        title = f"policy {name}, objective {percent_good:g} % over {outcomes[0].window}"
        table = Table(title=title, title_justify="left", box=None, header_style="bold", pad_edge=False)
        for heading in ("errors", "burn rate"):
            table.add_column(heading, justify="right")
        table.add_column("fires" if every_tier else "fires first")
        for heading in ("after", "with our rules", "budget spent", "over after", "with our rules", "budget gone after"):
            table.add_column(heading, justify="right")
        for outcome in outcomes:
            shown = outcome.tiers if every_tier else [outcome.first]
            for index, tier in enumerate(shown):
                table.add_row(*_row(outcome, tier, repeated=index > 0), style=_style(outcome, tier))
        console.print(table)
        if events_per_hour is not None:
            _show_traffic(console.print, outcomes[0], events_per_hour)
        console.print()


def _row(outcome: Simulated, tier: SimulatedTier | None, *, repeated: bool) -> list[str]:
    about = ["", ""] if repeated else [share(outcome.error_ratio), f"{outcome.burn_rate:.4g}"]
    gone = "" if repeated else length(outcome.exhausted_seconds)
    if tier is None:
        return [*about, "nothing", "never", "never", "-", "-", "-", gone]
    ideal = tier.ideal
    name = f"{ideal.tier} x{ideal.factor:.4g}"
    return [
        *about,
        name,
        length(ideal.seconds),
        length(tier.seconds),
        share(ideal.budget_spent),
        length(ideal.reset_seconds, "-"),
        length(tier.reset_seconds, "-"),
        gone,
    ]


def _style(outcome: Simulated, tier: SimulatedTier | None) -> str | None:
    """Red: nobody is told, and the budget goes."""
    return "red" if outcome.exhausted_seconds is not None and tier is None else None


def _show_traffic(tell: Any, outcome: Simulated, events_per_hour: float) -> None:
    from slo_engine.backtest.detection import threshold
    from slo_engine.definitions.targets import error_budget

    traffic = _traffic(outcome, events_per_hour)
    tell(
        f"At {events_per_hour:g} {noun(events_per_hour, 'event')} an hour {traffic.errors_allowed} may fail in "
        f"{outcome.window}, and each failure spends {share(traffic.share_of_one_error)} of the budget."
    )
    for each in outcome.tiers:
        limit = threshold(each.ideal.factor, error_budget(outcome.objective))
        least = traffic.errors_to_fire(each.ideal.tier.long, limit, _alpha(each))
        of = events_per_hour * each.ideal.tier.long.seconds / 3600
        if least is None:
            tell(f"  {each.ideal.tier} does not fire: of {of:g} events nothing is sure")
        else:
            tell(f"  {each.ideal.tier} fires from {least} of {of:g} failures on")


def _alpha(tier: SimulatedTier) -> float:
    """As an SLO has it that does not say otherwise."""
    from slo_engine.definitions.policies import ALPHA

    return min(ALPHA, tier.ideal.tier.alpha or ALPHA)
