"""The door to Prometheus: against a real one, and against servers that behave badly."""

from __future__ import annotations

import json
import socket
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager
from datetime import UTC, datetime, timedelta
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from urllib.parse import parse_qs

import pytest

from deploy.stack.processes import free_port
from deploy.stack.servers import Prometheus as RealPrometheus
from slo_engine.connect import Connection
from slo_engine.prometheus import Prometheus, PrometheusError, Sample, finite

NOW = datetime(2026, 11, 23, 12, 0, tzinfo=UTC)
Answer = Callable[[BaseHTTPRequestHandler, bytes], None]
VECTOR = {
    "status": "success",
    "data": {"resultType": "vector", "result": [{"metric": {"a": "b"}, "value": [1.0, "0.5"]}]},
}


@contextmanager
def serving(answer: Answer) -> Iterator[str]:
    """A server on a free port; yields its address."""

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            answer(self, self.rfile.read(int(self.headers["content-length"] or 0)))

        def do_GET(self) -> None:
            answer(self, b"")

        def log_message(self, *_: object) -> None:
            """Say nothing."""

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    thread = threading.Thread(target=server.serve_forever, daemon=True)
    thread.start()
    try:
        yield f"http://127.0.0.1:{server.server_port}"
    finally:
        server.shutdown()
        server.server_close()
        thread.join()


def saying(status: int, body: object, headers: dict[str, str] | None = None) -> Answer:
    def answer(handler: BaseHTTPRequestHandler, _: bytes) -> None:
        content = body if isinstance(body, bytes) else json.dumps(body).encode()
        handler.send_response(status)
        for name, value in {"content-type": "application/json", **(headers or {})}.items():
            handler.send_header(name, value)
        handler.send_header("content-length", str(len(content)))
        handler.end_headers()
        handler.wfile.write(content)

    return answer


def failure(answer: Answer, timeout: float = 5.0) -> PrometheusError:
    with serving(answer) as url, closing(Prometheus(Connection(url, timeout=timeout))) as door:
        with pytest.raises(PrometheusError) as caught:
            door.query("up", NOW)
        return caught.value


