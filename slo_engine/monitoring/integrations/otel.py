"""OpenTelemetry: metrics from the GenAI spans that an agent's instrumentation makes already.

The attributes are those of the GenAI semantic conventions, of their older names, and of what OpenLLMetry, OpenLIT and
Pydantic AI add; https://github.com/open-telemetry/semantic-conventions-genai.
"""

from __future__ import annotations

import asyncio
import threading
from collections import OrderedDict
from collections.abc import Callable, Mapping
from contextvars import ContextVar
from typing import Any, Final, Literal

from opentelemetry.context import Context
from opentelemetry.sdk.trace import ReadableSpan, Span, SpanProcessor
from opentelemetry.trace import StatusCode

from slo_engine.monitoring.classify import is_timeout, mark_as_llm_failure, mark_as_tool_failure
from slo_engine.monitoring.integrations.clients import is_asking
from slo_engine.monitoring.nearest import Watched, count_here
from slo_engine.monitoring.quiet import complaints
from slo_engine.monitoring.run import AgentRun, OutsideRun, current_run
from slo_engine.monitoring.usage import LLMUsage
from slo_engine.monitoring.usage.fields import told, word

REMEMBERED: Final = 10_000
"""Spans that have begun and not ended."""

Kind = Literal["llm", "embedding", "tool", "agent"]

_OPERATIONS: Final[Mapping[str, Kind]] = {
    "chat": "llm",
    "text_completion": "llm",
    "generate_content": "llm",
    "embeddings": "embedding",
    "execute_tool": "tool",
    "invoke_agent": "agent",
}
_REQUEST_TYPES: Final[Mapping[str, Kind]] = {"chat": "llm", "completion": "llm", "embedding": "embedding"}
_TRACELOOP_KINDS: Final[Mapping[str, Kind]] = {"tool": "tool", "agent": "agent"}

# The conventions' own name first, then those of their past, then those of others.
_INPUT: Final = ("gen_ai.usage.input_tokens", "gen_ai.usage.prompt_tokens", "llm.usage.prompt_tokens")
_OUTPUT: Final = ("gen_ai.usage.output_tokens", "gen_ai.usage.completion_tokens", "llm.usage.completion_tokens")
_CACHED: Final = (
    "gen_ai.usage.cache_read.input_tokens",
    "gen_ai.usage.cache_read_input_tokens",
    "gen_ai.usage.input_tokens.cached",
    "gen_ai.usage.details.cache_read_tokens",
    "gen_ai.usage.prompt_tokens_details.cache_read",
)
_WRITTEN: Final = (
    "gen_ai.usage.cache_creation.input_tokens",
    "gen_ai.usage.cache_write.input_tokens",
    "gen_ai.usage.cache_creation_input_tokens",
    "gen_ai.usage.input_tokens.cache_write",
    "gen_ai.usage.details.cache_write_tokens",
    "gen_ai.usage.prompt_tokens_details.cache_write",
)
_REASONING: Final = (
    "gen_ai.usage.reasoning.output_tokens",
    "gen_ai.usage.reasoning_tokens",
    "gen_ai.usage.output_tokens.reasoning",
    "gen_ai.usage.details.reasoning_tokens",
    "gen_ai.usage.details.thinking_tokens",
    "gen_ai.usage.details.thoughts_tokens",
    "gen_ai.usage.completion_tokens_details.reasoning",
)
_FIRST_TOKEN: Final = (
    "gen_ai.response.time_to_first_chunk",
    "gen_ai.client.operation.time_to_first_chunk",
    "gen_ai.server.time_to_first_token",
    "gen_ai.server.ttft",
)
_TOOL_FINISHES: Final = frozenset({"tool_call", "tool_calls", "tool_use", "function_call"})


