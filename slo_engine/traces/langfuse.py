"""The one door to LangFuse for reading, on plain HTTP: the SDK has no v1 reads any more, and costs a second to import.

Servers differ: v4 and Cloud answer ``/api/public/v2/observations``; v3 answers it with 404 and has the v1 endpoint.
Both take the same ``filter``, which replaces every other parameter, the time window included: so it repeats it.
"""

from __future__ import annotations

import asyncio
import json
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime
from functools import partial
from typing import Any, TypeVar
from urllib.parse import quote

import httpx

from slo_engine.connect import Connection, explained, failure_of, said_in
from slo_engine.connect.client import ERRORS, async_client, fetch_async
from slo_engine.errors import SloEngineError
from slo_engine.traces.model import Observation, Observations

T = TypeVar("T")

PAGE_SIZE_V1 = 100
PAGE_SIZE_V2 = 500
"""v1 gives 100 at the most, v2 1,000."""

MAX_PAGES = 5
"""Newest first: what lies beyond does not change what a page says, and an outage must not read for minutes."""

MAX_RESPONSE_BYTES = 4 * 1024 * 1024
"""500 observations without their contents are 350 KB."""

_THREADS = ThreadPoolExecutor(2, "traces")
"""Reading and grouping large answers: on the event loop it would hold up the webhook."""

_FIELDS = "core,basic,time,model,metrics,trace_context"
"""Without ``io`` and ``metadata``: prompts and answers stay where they are."""


class TracesError(SloEngineError):
    """LangFuse gave no answer that can be used."""


class UnsupportedError(TracesError):
    """This server cannot answer such a question, and is not broken."""


class LangFuse:
    """The traces of one LangFuse project."""

    def __init__(
        self,
        connection: Connection,
        *,
        public_url: str | None = None,
        transport: httpx.AsyncBaseTransport | None = None,
    ) -> None:
        """``connection``: its ``basic_auth`` is the public and the secret key. ``public_url``: where people open
        LangFuse, if that is not ``connection.url``. Raises SloEngineError for certificates that cannot be used."""
        self._name = f"LangFuse at {connection.address}"
        self._connection = connection
        self._url = connection.url.rstrip("/")
        self._public_url = (public_url or connection.url).rstrip("/")
        self._has_v2 = True
        self._client = async_client(connection, transport)

    async def close(self) -> None:
        """Close the connections; the door is not used afterwards."""
        await self._client.aclose()

    async def failed(self, tags: Sequence[str], since: datetime, until: datetime) -> Observations:
        """The ERROR observations of the runs with all these tags: of runs that failed, and of steps that a run went on
        from. Raises TracesError."""
        return await self._read([_condition("level", "string", "=", "ERROR"), *_window(since, until)], tags)

    async def slow(self, tags: Sequence[str], since: datetime, until: datetime, *, seconds: float) -> Observations:
        """The observations, of runs with all these tags, that took longer than ``seconds``. Raises TracesError, and
        UnsupportedError from a v3 server, which cannot filter by latency."""
        conditions = [_condition("latency", "number", ">", seconds), *_window(since, until)]
        return await self._read(conditions, tags, v1=False)

    def url_of(self, observation: Observation) -> str:
        """Where people look at the run of an observation."""
        return f"{self._public_url}/project/{quote(observation.project_id)}/traces/{quote(observation.trace_id)}"

    async def _read(
        self, conditions: Sequence[Mapping[str, Any]], tags: Sequence[str], *, v1: bool = True
    ) -> Observations:
        wanted = [*conditions]
        if tags:
            wanted.append(_condition("traceTags", "arrayOptions", "all of", list(tags)))
        parameters = {"filter": json.dumps(wanted)}
        if self._has_v2:
            try:
                return await self._read_v2(parameters)
            except _NotFoundError:
                self._has_v2 = False  # a v3 server
        if not v1:
            raise UnsupportedError("this LangFuse server (v3) cannot list runs by latency: v4 can")
        return await self._read_v1(parameters)

    async def _read_v2(self, parameters: Mapping[str, Any]) -> Observations:
        found: list[Observation] = []
        more = {**parameters, "limit": PAGE_SIZE_V2}
        for _ in range(MAX_PAGES):
            answer = await self._get("/api/public/v2/observations", {**more, "fields": _FIELDS})
            found += await _in_a_thread(partial(_observations, answer))
            cursor = _meta(answer).get("cursor")
            if not cursor:  # a page may be short or empty and still have a successor
                return Observations(tuple(found), is_partial=False)
            more["cursor"] = cursor
        return Observations(tuple(found), is_partial=True)

    async def _read_v1(self, parameters: Mapping[str, Any]) -> Observations:
        found: list[Observation] = []
        for page in range(1, MAX_PAGES + 1):
            try:
                answer = await self._get(
                    "/api/public/observations", {**parameters, "limit": PAGE_SIZE_V1, "page": page}
                )
            except _NotFoundError:
                self._has_v2 = True  # neither: this is not a LangFuse, or it was upgraded since; ask for v2 again
                raise
            found += await _in_a_thread(partial(_observations, answer))
            pages = _meta(answer).get("totalPages")
            if not isinstance(pages, int) or page >= pages:
                return Observations(tuple(found), is_partial=False)
        return Observations(tuple(found), is_partial=True)

    async def _get(self, path: str, parameters: Mapping[str, Any]) -> Mapping[str, Any]:
        request = self._client.build_request("GET", self._url + path, params=dict(parameters))
        seconds = self._connection.timeout
        try:
            response = await fetch_async(request, self._client, seconds=seconds, max_bytes=MAX_RESPONSE_BYTES)
        except ERRORS as error:
            raise TracesError(failure_of(error, self._connection).of(self._name)) from None
        if response.status == 404:
            raise _NotFoundError(f"{self._name} has no {path}")
        if response.status != 200:
            said = said_in(response.body, self._connection)
            reason = explained(response.status, self._connection, said=said, credentials="public_key and secret_key")
            raise TracesError(f"{self._name} answered {reason}")
        try:
            answer = await _in_a_thread(partial(json.loads, response.body))
        except (ValueError, RecursionError):
            raise TracesError(f"{self._name} answered with something that is not JSON: is the address right?") from None
        if not isinstance(answer, dict):
            raise TracesError(f"{self._name} answered with something that is not an object: is the address right?")
        return answer


