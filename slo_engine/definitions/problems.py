"""Mistakes in SLO files: where they are, what is wrong, what to write instead."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path

from slo_engine.errors import SloEngineError

KeyPath = tuple[str | int, ...]
"""The way to a value in a file: ``("slos", 0, "objective")``."""


def show_path(path: KeyPath) -> str:
    """``("slos", 0, "objective")`` as people write it: ``slos[0].objective``."""
    shown = ""
    for part in path:
        if isinstance(part, str) and not part.isprintable():
            part = repr(part)
        shown += f"[{part}]" if isinstance(part, int) else f".{part}" if shown else str(part)
    return shown


@dataclass(frozen=True, order=True)
class Problem:
    """One mistake. Its text is ``file:line:column: path: what is wrong, what to write`` (both counted from 1)."""

    file: Path
    line: int
    column: int
    path: str
    message: str

    def __str__(self) -> str:
        where = f"{self.file}:{self.line}:{self.column}: "
        return f"{where}{self.path}: {self.message}" if self.path else f"{where}{self.message}"


class SloFileError(SloEngineError):
    """SLO files with mistakes: all mistakes of all files, in reading order."""

    def __init__(self, problems: Iterable[Problem]) -> None:
        self.problems: Sequence[Problem] = sorted(problems)
        super().__init__("\n".join(str(problem) for problem in self.problems))
