"""The least that a FastAPI route can do that promises as much: commit the body, answer 200. To compare with.

``python -m benchmarks.webhook.bare --port 9000 --store sqlite:///bare.db``
"""

from __future__ import annotations

import argparse
import sqlite3
import time
from collections.abc import Callable

import uvicorn
from fastapi import FastAPI, Request

PATH = "/webhooks/alertmanager"


def _committing(store: str) -> Callable[[bytes], None]:
    """What commits a body, on a connection that stays open."""
    if store.startswith("postgresql"):
        import psycopg

        shared = psycopg.connect(store)
        shared.execute("CREATE TABLE bare (id bigserial PRIMARY KEY, received_at double precision, body bytea)")
        shared.commit()

        def commit_to_server(body: bytes) -> None:
            shared.execute("INSERT INTO bare (received_at, body) VALUES (%s, %s)", (time.time(), body))
            shared.commit()

        return commit_to_server

    file = sqlite3.connect(store.removeprefix("sqlite:///"))
    file.execute("PRAGMA journal_mode=WAL")
    file.execute("PRAGMA synchronous=FULL")
    file.execute("CREATE TABLE bare (id INTEGER PRIMARY KEY, received_at REAL, body BLOB)")
    file.commit()

    def commit_to_file(body: bytes) -> None:
        file.execute("INSERT INTO bare (received_at, body) VALUES (?, ?)", (time.time(), body))
        file.commit()

    return commit_to_file


def application(store: str) -> FastAPI:
    """One route. It commits on the event loop: with a change of threads for each body it is slower."""
    commit = _committing(store)
    app = FastAPI()

    @app.get("/readyz")
    async def ready() -> dict[str, bool]:
        return {"ready": True}

    @app.post(PATH)
    async def take(request: Request) -> dict[str, str]:
        commit(await request.body())
        return {"status": "accepted"}

    return app


def main() -> None:
    """Serve until told to stop."""
    parser = argparse.ArgumentParser(description="A bare FastAPI route that commits bodies.")
    parser.add_argument("--port", type=int, required=True)
    parser.add_argument("--store", required=True)
    arguments = parser.parse_args()
    uvicorn.run(
        application(arguments.store),
        host="127.0.0.1",
        port=arguments.port,
        log_config=None,
        access_log=False,
        server_header=False,
    )


if __name__ == "__main__":
    main()
