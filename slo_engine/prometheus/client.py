"""Queries over prometheus-api-client, with what it leaves out: a deadline, the reason of a failure, warnings.

Of that library only ``custom_query`` and ``custom_query_range`` are used. Its defaults are replaced here: it has no
timeout, sends a query in the URL even when it POSTs, retries for ten seconds behind the caller's back, follows
redirects, lets ``.netrc`` override a bearer token, and throws away the warnings that come with a result.
"""

from __future__ import annotations

import io
import json
import math
import threading
import time
from collections.abc import Callable, Iterator, Mapping
from concurrent.futures import Future
from concurrent.futures import TimeoutError as FutureTimeoutError
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import datetime, timedelta
from functools import partial
from typing import Any, Literal, TypeVar
from urllib.parse import urlsplit

import requests
from prometheus_api_client import PrometheusConnect
from prometheus_api_client.exceptions import PrometheusApiClientException
from urllib3 import Retry
from urllib3.exceptions import HTTPError as TransportError

from slo_engine.errors import SloEngineError

MAX_RESPONSE_BYTES = 256 * 1024 * 1024
"""10,000 groups with ten windows are about 25 MB; beyond this something else is answering."""

MAX_AT_ONCE = 16
"""Queries under way, those that were left behind included: a server that hangs must not gather threads."""

MAX_REASON = 300
"""Characters of what Prometheus says: its parse errors quote the query."""

Answer = TypeVar("Answer")
Kind = Literal["unavailable", "timeout", "auth", "bad_query", "not_prometheus"]


class PrometheusError(SloEngineError):
    """A query that gave no result. ``kind`` says whose turn it is: the network's, the operator's or the query's."""

    def __init__(self, kind: Kind, message: str) -> None:
        self.kind = kind
        super().__init__(message)


@dataclass(frozen=True, slots=True)
class Sample:
    """One series of an instant query. ``value`` may be NaN or infinite: what Prometheus says is what is here."""

    labels: Mapping[str, str]
    value: float


@dataclass(frozen=True)
class Result:
    """The answer to an instant query."""

    samples: tuple[Sample, ...]
    warnings: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Series:
    """One series of a range query: (Unix seconds, value) where it has one. Values may be NaN or infinite."""

    labels: Mapping[str, str]
    points: tuple[tuple[float, float], ...]


@dataclass(frozen=True)
class RangeResult:
    """The answer to a range query."""

    series: tuple[Series, ...]
    warnings: tuple[str, ...]


