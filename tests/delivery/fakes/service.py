"""A service on loopback that keeps what it is sent, and a conversation with a sink."""

from __future__ import annotations

import asyncio
import json
import threading
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any, Self

from slo_engine.delivery import Delivered, Outcome
from slo_engine.delivery.sink import Sink
from slo_engine.notifications import Message

CONTRACTS = Path(__file__).parent.parent / "contracts"


@dataclass(frozen=True)
class Request:
    """What came."""

    method: str
    path: str
    headers: Mapping[str, str]
    body: Any
    """The JSON of the body; None where it is none."""
    size: int


@dataclass(frozen=True)
class Reply:
    """What is answered."""

    status: int = 200
    body: str = ""
    headers: Mapping[str, str] = field(default_factory=dict)


def as_json(code: int, /, **body: Any) -> Reply:
    return Reply(code, json.dumps(body), {"content-type": "application/json"})


class Service:
    """``script``: what is answered first, whatever comes; after that ``answer`` decides."""

    def __init__(self, script: Iterable[Reply] = ()) -> None:
        self.requests: list[Request] = []
        self.script = list(script)

    def __enter__(self) -> Self:
        service = self

        class Handler(BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def do_POST(self) -> None:
                content = self.rfile.read(int(self.headers["content-length"] or 0))
                headers = {name.lower(): value for name, value in self.headers.items()}
                request = Request("POST", self.path, headers, _parsed(content), len(content))
                service.requests.append(request)
                reply = service.script.pop(0) if service.script else service.answer(request)
                self.send_response(reply.status)
                for name, value in reply.headers.items():
                    self.send_header(name, value)
                encoded = reply.body.encode()
                self.send_header("content-length", str(len(encoded)))
                self.end_headers()
                self.wfile.write(encoded)

            def log_message(self, *_: object) -> None:
                """Say nothing."""

        self._server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self._server.daemon_threads = True
        self.address = f"http://127.0.0.1:{self._server.server_port}"
        self._thread = threading.Thread(target=self._server.serve_forever, args=(0.02,), daemon=True)
        self._thread.start()
        return self

    def answer(self, request: Request) -> Reply:
        """What the real service would say."""
        raise NotImplementedError

    @property
    def bodies(self) -> list[Any]:
        return [request.body for request in self.requests]

    def __exit__(self, *_: object) -> None:
        self._server.shutdown()
        self._server.server_close()
        self._thread.join()


def _parsed(content: bytes) -> Any:
    try:
        return json.loads(content)
    except ValueError:
        return None


def tell(sink: Sink, *messages: Message, earlier: Mapping[str, Any] | None = None) -> list[Outcome]:
    """Send messages of one incident one after the other, with the receipts as the store gives them."""

    async def run() -> list[Outcome]:
        receipt, outcomes = earlier, []
        for message in messages:
            outcome = await sink.send(message, receipt)
            outcomes.append(outcome)
            if isinstance(outcome, Delivered):
                receipt = None if message.kind == "resolved" else json.loads(json.dumps(outcome.receipt))
        await sink.close()
        return outcomes

    return asyncio.run(run())
