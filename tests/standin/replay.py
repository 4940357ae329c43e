"""A recorded request, put to the stand-in; and how the answers of two servers are compared."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Iterable, Mapping
from typing import Any

import httpx

from deploy.stack.standin.app import StandIn
from tests.standin.recordings import Recording, recording, recordings

KEYS = ("pk-lf-local", "sk-lf-local")


def get(
    standin: StandIn, path: str, parameters: Mapping[str, Any] | None = None, auth: tuple[str, str] | None = KEYS
) -> httpx.Response:
    return ask(standin, Recording("", "GET", path, dict(parameters or {}), 200, None), auth)


def ask(standin: StandIn, each: Recording, auth: tuple[str, str] | None = KEYS, content: Any = None) -> httpx.Response:
    async def request() -> httpx.Response:
        transport = httpx.ASGITransport(app=standin.app)
        async with httpx.AsyncClient(transport=transport, base_url="http://langfuse", auth=auth) as client:
            return await client.request(each.method, each.path, params=each.parameters, json=content)

    return asyncio.run(request())


def observed() -> list[dict[str, Any]]:
    """The 36 observations of the small data set, whole."""
    rows: list[dict[str, Any]] = recording("v4-events-only", "obs_v2_all_fields").body["data"]
    return rows


def rows_of(answers: Iterable[Recording]) -> list[dict[str, Any]]:
    """The union of the rows that some answers show. One row has in each answer the keys that were asked for."""
    rows: dict[str, dict[str, Any]] = {}
    for each in answers:
        if each.status == 200:
            for row in each.body["data"]:
                known = rows.setdefault(row["id"], {})
                known.update({key: value for key, value in row.items() if value is not None or key not in known})
    return list(rows.values())


def incident() -> StandIn:
    """What the recordings of the incident show of its 13,126 runs: some eighty observations."""
    standin = StandIn()
    standin.add(rows_of(each for each in recordings("v4-events-only-incident") if each.name.startswith("obs_")))
    return standin


def conditions(each: Recording) -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = json.loads(each.parameters["filter"])
    return found


def shape(value: Any) -> Any:
    """The keys of a value in their order, and the types of what they lead to; numbers are numbers."""
    if isinstance(value, dict):
        return [(key, shape(each)) for key, each in value.items()]
    if isinstance(value, list):
        return "list"
    return "number" if isinstance(value, int | float) and not isinstance(value, bool) else type(value).__name__