class GenAiSpanMetrics(SpanProcessor):
    """``tracer_provider.add_span_processor(GenAiSpanMetrics())``: spans of model calls, tool calls and agents become
    the metrics of this library.

    An ``invoke_agent`` span is a run, unless one of ours goes on; one of another name inside it is another run. Of
    several spans of one call the innermost is counted, and none where a monitored client counts the call itself.
    Spans that a sampler drops are not seen: sample where spans are exported.
    """

    def __init__(self) -> None:
        self._begun: OrderedDict[int, _Begun] = OrderedDict()
        self._lock = threading.Lock()

    def on_start(self, span: Span, parent_context: Context | None = None) -> None:
        """Remember whose it is: what it is may be known at its end alone, which may come in another context."""
        try:
            parent = _parent_of(span)
            last = _last.get()
            if last is not None and last.span.context.span_id != parent and not last.is_of_one_call_with(span, parent):
                # Beside the last one: what that one has asked is asked, though its answer may still be coming.
                last.watched.leave()
                last = None
            with self._lock:
                begun = self._begun[span.context.span_id] = _Begun(span, self._begun.get(parent), last)
                while len(self._begun) > REMEMBERED:
                    self._begun.popitem(last=False)
            _last.set(begun)
        except Exception as error:  # noqa: BLE001 - see AgentRun.complain
            complaints.warn(f"a span could not be begun ({type(error).__name__}); the agent is not affected")

    def on_end(self, span: ReadableSpan) -> None:
        """Record what it says."""
        with self._lock:
            begun = self._begun.pop(span.context.span_id, None)
        if begun is None:
            return
        try:
            begun.watched.leave()
            begun.end(span)
        except Exception as error:  # noqa: BLE001 - see AgentRun.complain
            begun.run.complain("a span could not be recorded", error)


class _Call:
    """A call, and which instrumentations tell of it."""

    def __init__(self) -> None:
        self.scopes: set[str] = set()
        self.is_counted = False


class _Watched(Watched):
    """Leaves the call to a monitored client, or to a nearer framework's monitor; among spans see `_Call`."""

    _by_a_monitor = False

    @property
    def is_counted(self) -> bool:
        return self._by_a_monitor

    @is_counted.setter
    def is_counted(self, value: bool) -> None:
        if not _span_tells.get():
            self._by_a_monitor = value


_span_tells: Final[ContextVar[bool]] = ContextVar("slo_engine_span_tells", default=False)
"""Whether it is a span that tells all monitors around of a call."""


