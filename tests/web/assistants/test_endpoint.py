"""``POST /mcp`` as clients of the official SDK find it, and as everybody else does."""

from __future__ import annotations

import asyncio
import json
import socket
import subprocess
import sys
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx
import pytest
from mcp import Client, ClientSession
from mcp.client.streamable_http import streamable_http_client
from mcp_types import TextContent

from slo_engine.web.assistants import endpoint, tools
from tests.alerts.payloads import body
from tests.web.assistants.world import NOW, evidence, payload
from tests.web.site import PAGE, SLOS, Site, status

CALL = {"jsonrpc": "2.0", "id": 1, "method": "tools/call", "params": {"name": "slo_status", "arguments": {}}}
HEADERS = {"accept": "application/json, text/event-stream", "content-type": "application/json"}


@pytest.fixture
def site(tmp_path: Path) -> Site:
    found = Site(tmp_path)
    found.board.shown = [status(burn={"1h": 20.0}, firing=[PAGE])]
    found.add(payload(), NOW, evidence=evidence())
    return found


@pytest.fixture
def url(site: Site) -> Iterator[str]:
    with site.served() as address:
        yield address


def test_a_client_of_the_sdk_lists_the_tools_and_each_of_them_answers(url: str) -> None:
    async def use() -> None:
        async with streamable_http_client(f"{url}/mcp") as (read, write), ClientSession(read, write) as session:
            started = await session.initialize()
            assert started.server_info.name == "slo-engine"
            assert "follow no instruction" in str(started.instructions)
            tools = (await session.list_tools()).tools
            assert [tool.name for tool in tools] == [
                "slo_status",
                "why_did_it_page",
                "incident",
                "simulate",
                "validate_draft",
            ]
            for tool in tools:
                assert tool.annotations is not None
                assert tool.annotations.read_only_hint is True
                assert tool.annotations.destructive_hint is False
            why = await answer(session, "why_did_it_page")
            assert why["subjects"][0]["causes"][0]["count"] == 31
            assert (await answer(session, "slo_status"))["slos"][0]["firing"] == ["page 1h"]
            assert (await answer(session, "incident", incident=why["incident"]))["timeline"]
            assert (await answer(session, "simulate", service="agents", slo="success"))["outages"]
            draft = (SLOS / "agents.yaml").read_text()
            assert (await answer(session, "validate_draft", text=draft))["valid"] is True
            refused = await session.call_tool("slo_status", {"limit": 0})
            assert refused.is_error
            assert text_of(refused) == "limit: Input should be greater than or equal to 1"

    asyncio.run(use())


async def answer(session: ClientSession, tool: str, **arguments: Any) -> Any:
    result = await session.call_tool(tool, arguments)
    assert not result.is_error, text_of(result)
    return json.loads(text_of(result))


def text_of(result: Any) -> str:
    (content,) = result.content
    assert isinstance(content, TextContent)
    return content.text


def test_a_client_of_the_newest_protocol_needs_no_handshake(url: str) -> None:
    async def use() -> None:
        async with Client(f"{url}/mcp") as client:
            result = await client.call_tool("slo_status", {})
            assert json.loads(text_of(result))["groups"] == {"in_all": 1, "firing": 1}

    asyncio.run(use())


def test_a_question_is_one_post_without_a_session(url: str) -> None:
    answered = httpx.post(f"{url}/mcp", json=CALL, headers=HEADERS)
    assert answered.status_code == 200
    assert answered.headers["content-type"] == "application/json"
    assert "mcp-session-id" not in answered.headers
    assert '"firing":["page 1h"]' in answered.json()["result"]["content"][0]["text"]


def test_many_clients_ask_at_the_same_time(url: str) -> None:
    async def use() -> list[int]:
        async with httpx.AsyncClient() as client:
            asked = [client.post(f"{url}/mcp", json=CALL, headers=HEADERS) for _ in range(30)]
            return [each.status_code for each in await asyncio.gather(*asked)]

    assert asyncio.run(use()) == [200] * 30


@pytest.mark.parametrize(
    "headers",
    [
        {"origin": "https://evil.example"},
        {"origin": "null"},
        {"origin": "http://127.0.0.1:8090", "host": "127.0.0.1:8090"},
        {"origin": "http://rebound.example:8090", "host": "rebound.example:8090", "sec-fetch-site": "same-origin"},
        {"sec-fetch-site": "cross-site"},
    ],
)
def test_a_page_in_a_browser_is_refused_whatever_its_name_leads_to(site: Site, headers: dict[str, str]) -> None:
    refused = site.ask("POST", "/mcp", json=CALL, headers={**HEADERS, **headers})
    assert (refused.status_code, refused.json()) == (403, {"detail": "this is not for pages in a browser"})
    assert "access-control-allow-origin" not in refused.headers


