"""Secrets that a command takes from a file, so that they stand neither on the command line nor in its output."""

from __future__ import annotations

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
    if not text or "\n" in text:
        raise SloEngineError(f"{path} must hold the secret alone, in one line")
    return text
