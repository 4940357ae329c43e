"""The stand-in as an ASGI application, and as a program: ``python -m deploy.stack.standin.app --port 3000``."""

from __future__ import annotations

import argparse
import asyncio
import base64
import gzip
import hmac
import html
from collections import Counter, deque
from collections.abc import Awaitable, Callable, Iterable, Mapping
from datetime import UTC, datetime
from typing import Any, Literal

import uvicorn
from google.protobuf.message import DecodeError
from starlette.applications import Starlette
from starlette.middleware import Middleware
from starlette.requests import Request
from starlette.responses import HTMLResponse, JSONResponse, Response
from starlette.routing import Route
from starlette.types import ASGIApp, Receive, Scope, Send

from deploy.stack.standin.legacy import observations_v1, traces_v1
from deploy.stack.standin.metrics import metrics_v2
from deploy.stack.standin.observations import BLANK, observations_v2
from deploy.stack.standin.otlp import PROJECT_ID, observations
from deploy.stack.standin.refusals import BadRequestError, NotPlayedError
from deploy.stack.standin.scores import score_of, scores_v3

VERSION = "4.16.0"
KEPT = 200_000
"""Observations kept in memory; the oldest go first."""

Mode = Literal["events_only", "dual", "legacy"]
"""How the server writes, and so which endpoints it has: those of v4, of both, or of v3."""

_Endpoint = Callable[[Request], Awaitable[Response]]
_Parameters = Mapping[str, list[str]]

_GONE = (
    "This endpoint is not available on deployments running in Langfuse v4 events_only mode. "
    "Learn more about Langfuse v4 at: https://langfuse.com/docs/v4"
)
_NO_V2 = "The {} v2 API is only available in a Langfuse v4 write mode. Learn more at: https://langfuse.com/docs/v4"
_UNAUTHORIZED = "Invalid credentials. Confirm that you've configured the correct host."

# Endpoints of v3 that the stand-in knows to be gone, and does not play where they are there.
_V3_ONLY = ("traces/{trace_id}", "observations/{observation_id}", "sessions", "metrics", "metrics/daily", "v2/scores")


