"""`make run` leaves no process behind, however it ends."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import psutil
import pytest

from deploy.stack.stack import REPOSITORY
from tests.waiting import wait_for

pytestmark = [pytest.mark.stack, pytest.mark.timeout(120)]

PARTS = 6


@pytest.fixture
def running(tmp_path: Path) -> Iterator[tuple[subprocess.Popen[str], list[psutil.Process]]]:
    """The program behind `make run`, up, and its children."""
    log = tmp_path / "output"
    with log.open("w") as output:
        process = subprocess.Popen(
            [sys.executable, "-m", "deploy.stack", "--port", "0", "--folder", str(tmp_path / "stack")],
            stdout=output,
            stderr=subprocess.STDOUT,
            text=True,
            cwd=REPOSITORY,
            env={name: value for name, value in os.environ.items() if not name.startswith("LANGFUSE_")},
        )
    try:
        wait_for("the loop", lambda: "The loop is running" in log.read_text(), within=60)
        yield process, psutil.Process(process.pid).children(recursive=True)
    finally:
        process.kill()
        process.wait()


def all_end(children: list[psutil.Process], within: float) -> bool:
    _, alive = psutil.wait_procs(children, timeout=within)
    return not alive


def test_ctrl_c_ends_every_process(running: tuple[subprocess.Popen[str], list[psutil.Process]]) -> None:
    process, children = running
    assert len(children) == PARTS
    process.send_signal(signal.SIGINT)
    assert process.wait(40) == 0
    assert all_end(children, 5)


def test_a_crash_of_one_part_ends_every_process_and_names_the_part(
    running: tuple[subprocess.Popen[str], list[psutil.Process]], tmp_path: Path
) -> None:
    process, children = running
    victim = next(
        child for child in children if "prometheus" in child.name() and "alert" not in " ".join(child.cmdline()[:1])
    )
    victim.kill()
    assert process.wait(40) == 1
    assert all_end(children, 5)
    assert "Prometheus has ended" in (tmp_path / "output").read_text()


def test_a_kill_of_the_program_itself_ends_every_process(
    running: tuple[subprocess.Popen[str], list[psutil.Process]],
) -> None:
    process, children = running
    process.kill()
    process.wait()
    assert all_end(children, 30)
