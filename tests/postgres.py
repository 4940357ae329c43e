"""A PostgreSQL server to throw away: Debian's own binaries, a folder and a port of its own, no password."""

from __future__ import annotations

import os
import pwd
import shutil
import signal
import subprocess
import tempfile
import time
from collections.abc import Mapping
from contextlib import suppress
from itertools import count
from pathlib import Path
from types import TracebackType
from typing import Any, Self

import psutil
import psycopg
from psycopg.sql import SQL, Identifier

from deploy.stack.processes import die_with, free_port

START_SECONDS = 60.0
STOP_SECONDS = 30.0

_ROLE = "postgres"


class PostgresError(Exception):
    """The server cannot be started; says why."""


class Postgres:
    """A cluster in a folder of its own, and the server over it. The folder goes with the block; the server starts,
    stops and dies as often as a test wants meanwhile, always on the same port."""

    def __init__(self, *, fsync: bool = True, options: Mapping[str, str] | None = None) -> None:
        """``fsync``: without it a commit is faster and would not survive a power failure, though it does survive
        :meth:`kill`. ``options``: of postgresql.conf, by name."""
        self.port = free_port()
        self._options = {
            "listen_addresses": "127.0.0.1",
            "port": str(self.port),
            "unix_socket_directories": "",
            "fsync": "on" if fsync else "off",
            **(options or {}),
        }
        self._owner = _unprivileged()
        # Not in a folder of pytest, which only root may enter.
        self._folder = Path(tempfile.mkdtemp(prefix="slo-engine-postgres-"))
        self._data = self._folder / "data"
        self._log = self._folder / "postgres.log"
        self._numbers = count(1)
        self._server: subprocess.Popen[bytes] | None = None
        if self._owner is not None:
            os.chown(self._folder, self._owner.pw_uid, self._owner.pw_gid)

    def __enter__(self) -> Self:
        try:
            self._create()
            return self.start()
        except BaseException:
            self._remove()
            raise

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._remove()

    def url(self, database: str = "postgres") -> str:
        """The address of a database, as ``store.url`` takes it."""
        return f"postgresql://{_ROLE}@127.0.0.1:{self.port}/{database}"

    def new_database(self) -> str:
        """Create an empty database. Returns its address."""
        name = f"test_{next(self._numbers)}"
        with self.connect() as connection:
            connection.execute(SQL("CREATE DATABASE {}").format(Identifier(name)))
        return self.url(name)

    def connect(self, url: str | None = None) -> psycopg.Connection[tuple[Any, ...]]:
        """A connection that commits each statement."""
        return psycopg.connect(url or self.url(), autocommit=True, connect_timeout=5)

    def log(self) -> str:
        """What the server has written to its log."""
        return self._log.read_text(errors="replace") if self._log.exists() else ""

    @property
    def is_running(self) -> bool:
        """Whether the server is there; a paused one is."""
        return self._server is not None and self._server.poll() is None

    def start(self) -> Self:
        """Start the server on what the cluster holds; it can be used when this returns."""
        options = [part for name, value in self._options.items() for part in ("-c", f"{name}={value}")]
        with self._log.open("ab") as output:
            self._server = subprocess.Popen(
                [_program("postgres"), "-D", str(self._data), *options],
                stdout=output,
                stderr=subprocess.STDOUT,
                # An immediate shutdown: nobody is there any more to wait for.
                preexec_fn=die_with(os.getpid(), signal.SIGQUIT),
                **self._as_owner(),
            )
        deadline = time.monotonic() + START_SECONDS
        while True:
            if self._server.poll() is not None:
                raise PostgresError(f"postgres ended with code {self._server.returncode}:\n{self._last_lines()}")
            try:
                self.connect().close()
            except psycopg.OperationalError:  # not yet, or it recovers from a crash
                if time.monotonic() > deadline:
                    raise PostgresError(f"postgres was not ready in time:\n{self._last_lines()}") from None
                time.sleep(0.05)
            else:
                return self

    def stop(self) -> None:
        """End it as a restart does: sessions are cut off, what is committed is on disk."""
        if self._server is None:
            return
        self.resume()
        self._server.send_signal(signal.SIGINT)
        try:
            self._server.wait(STOP_SECONDS)
        except subprocess.TimeoutExpired:
            self.kill()
        self._server = None

    def kill(self) -> None:
        """End all of its processes at once (SIGKILL): the next start recovers from the write-ahead log."""
        if self._server is None:
            return
        children = self._pause()
        _signal(self._server, signal.SIGKILL)
        for child in children:
            _signal(child, signal.SIGKILL)
        self._server.wait()
        # While one of them is there, the next server refuses to start over the same shared memory.
        psutil.wait_procs(children, timeout=STOP_SECONDS)
        self._server = None

    def pause(self) -> None:
        """Stop all of its processes where they are (SIGSTOP): connections stay open, nobody answers."""
        self._pause()

    def resume(self) -> None:
        """Let them go on."""
        if self._server is not None and self._server.poll() is None:
            for child in psutil.Process(self._server.pid).children(recursive=True):
                _signal(child, signal.SIGCONT)
            _signal(self._server, signal.SIGCONT)

    def _pause(self) -> list[psutil.Process]:
        """Returns its children. The server is stopped first, so that no new one comes while they are counted."""
        if self._server is None or self._server.poll() is not None:
            return []
        _signal(self._server, signal.SIGSTOP)
        children = psutil.Process(self._server.pid).children(recursive=True)
        for child in children:
            _signal(child, signal.SIGSTOP)
        return children

    def _create(self) -> None:
        done = subprocess.run(
            [
                *(_program("initdb"), "-D", str(self._data), "-U", _ROLE, "--auth=trust", "--encoding=UTF8"),
                *("--locale=C", "--no-sync"),
            ],
            capture_output=True,
            text=True,
            check=False,
            **self._as_owner(),
        )
        if done.returncode != 0:
            raise PostgresError(f"initdb failed:\n{done.stdout}{done.stderr}")

    def _as_owner(self) -> dict[str, Any]:
        """PostgreSQL refuses to run as root. PG... of the caller's environment are not for it."""
        environment = {name: value for name, value in os.environ.items() if not name.startswith("PG")}
        own: dict[str, Any] = {"cwd": self._folder, "stdin": subprocess.DEVNULL, "env": environment}
        if self._owner is None:
            return own
        return {**own, "user": self._owner.pw_uid, "group": self._owner.pw_gid, "extra_groups": []}

    def _last_lines(self) -> str:
        return "\n".join(self.log().splitlines()[-15:])

    def _remove(self) -> None:
        self.stop()
        shutil.rmtree(self._folder, ignore_errors=True)


def _program(name: str) -> str:
    """Debian keeps the server's programs off PATH: the newest version there is."""
    if found := shutil.which(name):
        return found
    versions = sorted(
        Path("/usr/lib/postgresql").glob(f"*/bin/{name}"), key=lambda path: float(path.parent.parent.name)
    )
    if not versions:
        raise PostgresError(f"{name} is not installed: apt-get install postgresql")
    return str(versions[-1])


def _unprivileged() -> pwd.struct_passwd | None:
    """Whom the server runs as; None: as who runs the tests."""
    if os.geteuid() != 0:
        return None
    for name in ("postgres", "nobody"):
        try:
            return pwd.getpwnam(name)
        except KeyError:
            continue
    raise PostgresError("postgres does not run as root, and there is no user postgres or nobody")


def _signal(process: psutil.Process | subprocess.Popen[bytes], by: signal.Signals) -> None:
    with suppress(psutil.NoSuchProcess):
        process.send_signal(by)
