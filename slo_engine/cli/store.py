"""``slo-engine store``: moving the store, and looking whether it is whole."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Annotated

import typer

from slo_engine.amounts import noun
from slo_engine.cli import output
from slo_engine.cli.arguments import AsJson, ConfigFile, settings_here
from slo_engine.cli.exits import failures, usage_errors

app = typer.Typer(
    help="The database that the engine keeps its notifications in.",
    no_args_is_help=True,
    pretty_exceptions_enable=False,
)

_URLS = "sqlite:///<file> or postgresql://<user>@<host>/<database>; passwords: PGPASSFILE, or ~/.pgpass."


@app.command()
def copy(
    source: Annotated[str, typer.Argument(metavar="FROM", help=_URLS)],
    target: Annotated[str, typer.Argument(metavar="TO", help="The same; an empty database, or a file that is new.")],
    as_json: AsJson = False,
) -> None:
    """Copy the store into an empty one, while no engine runs on either. All rows are read again and compared."""
    from slo_engine.store.backends import parsed
    from slo_engine.store.copying import copy as copied

    with usage_errors():
        for url in (source, target):
            parsed(url)
    with failures(), _progress() as tell:
        tables = copied(source, target, tell)
    if as_json:
        rows = {each.name: {"rows": each.rows, "sha256": each.checksum} for each in tables}
        output.json_document({"tables": rows})
        return
    for each in tables:
        output.line(f"{each.name:<16} {each.rows:>10,} {noun(each.rows, 'row')}, sha256 {each.checksum[:16]}")
    output.note("both stores hold the same; set store.url to the new one, and start the engine")


@app.command()
def check(
    url: Annotated[str | None, typer.Argument(metavar="[URL]", help=f"{_URLS} Else that of the settings.")] = None,
    quick: Annotated[bool, typer.Option("--quick", help="Leave out indexes and the contents of messages.")] = False,
    config: ConfigFile = None,
    as_json: AsJson = False,
) -> None:
    """Look whether the store is whole; it is only read, and the engine may run. Exit code 1: it is damaged."""
    from slo_engine.settings import load_settings
    from slo_engine.store.checking import check as checked

    with usage_errors():
        chosen = url or load_settings(config or settings_here(), sections=("store",)).store.address
    with failures(), _status() as tell:
        found = checked(chosen, quick=quick, tell=tell)
    if as_json:
        output.json_document(
            {"store": found.name, "version": found.version, "rows": dict(found.rows), "problems": list(found.problems)}
        )
    else:
        for table, rows in found.rows.items():
            output.line(f"{table:<16} {rows:>10,} {noun(rows, 'row')}")
        for each in found.problems:
            output.complain(each)
        output.note(f"{found.name}, version {found.version}: " + ("damaged" if found.problems else "no damage found"))
    raise typer.Exit(1 if found.problems else 0)


@contextmanager
def _progress() -> Iterator[Callable[[str, int, int], None]]:
    """A bar for each table, on a terminal."""
    from rich.console import Console
    from rich.progress import Progress

    console = Console(stderr=True)
    with Progress(console=console, transient=True, disable=not console.is_terminal) as bar:
        task = bar.add_task("", total=None)
        yield lambda what, done, total: bar.update(task, description=what, completed=done, total=total)


@contextmanager
def _status() -> Iterator[Callable[[str], None]]:
    from rich.console import Console

    console = Console(stderr=True)
    if not console.is_terminal:
        yield lambda _: None
        return
    with console.status("checking") as status:
        yield lambda what: status.update(f"checking {what}")
