"""A status cycle for 1,000 SLO groups: how much it adds to the time that Prometheus itself takes."""

from __future__ import annotations

import tempfile
import threading
import time
import urllib.parse
import urllib.request
from collections.abc import Iterator
from contextlib import closing
from datetime import UTC, datetime
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

from benchmarks.figure import Figure
from deploy.stack.servers import Prometheus as RealPrometheus
from slo_engine.connect import Connection
from slo_engine.definitions import SloSet, load
from slo_engine.definitions.labels import SERVICE, SLO, WINDOW
from slo_engine.prometheus import Prometheus, Result
from slo_engine.recording.names import ERROR_RATIO, ERRORS_INCREASE, ERRORS_SUM, TOTAL_INCREASE, TOTAL_SUM
from slo_engine.status.evaluate import evaluate

GROUPS_OF_AN_SLO = 10
REPEATS = 5


def figures() -> Iterator[Figure]:
    """The same cycle for 10 and for 1,000 groups, on a real Prometheus that holds what the rules would record."""
    queries = {}
    for groups in (10, 1000):
        slos = _slos(groups // GROUPS_OF_AN_SLO)
        cycle, answering, queries[groups] = _measure(slos, groups)
        beside = f"cycle {cycle:.3f} s, Prometheus {answering:.3f} s, {queries[groups]} queries"
        limit = 1.0 if groups == 1000 else None
        yield Figure(f"status cycle, {groups} groups, beyond Prometheus", cycle - answering, "s", limit, beside)
    more = float(queries[1000] - queries[10])
    yield Figure("queries for 1,000 groups beyond those for 10", more, "queries", 0.5)


class _Counting:
    """Counts the queries, and keeps them to ask again without us."""

    def __init__(self, source: Prometheus) -> None:
        self._source = source
        self.asked: list[str] = []

    def query(self, expr: str, at: datetime) -> Result:
        self.asked.append(expr)
        return self._source.query(expr, at)


def _measure(slos: SloSet, groups: int) -> tuple[float, float, int]:
    with (
        tempfile.TemporaryDirectory() as folder,
        _exporter(slos) as address,
        RealPrometheus(Path(folder), targets={"recorded": address}, scrape_interval="1s") as server,
        closing(Prometheus(Connection(server.url))) as door,
    ):
        source = _Counting(door)
        deadline = time.monotonic() + 30
        while sum(1 for each in evaluate(slos, source, datetime.now(UTC)) if each.events) < groups:
            if time.monotonic() > deadline:
                raise RuntimeError("Prometheus has not scraped the recorded series")
            time.sleep(0.5)
        best_cycle = best_answering = float("inf")
        for _ in range(REPEATS):
            source.asked.clear()
            at = datetime.now(UTC)
            started = time.perf_counter()
            found = evaluate(slos, source, at)
            best_cycle = min(best_cycle, time.perf_counter() - started)
            assert len(found) == groups
            best_answering = min(best_answering, sum(_ask(server.url, expr, at) for expr in source.asked))
        return best_cycle, best_answering, len(source.asked)


def _ask(url: str, expr: str, at: datetime) -> float:
    """Seconds until the bytes of an answer are there: Prometheus and the socket, without any of our code."""
    data = urllib.parse.urlencode({"query": expr, "time": f"{at.timestamp():.3f}"}).encode()
    started = time.perf_counter()
    with urllib.request.urlopen(f"{url}/api/v1/query", data=data) as response:
        response.read()
    return time.perf_counter() - started


def _slos(number: int) -> SloSet:
    with tempfile.TemporaryDirectory() as folder:
        items = "".join(
            f"  - {{name: slo-{n}, objective: 99, sli: {{events: {{total: a_total, errors: b_total}}}}}}\n"
            for n in range(number)
        )
        file = Path(folder) / "slos.yaml"
        file.write_text(f"version: slo-engine/v1\nservice: bench\ndefaults: {{by: [agent_type]}}\nslos:\n{items}")
        return load([file])


class _exporter:  # noqa: N801 - a context manager, used like a function
    """Shows the recorded series of all groups, as Prometheus would have them."""

    def __init__(self, slos: SloSet) -> None:
        page = "\n".join(_series(slos)).encode() + b"\n"

        class Handler(BaseHTTPRequestHandler):
            def do_GET(self) -> None:
                self.send_response(200)
                self.send_header("content-length", str(len(page)))
                self.end_headers()
                self.wfile.write(page)

            def log_message(self, *_: object) -> None:
                """Say nothing."""

        self._server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)

    def __enter__(self) -> str:
        threading.Thread(target=self._server.serve_forever, daemon=True).start()
        return f"127.0.0.1:{self._server.server_port}"

    def __exit__(self, *_: object) -> None:
        self._server.shutdown()
        self._server.server_close()


def _series(slos: SloSet) -> Iterator[str]:
    for slo in slos.slos:
        for group in range(GROUPS_OF_AN_SLO):
            labels = f'{SERVICE}="{slo.service}",{SLO}="{slo.name}",agent_type="agent-{group}"'
            for window in slo.windows:
                yield f'{ERROR_RATIO}{{{labels},{WINDOW}="{window}"}} 0.0{group}1'
            for name, value in ((TOTAL_SUM, 10_000), (ERRORS_SUM, group)):
                yield f'{name}{{{labels},{WINDOW}="{slo.window}"}} {value}'
            for name, value in ((TOTAL_INCREASE, 100), (ERRORS_INCREASE, 1)):
                yield f"{name}{{{labels}}} {value}"
