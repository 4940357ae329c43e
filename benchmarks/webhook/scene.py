"""An engine, its sink, and the servers that it asks, each a process of its own."""

from __future__ import annotations

import json
import sys
import time
import urllib.request
from collections.abc import Collection, Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import psutil
import yaml

from benchmarks.rules.server import Prometheus
from deploy.stack.processes import Process, free_port
from deploy.stack.stack import REPOSITORY

HANGING = 3600.0
"""Seconds before LangFuse answers, for a LangFuse that does not."""


@dataclass(frozen=True)
class Delivered:
    """One notification at the sink: when it came first, of the monotonic clock, and how often."""

    at: float
    requests: int


class Scene:
    """What runs."""

    def __init__(self, engine: Process, port: int, sink_url: str) -> None:
        self.port = port
        self._engine = psutil.Process(engine.pid)
        self._sink_url = sink_url

    def delivered(self) -> dict[int, Delivered]:
        """What has come to the sink so far."""
        found: dict[str, list[Any]] = _get(self._sink_url)
        return {int(number): Delivered(at, requests) for number, (at, requests) in found.items()}

    def delivered_within(self, numbers: Collection[int], seconds: float) -> dict[int, Delivered]:
        """What has come of these, as soon as all have, or after so many seconds."""
        wanted, deadline = set(numbers), time.monotonic() + seconds
        while wanted - (found := self.delivered()).keys() and time.monotonic() < deadline:
            time.sleep(0.5)
        return {number: each for number, each in found.items() if number in wanted}

    def waiting(self) -> float:
        """Notifications in the outbox that are not delivered, as of the last look of the engine."""
        with urllib.request.urlopen(f"http://127.0.0.1:{self.port}/metrics") as answer:
            lines = answer.read().decode().splitlines()
        return sum(
            float(line.split()[-1]) for line in lines if line.startswith("slo_engine_outbox") and "pending" in line
        )

    def peak_megabytes(self) -> float:
        """The most memory that the engine has had."""
        status = Path(f"/proc/{self._engine.pid}/status").read_text()
        return int(status.partition("VmHWM:")[2].split()[0]) / 1024

    def processor_seconds(self) -> float:
        """What the engine has used."""
        times = self._engine.cpu_times()
        return float(times.user + times.system)


@contextmanager
def scene(folder: Path, *, store: str | None = None, langfuse: float = 0.0, sink: float = 0.0) -> Iterator[Scene]:
    """``langfuse``, ``sink``: seconds before they answer."""
    folder.mkdir(parents=True)
    with ExitStack() as stack:
        prometheus = stack.enter_context(Prometheus(folder / "prometheus"))
        sink_url = _started(stack, folder, "sink", "benchmarks.webhook.sink", "--delay", str(sink))
        langfuse_url = _started(
            stack, folder, "langfuse", "deploy.stack.standin.app", "--delay", str(langfuse), ready="/api/public/health"
        )
        port = free_port()
        config = folder / "slo-engine.yaml"
        config.write_text(
            yaml.safe_dump(
                {
                    "slos": [str(REPOSITORY / "slos")],
                    "prometheus": {"url": prometheus.url},
                    "langfuse": {"url": langfuse_url, "public_key": "pk-lf-local", "secret_key": "sk-lf-local"},
                    "store": {"url": store or f"sqlite:///{folder / 'slo-engine.db'}"},
                    "listen": {"port": port},
                    "sinks": [{"name": "sink", "type": "webhook", "url": f"{sink_url}/hook"}],
                }
            )
        )
        engine = process(folder, "engine", f"http://127.0.0.1:{port}/readyz", "slo_engine", "serve", "--config", config)
        with ended_at_once(engine):
            yield Scene(engine, port, sink_url)


def process(folder: Path, name: str, ready: str, module: str, *arguments: str | Path) -> Process:
    """A Python module as a process; not waited for."""
    return Process(
        name,
        [sys.executable, "-m", module, *arguments],
        log=folder / f"{name}.log",
        ready_url=ready,
        environment={"PYTHONPATH": str(REPOSITORY)},
    )


@contextmanager
def ended_at_once(running: Process) -> Iterator[None]:
    """Ended with the block by SIGKILL: one that is told to stop works on for a while, beside what is measured next."""
    try:
        running.wait_until_ready()
        yield
    finally:
        if not running.has_ended:
            running.kill()


def _started(stack: ExitStack, folder: Path, name: str, module: str, *arguments: str, ready: str = "/") -> str:
    port = free_port()
    url = f"http://127.0.0.1:{port}"
    stack.enter_context(process(folder, name, f"{url}{ready}", module, "--port", str(port), *arguments))
    return url


def _get(url: str) -> Any:
    with urllib.request.urlopen(url) as answer:
        return json.load(answer)
