"""A receiver that shows the pages it gets: ``python -m deploy.stack.receiver --port 8091 --secret ...``."""

from __future__ import annotations

import argparse
import html
import json
from typing import Any

import uvicorn
from standardwebhooks.webhooks import Webhook, WebhookVerificationError
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import HTMLResponse, JSONResponse, Response
from starlette.routing import Route

KEPT = 100


class Receiver:
    """Takes pages, checks their signatures, drops repeats, and shows them."""

    def __init__(self, secret: str | None = None) -> None:
        self._verifier = Webhook(secret) if secret else None
        self._pages: dict[str, dict[str, Any]] = {}
        self.app = Starlette(
            routes=[
                Route("/", self._show),
                Route("/pages", self._list),
                Route("/page", self._take, methods=["POST"]),
            ]
        )

    async def _take(self, request: Request) -> Response:
        body = await request.body()
        if self._verifier is not None:
            try:
                self._verifier.verify(body.decode(), {name.lower(): value for name, value in request.headers.items()})
            except WebhookVerificationError as error:
                return JSONResponse({"message": str(error)}, 401)
        key = request.headers.get("webhook-id", "")
        self._pages.setdefault(key, {"key": key, "message": json.loads(body)})
        for old in list(self._pages)[:-KEPT]:
            del self._pages[old]
        return Response(status_code=204)

    async def _list(self, _: Request) -> Response:
        return JSONResponse(list(self._pages.values()))

    async def _show(self, _: Request) -> Response:
        return HTMLResponse(
            "<!doctype html><meta charset=utf-8><meta http-equiv=refresh content=5><title>pages received</title>"
            "<style>body{font:15px/1.5 system-ui;margin:2rem auto;max-width:60rem}pre{white-space:pre-wrap}</style>"
            f"<h1>{len(self._pages)} pages received</h1>"
            + "".join(_as_html(page["message"]) for page in reversed(self._pages.values()))
        )


def _as_html(message: dict[str, Any]) -> str:
    alerts = "".join(
        f"<h3>{html.escape(str(alert.get('annotations', {}).get('summary', alert.get('labels', {}))))}</h3>"
        + "".join(
            f"<p><b>{html.escape(name)}</b></p><pre>{html.escape(str(text))}</pre>"
            for name, text in alert.get("annotations", {}).items()
            if name != "summary"
        )
        for alert in message.get("alerts", [])
    )
    return f"<hr><h2>{html.escape(str(message.get('status')))}</h2>{alerts}"


def main() -> None:
    """Serve until told to stop."""
    parser = argparse.ArgumentParser(description="Shows the pages it gets.")
    parser.add_argument("--port", type=int, required=True)
    parser.add_argument("--host", default="127.0.0.1")
    parser.add_argument("--secret", help="the secret of the sink, to check signatures with")
    arguments = parser.parse_args()
    app = Receiver(arguments.secret).app
    uvicorn.run(app, host=arguments.host, port=arguments.port, log_level="warning", access_log=False)


if __name__ == "__main__":
    main()