class _Begun:
    """A span that is going on."""

    def __init__(self, span: Span, parent: _Begun | None, last: _Begun | None) -> None:
        attributes = span.attributes or {}
        self.span = span
        self.parent = parent
        self.is_over = False
        self.call: _Call = (
            last.call if last is not None and last.is_of_one_call_with(span, _parent_of(span)) else _Call()
        )
        self.call.scopes.add(_scope(span))
        self.call.is_counted = self.call.is_counted or is_asking.get()
        self.is_seen_inside = False
        """Whether a span in it has told of the same call, should it turn out to be one."""
        self.failures: dict[str, Callable[[BaseException], None]] = {}
        """Of a run: what has failed in it, by the type of the error, and how to remember that on it."""
        self._owns_run = False
        self.run: AgentRun = current_run() or (parent.run if parent is not None else OutsideRun())
        self.watched = _Watched(_model(attributes))
        if _kind(attributes) == "agent" and self._is_a_run_of_its_own(_agent(span)):
            self._owns_run = True
            self.run = AgentRun(_agent(span))
            self.run.begin()

    def is_of_one_call_with(self, span: Span, parent: int) -> bool:
        """Whether a span that begins now is of the call that this one is of: some instrumentations do not make their
        span the current one, so that what the next instrumentation sees stands beside it and not in it."""
        kind, model = _kind(self.span.attributes or {}), _model(self.span.attributes or {})
        return (
            not self.is_over
            and _kind(span.attributes or {}) in {"llm", "embedding"}
            and kind in {_kind(span.attributes or {}), None}  # None: some tell at the end what it was
            and model in {_model(span.attributes or {}), None}
            and _parent_of(self.span) == parent
            and _scope(span) not in self.call.scopes
        )

    def _is_a_run_of_its_own(self, name: str) -> bool:
        if current_run() is not None:
            return False
        agent = self._within("agent")
        return agent is None or _agent(agent.span) != name

    def _within(self, *kinds: Kind) -> _Begun | None:
        """The innermost span around this one that is of one of the kinds."""
        each = self.parent
        while each is not None and _kind(each.span.attributes or {}) not in kinds:
            each = each.parent
        return each

    def end(self, span: ReadableSpan) -> None:
        """It is over."""
        self.is_over = True
        kind, error = _kind(span.attributes or {}), _error(span)
        if self._owns_run:
            if error is not None:
                mark = self.failures.get(_name(error))
                if mark is not None:
                    mark(error)
            self.run.finish(error)
        elif kind == "tool" and not self.is_seen_inside:
            self._end_tool(span, error)
        elif kind in {"llm", "embedding"}:
            if not (self.is_seen_inside or self.call.is_counted or self.watched.is_counted):
                self._end_llm(span, "embedding" if kind == "embedding" else None, error)
            self.call.is_counted = True
            self._is_seen_by_those_around()

    def _is_seen_by_those_around(self) -> None:
        each = self.parent
        while each is not None and (kind := _kind(each.span.attributes or {})) not in {"tool", "agent"}:
            each.is_seen_inside = True
            each = each.parent if kind is None else None

    def _end_llm(self, span: ReadableSpan, call_type: str | None, error: BaseException | None) -> None:
        attributes = span.attributes or {}
        usage = _usage(span)
        token = _span_tells.set(True)
        count_here(_model(attributes))
        _span_tells.reset(token)
        if error is not None:
            self._failed(error, lambda each: mark_as_llm_failure(each, usage.name()))
        self.run.record_llm_call(
            usage.name(),
            input_tokens=usage.input_tokens,
            output_tokens=usage.output_tokens,
            cached_tokens=usage.cached_tokens,
            cache_write_tokens=usage.cache_write_tokens,
            reasoning_tokens=usage.reasoning_tokens,
            service_tier=usage.service_tier,
            seconds=_seconds(span),
            time_to_first_token=_first_token(attributes),
            call_type=call_type or usage.call_type,
            input=attributes.get("gen_ai.input.messages"),
            output=attributes.get("gen_ai.output.messages"),
            error=error,
        )

    def _end_tool(self, span: ReadableSpan, error: BaseException | None) -> None:
        attributes = span.attributes or {}
        name = _tool(span)
        around = self._within("tool")
        if around is not None and _tool(around.span) == name:
            around.is_seen_inside = True
        if error is not None:
            self._failed(error, lambda each: mark_as_tool_failure(each, name))
        self.run.record_tool_call(
            name,
            "success" if error is None else "timeout" if is_timeout(error) else "failure",
            seconds=_seconds(span),
            input=attributes.get("gen_ai.tool.call.arguments"),
            output=attributes.get("gen_ai.tool.call.result"),
            error=error,
        )

    def _failed(self, error: BaseException, mark: Callable[[BaseException], None]) -> None:
        """An error may go on to the run: it is one of a model or a tool there, too."""
        mark(error)
        each: _Begun | None = self
        while each is not None:
            each.failures.setdefault(_name(error), mark)
            each = each.parent


_last: Final[ContextVar[_Begun | None]] = ContextVar("slo_engine_last_span", default=None)
"""The span that the calling code has begun last."""


def _parent_of(span: ReadableSpan) -> int:
    return span.parent.span_id if span.parent is not None else 0


def _scope(span: ReadableSpan) -> str:
    return span.instrumentation_scope.name if span.instrumentation_scope is not None else ""


def _kind(attributes: Mapping[str, Any]) -> Kind | None:
    operation = attributes.get("gen_ai.operation.name")
    if operation is not None:
        return _OPERATIONS.get(str(operation))
    kind = _REQUEST_TYPES.get(str(attributes.get("llm.request.type"))) or _TRACELOOP_KINDS.get(
        str(attributes.get("traceloop.span.kind"))
    )
    if kind is None and "gen_ai.request.model" in attributes and told(attributes, *_INPUT, *_OUTPUT) is not None:
        return "llm"
    return kind


