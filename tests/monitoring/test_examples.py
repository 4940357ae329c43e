"""The examples, run as they stand, against a local fake of the providers and a stand-in for LangFuse."""

from __future__ import annotations

import json
import os
import subprocess
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import pytest
from prometheus_client.parser import text_string_to_metric_families

from deploy.stack.standin.app import StandIn
from tests.monitoring.provider import FakeProvider, Usage
from tests.monitoring.warm import WarmProgram
from tests.monitoring.world import PUBLIC_KEY, SECRET_KEY, langfuse

pytestmark = pytest.mark.takes(seconds=60)

ROOT = Path(__file__).parent.parent.parent
# What Prometheus would scrape.
AND_SHOW = """
from prometheus_client import generate_latest
print("--- metrics")
print(generate_latest().decode())
"""
INPUT, CACHED, OUTPUT, REASONING = 1000, 400, 50, 20


class Outcome:
    """What an example left behind."""

    def __init__(self, done: subprocess.CompletedProcess[str], standin: StandIn) -> None:
        self.answer, _, metrics = done.stdout.partition("--- metrics\n")
        self.failed = done.returncode != 0
        self.stderr = done.stderr
        self.rows = standin.rows()
        self._samples = {
            (sample.name, frozenset(sample.labels.items())): sample.value
            for family in text_string_to_metric_families(metrics)
            for sample in family.samples
        }

    def value(self, name: str, **labels: str) -> float:
        return self._samples.get((name, frozenset(labels.items())), 0.0)

    def kinds(self) -> dict[str, int]:
        return {kind: sum(row["type"] == kind for row in self.rows) for kind in ("AGENT", "GENERATION", "TOOL")}


@pytest.fixture
def provider() -> Iterator[FakeProvider]:
    with FakeProvider() as provider:
        provider.usage = Usage(input=INPUT, cached=CACHED, cache_write=0, output=OUTPUT, reasoning=REASONING)
        yield provider


Run = Callable[[str, FakeProvider], Outcome]


@pytest.fixture(scope="module")
def run(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Run]:
    """Runs an example as a program."""
    programs: dict[str, WarmProgram] = {}
    with ExitStack() as stack:

        def run(example: str, provider: FakeProvider) -> Outcome:
            if example not in programs:
                folder, file = tmp_path_factory.mktemp(example), ROOT / "examples" / f"{example}.py"
                programs[example] = stack.enter_context(WarmProgram(file, AND_SHOW, folder=folder, cwd=ROOT))
            return _run(programs[example], provider)

        yield run


def _run(program: WarmProgram, provider: FakeProvider) -> Outcome:
    with langfuse() as (standin, url):
        environment = {
            "PATH": "",
            "HOME": os.environ.get("HOME", "/"),
            "OPENAI_API_KEY": "sk-local",
            "OPENAI_BASE_URL": f"{provider.url}/v1",
            "OPENAI_API_BASE": f"{provider.url}/v1",
            "ANTHROPIC_API_KEY": "sk-ant-local",
            "ANTHROPIC_BASE_URL": provider.url,
            "ANTHROPIC_API_BASE": provider.url,
            "LANGFUSE_PUBLIC_KEY": PUBLIC_KEY,
            "LANGFUSE_SECRET_KEY": SECRET_KEY,
            "LANGFUSE_BASE_URL": url,
        }
        done = program.run(environment)
        return Outcome(done, standin)


def counted(outcome: Outcome, agent: str, model: str, calls: dict[str, int], tools: int) -> None:
    """Metrics and trace agree with what the fake has answered."""
    assert not outcome.failed, outcome.stderr
    assert outcome.value("agent_requests_total", agent_type=agent, status="success") == 1
    for call_type, number in calls.items():
        assert outcome.value("llm_api_calls_total", model=model, call_type=call_type) == number
    total = sum(calls.values())
    tokens = {
        kind: outcome.value("llm_tokens_used_total", model=model, token_type=kind)
        for kind in ("input", "output", "cached")
    }
    assert tokens == {"input": INPUT * total, "output": OUTPUT * total, "cached": CACHED * total}
    assert outcome.value("llm_call_duration_seconds_count", model=model) == total
    assert outcome.value("llm_cost_usd_total", model=model, agent_type=agent) > 0
    assert outcome.value("llm_unpriced_calls_total", model=model) == 0
    assert outcome.value("agent_tool_calls_total", tool_name="search", status="success") == tools
    assert outcome.kinds() == {"AGENT": 1, "GENERATION": total, "TOOL": tools}
    assert len({row["traceId"] for row in outcome.rows}) == 1
    assert {row["level"] for row in outcome.rows} == {"DEFAULT"}
    for row in outcome.rows:
        if row["type"] == "GENERATION":
            assert row["usageDetails"]["input"] == INPUT - CACHED
            assert row["usageDetails"]["input_cached_tokens"] == CACHED
            assert row["model"] == model
            assert row["totalCost"] > 0