class _NotFoundError(TracesError):
    """The server does not have this endpoint."""


def _condition(column: str, kind: str, operator: str, value: Any) -> Mapping[str, Any]:
    return {"type": kind, "column": column, "operator": operator, "value": value}


def _window(since: datetime, until: datetime) -> list[Mapping[str, Any]]:
    return [
        _condition("startTime", "datetime", ">=", _instant(since)),
        _condition("startTime", "datetime", "<", _instant(until)),
    ]


def _instant(time: datetime) -> str:
    # LangFuse refuses times without an offset.
    return time.astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%S.%fZ")


def _observations(answer: Mapping[str, Any]) -> list[Observation]:
    rows = answer.get("data")
    if not isinstance(rows, list):
        raise TracesError("LangFuse answered without data: is the address right?")
    read = [_observation(row) for row in rows if isinstance(row, dict)]
    return [observation for observation in read if observation is not None]


def _meta(answer: Mapping[str, Any]) -> Mapping[str, Any]:
    meta = answer.get("meta")
    return meta if isinstance(meta, dict) else {}


def _observation(row: Mapping[str, Any]) -> Observation | None:
    """One row; None when it lacks what every observation has."""
    start_time = _time(row.get("startTime"))
    if start_time is None or not row.get("traceId"):
        return None

    def text(key: str, default: str = "") -> str:
        # v2 says "" where v1 says null. Half a surrogate pair is valid JSON, and no text that could be written out.
        return str(row.get(key) or default).encode(errors="replace").decode()

    # v2 has isRootObservation; a root has no parent in v1 and v2.
    return Observation(
        id=text("id"),
        trace_id=text("traceId"),
        project_id=text("projectId"),
        is_root=not row.get("parentObservationId"),
        type=text("type", "SPAN"),
        name=text("name"),
        level=text("level", "DEFAULT"),
        status_message=text("statusMessage"),
        model=text("model"),
        start_time=start_time,
    )


def _time(value: Any) -> datetime | None:
    try:
        time = datetime.fromisoformat(value)
    except (ValueError, TypeError):
        return None
    return time if time.tzinfo else time.replace(tzinfo=UTC)


async def _in_a_thread(work: Callable[[], T]) -> T:
    return await asyncio.get_running_loop().run_in_executor(_THREADS, work)
