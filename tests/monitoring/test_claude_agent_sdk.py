"""The Claude Agent SDK, with a transport that answers what the CLI would."""

from __future__ import annotations

import asyncio
import json
import subprocess
import sys
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import claude_agent_sdk
import pytest
from claude_agent_sdk import ClaudeSDKClient, ProcessError, ResultError, ResultMessage, Transport, query

from deploy.stack.standin.app import StandIn
from slo_engine.monitoring.integrations.claude_agent_sdk import monitor_claude, monitor_messages
from tests.monitoring import provider as fake
from tests.monitoring.provider import ANSWER, FakeProvider, Usage
from tests.monitoring.test_examples import AND_SHOW, Outcome
from tests.monitoring.world import World

MODEL = "claude-sonnet-5"


class Cli(Transport):
    """Says its lines of a turn each time it is asked, and fails at the end if it is told to."""

    def __init__(self, *turns: list[dict[str, Any]], error: Exception | None = None) -> None:
        self._turns = list(turns)
        self._lines: asyncio.Queue[dict[str, Any] | Exception | None] = asyncio.Queue()
        self._error = error

    async def connect(self) -> None: ...

    async def close(self) -> None: ...

    def is_ready(self) -> bool:
        return True

    async def write(self, data: str) -> None:
        line = json.loads(data)
        if line["type"] == "control_request":
            response = {"subtype": "success", "request_id": line["request_id"], "response": {}}
            self._lines.put_nowait({"type": "control_response", "response": response})
        elif line["type"] == "user":
            for each in self._turns.pop(0):
                self._lines.put_nowait(each)
            if self._error is not None:
                self._lines.put_nowait(self._error)

    async def end_input(self) -> None:
        self._lines.put_nowait(None)

    async def read_messages(self) -> AsyncIterator[dict[str, Any]]:
        while (line := await self._lines.get()) is not None:
            if isinstance(line, Exception):
                raise line
            yield line


def usage(asked: int, said: int, read: int = 0, written: int = 0) -> dict[str, Any]:
    cache = {"cache_read_input_tokens": read, "cache_creation_input_tokens": written}
    return {"input_tokens": asked, "output_tokens": said} | cache


def assistant(message_id: str, block: dict[str, Any], used: dict[str, Any], model: str = MODEL) -> dict[str, Any]:
    message = {"id": message_id, "role": "assistant", "model": model, "content": [block], "usage": used}
    return {"type": "assistant", "message": message, "session_id": "s", "parent_tool_use_id": None}


def text(message_id: str, said: str, used: dict[str, Any], model: str = MODEL) -> dict[str, Any]:
    return assistant(message_id, {"type": "text", "text": said}, used, model)


def tool_use(message_id: str, tool: str, call: str, used: dict[str, Any]) -> dict[str, Any]:
    return assistant(message_id, {"type": "tool_use", "id": call, "name": tool, "input": {"q": "parcel"}}, used)


def tool_result(call: str, content: str, *, is_error: bool = False) -> dict[str, Any]:
    block = {"type": "tool_result", "tool_use_id": call, "content": content, "is_error": is_error}
    return {"type": "user", "message": {"role": "user", "content": [block]}, "session_id": "s"}


def model_usage(asked: int, said: int, cost: float, read: int = 0, written: int = 0) -> dict[str, Any]:
    cache = {"cacheReadInputTokens": read, "cacheCreationInputTokens": written}
    return {"inputTokens": asked, "outputTokens": said, "costUSD": cost} | cache


def result(cost: float | None, models: dict[str, Any] | None, **more: Any) -> dict[str, Any]:
    head = {"type": "result", "subtype": "success", "duration_ms": 3000, "duration_api_ms": 2000, "num_turns": 2}
    about = {"is_error": False, "session_id": "s", "result": "done", "total_cost_usd": cost, "modelUsage": models}
    return head | about | more


FIRST = usage(10, 1, read=4000, written=100)
SECOND = usage(20, 2, read=4100)
# Two steps: the first says something and calls two tools, in three messages.
TURN = [
    {"type": "system", "subtype": "init", "model": MODEL, "session_id": "s"},
    text("msg_1", "I look.", FIRST),
    tool_use("msg_1", "Bash", "toolu_1", FIRST),
    tool_use("msg_1", "Read", "toolu_2", FIRST),
    tool_result("toolu_1", "no such file", is_error=True),
    tool_result("toolu_2", "found"),
    text("msg_2", "It is there.", SECOND),
]
USED = model_usage(30, 90, 0.02, read=8100, written=100)


@pytest.fixture
def world() -> World:
    return World(traced=True)


def ask(world: World, cli: Cli) -> list[Any]:
    async def run() -> list[Any]:
        with world.run():
            return [message async for message in monitor_messages(query(prompt="Where?", transport=cli))]

    return asyncio.run(run())


def calls(world: World, call_type: str = "completion", model: str = MODEL) -> float:
    return world.value("llm_api_calls_total", model=model, call_type=call_type) or 0.0


