"""Engines under test: real processes on SQLite or PostgreSQL."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
import urllib.error
import urllib.request
from collections.abc import Mapping, Sequence
from pathlib import Path
from types import TracebackType
from typing import Any, Self

import yaml

from deploy.stack.processes import Process, free_port
from deploy.stack.stack import REPOSITORY
from tests.fault.history import Disruption, History
from tests.fault.sinks import FakeSink

READY_SECONDS = 60.0


class EngineProcess:
    """One engine, which can be killed, stopped, paused and started again on the same settings."""

    def __init__(
        self,
        name: str,
        folder: Path,
        history: History,
        settings: Mapping[str, Any],
        environment: Mapping[str, str] | None = None,
    ) -> None:
        self.name = name
        self.port = free_port()
        self.url = f"http://127.0.0.1:{self.port}"
        self.webhook = f"{self.url}/webhooks/alertmanager"
        self.log_file = folder / f"{name}.log"
        self.config = folder / f"{name}.yaml"
        self.settings = {**settings, "listen": {"port": self.port}}
        self.environment = {"PYTHONPATH": str(REPOSITORY), **(environment or {})}
        self._history = history
        self._process: Process | None = None
        self._is_wanted = False
        self._paused: Disruption | None = None

    def start(self, *, wait: bool = True) -> Self:
        """Start it; it is ready when this returns, unless told not to wait."""
        self.config.write_text(yaml.safe_dump(self.settings))
        self._is_wanted = True
        self._process = Process(
            self.name,
            [sys.executable, "-m", "slo_engine", "serve", "--config", self.config],
            log=self.log_file,
            ready_url=f"{self.url}/readyz",
            environment=self.environment,
            ready_within=READY_SECONDS,
        )
        if wait:
            self._process.wait_until_ready()
        return self

    def wait_until_ready(self) -> None:
        """After a start that did not wait."""
        assert self._process is not None
        self._process.wait_until_ready()

    def supervise(self) -> None:
        """Start it again when it has ended by itself: one that begins while its store is away does."""
        if self._is_wanted and not self.is_running:
            self.start(wait=False)

    @property
    def is_running(self) -> bool:
        """Whether the process is there."""
        return self._process is not None and not self._process.has_ended

    @property
    def pid(self) -> int:
        """The process id."""
        assert self._process is not None
        return self._process.pid

    def kill(self) -> None:
        """SIGKILL."""
        self._is_wanted = False
        if self._process is not None:
            broken = self._history.disrupted(f"kill {self.name}")
            self._process.kill()
            broken.until = time.time()

    def kill_now(self) -> None:
        """SIGKILL, without waiting for the end: for who must not wait."""
        self._is_wanted = False
        broken = self._history.disrupted(f"kill {self.name}")
        os.kill(self.pid, signal.SIGKILL)
        broken.until = time.time()

    def stop(self) -> None:
        """SIGTERM; no disruption: what is in flight is to be finished and noted."""
        self._is_wanted = False
        if self._process is not None:
            self._process.stop()

    def pause(self) -> None:
        """SIGSTOP."""
        self._paused = self._history.disrupted(f"pause {self.name}")
        os.kill(self.pid, signal.SIGSTOP)

    def resume(self) -> None:
        """SIGCONT."""
        if self._paused is not None:
            self._paused.until = time.time()
            self._paused = None
            os.kill(self.pid, signal.SIGCONT)

    def get(self, path: str, timeout: float = 10.0) -> Any:
        """The JSON, or else the text, that a GET is answered with, whatever the status."""
        try:
            with urllib.request.urlopen(self.url + path, timeout=timeout) as response:
                text = response.read().decode()
        except urllib.error.HTTPError as error:
            text = error.read().decode()
        try:
            return json.loads(text)
        except ValueError:
            return text

    def post(self, body: bytes, *, timeout: float = 20.0, headers: Mapping[str, str] | None = None) -> int:
        """The status that a notification is answered with."""
        sent = {"content-type": "application/json", **(headers or {})}
        request = urllib.request.Request(self.webhook, data=body, headers=sent)
        try:
            with urllib.request.urlopen(request, timeout=timeout) as response:
                return int(response.status)
        except urllib.error.HTTPError as error:
            return error.code

    def metric(self, name: str, **labels: str) -> float:
        """The sum of the samples of a metric that have these labels; 0 for none."""
        total = 0.0
        for line in str(self.get("/metrics")).splitlines():
            head, _, value = line.rpartition(" ")
            found, _, rest = head.partition("{")
            if found == name and all(f'{label}="{text}"' in rest for label, text in labels.items()):
                total += float(value)
        return total

    def log(self) -> str:
        """All that it has logged."""
        return self.log_file.read_text(errors="replace") if self.log_file.exists() else ""

    def command(self, *arguments: str, timeout: float = 60.0) -> subprocess.CompletedProcess[str]:
        """``slo-engine ... --config`` of this engine."""
        return subprocess.run(
            [sys.executable, "-m", "slo_engine", *arguments, "--config", str(self.config)],
            capture_output=True,
            text=True,
            timeout=timeout,
            check=False,
            env={**os.environ, **self.environment},
            cwd=self.config.parent,
        )


class Engines:
    """The engines of a run, which end with the block."""

    def __init__(
        self,
        folder: Path,
        history: History,
        sinks: Sequence[FakeSink],
        *,
        store: str | None = None,
        replicas: int = 1,
        settings: Mapping[str, Any] | None = None,
        environment: Mapping[str, str] | None = None,
    ) -> None:
        """``store``: its URL; None: SQLite in ``folder``. ``settings``: over those that every engine needs."""
        slos = folder / "slos"
        slos.mkdir(exist_ok=True)
        self.store = store or f"sqlite:///{folder / 'slo-engine.db'}"
        common = {
            "slos": [str(slos)],
            "prometheus": {"url": f"http://127.0.0.1:{free_port()}"},
            "store": {"url": self.store},
            "evidence": {"budget": "1s"},
            "sinks": [{"name": each.name, "type": "webhook", "url": each.url} for each in sinks],
            **(settings or {}),
        }
        self.all = [
            EngineProcess(f"engine-{number}", folder, history, common, environment) for number in range(replicas)
        ]

    @property
    def webhooks(self) -> list[str]:
        """Where notifications are posted to."""
        return [each.webhook for each in self.all]

    @property
    def first(self) -> EngineProcess:
        """The only one, mostly."""
        return self.all[0]

    def tracebacks(self) -> list[str]:
        """Lines of the logs that hold one: a fault of the world is a sentence, a traceback is a bug."""
        return [line for each in self.all for line in each.log().splitlines() if "Traceback (most recent" in line]

    def __enter__(self) -> Self:
        try:
            for each in self.all:
                each.start(wait=False)
            for each in self.all:
                each.wait_until_ready()
        except BaseException:
            self._end()
            raise
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._end()

    def _end(self) -> None:
        for each in self.all:
            each.resume()
            each.stop()
