"""Errors as exit codes: 1 for what was found or could not be done, 2 for what is wrong with the call."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

import typer

from slo_engine.cli import output
from slo_engine.errors import SloEngineError


@contextmanager
def usage_errors() -> Iterator[None]:
    """What is wrong with the call or the settings: exit 2."""
    with _exit_with(2):
        yield


@contextmanager
def failures() -> Iterator[None]:
    """What was found, or could not be done: exit 1."""
    with _exit_with(1):
        yield


@contextmanager
def _exit_with(code: int) -> Iterator[None]:
    try:
        yield
    except SloEngineError as error:
        output.complain(str(error))
        raise typer.Exit(code) from None