def tokens(world: World, model: str = MODEL) -> dict[str, float]:
    kinds = ("input", "output", "cached", "cache_write")
    return {kind: world.value("llm_tokens_used_total", model=model, token_type=kind) or 0.0 for kind in kinds}


def cost(world: World, model: str = MODEL) -> float | None:
    return world.value("llm_cost_usd_total", model=model, agent_type="agent")


def tools(world: World, tool: str, status: str) -> float:
    return world.value("agent_tool_calls_total", tool_name=tool, status=status) or 0.0


ALL = {"input": 8230.0, "output": 90.0, "cached": 8100.0, "cache_write": 100.0}


def test_a_run_s_steps_share_what_its_result_says(world: World) -> None:
    messages = ask(world, Cli([*TURN, result(0.02, {MODEL: USED})]))
    assert [type(message).__name__ for message in messages[-2:]] == ["AssistantMessage", "ResultMessage"]
    assert (calls(world, "tool_call"), calls(world)) == (1, 1)
    assert tokens(world) == ALL
    assert cost(world) == pytest.approx(0.02)
    assert world.value("llm_call_duration_seconds_sum", model=MODEL) == pytest.approx(2.0)
    assert world.value("agent_cost_per_request_usd_sum", agent_type="agent", model=MODEL) == pytest.approx(0.02)
    generations = [step for step in world.trace.steps if step.kind == "generation"]
    assert [each.attributes["usage_details"]["input_cached_tokens"] for each in generations if each.attributes] == [
        4000,
        4100,
    ]


def test_tools_end_as_their_results_say(world: World) -> None:
    ask(world, Cli([*TURN, result(0.02, {MODEL: USED})]))
    assert (tools(world, "Bash", "failure"), tools(world, "Read", "success")) == (1, 1)
    assert [step.output for step in world.trace.steps if step.kind == "tool"] == ["no such file", "found"]


def test_a_model_that_the_cli_asks_for_itself_is_counted_by_the_result(world: World) -> None:
    models = {MODEL: USED, "claude-haiku-4-5": model_usage(300, 10, 0.01)}
    ask(world, Cli([*TURN, result(0.03, models)]))
    assert calls(world, model="claude-haiku-4-5") == 1
    assert tokens(world, "claude-haiku-4-5")["input"] == 300
    assert cost(world) == pytest.approx(0.02)
    assert cost(world, "claude-haiku-4-5") == pytest.approx(0.01)


@pytest.mark.parametrize(
    "asked", ["claude-sonnet", "us.anthropic.claude-sonnet-5-v1:0", "claude-sonnet-5[1m]", "my-alias"]
)
def test_steps_that_answer_under_another_name_are_counted_once(world: World, asked: str) -> None:
    ask(world, Cli([*TURN, result(0.03, {"claude-haiku-4-5": model_usage(300, 10, 0.01), asked: USED})]))
    assert (calls(world, "tool_call"), calls(world), calls(world, model="claude-haiku-4-5")) == (1, 1, 1)
    assert tokens(world) == ALL


def test_a_result_without_models_is_of_the_one_that_answered(world: World) -> None:
    ask(world, Cli([*TURN, result(0.02, None, usage=usage(30, 90, read=8100, written=100))]))
    assert tokens(world) == ALL
    assert cost(world) == pytest.approx(0.02)


@pytest.mark.parametrize("told", [None, 0])
def test_money_that_the_sdk_does_not_know_is_priced_as_ever(world: World, told: float | None) -> None:
    ask(world, Cli([*TURN, result(told, {MODEL: model_usage(30, 90, 0, read=8100, written=100)})]))
    assert (cost(world) or 0) > 0
    ask(world, Cli([text("m", "hi", usage(9, 9), "our-own"), result(told, {"our-own": model_usage(9, 9, 0)})]))
    assert world.value("llm_unpriced_calls_total", model="our-own") == 1


def test_a_run_that_is_left_early_counts_what_its_steps_said(world: World) -> None:
    async def run() -> None:
        with world.run():
            async for message in monitor_messages(query(prompt="Where?", transport=Cli(TURN))):
                if "Read" in str(message):
                    break
        await asyncio.sleep(0)

    asyncio.run(run())
    assert calls(world, "tool_call") == 1
    assert tokens(world) == {"input": 4110.0, "output": 1.0, "cached": 4000.0, "cache_write": 100.0}
    assert (cost(world) or 0) > 0
    assert tools(world, "Bash", "failure") == 1


def test_an_error_of_the_api_is_a_call_and_the_run_s_error(world: World) -> None:
    failed = text("m", "API Error: 429", usage(0, 0), "<synthetic>") | {"error": "rate_limit"}
    failed["message"]["error"] = "rate_limit"
    told = result(0.0, {}, is_error=True, api_error_status=429, result="API Error: 429", terminal_reason="api_error")
    cli = Cli([TURN[0], failed, told], error=ProcessError("exit code 1", exit_code=1))
    with pytest.raises(ResultError):
        ask(world, cli)
    assert calls(world) == 1
    assert world.value("llm_unpriced_calls_total", model=MODEL) in {None, 0}
    assert world.value("agent_errors_total", agent_type="agent", error_category="rate_limit") == 1


