"""The generated unit tests, run by Prometheus' own tool."""

from __future__ import annotations

import shutil
import subprocess
from dataclasses import dataclass
from pathlib import Path

from slo_engine.errors import SloEngineError

LONGEST_RUN = 1800.0
"""Seconds for the tests of one service."""


@dataclass(frozen=True)
class Verdict:
    """Whether all tests of a file passed, and what promtool said."""

    passed: bool
    said: str


def run_tests(file: Path) -> Verdict:
    """Run one test file. Raises SloEngineError when promtool is not there or does not end."""
    program = shutil.which("promtool")
    if program is None:
        raise SloEngineError("promtool is not on PATH: install Prometheus, which it comes with")
    try:
        done = subprocess.run(  # noqa: S603 - a program that is found on PATH, and no shell
            [program, "test", "rules", str(file)],
            capture_output=True,
            encoding="utf-8",
            errors="replace",
            check=False,
            timeout=LONGEST_RUN,
        )
    except subprocess.TimeoutExpired:
        raise SloEngineError(f"promtool has not ended the tests of {file} within {LONGEST_RUN:g} s") from None
    return Verdict(done.returncode == 0, f"{done.stdout}{done.stderr}".strip())
