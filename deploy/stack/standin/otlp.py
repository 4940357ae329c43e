"""OTLP spans of the LangFuse SDK -> observations as LangFuse shows them."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from datetime import UTC, datetime
from typing import Any

from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest

PROJECT_ID = "proj-slo"


def observations(body: bytes) -> Iterator[dict[str, Any]]:
    """The observations of one export request. Raises ``google.protobuf.message.DecodeError``."""
    request = ExportTraceServiceRequest.FromString(body)
    for resource_spans in request.resource_spans:
        resource = _attributes(resource_spans.resource.attributes)
        for scope_spans in resource_spans.scope_spans:
            for span in scope_spans.spans:
                yield _observation(span, resource)


def _observation(span: Any, resource: Mapping[str, Any]) -> dict[str, Any]:
    attributes = _attributes(span.attributes)

    def of(name: str, default: Any = "") -> Any:
        return attributes.get(f"langfuse.observation.{name}", default)

    usage, cost = _json(of("usage_details", "{}")), _json(of("cost_details", "{}"))
    is_root = not span.parent_span_id
    level, message = of("level", "DEFAULT"), of("status_message")
    if span.status.code == span.status.STATUS_CODE_ERROR and level == "DEFAULT":
        level, message = "ERROR", message or span.status.message
    return {
        "id": span.span_id.hex(),
        "traceId": span.trace_id.hex(),
        "startTime": _time(span.start_time_unix_nano),
        "endTime": _time(span.end_time_unix_nano),
        "projectId": PROJECT_ID,
        "parentObservationId": span.parent_span_id.hex() or None,
        "type": str(of("type", "span")).upper(),
        "latency": (span.end_time_unix_nano - span.start_time_unix_nano) // 1_000_000 / 1000,
        "timeToFirstToken": None,
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
        "isRootObservation": is_root,
        "bookmarked": False,
        "public": False,
        "completionStartTime": None,
        "createdAt": _time(span.end_time_unix_nano),
        "updatedAt": _time(span.end_time_unix_nano),
        "input": of("input", None),
        "output": of("output", None),
        "metadata": {
            name.removeprefix("langfuse.observation.metadata."): value
            for name, value in attributes.items()
            if name.startswith("langfuse.observation.metadata.")
        },
        "model": of("model.name"),
        "internalModelId": "",
        "modelParameters": _json(of("model.parameters", "{}")),
        "usageDetails": usage,
        "inputUsage": usage.get("input", 0),
        "outputUsage": usage.get("output", 0),
        "totalUsage": usage.get("total", sum(usage.values())),
        "costDetails": cost,
        "inputCost": cost.get("input"),
        "outputCost": cost.get("output"),
        "totalCost": cost.get("total", 0),
        "promptId": "",
        "promptName": of("prompt.name"),
        "promptVersion": None,
        "usagePricingTierId": None,
        "usagePricingTierName": None,
        "traceName": attributes.get("langfuse.trace.name", ""),
        "release": attributes.get("langfuse.release") or resource.get("langfuse.release", ""),
        "tags": list(attributes.get("langfuse.trace.tags", ())),
    }


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


def _time(nanoseconds: int) -> str:
    time = datetime.fromtimestamp(nanoseconds // 1_000_000 / 1000, UTC)
    return time.isoformat(timespec="milliseconds").replace("+00:00", "Z")
