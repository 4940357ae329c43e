"""``GET /api/public/v2/observations`` (and its v1 forerunner) over a list of observations, as LangFuse answers it."""

from __future__ import annotations

import base64
import binascii
import json
import re
from collections.abc import Callable, Mapping, Sequence
from datetime import datetime
from typing import Any

Row = Mapping[str, Any]

# Which keys each field group brings, read off the recorded answers; core always comes.
FIELDS: Mapping[str, tuple[str, ...]] = {
    "core": (
        *("id", "traceId", "startTime", "endTime", "projectId", "parentObservationId", "type"),
        *("latency", "timeToFirstToken", "modelId", "inputPrice", "outputPrice", "totalPrice"),
    ),
    "basic": (
        *("name", "level", "statusMessage", "version", "environment"),
        *("userId", "sessionId", "isRootObservation", "bookmarked", "public"),
    ),
    "time": ("completionStartTime", "createdAt", "updatedAt"),
    "io": ("input", "output"),
    "metadata": ("metadata",),
    "model": ("model", "internalModelId", "modelParameters"),
    "usage": (
        *("usageDetails", "inputUsage", "outputUsage", "totalUsage", "costDetails"),
        *("inputCost", "outputCost", "totalCost", "usagePricingTierId", "usagePricingTierName"),
    ),
    "prompt": ("promptId", "promptName", "promptVersion"),
    "metrics": (),
    "trace_context": ("traceName", "release", "tags"),
}
DEFAULT_GROUPS = ("core", "basic")
LEVELS = ("DEBUG", "DEFAULT", "WARNING", "ERROR")
MAX_LIMIT = 1000

