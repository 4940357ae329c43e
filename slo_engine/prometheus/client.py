"""Queries over prometheus-api-client, with what it leaves out: a deadline, the reason of a failure, warnings.

Of that library only ``custom_query`` and ``custom_query_range`` are used. Its defaults are replaced here and in
``session``: it has no timeout, sends a query in the URL even when it POSTs, retries for ten seconds behind the caller's
back, follows redirects, lets ``.netrc`` override a bearer token, and throws away the warnings that come with a result.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import datetime, timedelta
from functools import partial
from typing import Any, Literal, TypeVar

import requests
from prometheus_api_client import PrometheusConnect
from prometheus_api_client.exceptions import PrometheusApiClientException
from urllib3.exceptions import HTTPError as TransportError

from slo_engine.connect import BusyError, Connection, Deadline, explained, failure_of, said_in
from slo_engine.connect.failure import TooLargeError
from slo_engine.errors import SloEngineError
from slo_engine.prometheus.session import Session

Answer = TypeVar("Answer")

_WITHOUT_EXEMPLARS = (404, 405, 501)
"""What servers with Prometheus' query API answer that have no exemplars."""

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
    """One series of a range query, or of a range selector: (Unix seconds, value) where it has one. Values may be NaN or
    infinite."""

    labels: Mapping[str, str]
    points: tuple[tuple[float, float], ...]


@dataclass(frozen=True, slots=True)
class Exemplar:
    """One event that a series points at. ``labels``: its own, such as ``trace_id``; ``series``: those of the series."""

    series: Mapping[str, str]
    labels: Mapping[str, str]
    value: float
    at: float
    """Unix seconds."""


@dataclass(frozen=True)
class RangeResult:
    """The answer to a range query, or what is in a range selector."""

    series: tuple[Series, ...]
    warnings: tuple[str, ...]


