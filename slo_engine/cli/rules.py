"""``slo-engine rules``: write the rule files, or say where they differ from the SLO files."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from slo_engine.cli import output
from slo_engine.errors import SloEngineError

app = typer.Typer(help="Rule files for Prometheus.", no_args_is_help=True)

SloPaths = Annotated[list[Path] | None, typer.Argument(help="SLO files, or folders of them; ./slos if none is named.")]
OutFolder = Annotated[Path, typer.Option("--out", "-o", help="The folder of the rule files.")]


@app.command()
def generate(paths: SloPaths = None, out: OutFolder = Path("rules")) -> None:
    """Write the rule files: one for each service, the same bytes for the same SLO files.

    The folder belongs to these SLO files: what slo-engine wrote there for other services is removed.
    """
    from slo_engine.rules import write
    from slo_engine.spec import load

    try:
        written = write(load(paths or [Path("slos")]), out)
    except SloEngineError as error:
        output.complain(str(error))
        raise typer.Exit(1) from None
    for file in written.files:
        output.line(str(file))
    for file in written.removed:
        output.note(f"removed {file}: its service is in none of these SLO files")


@app.command()
def check(paths: SloPaths = None, out: OutFolder = Path("rules")) -> None:
    """Compare the rule files with the SLO files; exit 1 and show a diff where they differ."""
    from slo_engine.rules import check as find_drift
    from slo_engine.spec import load

    try:
        drifts = find_drift(load(paths or [Path("slos")]), out)
    except SloEngineError as error:
        output.complain(str(error))
        raise typer.Exit(1) from None
    for drift in drifts:
        output.line(drift.diff.rstrip("\n"))
    if drifts:
        output.complain(f"{len(drifts)} rule files are not what the SLO files say: run `slo-engine rules generate`")
        raise typer.Exit(1)
    output.note("the rule files are what the SLO files say")