_TIME = re.compile(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(\.\d+)?(Z|[+-]\d\d:\d\d)\Z")

_COLUMNS: Mapping[str, tuple[str, str]] = {
    # column of a filter -> (key of an observation, the filter types that fit)
    "level": ("level", "string stringOptions"),
    "name": ("name", "string stringOptions"),
    "type": ("type", "string stringOptions"),
    "traceId": ("traceId", "string stringOptions"),
    "traceName": ("traceName", "string stringOptions"),
    "environment": ("environment", "string stringOptions"),
    "statusMessage": ("statusMessage", "string"),
    "version": ("version", "string"),
    "userId": ("userId", "string"),
    "sessionId": ("sessionId", "string"),
    "startTime": ("startTime", "datetime"),
    "tags": ("tags", "arrayOptions"),
    "traceTags": ("tags", "arrayOptions"),
    "isRootObservation": ("isRootObservation", "boolean"),
    "latency": ("latency", "number"),
    "metadata": ("metadata", "stringObject"),
}

_SIMPLE = {
    "name": "name",
    "userId": "userId",
    "sessionId": "sessionId",
    "type": "type",
    "traceId": "traceId",
    "level": "level",
    "parentObservationId": "parentObservationId",
    "version": "version",
}


class BadRequestError(Exception):
    """A request that LangFuse answers with 400. ``body`` is what it answers."""

    def __init__(self, message: str, error: Any = "InvalidRequestError") -> None:
        super().__init__(message)
        self.body = {"message": message, "error": error}


def observations_v2(rows: Sequence[Row], parameters: Mapping[str, list[str]]) -> dict[str, Any]:
    """The answer of v2: newest first, by cursor."""
    one = {name: values[-1] for name, values in parameters.items()}
    if one.get("parseIoAsJson") == "true":
        raise BadRequestError("Invalid request data", [{"code": "custom", "path": ["parseIoAsJson"]}])
    limit = _limit(one.get("limit", "50"))
    found = _newest_first(_matching(rows, parameters))
    if "cursor" in one:
        found = [row for row in found if (row["startTime"], row["id"]) < _read_cursor(one["cursor"])]
    page = found[:limit]
    groups = one["fields"].split(",") if "fields" in one else list(DEFAULT_GROUPS)
    keys = [key for group in dict.fromkeys(["core", *groups]) for key in FIELDS.get(group, ())]
    meta = {"cursor": _cursor(page[-1])} if page and len(found) > limit else {}
    return {"data": [{key: _shown(row, key, groups) for key in keys} for row in page], "meta": meta}


def observations_v1(rows: Sequence[Row], parameters: Mapping[str, list[str]]) -> dict[str, Any]:
    """The answer of v1: newest first, by page; unset texts are null."""
    one = {name: values[-1] for name, values in parameters.items()}
    limit, page = _limit(one.get("limit", "50"), 100), max(1, int(one.get("page", "1")))
    found = _newest_first(_matching(rows, parameters))
    shown = found[(page - 1) * limit : page * limit]
    data = [
        {
            key: row[key] if row[key] != "" else None
            for key in row
            if key not in ("tags", "traceName", "isRootObservation")
        }
        for row in shown
    ]
    total = len(found)
    return {
        "data": data,
        "meta": {"page": page, "limit": limit, "totalItems": total, "totalPages": -(-total // limit)},
    }


def _shown(row: Row, key: str, groups: Sequence[str]) -> Any:
    # As recorded: prices of a model come with its group alone, and a latency of 0 is null beside metrics.
    if key in _WITH_MODEL and "model" not in groups:
        return None
    if key == "latency":
        return row[key] or (None if "metrics" in groups else 0)
    return row[key]


_WITH_MODEL = ("modelId", "inputPrice", "outputPrice", "totalPrice")


def _matching(rows: Sequence[Row], parameters: Mapping[str, list[str]]) -> list[Row]:
    if "filter" in parameters:  # replaces every other parameter, the time window included
        try:
            conditions = json.loads(parameters["filter"][-1])
        except ValueError:
            raise BadRequestError("Invalid JSON in filter parameter") from None
        tests = [_condition(condition) for condition in conditions]
        if not any(condition.get("column") == "startTime" for condition in conditions):
            return []  # as recorded: a filter that does not repeat the window finds nothing
    else:
        tests = _simple_tests(parameters)
    return [row for row in rows if all(test(row) for test in tests)]


def _simple_tests(parameters: Mapping[str, list[str]]) -> list[Callable[[Row], bool]]:
    one = {name: values[-1] for name, values in parameters.items()}
    tests: list[Callable[[Row], bool]] = []
    if one.get("level", "ERROR") not in LEVELS:
        raise BadRequestError("Invalid request data", [{"code": "invalid_value", "path": ["level"]}])
    for name, key in _SIMPLE.items():
        if name in one:
            tests.append(_equals(key, one[name]))
    if "environment" in parameters:
        tests.append(_any_of("environment", parameters["environment"]))
    if "isRootObservation" in one:
        tests.append(_equals("isRootObservation", one["isRootObservation"] == "true"))
    for name, operator in (("fromStartTime", ">="), ("toStartTime", "<")):
        if name in one:
            if not _TIME.match(one[name]):
                raise BadRequestError("Invalid request data", [{"code": "invalid_format", "path": [name]}])
            tests.append(_compares("startTime", operator, _time(one[name]), _time))
    return tests


def _condition(condition: Mapping[str, Any]) -> Callable[[Row], bool]:
    column, kind, operator, value = (condition.get(key) for key in ("column", "type", "operator", "value"))
    if column not in _COLUMNS:
        raise BadRequestError(f"Column {column} does not match a UI / CH table mapping.")
    key, kinds = _COLUMNS[str(column)]
    if kind not in kinds.split():
        expected = kinds.split()[0]
        raise BadRequestError(f"Invalid filter type '{kind}' for column '{column}'. Expected filter type '{expected}'.")
    match kind, operator:
        case "datetime", str():
            return _compares(key, operator, _time(str(value)), _time)
        case "number", str():
            return _compares(key, operator, float(str(value)), float)
        case (("string" | "boolean"), "="):
            return _equals(key, value)
        case "string", "contains":
            return lambda row: str(value) in str(row[key])
        case "stringOptions", "any of":
            return _any_of(key, list(value or ()))
        case "arrayOptions", "any of":
            return lambda row: bool(set(value or ()) & set(row[key]))
        case "arrayOptions", "all of":
            return lambda row: set(value or ()) <= set(row[key])
        case "stringObject", ("=" | "contains"):
            # SDK 5 sends metadata texts as JSON: the server compares the quoted form, and shows the plain one.
            name, text = str(condition.get("key")), str(value)
            return lambda row: (
                json.dumps(row["metadata"].get(name)) == text
                if operator == "="
                else text in json.dumps(row["metadata"].get(name, ""))
            )
        case _:
            raise BadRequestError(f"Invalid operator '{operator}' for filter type '{kind}'.")


def _equals(key: str, value: Any) -> Callable[[Row], bool]:
    return lambda row: bool(row[key] == value)


def _any_of(key: str, values: Sequence[Any]) -> Callable[[Row], bool]:
    return lambda row: row[key] in values


def _compares(key: str, operator: str, value: Any, read: Callable[[Any], Any]) -> Callable[[Row], bool]:
    def test(row: Row) -> bool:
        if row[key] is None:
            return False
        found = read(row[key])
        results = {">=": found >= value, ">": found > value, "<": found < value, "<=": found <= value}
        return bool(results[operator])

    return test


def _newest_first(rows: Sequence[Row]) -> list[Row]:
    return sorted(rows, key=lambda row: (row["startTime"], row["id"]), reverse=True)


def _limit(text: str, largest: int = MAX_LIMIT) -> int:
    if not text.isdigit() or int(text) > largest:
        issue = {"origin": "number", "code": "too_big", "maximum": largest, "inclusive": True, "path": ["limit"]}
        message = f"Too big: expected number to be <={largest}"
        raise BadRequestError("Invalid request data", [{**issue, "message": message}])
    return int(text)


def _cursor(row: Row) -> str:
    position = {"lastStartTimeTo": row["startTime"], "lastTraceId": row["traceId"], "lastId": row["id"]}
    return base64.b64encode(json.dumps(position, separators=(",", ":")).encode()).decode()


def _read_cursor(text: str) -> tuple[str, str]:
    try:
        position = json.loads(base64.b64decode(text))
        return position["lastStartTimeTo"], position["lastId"]
    except (ValueError, KeyError, TypeError, binascii.Error):
        raise BadRequestError("Invalid cursor format") from None


def _time(text: str) -> datetime:
    return datetime.fromisoformat(text)
