"""What a run says while it works: a bar on a terminal, lines anywhere; on stderr when stdout is JSON."""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager

from rich.console import Console
from rich.progress import Progress as Bar

Reached = Callable[[float], None]


class Progress:
    """Bars are shown on a terminal alone."""

    def __init__(self, *, to_stderr: bool = False) -> None:
        self._out = sys.stderr if to_stderr else sys.stdout
        self._console = Console(stderr=True)

    def say(self, line: str) -> None:
        """One line of the protocol."""
        print(line, file=self._out, flush=True)

    @contextmanager
    def task(self, name: str, whole: float) -> Iterator[Reached]:
        """A piece of work; call what it gives with how much of ``whole`` is done."""
        with Bar(console=self._console, transient=True, disable=not self._console.is_terminal) as bar:
            task = bar.add_task(name, total=whole)
            yield lambda done: bar.update(task, completed=done)