class Prometheus:
    """The door to one Prometheus (or Mimir, Thanos, VictoriaMetrics: anything with its query API). Thread-safe."""

    def __init__(self, url: str, *, token: str | None = None, timeout: float = 10.0) -> None:
        """``timeout``: seconds for a whole query, connecting and reading included."""
        parts = urlsplit(url)
        # Without what may stand before the host: user and password.
        self._name = f"Prometheus at {parts.scheme}://{parts.netloc.rpartition('@')[2]}"
        self._url = url.rstrip("/")
        self._timeout = timeout
        self._token = token
        self._headers = {"Authorization": f"Bearer {token}"} if token else None
        self._places = threading.BoundedSemaphore(MAX_AT_ONCE)
        self._session = _Session()
        self._connect = PrometheusConnect(
            url=self._url,
            headers=self._headers,
            session=self._session,
            method="POST",
            retry=Retry(total=0),
        )

    def query(self, expr: str, at: datetime) -> Result:
        """Evaluate ``expr`` at one point in time. Raises PrometheusError, and nothing else."""
        timeout = self._timeout
        params = {"time": f"{at.timestamp():.3f}", "timeout": _shorter(timeout)}
        return self._in_time(partial(self._ask, expr, params, timeout), timeout)

    def query_range(self, expr: str, start: datetime, end: datetime, step: timedelta) -> RangeResult:
        """Evaluate ``expr`` at ``start`` and every ``step`` after it up to ``end``, all of whole seconds. Prometheus
        refuses more than 11,000 steps. Raises PrometheusError, and nothing else."""
        timeout = self._timeout
        return self._in_time(partial(self._ask_for_range, expr, start, end, step, timeout), timeout)

    def rule_groups(self) -> list[dict[str, Any]]:
        """The rule groups that are loaded, with their health: ``data.groups`` of ``GET /api/v1/rules``, as it stands.
        Raises PrometheusError, and nothing else."""
        timeout = self._timeout
        return self._in_time(partial(self._ask_for_rules, timeout), timeout)

    def close(self) -> None:
        """Give the connections back."""
        self._connect.close()

    def _in_time(self, ask: Callable[[], Answer], timeout: float) -> Answer:
        """A thread of its own for each query, left behind when its time is up: a server that trickles its answer byte
        by byte keeps any timeout of a socket from ending, and would keep its caller too."""
        if not self._places.acquire(blocking=False):
            raise PrometheusError("timeout", f"{self._name} has not answered {MAX_AT_ONCE} earlier queries yet")
        done: Future[Answer] = Future()

        def run() -> None:
            try:
                done.set_result(ask())
            except Exception as error:  # noqa: BLE001 - it belongs to the caller, who gets it through the future
                done.set_exception(error)
            finally:
                self._places.release()

        threading.Thread(target=run, name="prometheus-query", daemon=True).start()
        try:
            return done.result(timeout + 0.5)
        except FutureTimeoutError:
            raise PrometheusError("timeout", f"{self._name} did not answer a query within {timeout:g} s") from None

    def _ask(self, expr: str, params: dict[str, str], timeout: float) -> Result:
        with self._explained(timeout):
            data = self._connect.custom_query(expr, params=params, timeout=timeout)
            return Result(_samples(data), self._session.last_warnings())

    def _ask_for_range(self, expr: str, start: datetime, end: datetime, step: timedelta, timeout: float) -> RangeResult:
        every, params = f"{step.total_seconds():g}s", {"timeout": _shorter(timeout)}
        with self._explained(timeout):
            data = self._connect.custom_query_range(expr, start, end, every, params=params, timeout=timeout)
            return RangeResult(_series(data), self._session.last_warnings())

    def _ask_for_rules(self, timeout: float) -> list[dict[str, Any]]:
        with self._explained(timeout):
            response = self._session.request("GET", f"{self._url}/api/v1/rules", headers=self._headers, timeout=timeout)
            if response.status_code != requests.codes.ok:
                raise self._refused(response)
            return _groups(response.json())

    @contextmanager
    def _explained(self, timeout: float) -> Iterator[None]:
        try:
            yield
        except PrometheusApiClientException:
            raise self._refused(self._session.last_response()) from None
        except requests.JSONDecodeError:
            raise PrometheusError(
                "not_prometheus",
                f"{self._name} answered with something that is not JSON: is this address Prometheus, or a login page?",
            ) from None
        except (requests.Timeout, _DeadlineError):
            raise PrometheusError("timeout", f"{self._name} did not answer a query within {timeout:g} s") from None
        except (requests.RequestException, TransportError) as error:
            raise PrometheusError("unavailable", f"{self._name} cannot be reached: {_reason(error)}") from None
        except (LookupError, TypeError, ValueError, AttributeError, RecursionError):
            raise PrometheusError(
                "not_prometheus", f"{self._name} answered with JSON that is no query result"
            ) from None

    def _refused(self, response: requests.Response) -> PrometheusError:
        status = response.status_code
        try:
            body = response.json()
        except requests.JSONDecodeError:
            body = {}
        said = str(body.get("error", ""))[:MAX_REASON] if isinstance(body, dict) else ""
        if self._token:
            said = said.replace(self._token, "***")  # a proxy may show what it was sent
        if status in (401, 403):
            return PrometheusError("auth", f"{self._name} refuses our credentials (HTTP {status})")
        if 300 <= status < 400:
            return PrometheusError("not_prometheus", f"{self._name} redirects (HTTP {status}): give its final address")
        if status in (400, 422):
            return PrometheusError("bad_query", f"{self._name} refuses the query: {said or f'HTTP {status}'}")
        if isinstance(body, dict) and body.get("errorType") == "timeout":
            return PrometheusError("timeout", f"{self._name} gave up on a query: {said}")
        return PrometheusError("unavailable", f"{self._name} answered HTTP {status}{': ' + said if said else ''}")


