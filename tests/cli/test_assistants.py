"""``slo-engine mcp`` as an assistant starts it, in front of an engine and of none."""

from __future__ import annotations

import asyncio
import json
import os
import sys
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler
from pathlib import Path
from typing import Any

import pytest
from mcp import ClientSession, StdioServerParameters, stdio_client
from mcp_types import TextContent

from deploy.stack.processes import free_port
from slo_engine.connect import Connection
from slo_engine.web.assistants.remote import RemoteTools
from slo_engine.web.assistants.tools import Reply
from tests.cli.test_commands import run
from tests.connect.servers import serving
from tests.web.site import PAGE, Site, status

pytestmark = pytest.mark.takes(seconds=20)


@pytest.fixture
def url(tmp_path: Path) -> Iterator[str]:
    site = Site(tmp_path)
    site.board.shown = [status(burn={"1h": 20.0}, firing=[PAGE])]
    with site.served() as address:
        yield address


def told(tool: str, arguments: dict[str, Any], *options: str, cwd: Path) -> tuple[list[str], bool, str]:
    """The tools that there are, whether one of them fails, and what it says."""

    async def use() -> tuple[list[str], bool, str]:
        clean = {name: text for name, text in os.environ.items() if not name.startswith("SLO_ENGINE_")}
        command = StdioServerParameters(
            command=sys.executable, args=["-m", "slo_engine", "mcp", *options], env=clean, cwd=cwd
        )
        async with stdio_client(command) as (read, write), ClientSession(read, write) as session:
            await session.initialize()
            tools = [tool.name for tool in (await session.list_tools()).tools]
            result = await session.call_tool(tool, arguments)
            (content,) = result.content
            assert isinstance(content, TextContent)
            return tools, bool(result.is_error), content.text

    return asyncio.run(use())


def test_an_assistant_gets_the_answers_of_the_engine_at_the_url(url: str, tmp_path: Path) -> None:
    tools, is_error, said = told("slo_status", {"limit": 1}, "--url", url, cwd=tmp_path)
    assert tools == ["slo_status", "why_did_it_page", "incident", "simulate", "validate_draft"]
    assert not is_error
    assert '"firing":["page 1h"]' in said


def test_without_a_url_it_asks_the_engine_of_the_settings(url: str, tmp_path: Path) -> None:
    port = url.rpartition(":")[2]
    (tmp_path / "slo-engine.yaml").write_text(f"listen: {{host: 0.0.0.0, port: {port}}}\n")
    _, is_error, said = told("validate_draft", {"text": ""}, cwd=tmp_path)
    assert not is_error
    assert '"valid":false' in said


def test_an_engine_that_does_not_run_is_told_by_the_tool_that_is_asked(tmp_path: Path) -> None:
    url = f"http://127.0.0.1:{free_port()}"
    tools, is_error, said = told("slo_status", {}, "--url", url, cwd=tmp_path)
    assert len(tools) == 5
    assert is_error
    assert said.startswith(f"slo-engine at {url} cannot be reached: connection refused")
    assert "`slo-engine mcp --url` names another engine" in said


@pytest.mark.parametrize(
    ("url", "said"),
    [("engine:8090", "--url"), ("http://user:secret@engine:8090", "--user-file or --token-file")],
)
def test_an_address_that_is_none_is_refused_at_once(url: str, said: str, tmp_path: Path) -> None:
    done = run("mcp", "--url", url, cwd=tmp_path)
    assert done.returncode == 2
    assert said in done.stderr
    assert "secret" not in done.stderr


def asked(url: str, **options: Any) -> Reply:
    async def use() -> Reply:
        tools = RemoteTools(Connection(url, timeout=5.0, **options))
        try:
            return await tools.ask("slo_status", {})
        finally:
            await tools.close()

    return asyncio.run(use())


def result(text: str, *, is_error: bool = False) -> str:
    content = [{"type": "text", "text": text}]
    return json.dumps({"jsonrpc": "2.0", "id": 1, "result": {"content": content, "isError": is_error}})


@pytest.mark.parametrize("suffix", ["", "/", "/mcp"])
def test_the_url_may_be_that_of_the_engine_or_of_its_endpoint(suffix: str) -> None:
    paths = []

    def answer(handler: BaseHTTPRequestHandler) -> tuple[int, str]:
        paths.append(handler.path)
        return 200, result("fine")

    with serving(answer) as port:
        assert asked(f"http://127.0.0.1:{port}{suffix}") == Reply("fine")
    assert paths == ["/mcp"]


def test_a_token_is_shown_to_a_proxy_before_the_engine() -> None:
    def answer(handler: BaseHTTPRequestHandler) -> tuple[int, str]:
        if handler.headers["authorization"] == "Bearer right":
            return 200, result("fine")
        return 401, ""

    with serving(answer) as port:
        assert asked(f"http://127.0.0.1:{port}", token="right") == Reply("fine")
        refused = asked(f"http://127.0.0.1:{port}")
        assert refused.is_error
        assert "it wants credentials: set --token-file or --user-file" in refused.text


@pytest.mark.parametrize(
    ("status", "body", "said"),
    [
        (404, "", "has no /mcp (HTTP 404): check --url, and the version of the engine"),
        (503, '{"detail": "too many requests at once"}', "HTTP 503"),
        (302, "", "it redirects"),
        (200, "<html>log in</html>", "gave no answer of MCP: is --url a login page?"),
        (200, "[]", "gave no answer of MCP"),
        (200, '{"jsonrpc": "2.0", "id": 1, "error": {"code": -32600, "message": "not so"}}', "not so"),
        (200, result("limit: too large", is_error=True), "limit: too large"),
        (200, "x" * 1_100_000, "more than 1,048,576 bytes"),
    ],
)
def test_whatever_the_server_says_the_assistant_is_told_what_to_do(status: int, body: str, said: str) -> None:
    with serving(lambda _: (status, body)) as port:
        refused = asked(f"http://127.0.0.1:{port}")
    assert refused.is_error
    assert said in refused.text
