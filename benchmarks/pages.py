"""The overview with 1,000 groups: how soon it begins to come, how large it is, beside a file of its size from the same
server; and what ten of them that are open cost the engine."""

from __future__ import annotations

import random
import statistics
import tempfile
import time
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path

import httpx
from starlette.responses import Response
from starlette.routing import Route

from benchmarks.figure import Figure
from slo_engine.status.model import Events, SloStatus
from slo_engine.store import history
from tests.web.site import PAGE, Site, status

GROUPS = 1000
ASKED = 60
OPEN = 10
EVERY_SECONDS = 15.0
"""How often a page that is open asks."""

_COMPRESSED = {"accept-encoding": "gzip"}


def figures() -> Iterator[Figure]:
    """The first byte is the median of many requests; the page was asked for before, as by the tick of the clock."""
    with tempfile.TemporaryDirectory() as folder:
        site = Site(Path(folder))
        _fill(site)
        with site.served() as url, httpx.Client(base_url=url, headers=_COMPRESSED) as client:
            page = _raw(client, "/")
            static = page
            site.app.router.routes.insert(0, Route("/static-of-its-size", lambda _: Response(static, headers={})))
            found, beside = _first_bytes(client, "/"), _first_bytes(client, "/static-of-its-size")
            cold = _cold(site, client)
            said = f"a static file of its size {beside * 1e3:.0f} ms; after an evaluation {cold * 1e3:.0f} ms"
            yield Figure(f"page, {GROUPS:,} groups, first byte, median", found * 1e3, "ms", 150, said)
            yield Figure(f"page, {GROUPS:,} groups, compressed", len(page) / 1e3, "KB", 600)
            yield Figure(f"{OPEN} open pages, {GROUPS:,} groups, CPU", _open(site, client), "%", None, "of one core")


def _fill(site: Site) -> None:
    draw = random.Random(7)
    site.board.shown = [_status(number, draw) for number in range(GROUPS)]
    now = datetime.now(UTC)
    for day in range(31):
        at = (now.replace(hour=0, minute=0, second=0, microsecond=0) - timedelta(days=day, minutes=2)).timestamp()
        rows = [
            history.StatusRow(at, each.service, each.slo, each.group, draw.random(), {}) for each in site.board.shown
        ]
        site.database.write(lambda found, rows=rows: history.append(found, rows))  # type: ignore[misc]
    site.board.trends.refresh(now)


def _status(number: int, draw: random.Random) -> SloStatus:
    left = draw.uniform(-0.2, 1)
    return status(
        f"slo-{number % 20}",
        {"agent_type": f"agent-{number}", "tenant": f"tenant-{number % 7}"},
        left=left,
        burn={"5m": draw.uniform(0, 3), "1h": draw.uniform(0, 3), "6h": draw.uniform(0, 2)},
        firing=[PAGE] if number % 100 == 0 else [],
        events=Events(52_000, 1040 * (1 - left)),
    )


def _raw(client: httpx.Client, path: str) -> bytes:
    with client.stream("GET", path) as answer:
        return b"".join(answer.iter_raw())


def _first_bytes(client: httpx.Client, path: str) -> float:
    taken = []
    for _ in range(ASKED):
        begun = time.perf_counter()
        with client.stream("GET", path) as answer:
            pieces = answer.iter_raw()
            next(pieces)
            taken.append(time.perf_counter() - begun)
            for _ in pieces:
                pass
    return statistics.median(taken)


def _cold(site: Site, client: httpx.Client) -> float:
    taken = []
    for _ in range(5):
        draw = random.Random(time.time())
        site.board.shown = [_status(number, draw) for number in range(GROUPS)]
        taken.append(_first_bytes_once(client))
    return statistics.median(taken)


def _first_bytes_once(client: httpx.Client) -> float:
    begun = time.perf_counter()
    with client.stream("GET", "/") as answer:
        next(answer.iter_raw())
        return time.perf_counter() - begun


def _open(site: Site, client: httpx.Client) -> float:
    """Percent of one core: what their requests take in a minute, in which the SLOs are evaluated once."""
    draw = random.Random(9)
    site.board.shown = [_status(number, draw) for number in range(GROUPS)]
    begun = time.process_time()
    for _ in range(OPEN * round(60 / EVERY_SECONDS)):
        _raw(client, "/")
    return (time.process_time() - begun) / 60 * 100
