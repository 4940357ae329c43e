"""Mistakes as GitHub Actions shows them: beside the line of a pull request that they are about.

https://docs.github.com/en/actions/reference/workflows-and-actions/workflow-commands#setting-an-error-message
"""

from __future__ import annotations

import os
import re
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from slo_engine.cli import exits, output

if TYPE_CHECKING:
    from slo_engine.definitions import Problem
    from slo_engine.rollout.files import Drift

AsGithub = Annotated[
    bool, typer.Option("--github", help="Print annotations of GitHub Actions: each mistake at its file and line.")
]

_HUNK = re.compile(r"@@ -(\d+)")


def of_problem(problem: Problem) -> str:
    """A mistake in an SLO file, at line and column. What is shown in the log says where, too."""
    return _error(str(problem), problem.file, problem.line, problem.column)


def of_drift(drift: Drift) -> str:
    """A rule file that is not what the SLO files say, at the first line that differs."""
    said = f"{drift.file} is not what the SLO files say: run `slo-engine rules generate`, and commit what it writes"
    return _error(f"{said}\n{drift.diff}", drift.file, _first_line(drift.diff), 1)


def of_finding(text: str) -> str:
    """What is about no file."""
    return f"::error::{_escaped(text)}"


@contextmanager
def failures(*, as_github: bool) -> Iterator[None]:
    """Exit 1, as :func:`slo_engine.cli.exits.failures`; with annotations of what is wrong in SLO files, if asked."""
    from slo_engine.definitions import SloFileError

    with exits.failures():
        try:
            yield
        except SloFileError as error:
            if not as_github:
                raise
            for problem in error.problems:
                output.line(of_problem(problem))
            raise typer.Exit(1) from None


def _error(message: str, file: Path, line: int, column: int) -> str:
    name = _escaped(_in_the_repository(file)).replace(":", "%3A").replace(",", "%2C")
    return f"::error file={name},line={line},col={column}::{_escaped(message)}"


def _escaped(text: str) -> str:
    return text.replace("%", "%25").replace("\r", "%0D").replace("\n", "%0A")


def _in_the_repository(file: Path) -> str:
    """GitHub knows files by their path from the top of the repository, wherever the step runs."""
    workspace = Path(os.environ.get("GITHUB_WORKSPACE", "")).resolve()
    whole = file.resolve()
    return (whole.relative_to(workspace) if whole.is_relative_to(workspace) else file).as_posix()


def _first_line(diff: str) -> int:
    """The first line on disk that differs; where some are missing, the one behind which they should stand."""
    line = 1
    for text in diff.splitlines()[2:]:
        if hunk := _HUNK.match(text):
            line = int(hunk.group(1))
        elif text.startswith(" "):
            line += 1
        else:
            break
    return max(line, 1)
