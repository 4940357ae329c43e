"""What the tests of the monitoring library build on: metrics of their own, and a sink that keeps what it is given."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import uvicorn
from prometheus_client import CollectorRegistry

from deploy.stack.processes import answers, free_port
from deploy.stack.standin.app import StandIn
from slo_engine.monitoring import AgentMetrics, AgentMonitor, AgentRun, LangFuseTracing
from slo_engine.monitoring.scope import current
from slo_engine.monitoring.tracing import Score, Step, Trace, Tracing
from tests.waiting import wait_for

PUBLIC_KEY, SECRET_KEY = "pk-lf-local", "sk-lf-local"


class Kept:
    """A sink in memory."""

    def __init__(self) -> None:
        self.traces: list[Trace] = []
        self.late: list[Step] = []
        self.scores: list[Score] = []

    def put(self, trace: Trace) -> None:
        self.traces.append(trace)

    def put_late(self, step: Step) -> None:
        self.late.append(step)

    def put_score(self, score: Score) -> None:
        self.scores.append(score)

    def flush(self, timeout: float) -> bool:
        return True


class World:
    """Metrics on a registry of their own, and traces that stay here."""

    def __init__(self, *, traced: bool = False, sample_rate: float = 1.0, **options: Any) -> None:
        self.registry = CollectorRegistry()
        self.metrics = AgentMetrics(self.registry, **options)
        self.kept = Kept()
        self.tracing = Tracing(self.kept, sample_rate) if traced else None

    def run(self, agent_type: str = "agent", **options: Any) -> AgentRun:
        return AgentMonitor(agent_type, metrics=self.metrics, tracing=self.tracing, **options).run_context()

    def value(self, name: str, **labels: str) -> float | None:
        return self.registry.get_sample_value(name, labels)

    def runs(self, status: str, agent_type: str = "agent") -> float:
        return self.value("agent_requests_total", agent_type=agent_type, status=status) or 0.0

    def exemplar(self, family: str, sample: str, **labels: str) -> str | None:
        """The trace id that a sample carries."""
        for metric in self.registry.collect():
            for each in metric.samples if metric.name == family else ():
                if each.name == sample and labels.items() <= each.labels.items() and each.exemplar is not None:
                    return each.exemplar.labels["trace_id"]
        return None

    @property
    def trace(self) -> Trace:
        """The one that was kept."""
        (found,) = self.kept.traces
        return found

    def is_clean(self) -> bool:
        """Whether nothing is left in the caller's context, and no run goes on."""
        active = self.value("active_agent_runs", agent_type="agent")
        return current.get() is None and active in {0.0, None}


@contextmanager
def langfuse() -> Iterator[tuple[StandIn, str]]:
    """A stand-in for LangFuse, and its address."""
    port = free_port()
    standin = StandIn(PUBLIC_KEY, SECRET_KEY)
    server = uvicorn.Server(uvicorn.Config(standin.app, port=port, log_level="warning", timeout_graceful_shutdown=1))
    thread = threading.Thread(target=server.run, daemon=True)
    thread.start()
    url = f"http://127.0.0.1:{port}"
    wait_for("the stand-in", lambda: answers(f"{url}/api/public/health"), within=10)
    try:
        yield standin, url
    finally:
        standin.is_hanging = False
        server.should_exit = True
        thread.join()


class Backend:
    """A stand-in, and tracing to it."""

    def __init__(self, standin: StandIn, url: str) -> None:
        self.standin = standin
        self.url = url
        self.metrics = AgentMetrics(CollectorRegistry())
        self.opened: list[LangFuseTracing] = []

    def tracing(self, **options: Any) -> LangFuseTracing:
        given = {"public_key": PUBLIC_KEY, "secret_key": SECRET_KEY, "base_url": self.url, **options}
        self.opened.append(LangFuseTracing(metrics=self.metrics, **given))
        return self.opened[-1]

    def run(self, tracing: LangFuseTracing, agent_type: str = "support_agent", **options: Any) -> AgentRun:
        return AgentMonitor(agent_type, metrics=self.metrics, tracing=tracing, **options).run_context()

    def dropped(self, reason: str) -> float:
        return self.metrics.registry.get_sample_value("agent_monitoring_dropped_total", {"reason": reason}) or 0.0

    def rows(self, trace_id: str | None) -> list[dict[str, Any]]:
        return [row for row in self.standin.rows() if row["traceId"] == trace_id]
