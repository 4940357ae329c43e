"""Traces as OpenTelemetry spans with LangFuse's attributes, and the door through which they leave.

Loads the LangFuse SDK and what comes with it (OpenTelemetry, httpx): imported where traces are switched on, never
before.
"""

from __future__ import annotations

import base64
import gzip
import json
import logging
import threading
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final

import httpx
from langfuse import LangfuseOtelSpanAttributes as Names
from opentelemetry import context as otel_context
from opentelemetry.context import Context
from opentelemetry.exporter.otlp.proto.common.trace_encoder import encode_spans
from opentelemetry.sdk.resources import Resource
from opentelemetry.sdk.trace import ReadableSpan
from opentelemetry.sdk.util.instrumentation import InstrumentationScope
from opentelemetry.trace import (
    NonRecordingSpan,
    SpanContext,
    Status,
    StatusCode,
    TraceFlags,
    set_span_in_context,
)

from slo_engine.monitoring.content import as_text, truncated
from slo_engine.monitoring.outbox import Parcel
from slo_engine.monitoring.quiet import complaints
from slo_engine.monitoring.tracing import Score, Step, Trace

INGESTION_VERSION: Final = "4"
"""With it LangFuse shows observations at once; without it ten to fifteen minutes later."""

MAX_LABEL: Final = 200
"""Characters of user, session, tags and names that LangFuse takes."""

DROPPED_CONTENT: Final = "[content dropped: the scrubber failed]"

_SAMPLED: Final = TraceFlags(TraceFlags.SAMPLED)
_SCOPE: Final = InstrumentationScope("slo-engine")


@dataclass(frozen=True)
class Answer:
    """What LangFuse said to a request. ``why``: for the log, without any secret."""

    is_sent: bool
    is_final: bool = True
    is_refused: bool = False
    retry_after: float = 0.0
    why: str = ""


class Door:
    """The one way out: requests to LangFuse's ingestion, each within ``timeout`` seconds."""

    def __init__(self, base_url: str, public_key: str, secret_key: str, timeout: float) -> None:
        token = base64.b64encode(f"{public_key}:{secret_key}".encode()).decode()
        self._headers = {
            "authorization": f"Basic {token}",
            "x-langfuse-public-key": public_key,
            "x-langfuse-ingestion-version": INGESTION_VERSION,
            "x-langfuse-sdk-name": "slo-engine",
        }
        self._base_url = base_url
        self._timeout = timeout
        self._client = self._new_client()
        logging.getLogger("httpx").addFilter(_NotOurs())

    def after_fork(self) -> None:
        """The parent's connections are the parent's."""
        self._client = self._new_client()

    def post_spans(self, body: bytes) -> Answer:
        """Send spans, gzipped OTLP protobuf."""
        headers = {"content-type": "application/x-protobuf", "content-encoding": "gzip"}
        return self._post("/api/public/otel/v1/traces", body, headers)

    def post_score(self, score: Mapping[str, Any]) -> Answer:
        """Send one score, as an object: every server takes that, an array only the newest."""
        return self._post("/api/public/scores", json.dumps(score).encode(), {"content-type": "application/json"})

    def _post(self, path: str, body: bytes, headers: Mapping[str, str]) -> Answer:
        try:
            response = self._client.post(f"{self._base_url}{path}", content=body, headers=headers)
        except httpx.HTTPError as error:
            return Answer(is_sent=False, is_final=False, why=f"{type(error).__name__} at {self._base_url}")
        status = response.status_code
        if response.is_success:
            return Answer(is_sent=True)
        why = f"{self._base_url}{path} answered {status}"
        if status in {401, 403}:
            return Answer(is_sent=False, why=f"{why}: check LANGFUSE_PUBLIC_KEY, LANGFUSE_SECRET_KEY and the URL")
        if status in {408, 425, 429} or status >= 500:
            return Answer(is_sent=False, is_final=False, retry_after=_seconds(response), why=why)
        return Answer(is_sent=False, is_refused=status in {400, 413, 422}, why=why)

    def _new_client(self) -> httpx.Client:
        return httpx.Client(headers=self._headers, timeout=self._timeout, follow_redirects=False)


