"""A program that is run again and again, each time in a process of its own that has its libraries loaded already.

The SDKs of the providers take three to eight seconds to load, the examples a tenth of that to run. So one process
executes the imports of a program, and is forked for each run; from there on the program runs as it stands, from its
first line, and ends as Python ends.
"""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path
from types import TracebackType
from typing import Self

_FORKING = """
import ast, json, os, runpy, sys
path, after = sys.argv[1:]
tree = ast.parse(open(path).read())
last = max(number for number, each in enumerate(tree.body) if isinstance(each, (ast.Import, ast.ImportFrom)))
exec(compile(ast.Module(tree.body[: last + 1], []), path, "exec"), {"__name__": "imports of " + path})
import langfuse

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
for number, name in ((0, os.devnull), (1, run["stdout"]), (2, run["stderr"])):
    os.dup2(os.open(name, os.O_RDWR | os.O_CREAT | os.O_TRUNC), number)
sys.argv = [path]
try:
    runpy.run_path(path, run_name="__main__")
finally:
    exec(after)
"""


class WarmProgram:
    """``program``, ready to be run; ``after``: Python to execute when it has ended or failed."""

    def __init__(self, program: Path, after: str, *, folder: Path, cwd: Path) -> None:
        self._folder = folder
        self._process = subprocess.Popen(
            [sys.executable, "-c", _FORKING, str(program), after],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
            cwd=cwd,
            env={"PATH": ""},
        )

    def run(self, environment: Mapping[str, str]) -> subprocess.CompletedProcess[str]:
        """Run it once, with nothing else in its environment."""
        stdout, stderr = self._folder / "stdout", self._folder / "stderr"
        wanted = {"environment": dict(environment), "stdout": str(stdout), "stderr": str(stderr)}
        assert self._process.stdin is not None
        assert self._process.stdout is not None
        print(json.dumps(wanted), file=self._process.stdin, flush=True)
        code = self._process.stdout.readline()
        assert code, "the program cannot be loaded"
        return subprocess.CompletedProcess(self._process.args, int(code), stdout.read_text(), stderr.read_text())

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._process.kill()
        self._process.communicate()
