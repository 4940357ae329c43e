"""OTLP spans of the LangFuse SDK, and of this project's library -> observations as LangFuse shows them."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from datetime import UTC, datetime
from typing import Any

from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest

PROJECT_ID = "proj-slo"
SDK_SCOPE = "langfuse-sdk"

_OBSERVATION = "langfuse.observation."
_OF_TRACE = "langfuse.trace.metadata."
_METADATA = (f"{_OBSERVATION}metadata.", _OF_TRACE)
_TAKEN = (*_METADATA, f"{_OBSERVATION}input", f"{_OBSERVATION}output")


def observations(body: bytes) -> Iterator[dict[str, Any]]:
    """The observations of one export request. Raises ``google.protobuf.message.DecodeError``."""
    request = ExportTraceServiceRequest.FromString(body)
    for resource_spans in request.resource_spans:
        resource = _attributes(resource_spans.resource.attributes)
        for scope_spans in resource_spans.scope_spans:
            scope = {
                **{f"attributes.{name}": value for name, value in _attributes(scope_spans.scope.attributes).items()},
                **({"version": scope_spans.scope.version} if scope_spans.scope.version else {}),
                "name": scope_spans.scope.name,
            }
            for span in scope_spans.spans:
                yield _observation(span, resource, scope)


def _observation(span: Any, resource: Mapping[str, Any], scope: Mapping[str, Any]) -> dict[str, Any]:
    attributes = _attributes(span.attributes)

    def of(name: str, default: Any = "") -> Any:
        return attributes.get(_OBSERVATION + name, default)

    usage, cost = _with_total(_json(of("usage_details", "{}"))), _with_total(_json(of("cost_details", "{}")))
    level, message = of("level", "DEFAULT"), of("status_message")
    if span.status.code == span.status.STATUS_CODE_ERROR and level == "DEFAULT":
        level, message = "ERROR", message or span.status.message
    start, first_token = span.start_time_unix_nano, _instant(of("completion_start_time"))
    return {
        "id": span.span_id.hex(),
        "traceId": span.trace_id.hex(),
        "startTime": _time(start),
        "endTime": _time(span.end_time_unix_nano),
        "projectId": PROJECT_ID,
        "parentObservationId": span.parent_span_id.hex() or None,
        "type": str(of("type", "span")).upper(),
        "latency": (span.end_time_unix_nano - start) // 1_000_000 / 1000,
        "timeToFirstToken": None if first_token is None else (first_token - start) // 1_000_000 / 1000,
        "modelId": None,
        "inputPrice": None,
        "outputPrice": None,
        "totalPrice": None,
        "name": span.name,
        "level": level,
        "statusMessage": message,
        "version": attributes.get("langfuse.version", ""),
        "environment": attributes.get("langfuse.environment") or resource.get("langfuse.environment", "default"),
        "userId": attributes.get("user.id", ""),
        "sessionId": attributes.get("session.id", ""),
        # An agent that works for another program has a parent that LangFuse never sees, and is a root all the same.
        "isRootObservation": not span.parent_span_id or attributes.get("langfuse.internal.is_app_root") is True,
        "bookmarked": False,
        "public": False,
        "completionStartTime": None if first_token is None else _time(first_token),
        "createdAt": _time(span.end_time_unix_nano),
        "updatedAt": _time(span.end_time_unix_nano),
        "input": of("input", None),
        "output": of("output", None),
        "metadata": _metadata(attributes, resource, scope),
        "traceMetadata": [name.removeprefix(_OF_TRACE) for name in attributes if name.startswith(_OF_TRACE)],
        "model": of("model.name"),
        "internalModelId": "",
        "modelParameters": _json(of("model.parameters", "{}")),
        "usageDetails": usage,
        "inputUsage": _part(usage, "input", 0),
        "outputUsage": _part(usage, "output", 0),
        "totalUsage": usage.get("total", 0),
        "costDetails": cost,
        "inputCost": _part(cost, "input", None),
        "outputCost": _part(cost, "output", None),
        "totalCost": cost.get("total", 0),
        "promptId": "",
        "promptName": of("prompt.name"),
        "promptVersion": of("prompt.version", None),
        "usagePricingTierId": None,
        "usagePricingTierName": None,
        "traceName": attributes.get("langfuse.trace.name", ""),
        "release": attributes.get("langfuse.release") or resource.get("langfuse.release", ""),
        "tags": list(attributes.get("langfuse.trace.tags", ())),
    }


def _metadata(attributes: Mapping[str, Any], resource: Mapping[str, Any], scope: Mapping[str, Any]) -> dict[str, Any]:
    # As recorded: what the sender said, then what OpenTelemetry adds. The attributes of a span come too, unless its
    # scope is that of the SDK.
    said = {
        name.removeprefix(prefix): _shown(value)
        for prefix in reversed(_METADATA)  # what the observation says goes before what its trace says
        for name, value in attributes.items()
        if name.startswith(prefix)
    }
    others = {} if scope["name"] == SDK_SCOPE else attributes
    return {
        **said,
        **{f"scope.{name}": _shown(value) for name, value in scope.items()},
        **{f"resourceAttributes.{name}": _shown(value) for name, value in resource.items()},
        **{f"attributes.{name}": _shown(value) for name, value in others.items() if not name.startswith(_TAKEN)},
    }


def _shown(value: Any) -> Any:
    """A value of metadata, decoded where it is JSON: "4" comes back as 4, and "true" as true."""
    if not isinstance(value, str):
        return value
    try:
        return json.loads(value, parse_constant=_refuse)
    except (ValueError, RecursionError):
        return value


def _refuse(constant: str) -> Any:
    raise ValueError(constant)


def _part(details: Mapping[str, Any], word: str, default: Any) -> Any:
    parts = [value for name, value in details.items() if word in name.lower()]
    return sum(parts) if parts else default


def _with_total(details: dict[str, Any]) -> dict[str, Any]:
    # The server adds the total where none was sent.
    return details if not details or "total" in details else {**details, "total": sum(details.values())}


def _attributes(pairs: Any) -> dict[str, Any]:
    return {pair.key: _value(pair.value) for pair in pairs}


def _value(value: Any) -> Any:
    kind = value.WhichOneof("value")
    if kind == "array_value":
        return [_value(each) for each in value.array_value.values]
    return getattr(value, kind) if kind else None


def _json(text: str) -> dict[str, Any]:
    found = json.loads(text)
    return found if isinstance(found, dict) else {}


def _instant(text: str) -> int | None:
    """Nanoseconds of a time that the SDK sent as JSON."""
    if not text:
        return None
    return round(datetime.fromisoformat(text.strip('"')).timestamp() * 1000) * 1_000_000


def _time(nanoseconds: int) -> str:
    time = datetime.fromtimestamp(nanoseconds // 1_000_000 / 1000, UTC)
    return time.isoformat(timespec="milliseconds").replace("+00:00", "Z")
