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
from functools import partial
from typing import Any, Final

import httpx
from langfuse import LangfuseOtelSpanAttributes as Names
from opentelemetry.proto.common.v1.common_pb2 import KeyValue
from opentelemetry.sdk.resources import OTELResourceDetector, Resource
from opentelemetry.sdk.trace import ReadableSpan
from opentelemetry.trace import Status, TraceFlags

from slo_engine.monitoring import wire
from slo_engine.monitoring.content import MARGIN, MAX_CONTENT, truncated
from slo_engine.monitoring.endings import MAX_MESSAGE
from slo_engine.monitoring.outbox import SENDER, Parcel
from slo_engine.monitoring.quiet import complaints
from slo_engine.monitoring.tracing import Score, Step, Trace
from slo_engine.monitoring.wire import Encoded

INGESTION_VERSION: Final = "4"
"""With it LangFuse shows observations at once; without it ten to fifteen minutes later."""

MAX_NAMES: Final = 1000
"""Names whose cleaned form is remembered."""

MAX_LABEL: Final = 200
"""Characters of user, session, tags and names that LangFuse takes."""

DROPPED_CONTENT: Final = "[content dropped: the scrubber failed]"

MAX_ANSWER: Final = 64
"""KB of an answer that are read."""

SAMPLED: Final = TraceFlags(TraceFlags.SAMPLED)
SAMPLE_RATE: Final = "slo_engine_sample_rate"
"""Metadata of a run that succeeded: at which rate such runs are kept."""


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
            with self._client.stream("POST", f"{self._base_url}{path}", content=body, headers=headers) as response:
                # What it says beside the status is of no use here: a little is read, so that the connection can serve
                # again, and no more, however much there is.
                for _ in zip(range(MAX_ANSWER), response.iter_raw(1024), strict=False):
                    pass
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
        if status in {400, 413, 422}:
            return Answer(is_sent=False, is_refused=True, why=why)
        return Answer(is_sent=False, why=f"{why}: check LANGFUSE_BASE_URL")

    def _new_client(self) -> httpx.Client:
        return httpx.Client(headers=self._headers, timeout=self._timeout, follow_redirects=False)


@dataclass(frozen=True)
class Sendable:
    """A span that is ready to be sent. ``parcel``: where it is from."""

    encoded: Encoded
    parcel: Parcel

    @property
    def size(self) -> int:
        """Its bytes in a request."""
        return len(self.encoded.span)


