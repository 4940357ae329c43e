"""The stand-in as an ASGI application, and as a program: ``python -m deploy.stack.standin.app --port 3000``."""

from __future__ import annotations

import argparse
import asyncio
import base64
import gzip
import hmac
import html
from collections import deque
from collections.abc import Awaitable, Callable, Iterable
from typing import Any, Literal

import uvicorn
from google.protobuf.message import DecodeError
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import HTMLResponse, JSONResponse, Response
from starlette.routing import Route

from deploy.stack.standin.otlp import PROJECT_ID, observations
from deploy.stack.standin.query import BadRequestError, observations_v1, observations_v2

VERSION = "4.16.0"
KEPT = 200_000
"""Observations kept in memory; the oldest go first."""

Mode = Literal["events_only", "legacy"]

_GONE = (
    "This endpoint is not available on deployments running in Langfuse v4 events_only mode. "
    "Learn more about Langfuse v4 at: https://langfuse.com/docs/v4"
)
_NO_V2 = (
    "The observations v2 API is only available in a Langfuse v4 write mode. Learn more at: https://langfuse.com/docs/v4"
)
_UNAUTHORIZED = "Invalid credentials. Confirm that you've configured the correct host."


class StandIn:
    """What the stand-in has been sent, and how it behaves.

    ``delay``: seconds before each answer of a read endpoint. ``refusal``: the status that every ingestion is answered
    with, None: taken. ``is_hanging``: ingestion is never answered. ``poison``: spans that hold these bytes make their
    request one that is refused whole, as one bad span does. For tests of slowness and of failures.
    """

    def __init__(
        self, public_key: str = "pk-lf-local", secret_key: str = "sk-lf-local", mode: Mode = "events_only"
    ) -> None:
        self._credentials = f"{public_key}:{secret_key}"
        self._mode = mode
        self._rows: deque[dict[str, Any]] = deque(maxlen=KEPT)
        self.delay = 0.0
        self.refusal: int | None = None
        self.is_hanging = False
        self.poison: bytes | None = None
        self.requests = 0
        self.scores: list[dict[str, Any]] = []
        self.app = Starlette(
            routes=[
                Route("/", self._index),
                Route("/api/public/health", self._health),
                Route("/api/public/ready", self._health),
                Route("/api/public/projects", self._guarded(self._projects)),
                Route("/api/public/otel/v1/traces", self._guarded(self._take_spans), methods=["POST"]),
                Route("/api/public/scores", self._guarded(self._take_score), methods=["POST"]),
                Route("/api/public/v2/observations", self._observations_v2, methods=["GET", "POST"]),
                Route("/api/public/observations", self._observations_v1),
                Route("/api/public/traces", self._gone),
                Route("/api/public/traces/{trace_id}", self._gone),
                Route("/api/public/sessions", self._gone),
                Route("/project/{project_id}/traces/{trace_id}", self._show_trace),
            ]
        )

    def add(self, rows: Iterable[dict[str, Any]]) -> None:
        """Put in observations as LangFuse shows them."""
        self._rows.extend(rows)

    def _guarded(self, answer: Callable[[Request], Awaitable[Response]]) -> Callable[[Request], Awaitable[Response]]:
        async def checked(request: Request) -> Response:
            scheme, _, shown = request.headers.get("authorization", "").partition(" ")
            expected = base64.b64encode(self._credentials.encode())
            if scheme != "Basic" or not hmac.compare_digest(shown.encode(), expected):
                return JSONResponse({"message": _UNAUTHORIZED}, 401)
            try:
                return await answer(request)
            except BadRequestError as error:
                return JSONResponse(error.body, 400)

        return checked

    async def _index(self, _: Request) -> Response:
        text = f"A small stand-in for LangFuse: it holds {len(self._rows)} observations. Follow a trace from a page."
        return HTMLResponse(f"<!doctype html><title>stand-in for LangFuse</title><p>{text}</p>")

    async def _health(self, _: Request) -> Response:
        return JSONResponse({"status": "OK", "version": VERSION})

    async def _projects(self, _: Request) -> Response:
        project = {
            "id": PROJECT_ID,
            "name": "agents",
            "organization": {"id": "org-slo", "name": "slo"},
            "metadata": {},
        }
        return JSONResponse({"data": [project]})

    async def _misbehaviour(self) -> Response | None:
        self.requests += 1
        while self.is_hanging:  # noqa: ASYNC110 - set by tests, from other threads
            await asyncio.sleep(0.05)
        if self.refusal is None:
            return None
        headers = {"retry-after": "1"} if self.refusal == 429 else {}
        return JSONResponse({"message": "the stand-in was told to refuse"}, self.refusal, headers)

    async def _take_spans(self, request: Request) -> Response:
        body = await request.body()
        if (refused := await self._misbehaviour()) is not None:
            return refused
        if request.headers.get("content-encoding") == "gzip":
            body = gzip.decompress(body)
        if self.poison is not None and self.poison in body:
            return JSONResponse({"message": "Invalid span"}, 400)
        try:
            self.add(observations(body))
        except DecodeError:
            return JSONResponse({"message": "Failed to parse OTel Protobuf Trace"}, 400)
        return Response(b"", media_type="application/x-protobuf")

    async def _take_score(self, request: Request) -> Response:
        score = await request.json()
        if (refused := await self._misbehaviour()) is not None:
            return refused
        if not isinstance(score, dict):
            raise BadRequestError("Invalid request data", [{"code": "invalid_type", "expected": "object", "path": []}])
        self.scores.append(score)
        return JSONResponse({"id": score.get("id") or "score"})

    async def _observations_v2(self, request: Request) -> Response:
        if request.method != "GET":
            return JSONResponse({"message": "Method not allowed", "error": "MethodNotAllowedError"}, 405)
        return await self._guarded(self._answer_v2)(request)

    async def _answer_v2(self, request: Request) -> Response:
        await asyncio.sleep(self.delay)
        if self._mode == "legacy":
            return JSONResponse({"message": _NO_V2, "error": "LangfuseNotFoundError"}, 404)
        return JSONResponse(observations_v2(self.rows(), _parameters(request)))

    async def _observations_v1(self, request: Request) -> Response:
        if self._mode != "legacy":
            return await self._gone(request)  # before the keys are looked at, as the real server does
        return await self._guarded(self._answer_v1)(request)

    async def _answer_v1(self, request: Request) -> Response:
        await asyncio.sleep(self.delay)
        return JSONResponse(observations_v1(self.rows(), _parameters(request)))

    async def _gone(self, _: Request) -> Response:
        return JSONResponse({"message": _GONE}, 404)

    async def _show_trace(self, request: Request) -> Response:
        steps = sorted(
            (row for row in self._rows if row["traceId"] == request.path_params["trace_id"]),
            key=lambda row: (row["startTime"], not row["isRootObservation"]),
        )
        lines = "".join(
            f"<li>{html.escape(row['startTime'])} <b>{html.escape(row['type'])} {html.escape(row['name'])}</b> "
            f"{html.escape(row['level'])} {html.escape(row['statusMessage'])}</li>"
            for row in steps
        )
        return HTMLResponse(
            f"<!doctype html><title>trace</title><h1>A trace in the stand-in for LangFuse</h1><ol>{lines}</ol>",
            200 if steps else 404,
        )

    def rows(self) -> list[dict[str, Any]]:
        """The observations that it holds, in the order in which they came."""
        return list(self._rows)


def _parameters(request: Request) -> dict[str, list[str]]:
    return {name: request.query_params.getlist(name) for name in request.query_params}


def main() -> None:
    """Serve until told to stop."""
    parser = argparse.ArgumentParser(description="A small stand-in for LangFuse.")
    parser.add_argument("--port", type=int, required=True)
    parser.add_argument("--host", default="127.0.0.1")
    parser.add_argument("--delay", type=float, default=0.0, help="seconds before each answer of a read endpoint")
    arguments = parser.parse_args()
    standin = StandIn()
    standin.delay = arguments.delay
    uvicorn.run(standin.app, host=arguments.host, port=arguments.port, log_level="warning", access_log=False)


if __name__ == "__main__":
    main()
