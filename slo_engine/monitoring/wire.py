"""Spans as the bytes that OTLP has for them: each made once, and put together to requests in any number.

A message of protobuf is its fields one after the other, so a request is made of spans that are bytes already. That
takes a quarter of what making spans of the OpenTelemetry SDK and encoding those takes.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Any, Final, NamedTuple

from opentelemetry.exporter.otlp.proto.common.trace_encoder import encode_spans
from opentelemetry.proto.common.v1.common_pb2 import AnyValue, ArrayValue, InstrumentationScope, KeyValue
from opentelemetry.proto.resource.v1.resource_pb2 import Resource
from opentelemetry.proto.trace.v1.trace_pb2 import Span, SpanFlags, Status
from opentelemetry.sdk.trace import ReadableSpan

_SCOPE: Final = InstrumentationScope(name="slo-engine").SerializeToString()
_FLAGS: Final = SpanFlags.SPAN_FLAGS_CONTEXT_HAS_IS_REMOTE_MASK


class Encoded(NamedTuple):
    """A span with what it belongs to, each as bytes."""

    resource: bytes
    scope: bytes
    span: bytes


def attribute(name: str, value: Any) -> KeyValue:
    """An attribute: a text, a number, yes or no, or texts."""
    if isinstance(value, str):
        return KeyValue(key=name, value=AnyValue(string_value=value))
    if isinstance(value, bool):
        return KeyValue(key=name, value=AnyValue(bool_value=value))
    if isinstance(value, int):
        return KeyValue(key=name, value=AnyValue(int_value=value))
    texts = [AnyValue(string_value=each) for each in value]
    return KeyValue(key=name, value=AnyValue(array_value=ArrayValue(values=texts)))


def resource(attributes: Mapping[str, Any]) -> bytes:
    """Who sends."""
    made: bytes = Resource(attributes=[attribute(*each) for each in attributes.items()]).SerializeToString()
    return made


def span(
    *,
    sent_by: bytes,
    trace_id: int,
    span_id: int,
    parent_id: int,
    name: str,
    start_ns: int,
    end_ns: int,
    attributes: Sequence[KeyValue],
    error: str | None,
) -> Encoded:
    """A span of ours. ``parent_id`` 0: it has none; ``error`` None: it has not failed."""
    made = Span(
        trace_id=trace_id.to_bytes(16, "big"),
        span_id=span_id.to_bytes(8, "big"),
        name=name,
        kind=Span.SPAN_KIND_INTERNAL,
        start_time_unix_nano=start_ns,
        end_time_unix_nano=end_ns,
        attributes=attributes,
        flags=_FLAGS,
    )
    if parent_id:
        made.parent_span_id = parent_id.to_bytes(8, "big")
    if error is None:
        made.status.SetInParent()  # as the SDK has it: a status that says nothing
    else:
        made.status.code = Status.STATUS_CODE_ERROR
        made.status.message = error
    return Encoded(sent_by, _SCOPE, made.SerializeToString())


def foreign(made: ReadableSpan) -> Encoded:
    """A span of the OpenTelemetry SDK."""
    (of_resource,) = encode_spans([made]).resource_spans
    (of_scope,) = of_resource.scope_spans
    (only,) = of_scope.spans
    return Encoded(*(each.SerializeToString() for each in (of_resource.resource, of_scope.scope, only)))


def request(spans: Iterable[Encoded]) -> bytes:
    """An ExportTraceServiceRequest."""
    together: dict[tuple[bytes, bytes], list[bytes]] = {}
    for sent_by, scope, each in spans:
        together.setdefault((sent_by, scope), []).append(_field(2, each))
    return b"".join(
        # ResourceSpans of a request; their Resource and ScopeSpans; of those their scope, and its spans as they are.
        _field(1, _field(1, sent_by) + _field(2, _field(1, scope) + b"".join(fields)))
        for (sent_by, scope), fields in together.items()
    )


def _field(number: int, message: bytes) -> bytes:
    """A field that is a message: its number, its kind, its length, itself."""
    head = bytearray([number << 3 | 2])
    length = len(message)
    while length > 0x7F:
        head.append(length & 0x7F | 0x80)
        length >>= 7
    head.append(length)
    return bytes(head) + message
