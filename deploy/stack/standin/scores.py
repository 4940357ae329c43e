"""Scores: ``POST /api/public/scores`` takes one, ``GET /api/public/v3/scores`` answers them."""

from __future__ import annotations

import base64
import binascii
import json
import uuid
from collections.abc import Callable, Mapping, Sequence
from datetime import UTC, datetime
from operator import itemgetter
from typing import Any

from deploy.stack.standin.filters import Row, Test
from deploy.stack.standin.otlp import PROJECT_ID
from deploy.stack.standin.refusals import BadRequestError, instant, invalid, limit_of

MAX_LIMIT = 100

# Which keys each field group brings; the others always come.
GROUPS: Mapping[str, tuple[str, ...]] = {
    "details": ("comment", "configId", "metadata"),
    "annotation": ("authorUserId", "queueId"),
    "subject": ("subject",),
}

_SUBJECTS = (("observationId", "observation"), ("sessionId", "session"), ("datasetRunId", "experiment"))
_LISTS: Mapping[str, Callable[[Row], Any]] = {
    **{name: itemgetter(name) for name in ("id", "name", "environment", "configId", "queueId", "authorUserId")},
    "sessionId": lambda row: _id_of(row, "session"),
    "observationId": lambda row: _id_of(row, "observation"),
    "experimentId": lambda row: _id_of(row, "experiment"),
    "traceId": lambda row: trace_of(row),
}


