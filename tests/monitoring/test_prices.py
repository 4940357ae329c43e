"""What calls cost, and that nothing unknown is ever free."""

from __future__ import annotations

import json
import subprocess
import sys
from importlib.resources import files
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from slo_engine.monitoring import Prices
from slo_engine.monitoring.prices import Rates
from slo_engine.monitoring.usage import usage_of


@pytest.fixture(scope="module")
def bundled() -> Prices:
    return Prices(genai_prices=False)


def test_a_call_costs_what_its_tokens_cost(bundled: Prices) -> None:
    # gpt-5-mini: 0.25, 2 and 0.025 USD for a million tokens of input, output and cached input.
    assert bundled.cost("gpt-5-mini", 1_000_000, 0) == pytest.approx(0.25)
    assert bundled.cost("gpt-5-mini", 0, 1_000_000) == pytest.approx(2.0)
    assert bundled.cost("gpt-5-mini", 1_000_000, 0, 400_000) == pytest.approx(0.6 * 0.25 + 0.4 * 0.025)


def test_writing_to_a_cache_has_its_price(bundled: Prices) -> None:
    # claude-3-5-haiku: 0.8, 4, 0.08 and 1.0 to write.
    assert bundled.cost("claude-3-5-haiku", 1_000_000, 0, 200_000, 300_000) == pytest.approx(
        0.5 * 0.8 + 0.2 * 0.08 + 0.3 * 1.0
    )


def test_a_long_input_has_the_price_of_its_tier_for_all_of_it(bundled: Prices) -> None:
    # claude-sonnet-4-5: 3 and 15, above 200,000 tokens of input 6 and 22.5.
    assert bundled.cost("claude-sonnet-4-5", 200_000, 1_000) == pytest.approx(0.6 + 0.015)
    assert bundled.cost("claude-sonnet-4-5", 200_001, 1_000) == pytest.approx(200_001 * 6e-6 + 0.0225)


@pytest.mark.parametrize(
    "name",
    [
        *("gpt-5-mini", "GPT-5-mini", "gpt-5-mini-2025-08-07", "openai/gpt-5-mini", "azure/openai/gpt-5-mini"),
        "gpt-5-mini-latest",
    ],
)
def test_a_model_is_found_under_the_names_that_providers_give_it(bundled: Prices, name: str) -> None:
    assert bundled.rates(name) == bundled.rates("gpt-5-mini") is not None


@pytest.mark.parametrize(
    "name", ["claude-sonnet-4-5-20250929", "us.anthropic.claude-sonnet-4-5-20250929-v1:0", "claude-sonnet-4-5@20250929"]
)
def test_so_is_one_of_bedrock_or_vertex(bundled: Prices, name: str) -> None:
    assert bundled.rates(name) == bundled.rates("claude-sonnet-4-5") is not None


@pytest.mark.parametrize("name", ["", "unknown", "gpt-5-minimal", "our-own-model", "x" * 1_000_000, "/", "2025-08-07"])
def test_an_unknown_model_has_no_price_rather_than_0(name: str) -> None:
    assert Prices().cost(name, 1000, 1000) is None


def test_own_prices_come_first_from_a_mapping_json_or_toml(tmp_path: Path) -> None:
    own = {"gpt-5-mini": {"input": 1, "output": 2}, "our-llama": {"input": 0.2, "output": 0.6, "cached": 0.05}}
    as_json, as_toml = tmp_path / "prices.json", tmp_path / "prices.toml"
    as_json.write_text(json.dumps(own))
    as_toml.write_text("[gpt-5-mini]\ninput = 1\noutput = 2\n[our-llama]\ninput = 0.2\noutput = 0.6\ncached = 0.05\n")
    sources: list[Any] = [own, as_json, str(as_toml)]
    for source in sources:
        prices = Prices(source)
        assert prices.cost("gpt-5-mini", 1_000_000, 1_000_000) == pytest.approx(3.0)
        assert prices.cost("our-llama", 1_000_000, 0, 1_000_000) == pytest.approx(0.05)
        assert prices.cost("gpt-5", 1_000_000, 0) is not None  # the others are as they were


def test_own_prices_hold_for_dated_and_prefixed_names_too() -> None:
    prices = Prices({"gpt-5-mini": {"input": 1000, "output": 1000}})
    for name in ("gpt-5-mini", "gpt-5-mini-2025-08-07", "openai/gpt-5-mini"):
        assert prices.cost(name, 1000, 0) == pytest.approx(1.0)


@pytest.mark.parametrize("name", ["text-embedding-3-small", "openai/text-embedding-3-large", "gemini-embedding-001"])
def test_embeddings_have_a_price(name: str) -> None:
    assert (Prices().cost(name, 1_000_000, 0) or 0) > 0


