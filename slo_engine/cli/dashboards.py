"""``slo-engine dashboards``: write what Grafana loads, and say where it differs from the SLO files."""

from __future__ import annotations

import difflib
from collections.abc import Mapping
from pathlib import Path
from typing import Annotated

import typer

from slo_engine.amounts import count
from slo_engine.cli import diff, output
from slo_engine.cli.arguments import SloPathsHere, settings_here
from slo_engine.cli.exits import failures, usage_errors
from slo_engine.errors import SloEngineError

_OURS = "dashboards/slo-engine-*.json"
"""Dashboards of an earlier version are found by their name."""


def dashboards(
    paths: SloPathsHere = None,
    out: Annotated[Path, typer.Option("--out", "-o", help="The folder of the generated files.")] = Path(
        "deploy/grafana"
    ),
    datasource: Annotated[
        str, typer.Option(metavar="UID", help="The UID of the data source that is chosen at first.")
    ] = "prometheus",
    prometheus: Annotated[
        str, typer.Option("--prometheus", metavar="URL", help="Prometheus, as Grafana reaches it.")
    ] = "http://prometheus:9090",
    trace_url: Annotated[
        str,
        typer.Option(
            "--trace-url",
            metavar="URL",
            help="Where the trace of an exemplar is shown, with {trace_id} in it; LangFuse: .../trace/{trace_id}.",
        ),
    ] = "http://localhost:3000/project/proj-slo/traces/{trace_id}",
    check: Annotated[
        bool, typer.Option("--check", help="Write nothing; exit 1 with a diff where the files are not up to date.")
    ] = False,
) -> None:
    """Write Grafana dashboards and the files that provision them: the same bytes for the same SLO files.

    The thresholds of burn rates are those of the SLO files; everything else is the same for all of them.
    """
    from slo_engine.dashboards import Datasource, render
    from slo_engine.definitions import load

    with usage_errors():
        if "{trace_id}" not in trace_url:
            raise SloEngineError(f"--trace-url {trace_url}: write {{trace_id}} where the id of the trace stands")
    with failures():
        files = render(load(paths or _paths_here()), Datasource(datasource, prometheus, trace_url))
        found = _found(files, out)
    differing = [name for name in sorted(found.keys() | files.keys()) if found.get(name) != files.get(name)]
    if check:
        _report(out, found, files, differing)
        return
    with failures():
        _write(out, files, stale=found.keys() - files.keys())
    for name in files:
        output.line(str(out / name))
    for name in sorted(found.keys() - files.keys()):
        output.note(f"removed {out / name}: this version has no such dashboard")


def _paths_here() -> list[Path]:
    """Those of the settings in this folder, else ``slos``."""
    from slo_engine.settings import load_settings

    here = settings_here()
    return [Path("slos")] if here is None else load_settings(here, sections=("slos",)).slos


def _found(files: Mapping[str, str], out: Path) -> dict[str, str]:
    ours = {path.relative_to(out).as_posix() for path in out.glob(_OURS)}
    try:
        # What is not UTF-8 differs all the same.
        return {
            name: (out / name).read_bytes().decode(errors="replace")
            for name in ours | files.keys()
            if (out / name).exists()
        }
    except OSError as error:
        raise SloEngineError(f"{error.filename} cannot be read: {error.strerror}") from None


def _write(out: Path, files: Mapping[str, str], stale: set[str]) -> None:
    try:
        for name, text in files.items():
            path = out / name
            path.parent.mkdir(parents=True, exist_ok=True)
            part = path.with_name(f".{path.name}.part")  # Grafana may be reading the folder
            part.write_bytes(text.encode())
            part.replace(path)
        for name in stale:
            (out / name).unlink()
    except OSError as error:
        raise SloEngineError(f"{error.filename or out} cannot be written: {error.strerror}") from None


def _report(out: Path, found: Mapping[str, str], files: Mapping[str, str], differing: list[str]) -> None:
    for name in differing:
        sides = (found.get(name, "").splitlines(keepends=True), files.get(name, "").splitlines(keepends=True))
        names = (f"{out / name} (on disk)", f"{out / name} (from the SLO files)")
        diff.show("".join(difflib.unified_diff(*sides, *names)))
    if differing:
        stale = count(len(differing), "file of the dashboards is", "files of the dashboards are")
        output.complain(f"{stale} not up to date: run `slo-engine dashboards`")
        raise typer.Exit(1)
    output.note("the dashboards are up to date")
