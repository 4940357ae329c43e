"""The HTTP side: the webhook, the API, the page, health and metrics."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import AbstractAsyncContextManager
from functools import partial
from pathlib import Path
from typing import Any

from fastapi import FastAPI, Request
from fastapi.concurrency import run_in_threadpool
from fastapi.exception_handlers import http_exception_handler, request_validation_exception_handler
from fastapi.exceptions import RequestValidationError
from fastapi.openapi.utils import get_openapi
from fastapi.responses import JSONResponse, Response
from fastapi.staticfiles import StaticFiles
from starlette.datastructures import MutableHeaders
from starlette.exceptions import HTTPException as StarletteHTTPException
from starlette.routing import Route
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from slo_engine import __version__
from slo_engine.errors import SloEngineError
from slo_engine.web import api, deliveries, health, pages, reload
from slo_engine.web.access import AccessDoor
from slo_engine.web.assistants.endpoint import PATH, AssistantsEndpoint
from slo_engine.web.pages.rendering import error_page, wants_a_page
from slo_engine.web.readers import FewReaders
from slo_engine.web.services import Services
from slo_engine.web.webhook import OPENAPI, WebhookDoor

_SECURITY_HEADERS = {
    "content-security-policy": "default-src 'none'; style-src 'self'; img-src 'self'; script-src 'self'; "
    "connect-src 'self'; frame-ancestors 'none'; base-uri 'none'; form-action 'self'",
    "x-content-type-options": "nosniff",
    # Without any referrer a browser does not say of its own forms where they come from.
    "referrer-policy": "same-origin",
    "cache-control": "no-store",
}


def create_app(
    services: Services, lifespan: Callable[[FastAPI], AbstractAsyncContextManager[None]] | None = None
) -> FastAPI:
    """The application. ``lifespan`` starts and stops what works in the background."""
    app = FastAPI(
        title="slo-engine",
        version=__version__,
        openapi_url="/api/v1/openapi.json",
        docs_url=None,  # its page loads scripts from elsewhere
        redoc_url=None,
        lifespan=lifespan,
        redirect_slashes=False,  # a redirected webhook arrives as a GET without a body
    )
    app.state.services = services
    for part in (api, deliveries, health, reload, pages):
        app.include_router(part.router)
    app.routes.append(Route(PATH, AssistantsEndpoint(services), include_in_schema=False))
    app.mount("/static", StaticFiles(directory=Path(__file__).parent / "static"), name="static")

    @app.exception_handler(SloEngineError)
    async def _failed(_: Request, error: SloEngineError) -> JSONResponse:
        return JSONResponse({"detail": str(error)}, status_code=503)

    @app.exception_handler(StarletteHTTPException)
    async def _refused(request: Request, error: StarletteHTTPException) -> Response:
        if not wants_a_page(request, services):
            return await http_exception_handler(request, error)
        return await run_in_threadpool(error_page, request, services, error.status_code, str(error.detail))

    @app.exception_handler(RequestValidationError)
    async def _not_understood(request: Request, error: RequestValidationError) -> Response:
        if not wants_a_page(request, services):
            return await request_validation_exception_handler(request, error)
        first = error.errors()[0]
        what = f"{first['loc'][1]}: {first['msg']}"  # behind the word "query"
        return await run_in_threadpool(error_page, request, services, 422, what)

    app.openapi = partial(_description, app)  # type: ignore[method-assign]  # FastAPI's documented way
    app.add_middleware(FewReaders)
    app.add_middleware(AccessDoor, access=services.access, machines=services.doors.unnamed)
    app.add_middleware(_SecurityHeaders)
    # Added last, so that it comes first.
    app.add_middleware(
        WebhookDoor,
        database=services.database,
        doors=services.doors,
        on_posted=services.on_posted,
        precedence=services.precedence,
    )
    return app


class _SecurityHeaders:
    """Middleware that adds what every answer says to browsers, where it does not say it itself."""

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """ASGI."""

        async def sent(message: Message) -> None:
            if message["type"] == "http.response.start":
                headers = MutableHeaders(scope=message)
                for name, value in _SECURITY_HEADERS.items():
                    headers.setdefault(name, value)
            await send(message)

        await self._app(scope, receive, sent)


def _description(app: FastAPI) -> dict[str, Any]:
    """The OpenAPI document of all routes, the webhook included, which FastAPI does not see."""
    if app.openapi_schema is None:
        found = get_openapi(title=app.title, version=app.version, routes=app.routes)
        found["paths"] = {**OPENAPI["paths"], **found["paths"]}
        for kind, parts in OPENAPI["components"].items():
            found.setdefault("components", {}).setdefault(kind, {}).update(parts)
        app.openapi_schema = found
    return app.openapi_schema
