"""The command line, run again and again, each time in a process of its own that has its modules loaded already.

Loading them takes half a second to two seconds, which most commands do not take themselves. So one process loads them,
and is forked for each run; from there on the command runs as `python -m slo_engine` does, with its own arguments,
environment, folder and output. That a command loads what it needs is for the tests that start it from nothing.
"""

from __future__ import annotations

import atexit
import json
import os
import select
import subprocess
import sys
import tempfile
from collections.abc import Mapping, Sequence
from functools import cache
from pathlib import Path

_FORKING = """
import json, os, runpy, sys, warnings
import slo_engine.engine, slo_engine.cli.app, slo_engine.cli.rules, slo_engine.cli.replay_output
import alembic.script
import slo_engine.convert.importers, slo_engine.convert.exporters.openslo, slo_engine.rules.unit_tests, rich.table

warnings.simplefilter("ignore", RuntimeWarning)  # of runpy, that the module it runs is loaded already
for line in sys.stdin:
    run = json.loads(line)
    child = os.fork()
    if not child:
        break
    print(os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]), flush=True)
else:
    sys.exit()

os.environ.clear()
os.environ.update(run["environment"])
os.chdir(run["cwd"])
for number, name in ((0, run["stdin"]), (1, run["stdout"]), (2, run["stderr"])):
    os.dup2(os.open(name, os.O_RDWR | os.O_CREAT | (os.O_TRUNC if number else 0), 0o600), number)
sys.argv = ["slo_engine", *run["arguments"]]
runpy.run_module("slo_engine", run_name="__main__", alter_sys=True)
"""


def run(
    arguments: Sequence[str], *, cwd: Path, environment: Mapping[str, str], timeout: float, stdin: bytes = b""
) -> subprocess.CompletedProcess[bytes]:
    """Run a command. Raises TimeoutExpired."""
    process, folder = _warm(os.getpid())
    stdout, stderr = folder / "stdout", folder / "stderr"
    (folder / "stdin").write_bytes(stdin)
    wanted = {
        "arguments": list(arguments),
        "cwd": str(cwd),
        "environment": dict(environment),
        "stdin": str(folder / "stdin"),
        "stdout": str(stdout),
        "stderr": str(stderr),
    }
    assert process.stdin is not None
    assert process.stdout is not None
    process.stdin.write(json.dumps(wanted).encode() + b"\n")
    process.stdin.flush()
    if not select.select([process.stdout], [], [], timeout)[0]:
        process.kill()
        _warm.cache_clear()
        raise subprocess.TimeoutExpired(list(arguments), timeout)
    code = process.stdout.readline()
    assert code, "the command line cannot be loaded"
    return subprocess.CompletedProcess(list(arguments), int(code), stdout.read_bytes(), stderr.read_bytes())


@cache
def _warm(owner: int) -> tuple[subprocess.Popen[bytes], Path]:
    folder = tempfile.TemporaryDirectory(prefix="slo-engine-cli-")
    process = subprocess.Popen([sys.executable, "-c", _FORKING], stdin=subprocess.PIPE, stdout=subprocess.PIPE)

    def end() -> None:
        process.kill()
        process.communicate()
        folder.cleanup()

    atexit.register(end)
    return process, Path(folder.name)