class Spans:
    """Builds spans from traces, scrubbed."""

    def __init__(self, environment: str | None, release: str | None, scrub: Callable[[str], str] | None) -> None:
        attributes = {Names.ENVIRONMENT: environment, Names.RELEASE: release}
        # OTEL_SERVICE_NAME and OTEL_RESOURCE_ATTRIBUTES. Not Resource.create: what it adds of its own stands in the
        # metadata of each observation, for nobody.
        told = dict(OTELResourceDetector().detect().attributes)
        self._service = told.pop("service.name", None)
        self._about = {**told, **{name: value for name, value in attributes.items() if value}}
        self._senders: dict[str, tuple[Resource, bytes]] = {}
        self._environment = environment
        self._release = release
        self._scrub = scrub
        self._names: dict[str, str] = {}

    def build(self, parcels: Sequence[Parcel], on_lost: Callable[[], None]) -> Iterator[Sendable]:
        """The observations of the parcels. One that cannot be built costs none of the others."""
        for parcel in parcels:
            for make in self._makers(parcel):
                try:
                    yield Sendable(make(), parcel)
                except Exception as error:  # noqa: BLE001 - whatever an agent has put into it
                    complaints.warn(f"an observation could not be made ready for LangFuse ({type(error).__name__})")
                    on_lost()

    def encoded(self, sendables: Sequence[Sendable]) -> bytes:
        """The body of one request."""
        return gzip.compress(wire.request(each.encoded for each in sendables), 1)

    def score(self, score: Score) -> dict[str, Any]:
        """A score as LangFuse takes it."""
        body = {
            "traceId": score.trace_id,
            "name": self._name(score.name),
            "value": self.clean(score.value) if isinstance(score.value, str) else score.value,
            "dataType": score.data_type,
            "comment": self.clean(score.comment),
            "environment": self._environment,
        }
        return {name: value for name, value in body.items() if value is not None}

    def clean(self, text: str | None, limit: int = MAX_CONTENT) -> str | None:
        """Scrubbed, then cut. A scrubber that fails costs the content, not the secret."""
        if text is None:
            return None
        text = str(text).encode("utf-8", "replace").decode()  # half a character can be sent by nobody
        if self._scrub is not None:
            try:
                text = str(self._scrub(text))
            except Exception as error:  # noqa: BLE001 - a callable of the user's
                complaints.warn(f"the scrubber failed ({type(error).__name__}): the content is not sent")
                return DROPPED_CONTENT
        return truncated(text, limit)

    def _name(self, name: object) -> str:
        """A name, tag or key: there are few of them, so what they are cleaned to is remembered."""
        text = str(name)[: MAX_LABEL * MARGIN]
        found = self._names.get(text)
        if found is None:
            if len(self._names) >= MAX_NAMES:
                self._names.clear()
            found = self._names[text] = (self.clean(text) or "")[:MAX_LABEL]
        return found

    def _makers(self, parcel: Parcel) -> Iterator[Callable[[], Encoded]]:
        trace = parcel.trace
        if trace is None:
            for span in parcel.foreign:
                yield partial(self._scrubbed, span, {})
            return
        of_the_trace = self._trace_attributes(trace)
        shared = [wire.attribute(*each) for each in of_the_trace.items()]
        end = max((step.end_ns for step in parcel.steps), default=0)
        for step in parcel.steps:
            yield partial(self._span, trace, step, shared, end)
        for span in parcel.foreign:
            yield partial(self._scrubbed, span, of_the_trace)

    def _trace_attributes(self, trace: Trace) -> dict[str, Any]:
        attributes: dict[str, Any] = {
            # The agent's own name is by what its traces are found, so it is left as it is.
            Names.TRACE_NAME: _sendable(trace.agent_type),
            Names.TRACE_TAGS: [_sendable(trace.tags[0]), *(self._name(tag) for tag in trace.tags[1:])],
        }
        for name, value in ((Names.TRACE_USER_ID, trace.user_id), (Names.TRACE_SESSION_ID, trace.session_id)):
            if value:
                attributes[name] = _sendable(value)
        return attributes

    def _span(self, trace: Trace, step: Step, shared: Sequence[KeyValue], end_ns: int) -> Encoded:
        attributes: dict[str, Any] = {
            Names.OBSERVATION_TYPE: step.kind,
            Names.OBSERVATION_INPUT: self.clean(step.input),
            Names.OBSERVATION_OUTPUT: self.clean(step.output),
        }
        for key, value in (step.metadata or {}).items():
            attributes[f"{Names.OBSERVATION_METADATA}.{self._name(key)}"] = self.clean(value)
        if step.attributes is not None:
            attributes.update(self._generation(step.attributes))
        if step.prompt is not None:
            attributes[Names.OBSERVATION_PROMPT_NAME] = self._name(step.prompt.name)
            attributes[Names.OBSERVATION_PROMPT_VERSION] = step.prompt.version
        message = None
        if step.failed:
            message = self.clean(step.status_message, MAX_MESSAGE) or ""
            attributes[Names.OBSERVATION_LEVEL] = "ERROR"
            attributes[Names.OBSERVATION_STATUS_MESSAGE] = message
        elif not step.end_ns:
            attributes[Names.OBSERVATION_LEVEL] = "WARNING"
            attributes[Names.OBSERVATION_STATUS_MESSAGE] = "did not end before its run"
        if not step.parent_id:
            attributes[Names.IS_APP_ROOT] = True
            if self._release:
                attributes[f"{Names.OBSERVATION_METADATA}.release"] = self._release
            if not trace.failed and not trace.is_wanted and trace.tracing.sample_rate < 1:
                # Who compares failing runs with healthy ones must know for how many a healthy one stands.
                attributes[f"{Names.OBSERVATION_METADATA}.{SAMPLE_RATE}"] = f"{trace.tracing.sample_rate:g}"
        return wire.span(
            sent_by=self._sender(trace.agent_type)[1],
            trace_id=trace.id,
            span_id=step.span_id,
            parent_id=step.parent_id,
            name=_sendable(step.name) if step.kind == "agent" else self._name(step.name),
            start_ns=step.start_ns,
            end_ns=step.end_ns or max(end_ns, step.start_ns),
            attributes=[
                *shared,
                *(wire.attribute(name, value) for name, value in attributes.items() if value is not None),
            ],
            error=message,
        )

    def _generation(self, known: Mapping[str, Any]) -> Iterator[tuple[str, Any]]:
        yield Names.OBSERVATION_MODEL, self._name(known["model"])
        yield Names.OBSERVATION_USAGE_DETAILS, json.dumps(known["usage_details"])
        if "cost_details" in known:
            yield Names.OBSERVATION_COST_DETAILS, json.dumps(known["cost_details"])
        if "completion_start_time" in known:
            yield Names.OBSERVATION_COMPLETION_START_TIME, json.dumps(known["completion_start_time"])

    def _scrubbed(self, span: ReadableSpan, of_the_trace: Mapping[str, Any]) -> Encoded:
        """Another instrument's span: part of the trace, and as clean as the rest of it."""
        attributes = {
            name: self._cleaned(value)
            for name, value in (span.attributes or {}).items()
            if name != Names.IS_APP_ROOT or not of_the_trace
        }
        return wire.foreign(
            ReadableSpan(
                name=self._name(span.name),
                context=span.context,
                parent=span.parent,
                resource=self._sender(str(of_the_trace.get(Names.TRACE_NAME, "slo-engine")))[0],
                attributes={**attributes, **of_the_trace},
                kind=span.kind,
                status=Status(span.status.status_code, self.clean(span.status.description, MAX_MESSAGE)),
                start_time=span.start_time,
                end_time=span.end_time,
                instrumentation_scope=span.instrumentation_scope,
            )
        )

    def _sender(self, agent_type: str) -> tuple[Resource, bytes]:
        """Who sends it: the service of the environment, or the agent."""
        found = self._senders.get(agent_type)
        if found is None:
            if len(self._senders) >= MAX_NAMES:
                self._senders.clear()
            about = {"service.name": self._service or _sendable(agent_type), **self._about}
            found = self._senders[agent_type] = (Resource(about), wire.resource(about))
        return found

    def _cleaned(self, value: Any) -> Any:
        if isinstance(value, str):
            return self.clean(value)
        if isinstance(value, Sequence):
            return [self.clean(each) if isinstance(each, str) else each for each in value]
        return value


class _NotOurs(logging.Filter):
    """httpx logs a line for each request. Those of our thread are none of the agent's business."""

    def filter(self, record: logging.LogRecord) -> bool:  # noqa: ARG002 - who logs matters, not what
        """Whether the record is somebody else's."""
        return threading.current_thread().name != SENDER


def _sendable(name: object) -> str:
    """As it is, but for its length and for half a character, which nobody can send."""
    return str(name)[:MAX_LABEL].encode("utf-8", "replace").decode()


def _seconds(response: httpx.Response) -> float:
    try:
        return max(0.0, float(response.headers.get("retry-after", "0")))
    except ValueError:  # a date: the pauses are long enough
        return 0.0
