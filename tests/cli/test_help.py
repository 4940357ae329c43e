"""`slo-engine --help`: every command, short forms, the order of use, and completion in a shell."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from typer.main import get_command

from slo_engine.cli.app import ORDER, app
from tests.cli.test_commands import ROOT, run


def commands(group: Any, *path: str) -> Iterator[tuple[str, ...]]:
    """Every command and group, by what is typed."""
    yield path
    for name, command in getattr(group, "commands", {}).items():
        yield from commands(command, *path, name)


ALL = list(commands(get_command(app)))


@pytest.mark.parametrize("path", ALL, ids=" ".join)
def test_every_command_and_group_explains_itself_at_h(path: tuple[str, ...]) -> None:
    short, long = run(*path, "-h"), run(*path, "--help")
    assert short.returncode == long.returncode == 0, short.stderr
    assert f"Usage: {' '.join(['slo-engine', *path])} " in short.stdout
    assert short.stdout == long.stdout


def listed(*group: str) -> list[str]:
    """The commands in the help of a group, as they follow each other."""
    return re.findall(r"^│ ([a-z]+)  +\S", run(*group, "--help").stdout.partition("─ Commands ─")[2], re.MULTILINE)


def test_commands_are_listed_in_the_order_of_use() -> None:
    assert listed() == list(ORDER)
    assert listed()[:4] == ["init", "validate", "rules", "serve"]
    assert listed("rules") == ["generate", "check", "test", "push", "inhibitions"]


def test_bash_completes_with_the_script_that_the_program_prints(tmp_path: Path) -> None:
    """As an interactive shell does it: the script is sourced, and asked what follows `slo-engine r`."""
    folder = Path(sys.executable).parent
    script = tmp_path / "completion"
    environment = {**os.environ, "PATH": f"{folder}:{os.environ['PATH']}", "PYTHONPATH": str(ROOT)}
    printed = subprocess.run(
        ["slo-engine"],
        executable=shutil.which("slo-engine", path=environment["PATH"]),
        env={**environment, "_SLO_ENGINE_COMPLETE": "source_bash"},
        capture_output=True,
        check=True,
        timeout=60,
    )
    script.write_bytes(printed.stdout)
    asked = (
        f"source {script}; COMP_WORDS=(slo-engine r); COMP_CWORD=1; "
        '_slo_engine_completion slo-engine; printf "%s\\n" "${COMPREPLY[@]}"; complete -p slo-engine'
    )
    done = subprocess.run(["bash", "-c", asked], env=environment, capture_output=True, text=True, timeout=60)
    assert done.stdout.splitlines() == [
        *("rules", "replay", "report"),
        "complete -o default -F _slo_engine_completion slo-engine",
    ]


@pytest.mark.parametrize("shell", ["bash", "zsh", "fish"])
def test_completion_is_printed_for_each_shell(shell: str) -> None:
    done = run(_SLO_ENGINE_COMPLETE=f"source_{shell}")
    assert done.returncode == 0
    assert "_SLO_ENGINE_COMPLETE=complete_" in done.stdout


def test_completion_does_not_read_standard_input() -> None:
    """`validate - <TAB>` must not wait for a file."""
    words = {"COMP_WORDS": "slo-engine validate - --js", "COMP_CWORD": "3"}
    done = run(env=words, _SLO_ENGINE_COMPLETE="complete_bash", stdin=b"\0")
    assert done.stdout.split() == ["--json"]


def test_help_does_not_pay_for_the_service() -> None:
    """What only commands need is loaded when they run."""
    asked = (
        "import sys, slo_engine.cli.app; "
        "print(*sorted({name.partition('.')[0] for name in sys.modules} & {'pydantic', 'yaml', 'sqlalchemy', 'httpx'}))"
    )
    done = subprocess.run([sys.executable, "-c", asked], cwd=ROOT, capture_output=True, text=True, timeout=60)
    assert (done.returncode, done.stdout) == (0, "\n"), done.stderr
