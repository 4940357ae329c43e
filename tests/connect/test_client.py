"""Connections of an asyncio client: one for each request under way, kept for the next."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Callable
from contextlib import suppress
from http.server import BaseHTTPRequestHandler
from typing import Any

import httpx
import pytest

from slo_engine.connect import Connection
from slo_engine.connect import client as module
from slo_engine.connect.client import async_client, fetch_async
from tests.connect.servers import fine, serving


class Server:
    """Notes from which connection each request came, and answers when it may."""

    def __init__(self) -> None:
        self.ports: list[int] = []
        self.may_answer = threading.Event()
        self.may_answer.set()

    def answer(self, handler: BaseHTTPRequestHandler) -> tuple[int, str]:
        self.ports.append(handler.client_address[1])
        self.may_answer.wait(10)
        return fine(handler)


@pytest.fixture
def server() -> Server:
    return Server()


def asking(server: Server, work: Callable[[Callable[[], Any]], Any]) -> None:
    """``work`` is given what asks once."""

    async def run(port: int) -> None:
        connection = Connection(f"http://127.0.0.1:{port}")
        async with async_client(connection) as client:

            async def ask() -> int:
                request = client.build_request("POST", f"{connection.url}/hook", content=b"x")
                return (await fetch_async(request, client, seconds=20, max_bytes=1000)).status

            await work(ask)

    with serving(server.answer, keeps_connections=True) as port:
        asyncio.run(run(port))


def test_requests_one_after_another_share_a_connection(server: Server) -> None:
    async def work(ask: Callable[[], Any]) -> None:
        assert [await ask() for _ in range(5)] == [200] * 5

    asking(server, work)
    assert len(server.ports) == 5
    assert len(set(server.ports)) == 1


def test_requests_at_once_have_a_connection_each_and_all_are_kept(server: Server) -> None:
    async def work(ask: Callable[[], Any]) -> None:
        for number in (4, 8):
            server.may_answer.clear()
            asked = [asyncio.create_task(ask()) for _ in range(4)]
            async with asyncio.timeout(20):
                while len(server.ports) < number:  # noqa: ASYNC110 - it is told by threads
                    await asyncio.sleep(0.01)
            server.may_answer.set()
            assert await asyncio.gather(*asked) == [200] * 4

    asking(server, work)
    assert len(server.ports) == 8
    assert len(set(server.ports[:4])) == 4
    assert set(server.ports[:4]) == set(server.ports[4:])


@pytest.mark.parametrize("kept", [0.1, 60.0])
def test_those_that_were_not_used_for_long_are_closed(
    server: Server, monkeypatch: pytest.MonkeyPatch, kept: float
) -> None:
    monkeypatch.setattr(module, "KEPT_SECONDS", kept)

    async def work(ask: Callable[[], Any]) -> None:
        for number in (3, 6):
            server.may_answer.clear()
            asked = [asyncio.create_task(ask()) for _ in range(3)]
            async with asyncio.timeout(20):
                while len(server.ports) < number:  # noqa: ASYNC110 - it is told by threads
                    await asyncio.sleep(0.01)
            server.may_answer.set()
            await asyncio.gather(*asked)
            await asyncio.sleep(0.3)

    asking(server, work)
    again = set(server.ports[:3]) & set(server.ports[3:])
    assert len(again) == (3 if kept > 1 else 0)


def test_request_that_is_given_up_leaves_no_connection_that_answers_the_next(server: Server) -> None:
    async def work(ask: Callable[[], Any]) -> None:
        server.may_answer.clear()
        with suppress(TimeoutError):
            async with asyncio.timeout(0.3):
                await ask()
        server.may_answer.set()
        assert await ask() == 200

    asking(server, work)
    assert len(set(server.ports)) == 2


def test_server_that_is_gone_fails_and_does_so_no_more_when_it_is_back() -> None:
    async def ask(client: httpx.AsyncClient, port: int) -> int:
        request = client.build_request("GET", f"http://127.0.0.1:{port}/hook")
        return (await fetch_async(request, client, seconds=20, max_bytes=1000)).status

    async def work() -> None:
        with serving(fine) as port:
            pass
        async with async_client(Connection(f"http://127.0.0.1:{port}")) as client:
            with pytest.raises(httpx.ConnectError):
                await ask(client, port)
            with serving(fine) as other:
                assert await ask(client, other) == 200

    asyncio.run(work())