def _model(attributes: Mapping[str, Any]) -> str | None:
    return word(attributes, "gen_ai.request.model") or word(attributes, "llm.request.model")


def _agent(span: ReadableSpan) -> str:
    attributes = span.attributes or {}
    named = word(attributes, "gen_ai.agent.name") or word(attributes, "traceloop.entity.name")
    return named or span.name.removeprefix("invoke_agent").strip() or "agent"


def _tool(span: ReadableSpan) -> str:
    attributes = span.attributes or {}
    named = word(attributes, "gen_ai.tool.name") or word(attributes, "traceloop.entity.name")
    return named or span.name.removeprefix("execute_tool").strip() or "unknown"


def _usage(span: ReadableSpan) -> LLMUsage:
    attributes = span.attributes or {}
    input_tokens = told(attributes, *_INPUT) or 0
    cached, written = told(attributes, *_CACHED) or 0, told(attributes, *_WRITTEN) or 0
    if cached + written > input_tokens or _leaves_the_cache_out(span):
        input_tokens += cached + written
    finishes = attributes.get("gen_ai.response.finish_reasons") or attributes.get("gen_ai.completion.0.finish_reason")
    if isinstance(finishes, str):
        finishes = (finishes,)
    is_tool_call = isinstance(finishes, tuple | list) and not _TOOL_FINISHES.isdisjoint(map(str, finishes))
    # Google says that it has stopped; what it calls is in its message, where that is captured.
    is_tool_call = is_tool_call or '"tool_call"' in str(attributes.get("gen_ai.output.messages"))
    return LLMUsage(
        word(attributes, "gen_ai.response.model") or word(attributes, "llm.response.model") or _model(attributes),
        input_tokens,
        told(attributes, *_OUTPUT) or 0,
        cached,
        written,
        told(attributes, *_REASONING) or 0,
        service_tier=word(attributes, "openai.response.service_tier")
        or word(attributes, "gen_ai.openai.response.service_tier"),
        call_type="tool_call" if is_tool_call else None,
    )


def _leaves_the_cache_out(span: ReadableSpan) -> bool:
    """The conventions have it in the input; OpenLIT hands on what Anthropic says, which has not."""
    return _scope(span).startswith("openlit.") and _provider(span) == "anthropic"


def _provider(span: ReadableSpan) -> str | None:
    attributes = span.attributes or {}
    return word(attributes, "gen_ai.provider.name") or word(attributes, "gen_ai.system")


def _first_token(attributes: Mapping[str, Any]) -> float | None:
    found = next((attributes[name] for name in _FIRST_TOKEN if name in attributes), None)
    return float(found) if isinstance(found, int | float) and found > 0 else None


def _seconds(span: ReadableSpan) -> float | None:
    return (span.end_time - span.start_time) / 1e9 if span.end_time and span.start_time else None


def _error(span: ReadableSpan) -> BaseException | None:
    """An exception like the one that a span tells of, for those who look at its type; None: it went well."""
    attributes = span.attributes or {}
    kind = attributes.get("error.type")
    if kind is None and span.status.status_code is not StatusCode.ERROR:
        return None
    raised = next((each.attributes or {} for each in reversed(span.events) if each.name == "exception"), {})
    full_name = str(raised.get("exception.type") or kind or "Error")
    message = str(raised.get("exception.message") or span.status.description or kind or "")
    module, _, name = full_name.rpartition(".")
    if name == "CancelledError":
        return asyncio.CancelledError(message)
    if name.lower() == "timeout":
        return TimeoutError(message)
    made = type(name if name.isidentifier() else "SpanError", (Exception,), {"__module__": module or "span"})
    error: BaseException = made(message)
    if kind is not None and str(kind).isdigit():
        error.__dict__["status_code"] = int(str(kind))
    return error


def _name(error: BaseException) -> str:
    return type(error).__qualname__