def _groups(answer: Any) -> list[dict[str, Any]]:
    groups = answer["data"]["groups"]
    if not isinstance(groups, list) or not all(isinstance(group, dict) for group in groups):
        raise TypeError
    return groups


def _samples(data: Any) -> tuple[Sample, ...]:
    if data and not isinstance(data[0], dict):  # a scalar: [time, "value"]
        return (Sample({}, float(data[1])),)
    return tuple(
        Sample({_text(name): _text(text) for name, text in series["metric"].items()}, float(series["value"][1]))
        for series in data
    )


def _series(data: Any) -> tuple[Series, ...]:
    return tuple(
        Series(
            {_text(name): _text(text) for name, text in series["metric"].items()},
            tuple((float(at), float(value)) for at, value in series["values"]),
        )
        for series in data
    )


def _shorter(timeout: float) -> str:
    # Its own limit is a little shorter than ours, so that Prometheus says why, and stops working for nobody.
    return f"{max(1, int(timeout * 950))}ms"


def _text(value: Any) -> str:
    if not isinstance(value, str):
        raise TypeError
    # Half a surrogate pair is valid JSON and no valid text: a page could not be written with it.
    return value if value.isascii() else value.encode(errors="replace").decode()


def finite(samples: tuple[Sample, ...]) -> tuple[Sample, ...]:
    """The samples that are numbers: NaN and infinities are no facts about an SLO."""
    return tuple(sample for sample in samples if math.isfinite(sample.value))


class _DeadlineError(Exception):
    """The response is still coming in when its time is up."""


class _Session(requests.Session):
    """A session that sends a query in the body, never goes elsewhere, ends in time, and remembers its response."""

    def __init__(self) -> None:
        super().__init__()
        self.trust_env = False  # no .netrc, which would replace the bearer token, and no proxy of the environment
        self._thread = threading.local()

    def request(self, method: str | bytes, url: str | bytes, **options: Any) -> requests.Response:  # type: ignore[override]
        timeout = float(options["timeout"])
        deadline = time.monotonic() + timeout
        if method == "POST":
            options["data"] = options.pop("params", None)
        response = super().request(method, url, **{**options, "allow_redirects": False, "stream": True})
        with response:
            body = _read(response, deadline)
        response.raw = io.BytesIO(body)
        self._thread.response = response
        self._thread.body = body
        return response

    def last_response(self) -> requests.Response:
        response: requests.Response = self._thread.response
        return response

    def last_warnings(self) -> tuple[str, ...]:
        # Warnings are rare and stand beside the data: a large answer is not parsed a second time to find none.
        if b'"warnings"' not in self._thread.body:
            return ()
        return tuple(str(warning) for warning in json.loads(self._thread.body).get("warnings") or ())


def _read(response: requests.Response, deadline: float) -> bytes:
    # A timeout of requests counts from byte to byte: a server that trickles would hold the thread for ever.
    body = bytearray()
    while chunk := response.raw.read1(64 * 1024, decode_content=True):
        body += chunk
        if time.monotonic() > deadline or len(body) > MAX_RESPONSE_BYTES:
            raise _DeadlineError
    return bytes(body)


def _reason(error: Exception) -> str:
    # The text of requests' errors holds the whole URL, credentials included.
    cause: BaseException = error
    while cause.__cause__ or cause.__context__:
        cause = cause.__cause__ or cause.__context__ or cause
    reason = cause.strerror if isinstance(cause, OSError) and cause.strerror else type(cause).__name__
    return str(reason)
