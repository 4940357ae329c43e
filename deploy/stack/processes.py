"""Child processes that never outlive their parent, and are ready before anybody talks to them."""

from __future__ import annotations

import ctypes
import os
import shutil
import signal
import socket
import subprocess
import time
import urllib.error
import urllib.request
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from types import TracebackType
from typing import Self

_PR_SET_PDEATHSIG = 1
_LIBC = ctypes.CDLL(None, use_errno=True)

STOP_SECONDS = 10.0


class StackError(Exception):
    """A part of the stack cannot start, or has ended; says which, and what its log says."""


class Process:
    """A child process that is ended with the block, with its parent, or by :meth:`stop`."""

    def __init__(
        self,
        name: str,
        command: Sequence[str | Path],
        *,
        log: Path,
        ready_url: str,
        environment: Mapping[str, str] | None = None,
        ready_within: float = 30.0,
    ) -> None:
        """``ready_url``: answers 2xx once the process can be used."""
        self.name = name
        self._log = log
        self._ready_url = ready_url
        self._ready_within = ready_within
        with log.open("ab") as output:
            self._process = subprocess.Popen(
                [str(part) for part in command],
                stdout=output,
                stderr=subprocess.STDOUT,
                stdin=subprocess.DEVNULL,
                env={**os.environ, **(environment or {})},
                # Ctrl-C goes to the parent alone, which ends the children in order.
                start_new_session=True,
                preexec_fn=die_with(os.getpid()),
            )

    @property
    def pid(self) -> int:
        """The process id."""
        return self._process.pid

    @property
    def has_ended(self) -> bool:
        """Whether it runs no more."""
        return self._process.poll() is not None

    def wait_until_ready(self) -> Self:
        """Raises StackError when it ends first, or takes too long."""
        deadline = time.monotonic() + self._ready_within
        while time.monotonic() < deadline:
            if self.has_ended:
                raise StackError(f"{self.name} ended with code {self._process.returncode}:\n{self.last_lines()}")
            if answers(self._ready_url):
                return self
            time.sleep(0.05)
        raise StackError(f"{self.name} was not ready within {self._ready_within:g} s:\n{self.last_lines()}")

    def last_lines(self, number: int = 15) -> str:
        """The end of its log."""
        return "\n".join(self._log.read_text(errors="replace").splitlines()[-number:])

    def kill(self) -> None:
        """End it at once, as a crash would (SIGKILL)."""
        self._process.kill()
        self._process.wait()

    def stop(self) -> None:
        """End it: SIGTERM, and SIGKILL when that does not help."""
        if self.has_ended:
            return
        self._process.terminate()
        try:
            self._process.wait(STOP_SECONDS)
        except subprocess.TimeoutExpired:
            self.kill()

    def __enter__(self) -> Self:
        try:
            return self.wait_until_ready()
        except BaseException:
            self.stop()
            raise

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.stop()


def answers(url: str) -> bool:
    """Whether a GET is answered with 2xx."""
    try:
        with urllib.request.urlopen(url, timeout=1.0) as response:
            return bool(200 <= response.status < 300)
    except (urllib.error.URLError, OSError):
        return False


def free_port() -> int:
    """A loopback port that nobody listens on now."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def program(name: str, package: str) -> Path:
    """The path of a program: the one that the environment names (``PROMETHEUS=/opt/prometheus-3/prometheus``), else the
    system's. Raises StackError with the package to install."""
    if named := os.environ.get(name.upper()):
        return Path(named)
    found = shutil.which(name) or shutil.which(name, path="/usr/bin:/usr/sbin")
    if found is None:
        raise StackError(f"{name} is not installed: apt-get install {package}")
    return Path(found)


def die_with(parent: int, by: signal.Signals = signal.SIGTERM) -> Callable[[], None]:
    """What a child calls first (``preexec_fn``) so that the kernel ends it when its parent ends, however that happens.
    Linux counts the thread that started it as its parent."""

    def die_with_parent() -> None:
        _LIBC.prctl(_PR_SET_PDEATHSIG, by)
        if os.getppid() != parent:  # it ended before we asked
            os._exit(1)

    return die_with_parent
