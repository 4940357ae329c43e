"""The logs of `slo-engine serve`: text for a person at a terminal, JSON for a collector, at the level that is set."""

from __future__ import annotations

import json
import os
import pty
import re
import subprocess
import sys
import threading
from pathlib import Path

import pytest

from tests.cli.test_commands import ROOT, run

pytestmark = pytest.mark.takes(seconds=20)

STARTED = "Application startup complete"


def first_lines(folder: Path, *, terminal: bool, **environment: str) -> str:
    """What `serve` says until it has started."""
    ours, theirs = pty.openpty() if terminal else os.pipe()
    process = subprocess.Popen(
        [sys.executable, "-m", "slo_engine", "serve"],
        stdin=subprocess.DEVNULL,
        stdout=subprocess.DEVNULL,
        stderr=theirs,
        cwd=folder,
        env={**os.environ, "PYTHONPATH": str(ROOT), "SLO_ENGINE_LISTEN__PORT": "0", **environment},
    )
    os.close(theirs)
    timer = threading.Timer(20, process.kill)
    timer.start()
    said = b""
    try:
        while STARTED.encode() not in said and (block := os.read(ours, 65536)):
            said += block
    except OSError:  # the other side of a terminal is closed
        pass
    finally:
        timer.cancel()
        process.kill()
        process.wait()
        os.close(ours)
    return said.decode()


def test_a_terminal_shows_text(tmp_path: Path) -> None:
    said = first_lines(tmp_path, terminal=True)
    assert re.search(rf"^\d{{4}}-\d\d-\d\d [0-9:.]+ UTC info uvicorn\.error: {STARTED}", said, re.MULTILINE), said


def test_a_pipe_gets_json(tmp_path: Path) -> None:
    lines = [json.loads(line) for line in first_lines(tmp_path, terminal=False).splitlines()]
    assert lines[-1]["message"].startswith(STARTED)


def test_the_form_can_be_set(tmp_path: Path) -> None:
    assert first_lines(tmp_path, terminal=True, SLO_ENGINE_LOG__FORMAT="json").startswith("{")


@pytest.mark.parametrize("key", ["LEVEL", "FORMAT"])
def test_what_cannot_be_set_is_told(tmp_path: Path, key: str) -> None:
    done = run("serve", cwd=tmp_path, env={f"SLO_ENGINE_LOG__{key}": "loud"})
    assert done.returncode == 2
    assert f"SLO_ENGINE_LOG__{key}: Input should be " in done.stderr
