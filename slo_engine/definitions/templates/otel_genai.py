"""OpenTelemetry's metrics for generative AI, as Prometheus names them. Names, attributes and buckets:
https://github.com/open-telemetry/semantic-conventions-genai, ``docs/gen-ai/gen-ai-metrics.md``.

Both generations of the conventions are served: the metrics and ``error.type`` have the same names in both. Only the
label of the provider differs, ``gen_ai_system`` up to v1.36 and ``gen_ai_provider_name`` since; it is read by ``by``
and ``where`` alone. The metrics of agents, tools, workflows and first chunks are younger than either.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from typing import Annotated

from pydantic import Field

from slo_engine.definitions.kinds import EventsSli, LatencySli
from slo_engine.definitions.promql import Matcher
from slo_engine.definitions.templates.template import LatencyParameters, Parameters, Template

PAGE = "https://github.com/open-telemetry/semantic-conventions-genai/blob/main/docs/gen-ai/gen-ai-metrics.md"

OPERATION_BUCKETS = (0.01, 0.02, 0.04, 0.08, 0.16, 0.32, 0.64, 1.28, 2.56, 5.12, 10.24, 20.48, 40.96, 81.92)
AGENT_BUCKETS = (0.1, 0.2, 0.4, 0.8, 1.6, 3.2, 6.4, 12.8, 25.6, 51.2, 102.4, 204.8, 409.6)
WORKFLOW_BUCKETS = (1, 5, 10, 30, 60, 120, 300, 600, 1800, 3600, 7200)
"""What the conventions advise. An SDK that is told nothing has 5 s and more; a View can set others."""


_ATTRIBUTES = (
    *("error_type", "gen_ai_operation_name", "gen_ai_provider_name", "gen_ai_system", "gen_ai_request_model"),
    *("gen_ai_response_model", "server_address", "server_port", "gen_ai_agent_name", "gen_ai_tool_name"),
    *("gen_ai_tool_type", "gen_ai_workflow_name"),
)


UnitSuffix = Annotated[
    bool, Field(strict=True, description="the names carry their unit (..._duration_seconds); false: ..._duration")
]


class EventsParameters(Parameters):
    """The templates that tell failed operations."""

    unit_suffix: UnitSuffix = True
    series_expire: bool = Field(
        default=True,
        strict=True,
        description="the collector drops idle series and shows them again later; false: they stay, and rare errors "
        "are counted more exactly",
    )


class DurationParameters(LatencyParameters):
    """The templates on durations."""

    unit_suffix: UnitSuffix = True
    native: bool = Field(
        default=False, strict=True, description="exponential histograms, native ones in Prometheus: take any threshold"
    )


def _failing(metric: str) -> Callable[[EventsParameters], EventsSli]:
    def sli(parameters: EventsParameters) -> EventsSli:
        count = f"{_named(metric, parameters.unit_suffix)}_count"
        return EventsSli(
            parameters.select(count),
            parameters.select(count, Matcher("error_type", "!=", "")),
            series_expire=parameters.series_expire,
            exporter_labels=_ATTRIBUTES,
        )

    return sli


def _within(metric: str, buckets: Sequence[float]) -> Callable[[DurationParameters], LatencySli]:
    def sli(parameters: DurationParameters) -> LatencySli:
        named = _named(metric, parameters.unit_suffix)
        if not parameters.native:
            parameters.check_bucket(named, buckets)
        # An operation that failed is not a fast one, however soon it did.
        ended_well = parameters.select(named, Matcher("error_type", "=", ""))
        return LatencySli(ended_well, parameters.threshold, parameters.native)

    return sli


def _named(metric: str, unit_suffix: bool) -> str:
    return f"{metric}_seconds" if unit_suffix else metric


def _pair(
    subject: str, what: str, metric: str, buckets: Sequence[float], by: Sequence[str]
) -> Iterator[Template[EventsParameters] | Template[DurationParameters]]:
    yield Template(
        f"otel-genai/{subject}availability",
        f"{what}; good: ended without an error.",
        EventsParameters,
        _failing(metric),
        by,
        PAGE,
    )
    yield Template(
        f"otel-genai/{subject}latency",
        f"{what} that ended without an error; good: within the threshold.",
        DurationParameters,
        _within(metric, buckets),
        by,
        PAGE,
    )


_CALL = ("gen_ai_operation_name", "gen_ai_provider_name", "gen_ai_system", "gen_ai_request_model")
_WORKFLOW = ("gen_ai_workflow_name",)

TEMPLATES = (
    *_pair("", "Calls of models", "gen_ai_client_operation_duration", OPERATION_BUCKETS, _CALL),
    Template(
        "otel-genai/time-to-first-chunk",
        "Streams of models; good: the first chunk came within the threshold.",
        DurationParameters,
        _within("gen_ai_client_operation_time_to_first_chunk", OPERATION_BUCKETS),
        tuple(label for label in _CALL if label != "gen_ai_system"),
        PAGE,
    ),
    *_pair("agent-", "Runs of agents", "gen_ai_invoke_agent_duration", AGENT_BUCKETS, ("gen_ai_agent_name",)),
    *_pair(
        *("tool-", "Calls of tools", "gen_ai_execute_tool_duration", OPERATION_BUCKETS),
        ("gen_ai_tool_name", "gen_ai_agent_name"),
    ),
    *_pair("workflow-", "Runs of workflows", "gen_ai_workflow_duration", WORKFLOW_BUCKETS, _WORKFLOW),
    # opentelemetry-util-genai (1.3b0) names the metric of the conventions so.
    *_pair("invoke-workflow-", "Runs of workflows", "gen_ai_invoke_workflow_duration", WORKFLOW_BUCKETS, _WORKFLOW),
)
