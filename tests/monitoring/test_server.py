"""/metrics, /healthz and /readyz, served alone and inside an ASGI server."""

from __future__ import annotations

import asyncio
import threading
import time
from collections.abc import Iterator
from typing import Any

import httpx
import pytest
from prometheus_client.openmetrics.parser import text_string_to_metric_families
from starlette.applications import Starlette
from starlette.routing import Mount

from slo_engine.monitoring import configure, default_metrics, metrics_app, start_metrics_server
from slo_engine.monitoring.server import MetricsServer
from tests.monitoring.world import World

OPENMETRICS = {"accept": "application/openmetrics-text;version=1.0.0"}


@pytest.fixture
def world() -> World:
    world = World(traced=True)
    with world.run():
        pass
    return world


@pytest.fixture
def server(world: World) -> Iterator[MetricsServer]:
    server = start_metrics_server(0, registry=world.registry)
    yield server
    server.close()


def test_metrics_are_openmetrics_with_exemplars_for_who_asks_for_them(server: MetricsServer, world: World) -> None:
    answer = httpx.get(f"http://127.0.0.1:{server.port}/metrics", headers=OPENMETRICS)
    assert answer.headers["content-type"].startswith("application/openmetrics-text")
    families = text_string_to_metric_families(answer.text)  # type: ignore[no-untyped-call]
    samples = [each for family in families for each in family.samples]
    exemplars = {sample.exemplar.labels["trace_id"] for sample in samples if sample.exemplar}
    assert exemplars == {world.trace.hex}
    plain = httpx.get(f"http://127.0.0.1:{server.port}/metrics", headers={"accept-encoding": "gzip"})
    assert plain.headers["content-type"].startswith("text/plain")
    assert plain.headers["content-encoding"] == "gzip"
    assert 'agent_requests_total{agent_type="agent",status="success"} 1.0' in plain.text


@pytest.mark.parametrize(
    ("method", "path", "status"),
    [
        ("GET", "/metrics", 200),
        ("HEAD", "/metrics", 200),
        ("GET", "/metrics?name[]=x", 200),
        ("GET", "/healthz", 200),
        ("GET", "/readyz", 200),
        ("GET", "/", 404),
        ("GET", "/metrics/", 404),
        ("GET", "/secrets", 404),
        ("POST", "/metrics", 501),
    ],
)
def test_every_other_path_is_not_found(server: MetricsServer, method: str, path: str, status: int) -> None:
    answer = httpx.request(method, f"http://127.0.0.1:{server.port}{path}")
    assert answer.status_code == status
    assert (answer.content == b"") == (method == "HEAD")


def test_ready_is_what_the_agent_says_and_what_cannot_answer_is_not(world: World) -> None:
    states: list[Any] = [True, False, RuntimeError("no connection")]

    def is_ready() -> bool:
        state = states.pop(0)
        if isinstance(state, Exception):
            raise state
        return bool(state)

    server = start_metrics_server(0, registry=world.registry, is_ready=is_ready)
    try:
        answers = [httpx.get(f"http://127.0.0.1:{server.port}/readyz") for _ in range(3)]
    finally:
        server.close()
    assert [answer.status_code for answer in answers] == [200, 503, 503]
    assert "no connection" in answers[2].text


class Slow:
    """A collector that takes its time, and notes how often it was asked, and in which thread."""

    def __init__(self, seconds: float) -> None:
        self.seconds = seconds
        self.threads: list[int] = []

    def collect(self) -> Iterator[Any]:
        self.threads.append(threading.get_ident())
        time.sleep(self.seconds)
        return iter(())


def test_a_collector_that_fails_is_told_to_the_scraper_and_to_nobody_else(server: MetricsServer, world: World) -> None:
    class Broken:
        def collect(self) -> Iterator[Any]:
            if self.is_registered:
                raise RuntimeError("cannot count")
            return iter(())

        is_registered = False

    broken = Broken()
    world.registry.register(broken)
    broken.is_registered = True
    answer = httpx.get(f"http://127.0.0.1:{server.port}/metrics")
    assert answer.status_code == 500
    assert "cannot count" in answer.text
    assert httpx.get(f"http://127.0.0.1:{server.port}/healthz").status_code == 200


def test_the_asgi_app_renders_off_the_event_loop_and_once_for_all_who_wait(world: World) -> None:
    slow = Slow(0.0)
    world.registry.register(slow)
    slow.threads.clear()
    slow.seconds = 1.0
    app = Starlette(routes=[Mount("/monitoring", app=metrics_app(registry=world.registry))])

    async def main() -> tuple[list[httpx.Response], float]:
        transport = httpx.ASGITransport(app=app)
        async with httpx.AsyncClient(transport=transport, base_url="http://agent") as client:
            longest, last, done = 0.0, time.perf_counter(), asyncio.Event()

            async def watch() -> None:
                nonlocal longest, last
                while not done.is_set():
                    await asyncio.sleep(0.005)
                    longest, last = max(longest, time.perf_counter() - last), time.perf_counter()

            watching = asyncio.create_task(watch())
            answers = await asyncio.gather(*(client.get("/monitoring/metrics") for _ in range(10)))
            done.set()
            await watching
            others = [await client.get(f"/monitoring/{path}") for path in ("healthz", "readyz", "nowhere")]
            return [*answers, *others], longest

    answers, longest = asyncio.run(main())
    assert [answer.status_code for answer in answers] == [200] * 12 + [404]
    assert threading.get_ident() not in slow.threads
    assert len(slow.threads) <= 3, "ten scrapes at once were rendered one by one"
    assert longest < 0.8, "the event loop stood still while the metrics were rendered"


def test_the_app_may_be_mounted_at_metrics_itself(world: World) -> None:
    app = Starlette(routes=[Mount("/metrics", app=metrics_app(registry=world.registry))])

    async def main() -> int:
        async with httpx.AsyncClient(transport=httpx.ASGITransport(app=app), base_url="http://agent") as client:
            return (await client.get("/metrics/")).status_code

    assert asyncio.run(main()) == 200


def test_the_server_shows_the_metrics_that_are_configured(world: World) -> None:
    before = default_metrics()
    configure(metrics=world.metrics)
    server = start_metrics_server(0, "127.0.0.1")
    try:
        assert "agent_requests_total" in httpx.get(f"http://127.0.0.1:{server.port}/metrics").text
    finally:
        server.close()
        configure(metrics=before)


def test_a_taken_port_is_told(server: MetricsServer) -> None:
    with pytest.raises(OSError, match="in use"):
        start_metrics_server(server.port)