def score_of(sent: Any, received: datetime) -> dict[str, Any]:
    """A score that was sent, as v3 answers it: with the time at which it was *received*. Raises BadRequestError."""
    if not isinstance(sent, dict):
        # The server says it twice. SDK 5 sends an array, which 4.16.0 refuses so.
        found = "array" if isinstance(sent, list) else "null" if sent is None else type(sent).__name__
        issue = {"expected": "object", "code": "invalid_type", "path": []}
        message = {"message": f"Invalid input: expected object, received {found}"}
        raise invalid({**issue, **message}, {"code": "invalid_type", "expected": "object", "path": [], **message})
    value = sent.get("value")
    if not isinstance(sent.get("name"), str) or not isinstance(value, str | int | float):
        raise invalid({"code": "invalid_type", "path": ["name" if not sent.get("name") else "value"]})
    kind = sent.get("dataType") or ("CATEGORICAL" if isinstance(value, str) else "NUMERIC")
    timestamp = received.astimezone(UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")
    return {
        "id": sent.get("id") or str(uuid.uuid4()),
        "projectId": PROJECT_ID,
        "name": sent["name"],
        "source": sent.get("source") or "API",
        "timestamp": timestamp,
        "environment": sent.get("environment") or "default",
        "createdAt": f"{timestamp[:19]}.000Z",
        "updatedAt": timestamp,
        "comment": sent.get("comment"),
        "configId": sent.get("configId"),
        "metadata": sent.get("metadata") or {},
        "authorUserId": None,
        "queueId": sent.get("queueId"),
        "subject": _subject(sent),
        "dataType": kind,
        "value": bool(value) if kind == "BOOLEAN" else value,
    }


def scores_v3(scores: Sequence[Row], parameters: Mapping[str, list[str]]) -> dict[str, Any]:
    """The answer of v3: newest first, by cursor. Raises BadRequestError."""
    one = {name: values[-1] for name, values in parameters.items()}
    limit = limit_of(one.get("limit", "50"), largest=MAX_LIMIT, smallest=1)
    groups = one["fields"].split(",") if "fields" in one else []
    for group in groups:
        if group not in GROUPS:
            raise invalid({"code": "custom", "path": ["fields"], "message": f"Unknown field group: {group}"})
    tests = _tests(one)
    found = [score for score in scores if all(test(score) for test in tests)]
    found.sort(key=_position, reverse=True)
    if "cursor" in one:
        position = _read_cursor(one["cursor"])
        found = [score for score in found if _position(score) < position]
    page = found[:limit]
    meta = {"limit": limit, **({"cursor": _cursor(page[-1])} if len(found) > limit else {})}
    hidden = {key for group, keys in GROUPS.items() if group not in groups for key in keys}
    return {"data": [{key: score[key] for key in score if key not in hidden} for score in page], "meta": meta}


def trace_of(score: Row) -> str | None:
    """The trace that a score belongs to; None: to a session or an experiment."""
    subject = score["subject"]
    found = subject["id"] if subject["kind"] == "trace" else subject.get("traceId")
    return None if found is None else str(found)


def _subject(sent: Mapping[str, Any]) -> dict[str, Any]:
    for key, kind in _SUBJECTS:
        if sent.get(key):
            more = {"traceId": sent.get("traceId")} if kind == "observation" else {}
            return {"kind": kind, "id": sent[key], **more}
    return {"kind": "trace", "id": sent.get("traceId")}


def _id_of(score: Row, kind: str) -> Any:
    return score["subject"]["id"] if score["subject"]["kind"] == kind else None


def _tests(one: Mapping[str, str]) -> list[Test]:
    kinds = [kind.upper() for kind in one["dataType"].split(",")] if "dataType" in one else []
    _check(one, kinds)
    tests: list[Test] = [_is_any(read, one[name].split(",")) for name, read in _LISTS.items() if name in one]
    if kinds:
        tests.append(lambda score: score["dataType"] in kinds)
    if "source" in one:
        sources = one["source"].upper().split(",")
        tests.append(lambda score: score["source"] in sources)
    if "value" in one:
        values = one["value"].split(",")
        tests.append(
            lambda score: _text(score["value"]) in ([*map(_number, values)] if kinds == ["NUMERIC"] else values)
        )
    if "valueMin" in one:
        least = float(one["valueMin"])
        tests.append(lambda score: score["value"] >= least)
    if "valueMax" in one:
        most = float(one["valueMax"])
        tests.append(lambda score: score["value"] <= most)
    if "fromTimestamp" in one:
        since = instant(one["fromTimestamp"], "fromTimestamp")
        tests.append(lambda score: datetime.fromisoformat(score["timestamp"]) >= since)
    if "toTimestamp" in one:
        until = instant(one["toTimestamp"], "toTimestamp")
        tests.append(lambda score: datetime.fromisoformat(score["timestamp"]) < until)
    return tests


def _check(one: Mapping[str, str], kinds: Sequence[str]) -> None:
    """What the OpenAPI document says of parameters that need one another; the words are those of the source."""
    said = ""
    if "value" in one and (len(kinds) != 1 or kinds[0] not in ("NUMERIC", "BOOLEAN", "CATEGORICAL")):
        said = "value requires a single dataType from NUMERIC, BOOLEAN, CATEGORICAL"
    if ("valueMin" in one or "valueMax" in one) and list(kinds) != ["NUMERIC"]:
        said = "valueMin and valueMax require dataType=NUMERIC as a single value"
    if "observationId" in one and "traceId" not in one:
        said = "observationId filter requires traceId — observation IDs are scoped to a trace"
    if sum(name in one for name in ("traceId", "sessionId", "experimentId")) > 1:
        said = "At most one of traceId, sessionId, experimentId may be specified"
    if said:
        raise invalid({"code": "custom", "path": [], "message": said})


def _is_any(read: Callable[[Row], Any], values: Sequence[str]) -> Test:
    return lambda score: read(score) in values


def _number(text: str) -> float:
    try:
        return float(text)
    except ValueError:
        said = f'value filter with dataType=NUMERIC requires each value to be a finite number (got "{text}")'
        raise invalid({"code": "custom", "path": [], "message": said}) from None


def _text(value: Any) -> Any:
    return str(value).lower() if isinstance(value, bool) else value


def _position(score: Row) -> tuple[str, str]:
    return score["timestamp"], score["id"]


def _cursor(score: Row) -> str:
    position = {"v": 1, "lastTimestamp": score["timestamp"], "lastId": score["id"]}
    text = base64.urlsafe_b64encode(json.dumps(position, separators=(",", ":")).encode())
    return text.decode().rstrip("=")


def _read_cursor(text: str) -> tuple[str, str]:
    try:
        position = json.loads(base64.urlsafe_b64decode(text + "=" * (-len(text) % 4)))
        return position["lastTimestamp"], position["lastId"]
    except (ValueError, KeyError, TypeError, binascii.Error):
        raise BadRequestError("Invalid cursor format") from None
