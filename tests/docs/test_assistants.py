"""What docs/assistants.md says is held to the code: its tools, its example, its limits, its commands."""

from __future__ import annotations

import json
import shlex
import time
from pathlib import Path

import pytest

from slo_engine.web.assistants import endpoint
from slo_engine.web.assistants.answers import MAX_TOKENS
from slo_engine.web.assistants.tools import TOOLS
from tests.cli.test_commands import run
from tests.docs.page import names, page
from tests.web.assistants.world import NOW, asked, evidence, payload
from tests.web.site import Site

PAGE = page("assistants.md")


def test_every_tool_is_described_with_its_arguments() -> None:
    described = {names(row[0])[0]: names(row[1]) for row in PAGE.table("Tools").body}
    assert described == {name: list(tool.arguments.model_fields) for name, tool in TOOLS.items()}


def test_the_example_is_what_the_engine_answers(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(time, "time", lambda: NOW)
    site = Site(tmp_path)
    site.add(payload(), NOW - 7200, evidence=evidence())
    found = asked(site, "why_did_it_page")
    (shown,) = [each for each in map(json.loads, PAGE.blocks("json")) if "incident" in each]
    assert found == {**shown, "incident": found["incident"]}


def test_limits_are_those_of_the_code() -> None:
    text = " ".join(PAGE.text.split())
    assert f"no more than {MAX_TOKENS:,} tokens" in text
    assert f"within {endpoint.BODY_SECONDS:g} seconds, in no more than {endpoint.MAX_BODY_BYTES // 1024} KiB" in text


def test_the_settings_of_assistants_name_a_command_and_an_address_that_there_are() -> None:
    shown = [json.loads(each) for each in PAGE.blocks("json")]
    servers = [
        server for each in shown for server in {**each.get("mcpServers", {}), **each.get("servers", {})}.values()
    ]
    assert {server["url"].endswith(f":8090{endpoint.PATH}") for server in servers if "url" in server} == {True}
    (command,) = [server for server in servers if "command" in server]
    assert command["command"] == "slo-engine"
    name, option, _ = command["args"]
    helped = run(name, "--help").stdout
    for each in (
        option,
        "--token-file",
        "--user-file",
        "--header",
        "--ca-file",
        "--client-cert",
        "--proxy",
        "--config",
    ):
        assert each in helped
    assert shlex.split(PAGE.blocks("sh")[0])[:3] == ["claude", "mcp", "add"]
