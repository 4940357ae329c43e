"""Secrets that a command takes from a file or the environment: they stand neither on its command line nor in what it
prints."""

from __future__ import annotations

import os
from pathlib import Path

from slo_engine.errors import SloEngineError


def from_file(path: Path) -> str:
    """What the file holds, without white space around it. Raises SloEngineError, which shows the path alone."""
    try:
        text = path.read_text(encoding="utf-8").strip()
    except OSError as error:
        raise SloEngineError(f"{path} cannot be read: {error.strerror}") from None
    except UnicodeDecodeError:
        raise SloEngineError(f"{path} is not UTF-8: it must hold the secret alone") from None
    return _checked(str(path), text)


def from_environment(name: str) -> str | None:
    """What the variable holds, None when that is nothing. Raises SloEngineError, which shows the name alone."""
    text = os.environ.get(name, "").strip()
    return _checked(name, text) if text else None


def _checked(source: str, text: str) -> str:
    if not text or not text.isascii() or not text.isprintable():  # it goes into a header
        raise SloEngineError(f"{source} must hold the secret alone, in one line of printable ASCII")
    return text
