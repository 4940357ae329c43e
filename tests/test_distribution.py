"""How `make test` gives the tests to its workers."""

from __future__ import annotations

import os
import re
import shlex
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).parent.parent

FILE = """
import os, pathlib, pytest
pytestmark = pytest.mark.takes(seconds={seconds})
@pytest.mark.parametrize("number", range(5))
def test_where(number):
    with pathlib.Path("ran").open("a") as ran:
        print(__name__, os.environ["PYTEST_XDIST_WORKER"], file=ran)
"""


def options() -> list[str]:
    """What `make test` gives to pytest."""
    done = subprocess.run(["make", "-n", "test"], cwd=ROOT, capture_output=True, text=True, check=True)
    (found,) = re.findall(r"^.venv/bin/pytest (.*)$", done.stdout, re.MULTILINE)
    return shlex.split(found)


def test_a_file_stays_on_one_worker_and_the_longest_begin_first(tmp_path: Path) -> None:
    # Of a file that is on two workers, each starts the servers of its own.
    seconds = {"test_a": 1, "test_b": 2, "test_c": 40, "test_d": 30, "test_e": 20}
    for name, each in seconds.items():
        (tmp_path / f"{name}.py").write_text(FILE.format(seconds=each))
    (tmp_path / "conftest.py").write_text((ROOT / "tests/conftest.py").read_text())
    subprocess.run(
        [sys.executable, "-m", "pytest", *options(), "-c", os.devnull, "--rootdir", ".", "-p", "no:langsmith_plugin"],
        cwd=tmp_path,
        check=True,
        capture_output=True,
    )
    ran = [line.split() for line in (tmp_path / "ran").read_text().splitlines()]
    assert len(ran) == 5 * len(seconds)
    assert len({(name, worker) for name, worker in ran}) == len(seconds)
    begun = list(dict.fromkeys(name for name, _ in ran))
    assert set(begun[:3]) == {"test_c", "test_d", "test_e"}
