"""`slo-engine rules test`, with a stand-in for promtool: what it prints for people, for scripts, and meanwhile."""

from __future__ import annotations

import json
import os
import pty
import subprocess
import sys
from pathlib import Path

import pytest

from tests.cli.test_commands import ROOT, run

PROMTOOL = """#!/bin/sh
case "$3" in
    *broken*) echo "FAILED: no alert at 5m"; exit 1 ;;
esac
sleep 0.2
"""


@pytest.fixture
def rules(tmp_path: Path) -> Path:
    """A folder with two tests, the second of which fails."""
    program = tmp_path / "promtool"
    program.write_text(PROMTOOL)
    program.chmod(0o755)
    tests = tmp_path / "rules" / "tests"
    tests.mkdir(parents=True)
    for name in ("agents.yaml", "broken.yaml"):
        (tests / name).write_text("")
    return tmp_path / "rules"


def environment(rules: Path) -> dict[str, str]:
    return {**os.environ, "PATH": f"{rules.parent}:{os.environ['PATH']}", "PYTHONPATH": str(ROOT), "TERM": "xterm"}


def on_a_terminal(rules: Path, *options: str) -> tuple[list[str], str]:
    """What goes into a file on standard output, and what a terminal shows on standard error."""
    ours, theirs = pty.openpty()
    with subprocess.Popen(
        [sys.executable, "-m", "slo_engine", "rules", "test", "--out", str(rules), *options],
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=theirs,
        text=True,
        cwd=rules.parent,
        env=environment(rules),
    ) as process:
        os.close(theirs)
        shown = b""
        try:
            while block := os.read(ours, 65536):
                shown += block
        except OSError:  # the other side is closed
            pass
        assert process.stdout is not None
        lines = process.stdout.read().splitlines()
    os.close(ours)
    assert process.returncode == 1
    return lines, shown.decode()


EXPECTED = ["agents.yaml: passed", "broken.yaml: FAILED", "FAILED: no alert at 5m"]


def test_a_terminal_shows_which_file_is_tested_and_a_file_gets_the_result_alone(rules: Path) -> None:
    lines, shown = on_a_terminal(rules)
    assert [line.rpartition("/")[2] for line in lines] == EXPECTED
    assert "testing" in shown
    assert "agents.yaml" in shown
    assert "passed" not in shown


def test_scripts_see_no_progress(rules: Path) -> None:
    done = run("rules", "test", "--out", str(rules), PATH=environment(rules)["PATH"])
    assert (done.returncode, done.stderr) == (1, "")
    assert [line.rpartition("/")[2] for line in done.stdout.splitlines()] == EXPECTED


def test_json_comes_alone_on_a_terminal_too(rules: Path) -> None:
    lines, shown = on_a_terminal(rules, "--json")
    found = json.loads("\n".join(lines))["tests"]
    assert [(each["file"].rpartition("/")[2], each["passed"]) for each in found] == [
        ("agents.yaml", True),
        ("broken.yaml", False),
    ]
    assert found[1]["said"] == "FAILED: no alert at 5m"
    assert shown == ""
