"""The endpoints of v3, which a server in the modes ``legacy`` and ``dual`` still has: observations and traces, page by
page. A trace is put together from its observations, as LangFuse does for spans that come by OpenTelemetry.

Metadata that was said of the whole trace is in v3 that of the trace alone, where v2 shows it on every observation. A
row names its keys under ``traceMetadata``, which no answer shows.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping, Sequence
from datetime import datetime, timedelta
from typing import Any

from deploy.stack.standin.filters import Column, Row, Test, conditions_of, plain, test_of
from deploy.stack.standin.observations import LEVELS, matching, newest_first
from deploy.stack.standin.refusals import NotPlayedError, instant, json_of, limit_of
from deploy.stack.standin.scores import trace_of

MAX_LIMIT = 100

_TRACE_COLUMNS: Mapping[str, Column] = {
    **{name: plain("string", name) for name in ("id", "userId", "sessionId", "version", "release")},
    **{name: plain("stringOptions", name) for name in ("name", "environment", "level")},
    **{name: plain("number", name) for name in ("latency", "totalCost")},
    **{f"{level.lower()}Count": plain("number", f"{level.lower()}Count") for level in LEVELS},
    "timestamp": plain("datetime", "timestamp"),
    "tags": plain("arrayOptions", "tags"),
    "metadata": plain("stringObject", "metadata"),
}
_TRACE_KEYS = (
    *("id", "projectId", "name", "timestamp", "environment", "tags", "bookmarked", "release", "version", "userId"),
    *("sessionId", "public", "input", "output", "metadata", "createdAt", "updatedAt", "observations", "scores"),
    *("totalCost", "latency", "htmlPath", "externalId"),
)


def observations_v1(rows: Sequence[Row], parameters: Mapping[str, list[str]]) -> dict[str, Any]:
    """The answer of v1: newest first, by page; unset texts are null. Raises BadRequestError."""
    found = newest_first(matching(rows, parameters, needs_window=False))
    return _page(found, parameters, _observation)


def traces_v1(rows: Sequence[Row], scores: Sequence[Row], parameters: Mapping[str, list[str]]) -> dict[str, Any]:
    """The traces, newest first, by page. Raises BadRequestError."""
    order = parameters.get("orderBy", ["timestamp.desc"])[-1]
    if order != "timestamp.desc":
        raise NotPlayedError(f"orderBy={order}")
    groups = parameters["fields"][-1].split(",") if "fields" in parameters else None
    tests = _trace_tests(parameters)
    found = [trace for trace in _traces(rows, scores) if all(test(trace) for test in tests)]
    found.sort(key=lambda trace: (trace["timestamp"], trace["id"]), reverse=True)
    return _page(found, parameters, lambda trace: _trace(trace, groups))


def _page(found: Sequence[Row], parameters: Mapping[str, list[str]], shown: Any) -> dict[str, Any]:
    limit = limit_of(parameters.get("limit", ["50"])[-1], largest=MAX_LIMIT, smallest=1)
    page = max(1, int(parameters.get("page", ["1"])[-1]))
    total = len(found)
    return {
        "data": [shown(row) for row in found[(page - 1) * limit : page * limit]],
        "meta": {"page": page, "limit": limit, "totalItems": total, "totalPages": -(-total // limit)},
    }


def _observation(row: Row) -> dict[str, Any]:
    usage = {"unit": "TOKENS", "input": row["inputUsage"], "output": row["outputUsage"], "total": row["totalUsage"]}
    return {
        **{key: row[key] for key in ("id", "traceId", "startTime", "endTime", "projectId", "parentObservationId")},
        **{key: _set(row[key]) for key in ("type", "environment", "name", "level", "statusMessage", "version")},
        **{key: row[key] for key in ("createdAt", "updatedAt")},
        **{key: _decoded(row[key]) for key in ("input", "output")},
        "metadata": _nested({k: v for k, v in row["metadata"].items() if k not in row.get("traceMetadata", ())}),
        **{key: _set(row[key]) for key in ("model", "modelParameters", "completionStartTime")},
        **{key: _set(row[key]) for key in ("promptId", "promptName", "promptVersion")},
        "latency": row["latency"] or 0,
        **{key: row[key] for key in ("timeToFirstToken", "usageDetails", "costDetails")},
        **{key: row[key] for key in ("usagePricingTierId", "usagePricingTierName", "modelId")},
        **{key: _number(row[key]) for key in ("inputPrice", "outputPrice", "totalPrice")},
        **{f"calculated{part}Cost": row[f"{part.lower()}Cost"] for part in ("Input", "Output", "Total")},
        "unit": "TOKENS",
        "promptTokens": row["inputUsage"],
        "completionTokens": row["outputUsage"],
        "totalTokens": row["totalUsage"],
        "usage": usage,
    }


def _traces(rows: Iterable[Row], scores: Sequence[Row]) -> Iterable[dict[str, Any]]:
    of_trace: dict[str, list[Row]] = {}
    for row in rows:
        of_trace.setdefault(row["traceId"], []).append(row)
    for trace_id, steps in of_trace.items():
        root = min(steps, key=lambda row: (not row["isRootObservation"], row["startTime"]))
        begin = min(datetime.fromisoformat(row["startTime"]) for row in steps)
        end = max(datetime.fromisoformat(row["endTime"] or row["startTime"]) for row in steps)
        levels = [row["level"] for row in steps]
        yield {
            **{key: root[key] for key in ("projectId", "environment", "tags", "bookmarked", "release", "version")},
            **{key: root[key] for key in ("userId", "sessionId", "public", "input", "output", "metadata")},
            **{f"{level.lower()}Count": levels.count(level) for level in LEVELS},
            "id": trace_id,
            "name": root["traceName"],
            "timestamp": root["startTime"],
            "createdAt": root["createdAt"] and f"{root['createdAt'][:19]}.000Z",
            "updatedAt": root["updatedAt"],
            "observations": [row["id"] for row in steps],
            "scores": [score["id"] for score in scores if trace_of(score) == trace_id],
            "level": max(levels, key=LEVELS.index),
            "totalCost": sum(row["totalCost"] or 0 for row in steps),
            "latency": (end - begin) / timedelta(milliseconds=1) / 1000,
            "htmlPath": f"/project/{root['projectId']}/traces/{trace_id}",
            "externalId": None,
        }


def _trace(trace: Row, groups: Sequence[str] | None) -> dict[str, Any]:
    shown = {key: _set(trace[key]) for key in _TRACE_KEYS}
    shown |= {"input": _decoded(trace["input"]), "output": _decoded(trace["output"])}
    shown |= {"metadata": _nested(trace["metadata"])}
    if groups is None:
        return shown
    # As recorded: what was not asked for keeps its key.
    left_out: dict[str, dict[str, Any]] = {
        "io": {"input": None, "output": None, "metadata": {}},
        "observations": {"observations": []},
        "scores": {"scores": []},
        "metrics": {"totalCost": -1, "latency": -1},
    }
    for group, blanks in left_out.items():
        if group not in groups:
            shown |= blanks
    return shown


def _trace_tests(parameters: Mapping[str, list[str]]) -> list[Test]:
    if "filter" in parameters:
        return [
            test_of(condition, _TRACE_COLUMNS)
            for condition in conditions_of(json_of(parameters["filter"][-1], "filter"))
        ]
    asked: list[dict[str, Any]] = [
        {"type": "string", "column": name, "operator": "=", "value": parameters[name][-1]}
        for name in ("name", "userId", "sessionId", "version", "release")
        if name in parameters
    ]
    if "environment" in parameters:
        values = parameters["environment"]
        asked.append({"type": "stringOptions", "column": "environment", "operator": "any of", "value": values})
    if "tags" in parameters:
        asked.append({"type": "arrayOptions", "column": "tags", "operator": "all of", "value": parameters["tags"]})
    for name, operator in (("fromTimestamp", ">="), ("toTimestamp", "<")):
        if name in parameters:
            instant(parameters[name][-1], name)
            asked.append(
                {"type": "datetime", "column": "timestamp", "operator": operator, "value": parameters[name][-1]}
            )
    return [test_of(condition, _TRACE_COLUMNS) for condition in asked]


def _nested(metadata: Mapping[str, Any]) -> dict[str, Any]:
    # v2 shows "resourceAttributes.service.name", v1 {"resourceAttributes": {"service.name": ...}}
    nested: dict[str, Any] = {}
    for name, value in metadata.items():
        group, _, rest = name.partition(".")
        if group == "scope" and rest.startswith("attributes."):
            nested.setdefault("scope", {}).setdefault("attributes", {})[rest.removeprefix("attributes.")] = value
        elif group in ("scope", "resourceAttributes", "attributes") and rest:
            nested.setdefault(group, {})[rest] = value
        else:
            nested[name] = value
    return nested


def _set(value: Any) -> Any:
    return None if value == "" else value


def _number(value: Any) -> float | None:
    return None if value is None else float(value)


def _decoded(value: Any) -> Any:
    if not isinstance(value, str):
        return value
    try:
        return json.loads(value)
    except ValueError:
        return value
