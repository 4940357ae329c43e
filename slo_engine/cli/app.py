"""The commands. Exit codes: 0 fine, 1 findings or failure, 2 wrong usage."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any

import typer
from typer.core import TyperGroup

from slo_engine.amounts import count
from slo_engine.cli import (
    dashboards,
    deliveries,
    doctor,
    exchange,
    notify,
    output,
    policy,
    rules,
    status,
    store,
    templates,
)
from slo_engine.cli.arguments import AsJson, ConfigFile, SloPathsHere, settings_here
from slo_engine.cli.assistants import mcp
from slo_engine.cli.exits import failures, usage_errors
from slo_engine.cli.github import AsGithub, of_problem
from slo_engine.cli.init import init
from slo_engine.cli.replay import replay
from slo_engine.cli.report import report
from slo_engine.cli.schema import schema
from slo_engine.cli.simulate import simulate

ORDER = (
    *("init", "validate", "rules", "serve", "status", "doctor"),
    *("simulate", "replay", "report", "dashboards"),
    *("notify", "policy", "deliveries", "store"),
    *("mcp", "templates", "expand", "import", "export", "schema"),
)
"""The commands in the order of use, which ``--help`` shows: from the SLO file to the running engine, then what looks
at history, then what the engine sends and keeps, then the forms of SLO files."""


class _InOrder(TyperGroup):
    def list_commands(self, ctx: Any) -> list[str]:  # noqa: ARG002 - the signature is typer's
        return sorted(self.commands, key=ORDER.index)


app = typer.Typer(
    name="slo-engine",
    help="SLOs for AI agents, as code.",
    cls=_InOrder,
    no_args_is_help=True,
    pretty_exceptions_enable=False,
    context_settings={"help_option_names": ["-h", "--help"]},  # commands and groups below inherit it
)
app.add_typer(rules.app, name="rules")
app.add_typer(notify.app, name="notify")
app.add_typer(policy.app, name="policy")
app.add_typer(deliveries.app, name="deliveries")
app.add_typer(store.app, name="store")
app.command(cls=status.StatusCommand)(status.status)
app.command()(simulate)
app.command()(replay)
app.command()(report)
app.command()(mcp)
exchange.add_to(app)
app.command()(doctor.doctor)
app.command()(templates.templates)
app.command()(dashboards.dashboards)
app.command()(schema)
app.command()(init)


@app.callback(invoke_without_command=True)
def _options(version: Annotated[bool, typer.Option("--version", "-V", help="Print the version.")] = False) -> None:
    if version:
        from slo_engine import __version__

        output.line(f"slo-engine {__version__}")
        raise typer.Exit


@app.command()
def validate(paths: SloPathsHere = None, as_json: AsJson = False, as_github: AsGithub = False) -> None:
    """Check SLO files, and explain every mistake at file:line:column."""
    from slo_engine.definitions import examine

    loaded = examine(paths or [Path("slos")])
    without_traces = [f"{slo.service} {slo.name}" for slo in loaded.slos.slos if slo.lacks_traces]
    if as_json:
        output.json_document(
            {
                "slos": len(loaded.slos.slos),
                "thresholds": len(loaded.slos.thresholds),
                "problems": [
                    {
                        "file": str(problem.file),
                        "line": problem.line,
                        "column": problem.column,
                        "path": problem.path,
                        "message": problem.message,
                    }
                    for problem in loaded.problems
                ],
                "without_traces": without_traces,
            }
        )
    else:
        for problem in loaded.problems:
            output.line(of_problem(problem) if as_github else str(problem))
        found = f"{count(len(loaded.slos.slos), 'SLO')} and {count(len(loaded.slos.thresholds), 'threshold')}"
        output.note(
            f"{found} are fine; {count(len(loaded.problems), 'mistake')}" if loaded.problems else f"{found}, all fine"
        )
        if without_traces:
            output.note(
                f"{', '.join(without_traces)}: notifications cannot say why: no label names an agent, tool or model of "
                "slo_engine.monitoring; write `traces:` to say which traces these are about, or `traces: false`"
            )
    raise typer.Exit(1 if loaded.problems else 0)


@app.command()
def serve(config: ConfigFile = None) -> None:
    """Run the engine: webhook, clock, pages and deliveries."""
    from slo_engine.engine import serve as run
    from slo_engine.settings import load_settings

    with usage_errors():
        settings = load_settings(config or settings_here())
    with failures():
        run(settings)
