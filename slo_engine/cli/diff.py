"""A unified diff on standard output, in colours where somebody watches."""

from __future__ import annotations

import typer

_COLOURS = {"+": "green", "-": "red", "@": "cyan"}


def show(text: str) -> None:
    """Print a unified diff. What is not a terminal gets the plain text."""
    for number, line in enumerate(text.rstrip("\n").split("\n")):
        is_heading = number < 2  # the names of both sides
        typer.secho(line, fg=None if is_heading else _COLOURS.get(line[:1]), bold=is_heading or None)