@pytest.mark.parametrize(
    ("own", "says"),
    [
        ({"m": {"input": 1}}, "m: output is missing"),
        ({"m": {"input": 1, "output": -1}}, "output is -1"),
        ({"m": {"input": 1, "output": float("nan")}}, "output is nan"),
        ({"m": {"input": "cheap", "output": 1}}, "input is 'cheap'"),
        ({"m": {"input": True, "output": 1}}, "input is True"),
        ({"m": {"input": 1, "output": 1, "inputs": 2}}, "inputs: the keys are input, output, cached, cache_write"),
        ({"m": 3}, "m: expected"),
        ([1], "expected a mapping"),
    ],
)
def test_own_prices_that_are_none_are_refused_with_what_to_write(own: Any, says: str) -> None:
    with pytest.raises(ValueError, match=says):
        Prices(own)


def test_a_file_that_is_no_json_is_refused_by_its_name(tmp_path: Path) -> None:
    path = tmp_path / "prices.json"
    path.write_text("input: 3")
    with pytest.raises(ValueError, match=r"prices\.json.*as JSON"):
        Prices(path)
    with pytest.raises(FileNotFoundError):
        Prices(tmp_path / "absent.json")


def test_the_rates_are_those_that_genai_prices_itself_reckons_with() -> None:
    import genai_prices

    prices = Prices()
    for model in ("gpt-5-mini", "gpt-4o", "claude-sonnet-4-5", "claude-3-5-haiku", "gemini-2.5-pro", "mistral-large"):
        for tokens, cached in ((1000, 0), (1000, 400), (150_000, 100), (250_000, 1000)):
            usage = genai_prices.Usage(input_tokens=tokens, output_tokens=777, cache_read_tokens=cached)
            exact = float(genai_prices.calc_price(usage, model).total_price)
            assert prices.cost(model, tokens, 777, cached) == pytest.approx(exact, rel=1e-9), (model, tokens)


def test_the_bundled_table_says_where_it_is_from_and_agrees_with_its_source() -> None:
    table = json.loads((files("slo_engine.monitoring") / "prices.json").read_text())
    assert "MIT" in table["source"]
    assert table["as_of"] > "2026"
    current, bundled = Prices(), Prices(genai_prices=False)
    for model in ("gpt-5-mini", "claude-sonnet-4-5", "gemini-2.5-pro"):
        assert bundled.rates(model) == current.rates(model)


def test_nothing_is_fetched_from_anywhere() -> None:
    source = """
import socket
def refuse(*arguments, **options):
    raise AssertionError("a connection was opened")
socket.socket.connect = refuse
socket.getaddrinfo = refuse
from slo_engine.monitoring import Prices, monitor_agent
assert Prices().cost("gpt-5-mini", 1000, 10) > 0
"""
    subprocess.run([sys.executable, "-c", source], check=True, timeout=60)


@given(
    tokens=st.integers(min_value=0, max_value=10**7),
    cached=st.integers(min_value=0, max_value=10**7),
    written=st.integers(min_value=0, max_value=10**7),
    output=st.integers(min_value=0, max_value=10**6),
)
def test_no_call_costs_less_than_nothing_or_more_than_its_dearest_tokens(
    tokens: int, cached: int, written: int, output: int
) -> None:
    rates = Rates(3.0, 15.0, 0.3, 3.75)
    cost = rates.cost(tokens, output, cached, written)
    assert 0 <= cost <= (tokens * 3.75 + output * 15.0) * 1e-6 * (1 + 1e-9)


@pytest.mark.parametrize(
    "name",
    [
        *("ollama/deepseek-r1", "ollama_chat/gpt-oss:20b", "vllm/deepseek-chat", "lm_studio/command-r"),
        *("hosted_vllm/meta-llama/Llama-3.3-70B", "llamafile/gpt-4o", "my-gpt-4o", "our-proxy/gpt-4o"),
        "my-claude-sonnet-4-5-proxy",
    ],
)
def test_what_runs_on_ones_own_machine_is_never_at_the_price_of_a_cloud(name: str) -> None:
    assert Prices().rates(name) is None
    assert Prices(genai_prices=False).rates(name) is None
    assert Prices({name: {"input": 0, "output": 0}}).cost(name, 1000, 1000) == 0


@pytest.mark.parametrize(
    ("answer", "cost"),
    [
        ({"model": "deepseek-r1", "prompt_eval_count": 1000, "eval_count": 1000}, None),  # of Ollama
        ({"usage": {"inputTokens": 1000, "outputTokens": 1000}, "serviceTier": {"type": "flex"}}, None),  # of Bedrock
        ({"usage": {"inputTokens": 1000, "outputTokens": 1000}, "serviceTier": {"type": "default"}}, 0.018),
        (
            {
                "model": "sonar",
                "usage": {"prompt_tokens": 1000, "completion_tokens": 1000, "cost": {"total_cost": 0.007}},
            },
            0.007,
        ),
    ],
)
def test_what_an_answer_says_of_its_price_is_heard(answer: dict[str, Any], cost: float | None) -> None:
    usage = usage_of(answer)
    assert usage is not None
    if usage.cost_usd is None:
        model = usage.model or "claude-sonnet-4-5"
        usage.cost_usd = Prices().cost_with(model, usage.input_tokens, usage.output_tokens, usage.details())
    assert usage.cost_usd == (None if cost is None else pytest.approx(cost))