class Spans:
    """Builds spans from traces, scrubbed."""

    def __init__(self, environment: str | None, release: str | None, scrub: Callable[[str], str] | None) -> None:
        attributes = {Names.ENVIRONMENT: environment, Names.RELEASE: release}
        self._resource = Resource.create({name: value for name, value in attributes.items() if value})
        self._environment = environment
        self._scrub = scrub

    def encoded(self, parcels: Sequence[Parcel]) -> bytes | None:
        """The observations of the parcels as the body of one request; None if there are none."""
        spans = [span for parcel in parcels for span in self._spans_of(parcel)]
        return gzip.compress(encode_spans(spans).SerializeToString(), 1) if spans else None

    def score(self, score: Score) -> dict[str, Any]:
        """A score as LangFuse takes it."""
        body = {
            "traceId": score.trace_id,
            "name": score.name,
            "value": score.value,
            "dataType": score.data_type,
            "comment": self.clean(score.comment),
            "observationId": score.observation_id,
            "environment": self._environment,
        }
        return {name: value for name, value in body.items() if value is not None}

    def clean(self, text: str | None) -> str | None:
        """Scrubbed, then cut. A scrubber that fails costs the content, not the secret."""
        if text is None:
            return None
        if self._scrub is not None:
            try:
                text = self._scrub(text)
            except Exception as error:  # noqa: BLE001 - a callable of the user's
                complaints.warn(f"the scrubber failed ({type(error).__name__}): the content is not sent")
                return DROPPED_CONTENT
        return truncated(text)

    def context(self, trace_id: int, span_id: int) -> Context:
        """The context of the caller, with a span of ours as the parent of what OpenTelemetry starts in it."""
        context = SpanContext(trace_id, span_id, is_remote=False, trace_flags=_SAMPLED)
        return set_span_in_context(NonRecordingSpan(context))

    def make_current(self, context: Context) -> object:
        """Enter it. Returns what `restore` needs."""
        return otel_context.attach(context)

    def restore(self, token: Any) -> None:
        """Undo `make_current`."""
        otel_context.detach(token)

    def _spans_of(self, parcel: Parcel) -> Iterator[ReadableSpan]:
        trace = parcel.trace
        if trace is None:
            yield from (self._scrubbed(span, {}) for span in parcel.foreign)
            return
        of_the_trace = self._trace_attributes(trace)
        end = max((step.end_ns for step in trace.steps), default=0)
        for step in parcel.steps:
            yield self._span(trace, step, of_the_trace, end)
        for span in parcel.foreign:
            yield self._scrubbed(span, of_the_trace)

    def _trace_attributes(self, trace: Trace) -> dict[str, Any]:
        attributes: dict[str, Any] = {
            Names.TRACE_NAME: trace.agent_type[:MAX_LABEL],
            Names.TRACE_TAGS: [str(tag)[:MAX_LABEL] for tag in trace.tags],
        }
        if trace.user_id:
            attributes[Names.TRACE_USER_ID] = str(trace.user_id)[:MAX_LABEL]
        if trace.session_id:
            attributes[Names.TRACE_SESSION_ID] = str(trace.session_id)[:MAX_LABEL]
        return attributes

    def _span(self, trace: Trace, step: Step, of_the_trace: Mapping[str, Any], end_ns: int) -> ReadableSpan:
        attributes: dict[str, Any] = {
            **of_the_trace,
            Names.OBSERVATION_TYPE: step.kind,
            Names.OBSERVATION_INPUT: self.clean(step.input),
            Names.OBSERVATION_OUTPUT: self.clean(step.output),
        }
        for key, value in (step.metadata or {}).items():
            attributes[f"{Names.OBSERVATION_METADATA}.{key}"] = self.clean(as_text(value))
        if step.attributes is not None:
            attributes.update(_generation(step.attributes))
        status = Status(StatusCode.UNSET)
        if step.failed:
            message = self.clean(step.status_message)
            attributes[Names.OBSERVATION_LEVEL] = "ERROR"
            attributes[Names.OBSERVATION_STATUS_MESSAGE] = message
            status = Status(StatusCode.ERROR, message)
        elif not step.end_ns:
            attributes[Names.OBSERVATION_LEVEL] = "WARNING"
            attributes[Names.OBSERVATION_STATUS_MESSAGE] = "did not end before its run"
        if not step.parent_id:
            attributes[Names.IS_APP_ROOT] = True
        return ReadableSpan(
            name=step.name[:MAX_LABEL],
            context=_context(trace, step.span_id),
            parent=_context(trace, step.parent_id) if step.parent_id else None,
            resource=self._resource,
            attributes={name: value for name, value in attributes.items() if value is not None},
            status=status,
            start_time=step.start_ns,
            end_time=step.end_ns or max(end_ns, step.start_ns),
            instrumentation_scope=_SCOPE,
        )

    def _scrubbed(self, span: ReadableSpan, of_the_trace: Mapping[str, Any]) -> ReadableSpan:
        """Another instrument's span: part of the trace, and as clean as the rest of it."""
        attributes = {
            name: self.clean(value) if isinstance(value, str) and not _is_a_name(name) else value
            for name, value in (span.attributes or {}).items()
            if name != Names.IS_APP_ROOT or not of_the_trace
        }
        return ReadableSpan(
            name=span.name,
            context=span.context,
            parent=span.parent,
            resource=self._resource,
            attributes={**attributes, **of_the_trace},
            kind=span.kind,
            status=Status(span.status.status_code, self.clean(span.status.description)),
            start_time=span.start_time,
            end_time=span.end_time,
            instrumentation_scope=span.instrumentation_scope,
        )


class _NotOurs(logging.Filter):
    """httpx logs a line for each request. Those of our thread are none of the agent's business."""

    def filter(self, record: logging.LogRecord) -> bool:  # noqa: ARG002 - who logs matters, not what
        """Whether the record is somebody else's."""
        return threading.current_thread().name != "slo-engine-traces"


def _context(trace: Trace, span_id: int) -> SpanContext:
    return SpanContext(trace.id, span_id, is_remote=False, trace_flags=_SAMPLED)


def _generation(known: Mapping[str, Any]) -> Iterator[tuple[str, Any]]:
    yield Names.OBSERVATION_MODEL, str(known["model"])[:MAX_LABEL]
    yield Names.OBSERVATION_USAGE_DETAILS, json.dumps(known["usage_details"])
    if "cost_details" in known:
        yield Names.OBSERVATION_COST_DETAILS, json.dumps(known["cost_details"])
    if "completion_start_time" in known:
        yield Names.OBSERVATION_COMPLETION_START_TIME, json.dumps(known["completion_start_time"])


def _is_a_name(attribute: str) -> bool:
    return attribute in {Names.OBSERVATION_TYPE, Names.OBSERVATION_LEVEL, Names.OBSERVATION_MODEL, Names.TRACE_NAME}


def _seconds(response: httpx.Response) -> float:
    try:
        return max(0.0, float(response.headers.get("retry-after", "0")))
    except ValueError:  # a date: the pauses are long enough
        return 0.0
