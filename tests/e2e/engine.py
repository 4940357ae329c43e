"""An engine as a process of its own, with a receiver and a stand-in for LangFuse, and no Prometheus unless given."""

from __future__ import annotations

import json
import sys
import urllib.request
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Any

import yaml

from deploy.stack.processes import Process, free_port
from deploy.stack.stack import REPOSITORY, SINK_SECRET


def get(url: str) -> Any:
    """The JSON that a GET is answered with, whatever the status."""
    try:
        with urllib.request.urlopen(url, timeout=10.0) as response:
            return json.load(response)
    except urllib.error.HTTPError as error:
        return json.load(error)


def post(url: str, body: bytes) -> int:
    """The status that a POST is answered with."""
    request = urllib.request.Request(url, data=body, headers={"content-type": "application/json"})
    with urllib.request.urlopen(request, timeout=10.0) as response:
        return int(response.status)


class Machine:
    """Parts that are started and stopped one by one."""

    def __init__(self, folder: Path, stack: ExitStack, *, slos: Path | None = None, settings: Any = None) -> None:
        self.folder = folder
        self._stack = stack
        self.receiver_url = f"http://127.0.0.1:{free_port()}"
        self.langfuse_url = f"http://127.0.0.1:{free_port()}"
        self.engine_url = f"http://127.0.0.1:{free_port()}"
        self.config = folder / "slo-engine.yaml"
        config = {
            "slos": [str(slos or REPOSITORY / "slos")],
            "prometheus": {"url": f"http://127.0.0.1:{free_port()}"},
            "langfuse": {"url": self.langfuse_url, "public_key": "pk-lf-local", "secret_key": "sk-lf-local"},
            "store": {"url": f"sqlite:///{folder / 'slo-engine.db'}"},
            "listen": {"port": int(self.engine_url.rpartition(":")[2])},
            "sinks": [
                {"name": "receiver", "type": "webhook", "url": f"{self.receiver_url}/page", "secret": SINK_SECRET}
            ],
            **(settings or {}),
        }
        self.config.write_text(yaml.safe_dump(config))

    def start_engine(self) -> Process:
        """Start the engine; it is ready when this returns."""
        return self._start("engine", f"{self.engine_url}/readyz", "slo_engine", "serve", "--config", str(self.config))

    def start_receiver(self) -> Process:
        """Start what pages are delivered to."""
        port = self.receiver_url.rpartition(":")[2]
        arguments = ("deploy.stack.receiver", "--port", port, "--secret", SINK_SECRET)
        return self._start("receiver", f"{self.receiver_url}/pages", *arguments)

    def start_langfuse(self, *, delay: float = 0.0) -> Process:
        """Start the stand-in; ``delay``: seconds before it answers."""
        port = self.langfuse_url.rpartition(":")[2]
        arguments = ("deploy.stack.standin.app", "--port", port, "--delay", str(delay))
        return self._start("langfuse", f"{self.langfuse_url}/api/public/health", *arguments)

    def post(self, body: bytes) -> int:
        """Post a body as Alertmanager does."""
        return post(f"{self.engine_url}/webhooks/alertmanager", body)

    def received(self) -> list[dict[str, Any]]:
        """The pages that have arrived at the receiver."""
        pages: list[dict[str, Any]] = get(f"{self.receiver_url}/pages")
        return pages

    def log(self) -> str:
        """The engine's log."""
        return (self.folder / "engine.log").read_text()

    def _start(self, name: str, ready_url: str, *arguments: str) -> Process:
        return self._stack.enter_context(
            Process(
                name,
                [sys.executable, "-m", *arguments],
                log=self.folder / f"{name}.log",
                ready_url=ready_url,
                environment={"PYTHONPATH": str(REPOSITORY)},
            )
        )


@contextmanager
def machine(folder: Path, *, slos: Path | None = None, settings: Any = None) -> Iterator[Machine]:
    """A machine whose parts end with the block."""
    with ExitStack() as stack:
        yield Machine(folder, stack, slos=slos, settings=settings)
