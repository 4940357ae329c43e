"""A real Prometheus that takes its samples from the benchmark, and counts what its queries read."""

from __future__ import annotations

import http.client
import json
import urllib.parse
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType
from typing import Any, Self

import numpy as np

from benchmarks.rules.wire import Series, Times, Values, write_request
from deploy.stack.processes import Process, free_port, program

SAMPLES_IN_A_REQUEST = 200_000


class QueryError(Exception):
    """Prometheus refused to evaluate an expression, as it would in a rule."""


@dataclass(frozen=True)
class Cost:
    """What one evaluation took: samples read, seconds by Prometheus' own clock."""

    samples: int
    seconds: float


@dataclass(frozen=True)
class Answer:
    """The result of one query: labels, times and values of each series."""

    series: tuple[Series, ...]
    cost: Cost


class Prometheus(Process):
    """A Prometheus with an empty database, fed through its remote-write receiver."""

    def __init__(self, folder: Path) -> None:
        folder.mkdir(parents=True, exist_ok=True)
        config = folder / "prometheus.yml"
        config.write_text("global: {evaluation_interval: 1m}\n")
        port = free_port()
        self.url = f"http://127.0.0.1:{port}"
        super().__init__(
            "Prometheus",
            [
                program("prometheus", "prometheus"),
                f"--config.file={config}",
                f"--storage.tsdb.path={folder / 'data'}",
                "--storage.tsdb.retention.time=90d",
                # The head takes samples that are half a block older than its newest: a slice of hours needs a day.
                "--storage.tsdb.min-block-duration=24h",
                "--web.enable-remote-write-receiver",
                f"--web.listen-address=127.0.0.1:{port}",
                "--query.max-samples=500000000",
                "--query.timeout=10m",
                "--log.level=warn",
            ],
            log=folder / "prometheus.log",
            ready_url=f"{self.url}/-/ready",
        )
        self._http = http.client.HTTPConnection("127.0.0.1", port, timeout=600)

    def push(self, series: Sequence[Series]) -> None:
        """Store samples; those of a series in the order of their times."""
        waiting: list[Series] = []
        number = 0
        for each in series:
            if len(each.times):
                waiting.append(each)
                number += len(each.times)
            if number >= SAMPLES_IN_A_REQUEST:
                self._write(waiting)
                waiting, number = [], 0
        if waiting:
            self._write(waiting)

    def query(self, expr: str, at: int) -> Answer:
        """Evaluate at one time, as a rule does. Raises QueryError."""
        return self._ask("query", {"query": expr, "time": f"{at / 1000:.3f}"})

    def query_range(self, expr: str, start: int, end: int, step: int) -> Answer:
        """Evaluate at start, start + step, ..., end. Raises QueryError."""
        times = {"start": f"{start / 1000:.3f}", "end": f"{end / 1000:.3f}", "step": f"{step / 1000:.3f}"}
        return self._ask("query_range", {"query": expr, **times})

    def _write(self, series: Sequence[Series]) -> None:
        status, body = self._post("/api/v1/write", write_request(series), "application/x-protobuf")
        if status != 204:
            raise RuntimeError(f"remote write: {status} {body.decode(errors='replace').strip()}")

    def _ask(self, what: str, parameters: dict[str, str]) -> Answer:
        form = urllib.parse.urlencode({**parameters, "stats": "all"}).encode()
        status, body = self._post(f"/api/v1/{what}", form, "application/x-www-form-urlencoded")
        answer: dict[str, Any] = json.loads(body)
        if answer["status"] != "success":
            raise QueryError(f"{status}: {answer['error']}")
        stats = answer["data"]["stats"]
        cost = Cost(stats["samples"]["totalQueryableSamples"], stats["timings"]["evalTotalTime"])
        return Answer(tuple(_series(answer["data"])), cost)

    def _post(self, path: str, body: bytes, kind: str) -> tuple[int, bytes]:
        headers = {"Content-Type": kind, "Content-Encoding": "snappy"} if "protobuf" in kind else {"Content-Type": kind}
        self._http.request("POST", path, body, headers)
        response = self._http.getresponse()
        return response.status, response.read()

    def __enter__(self) -> Self:
        return super().__enter__()

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._http.close()
        super().__exit__(kind, error, trace)


def _series(data: dict[str, Any]) -> list[Series]:
    match data["resultType"]:
        case "scalar":  # a rule records it as a series without labels
            return [Series({}, *_points([data["result"]]))]
        case "vector":
            return [Series(each["metric"], *_points([each["value"]])) for each in data["result"]]
        case _:
            return [Series(each["metric"], *_points(each["values"])) for each in data["result"]]


def _points(points: list[tuple[float, str]]) -> tuple[Times, Values]:
    times = np.fromiter((round(time * 1000) for time, _ in points), dtype=np.int64, count=len(points))
    return times, np.fromiter((float(value) for _, value in points), dtype=np.float64, count=len(points))
