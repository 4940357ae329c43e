"""A status cycle for 1,000 SLO groups: how much it adds to the time that Prometheus itself takes."""

from __future__ import annotations

import tempfile
import time
import urllib.parse
import urllib.request
from collections.abc import Iterator
from contextlib import closing
from datetime import UTC, datetime
from pathlib import Path

import numpy as np

from benchmarks.figure import Figure
from benchmarks.rules.server import Prometheus as RealPrometheus
from benchmarks.rules.wire import Series
from slo_engine.connect import Connection
from slo_engine.definitions import SloSet, load
from slo_engine.definitions.labels import SERVICE, SLO, WINDOW
from slo_engine.prometheus import Prometheus, RangeResult, Result
from slo_engine.recording.names import ERROR_RATIO, ERRORS_INCREASE, ERRORS_SUM, TOTAL_INCREASE, TOTAL_SUM
from slo_engine.status.beginnings import Beginnings
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

    def samples(self, expr: str, at: datetime) -> RangeResult:
        self.asked.append(expr)
        return self._source.samples(expr, at)


def _measure(slos: SloSet, groups: int) -> tuple[float, float, int]:
    with (
        tempfile.TemporaryDirectory() as folder,
        RealPrometheus(Path(folder)) as server,
        closing(Prometheus(Connection(server.url))) as door,
    ):
        at = datetime.now(UTC)
        server.push(list(_recorded(slos, at)))
        source = _Counting(door)
        # The engine asks for beginnings once an hour.
        beginnings = Beginnings()
        evaluate(slos, source, at, beginnings)
        best_cycle = best_answering = float("inf")
        for _ in range(REPEATS):
            source.asked.clear()
            started = time.perf_counter()
            found = evaluate(slos, source, at, beginnings)
            best_cycle = min(best_cycle, time.perf_counter() - started)
            assert sum(1 for each in found if each.events) == groups
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


def _recorded(slos: SloSet, at: datetime) -> Iterator[Series]:
    """What the rules have recorded in the last ten minutes."""
    now = int(at.timestamp()) * 1000

    def series(name: str, value: float, every: int, **labels: str) -> Series:
        times = np.arange(now - 9 * 60_000, now + 1, every * 60_000, dtype=np.int64)
        return Series({"__name__": name, **labels}, times, np.full(len(times), value))

    for slo in slos.slos:
        for number in range(GROUPS_OF_AN_SLO):
            group = {SERVICE: slo.service, SLO: slo.name, "agent_type": f"agent-{number}"}
            for window in slo.windows:
                yield series(ERROR_RATIO, 0.001 * number, 1, **group, **{WINDOW: str(window)})
            for name, value in ((TOTAL_SUM, 10_000.0), (ERRORS_SUM, float(number))):
                yield series(name, value, 5, **group, **{WINDOW: str(slo.window)})
            for name, value in ((TOTAL_INCREASE, 100.0), (ERRORS_INCREASE, 1.0)):
                yield series(name, value, 1, **group)
