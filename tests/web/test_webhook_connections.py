"""The webhook on real sockets: what clients see that send too much, too slowly, or at the wrong time."""

from __future__ import annotations

import http.client
import json
import logging
import socket
import time
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, closing, contextmanager
from pathlib import Path
from urllib.parse import urlsplit

import pytest
from sqlalchemy import Connection

from slo_engine.store import inbox
from slo_engine.web import webhook
from tests.alerts.payloads import body, notification
from tests.web.site import Site

pytestmark = pytest.mark.takes(seconds=20)

WEBHOOK = "/webhooks/alertmanager"
HUGE = 100 * 1024 * 1024


@contextmanager
def connection(url: str, timeout: float = 15.0) -> Iterator[socket.socket]:
    address = urlsplit(url)
    with socket.create_connection((address.hostname or "", address.port or 0), timeout=timeout) as opened:
        yield opened


def head(*lines: str, path: str = WEBHOOK) -> bytes:
    return "\r\n".join([f"POST {path} HTTP/1.1", "Host: engine", *lines, "", ""]).encode()


def answer(opened: socket.socket) -> tuple[int, bytes]:
    """The status and all that comes until the server closes, or the answer is whole."""
    response = http.client.HTTPResponse(opened)
    response.begin()
    return response.status, response.read()


def hung_up_on(opened: socket.socket) -> bool:
    try:
        return opened.recv(1) == b""
    except ConnectionResetError:
        return True


@contextmanager
def client(url: str) -> Iterator[http.client.HTTPConnection]:
    address = urlsplit(url)
    with closing(http.client.HTTPConnection(address.hostname or "", address.port, timeout=30)) as opened:
        yield opened


@pytest.mark.parametrize("token", [None, "t0ken"], ids=["too large", "stranger"])
def test_who_writes_100_mb_before_reading_sees_the_answer_and_not_a_reset(tmp_path: Path, token: str | None) -> None:
    site = Site(tmp_path, token=token)
    with site.served() as url, client(url) as asking:
        asking.request("POST", WEBHOOK, body=b"x" * HUGE)
        response = asking.getresponse()
        assert response.status == (413 if token is None else 401)
        assert json.loads(response.read())["status"] == "refused"
        assert response.getheader("connection") == "close"
    assert site.stored() == []


def test_the_413_comes_before_the_body_is_sent(tmp_path: Path) -> None:
    with Site(tmp_path).served() as url, connection(url) as opened:
        opened.sendall(head(f"Content-Length: {HUGE}"))
        assert answer(opened)[0] == 413


def test_a_body_in_chunks_that_grows_above_the_cap_is_told_so(tmp_path: Path) -> None:
    site = Site(tmp_path)
    with site.served() as url, client(url) as asking:
        asking.request("POST", WEBHOOK, body=(b"x" * 1_000_000 for _ in range(60)), encode_chunked=True)
        assert asking.getresponse().status == 413
    assert site.stored() == []


@pytest.mark.parametrize(
    ("token", "length", "expected"), [("t0ken", 300_000, 401), (None, HUGE, 413)], ids=["stranger", "too large"]
)
def test_who_asks_before_sending_the_body_is_answered_without_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, token: str | None, length: int, expected: int
) -> None:
    monkeypatch.setattr(webhook, "REST_SECONDS", 3600.0)
    monkeypatch.setattr(webhook, "REST_PAUSE_SECONDS", 3600.0)
    with Site(tmp_path, token=token).served() as url, connection(url) as opened:
        opened.sendall(head(f"Content-Length: {length}", "Expect: 100-continue"))
        assert answer(opened)[0] == expected
        assert opened.recv(1) == b""  # closed, without waiting for what will not come


def test_who_asks_before_sending_the_body_and_may_is_told_to_go_on(tmp_path: Path) -> None:
    site = Site(tmp_path)
    with site.served() as url, connection(url) as opened:
        opened.sendall(head(f"Content-Length: {len(body())}", "Expect: 100-continue"))
        assert opened.recv(1000) == b"HTTP/1.1 100 Continue\r\n\r\n"
        opened.sendall(body())
        assert answer(opened)[0] == 200
    assert site.stored() == [body()]


