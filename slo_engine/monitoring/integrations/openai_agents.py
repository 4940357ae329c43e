"""The OpenAI Agents SDK: a tracing processor that records its model and tool calls."""

from __future__ import annotations

import threading
from collections import OrderedDict
from datetime import datetime
from typing import Any, Final

from agents.tracing import Span, Trace, TracingProcessor

from slo_engine.monitoring.forks import renew_after_fork
from slo_engine.monitoring.nearest import Watched
from slo_engine.monitoring.run import AgentRun, run_or_outside
from slo_engine.monitoring.usage import UNKNOWN_MODEL, LLMUsage
from slo_engine.monitoring.usage.fields import number, of

REMEMBERED: Final = 10_000
"""Spans that have begun and not ended."""


class AgentsMonitor(TracingProcessor):
    """``agents.add_trace_processor(AgentsMonitor())``, and ``@monitor_agent`` around what calls ``Runner.run``."""

    def __init__(self) -> None:
        self._spans: OrderedDict[str, tuple[AgentRun, Watched]] = OrderedDict()
        self._lock = threading.Lock()
        renew_after_fork(self, "_lock", threading.Lock)

    def on_span_start(self, span: Span[Any]) -> None:
        """Remember whose it is: it may end in another context."""
        kind = span.span_data.type
        if kind not in {"response", "generation", "function"}:
            return
        run = run_or_outside()
        is_tool = kind == "function"
        watched = Watched(span.span_data.name, "tool") if is_tool else Watched(of(span.span_data, "model"))
        with self._lock:
            self._spans[span.span_id] = run, watched
            while len(self._spans) > REMEMBERED:
                self._spans.popitem(last=False)

    def on_span_end(self, span: Span[Any]) -> None:
        """Record what it says."""
        with self._lock:
            begun = self._spans.pop(span.span_id, None)
        if begun is None:
            return
        run, watched = begun
        watched.leave()
        if not watched.is_counted:
            (_record_tool if span.span_data.type == "function" else _record_llm)(run, span)

    def on_trace_start(self, trace: Trace) -> None:
        """The run is opened by `monitor_agent`."""

    def on_trace_end(self, trace: Trace) -> None:
        """The run is ended by `monitor_agent`."""

    def shutdown(self) -> None:
        """Nothing is held here."""

    def force_flush(self) -> None:
        """Nothing is held here."""


def _record_tool(run: AgentRun, span: Any) -> None:
    data, failure = span.span_data, _failure(span)
    run.record_tool_call(
        data.name,
        "success" if failure is None else "failure",
        seconds=_seconds(span),
        input=data.input,
        output=data.output,
        error=failure,
    )


def _record_llm(run: AgentRun, span: Any) -> None:
    data, failure = span.span_data, _failure(span)
    response = of(data, "response")
    if response is not None and failure is None:
        run.record_llm_call(response, seconds=_seconds(span), input=data.input)
        return
    model, usage = of(data, "model"), of(data, "usage")
    told = LLMUsage(
        model if isinstance(model, str) else None,
        number(usage, "input_tokens"),
        number(usage, "output_tokens"),
        number(of(usage, "input_tokens_details"), "cached_tokens"),
        number(of(usage, "input_tokens_details"), "cache_write_tokens"),
        number(of(usage, "output_tokens_details"), "reasoning_tokens"),
        None if failure is None else 0.0,
    )
    run.record_llm_call(
        told.model or UNKNOWN_MODEL,
        input_tokens=told.input_tokens,
        output_tokens=told.output_tokens,
        cached_tokens=told.cached_tokens,
        cache_write_tokens=told.cache_write_tokens,
        reasoning_tokens=told.reasoning_tokens,
        cost_usd=told.cost_usd,
        seconds=_seconds(span),
        input=of(data, "input"),
        output=of(data, "output"),
        error=failure,
    )


def _failure(span: Any) -> str | None:
    """The SDK tells errors as text; a tool's is told even when the agent handles it."""
    if span.error is None:
        return None
    details = span.error.get("data") or {}
    return f"{span.error.get('message')}: {details.get('error', '')}".rstrip(": ")


def _seconds(span: Any) -> float | None:
    try:
        return (datetime.fromisoformat(span.ended_at) - datetime.fromisoformat(span.started_at)).total_seconds()
    except (TypeError, ValueError):
        return None
