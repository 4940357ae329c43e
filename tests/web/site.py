"""The application on a store of its own, for tests."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path
from threading import Thread
from typing import Any

import httpx
import uvicorn

from deploy.stack.processes import free_port
from slo_engine.alerts.payload import parse
from slo_engine.definitions.live import LiveSlos
from slo_engine.delivery.orphans import OrphanWatch
from slo_engine.notifications import Evidence, Message
from slo_engine.posts.policies import Policy
from slo_engine.precedence import Precedence
from slo_engine.prometheus import Prometheus, PrometheusError, RangeResult, Result
from slo_engine.status.board import StatusBoard
from slo_engine.status.evaluate import RecordSource
from slo_engine.status.model import Firing, SloStatus
from slo_engine.store import Database, inbox, messages
from slo_engine.web import Access, Doors, Reloaded, Services, create_app, guarded_protocol
from tests.alerts.payloads import body
from tests.waiting import wait_for

SLOS = Path(__file__).parent.parent.parent / "slos"


class NoPrometheus:
    def query(self, expr: str, at: datetime) -> Result:
        raise PrometheusError("unavailable", "prometheus cannot be reached: <b>refused</b>")

    def samples(self, expr: str, at: datetime) -> RangeResult:
        raise PrometheusError("unavailable", "prometheus cannot be reached: <b>refused</b>")


class Board(StatusBoard):
    """Shows what a test wants."""

    shown: Sequence[SloStatus] = ()

    @property
    def statuses(self) -> Sequence[SloStatus]:
        return self.shown or super().statuses


class Site:
    """``told`` counts how often the intake was told."""

    def __init__(
        self,
        folder: Path,
        *,
        token: str | None = None,
        doors: Doors | None = None,
        slos: Path = SLOS,
        prometheus: RecordSource | None = None,
        policies: Sequence[Policy] = (),
        access: Access = Access(),  # noqa: B008 - it does not change
        prometheus_door: Prometheus | None = None,
        addresses: Mapping[str, str] | None = None,
    ) -> None:
        self.database = Database(f"sqlite:///{folder / 'store.db'}")
        self.slos = LiveSlos([slos])
        self.board = Board(lambda: self.slos.active.slos, prometheus or NoPrometheus(), self.database)
        self.orphans = OrphanWatch(self.database, ["sink", "other"])
        self.told = 0
        self.clock_runs = True
        self.app = create_app(
            Services(
                database=self.database,
                slos=self.slos,
                board=self.board,
                doors=doors or Doors.of_token(token),
                sinks=["sink", "other"],
                orphans=lambda: self.orphans.found,
                on_posted=self._tell,
                precedence=Precedence(),
                reload=self._reload,
                rollout=None,
                policies=policies,
                access=access,
                prometheus=prometheus_door,
                addresses=addresses or {},
                clock_is_running=lambda: self.clock_runs,
                workers_are_running=lambda: True,
            )
        )

    def ask(self, method: str, path: str, **options: Any) -> httpx.Response:
        async def request() -> httpx.Response:
            transport = httpx.ASGITransport(app=self.app)
            async with httpx.AsyncClient(transport=transport, base_url="http://engine") as client:
                return await client.request(method, path, **options)

        return asyncio.run(request())

    def stored(self) -> list[bytes]:
        return [each.body for each in self.database.read(lambda found: inbox.next_pending(found, 1000))]

    def add_message(self, payload: dict[str, Any], *, finished: bool = True) -> None:
        read = parse(body())
        posted = self.database.write(lambda found: inbox.accept(found, b"{}", 1.0))
        content = {"evidence": None, "payload": payload}
        new = messages.NewMessage(1.0, read.thread, read.status, read.severity, read.title, content, posted)
        added = self.database.write(lambda found: messages.add(found, new))
        if finished:
            self.database.write(lambda found: messages.finish(found, added, content, ["sink"], 2.0))

    def add(
        self,
        payload: Mapping[str, Any],
        at: float,
        *,
        evidence: Evidence | None = None,
        kind: str | None = None,
        finished: bool = True,
        sinks: Sequence[str] = ("sink",),
    ) -> int:
        """A notification that was received ``at``, as the intake and the gathering of evidence leave it."""
        read = parse(json.dumps(payload).encode())
        said = kind or read.status
        content = Message("", read.thread, said, read.severity, read.title, evidence, payload).content()
        return self.add_content(content, at, read.thread, said, read.severity, read.title, finished, sinks)

    def add_content(
        self,
        content: Mapping[str, Any],
        at: float,
        thread: str,
        kind: str,
        severity: str | None = None,
        title: str = "title",
        finished: bool = True,
        sinks: Sequence[str] = ("sink",),
    ) -> int:
        """A message of any kind."""
        new = messages.NewMessage(at, thread, kind, severity, title, content)
        added = self.database.write(lambda found: messages.add(found, new))
        if finished:
            self.database.write(lambda found: messages.finish(found, added, content, sinks, at))
        return added

    def page(self) -> str:
        """The HTML of the page."""
        answer = self.ask("GET", "/")
        assert answer.status_code == 200, answer.text
        return answer.text

    @contextmanager
    def served(self, **limits: Any) -> Iterator[str]:
        """The address at which a browser finds it; ``limits``: those of :func:`guarded_protocol`."""
        port = free_port()
        http = guarded_protocol(**limits)
        config = uvicorn.Config(
            self.app,
            host="127.0.0.1",
            port=port,
            http=http,
            ws="none",
            timeout_keep_alive=3600,
            log_config=None,
            access_log=False,
            proxy_headers=False,
        )
        server = uvicorn.Server(config)
        thread = Thread(target=server.run, daemon=True)
        thread.start()
        try:
            wait_for("the page", lambda: server.started, within=30, every=0.02)
            yield f"http://127.0.0.1:{port}"
        finally:
            server.should_exit = True
            thread.join(timeout=30)

    def _reload(self) -> Reloaded:
        self.slos.reload(force=True)
        return Reloaded(self.slos.active, None)

    def _tell(self) -> None:
        self.told += 1


def status(
    slo: str = "success",
    group: Mapping[str, str] | None = None,
    *,
    left: float | None = 0.5,
    burn: Mapping[str, float] | None = None,
    firing: Sequence[Firing] = (),
    **other: Any,
) -> SloStatus:
    """The status of a group of an SLO of the service ``agents``."""
    rates = {} if burn is None else dict(burn)
    values: dict[str, Any] = {
        "service": "agents",
        "slo": slo,
        "group": {"agent_type": "support_agent"} if group is None else group,
        "objective": 98.0,
        "window": "30d",
        "budget": None,
        "error_ratio": {window: rate * 0.02 for window, rate in rates.items()},
        "burn_rate": rates,
        "error_budget_remaining": left,
        "measured_over": "30d" if left is not None else None,
        "data_over": None,
        "is_window_full": None,
        "events": None,
        "exhausted_at": None,
        "firing": tuple(firing),
        "unpriced_models": (),
        "evaluated_at": datetime(2026, 11, 27, 12, 0, tzinfo=UTC),
    }
    return SloStatus(**{**values, **other})


PAGE = Firing("SLOErrorBudgetBurn", "page", "1h", "5m")
TICKET = Firing("SLOErrorBudgetBurn", "ticket", "3d", "6h")
ABSENT = Firing("SLODataAbsent", "ticket", "", "")
