"""Pictures that commands draw into files."""

from __future__ import annotations

from pathlib import Path

from slo_engine.errors import SloEngineError


def save(file: Path, svg: str) -> None:
    """Write a picture. Raises SloEngineError with the reason when that is not possible."""
    try:
        file.write_text(svg, encoding="utf-8")
    except OSError as error:
        raise SloEngineError(f"{file} cannot be written: {error.strerror}") from None
