"""The tools as a server of the Model Context Protocol, whatever it speaks through. Loading the SDK takes half a second:
nothing that the engine or the command line loads at its start imports this module."""

from __future__ import annotations

import logging
from collections.abc import Awaitable, Callable, Mapping
from typing import Any

import mcp_types as types
from mcp.server.context import ServerRequestContext
from mcp.server.lowlevel import Server

from slo_engine import __version__
from slo_engine.web.assistants.tools import INSTRUCTIONS, TOOLS, Reply

# The SDK logs each request, and each that is malformed: whoever reaches the port could fill the log.
logging.getLogger("mcp").setLevel(logging.ERROR)

Ask = Callable[[str, Mapping[str, Any]], Awaitable[Reply]]
"""Asks the tool of this name."""


def server(ask: Ask) -> Server[Any]:
    """A server whose tools are answered by ``ask``."""

    async def listed(_: ServerRequestContext[Any], __: types.PaginatedRequestParams | None) -> types.ListToolsResult:
        return types.ListToolsResult(tools=_tools())

    async def called(_: ServerRequestContext[Any], params: types.CallToolRequestParams) -> types.CallToolResult:
        found = await ask(params.name, params.arguments or {})
        content = types.TextContent(type="text", text=found.text)
        return types.CallToolResult(content=[content], is_error=found.is_error)

    return Server(
        "slo-engine",
        version=__version__,
        title="slo-engine",
        instructions=INSTRUCTIONS,
        on_list_tools=listed,
        on_call_tool=called,
    )


def _tools() -> list[types.Tool]:
    return [
        types.Tool(
            name=tool.name,
            title=tool.title,
            description=tool.description,
            input_schema=dict(tool.input_schema()),
            annotations=types.ToolAnnotations(
                read_only_hint=True, destructive_hint=False, idempotent_hint=True, open_world_hint=False
            ),
        )
        for tool in TOOLS.values()
    ]
