"""``slo-engine replay``: what alert policies would have done over the history that Prometheus holds."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import closing, contextmanager
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from slo_engine.cli import choosing, output, pictures, policies
from slo_engine.cli.amounts import Duration, duration, objective, percent, time
from slo_engine.cli.arguments import AsJson, ConfigFile, SloPaths, settings_here
from slo_engine.cli.exits import failures, usage_errors

if TYPE_CHECKING:
    from slo_engine.backtest.incidents import Incident
    from slo_engine.backtest.raw_history import Values
    from slo_engine.backtest.replay import Backtest, ReplayPlan
    from slo_engine.backtest.windows import History
    from slo_engine.definitions import Policy, Slo
    from slo_engine.prometheus import Prometheus

Names = Annotated[
    list[str] | None, typer.Option("--slo", help="An SLO, as its name or service/name; repeatable. All if none.")
]
Policies = Annotated[
    list[str] | None, typer.Option("--policy", "-p", help="A policy to try; repeatable. The SLO's own if none.")
]
Objectives = Annotated[
    list[float] | None,
    typer.Option(
        "--objective", parser=objective, metavar="PERCENT", help="An objective to try; repeatable. The SLO's if none."
    ),
]
Groups = Annotated[
    list[str] | None, typer.Option("--group", metavar="LABEL=VALUE", help="Only the series with this label value.")
]
Last = Annotated[
    Duration | None, typer.Option("--last", parser=duration, metavar="DURATION", help="So much up to now; 30d.")
]
From = Annotated[
    datetime | None,
    typer.Option("--from", parser=time, metavar="TIME", help="The start, as 2026-11-02 or with a time."),
]
To = Annotated[datetime | None, typer.Option("--to", parser=time, metavar="TIME", help="The end; now.")]
IncidentsFile = Annotated[
    Path | None, typer.Option("--incidents", help="A YAML list of {start, end, name, group}: what alerts are for.")
]
Significant = Annotated[
    float | None,
    typer.Option(
        "--significant",
        parser=percent,
        metavar="PERCENT",
        help="Without --incidents: the share of the error budget from which a stretch of errors deserves an alert; 2%.",
    ),
]
Kept = Annotated[
    Duration | None,
    typer.Option("--keep-firing-for", parser=duration, metavar="DURATION", help="For every alert; the SLO's if none."),
]
Svg = Annotated[Path | None, typer.Option("--svg", help="Draw a picture of one SLO into this file.")]

SIGNIFICANT = 0.02


def replay(
    paths: SloPaths = None,
    names: Names = None,
    policy: Policies = None,
    objectives: Objectives = None,
    groups: Groups = None,
    last: Last = None,
    begin: From = None,
    end: To = None,
    incidents: IncidentsFile = None,
    significant: Significant = None,
    kept: Kept = None,
    config: ConfigFile = None,
    as_json: AsJson = False,
    svg: Svg = None,
) -> None:
    """Run alert policies over the history in Prometheus: what would have fired, when, and what for.

    Needs only the raw series, so it works before any rule is rolled out.
    """
    from slo_engine.cli import replay_output
    from slo_engine.definitions import SloFileError, examine
    from slo_engine.prometheus import Prometheus
    from slo_engine.settings import load_settings, paths_in

    with usage_errors():
        settings = load_settings(config or settings_here(), sections=("slos", "prometheus"))
        marked = _incidents(incidents)
    with failures():
        loaded = examine(paths_in(settings, paths))
        if loaded.problems:
            raise SloFileError(loaded.problems)
    chosen = choosing.named(loaded.slos.slos, names)
    tried = policies.named(policy or [], loaded.policies)
    if svg is not None and len(chosen) > 1:
        raise typer.BadParameter("a picture shows one SLO: choose it with --slo")
    if svg is not None and not svg.parent.is_dir():
        raise typer.BadParameter(f"the folder {svg.parent} does not exist", param_hint="--svg")
    span = _span(last, begin, end)
    group = dict(choosing.label_values(groups, "--group"))
    found = []
    with failures(), closing(Prometheus(settings.prometheus.connection())) as source:
        for slo in chosen:
            plan = _plan(
                slo, tried, objectives, span, marked, SIGNIFICANT if significant is None else significant, kept
            )
            found.append(_replayed(source, slo, plan, group))
        if svg is not None:
            from slo_engine.charts.replay import draw

            ((findings, histories),) = found
            pictures.save(svg, draw(findings, histories))
    results = [findings for findings, _ in found]
    if as_json:
        output.json_document([replay_output.as_data(each) for each in results])
    else:
        replay_output.show(results)
    if not any(each.groups for each in results):
        raise typer.Exit(1)


def _incidents(file: Path | None) -> tuple[Incident, ...] | None:
    from slo_engine.backtest.incidents import read_incidents

    return None if file is None else read_incidents(file)


def _span(last: Duration | None, begin: datetime | None, end: datetime | None) -> tuple[int, int]:
    """Whole minutes, in Unix seconds."""
    if last is not None and begin is not None:
        raise typer.BadParameter("--last and --from: give one of them")
    over = end or datetime.now(UTC)
    start = begin or over - timedelta(seconds=(last or duration("30d")).seconds)
    if start >= over:
        raise typer.BadParameter("the history must begin before it ends: look at --from and --to")
    return int(start.timestamp() // 60 * 60), int(over.timestamp() // 60 * 60)


def _plan(
    slo: Slo,
    tried: Sequence[Policy],
    objectives: Sequence[float] | None,
    span: tuple[int, int],
    incidents: tuple[Incident, ...] | None,
    significant: float,
    kept: Duration | None,
) -> ReplayPlan:
    from slo_engine.backtest.replay import Candidate, ReplayPlan

    # Spend has no objective but its budget.
    held_to: Sequence[float | None] = (objectives if slo.target.objective is not None else None) or (None,)
    candidates = tuple(Candidate(policy, percent) for policy in tried or (slo.policy,) for percent in held_to)
    kept = kept or slo.keep_firing_for
    return ReplayPlan(candidates, *span, incidents, significant, kept.seconds if kept else 0.0)


def _replayed(
    source: Prometheus, slo: Slo, plan: ReplayPlan, group: Mapping[str, str]
) -> tuple[Backtest, Mapping[Values, History]]:
    from slo_engine.backtest.raw_history import fetch
    from slo_engine.backtest.replay import replay as run
    from slo_engine.recording.base import raw_increases

    # The windows that count first reach back before the start.
    longest = max(tier.long.seconds for candidate in plan.candidates for tier in candidate.policy.tiers)
    start = datetime.fromtimestamp(plan.start - min(longest, slo.window.seconds), UTC)
    with _progress(f"{slo.service} {slo.name}: reading") as tell:
        histories = fetch(
            source,
            raw_increases(slo.narrowed(group)),
            slo.by,
            start,
            datetime.fromtimestamp(plan.end, UTC),
            on_progress=tell,
        )
    with _progress(f"{slo.service} {slo.name}: replaying") as tell:
        return run(slo, histories, plan, on_progress=tell), histories


@contextmanager
def _progress(what: str) -> Iterator[Callable[[float], None]]:
    """A bar on a terminal; nothing for scripts."""
    from rich.console import Console
    from rich.progress import Progress

    console = Console(stderr=True)
    with Progress(console=console, transient=True, disable=not console.is_terminal) as progress:
        task = progress.add_task(what, total=1.0)
        yield lambda share: progress.update(task, completed=share)
