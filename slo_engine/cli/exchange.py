"""``slo-engine import``, ``export`` and ``expand``: from other tools into our format, back, and ours in full."""

from __future__ import annotations

from collections.abc import Mapping
from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from slo_engine.amounts import count
from slo_engine.cli import output
from slo_engine.cli.arguments import STANDARD, SloFiles, SloPathsHere, slo_file
from slo_engine.cli.exits import failures
from slo_engine.errors import SloEngineError

if TYPE_CHECKING:
    from slo_engine.convert.importers import Imported, Note


MAX_LINES = 8
"""So many other places a note on the terminal names; the report in JSON names all."""


class _Format(StrEnum):
    SLOTH = "sloth"
    OPENSLO = "openslo"
    PYRRA = "pyrra"


Sources = Annotated[
    SloFiles,
    typer.Argument(
        parser=slo_file, metavar="FILES...", help="Files of the other tool, or folders of them; - is standard input."
    ),
]
From = Annotated[
    _Format | None, typer.Option("--from", help="The format; else each document says it by its version or apiVersion.")
]
Out = Annotated[
    Path | None,
    typer.Option(
        "--out",
        "-o",
        callback=lambda out: None if out == STANDARD else out,
        help="A file (.yaml), or a folder for one file a service; - or none: standard output.",
    ),
]
Service = Annotated[str | None, typer.Option("--service", help="The service of SLOs whose format has none (Pyrra).")]
AsJson = Annotated[bool, typer.Option("--json", help="Print a report in JSON, with the texts that are not written.")]

export_app = typer.Typer(help="SLO files of ours for other tools.", no_args_is_help=True)


def add_to(app: typer.Typer) -> None:
    """Add the commands."""
    app.command("import")(import_)
    app.command("expand")(expand)
    app.add_typer(export_app, name="export")


def import_(
    files: Sources, from_: From = None, out: Out = None, service: Service = None, as_json: AsJson = False
) -> None:
    """Turn files of Sloth, OpenSLO or Pyrra into SLO files, with comments where something is not the same.

    Exit 1 when an SLO could not be imported: it stands in the file as a comment, with the reason.
    """
    from slo_engine.convert.importers import import_files

    with failures():
        imported = import_files(files or (), from_, service)
        texts = {file.name: file.text for file in imported.files}
        _refuse_several(texts, out, as_json=as_json)
        written = _write(texts, out) if out else {}
    if as_json:
        output.json_document(_report(imported, written))
    elif out:
        for path in written.values():
            output.line(str(path))
    else:
        output.line("".join(texts.values()).rstrip("\n"))
    for note in imported.notes:
        output.note(f"{note.problem.file}:{note.problem.line}:{note.problem.column}: {note}{_also(note)}")
    for refused in imported.refused:
        output.complain(f"{refused.where}: {refused.name} is a comment in the file: {refused.reason}")
    slos = sum(len(file.slos) for file in imported.files)
    if slos:
        output.note("alerts differ from theirs in what no file says: docs/importing.md#what-alerts-differently")
    output.note(f"{count(slos, 'SLO')} imported; {len(imported.refused)} not; {count(len(imported.notes), 'note')}")
    raise typer.Exit(1 if imported.refused else 0)


def expand(paths: SloPathsHere = None, out: Out = None) -> None:
    """Print SLO files with everything written out: defaults, templates, inherited alerting."""
    from slo_engine.definitions import load
    from slo_engine.definitions.writing import write_out

    with failures():
        texts = write_out(load(paths or [Path("slos")]))
        _refuse_several(texts, out, as_json=False)
        written = _write(texts, out) if out else {}
    for path in written.values():
        output.line(str(path))
    if not out:
        output.line("".join(texts.values()).rstrip("\n"))