class StandIn:
    """What the stand-in has been sent, and how it behaves. Everything may be changed while it runs.

    ``mode``: the write mode of the server. ``clock``: the time of receipt of scores. ``asked``: requests so far, by
    path. For tests of slowness and of failures: ``delay``, seconds before each answer of a read endpoint, and
    ``delays``, more seconds by path. ``refusal`` and ``reading_refusal``: the status that every ingestion, and every
    read, is answered with; None: taken. A 429 asks to wait ``retry_after`` seconds. ``is_hanging``: ingestion is
    never answered. ``poison``: spans that hold these bytes make their request one that is refused whole, as one bad
    span does. ``ignores_filter``: as servers before the JSON ``filter``, which answer as if there were none.
    """

    def __init__(
        self, public_key: str = "pk-lf-local", secret_key: str = "sk-lf-local", mode: Mode = "events_only"
    ) -> None:
        self._credentials = f"{public_key}:{secret_key}"
        self._rows: deque[dict[str, Any]] = deque(maxlen=KEPT)
        self._scores: dict[str, dict[str, Any]] = {}
        self.mode: Mode = mode
        self.clock: Callable[[], datetime] = lambda: datetime.now(UTC)
        self.asked: Counter[str] = Counter()
        self.delay = 0.0
        self.delays: dict[str, float] = {}
        self.refusal: int | None = None
        self.reading_refusal: int | None = None
        self.retry_after = 1
        self.is_hanging = False
        self.poison: bytes | None = None
        self.ignores_filter = False
        self.requests = 0
        self.scores: list[dict[str, Any]] = []
        self.app = Starlette(
            middleware=[Middleware(_Counting, asked=self.asked)],
            routes=[
                Route("/", self._index),
                Route("/api/public/health", self._health),
                Route("/api/public/ready", self._health),
                Route("/api/public/projects", self._guarded(self._projects)),
                Route("/api/public/otel/v1/traces", self._guarded(self._take_spans), methods=["POST"]),
                Route("/api/public/scores", self._guarded(self._take_score), methods=["POST"]),
                Route("/api/public/scores", self._v3(self._not_played)),
                Route("/api/public/v2/observations", self._v4("observations", self._observations_v2)),
                Route("/api/public/v2/observations", self._wrong_method, methods=["POST"]),
                Route("/api/public/v2/metrics", self._v4("metrics", self._metrics_v2)),
                Route("/api/public/v3/scores", self._guarded(self._reading(self._scores_v3))),
                Route("/api/public/observations", self._v3(self._observations_v1)),
                Route("/api/public/traces", self._v3(self._traces_v1)),
                *(Route(f"/api/public/{path}", self._v3(self._not_played)) for path in _V3_ONLY),
                Route("/project/{project_id}/traces/{trace_id}", self._show_trace),
            ],
        )

    def add(self, rows: Iterable[Mapping[str, Any]]) -> None:
        """Put in observations as LangFuse shows them; keys that they lack are as if nothing had been said of them."""
        self._rows.extend({**BLANK, **row} for row in rows)

    def add_scores(self, scores: Iterable[dict[str, Any]]) -> None:
        """Put in scores as v3 shows them, with all of its field groups."""
        self._scores.update({score["id"]: score for score in scores})

    def rows(self) -> list[dict[str, Any]]:
        """The observations that it holds, in the order in which they came."""
        return list(self._rows)

    def _guarded(self, answer: _Endpoint) -> _Endpoint:
        async def checked(request: Request) -> Response:
            scheme, _, shown = request.headers.get("authorization", "").partition(" ")
            expected = base64.b64encode(self._credentials.encode())
            if scheme != "Basic" or not hmac.compare_digest(shown.encode(), expected):
                return JSONResponse({"message": _UNAUTHORIZED}, 401)
            try:
                return await answer(request)
            except BadRequestError as error:
                return JSONResponse(error.body, 400)
            except NotPlayedError as error:
                return JSONResponse({"message": f"the stand-in does not play {error}"}, 501)

        return checked

    def _v4(self, what: str, answer: Callable[[_Parameters], Any]) -> _Endpoint:
        read = self._reading(answer)

        async def in_its_mode(request: Request) -> Response:
            if self.mode == "legacy":
                return JSONResponse({"message": _NO_V2.format(what), "error": "LangfuseNotFoundError"}, 404)
            return await read(request)

        return self._guarded(in_its_mode)

    def _v3(self, answer: Callable[[_Parameters], Any]) -> _Endpoint:
        read = self._guarded(self._reading(answer))

        async def in_its_mode(request: Request) -> Response:
            if self.mode == "events_only":  # before the keys are looked at, as the real server does
                return JSONResponse({"message": _GONE}, 404)
            return await read(request)

        return in_its_mode

    def _reading(self, answer: Callable[[_Parameters], Any]) -> _Endpoint:
        async def read(request: Request) -> Response:
            await asyncio.sleep(self.delay + self.delays.get(request.url.path, 0))
            if self.reading_refusal is not None:
                return self._refused(self.reading_refusal)
            parameters = {name: request.query_params.getlist(name) for name in request.query_params}
            if self.ignores_filter:
                parameters.pop("filter", None)
            return JSONResponse(answer(parameters))

        return read

    def _refused(self, status: int) -> Response:
        if status != 429:
            return JSONResponse({"message": "the stand-in was told to refuse"}, status)
        body = {"code": "rate_limited", "message": "Rate limit exceeded"}
        details = {"retryAfterSeconds": self.retry_after}
        return JSONResponse({**body, "details": details}, 429, {"retry-after": str(self.retry_after)})

    def _observations_v2(self, parameters: _Parameters) -> Any:
        return observations_v2(self.rows(), parameters)

    def _metrics_v2(self, parameters: _Parameters) -> Any:
        return metrics_v2(self.rows(), list(self._scores.values()), parameters)

    def _scores_v3(self, parameters: _Parameters) -> Any:
        return scores_v3(list(self._scores.values()), parameters)

    def _observations_v1(self, parameters: _Parameters) -> Any:
        return observations_v1(self.rows(), parameters)

    def _traces_v1(self, parameters: _Parameters) -> Any:
        return traces_v1(self.rows(), list(self._scores.values()), parameters)

    def _not_played(self, _: _Parameters) -> Any:
        raise NotPlayedError("this endpoint of v3")

    async def _wrong_method(self, _: Request) -> Response:
        return JSONResponse({"message": "Method not allowed", "error": "MethodNotAllowedError"}, 405)

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
        return None if self.refusal is None else self._refused(self.refusal)

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
        taken = score_of(score, self.clock())
        self.scores.append(score)
        self.add_scores([taken])
        return JSONResponse({"id": taken["id"]})

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


class _Counting:
    """Counts the requests by path."""

    def __init__(self, app: ASGIApp, asked: Counter[str]) -> None:
        self._app, self._asked = app, asked

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] == "http":
            self._asked[scope["path"]] += 1
        await self._app(scope, receive, send)


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
