"""Spans -> observations: the spans of a recorded trace are sent again, and shown as the real server showed them."""

from __future__ import annotations

import json
from datetime import datetime
from typing import Any

import pytest
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest
from opentelemetry.proto.common.v1.common_pb2 import AnyValue, ArrayValue, KeyValue

from deploy.stack.standin.otlp import observations
from tests.standin.recordings import recording

WHOLE = recording("v4-events-only-incident", "obs_whole_trace_full").body["data"]
# What the server knows of the prices of models, when it stored the row, and the project.
OF_THE_SERVER = {"createdAt", "updatedAt", "projectId", "modelId", "internalModelId", "inputPrice", "outputPrice"}
OF_THE_SERVER |= {"usagePricingTierId", "usagePricingTierName"}


def value_of(value: Any) -> AnyValue:
    if isinstance(value, list):
        return AnyValue(array_value=ArrayValue(values=[value_of(each) for each in value]))
    if isinstance(value, bool):
        return AnyValue(bool_value=value)
    if isinstance(value, int):
        return AnyValue(int_value=value)
    return AnyValue(string_value=value if isinstance(value, str) else json.dumps(value))


def pairs(values: dict[str, Any]) -> list[KeyValue]:
    return [KeyValue(key=key, value=value_of(value)) for key, value in values.items()]


def nanoseconds(time: str) -> int:
    return round(datetime.fromisoformat(time).timestamp() * 1000) * 1_000_000


def request(
    attributes: dict[str, Any], resource: dict[str, Any] | None = None, scope: str = "slo-engine", **span: Any
) -> bytes:
    message = ExportTraceServiceRequest()
    spans = message.resource_spans.add()
    spans.resource.attributes.extend(pairs(resource or {}))
    scoped = spans.scope_spans.add()
    scoped.scope.name = scope
    known = {"name": "step", "trace_id": b"t" * 16, "span_id": b"s" * 8}
    scoped.spans.add(**{**known, **span}).attributes.extend(pairs(attributes))
    body: bytes = message.SerializeToString()
    return body


def sent_again(row: dict[str, Any]) -> bytes:
    """The span that a row was made from, read off the metadata that the server shows of it."""
    parts: dict[str, dict[str, Any]] = {"resourceAttributes": {}, "attributes": {}, "scope": {}, "metadata": {}}
    for name, value in row["metadata"].items():
        group, _, rest = name.partition(".")
        parts[group if group in parts and rest else "metadata"][rest or name] = value
    said = {f"langfuse.observation.metadata.{name}": value for name, value in parts["metadata"].items()}
    io = {f"langfuse.observation.{key}": row[key] for key in ("input", "output") if row[key] is not None}
    return request(
        {**parts["attributes"], **said, **io},
        parts["resourceAttributes"],
        scope=parts["scope"]["name"],
        name=row["name"],
        trace_id=bytes.fromhex(row["traceId"]),
        span_id=bytes.fromhex(row["id"]),
        parent_span_id=bytes.fromhex(row["parentObservationId"] or ""),
        start_time_unix_nano=nanoseconds(row["startTime"]),
        end_time_unix_nano=nanoseconds(row["endTime"]),
    )


@pytest.mark.parametrize("row", WHOLE, ids=lambda row: row["name"])
def test_a_recorded_observation_comes_back_from_its_span(row: dict[str, Any]) -> None:
    (shown,) = observations(sent_again(row))
    compared = row.keys() - OF_THE_SERVER
    assert {key: shown[key] for key in compared} == {key: row[key] for key in compared}
    assert "attributes.langfuse.observation.type" in shown["metadata"]


def test_an_agent_that_works_for_another_program_is_a_root_with_a_parent() -> None:
    app_root = {"langfuse.internal.is_app_root": True, "langfuse.observation.type": "agent"}
    (agent,) = observations(request(app_root, parent_span_id=b"foreign!"))
    (tool,) = observations(request({"langfuse.observation.type": "tool"}, parent_span_id=b"s" * 8))
    assert (agent["isRootObservation"], agent["parentObservationId"]) == (True, b"foreign!".hex())
    assert not tool["isRootObservation"]


def test_a_prompt_and_the_first_token_are_shown() -> None:
    attributes = {
        "langfuse.observation.prompt.name": "support",
        "langfuse.observation.prompt.version": 12,
        "langfuse.observation.completion_start_time": json.dumps("2026-11-27T11:45:51.702Z"),
    }
    times: dict[str, Any] = {"start_time_unix_nano": nanoseconds("2026-11-27T11:45:51.452Z")}
    (row,) = observations(request(attributes, **times, end_time_unix_nano=nanoseconds("2026-11-27T11:45:52Z")))
    assert (row["promptName"], row["promptVersion"]) == ("support", 12)
    assert (row["completionStartTime"], row["timeToFirstToken"]) == ("2026-11-27T11:45:51.702Z", 0.25)


def test_metadata_that_is_json_comes_back_decoded() -> None:
    said = {"number": "4", "flag": "true", "word": "True", "quoted": '"v12"', "not_a_number": "NaN"}
    (row,) = observations(request({f"langfuse.observation.metadata.{name}": value for name, value in said.items()}))
    shown = {name: row["metadata"][name] for name in said}
    assert shown == {"number": 4, "flag": True, "word": "True", "quoted": "v12", "not_a_number": "NaN"}


def test_the_attributes_of_the_sdk_are_not_shown_as_metadata() -> None:
    attributes = {"langfuse.observation.type": "tool", "langfuse.trace.metadata.plan": '"gold"'}
    (row,) = observations(request(attributes, {"service.name": "agents"}, scope="langfuse-sdk"))
    assert row["metadata"] == {
        "plan": "gold",
        "scope.name": "langfuse-sdk",
        "resourceAttributes.service.name": "agents",
    }
