"""What somebody finds in LangFuse who looks for a run there."""

from __future__ import annotations

from contextlib import suppress
from typing import Any, NamedTuple

import pytest

from slo_engine.monitoring import Prices
from tests.monitoring.world import Backend, World


def of_name(backend: Backend, trace_id: str | None, name: str) -> dict[str, Any]:
    (found,) = [row for row in backend.rows(trace_id) if row["name"] == name]
    return found


def test_the_cost_of_input_and_output_stand_beside_the_total(backend: Backend) -> None:
    tracing = backend.tracing()
    with backend.run(tracing) as run:
        run.record_llm_call("gpt-5-mini", input_tokens=1000, output_tokens=50, cached_tokens=400)
        run.record_llm_call("ours", input_tokens=10, output_tokens=5, cost_usd=0.3)
    assert tracing.flush(10)
    rates = Prices().rates("gpt-5-mini")
    assert rates is not None
    cost = of_name(backend, run.trace_id, "gpt-5-mini")["costDetails"]
    assert cost["output"] == pytest.approx(50 * rates.output / 1e6)
    assert cost["input"] + cost["output"] == pytest.approx(cost["total"])
    assert of_name(backend, run.trace_id, "ours")["costDetails"] == {"total": 0.3}  # how it is made up is not known


class ManagedPrompt(NamedTuple):
    """As the SDK's ``get_prompt`` gives it."""

    name: str
    version: int


@pytest.mark.parametrize("prompt", [ManagedPrompt("checkout", 12), ("checkout", 12)])
def test_generations_carry_their_prompt_in_langfuses_own_fields_and_the_run_in_its_metadata(
    backend: Backend, prompt: Any
) -> None:
    tracing = backend.tracing(release="r7")
    with backend.run(tracing) as run:
        run.record_llm_call("before", input_tokens=1, output_tokens=1)
        run.update(prompt=prompt)
        run.record_llm_call("after", input_tokens=1, output_tokens=1)
    assert tracing.flush(10)
    after = of_name(backend, run.trace_id, "after")
    assert (after["promptName"], after["promptVersion"]) == ("checkout", 12)
    assert not of_name(backend, run.trace_id, "before")["promptName"]
    told = of_name(backend, run.trace_id, "support_agent")["metadata"]
    assert (told["prompt_name"], told["prompt_version"], told["release"]) == ("checkout", 12, "r7")


def test_a_prompt_that_is_known_by_name_alone_is_told_by_name(backend: Backend) -> None:
    tracing = backend.tracing()
    with backend.run(tracing) as run:
        run.update(prompt="checkout")
        run.record_llm_call("m", input_tokens=1, output_tokens=1)
    assert tracing.flush(10)
    assert of_name(backend, run.trace_id, "m")["promptName"] == "checkout"


def test_the_run_of_a_failed_tool_is_found_by_its_model(backend: Backend) -> None:
    tracing = backend.tracing()
    with suppress(ValueError), backend.run(tracing) as run:
        run.record_llm_call("gpt-5-mini", input_tokens=1, output_tokens=1)
        run.record_llm_call("gpt-5-nano", input_tokens=1, output_tokens=1)
        with run.tool("search"):
            raise ValueError("away")
    assert tracing.flush(10)
    assert of_name(backend, run.trace_id, "support_agent")["metadata"]["model"] == "gpt-5-mini, gpt-5-nano"


def test_metadata_hold_nothing_of_opentelemetrys_own(backend: Backend, monkeypatch: pytest.MonkeyPatch) -> None:
    tracing = backend.tracing(environment="prod")
    with backend.run(tracing) as run:
        run.update(metadata={"tenant": "a"})
    assert tracing.flush(10)
    told = of_name(backend, run.trace_id, "support_agent")["metadata"]
    assert told["resourceAttributes.service.name"] == "support_agent"
    assert not [key for key in told if "telemetry.sdk" in key]
    monkeypatch.setenv("OTEL_SERVICE_NAME", "shop")
    monkeypatch.setenv("OTEL_RESOURCE_ATTRIBUTES", "k8s.pod.name=shop-1")
    named = backend.tracing()
    with backend.run(named) as run:
        pass
    assert named.flush(10)
    told = of_name(backend, run.trace_id, "support_agent")["metadata"]
    assert told["resourceAttributes.service.name"] == "shop"
    assert told["resourceAttributes.k8s.pod.name"] == "shop-1"


@pytest.mark.parametrize("is_late", [False, True])
def test_a_run_that_is_scored_low_is_kept_like_one_that_failed(is_late: bool) -> None:
    world = World(traced=True, sample_rate=0.0)
    assert world.tracing is not None
    world.tracing.keep_if_score_below = {"grounded": 0.5}
    for value in (0.4, 0.6):
        with world.run() as run:
            run.record_llm_call("m", input_tokens=1, output_tokens=1)
            if not is_late:
                run.add_score("grounded", value)
                run.add_score("other", 0.0)
        if is_late:
            run.add_score("grounded", value)
    assert [step.name for step in world.trace.steps] == ["agent", "m"]
    assert not world.trace.failed


def test_a_run_that_is_kept_for_its_score_stands_for_itself_alone(backend: Backend) -> None:
    tracing = backend.tracing(sample_rate=0.0, keep_if_score_below={"grounded": 0.5})
    with backend.run(tracing) as run:
        run.add_score("grounded", 0.1)
    assert tracing.flush(10)
    assert "slo_engine_sample_rate" not in of_name(backend, run.trace_id, "support_agent")["metadata"]
