"""The endpoints of v3, replayed: over the observations that its answers show, and over a trace for each that they list.

Not all 74 observations of its 25 traces were recorded, and a trace is put together from its observations. So each trace
whose root is not among them gets one, made from what the list of traces says of it. Latencies and costs of such traces
are those of one observation, and are not compared; nor is when they were stored. All else is.
"""

from __future__ import annotations

from typing import Any

import pytest

from deploy.stack.standin.app import Mode, StandIn
from tests.standin.recordings import Recording, recording, recordings
from tests.standin.replay import ask, get, rows_of

FOLDER = "v3-legacy-mode"
V1 = [each for each in recordings(FOLDER) if each.name.startswith("observations_v1") and each.status == 200]
TRACES = [each for each in recordings(FOLDER) if each.name.startswith("traces_")]
NOT_COMPARED = {"latency", "totalCost", "observations", "createdAt", "updatedAt"}


def flat(metadata: dict[str, Any], prefix: str = "") -> dict[str, Any]:
    """Metadata of v1 as v2 shows it."""
    found: dict[str, Any] = {}
    for name, value in metadata.items():
        is_nested = isinstance(value, dict) and (prefix or name in ("scope", "resourceAttributes"))
        found |= flat(value, f"{prefix}{name}.") if is_nested else {f"{prefix}{name}": value}
    return found


def as_v2(row: dict[str, Any], trace: dict[str, Any]) -> dict[str, Any]:
    """An observation of v1 as v2 shows it: with the metadata of its trace."""
    texts = ("statusMessage", "version", "model", "promptId", "promptName")
    return {
        **row,
        **{key: row[key] or "" for key in texts},
        "metadata": flat(row["metadata"]) | flat(trace["metadata"]),
        "traceMetadata": [key for key in trace["metadata"] if key not in ("scope", "resourceAttributes")],
        "inputUsage": row["promptTokens"],
        "outputUsage": row["completionTokens"],
        "totalUsage": row["totalTokens"],
        **{f"{part.lower()}Cost": row[f"calculated{part}Cost"] for part in ("Input", "Output", "Total")},
        **of_trace(trace),
        "isRootObservation": row["parentObservationId"] is None,
    }


def of_trace(trace: dict[str, Any]) -> dict[str, Any]:
    shared = {key: trace[key] or "" for key in ("userId", "sessionId", "release")}
    return {**shared, "traceName": trace["name"], "tags": trace["tags"]}


def root_of(trace: dict[str, Any]) -> dict[str, Any]:
    """The root that a trace must have had."""
    plain = ("projectId", "environment", "createdAt", "updatedAt", "bookmarked", "public", "name", "input", "output")
    return {
        **{key: trace[key] for key in plain},
        **of_trace(trace),
        "id": f"root-{trace['id'][:8]}",
        "traceId": trace["id"],
        "startTime": trace["timestamp"],
        "endTime": trace["timestamp"],
        "version": trace["version"] or "",
        "metadata": flat(trace["metadata"]),
        "isRootObservation": True,
    }


def traces() -> dict[str, dict[str, Any]]:
    """Each with all that some answer shows of it. Where none shows its metadata: as the others of its agent have it."""
    found = {row["id"]: row for row in recording(FOLDER, "traces_list_core").body["data"]}
    for name in ("traces_list", "traces_filter_level_error", "traces_filter_errorcount"):
        found |= {row["id"]: row for row in recording(FOLDER, name).body["data"]}
    like = {"scope": {"name": "langfuse-sdk", "version": "5.0.4"}}
    return {id_: {**row, "metadata": row["metadata"] or {"agent": row["name"], **like}} for id_, row in found.items()}


def loaded(mode: Mode = "legacy", answers: list[Recording] = V1) -> StandIn:
    of = traces()
    rows = [as_v2(row, of[row["traceId"]]) for row in rows_of(answers)]
    with_root = {row["traceId"] for row in rows if row["isRootObservation"]}
    standin = StandIn(mode=mode)
    standin.add(rows)
    if answers is V1:
        standin.add(root_of(trace) for id_, trace in of.items() if id_ not in with_root)
    standin.add_scores(recording("v4-events-only", "scores_v3").body["data"])
    return standin


@pytest.mark.parametrize("each", V1, ids=lambda each: each.name)
def test_observations_of_v1_are_answered_as_recorded(each: Recording) -> None:
    standin = loaded()
    if each.name == "observations_v1_page":  # the second of fifteen: the first was not recorded
        standin = loaded(answers=[each])
        each = Recording(each.name, "GET", each.path, {**each.parameters, "page": 1}, 200, each.body)
    body = ask(standin, each).json()
    assert [list(row) for row in body["data"]] == [list(row) for row in each.body["data"]]
    assert in_any_order_of_ties(body["data"]) == in_any_order_of_ties(each.body["data"])
    if each.name != "observations_v1_page":
        assert body["meta"] == each.body["meta"]


def in_any_order_of_ties(rows: list[dict[str, Any]]) -> list[dict[str, Any]]:
    return sorted(rows, key=lambda row: (row["startTime"], row["id"]), reverse=True)


@pytest.mark.parametrize("each", TRACES, ids=lambda each: each.name)
def test_traces_are_answered_as_recorded(each: Recording) -> None:
    answer = ask(loaded(), each)
    body = answer.json()
    assert answer.status_code == each.status
    if each.status != 200:
        assert body == each.body
        return
    assert body["meta"] == each.body["meta"]
    assert [list(row) for row in body["data"]] == [list(row) for row in each.body["data"]]
    assert [compared(row) for row in body["data"]] == [compared(row) for row in each.body["data"]]


def compared(trace: dict[str, Any]) -> dict[str, Any]:
    shown = {key: value for key, value in trace.items() if key not in NOT_COMPARED}
    return {**shown, "scores": sorted(shown["scores"])}


def test_traces_can_be_filtered_by_their_tags_and_by_the_worst_of_their_observations() -> None:
    standin = loaded("dual")
    everything = get(standin, "/api/public/traces", {"limit": 100}).json()
    assert everything["meta"]["totalItems"] == 25
    assert {trace["latency"] >= 0 for trace in everything["data"]} == {True}
    of_a_page = get(standin, "/api/public/traces", {"limit": 10, "page": 3}).json()
    assert of_a_page["data"] == everything["data"][20:]