def test_what_runs_here_has_the_price_that_you_say() -> None:
    usage = usage_of({"model": "deepseek-r1", "prompt_eval_count": 1000, "eval_count": 1000})
    assert usage is not None
    own = Prices({"deepseek-r1": {"input": 1, "output": 1}})
    assert own.cost_with("deepseek-r1", 1000, 1000, usage.details()) == pytest.approx(0.002)


@pytest.mark.parametrize(
    "name", ["deepseek/deepseek-r1:free", "meta-llama/llama-3.3-70b-instruct:free", "google/gemini-2.0-flash-exp:free"]
)
def test_what_is_free_costs_nothing(name: str) -> None:
    assert Prices().cost(name, 1000, 1000) == 0


@pytest.mark.parametrize(
    ("name", "input_price", "output_price"),
    [
        *(("gpt-4o-2024-05-13", 5, 15), ("gpt-4o", 2.5, 10), ("o1-preview", 15, 60), ("o3-pro", 20, 80)),
        *(("ft:gpt-4o-mini-2024-07-18:org::id", 0.3, 1.2), ("ft:gpt-4.1-2025-04-14:org::id", 3, 12)),
        *(("gpt-3.5-turbo-0301", 1.5, 2), ("gpt-3.5-turbo-16k", 3, 4), ("gpt-4", 30, 60), ("gpt-4-32k", 60, 120)),
        *(("us.anthropic.claude-sonnet-4-20250514-v1:0", 3, 15), ("azure/gpt-4o", 2.5, 10)),
        *(("claude-3-haiku-20240307", 0.25, 1.25), ("gemini-2.5-flash-lite-preview-06-17", 0.1, 0.4)),
        *(("groq/llama-3.3-70b-versatile", 0.59, 0.79), ("openrouter/openai/gpt-4o", 2.5, 10)),
        ("bedrock/us.anthropic.claude-sonnet-4-5-20250929-v1:0", 3.3, 16.5),
    ],
)
def test_a_model_has_the_price_of_its_provider(name: str, input_price: float, output_price: float) -> None:
    rates = Prices().rates(name)
    assert rates is not None
    assert (rates.input, rates.output) == (input_price, output_price)


@pytest.mark.parametrize(
    "name", ["together_ai/deepseek-ai/DeepSeek-R1", "deepseek-ai/DeepSeek-R1", "deepinfra/deepseek-ai/DeepSeek-V3"]
)
def test_a_model_that_others_sell_is_never_at_its_makers_price(name: str) -> None:
    assert Prices().rates(name) is None


def test_a_fine_tuned_model_is_never_at_the_price_of_what_it_was_made_from() -> None:
    for prices in (Prices(), Prices(genai_prices=False)):
        tuned, base = prices.rates("ft:gpt-4.1-mini:org::1"), prices.rates("gpt-4.1-mini")
        assert tuned is not None
        assert base is not None
        assert tuned.input > base.input
        assert prices.rates("ft:something-new:org::1") is None


def test_the_tier_of_a_service_has_its_price_or_none(bundled: Prices) -> None:
    listed = Prices().rates("gpt-5.5")
    for tier in (None, "default", "standard", "auto", "ON_DEMAND"):
        assert Prices().rates("gpt-5.5", tier) == listed
    flex = Prices().rates("gpt-5.5", "flex")
    assert listed is not None
    assert flex is not None
    assert flex.input < listed.input
    assert Prices().rates("gpt-5.5", "a-new-one") is None
    assert bundled.rates("gpt-5.5", "flex") is None  # the small table has one price of each
    assert bundled.rates("gpt-5.5", "default") == bundled.rates("gpt-5.5")


def test_what_is_written_for_an_hour_has_a_price_of_its_own(bundled: Prices) -> None:
    assert bundled.cost("claude-haiku-4-5", 1_000_000, 0, 0, 1_000_000, 1_000_000) == pytest.approx(2.0)
    assert bundled.cost("claude-haiku-4-5", 1_000_000, 0, 0, 1_000_000, 400_000) == pytest.approx(0.4 * 2 + 0.6 * 1.25)
    assert Rates(3.0, 15.0).cost(1_000_000, 0, 0, 1_000_000, 1_000_000) == pytest.approx(6.0)