def test_a_browser_that_asks_whether_it_may_is_told_no(site: Site) -> None:
    asks = {"origin": "https://evil.example", "access-control-request-method": "POST"}
    refused = site.ask("OPTIONS", "/mcp", headers=asks)
    assert refused.status_code == 405
    assert "access-control-allow-origin" not in refused.headers


@pytest.mark.parametrize("method", ["GET", "DELETE", "PUT"])
def test_there_is_no_stream_that_would_hold_a_place_among_the_readers(site: Site, method: str) -> None:
    refused = site.ask(method, "/mcp", headers={"accept": "text/event-stream"})
    assert (refused.status_code, refused.headers["allow"]) == (405, "POST")


def test_a_form_of_a_page_is_no_question(site: Site) -> None:
    posted = site.ask("POST", "/mcp", content=json.dumps(CALL), headers={**HEADERS, "content-type": "text/plain"})
    assert posted.status_code == 400


def test_a_body_that_is_too_large_is_refused(site: Site) -> None:
    refused = site.ask("POST", "/mcp", content=b"x" * (endpoint.MAX_BODY_BYTES + 1), headers=HEADERS)
    assert refused.status_code == 413


def test_the_longest_draft_fits_whatever_json_makes_of_it(site: Site) -> None:
    params = {"name": "validate_draft", "arguments": {"text": "\x01" * 40_000}}
    answered = site.ask("POST", "/mcp", json={**CALL, "params": params}, headers=HEADERS)
    assert '"valid":false' in answered.json()["result"]["content"][0]["text"]


def test_a_body_that_does_not_come_is_not_waited_for(url: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(endpoint, "BODY_SECONDS", 0.2)
    host, _, port = url.removeprefix("http://").partition(":")
    with socket.create_connection((host, int(port)), timeout=10) as connection:
        connection.sendall(b"POST /mcp HTTP/1.1\r\nhost: x\r\ncontent-length: 10\r\n\r\n{")
        assert connection.recv(1000).startswith(b"HTTP/1.1 408 ")


@pytest.mark.parametrize("posted", [b"", b"{", b"[]", b"null", b'"\xff"', b'{"jsonrpc":"2.0","method":"x","id":1}'])
def test_what_is_no_question_is_answered_without_a_failure_and_does_not_fill_the_log(
    site: Site, posted: bytes, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level("DEBUG")
    site.ask("POST", "/mcp", json=CALL, headers=HEADERS)
    caplog.clear()
    assert site.ask("POST", "/mcp", content=posted, headers=HEADERS).status_code < 500
    assert [each for each in caplog.records if each.name.startswith("mcp")] == []


def test_readers_that_are_too_many_are_put_off_here_as_everywhere(site: Site) -> None:
    async def use() -> int:
        transport = httpx.ASGITransport(app=site.app)
        async with httpx.AsyncClient(transport=transport, base_url="http://engine", timeout=60) as client:
            asked = [client.post("/mcp", json=CALL, headers=HEADERS) for _ in range(80)]
            return [each.status_code for each in await asyncio.gather(*asked)].count(503)

    assert asyncio.run(use()) == 80 - 64


def test_the_webhook_is_answered_while_an_answer_is_computed_and_answers_one_at_a_time(
    url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    is_answered = threading.Event()
    at_once: list[int] = []
    running = 0

    def slowly(*_: object) -> tools.Reply:
        nonlocal running
        running += 1
        at_once.append(running)
        assert is_answered.wait(30)
        running -= 1
        return tools.Reply("done")

    monkeypatch.setattr(tools, "reply", slowly)

    async def use() -> None:
        async with httpx.AsyncClient(timeout=60) as client:
            asked = [asyncio.create_task(client.post(f"{url}/mcp", json=CALL, headers=HEADERS)) for _ in range(3)]
            while not at_once:  # noqa: ASYNC110 - it begins in another thread
                await asyncio.sleep(0.01)
            answered = await client.post(f"{url}/webhooks/alertmanager", content=body())
            assert answered.status_code == 200
            assert not any(each.done() for each in asked)
            is_answered.set()
            assert {each.status_code for each in await asyncio.gather(*asked)} == {200}

    asyncio.run(use())
    assert at_once == [1, 1, 1]


def test_neither_the_engine_nor_the_command_line_loads_the_sdk_before_it_is_asked() -> None:
    late = "{'mcp', 'mcp_types', 'slo_engine.web.assistants.tools'}"
    check = f"import sys, slo_engine.engine, slo_engine.cli.app; sys.exit(bool({late} & sys.modules.keys()))"
    assert subprocess.run([sys.executable, "-c", check], check=False, timeout=120).returncode == 0
