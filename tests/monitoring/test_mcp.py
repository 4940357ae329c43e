"""Tool calls of MCP clients, of a real server in memory."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable

import pytest
from mcp import Client, ClientSession, MCPError
from mcp.client._memory import InMemoryTransport
from mcp.server import MCPServer
from mcp.server.mcpserver.exceptions import ToolError

from slo_engine.monitoring.integrations.mcp import monitor_mcp
from tests.monitoring.world import World

server = MCPServer("weather")


@server.tool()
def weather(city: str) -> str:
    """The weather in a city."""
    if city == "Atlantis":
        raise ToolError("no such city")
    return f"sunny in {city}"


@server.tool()
async def slow() -> str:
    """Never answers."""
    await asyncio.Event().wait()
    return ""


@pytest.fixture
def world() -> World:
    return World(traced=True)


def with_client(world: World, ask: Callable[[Client], Awaitable[object]]) -> None:
    async def run() -> None:
        async with Client(server) as client:
            try:
                with world.run():
                    await ask(monitor_mcp(client))
            except (MCPError, TimeoutError) as error:  # which the client's task group would wrap
                raised.append(error)

    raised: list[Exception] = []
    asyncio.run(run())
    if raised:
        raise raised[0]


def calls(world: World, tool: str, status: str) -> float:
    return world.value("agent_tool_calls_total", tool_name=tool, status=status) or 0.0


def test_a_tool_is_counted_by_its_name_and_its_result_is_the_client_s(world: World) -> None:
    async def ask(client: Client) -> None:
        result = await client.call_tool("weather", {"city": "Paris"})
        assert result.structured_content == {"result": "sunny in Paris"}

    with_client(world, ask)
    assert calls(world, "weather", "success") == 1
    [step] = [step for step in world.trace.steps if step.kind == "tool"]
    assert (step.name, step.input, step.output) == ("weather", '{"city": "Paris"}', '{"result": "sunny in Paris"}')


def test_an_error_in_a_result_is_a_failure_that_the_client_gets_as_it_is(world: World) -> None:
    async def ask(client: Client) -> None:
        assert (await client.call_tool("weather", {"city": "Atlantis"})).is_error

    with_client(world, ask)
    assert calls(world, "weather", "failure") == 1
    assert world.runs("success") == 1
    [step] = [step for step in world.trace.steps if step.kind == "tool"]
    assert "no such city" in str(step.status_message)


def test_a_tool_that_takes_too_long_is_a_timeout(world: World) -> None:
    with pytest.raises(MCPError, match="Timed out"):
        with_client(world, lambda client: client.call_tool("slow", read_timeout_seconds=0.05))
    assert calls(world, "slow", "timeout") == 1
    assert world.value("agent_errors_total", agent_type="agent", error_category="tool_failure") == 1


def test_a_call_that_is_called_off_is_counted(world: World) -> None:
    with pytest.raises(TimeoutError):
        with_client(world, lambda client: asyncio.wait_for(client.call_tool("slow"), 0.05))
    assert calls(world, "slow", "failure") == 1


def test_a_session_is_monitored_as_a_client_is_and_both_at_once_count_once(world: World) -> None:
    async def ask(client: Client) -> None:
        await monitor_mcp(client.session).call_tool("weather", {"city": "Paris"})
        assert calls(world, "weather", "success") == 1
        await monitor_mcp(client).call_tool("weather", {"city": "Paris"})
        assert calls(world, "weather", "success") == 2

    with_client(world, ask)


def test_a_bare_session_is_monitored(world: World) -> None:
    async def run() -> None:
        async with InMemoryTransport(server) as (read, write), ClientSession(read, write) as session:
            await session.initialize()
            monitor_mcp(session)
            with world.run():
                await asyncio.gather(*(session.call_tool("weather", {"city": "Paris"}) for _ in range(3)))

    asyncio.run(run())
    assert calls(world, "weather", "success") == 3


def test_a_client_that_is_not_connected_fails_as_ever(world: World) -> None:
    async def run() -> None:
        with world.run():
            await monitor_mcp(Client(server)).call_tool("weather", {"city": "Paris"})

    with pytest.raises(RuntimeError, match="context manager"):
        asyncio.run(run())
    assert calls(world, "weather", "failure") == 1