@pytest.fixture(scope="module")
def real(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    with RealPrometheus(tmp_path_factory.mktemp("prometheus")) as server:
        yield server.url


@pytest.fixture
def door(real: str) -> Iterator[Prometheus]:
    opened = Prometheus(Connection(real))
    yield opened
    opened.close()


def test_a_real_prometheus_answers_vectors_and_scalars(door: Prometheus) -> None:
    assert door.query("vector(0.25)", NOW).samples == (Sample({}, 0.25),)
    assert door.query("1.5", NOW).samples == (Sample({}, 1.5),)
    assert door.query("nothing_of_that_name", NOW).samples == ()


def test_the_time_of_a_query_is_the_one_asked_for(door: Prometheus) -> None:
    asked = NOW - timedelta(days=3, milliseconds=250)
    assert door.query("time()", asked).samples[0].value == pytest.approx(asked.timestamp(), abs=0.001)


def test_samples_of_a_range_have_times_of_their_own(door: Prometheus) -> None:
    (series,) = door.samples("vector(0.25)[2m1s:1m]", NOW + timedelta(seconds=30)).series
    now = NOW.timestamp() // 60 * 60
    assert series.points[-2:] == ((now - 60, 0.25), (now, 0.25))
    assert door.samples("nothing_of_that_name[1m]", NOW).series == ()
    with pytest.raises(PrometheusError, match="is not a query result"):
        door.samples("vector(0.25)", NOW)


def test_a_query_longer_than_any_address_is_sent_in_the_body(door: Prometheus) -> None:
    text = " + ".join(["vector(1)"] * 400) + " + 0 * vector(1)" + " " * 2_000_000
    assert door.query(text, NOW).samples[0].value == 400.0


def test_nan_and_infinity_are_told_as_they_are_and_can_be_left_out(door: Prometheus) -> None:
    samples = door.query(
        'label_replace(vector(0/0), "a", "1", "", "") or vector(2) or label_replace(vector(1/0), "a", "2", "", "")', NOW
    ).samples
    assert len(samples) == 3
    assert finite(samples) == (Sample({}, 2.0),)


def test_a_query_that_is_refused_says_why(door: Prometheus) -> None:
    with pytest.raises(PrometheusError, match="parse error") as caught:
        door.query("sum(", NOW)
    assert caught.value.kind == "bad_query"


def test_a_real_prometheus_that_is_too_slow_is_a_timeout(real: str) -> None:
    slow = "count(" + " or ".join([f"count_over_time((vector({n}) > 0)[30d:1s])" for n in range(20)]) + ")"
    started = time.monotonic()
    with closing(Prometheus(Connection(real, timeout=0.5))) as door, pytest.raises(PrometheusError) as caught:
        door.query(slow, NOW)
    assert caught.value.kind == "timeout"
    assert time.monotonic() - started < 5


def test_warnings_come_with_the_result() -> None:
    with serving(saying(200, {**VECTOR, "warnings": ["half of it is missing"]})) as url:
        found = Prometheus(Connection(url)).query("up", NOW)
    assert found.warnings == ("half of it is missing",)
    assert found.samples == (Sample({"a": "b"}, 0.5),)


@pytest.mark.parametrize(
    ("answer", "kind", "said"),
    [
        (saying(400, {"status": "error", "error": "invalid parameter"}), "bad_query", "invalid parameter"),
        (saying(422, {"status": "error", "error": "too many samples"}), "bad_query", "too many samples"),
        (saying(401, b"no"), "auth", r"HTTP 401 (no): it wants credentials: set token or basic_auth"),
        (saying(403, b"no"), "auth", "HTTP 403 (no): it does not allow that without credentials"),
        (saying(407, b""), "auth", "HTTP 407: the proxy wants credentials: set proxy_auth"),
        (saying(400, b"Client sent an HTTP request to an HTTPS server.\n"), "unavailable", "write https:// in url"),
        (saying(302, b"", {"location": "http://127.0.0.1:1/login"}), "not_prometheus", "redirects"),
        (saying(200, b"<html>login</html>"), "not_prometheus", "login page"),
        (saying(200, {"hello": "world"}), "not_prometheus", "not a query"),
        (saying(200, {"data": {"result": [{"metric": {}, "values": []}]}}), "not_prometheus", "not a query"),
        (
            saying(200, {"data": {"result": [{"metric": [1], "value": [1, "1"]}]}}),
            "not_prometheus",
            "not a query result",
        ),
        (
            saying(200, {"data": {"result": [{"metric": None, "value": [1, "1"]}]}}),
            "not_prometheus",
            "not a query result",
        ),
        (
            saying(200, {"data": {"result": [{"metric": {"a": {}}, "value": [1, "1"]}]}}),
            "not_prometheus",
            "not a query",
        ),
        (
            saying(200, b'{"data": {"result": ' + b"[" * 5000 + b"]" * 5000 + b"}}"),
            "not_prometheus",
            "not a query result",
        ),
        (saying(503, b"TSDB not ready"), "unavailable", "HTTP 503"),
        (saying(503, {"errorType": "timeout", "error": "query timed out"}), "timeout", "query timed out"),
        (saying(500, {"error": "disk on fire"}), "unavailable", "disk on fire"),
    ],
)
def test_an_answer_that_is_none_says_whose_turn_it_is(answer: Answer, kind: str, said: str) -> None:
    error = failure(answer)
    assert error.kind == kind
    assert said in str(error)


def test_a_server_that_hangs_is_left_after_the_timeout() -> None:
    ended = threading.Event()

    def hang(_: BaseHTTPRequestHandler, __: bytes) -> None:
        ended.wait(20)

    with serving(hang) as url, closing(Prometheus(Connection(url, timeout=0.3))) as door:
        started = time.monotonic()
        with pytest.raises(PrometheusError) as caught:
            door.query("up", NOW)
        took = time.monotonic() - started
        ended.set()
    assert caught.value.kind == "timeout"
    assert took < 3


def test_a_server_that_trickles_is_left_after_the_timeout() -> None:
    def trickle(handler: BaseHTTPRequestHandler, _: bytes) -> None:
        handler.send_response(200)
        handler.end_headers()
        try:
            for _chunk in range(100):
                handler.wfile.write(b" " * 65_536)
                time.sleep(0.05)
        except OSError:
            pass  # the other side has had enough

    started = time.monotonic()
    assert failure(trickle, timeout=0.4).kind == "timeout"
    assert time.monotonic() - started < 4


def test_a_server_that_trickles_its_headers_is_left_after_the_timeout() -> None:
    with socket.create_server(("127.0.0.1", 0)) as server:
        ended = threading.Event()

        def trickle() -> None:
            connection, _ = server.accept()
            with connection:
                for byte in b"HTTP/1.1 200 OK\r\nx-slow: " + b"y" * 1000:
                    if ended.wait(0.05):
                        return
                    connection.sendall(bytes([byte]))

        thread = threading.Thread(target=trickle, daemon=True)
        thread.start()
        door = Prometheus(Connection(f"http://127.0.0.1:{server.getsockname()[1]}", timeout=0.3))
        started = time.monotonic()
        with pytest.raises(PrometheusError, match="did not answer within"):
            door.query("up", NOW)
        took = time.monotonic() - started
        ended.set()
        thread.join()
    assert took < 3


def test_half_characters_in_label_values_are_replaced() -> None:
    body = b'{"data": {"result": [{"metric": {"a": "x\\ud800"}, "value": [1, "1"]}]}}'
    with serving(saying(200, body)) as url, closing(Prometheus(Connection(url))) as door:
        assert door.query("up", NOW).samples == (Sample({"a": "x?"}, 1.0),)


def test_a_port_where_nobody_listens_is_unavailable() -> None:
    with pytest.raises(PrometheusError, match="connection refused") as caught:
        Prometheus(Connection(f"http://127.0.0.1:{free_port()}")).query("up", NOW)
    assert caught.value.kind == "unavailable"


def test_the_bearer_token_is_sent_whatever_netrc_says(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / ".netrc").write_text("machine 127.0.0.1 login netrc password netrc\n")
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.setenv("NETRC", str(tmp_path / ".netrc"))
    seen: list[tuple[str | None, dict[str, list[str]]]] = []

    def answer(handler: BaseHTTPRequestHandler, body: bytes) -> None:
        seen.append((handler.headers["authorization"], parse_qs(body.decode())))
        saying(200, VECTOR)(handler, body)

    with serving(answer) as url:
        Prometheus(Connection(url, token="t0ken", timeout=3.0)).query("up", NOW)
    ((authorization, parameters),) = seen
    assert authorization == "Bearer t0ken"
    assert parameters == {"query": ["up"], "time": [f"{NOW.timestamp():.3f}"], "timeout": ["2850ms"]}


def test_a_real_prometheus_lists_the_rules_that_it_has_loaded(tmp_path: Path) -> None:
    file = tmp_path / "rules.yaml"
    file.write_text("groups: [{name: a, interval: 1h, rules: [{record: 'a:b', expr: vector(1)}]}]")
    with (
        RealPrometheus(tmp_path / "prometheus", rules=[file]) as server,
        closing(Prometheus(Connection(server.url))) as door,
    ):
        [group] = door.rule_groups()
    assert (group["name"], group["file"], group["interval"]) == ("a", str(file), 3600)
    assert group["rules"][0]["query"] == "vector(1)"


@pytest.mark.parametrize(
    ("answer", "kind"),
    [
        (saying(200, b"<html>"), "not_prometheus"),
        (saying(200, {"data": []}), "not_prometheus"),
        (saying(200, {"data": {"groups": [1]}}), "not_prometheus"),
        (saying(302, {}, {"location": "/login"}), "not_prometheus"),
        (saying(403, {}), "auth"),
        (saying(404, {}), "unavailable"),
        (saying(503, {"error": "starting"}), "unavailable"),
    ],
)
def test_a_list_of_rules_that_cannot_be_had_says_why(answer: Answer, kind: str) -> None:
    with serving(answer) as url, closing(Prometheus(Connection(url))) as door, pytest.raises(PrometheusError) as caught:
        door.rule_groups()
    assert caught.value.kind == kind


def test_a_list_of_rules_that_trickles_in_ends_in_time() -> None:
    def trickle(handler: BaseHTTPRequestHandler, _: bytes) -> None:
        handler.send_response(200)
        handler.end_headers()
        try:
            for _number in range(100):
                handler.wfile.write(b" ")
                handler.wfile.flush()
                time.sleep(0.05)
        except OSError:
            pass  # the door has gone

    started = time.monotonic()
    with (
        serving(trickle) as url,
        closing(Prometheus(Connection(url, timeout=0.3))) as door,
        pytest.raises(PrometheusError) as caught,
    ):
        door.rule_groups()
    assert caught.value.kind == "timeout"
    assert time.monotonic() - started < 10