class Prometheus:
    """The door to one Prometheus (or Mimir, Thanos, VictoriaMetrics: anything with its query API). Thread-safe."""

    def __init__(self, connection: Connection) -> None:
        """Raises SloEngineError when the connection names certificates that cannot be used."""
        self._name = f"Prometheus at {connection.address}"
        self._connection = connection
        self._url = connection.url.rstrip("/")
        self._timeout = connection.timeout
        self._deadline = Deadline("prometheus-query")
        self._session = Session(connection)
        self._connect = PrometheusConnect(url=self._url, session=self._session, method="POST")

    def query(self, expr: str, at: datetime) -> Result:
        """Evaluate ``expr`` at one point in time. Raises PrometheusError, and nothing else."""
        timeout = self._timeout
        params = {"time": f"{at.timestamp():.3f}", "timeout": _shorter(timeout)}
        return self._in_time(partial(self._ask, expr, params, timeout), timeout)

    def samples(self, expr: str, at: datetime) -> RangeResult:
        """The samples in a range selector (``up[10m]``), each with the time of its own. Raises PrometheusError, and
        nothing else."""
        timeout = self._timeout
        params = {"time": f"{at.timestamp():.3f}", "timeout": _shorter(timeout)}
        return self._in_time(partial(self._ask_for_samples, expr, params, timeout), timeout)

    def query_range(self, expr: str, start: datetime, end: datetime, step: timedelta) -> RangeResult:
        """Evaluate ``expr`` at ``start`` and every ``step`` after it up to ``end``, all of whole seconds. Prometheus
        refuses more than 11,000 steps. Raises PrometheusError, and nothing else."""
        timeout = self._timeout
        return self._in_time(partial(self._ask_for_range, expr, start, end, step, timeout), timeout)

    def exemplars(self, expr: str, start: datetime, end: datetime) -> tuple[Exemplar, ...]:
        """The exemplars of the series that are selected in ``expr``; none of a server that keeps none. Raises
        PrometheusError, and nothing else."""
        timeout = self._timeout
        return self._in_time(partial(self._ask_for_exemplars, expr, start, end, timeout), timeout)

    def rule_groups(self) -> list[dict[str, Any]]:
        """The rule groups that are loaded, with their health: ``data.groups`` of ``GET /api/v1/rules``, as it stands.
        Raises PrometheusError, and nothing else."""
        timeout = self._timeout
        return self._in_time(partial(self._ask_for_rules, timeout), timeout)

    def reload(self) -> None:
        """Have it read its configuration and rule files again. Raises PrometheusError, and nothing else."""
        timeout = self._timeout
        self._in_time(partial(self._ask_to_reload, timeout), timeout)

    def close(self) -> None:
        """Close the connections; the door is not used afterwards."""
        self._connect.close()

    def _in_time(self, ask: Callable[[], Answer], timeout: float) -> Answer:
        try:
            return self._deadline.run(ask, timeout)
        except BusyError:
            number = self._deadline.at_once
            raise PrometheusError("timeout", f"{self._name} has not answered {number} earlier queries yet") from None
        except TimeoutError as error:
            raise PrometheusError("timeout", failure_of(error, self._connection).of(self._name)) from None

    def _ask(self, expr: str, params: dict[str, str], timeout: float) -> Result:
        with self._explained():
            data = self._connect.custom_query(expr, params=params, timeout=timeout)
            return Result(_samples(data), self._session.last_warnings())

    def _ask_for_samples(self, expr: str, params: dict[str, str], timeout: float) -> RangeResult:
        with self._explained():
            data = self._connect.custom_query(expr, params=params, timeout=timeout)
            return RangeResult(_series(data), self._session.last_warnings())

    def _ask_for_range(self, expr: str, start: datetime, end: datetime, step: timedelta, timeout: float) -> RangeResult:
        every, params = f"{step.total_seconds():g}s", {"timeout": _shorter(timeout)}
        with self._explained():
            data = self._connect.custom_query_range(expr, start, end, every, params=params, timeout=timeout)
            return RangeResult(_series(data), self._session.last_warnings())

    def _ask_for_exemplars(self, expr: str, start: datetime, end: datetime, timeout: float) -> tuple[Exemplar, ...]:
        params = {"query": expr, "start": f"{start.timestamp():.3f}", "end": f"{end.timestamp():.3f}"}
        with self._explained():
            url = f"{self._url}/api/v1/query_exemplars"
            response = self._session.request("POST", url, params=params, timeout=timeout)
            if response.status_code in _WITHOUT_EXEMPLARS:
                return ()
            if response.status_code != requests.codes.ok:
                raise self._refused(response)
            return tuple(_exemplars(response.json()["data"]))

    def _ask_for_rules(self, timeout: float) -> list[dict[str, Any]]:
        with self._explained():
            response = self._session.request("GET", f"{self._url}/api/v1/rules", timeout=timeout)
            if response.status_code != requests.codes.ok:
                raise self._refused(response)
            return _groups(response.json())

    def _ask_to_reload(self, timeout: float) -> None:
        with self._explained():
            response = self._session.request("POST", f"{self._url}/-/reload", timeout=timeout)
            if response.status_code == requests.codes.forbidden and b"ifecycle" in response.content:
                raise PrometheusError(
                    "auth", f"{self._name} does not reload over HTTP: start it with --web.enable-lifecycle"
                )
            if response.status_code != requests.codes.ok:
                said = said_in(response.content, self._connection)
                raise PrometheusError(
                    "unavailable",
                    f"{self._name} did not reload: {explained(response.status_code, self._connection, said=said)}",
                )

    @contextmanager
    def _explained(self) -> Iterator[None]:
        try:
            yield
        except PrometheusApiClientException:
            raise self._refused(self._session.last_response()) from None
        except requests.JSONDecodeError:
            raise PrometheusError(
                "not_prometheus",
                f"{self._name} answered with something that is not JSON: is this address Prometheus, or a login page?",
            ) from None
        except (requests.RequestException, TransportError, OSError, TooLargeError) as error:
            failure = failure_of(error, self._connection)
            kind: Kind = "timeout" if failure.reason == "timeout" else "unavailable"
            raise PrometheusError(kind, failure.of(self._name)) from None
        except (LookupError, TypeError, ValueError, AttributeError, RecursionError):
            raise PrometheusError(
                "not_prometheus", f"{self._name} answered with JSON that is not a query result"
            ) from None

    def _refused(self, response: requests.Response) -> PrometheusError:
        status = response.status_code
        try:
            body = response.json()
        except requests.JSONDecodeError:
            body = {}
        error = body.get("error") if isinstance(body, dict) else None
        said = said_in(str(error).encode(errors="replace") if error else response.content, self._connection)
        answered = f"{self._name} answered {explained(status, self._connection, said=said)}"
        if status in (401, 403, 407):
            return PrometheusError("auth", answered)
        if 300 <= status < 400:
            return PrometheusError("not_prometheus", answered)
        if status in (400, 422) and error:
            return PrometheusError("bad_query", f"{self._name} refuses the query: {said}")
        if isinstance(body, dict) and body.get("errorType") == "timeout":
            return PrometheusError("timeout", f"{self._name} gave up on a query: {said}")
        return PrometheusError("unavailable", answered)


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


def _exemplars(data: Any) -> Iterator[Exemplar]:
    for series in data:
        labels = {_text(name): _text(text) for name, text in series["seriesLabels"].items()}
        for each in series["exemplars"]:
            own = {_text(name): _text(text) for name, text in each["labels"].items()}
            yield Exemplar(labels, own, float(each["value"]), float(each["timestamp"]))


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
