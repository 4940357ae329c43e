"""docs/command-line.md says what the commands are, and its examples run."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from typer.main import get_command

from slo_engine.cli.app import ORDER, app
from tests.cli.test_commands import run
from tests.docs.page import FOLDER, page

PAGE = page("command-line.md")


def first_column(head: str) -> list[str]:
    (table,) = (table for table in PAGE.tables() if table.head[0] == head)
    return [row[0].strip("`") for row in table.body]


def test_every_command_is_listed_in_the_order_of_use() -> None:
    assert first_column("command") == list(ORDER)


def test_every_option_of_status_is_described() -> None:
    commands: Any = get_command(app)
    options = [each.opts[0] for each in commands.commands["status"].params if each.opts[0].startswith("--")]
    assert sorted(first_column("option")) == sorted(options)


@pytest.mark.parametrize(
    "example", [block for block in PAGE.blocks("sh") if "serve" not in block and "status" not in block]
)
def test_examples_run_as_they_are_written(example: str, tmp_path: Path) -> None:
    example = example.replace("/tmp/", f"{tmp_path}/")
    (tmp_path / "slos").symlink_to(FOLDER.parent / "slos")
    path = f"{Path(sys.executable).parent}:{os.environ['PATH']}"
    done = subprocess.run(
        ["bash", "-euo", "pipefail", "-c", example],
        cwd=tmp_path,
        env={**os.environ, "PATH": path, "PYTHONPATH": str(FOLDER.parent), "HOME": str(tmp_path)},
        capture_output=True,
        text=True,
        timeout=120,
    )
    assert done.returncode == 0, done.stderr


def test_examples_of_status_can_be_meant() -> None:
    """Their options are those of the command: nothing is wrong with the call, only Prometheus is not there."""
    (example,) = (block for block in PAGE.blocks("sh") if "slo-engine status" in block)
    for line in example.splitlines():
        arguments = re.sub(r"\s+#.*", "", line).split()[1:]
        done = run(*arguments, SLO_ENGINE_PROMETHEUS__URL="http://127.0.0.1:9")
        said = "is for a terminal" if "--watch" in arguments else "cannot be reached"
        assert said in done.stderr, (arguments, done.stderr)
