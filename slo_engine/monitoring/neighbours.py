"""What the LangFuse SDK sees inside a run (``@observe``, ``langfuse.openai``, its LangChain handler) joins its trace.

The SDK's client for the same project is created here, on a tracer provider whose spans come to us: they are kept or
dropped with the run they belong to, scrubbed, and sent by the same thread. A client that the program has created
before stays as it is: what it sees are traces of their own, which it sends by itself, and the log says so.
"""

from __future__ import annotations

import random
from collections import OrderedDict
from collections.abc import Callable, Sequence
from typing import Any, Final

from langfuse import Langfuse
from opentelemetry.context import Context
from opentelemetry.sdk.trace import ReadableSpan, Span, SpanProcessor, TracerProvider
from opentelemetry.sdk.trace.export import SpanExporter, SpanExportResult
from opentelemetry.sdk.trace.id_generator import IdGenerator
from opentelemetry.trace import (
    NonRecordingSpan,
    SpanContext,
    StatusCode,
    Tracer,
    get_current_span,
    set_span_in_context,
)

from slo_engine.monitoring.otlp import SAMPLED
from slo_engine.monitoring.quiet import warn
from slo_engine.monitoring.scope import current
from slo_engine.monitoring.tracing import Trace, Tracing

REMEMBERED: Final = 10_000
"""Traces whose fate is remembered for spans that end after them."""

FLUSH_SECONDS: Final = 2.0
"""How long a flush of the SDK's may wait for ours."""

_LEVEL: Final = "langfuse.observation.level"


def share_with_the_sdk(
    tracing: Tracing,
    put: Callable[[Trace | None, Sequence[Any]], None],
    wait: Callable[[float], bool],
    public_key: str,
    secret_key: str,
    base_url: str,
) -> Callable[[], None]:
    """Create the SDK's client so that its spans go through ``tracing``. Answers what collects those it still holds.

    ``wait``: until all is sent or lost, for a flush of the SDK's.
    """
    provider = _Provider(tracing, put, wait)
    Langfuse(
        public_key=public_key,
        secret_key=secret_key,
        base_url=base_url,
        tracer_provider=provider,
        span_exporter=_HandOver(put),
        sample_rate=1.0,
    )
    if not provider.is_used:
        warn(
            "a LangFuse client was created before the first agent was declared: what it traces inside of agents does "
            "not join their traces; declare the agents first"
        )
    return provider.collect


class _Provider(TracerProvider):
    """A tracer provider of our own: the global one, if there is one, is none of our business."""

    def __init__(
        self,
        tracing: Tracing,
        put: Callable[[Trace | None, Sequence[Any]], None],
        wait: Callable[[float], bool],
    ) -> None:
        super().__init__(id_generator=_UnseededIds(), shutdown_on_exit=False)
        self._of = (tracing, put, wait)
        self._taken: list[_WithItsRun] = []

    def add_span_processor(self, span_processor: SpanProcessor) -> None:
        """Stand before the SDK's processor."""
        self._taken.append(_WithItsRun(span_processor, *self._of))
        super().add_span_processor(self._taken[-1])

    def get_tracer(self, *args: Any, **kwargs: Any) -> Tracer:
        """One whose spans are a part of the run that is current."""
        return _Tracer(super().get_tracer(*args, **kwargs))

    @property
    def is_used(self) -> bool:
        """Whether the SDK has taken it: it has one client for a project, and the first one stays."""
        return bool(self._taken)

    def collect(self) -> None:
        """Have the SDK hand over what it holds."""
        for each in self._taken:
            each.collect()


class _Tracer(Tracer):
    """Starts spans below the run's observation that is current.

    Told here, and not in OpenTelemetry's context: what the agent traces elsewhere must not get lost in our traces.
    """

    def __init__(self, inner: Tracer) -> None:
        self._inner = inner

    def start_span(self, name: str, context: Context | None = None, *args: Any, **kwargs: Any) -> Any:
        return self._inner.start_span(name, _with_its_run(context), *args, **kwargs)

    def start_as_current_span(self, name: str, context: Context | None = None, *args: Any, **kwargs: Any) -> Any:
        return self._inner.start_as_current_span(name, _with_its_run(context), *args, **kwargs)


def _with_its_run(context: Context | None) -> Context | None:
    place = current.get()
    traced = place[0].traced if place is not None else None
    if traced is None or traced.trace.is_done:
        return context
    if get_current_span(context).get_span_context().trace_id == traced.trace.id:
        return context  # inside one of the SDK's own
    parent = SpanContext(traced.trace.id, traced.parent_of_steps().span_id, is_remote=False, trace_flags=SAMPLED)
    return set_span_in_context(NonRecordingSpan(parent), context)


class _WithItsRun(SpanProcessor):
    """Holds spans of an open trace back until its run decides; others pass."""

    def __init__(
        self,
        inner: SpanProcessor,
        tracing: Tracing,
        put: Callable[[Trace | None, Sequence[Any]], None],
        wait: Callable[[float], bool],
    ) -> None:
        self._inner = inner
        self._tracing = tracing
        self._put = put
        self._wait = wait
        self._seen: OrderedDict[int, Trace] = OrderedDict()

    def on_start(self, span: Span, parent_context: Context | None = None) -> None:
        self._inner.on_start(span, parent_context)
        context = span.get_span_context()
        trace = self._tracing.open.get(context.trace_id) if context is not None else None
        if trace is not None:
            self._seen[trace.id] = trace
            while len(self._seen) > REMEMBERED:
                self._seen.popitem(last=False)

    def on_end(self, span: ReadableSpan) -> None:
        context = span.get_span_context()
        trace = self._seen.get(context.trace_id) if context is not None else None
        if trace is None:
            self._inner.on_end(span)
            return
        has_failed = span.status.status_code is StatusCode.ERROR or (span.attributes or {}).get(_LEVEL) == "ERROR"
        if not trace.is_done:
            trace.add_foreign(span, failed=has_failed)
        elif trace.is_kept or has_failed:
            self._put(trace, [span])

    def shutdown(self) -> None:
        self._inner.shutdown()

    def collect(self) -> None:
        """Have what the SDK holds handed over."""
        self._inner.force_flush()

    def force_flush(self, timeout_millis: int = 30_000) -> bool:
        """What the SDK's ``flush()`` comes to: nothing waits after it, if that can be had in time."""
        self.collect()
        return self._wait(min(timeout_millis / 1000, FLUSH_SECONDS))


class _HandOver(SpanExporter):
    """Takes what the SDK would send, to be sent by us: bounded, scrubbed, and out of everybody's way."""

    def __init__(self, put: Callable[[Trace | None, Sequence[Any]], None]) -> None:
        self._put = put

    def export(self, spans: Sequence[ReadableSpan]) -> SpanExportResult:
        self._put(None, spans)
        return SpanExportResult.SUCCESS

    def shutdown(self) -> None:
        """Nothing is held here."""


class _UnseededIds(IdGenerator):
    """Ids that repeat for nobody: OpenTelemetry's own come from `random`, which agents seed."""

    def __init__(self) -> None:
        self._random = random.SystemRandom()

    def generate_span_id(self) -> int:
        return self._random.getrandbits(64) or 1

    def generate_trace_id(self) -> int:
        return self._random.getrandbits(128) or 1
