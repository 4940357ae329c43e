"""What the commands print: results on standard output, everything else on standard error."""

from __future__ import annotations

import json
import sys
from collections.abc import Iterable, Iterator, Sequence
from contextlib import AbstractContextManager, contextmanager
from typing import TYPE_CHECKING, Any

import typer

if TYPE_CHECKING:
    from pathlib import Path

    from rich.console import Console

PIPE_WIDTH = 1000
"""Characters of a line that is not on a terminal; no table is as wide."""


def line(text: str) -> None:
    """One line of a result."""
    typer.echo(text)


def note(text: str) -> None:
    """A remark for a person."""
    typer.echo(text, err=True)


def complain(text: str) -> None:
    """Why it did not work."""
    typer.secho(text, fg="red", err=True)


def progress(what: str, files: Sequence[Path], *, quiet: bool) -> AbstractContextManager[Iterable[Path]]:
    """The files, with a bar on standard error that names the one that is worked on, when that is a terminal
    and it is not to be ``quiet``."""
    from rich.console import Console
    from rich.progress import Progress

    @contextmanager
    def shown() -> Iterator[Iterable[Path]]:
        console = Console(stderr=True)
        with Progress(
            console=console,
            transient=True,
            disable=quiet or not console.is_terminal,
            redirect_stdout=sys.stdout.isatty(),  # else what goes into a file would be drawn above the bar
        ) as bar:
            task = bar.add_task(what, total=len(files))

            def each() -> Iterator[Path]:
                for file in files:
                    bar.update(task, description=f"{what} {file.name}")
                    yield file
                    bar.advance(task)

            yield each()

    return shown()


def json_document(data: Any) -> None:
    """A result for scripts."""
    typer.echo(json.dumps(data, indent=2, allow_nan=False))


def console() -> Console:
    """Where tables are printed. A pipe has no width: nothing is cut there."""
    from rich.console import Console

    found = Console()
    return found if found.is_terminal else Console(width=PIPE_WIDTH)


def printable(text: str) -> str:
    """Labels and answers of servers may hold what a terminal obeys."""
    return "".join(letter if letter.isprintable() else "\N{REPLACEMENT CHARACTER}" for letter in text)
