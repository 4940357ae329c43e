"""The examples of more libraries, run as they stand; see `test_examples`."""

from __future__ import annotations

from typing import Any

import pytest

from tests.monitoring import test_examples
from tests.monitoring.provider import FakeProvider
from tests.monitoring.test_examples import Run, counted

pytestmark = pytest.mark.takes(seconds=30)

provider = test_examples.provider
run = test_examples.run


@pytest.mark.parametrize("example", ["pydantic_ai_agent", "mcp_tools", "opentelemetry_spans"])
def test_an_agent_with_a_tool(run: Run, provider: FakeProvider, example: str) -> None:
    outcome = run(example, provider)
    counted(outcome, "support_agent", "gpt-5-mini", {"tool_call": 1, "completion": 1}, tools=1)


@pytest.mark.parametrize("example", ["pydantic_ai_agent", "mcp_tools", "opentelemetry_spans"])
@pytest.mark.parametrize(("failure", "category"), [(429, "rate_limit"), (401, "auth"), (500, "llm_error")])
def test_what_a_provider_refuses_is_counted_by_its_category(
    run: Run, provider: FakeProvider, example: str, failure: Any, category: str
) -> None:
    for _ in range(6):  # the SDKs try again by themselves
        provider.fail_next(failure)
    outcome = run(example, provider)
    assert outcome.failed
    assert outcome.value("agent_requests_total", agent_type="support_agent", status="error") == 1, outcome.stderr
    assert outcome.value("agent_errors_total", agent_type="support_agent", error_category=category) == 1
    assert outcome.value("llm_unpriced_calls_total", model="gpt-5-mini") == 0
