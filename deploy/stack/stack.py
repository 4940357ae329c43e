"""The whole loop on one machine: agents, LangFuse (or its stand-in), Prometheus, Alertmanager, engine, receiver."""

from __future__ import annotations

import os
import sys
from collections.abc import Callable
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType
from typing import Self

import yaml

from deploy.stack.processes import Process, StackError, free_port
from deploy.stack.servers import Alertmanager, Prometheus

REPOSITORY = Path(__file__).parent.parent.parent
LANGFUSE_KEYS = ("LANGFUSE_PUBLIC_KEY", "LANGFUSE_SECRET_KEY", "LANGFUSE_BASE_URL")
SINK_SECRET = "c2xvLWVuZ2luZS1sb2NhbC1zdGFjaw=="
"""Of the local receiver alone: it shows that pages are signed."""


@dataclass(frozen=True)
class Options:
    """What differs between `make run` and the tests."""

    folder: Path
    incident_after: float = 75.0
    incident_for: float = 600.0
    agent_pause: float = 0.3
    langfuse_delay: float = 0.0
    force_standin: bool = False
    """Use the stand-in for LangFuse even where `LANGFUSE_*` names a real one."""
    engine_port: int = 0
    slos: Path = REPOSITORY / "slos"
    on_progress: Callable[[str], None] = lambda _: None


class Stack:
    """Starts every part in order, ends every part with the block."""

    def __init__(self, options: Options) -> None:
        self._options = options
        self._stack = ExitStack()
        self._parts: list[Process] = []
        self.folder = options.folder
        self.ledger = options.folder / "ledger.jsonl"
        self._environment: dict[str, str] = {}

    def __enter__(self) -> Self:
        self.folder.mkdir(parents=True, exist_ok=True)
        with self._stack:
            self._start()
            self._stack = self._stack.pop_all()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._stack.close()

    def raise_if_a_part_has_ended(self) -> None:
        """Raises StackError with the name of the part, and the end of its log."""
        for part in self._parts:
            if part.has_ended:
                raise StackError(f"{part.name} has ended:\n{part.last_lines()}")

    def start_engine(self) -> Process:
        """Start the engine (again)."""
        engine = self._process(
            "engine", "-m", "slo_engine", "serve", "--config", str(self.config), ready_url=f"{self.engine_url}/readyz"
        )
        self.engine = self._add(engine)
        return engine

    def _start(self) -> None:
        progress = self._options.on_progress
        self._start_langfuse()
        progress("sample agents")
        agents = free_port()
        self._start_agents(agents)
        progress("receiver")
        self.receiver_url = f"http://127.0.0.1:{free_port()}"
        port = self.receiver_url.rpartition(":")[2]
        self._add(
            self._process(
                *("receiver", "-m", "deploy.stack.receiver", "--port", port, "--secret", SINK_SECRET),
                ready_url=f"{self.receiver_url}/pages",
            )
        )
        engine_port = self._options.engine_port or free_port()
        self.engine_url = f"http://127.0.0.1:{engine_port}"
        progress("Alertmanager")
        webhook = f"{self.engine_url}/webhooks/alertmanager"
        self.alertmanager = Alertmanager(self.folder / "alertmanager", webhook=webhook)
        self._add(self.alertmanager)
        progress("Prometheus")
        self.rules = self.folder / "rules"
        self.prometheus = Prometheus(
            self.folder / "prometheus",
            rules=[self.rules / "*.yaml"],  # the engine writes them
            targets={"agents": f"127.0.0.1:{agents}", "slo-engine": f"127.0.0.1:{engine_port}"},
            alertmanager=self.alertmanager.address,
        )
        self._add(self.prometheus)
        progress("engine")
        self.config = self._write_config(engine_port)
        self.start_engine()

    def _start_langfuse(self) -> None:
        given = {name: os.environ[name] for name in LANGFUSE_KEYS if os.environ.get(name)}
        if len(given) == len(LANGFUSE_KEYS) and not self._options.force_standin:
            self._options.on_progress(f"LangFuse at {given['LANGFUSE_BASE_URL']}")
            self.langfuse_url = given["LANGFUSE_BASE_URL"]
            self._environment |= given
            return
        self._options.on_progress("stand-in for LangFuse")
        port = free_port()
        self.langfuse_url = f"http://127.0.0.1:{port}"
        values = ("pk-lf-local", "sk-lf-local", self.langfuse_url)
        self._environment |= dict(zip(LANGFUSE_KEYS, values, strict=True))
        self._environment |= {"LANGFUSE_FLUSH_INTERVAL": "1", "LANGFUSE_SAMPLE_RATE": "0.25"}
        self._add(
            self._process(
                *("langfuse", "-m", "deploy.stack.standin.app", "--port", str(port)),
                *("--delay", str(self._options.langfuse_delay)),
                ready_url=f"{self.langfuse_url}/api/public/health",
            )
        )

    def _start_agents(self, port: int) -> None:
        options = self._options
        self._add(
            self._process(
                *("agents", "-m", "deploy.stack.agents", "--port", str(port), "--ledger", str(self.ledger)),
                *("--incident-after", str(options.incident_after), "--incident-for", str(options.incident_for)),
                *("--pause", str(options.agent_pause)),
                ready_url=f"http://127.0.0.1:{port}/metrics",
            )
        )

    def _write_config(self, port: int) -> Path:
        config = {
            "slos": [str(self._options.slos)],
            "prometheus": {"url": self.prometheus.url},
            "rules": {"write_to": str(self.rules), "reload": True},
            "alertmanager": {"url": self.alertmanager.url, "receivers": ["slo-engine"]},
            "langfuse": {"url": self.langfuse_url, "public_key": self._environment["LANGFUSE_PUBLIC_KEY"]},
            "store": {"url": f"sqlite:///{self.folder / 'slo-engine.db'}"},
            "listen": {"port": port},
            "status": {"interval": "15s"},
            "sinks": [
                {
                    "name": "receiver",
                    "type": "webhook",
                    "url": f"{self.receiver_url}/page",
                    "secret": SINK_SECRET,
                    "updates": True,
                    "fallback": "log",
                },
                {"name": "log", "type": "console"},
            ],
            "routes": [{"sinks": "receiver"}],
            # Sooner than a team would want it: what an incident does to a budget is to be seen within minutes.
            "posts": {"crossings": {"sinks": "log", "hold": "30s", "min_data": "1m"}},
            "budget_policies": [
                {"steps": [{"at": 0, "text": "no releases but fixes", "freeze": True, "until": 10, "tell": "log"}]}
            ],
            "public_url": self.engine_url,
        }
        self._environment["SLO_ENGINE_LANGFUSE__SECRET_KEY"] = self._environment["LANGFUSE_SECRET_KEY"]
        file = self.folder / "slo-engine.yaml"
        file.write_text(yaml.safe_dump(config, sort_keys=False))
        return file

    def _process(self, name: str, *arguments: str, ready_url: str) -> Process:
        return Process(
            name,
            [sys.executable, *arguments],
            log=self.folder / f"{name}.log",
            ready_url=ready_url,
            environment={**self._environment, "PYTHONPATH": str(REPOSITORY)},
        )

    def _add(self, part: Process) -> Process:
        self._stack.enter_context(part)
        self._parts = [other for other in self._parts if other.name != part.name] + [part]
        return part
