"""The views of ``/api/public/v2/metrics``: what can be counted, by what. Names and their order are those of the
recorded answers and the OpenAPI document; how a measure is computed is read off the source of 4.16."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from deploy.stack.standin.filters import Column, Reader, Row, plain
from deploy.stack.standin.observations import details
from deploy.stack.standin.scores import trace_of


@dataclass(frozen=True)
class View:
    """``time``: the key that the window is about. ``high_cardinality``: dimensions that need a limit and an order."""

    time: str
    time_column: str
    dimensions: Mapping[str, Column]
    measures: Mapping[str, Reader]
    high_cardinality: frozenset[str]
    names: tuple[str, ...]
    """All dimensions that the server knows, the unplayed ones too, in the order in which it lists them."""


def _milliseconds(since: str, until: str) -> Reader:
    def read(row: Row) -> float | None:
        if not row[since] or not row[until]:
            return None
        taken = datetime.fromisoformat(row[until]) - datetime.fromisoformat(row[since])
        return round(taken.total_seconds() * 1000)

    return read


def _per_second(amount: Reader, since: str) -> Reader:
    taken = _milliseconds(since, "endTime")

    def read(row: Row) -> float | None:
        seconds = (taken(row) or 0) // 1000
        return amount(row) / seconds if seconds else None

    return read


def _nullable(name: str, key: str | None = None) -> tuple[str, Column]:
    return name, plain("string", key or name, empty_is_null=True)


def _month(key: str) -> Column:
    return Column("string", lambda row: row[key][:7])


_TOTAL_TOKENS: Reader = lambda row: row["usageDetails"].get("total", 0)  # noqa: E731
_OUTPUT_TOKENS = details("usageDetails", "output").read

_OBSERVATIONS = View(
    time="startTime",
    time_column="start_time",
    dimensions=dict(
        (
            *((name, plain("string", name)) for name in ("id", "traceId")),
            _nullable("environment"),
            _nullable("parentObservationId"),
            ("isRootObservation", plain("boolean", "isRootObservation")),
            *((name, plain("string", name)) for name in ("type", "name", "level")),
            *map(_nullable, ("version", "userId", "sessionId")),
            ("tags", plain("arrayOptions", "tags")),
            *map(_nullable, ("release", "traceName")),
            _nullable("traceRelease", "release"),
            _nullable("traceVersion", "version"),
            _nullable("providedModelName", "model"),
            _nullable("promptName"),
            ("promptVersion", plain("string", "promptVersion")),
            ("startTimeMonth", _month("startTime")),
        )
    ),
    measures={
        "count": lambda _: 1,
        "latency": _milliseconds("startTime", "endTime"),
        "streamingLatency": _milliseconds("completionStartTime", "endTime"),
        "timeToFirstToken": _milliseconds("startTime", "completionStartTime"),
        "inputTokens": details("usageDetails", "input").read,
        "outputTokens": _OUTPUT_TOKENS,
        "totalTokens": _TOTAL_TOKENS,
        "outputTokensPerSecond": _per_second(_OUTPUT_TOKENS, "completionStartTime"),
        "tokensPerSecond": _per_second(_TOTAL_TOKENS, "startTime"),
        "inputCost": details("costDetails", "input").read,
        "outputCost": details("costDetails", "output").read,
        "totalCost": lambda row: row["totalCost"] or 0,
    },
    high_cardinality=frozenset({"id", "traceId", "parentObservationId", "userId", "sessionId"}),
    names=(
        *("id", "traceId", "environment", "parentObservationId", "isRootObservation", "type", "name", "level"),
        *("version", "userId", "sessionId", "tags", "release", "traceName", "traceRelease", "traceVersion"),
        *("providedModelName", "promptName", "promptVersion", "startTimeMonth", "toolNames", "calledToolNames"),
        *("costType", "usageType", "experimentName", "experimentDatasetId", "experimentId"),
    ),
)

OF_A_TRACE: Mapping[str, str] = {
    # dimension of a score -> key of the root of its trace
    "traceName": "traceName",
    "userId": "userId",
    "tags": "tags",
    "traceRelease": "release",
    "traceVersion": "version",
}
OF_AN_OBSERVATION: Mapping[str, str] = {
    "observationName": "name",
    "observationModelName": "model",
    "observationPromptName": "promptName",
    "observationPromptVersion": "promptVersion",
}


def _scores(value: Mapping[str, Column], measures: Mapping[str, Reader]) -> View:
    dimensions = dict(
        (
            ("sessionId", Column("string", lambda row: _subject(row, "session"))),
            *(_nullable(name) for name in OF_A_TRACE if name != "tags"),
            ("tags", plain("arrayOptions", "tags")),
            *map(_nullable, OF_AN_OBSERVATION),
            *((name, plain("string", name)) for name in ("id", "environment", "name", "source", "dataType")),
            ("traceId", Column("string", trace_of)),
            ("configId", plain("string", "configId")),
            ("timestampMonth", _month("timestamp")),
            ("timestampDay", Column("string", lambda row: row["timestamp"][:10])),
            ("observationId", Column("string", lambda row: _subject(row, "observation"))),
            *value.items(),
        )
    )
    return View(
        time="timestamp",
        time_column="timestamp",
        dimensions=dimensions,
        measures=measures,
        high_cardinality=frozenset({"id", "traceId", "userId", "sessionId", "observationId"}),
        names=tuple(dimensions),
    )


def _subject(score: Row, kind: str) -> Any:
    return score["subject"]["id"] if score["subject"]["kind"] == kind else None


_AS_NUMBER = Column("number", lambda row: float(row["value"]))
_VALUE: Mapping[str, Reader] = {"count": lambda _: 1, "value": _AS_NUMBER.read}

VIEWS: Mapping[str, View] = {
    # in the order in which the server lists them
    "observations": _OBSERVATIONS,
    "scores-numeric": _scores({"value": _AS_NUMBER}, _VALUE),
    "scores-categorical": _scores({"stringValue": plain("string", "value")}, {"count": lambda _: 1}),
    "scores-boolean": _scores({"value": _AS_NUMBER, "booleanValue": plain("boolean", "value")}, _VALUE),
}

_KINDS: Mapping[str, tuple[str, ...]] = {
    "scores-numeric": ("NUMERIC", "BOOLEAN"),
    "scores-categorical": ("CATEGORICAL",),
    "scores-boolean": ("BOOLEAN",),
}


def rows_of(
    view: str,
    used: Iterable[str],
    observations: Iterable[Row],
    scores: Iterable[Row],
    is_in: Callable[[Row, str], bool],
) -> list[Row]:
    """The rows of a view in the window. A dimension of the trace, or of the observation, joins its row to the score:
    a score whose trace (its physical root) did not begin in the window, or was not kept by sampling, is then lost, as
    it is in LangFuse."""
    if view == "observations":
        return [row for row in observations if is_in(row, "startTime")]
    used = set(used)
    found: list[Row] = [row for row in scores if row["dataType"] in _KINDS[view] and is_in(row, "timestamp")]
    if used & OF_A_TRACE.keys():
        roots = {
            row["traceId"]: row for row in observations if not row["parentObservationId"] and is_in(row, "startTime")
        }
        found = [_joined(row, roots.get(str(trace_of(row))), OF_A_TRACE) for row in found if trace_of(row) in roots]
    if used & OF_AN_OBSERVATION.keys():
        steps = {row["id"]: row for row in observations if is_in(row, "startTime")}
        found = [
            _joined(row, steps[row["subject"]["id"]], OF_AN_OBSERVATION)
            for row in found
            if row["subject"]["kind"] == "observation" and row["subject"]["id"] in steps
        ]
    return found


def _joined(score: Row, other: Row | None, keys: Mapping[str, str]) -> Row:
    return {**score, **{name: other[key] for name, key in keys.items()}} if other is not None else score
