"""The one door to LangFuse for reading, on plain HTTP: the SDK has no v1 reads any more, and costs a second to import.

Servers differ: v4 and Cloud answer ``/api/public/v2/observations``; v3 answers it with 404 and has the v1 endpoint. A
server may change its mode while we run. Both take the same ``filter``, which replaces every other parameter.
"""

from __future__ import annotations

import asyncio
import json
import time
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from datetime import UTC, datetime
from functools import partial
from typing import Any, TypeVar
from urllib.parse import quote, urlencode

import httpx

from slo_engine.connect import Connection, explained, failure_of, retry_after, said_in
from slo_engine.connect.client import ERRORS, Answer, async_client, fetch_async
from slo_engine.errors import SloEngineError
from slo_engine.traces.model import Count, Observation, Observations, TraceScore, TraceScores
from slo_engine.traces.rows import observation, rows_at_the_beginning, rows_in, score
from slo_engine.traces.selection import Selection, instant

T = TypeVar("T")

PAGE_SIZE_V1 = 100
PAGE_SIZE_V2 = 1000
PAGE_SIZE_SCORES = 100
"""The most that each endpoint gives."""

MAX_RESPONSE_BYTES = 8 * 1024 * 1024
"""1,000 observations with their metadata are 3 MB. Of a longer answer the rows that fit are used."""

SIDE_BY_SIDE = 6
"""Requests at the same time: a storm of alerts must not become one of requests."""

PROBE_SECONDS = 300.0
"""After which a server that had no v2 endpoint is asked for it again: it may have been upgraded."""

LONGEST_HOLD = 300.0
"""Seconds for which a server that is asked too often is left alone, whatever its Retry-After says."""

_THREADS = ThreadPoolExecutor(2, "traces")
"""Reading and grouping large answers: on the event loop it would hold up the webhook."""

_WITHOUT_IT = (404, 405, 501)
"""What servers, and proxies before them, answer that do not have an endpoint."""

_ROOT_FIELDS = "core,basic,model,usage,prompt,metrics,trace_context,metadata"
_STEP_FIELDS = "core,basic,model,usage,metrics,trace_context"
"""Without ``io``: prompts and answers stay where they are."""