def test_openai_with_a_tool_and_a_stream(run: Run, provider: FakeProvider) -> None:
    outcome = run("openai_client", provider)
    counted(outcome, "support_agent", "gpt-5-mini", {"tool_call": 1, "completion": 1}, tools=1)
    assert outcome.value("llm_time_to_first_token_seconds_count", model="gpt-5-mini") == 1
    answers = [row["output"] for row in outcome.rows if row["type"] == "AGENT"]
    assert answers == [outcome.answer.strip()]


def test_anthropic_with_a_tool_and_a_stream(run: Run, provider: FakeProvider) -> None:
    outcome = run("anthropic_client", provider)
    counted(outcome, "support_agent", "claude-sonnet-5", {"tool_call": 1, "completion": 1}, tools=1)


def test_litellm_over_two_providers(run: Run, provider: FakeProvider) -> None:
    outcome = run("litellm_calls", provider)
    assert not outcome.failed, outcome.stderr
    for model in ("gpt-5-mini", "claude-sonnet-5"):
        assert outcome.value("llm_api_calls_total", model=model, call_type="completion") == 1
        assert outcome.value("llm_tokens_used_total", model=model, token_type="input") == INPUT
        assert outcome.value("llm_cost_usd_total", model=model, agent_type="jury_agent") > 0
    assert outcome.kinds() == {"AGENT": 1, "GENERATION": 2, "TOOL": 0}
    assert outcome.value("agent_score_count", agent_type="jury_agent", score_name="agreement") == 1


def test_the_openai_agents_sdk(run: Run, provider: FakeProvider) -> None:
    outcome = run("openai_agents_sdk", provider)
    counted(outcome, "support_agent", "gpt-5-mini", {"tool_call": 1, "completion": 1}, tools=1)


def test_langgraph(run: Run, provider: FakeProvider) -> None:
    outcome = run("langgraph_agent", provider)
    counted(outcome, "support_agent", "gpt-5-mini", {"tool_call": 1, "completion": 1}, tools=1)


@pytest.mark.parametrize(
    ("failure", "category", "status"),
    [
        (429, "rate_limit", "error"),
        (401, "auth", "error"),
        ("context_length_exceeded", "context_length", "error"),
        ("content_filter", "content_filter", "error"),
        (500, "llm_error", "error"),
    ],
)
@pytest.mark.parametrize(
    "example", ["openai_client", "anthropic_client", "litellm_calls", "openai_agents_sdk", "langgraph_agent"]
)
def test_what_a_provider_refuses_is_counted_by_its_category(
    run: Run, provider: FakeProvider, example: str, failure: Any, category: str, status: str
) -> None:
    for _ in range(6):  # the SDKs try again by themselves
        provider.fail_next(failure)
    outcome = run(example, provider)
    agent = "jury_agent" if example == "litellm_calls" else "support_agent"
    assert outcome.failed
    assert outcome.value("agent_requests_total", agent_type=agent, status=status) == 1, outcome.stderr[-2000:]
    assert outcome.value("agent_errors_total", agent_type=agent, error_category=category) == 1
    levels = {row["type"]: row["level"] for row in outcome.rows}
    assert levels["AGENT"] == "ERROR"
    assert levels["GENERATION"] == "ERROR"
    assert json.dumps(outcome.rows).count("sk-local") == 0
    assert outcome.value("llm_unpriced_calls_total", model="gpt-5-mini") == 0
