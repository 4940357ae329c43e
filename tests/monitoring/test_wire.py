"""Spans as bytes are what OpenTelemetry's own encoder makes of them."""

from __future__ import annotations

from typing import Any

from hypothesis import given
from hypothesis import strategies as st
from opentelemetry.exporter.otlp.proto.common.trace_encoder import encode_spans
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest
from opentelemetry.sdk.resources import Resource
from opentelemetry.sdk.trace import ReadableSpan
from opentelemetry.sdk.util.instrumentation import InstrumentationScope
from opentelemetry.trace import SpanContext, Status, StatusCode, TraceFlags

from slo_engine.monitoring import wire

TEXT = st.text(st.characters(codec="utf-8"), max_size=300)
VALUE = TEXT | st.booleans() | st.integers(min_value=-(2**63), max_value=2**63 - 1) | st.lists(TEXT, max_size=3)
SPAN = st.fixed_dictionaries(
    {
        "trace_id": st.integers(min_value=1, max_value=2**128 - 1),
        "span_id": st.integers(min_value=1, max_value=2**64 - 1),
        "parent_id": st.integers(min_value=0, max_value=2**64 - 1),
        "name": TEXT,
        "start_ns": st.integers(min_value=0, max_value=2**63),
        "end_ns": st.integers(min_value=0, max_value=2**63),
        "error": st.none() | TEXT,
    }
)
SENDER = st.dictionaries(TEXT.filter(bool), TEXT, max_size=3)


def context(span: dict[str, Any], span_id: int) -> SpanContext | None:
    return SpanContext(span["trace_id"], span_id, is_remote=False, trace_flags=TraceFlags(1)) if span_id else None


def as_the_sdk(span: dict[str, Any], attributes: dict[str, Any], resource: Resource) -> ReadableSpan:
    error = span["error"]
    return ReadableSpan(
        name=span["name"],
        context=context(span, span["span_id"]),
        parent=context(span, span["parent_id"]),
        resource=resource,
        attributes=attributes,
        status=Status(StatusCode.UNSET) if error is None else Status(StatusCode.ERROR, error),
        start_time=span["start_ns"],
        end_time=span["end_ns"],
        instrumentation_scope=InstrumentationScope("slo-engine"),
    )


def sorted_by_sender(request: ExportTraceServiceRequest) -> list[bytes]:
    return sorted(each.SerializeToString(deterministic=True) for each in request.resource_spans)


@given(
    spans=st.lists(st.tuples(SPAN, st.dictionaries(TEXT.filter(bool), VALUE, max_size=4), SENDER), max_size=4),
    foreign=st.lists(st.tuples(SPAN, st.dictionaries(TEXT.filter(bool), TEXT, max_size=2), SENDER), max_size=2),
)
def test_a_request_is_the_same_as_the_encoders(spans: list[Any], foreign: list[Any]) -> None:
    theirs = [as_the_sdk(span, attributes, Resource(sender)) for span, attributes, sender in [*spans, *foreign]]
    ours = [
        wire.span(
            **span,
            sent_by=wire.resource(sender),
            attributes=[wire.attribute(*each) for each in attributes.items()],
        )
        for span, attributes, sender in spans
    ]
    body = wire.request([*ours, *(wire.foreign(made) for made in theirs[len(spans) :])])
    expected = encode_spans(theirs)
    assert sorted_by_sender(ExportTraceServiceRequest.FromString(body)) == sorted_by_sender(expected)


def test_a_long_one_is_framed_right() -> None:
    """Lengths of one, two, three and four bytes."""
    for length in (0, 100, 20_000, 3_000_000):
        attributes = [wire.attribute("text", "x" * length)]
        made = wire.span(
            sent_by=wire.resource({"service.name": "agent"}),
            trace_id=1,
            span_id=2,
            parent_id=0,
            start_ns=3,
            end_ns=4,
            name="long",
            attributes=attributes,
            error=None,
        )
        (resource,) = ExportTraceServiceRequest.FromString(wire.request([made, made])).resource_spans
        assert [len(each.attributes[0].value.string_value) for each in resource.scope_spans[0].spans] == [length] * 2