@export_app.command()
def openslo(paths: SloPathsHere = None, out: Out = None, as_json: AsJson = False) -> None:
    """Write SLO files as OpenSLO v1. Exit 1 when an SLO has no equivalent there."""
    from slo_engine.convert.exporters.openslo import export
    from slo_engine.definitions import load

    with failures():
        exported = export(load(paths or [Path("slos")]))
        texts = {file.name: file.text for file in exported.files}
        if out and _is_a_file(out):
            _refuse_several(texts, out, as_json=as_json)
        written = _write(texts, out) if out else {}
    if as_json:
        files = [{"path": _text(written.get(name)), "text": None if out else text} for name, text in texts.items()]
        notes = [{"slo": left.slo, "service": left.service, "message": left.message} for left in exported.left_out]
        output.json_document({"files": files, "not_exported": notes})
    elif out:
        for path in written.values():
            output.line(str(path))
    else:
        output.line("---\n".join(texts.values()).rstrip("\n"))
    for left in exported.left_out:
        output.note(f"{left.service} {left.slo}: not exported: {left.message}")
    raise typer.Exit(1 if exported.missing else 0)


def _refuse_several(texts: Mapping[str, str], out: Path | None, *, as_json: bool) -> None:
    """A file of ours is one document of one service: several fit neither into one file nor on standard output."""
    if len(texts) > 1 and (_is_a_file(out) if out else not as_json):
        output.complain(f"these are {len(texts)} files ({', '.join(texts)}): name a folder with --out")
        raise typer.Exit(2)


def _is_a_file(out: Path) -> bool:
    return out.suffix in (".yaml", ".yml") and not out.is_dir()


def _write(texts: Mapping[str, str], out: Path) -> dict[str, Path]:
    """Write each text: to ``out`` when that names a YAML file, else into the folder. Nothing is overwritten."""
    if out.suffix in (".yaml", ".yml") and not out.is_dir():
        if len(texts) > 1:
            raise SloEngineError(
                f"these are {len(texts)} files ({', '.join(texts)}): name a folder for them with --out"
            )
        paths = dict.fromkeys(texts, out)
    else:
        paths = {name: out / name for name in texts}
    try:
        for name, path in paths.items():
            if path.exists() and path.read_text(encoding="utf-8", errors="replace") != texts[name]:
                raise SloEngineError(f"{path} exists and is not the same: move it away, or choose another with --out")
        for name, path in paths.items():
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(texts[name], encoding="utf-8")
    except OSError as error:
        raise SloEngineError(f"{error.filename or out} cannot be written: {error.strerror}") from None
    return paths


def _also(note: Note) -> str:
    """Where else it is to be said: lines of the same file, and of others."""
    here = note.problem
    lines = {
        f"line {each.line}" if each.file == here.file else f"{each.file}:{each.line}": None
        for each in note.also
        if (each.file, each.line) != (here.file, here.line)
    }
    shown = [*lines][:MAX_LINES]
    more = [count(len(lines) - MAX_LINES, "more place")] if len(lines) > MAX_LINES else []
    return f" (also in {', '.join([*shown, *more])})" if shown else ""


def _report(imported: Imported, written: Mapping[str, Path]) -> dict[str, object]:
    return {
        "files": [
            {
                "name": file.name,
                "path": _text(written.get(file.name)),
                "text": None if file.name in written else file.text,
                "slos": [{"service": slo.service, "name": slo.name} for slo in file.slos],
                "refused": [{"name": each.name, "where": each.where, "reason": each.reason} for each in file.refused],
            }
            for file in imported.files
        ],
        "notes": [
            {
                "kind": note.kind,
                "file": str(note.problem.file),
                "line": note.problem.line,
                "column": note.problem.column,
                "path": note.problem.path,
                "message": note.problem.message,
                "also": [
                    {"file": str(each.file), "line": each.line, "column": each.column, "path": each.path}
                    for each in note.also
                ],
            }
            for note in imported.notes
        ],
    }


def _text(path: Path | None) -> str | None:
    return None if path is None else str(path)
