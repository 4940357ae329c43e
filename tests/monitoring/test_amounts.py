"""Amounts that no counter can take: refused, counted, told once, and nothing is cheaper for them."""

from __future__ import annotations

import math
from decimal import Decimal
from typing import Any, Final

import pytest

from slo_engine.monitoring.run import OutsideRun
from tests.monitoring.world import World

BAD: Final = [math.nan, math.inf, -1, 2**60, "12", Decimal("NaN")]


@pytest.mark.parametrize("bad", [*BAD, None], ids=repr)
@pytest.mark.parametrize("kind", ["input_tokens", "output_tokens", "cached_tokens", "cache_write_tokens"])
def test_a_call_with_tokens_that_are_refused_is_unpriced_and_never_cheaper(bad: Any, kind: str) -> None:
    world = World()
    tokens = {"input_tokens": 100, "output_tokens": 10, kind: bad}
    with world.run() as run:
        run.record_llm_call("gpt-5-mini", **tokens)
        run.record_llm_call("own-price", cost_usd=0.5, **tokens)
    is_known = bad is None and kind.startswith("cache")  # not told: none of them
    assert world.value("llm_unpriced_calls_total", model="gpt-5-mini") == (0 if is_known else 1)
    assert (world.value("llm_cost_usd_total", model="gpt-5-mini", agent_type="agent") is not None) == is_known
    assert world.value("agent_monitoring_dropped_total", reason="bad_amount") == (0 if is_known else 2)
    assert world.value("llm_cost_usd_total", model="own-price", agent_type="agent") == 0.5
    assert world.value("agent_monitoring_dropped_total", reason="internal") == 0


@pytest.mark.parametrize("bad", [math.nan, -1, "12 USD"])
def test_a_cost_that_is_refused_is_that_of_the_tokens(bad: Any) -> None:
    world = World()
    with world.run() as run:
        run.record_llm_call("gpt-5-mini", input_tokens=1_000_000, cost_usd=bad)
        run.record_llm_call("nobody-knows-me", input_tokens=1_000_000, cost_usd=bad)
    assert world.value("llm_cost_usd_total", model="gpt-5-mini", agent_type="agent") == pytest.approx(0.25)
    assert world.value("llm_unpriced_calls_total", model="nobody-knows-me") == 1
    assert world.value("agent_monitoring_dropped_total", reason="bad_amount") == 2


@pytest.mark.parametrize(
    ("told", "says"),
    [
        ({"input_tokens": math.nan}, "input_tokens of m: nan"),
        ({"output_tokens": "a secret"}, "output_tokens of m: a str"),
        ({"cached_tokens": -(10**5000), "input_tokens": 1}, "cached_tokens of m: a int"),
        ({"seconds": -1.5}, "seconds of m: -1.5"),
        ({"time_to_first_token": math.inf}, "time_to_first_token of m: inf"),
        ({"cost_usd": None, "input_tokens": None}, "input_tokens of m: None"),
    ],
)
def test_an_amount_that_is_refused_is_told_once(
    told: dict[str, Any], says: str, caplog: pytest.LogCaptureFixture
) -> None:
    world = World()
    with world.run() as run:
        for _ in range(3):
            run.record_llm_call("m", **told)
        run.add_score("helpful", math.nan)
    (message,) = caplog.messages
    assert message.startswith(f"{says} cannot be counted, and is refused; the agent is not affected")
    assert world.value("agent_monitoring_dropped_total", reason="bad_amount") == 4


def test_a_score_that_is_no_agents_is_told_as_such(caplog: pytest.LogCaptureFixture) -> None:
    world = World()
    OutsideRun(world.metrics).add_score("helpful", 1)
    (message,) = caplog.messages
    assert message.startswith("a score outside of any run is no agent's, and is not counted")
    assert world.value("agent_monitoring_dropped_total", reason="bad_amount") == 0
    assert world.value("agent_monitoring_dropped_total", reason="internal") == 1


@pytest.mark.parametrize("bad", BAD, ids=repr)
def test_an_amount_that_is_refused_costs_a_trace_nothing_else(bad: Any) -> None:
    world = World(traced=True)
    with world.run() as run:
        run.record_llm_call("m", input_tokens=bad, output_tokens=1, seconds=bad, time_to_first_token=bad, output="text")
        run.record_tool_call("search", "success", seconds=bad)
    root, generation, tool = world.trace.steps
    assert generation.end_ns >= generation.start_ns
    assert generation.output == "text"
    assert generation.attributes is not None
    assert generation.attributes["usage_details"]["output"] == 1
    assert "cost_details" not in generation.attributes
    assert tool.end_ns >= root.start_ns
    assert world.value("agent_tool_calls_total", tool_name="search", status="success") == 1
    assert world.value("agent_monitoring_dropped_total", reason="internal") == 0