def test_a_connection_is_kept_after_a_refusal_and_the_next_request_is_its_own(tmp_path: Path) -> None:
    site = Site(tmp_path, token="t0ken")
    with site.served() as url, client(url) as asking:
        for token, expected in (("wrong", 401), ("t0ken", 200), ("wrong", 401), ("t0ken", 200)):
            asking.request("POST", WEBHOOK, body=body(), headers={"authorization": f"Bearer {token}"})
            response = asking.getresponse()
            assert response.status == expected
            response.read()
    assert site.stored() == [body(), body()]


def test_requests_that_are_sent_ahead_are_answered_in_their_order(tmp_path: Path) -> None:
    site = Site(tmp_path)
    posted = b"".join(head("Content-Length: 1") + str(number).encode() for number in range(5))
    with site.served() as url, connection(url) as opened:
        opened.sendall(posted + head("Content-Length: 1", "Connection: close") + b"5")
        received = b""
        while piece := opened.recv(65536):
            received += piece
    assert received.count(b"HTTP/1.1 200 OK") == 6
    assert site.stored() == [str(number).encode() for number in range(6)]


def test_a_body_that_trickles_is_given_up(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(webhook, "BODY_SECONDS", 0.5)
    site = Site(tmp_path)
    with site.served() as url, connection(url) as opened:
        opened.sendall(head("Content-Length: 1000") + b"x")
        status, said = answer(opened)
        assert (status, b"did not arrive" in said) == (503, True)
        assert opened.recv(1) == b""
    assert site.stored() == []


def test_more_bytes_than_there_is_room_for_are_refused_until_there_is(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(webhook, "MAX_BYTES_IN_FLIGHT", 100_000)
    site = Site(tmp_path)
    with site.served() as url, connection(url) as holder:
        holder.sendall(head("Content-Length: 90000") + b"x" * 80_000)
        time.sleep(0.2)
        with connection(url) as other:
            other.sendall(head("Content-Length: 30000") + b"y" * 30_000)
            assert answer(other)[0] == 503
        holder.sendall(b"x" * 10_000)
        assert answer(holder)[0] == 200
        with connection(url) as other:
            other.sendall(head("Content-Length: 30000") + b"y" * 30_000)
            assert answer(other)[0] == 200


def test_who_sends_no_request_is_hung_up_on(tmp_path: Path) -> None:
    served = Site(tmp_path).served(head_seconds=0.3)
    with served as url, connection(url, timeout=5) as silent, connection(url, timeout=5) as slow:
        slow.sendall(b"POST /webhooks/alertmanager HTTP/1.1\r\nHost: engine\r\n")
        assert hung_up_on(silent)
        assert hung_up_on(slow)


def test_headers_without_end_are_refused(tmp_path: Path) -> None:
    with Site(tmp_path).served() as url, connection(url) as opened:
        opened.sendall(b"POST /webhooks/alertmanager HTTP/1.1\r\n")
        for number in range(100):
            try:
                opened.sendall(f"X-{number}: {'y' * 2000}\r\n".encode())
                time.sleep(0.001)
            except OSError:
                break
        else:
            assert answer(opened)[0] == 431


def test_trailers_of_a_body_are_not_kept(tmp_path: Path) -> None:
    site = Site(tmp_path, token="t0ken")
    with site.served() as url, connection(url) as opened:
        chunk = b"2\r\n{}\r\n0\r\nAuthorization: Bearer t0ken\r\n\r\n"
        opened.sendall(head("Transfer-Encoding: chunked") + chunk)
        assert answer(opened)[0] == 401
    assert site.stored() == []


def test_a_thousand_silent_connections_do_not_keep_alertmanager_out(tmp_path: Path) -> None:
    site = Site(tmp_path)
    with site.served(max_connections=50) as url:
        address = urlsplit(url)
        silent = [socket.create_connection((address.hostname or "", address.port or 0)) for _ in range(1000)]
        try:
            with client(url) as asking:
                asking.request("POST", WEBHOOK, body=body())
                assert asking.getresponse().status == 200
            assert hung_up_on(silent[0])
        finally:
            for each in silent:
                each.close()
    assert site.stored() == [body()]


def test_bodies_that_trickle_on_all_connections_do_not_keep_alertmanager_out(tmp_path: Path) -> None:
    site = Site(tmp_path)
    with site.served(max_connections=20) as url, ExitStack() as stack:
        for _ in range(30):
            trickling = stack.enter_context(connection(url))
            trickling.sendall(head("Content-Length: 1000") + b"x")
        with client(url) as asking:
            asking.request("POST", WEBHOOK, body=body())
            assert asking.getresponse().status == 200
    assert site.stored() == [body()]


def with_much_to_read(folder: Path) -> Site:
    site = Site(folder)
    for number in range(30):
        large = {**notification(group_key=f"{{}}:{{a='{number}'}}"), "commonAnnotations": {"text": "x y " * 50_000}}
        site.add_message(large)
    return site


def test_who_reads_nothing_of_an_answer_is_hung_up_on(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    with with_much_to_read(tmp_path).served(reading_seconds=0.3) as url, connection(url) as reading:
        reading.sendall(b"GET /api/v1/alerts?limit=500 HTTP/1.1\r\nHost: engine\r\n\r\n")
        time.sleep(1.5)
        with pytest.raises((ConnectionResetError, http.client.IncompleteRead)):
            answer(reading)
    assert caplog.records == []


def test_who_reads_slowly_holds_neither_memory_nor_the_webhook(tmp_path: Path) -> None:
    with with_much_to_read(tmp_path).served() as url, ExitStack() as stack:
        for _ in range(100):
            reading = stack.enter_context(connection(url))
            reading.sendall(b"GET /api/v1/alerts?limit=500 HTTP/1.1\r\nHost: engine\r\n\r\n")
        with client(url) as asking:
            asking.request("POST", WEBHOOK, body=body())
            assert asking.getresponse().status == 200
        with client(url) as asking:
            asking.request("GET", "/healthz")
            assert asking.getresponse().status == 200
        with client(url) as asking:
            asking.request("GET", "/api/v1/slos")
            answered = asking.getresponse()
            assert (answered.status, answered.getheader("retry-after")) == (503, "5")


def test_bodies_that_come_at_once_are_all_stored_and_share_commits(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    site = Site(tmp_path)
    posted = [b"%d" % number for number in range(200)]
    groups = []
    accept_all = inbox.accept_all

    def noted(connection: Connection, arrived: Sequence[inbox.Arrived]) -> None:
        groups.append(len(arrived))
        accept_all(connection, arrived)

    monkeypatch.setattr(inbox, "accept_all", noted)

    with site.served() as url:

        def post(content: bytes) -> int:
            with client(url) as asking:
                asking.request("POST", WEBHOOK, body=content)
                return asking.getresponse().status

        with ThreadPoolExecutor(16) as threads:
            assert set(threads.map(post, posted)) == {200}
    assert sorted(site.stored()) == sorted(posted)
    assert sum(groups) == 200
    assert len(groups) < 200


def test_what_is_no_http_is_answered_and_not_logged(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    with caplog.at_level(logging.WARNING), Site(tmp_path).served() as url:
        for garbage in (b"\x16\x03\x01\x02\x00", b"GET / HTTP/9.9\r\n\r\n", b"G\x00T / HTTP/1.1\r\n\r\n"):
            with connection(url) as opened:
                opened.sendall(garbage)
                assert opened.recv(100).startswith(b"HTTP/1.1 400")
        with connection(url) as opened:
            upgrade = (
                "Connection: Upgrade",
                "Upgrade: websocket",
                "Sec-WebSocket-Key: eA==",
                "Sec-WebSocket-Version: 13",
            )
            opened.sendall("\r\n".join(["GET /readyz HTTP/1.1", "Host: engine", *upgrade, "", ""]).encode())
            assert answer(opened)[0] == 200
    assert caplog.records == []
