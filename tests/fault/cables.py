"""What stands between processes and can be cut: a relay of gossip, and a balancer that notes what it passes on."""

from __future__ import annotations

import asyncio
import itertools
import json
import time
from collections.abc import Callable, Sequence
from contextlib import suppress
from http import HTTPStatus
from typing import cast

import httpx

from deploy.stack.processes import free_port
from tests.fault.history import History, Posted, states_of
from tests.fault.loop import Loop
from tests.fault.sinks import Request, read_request

Address = tuple[str, int]


class GossipRelay:
    """Passes on to one port what arrives at another one, over TCP and UDP, as the members of a cluster speak; until it
    is cut."""

    def __init__(self, loop: Loop, target: int) -> None:
        self.port = free_port()
        self.is_cut = False
        self._target = target
        self._back: dict[Address, _Back] = {}
        self._closing: list[asyncio.BaseTransport | asyncio.Server] = []
        loop.run(self._listen())
        loop.at_end(self._close)

    async def _listen(self) -> None:
        loop = asyncio.get_running_loop()
        self._closing.append(await asyncio.start_server(self._serve, "127.0.0.1", self.port))
        transport, _ = await loop.create_datagram_endpoint(lambda: _Front(self), local_addr=("127.0.0.1", self.port))
        self._closing.append(transport)

    async def _close(self) -> None:
        for each in (*self._closing, *(back.transport for back in self._back.values() if back.transport)):
            each.close()

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            if not self.is_cut:
                with suppress(OSError):
                    there, back = await asyncio.open_connection("127.0.0.1", self._target)
                    await asyncio.gather(self._pump(reader, back), self._pump(there, writer))
        finally:
            writer.close()

    async def _pump(self, source: asyncio.StreamReader, target: asyncio.StreamWriter) -> None:
        try:
            with suppress(OSError):
                while (data := await source.read(65536)) and not self.is_cut:
                    target.write(data)
                    await target.drain()
        finally:
            target.close()

    async def forward(self, data: bytes, sender: Address, front: asyncio.DatagramTransport) -> None:
        """A datagram, from a port of its own for each sender, so that answers find their way back."""
        if self.is_cut:
            return
        if sender not in self._back:
            _, back = await asyncio.get_running_loop().create_datagram_endpoint(
                lambda: _Back(self, front, sender), remote_addr=("127.0.0.1", self._target)
            )
            self._back[sender] = back
        transport = self._back[sender].transport
        if transport is not None:
            transport.sendto(data)


class _Front(asyncio.DatagramProtocol):
    def __init__(self, relay: GossipRelay) -> None:
        self._relay = relay
        self._tasks: set[asyncio.Task[None]] = set()
        self._transport: asyncio.DatagramTransport | None = None

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        # asyncio's own class of it is not one of these.
        self._transport = cast(asyncio.DatagramTransport, transport)

    def datagram_received(self, data: bytes, addr: Address) -> None:
        assert self._transport is not None
        task = asyncio.get_running_loop().create_task(self._relay.forward(data, addr, self._transport))
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)


class _Back(asyncio.DatagramProtocol):
    def __init__(self, relay: GossipRelay, front: asyncio.DatagramTransport, sender: Address) -> None:
        self._relay = relay
        self._front = front
        self._sender = sender
        self.transport: asyncio.DatagramTransport | None = None

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self.transport = cast(asyncio.DatagramTransport, transport)

    def datagram_received(self, data: bytes, addr: Address) -> None:
        if not self._relay.is_cut:
            self._front.sendto(data, self._sender)


class Balancer:
    """What an Alertmanager has as the URL of its webhook: the engines behind it take turns, and one that refuses the
    connection is passed over."""

    def __init__(self, member: str, loop: Loop, history: History, targets: Sequence[str]) -> None:
        self.port = free_port()
        self.is_cut = False
        self.passes: Callable[[int], bool] = lambda _: True
        """Whether the answer of this number, counted from 1, is passed on. Asked while the sender waits for it."""
        self._answers = itertools.count(1)
        self._member = member
        self._history = history
        self._targets = targets
        self._turns = itertools.count()
        self._server: asyncio.Server | None = None
        self._client: httpx.AsyncClient | None = None
        loop.run(self._listen())
        loop.at_end(self._close)

    @property
    def webhook(self) -> str:
        """What is posted to."""
        return f"http://127.0.0.1:{self.port}/webhooks/alertmanager"

    async def _listen(self) -> None:
        self._server = await asyncio.start_server(self._serve, "127.0.0.1", self.port, limit=2**20)
        self._client = httpx.AsyncClient(trust_env=False, timeout=30.0)

    async def _close(self) -> None:
        assert self._server is not None
        assert self._client is not None
        self._server.close()
        await self._client.aclose()

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            with suppress(OSError, asyncio.IncompleteReadError):
                while (request := await read_request(reader)) and not self.is_cut:
                    answer = await self._forward(request)
                    if answer is None or not self.passes(next(self._answers)) or self.is_cut:
                        return  # the connection ends without an answer
                    writer.write(f"HTTP/1.1 {answer} {HTTPStatus(answer).phrase}\r\ncontent-length: 0\r\n\r\n".encode())
                    await writer.drain()
        finally:
            writer.close()

    async def _forward(self, request: Request) -> int | None:
        assert self._client is not None
        began = time.time()
        turn = next(self._turns)
        answer: int | None = None
        target = ""
        for step in range(len(self._targets)):
            target = self._targets[(turn + step) % len(self._targets)]
            try:
                headers = {"content-type": "application/json"}
                answer = (await self._client.post(target, content=request.body, headers=headers)).status_code
            except httpx.ConnectError:
                continue
            except httpx.TransportError:
                break  # it may have been stored: the sender decides
            break
        payload = json.loads(request.body)
        # An answer that a partition swallows is no acknowledgement.
        seen = None if self.is_cut else answer
        states = states_of(payload["alerts"])
        posted = Posted(began, time.time() - began, self._member, target, payload["groupKey"], states, seen)
        self._history.posted.append(posted)
        return answer
