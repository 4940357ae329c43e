"""What LangFuse answers -> observations and scores. Pure; what is no row is left out."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from contextlib import suppress
from datetime import UTC, datetime
from typing import Any

from slo_engine.traces.model import Observation, TraceScore

_LONGEST_VALUE = 200
"""Characters of a metadata value: LangFuse itself cuts them there unless told otherwise."""

_MOST_METADATA = 40
_NOT_THE_AGENTS = ("resourceAttributes.", "attributes.", "scope.")
"""What OpenTelemetry and LangFuse add to the metadata of an observation."""


def observation(row: Mapping[str, Any]) -> Observation | None:
    """One row of v1 or v2; None when it lacks what every observation has."""
    start_time = _time(row.get("startTime"))
    trace_id = _text(row, "traceId")
    if start_time is None or not trace_id:
        return None
    parent = _text(row, "parentObservationId")
    is_root = row.get("isRootObservation")
    tags = row.get("tags")
    prompt = _text(row, "promptName")
    version = _text(row, "promptVersion") if prompt else ""
    # The SDK marks the root of an application, which may hang below a span of a web framework.
    return Observation(
        id=_text(row, "id"),
        trace_id=trace_id,
        project_id=_text(row, "projectId"),
        is_root=is_root if isinstance(is_root, bool) else not parent,
        type=_text(row, "type") or "SPAN",
        name=_text(row, "name"),
        level=_text(row, "level") or "DEFAULT",
        status_message=_text(row, "statusMessage"),
        model=_text(row, "model") or _text(row, "providedModelName"),
        start_time=start_time,
        parent_id=parent,
        is_root_known=isinstance(is_root, bool) or not parent,
        end_time=_time(row.get("endTime")),
        latency=_number(row.get("latency")),
        time_to_first_token=_number(row.get("timeToFirstToken")),
        environment=_said(row, "environment"),
        tags=tuple(map(str, tags)) if isinstance(tags, list) else None,
        trace_name=_said(row, "traceName"),
        release=_text(row, "release"),
        version=_text(row, "version"),
        user=_said(row, "userId"),
        session=_said(row, "sessionId"),
        prompt=f"{prompt} v{version}" if version else prompt,
        cost=_number(row.get("totalCost")) or 0.0,
        metadata=_metadata(row.get("metadata")),
    )


def score(row: Mapping[str, Any]) -> TraceScore | None:
    """One row of v3, a yes as 1; None when it is no number, or of no trace."""
    subject = row.get("subject")
    trace_id = row.get("traceId") or (
        subject.get("id") if isinstance(subject, dict) and subject.get("kind") == "trace" else None
    )
    said = row.get("value")
    at, value = _time(row.get("timestamp")), float(said) if isinstance(said, bool) else _number(said)
    if at is None or value is None or not trace_id:
        return None
    return TraceScore(
        str(trace_id),
        _text(row, "name"),
        value,
        at,
        _text(row, "comment"),
        _text(row, "source"),
        _text(row, "environment"),
    )


def rows_in(body: bytes) -> tuple[list[Mapping[str, Any]], Mapping[str, Any]]:
    """The rows and the ``meta`` of an answer. Raises ValueError for what is not JSON, LookupError for JSON without
    rows."""
    answer = _writable(json.loads(body), body)
    if not isinstance(answer, dict):
        raise LookupError("not an object")  # noqa: TRY004 - JSON all the same
    rows, meta = answer.get("data"), answer.get("meta")
    if not isinstance(rows, list):
        raise LookupError("without data")  # noqa: TRY004
    return [row for row in rows if isinstance(row, dict)], meta if isinstance(meta, dict) else {}


def rows_at_the_beginning(body: bytes) -> list[Mapping[str, Any]]:
    """The rows that are whole in an answer that was cut off."""
    text = body.decode(errors="ignore")
    begin = text.find("[", text.find('"data"'))
    found: list[Mapping[str, Any]] = _writable([*_objects(text, begin + 1)] if begin >= 0 else [], body)
    return found


def _writable(read: Any, body: bytes) -> Any:
    """Half a surrogate pair is valid JSON, and no text that could be written out."""
    if b"\\ud" not in body.lower():
        return read
    return json.loads(json.dumps(read, ensure_ascii=False).encode(errors="replace"))


def _objects(text: str, at: int) -> Iterator[Mapping[str, Any]]:
    decoder = json.JSONDecoder()
    while (at := text.find("{", at)) >= 0:
        try:
            found, at = decoder.raw_decode(text, at)
        except (ValueError, RecursionError):
            return  # the one that was cut
        yield found
        if text[at : at + 1] == "]":
            return


def _metadata(found: Any) -> Mapping[str, str] | None:
    if not isinstance(found, dict):
        return None
    kept = {}
    for key, value in found.items():
        if not key.startswith(_NOT_THE_AGENTS) and (text := _plain(value)):
            kept[key] = text
            if len(kept) == _MOST_METADATA:
                break
    return kept


def _plain(value: Any) -> str:
    """A value of metadata as people wrote it: SDK 5 sends texts as JSON, in quotes, and some servers show them so."""
    if isinstance(value, str):
        if value[:1] == '"' == value[-1:] and len(value) > 1:
            with suppress(ValueError):
                return str(json.loads(value))[:_LONGEST_VALUE]
        return value[:_LONGEST_VALUE]
    if value is None or isinstance(value, dict | list):
        return ""
    return str(value).lower() if isinstance(value, bool) else str(value)[:_LONGEST_VALUE]


def _text(row: Mapping[str, Any], key: str) -> str:
    # v2 says "" where v1 says null.
    value = row.get(key)
    return value if type(value) is str else "" if value is None else str(value)


def _said(row: Mapping[str, Any], key: str) -> str | None:
    return _text(row, key) if key in row else None


def _number(value: Any) -> float | None:
    if isinstance(value, bool) or not isinstance(value, int | float | str):
        return None
    try:
        found = float(value)
    except (ValueError, OverflowError):
        return None
    return found if -1e300 < found < 1e300 else None


def _time(value: Any) -> datetime | None:
    try:
        time = datetime.fromisoformat(value)
    except (ValueError, TypeError):
        return None
    return time if time.tzinfo else time.replace(tzinfo=UTC)
