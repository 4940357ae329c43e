"""The heartbeat goes out while the engine is healthy, and never harms it."""

from __future__ import annotations

from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from threading import Thread

import pytest
from pydantic import ValidationError

from slo_engine import telemetry
from slo_engine.connect import Connection
from slo_engine.settings import secrets_of
from slo_engine.store import Database
from slo_engine.watch import Heartbeat
from slo_engine.watch.settings import HeartbeatSettings

KEY = "0b7e2c54-5a0e-4d4f-9a53-8d1f2c3b4a59"


class Service:
    """Notes who came, and answers with ``status``."""

    def __init__(self) -> None:
        self.came: list[tuple[str, str, str | None]] = []
        self.status = 200
        ours = self

        class Handler(BaseHTTPRequestHandler):
            def do_GET(self) -> None:
                ours.came.append((self.command, self.path, self.headers.get("authorization")))
                self.send_response(ours.status)
                self.send_header("content-length", "0")
                self.end_headers()

            def log_message(self, *_: object) -> None:
                """Nothing."""

        self.server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.url = f"http://127.0.0.1:{self.server.server_address[1]}"
        Thread(target=self.server.serve_forever, daemon=True).start()


@pytest.fixture
def service() -> Iterator[Service]:
    found = Service()
    yield found
    found.server.shutdown()
    found.server.server_close()


@pytest.fixture
def database(tmp_path: Path) -> Iterator[Database]:
    opened = Database(f"sqlite:///{tmp_path / 'store.db'}")
    yield opened
    opened.close()


def counted(result: str) -> float:
    return telemetry.REGISTRY.get_sample_value("slo_engine_heartbeats_total", {"result": result}) or 0.0


def test_a_healthy_engine_shows_it(service: Service, database: Database) -> None:
    settings = HeartbeatSettings(url=f"{service.url}/{KEY}", token="t0ken")
    heartbeat = Heartbeat(settings.connection(), database, [lambda: None])
    before = counted("sent")
    heartbeat.tick()
    heartbeat.close()
    assert service.came == [("GET", f"/{KEY}", "Bearer t0ken")]
    assert (heartbeat.state, counted("sent")) == ("ok", before + 1)


def test_one_that_is_not_healthy_is_silent_until_it_is(service: Service, database: Database) -> None:
    sick: list[str | None] = ["the SLOs are not evaluated"]
    heartbeat = Heartbeat(Connection(service.url), database, [lambda: None, lambda: sick[0]])
    heartbeat.tick()
    assert (service.came, heartbeat.state) == ([], "withheld: the SLOs are not evaluated")
    sick[0] = None
    heartbeat.tick()
    assert (len(service.came), heartbeat.state) == (1, "ok")
    heartbeat.close()


def test_one_that_cannot_commit_is_not_healthy(service: Service, tmp_path: Path) -> None:
    closed = Database(f"sqlite:///{tmp_path / 'closed.db'}")
    closed.close()
    heartbeat = Heartbeat(Connection(service.url), closed, [])
    heartbeat.tick()
    heartbeat.close()
    assert (service.came, heartbeat.state) == ([], "withheld: the store is closed")


def test_a_service_that_fails_is_counted_logged_once_and_keeps_its_key_to_itself(
    service: Service, database: Database, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level("INFO", "slo_engine")
    connection = Connection(f"{service.url}/{KEY}", is_url_secret=True)
    heartbeat = Heartbeat(connection, database, [])
    service.status = 500
    before = counted("failed")
    heartbeat.tick()
    heartbeat.tick()
    assert counted("failed") == before + 2
    assert heartbeat.state == f"the heartbeat service at {service.url} answered HTTP 500"
    assert [each.name for each in caplog.records] == ["slo_engine.watch.heartbeat"]
    heartbeat.close()
    gone = Heartbeat(Connection("http://127.0.0.1:9/" + KEY, is_url_secret=True), database, [])
    gone.tick()
    gone.close()
    assert "connection refused" in gone.state
    assert KEY not in caplog.text + gone.state


def test_its_address_is_a_secret_of_the_settings() -> None:
    settings = HeartbeatSettings(url=f"https://hc.example/{KEY}")
    assert KEY not in repr(settings)
    assert f"https://hc.example/{KEY}" in secrets_of(settings)
    with pytest.raises(ValidationError, match="10s or more"):
        HeartbeatSettings(url=f"https://hc.example/{KEY}", interval="1s")