class TracesError(SloEngineError):
    """LangFuse gave no answer that can be used. ``is_outage``: it cannot be reached, is too slow or overloaded, so that
    it is better left alone for a while; a wrong key is none."""

    def __init__(self, message: str, *, is_outage: bool = False) -> None:
        self.is_outage = is_outage
        super().__init__(message)


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
        self._v1_until = 0.0
        """Until then (monotonic) the v1 endpoint is asked first."""
        self._held_until: dict[str, float] = {}
        """Path -> when (monotonic) it may be asked again."""
        self._places = asyncio.Semaphore(SIDE_BY_SIDE)
        self._client = async_client(connection, transport)

    async def close(self) -> None:
        """Close the connections; the door is not used afterwards."""
        await self._client.aclose()

    async def observations(
        self, wanted: Selection, *, most: int, deadline: float, with_metadata: bool = False
    ) -> Observations:
        """The newest ``most`` observations of a selection. At ``deadline`` (of ``time.monotonic``) reading ends with
        what there is, if there is anything. Raises TracesError; UnsupportedError for what a v3 server cannot filter."""
        # Twice, for a server that changed its mode since it was asked the last time has neither at first.
        for _ in range(2):
            try:
                if time.monotonic() < self._v1_until:
                    return await self._read_v1(wanted, most, deadline)
                return await self._read_v2(wanted, most, deadline, with_metadata)
            except _NotFoundError as error:
                absent = error
                is_v1 = time.monotonic() < self._v1_until
                self._v1_until = 0.0 if is_v1 else time.monotonic() + PROBE_SECONDS
        self._v1_until = 0.0
        raise absent

    async def counts(self, wanted: Selection, *, by: Sequence[str] = (), deadline: float) -> list[Count]:
        """How many observations a selection has, counted by the server: exact, however many they are. ``by``:
        dimensions of LangFuse's metrics, such as ``name``. Raises TracesError; UnsupportedError from a v3 server."""
        query: dict[str, Any] = {
            "view": "observations",
            "metrics": [{"measure": "count", "aggregation": "count"}],
            "dimensions": [{"field": each} for each in by],
            "filters": [_as_dimension(each) for each in wanted.filters()],
            "fromTimestamp": instant(wanted.since),
            "toTimestamp": instant(wanted.until),
        }
        try:
            answer = await self._get("/api/public/v2/metrics", {"query": json.dumps(query)}, deadline)
        except _NotFoundError:
            raise UnsupportedError("this LangFuse server (v3) does not count by a filter: v4 does") from None
        except _BadRequestError as error:
            raise UnsupportedError(str(error)) from None
        rows, _ = await self._rows(answer)
        return [_count(row, by) for row in rows]

    async def scores(
        self, name: str, since: datetime, until: datetime, *, at_most: float | None, most: int, deadline: float
    ) -> TraceScores:
        """The newest scores of a name that were received in a window, ``at_most``: of this value or less; a yes is 1
        and a no is 0. Raises TracesError."""
        window = {"fromTimestamp": instant(since), "toTimestamp": instant(until)}
        asked: dict[str, Any] = {"name": name, "fields": "subject,details", "limit": PAGE_SIZE_SCORES, **window}
        limited = {} if at_most is None else {"valueMax": at_most}
        found = await self._scores({**asked, "dataType": "NUMERIC", **limited}, most, deadline)
        if not found.rows and (at_most is None or at_most >= 0):
            only_no = {"value": "false"} if at_most is not None and at_most < 1 else {}
            found = await self._scores({**asked, "dataType": "BOOLEAN", **only_no}, most, deadline)
        rows = tuple(
            each
            for each in found.rows
            if each.name == name and since <= each.at < until and (at_most is None or each.value <= at_most)
        )
        return TraceScores(rows, found.is_partial)

    async def _scores(self, parameters: dict[str, Any], most: int, deadline: float) -> TraceScores:
        found: list[TraceScore] = []
        while len(found) < most:
            try:
                answer = await self._get("/api/public/v3/scores", parameters, deadline)
            except _NotFoundError:
                raise UnsupportedError("this LangFuse server has no /api/public/v3/scores") from None
            rows, meta = await self._rows(answer)
            found += [each for each in map(score, rows) if each is not None]
            cursor = meta.get("cursor")
            if not cursor or not rows:
                return TraceScores(tuple(found[:most]), is_partial=not answer.is_whole)
            if time.monotonic() > deadline:
                break
            parameters["cursor"] = cursor
        return TraceScores(tuple(found[:most]), is_partial=True)

    def url_of(self, observation: Observation) -> str:
        """Where people look at the run of an observation."""
        return self.trace_url(observation.project_id, observation.trace_id)

    def trace_url(self, project_id: str, trace_id: str) -> str:
        """Where people look at a trace."""
        return f"{self._public_url}/project/{quote(project_id, safe='')}/traces/{quote(trace_id, safe='')}"

    def filtered_url(self, project_id: str, wanted: Selection) -> str:
        """Where people look at the same observations: LangFuse's own table, with what its address can say."""
        window = f"{int(wanted.since.timestamp() * 1000)}-{int(wanted.until.timestamp() * 1000)}"
        filters = ",".join(
            ";".join((each["column"], each["type"], each.get("key", ""), each["operator"], _in_address(each["value"])))
            for each in wanted.filters()
        )
        asked = urlencode({"filter": filters, "dateRange": window})
        return f"{self._public_url}/project/{quote(project_id, safe='')}/observations?{asked}"

    async def _read_v2(self, wanted: Selection, most: int, deadline: float, with_metadata: bool) -> Observations:
        fields = _ROOT_FIELDS if with_metadata or wanted.metadata else _STEP_FIELDS
        parameters = {
            "filter": json.dumps(wanted.conditions()),
            "fields": fields,
            "limit": min(most, PAGE_SIZE_V2),
        }
        reading = _Reading(wanted, most)
        for _ in range(2 + most // PAGE_SIZE_V2):  # a page may be short, or empty, and still have a successor
            try:
                answer = await self._get("/api/public/v2/observations", parameters, deadline)
                rows, meta = await self._rows(answer)
            except TracesError:
                if not reading.found:
                    raise
                break
            await _in_a_thread(partial(reading.take, rows))
            cursor = meta.get("cursor")
            if not answer.is_whole:
                break
            if not cursor:
                return reading.observations(is_partial=False)
            if reading.is_full or time.monotonic() > deadline:
                break
            parameters["cursor"] = cursor
        return reading.observations(is_partial=True)

    async def _read_v1(self, wanted: Selection, most: int, deadline: float) -> Observations:
        parameters = {"filter": json.dumps(_conditions_v1(wanted)), "limit": min(most, PAGE_SIZE_V1)}
        reading = _Reading(wanted, most)
        for page in range(1, 2 + most // PAGE_SIZE_V1):
            try:
                answer = await self._get("/api/public/observations", {**parameters, "page": page}, deadline)
                rows, meta = await self._rows(answer)
            except TracesError:
                if not reading.found:
                    raise
                break
            await _in_a_thread(partial(reading.take, rows))
            pages = meta.get("totalPages")
            if answer.is_whole and (not isinstance(pages, int) or page >= pages):
                return reading.observations(is_partial=False)
            if reading.is_full or time.monotonic() > deadline:
                break
        return reading.observations(is_partial=True)

    async def _rows(self, answer: Answer) -> tuple[list[Mapping[str, Any]], Mapping[str, Any]]:
        if not answer.is_whole:
            rows = await _in_a_thread(partial(rows_at_the_beginning, answer.body))
            if not rows:
                raise TracesError(
                    f"{self._name} answered with more than {MAX_RESPONSE_BYTES:,} bytes, and no row in them"
                )
            return rows, {}
        try:
            return await _in_a_thread(partial(rows_in, answer.body))
        except LookupError as error:
            reason = f"answered with JSON that is {error.args[0]}: is the address right?"
            raise TracesError(f"{self._name} {reason}") from None
        except (ValueError, RecursionError):
            raise TracesError(f"{self._name} answered with something that is not JSON: is the address right?") from None

    async def _get(self, path: str, parameters: Mapping[str, Any], deadline: float) -> Answer:
        async with self._places:
            now = time.monotonic()
            if (wait := self._held_until.get(path, 0.0) - now) > 0:
                raise TracesError(f"{self._name} allows no more requests for {wait:.0f} s (rate limit)", is_outage=True)
            seconds = max(0.05, min(self._connection.timeout, deadline - now))
            try:
                request = self._client.build_request("GET", self._url + path, params=dict(parameters))
                answer = await fetch_async(
                    request, self._client, seconds=seconds, max_bytes=MAX_RESPONSE_BYTES, keep_beginning=True
                )
            except ERRORS as error:
                waited = replace(self._connection, timeout=round(seconds, 2))
                raise TracesError(failure_of(error, waited).of(self._name), is_outage=True) from None
        if answer.status in _WITHOUT_IT:
            raise _NotFoundError(f"{self._name} has no {path}")
        if answer.status == 429:
            pause = retry_after(answer.headers.get("retry-after"), datetime.now(UTC))
            self._held_until[path] = time.monotonic() + min(5.0 if pause is None else pause, LONGEST_HOLD)
        if answer.status != 200:
            said = said_in(answer.body, self._connection)
            reason = explained(answer.status, self._connection, said=said, credentials="public_key and secret_key")
            kind = _BadRequestError if answer.status == 400 else TracesError
            is_outage = answer.status >= 500 or answer.status == 429
            raise kind(f"{self._name} answered {reason}", is_outage=is_outage)
        return answer


class _NotFoundError(TracesError):
    """The server does not have this endpoint."""


class _BadRequestError(TracesError):
    """The server does not take this question."""


class _Reading:
    """What was read of a selection so far."""

    def __init__(self, wanted: Selection, most: int) -> None:
        self._wanted = wanted
        self._most = most
        self.found: dict[str, Observation] = {}
        self._unasked = 0

    @property
    def is_full(self) -> bool:
        return len(self.found) >= self._most

    def take(self, rows: Sequence[Mapping[str, Any]]) -> None:
        for row in rows:
            read = observation(row)
            if read is None:
                continue
            if self._wanted.holds(read):
                # A row that comes while one pages shifts the others, so that one is sent twice.
                self.found.setdefault(f"{read.trace_id} {read.id}", read)
            elif not self._wanted.holds_basically(read):
                self._unasked += 1

    def observations(self, *, is_partial: bool) -> Observations:
        rows = sorted(self.found.values(), key=lambda row: row.start_time, reverse=True)
        if self._unasked and self._wanted.tags:
            # The server ignores filters: of a row that does not say its tags nobody knows whose it is.
            rows = [row for row in rows if row.tags is not None]
        return Observations(tuple(rows[: self._most]), is_partial or len(rows) > self._most, self._unasked)


_KNOWN_TO_V1 = frozenset({"level", "startTime", "traceTags", "name", "traceName", "environment", "type", "traceId"})


def _conditions_v1(wanted: Selection) -> list[Mapping[str, Any]]:
    conditions = [each for each in wanted.conditions() if each["column"] != "isRootObservation"]
    for each in conditions:
        if each["column"] not in _KNOWN_TO_V1:
            raise UnsupportedError(f"this LangFuse server (v3) cannot list observations by {each['column']}: v4 can")
    return conditions


def _as_dimension(condition: Mapping[str, Any]) -> Mapping[str, Any]:
    """A condition as the metrics take it: by the names of their dimensions."""
    names = {"traceTags": "tags", "model": "providedModelName"}
    return {**condition, "column": names.get(condition["column"], condition["column"])}


def _in_address(value: Any) -> str:
    """A value of a filter as LangFuse's own addresses write it."""
    values = value if isinstance(value, list) else [str(value).lower() if isinstance(value, bool) else value]
    return "|".join(quote(str(each), safe="") for each in values)


def _count(row: Mapping[str, Any], by: Sequence[str]) -> Count:
    number = row.get("count_count")
    try:
        return Count(int(number or 0), {each: str(row[each]) for each in by if row.get(each) is not None})
    except (ValueError, TypeError):
        raise TracesError("LangFuse answered with counts that are no numbers") from None


async def _in_a_thread(work: Callable[[], T]) -> T:
    return await asyncio.get_running_loop().run_in_executor(_THREADS, work)
