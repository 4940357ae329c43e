"""Which step of a failed run is to blame."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from slo_engine.evidence.failing_step import Verdicts, culprit, failed_calls, failed_runs
from slo_engine.traces import Observation
from tests.evidence.world import failed_run, observation, step


def verdicts(*rows: Observation, **options: object) -> Verdicts:
    """Of traces that are known as a whole, unless told otherwise."""
    roots, steps = [row for row in rows if row.is_root], [row for row in rows if not row.is_root]
    whole = {root.trace_id: [each for each in roots if each.trace_id == root.trace_id] for root in roots}
    return failed_runs(roots, steps, **{"others": whole, **options})  # type: ignore[arg-type]


def blamed(*rows: Observation) -> list[str]:
    return [failure.step.name for failure in verdicts(*rows).failures]


def test_a_run_that_caught_a_tools_error_has_not_failed() -> None:
    assert blamed(step("recovered", "crm"), *failed_run("failed", tool="search")) == ["search"]


def test_a_run_that_failed_by_itself_is_to_blame_itself() -> None:
    assert blamed(observation("t")) == ["support_agent"]


def test_the_deepest_failing_step_is_to_blame_though_its_wrapper_began_in_the_same_millisecond() -> None:
    wrapper = step("t", "tools", kind="CHAIN", message="GraphBubbleUp", at=-59.0)
    tool = step("t", "web_search", parent=wrapper.id, message="connection refused", at=-59.0)
    assert blamed(observation("t", message="failed"), wrapper, tool) == ["web_search"]


def test_a_step_below_steps_that_did_not_fail_had_its_error_caught() -> None:
    inside = step("t", "inner", parent="a-healthy-step", message="caught", at=-59.9, seconds=0.2)
    outside = step("t", "crm", message="not caught", at=-59.5, seconds=0.4)
    assert blamed(observation("t", message="failed"), inside, outside) == ["crm"]


def test_among_siblings_side_by_side_the_one_that_ended_first_is_to_blame() -> None:
    first = step("t", "crm", message="refused", at=-59.9, seconds=0.3)
    second = step("t", "search", message="timed out", at=-59.95, seconds=0.9)
    assert blamed(observation("t", message="failed"), second, first) == ["crm"]


def test_a_step_whose_message_the_run_repeats_is_to_blame_whenever_it_was() -> None:
    early = step("t", "crm", message="customer 17 is unknown", at=-59.9, seconds=0.1)
    late = step("t", "cleanup", message="no session left", at=-59.5, seconds=0.1)
    root = observation("t", message="AgentError: customer 17 is unknown")
    assert blamed(root, late, early) == ["crm"]


def test_a_run_that_went_on_after_a_step_had_caught_its_error() -> None:
    early = step("t", "cache", message="miss", at=-59.9, seconds=0.1)
    late = step("t", "crm", message="refused", at=-59.5, seconds=0.4)
    assert blamed(observation("t", message="failed"), early, late) == ["crm"]


@pytest.mark.parametrize(
    "message", ["CancelledError", "asyncio.exceptions.CancelledError: ", "Cancelled by cancel scope"]
)
def test_a_sibling_that_was_cancelled_is_no_cause(message: str) -> None:
    cancelled = step("t", "search", message=message, at=-59.9, seconds=0.2)
    cause = step("t", "crm", message="refused", at=-59.9, seconds=0.2)
    assert blamed(observation("t", message="failed"), cancelled, cause) == ["crm"]


def test_a_run_that_was_cancelled_as_a_whole_is_to_blame_itself_and_not_the_tool_that_ran() -> None:
    cancelled = step("t", "search", message="CancelledError")
    assert blamed(observation("t", message="CancelledError"), cancelled) == ["support_agent"]


@pytest.mark.parametrize(
    "message", ["GraphInterrupt(...)", "GraphBubbleUp", "NodeInterrupt: approve the refund", "ApprovalRequired: refund"]
)
def test_a_run_that_waits_for_a_person_has_not_failed(message: str) -> None:
    found = verdicts(observation("t", message=message), step("t", "ask_human", message=message))
    assert (found.failures, [row.trace_id for row in found.waiting]) == ((), ["t"])


def test_an_interrupted_system_call_waits_for_nobody() -> None:
    assert blamed(observation("t", message="InterruptedError: [Errno 4] Interrupted system call")) == ["support_agent"]


def test_a_root_below_a_span_of_a_web_framework_is_a_run() -> None:
    assert blamed(observation("t", parent="fastapi", root=True), step("t", "web_search")) == ["web_search"]


def test_a_top_level_step_that_failed_beside_a_healthy_run_was_caught() -> None:
    lookup = observation("t", "cache_lookup", kind="SPAN", trace_name=None)
    run = observation("t", level="DEFAULT")
    found = verdicts(lookup, others={"t": [lookup, run]})
    assert found == Verdicts()


def test_of_a_top_level_step_that_nothing_shows_to_be_the_run_it_is_not_said_that_the_run_failed() -> None:
    lookup = observation("t", "cache_lookup", kind="SPAN", trace_name=None)
    found = verdicts(lookup, others={"t": [lookup]}, named=["support_agent"])
    assert (found.failures, [each.step.name for each in found.uncertain]) == ((), ["cache_lookup"])


@pytest.mark.parametrize(
    "root",
    [
        observation("t", "handle", kind="AGENT", trace_name=None),
        observation("t", "support_agent", kind="SPAN", trace_name=None),
        observation("t", "handle", kind="SPAN", trace_name="handle"),
    ],
    ids=["its type", "the agent's name", "the trace's name"],
)
def test_what_shows_that_a_root_is_the_run(root: Observation) -> None:
    assert len(verdicts(root, named=["support_agent"]).failures) == 1


def test_beside_a_failed_run_another_top_level_step_is_one_of_its_steps() -> None:
    lookup = observation("t", "lookup", kind="SPAN", message="gone", at=-59.5, seconds=0.2)
    assert blamed(observation("t", message="it is gone: gone"), lookup) == ["lookup"]


def test_failing_calls_count_whatever_became_of_their_runs() -> None:
    found = failed_calls(
        [step("recovered", "crm"), step("failed", "crm"), step("w", "crm", message="GraphInterrupt()")]
    )
    assert [failure.step.trace_id for failure in found.failures] == ["recovered", "failed"]
    assert len(found.waiting) == 1


NAMES = st.sampled_from(["a", "b", "c", "d", "e"])


@given(
    st.lists(
        st.tuples(NAMES, NAMES, st.floats(-5, 5), st.sampled_from(["boom", "CancelledError", "GraphInterrupt", ""])),
        unique_by=lambda each: each[0],
    )
)
def test_somebody_is_always_to_blame_even_in_circles(steps: list[tuple[str, str, float, str]]) -> None:
    root = observation("t", message="failed")
    rows = [
        step("t", name, id=name, parent=parent, seconds=seconds, message=message)
        for name, parent, seconds, message in steps
    ]
    assert culprit(root, rows) in [root, *rows]
    assert culprit(root, rows[::-1]) == culprit(root, rows)