def test_a_client_s_turns_are_counted_each_though_its_totals_go_on(world: World) -> None:
    second = [text("msg_3", "Yes.", usage(5, 1)), result(0.05, {MODEL: model_usage(35, 100, 0.05, 8100, 100)})]

    async def run() -> None:
        async with monitor_claude(ClaudeSDKClient(transport=Cli([*TURN, result(0.02, {MODEL: USED})], second))) as sdk:
            for expected in (0.02, 0.05):
                with world.run():
                    await sdk.query("Where?")
                    messages = [message async for message in sdk.receive_response()]
                    assert isinstance(messages[-1], ResultMessage)
                assert cost(world) == pytest.approx(expected)

    asyncio.run(run())
    assert (calls(world, "tool_call"), calls(world)) == (1, 2)
    assert tokens(world) == ALL | {"input": 8235.0, "output": 100.0}
    assert world.value("agent_cost_per_request_usd_sum", agent_type="agent", model=MODEL) == pytest.approx(0.05)


def test_a_conversation_that_begins_anew_begins_at_zero(world: World) -> None:
    anew = {"type": "conversation_reset", "new_conversation_id": "c", "session_id": "s", "uuid": "u"}
    second = [anew, text("msg_3", "Yes.", usage(5, 1)), result(0.03, {MODEL: model_usage(9000, 10, 0.03)})]

    async def run() -> None:
        async with monitor_claude(ClaudeSDKClient(transport=Cli([*TURN, result(0.02, {MODEL: USED})], second))) as sdk:
            with world.run():
                for _ in range(2):
                    await sdk.query("Where?")
                    async for _message in sdk.receive_response():
                        pass

    asyncio.run(run())
    assert cost(world) == pytest.approx(0.05)
    assert tokens(world)["input"] == 17230


def test_an_error_that_a_client_is_told_of_is_counted(world: World) -> None:
    told = result(0.0, {}, is_error=True, api_error_status=529, result="API Error: overloaded")

    async def run() -> None:
        async with monitor_claude(ClaudeSDKClient(transport=Cli([told]))) as sdk:
            with world.run():
                await sdk.query("Where?")
                async for _ in sdk.receive_response():
                    pass

    asyncio.run(run())
    assert world.value("agent_errors_total", agent_type="agent", error_category="llm_error") == 1


def test_the_example_with_the_real_cli(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    bundled = Path(claude_agent_sdk.__file__).parent / "_bundled" / "claude"
    if not bundled.exists():
        pytest.skip("this wheel of the SDK comes without the CLI")
    wanted = fake._wanted_call

    def without_reminders(body: dict[str, Any]) -> Any:  # which the CLI adds behind what the user has said
        messages = [message for message in body["messages"] if message["role"] != "system"]
        return wanted(body | {"messages": messages})

    monkeypatch.setattr(fake, "_wanted_call", without_reminders)
    root = Path(__file__).parent.parent.parent
    program = f"import runpy; runpy.run_path('examples/claude_agent.py', run_name='__main__')\n{AND_SHOW}"
    with FakeProvider() as provider:
        provider.usage = Usage(input=1000, cached=400, cache_write=100, output=50, reasoning=0)
        environment = {
            "PATH": "/usr/bin:/bin",
            "HOME": str(tmp_path),
            "ANTHROPIC_API_KEY": "sk-ant-local",
            "ANTHROPIC_BASE_URL": provider.url,
            "CLAUDE_CODE_DISABLE_NONESSENTIAL_TRAFFIC": "1",
            "PYTHONPATH": str(root),
        }
        done = subprocess.run(
            [sys.executable, "-c", program], env=environment, cwd=root, capture_output=True, text=True, timeout=120
        )
        asked = len(provider.requests)
    assert done.returncode == 0, done.stderr
    outcome = Outcome(done, StandIn("", ""))
    assert outcome.answer.strip() == ANSWER
    made = [outcome.value("llm_api_calls_total", model=MODEL, call_type=each) for each in ("tool_call", "completion")]
    assert (made, asked) == ([1, 1], 2)
    found = {
        kind: outcome.value("llm_tokens_used_total", model=MODEL, token_type=kind)
        for kind in ("input", "output", "cached", "cache_write")
    }
    assert found == {"input": 2000, "output": 100, "cached": 800, "cache_write": 200}
    assert outcome.value("agent_tool_calls_total", tool_name="mcp__documents__search", status="success") == 1
    assert outcome.value("llm_cost_usd_total", model=MODEL, agent_type="support_agent") > 0
    assert outcome.value("agent_monitoring_dropped_total", reason="internal") == 0
