"""``slo-engine mcp``: the tools of a running engine for an assistant that starts programs instead of asking URLs."""

from __future__ import annotations

import sys
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from slo_engine.cli import output
from slo_engine.cli.arguments import ConfigFile, settings_here
from slo_engine.cli.connections import (
    CaFile,
    ClientCert,
    ClientKey,
    ConnectionOptions,
    Header,
    InsecureSkipVerify,
    Proxy,
    ProxyUserFile,
    TokenFile,
    UserFile,
)
from slo_engine.cli.exits import failures, usage_errors

if TYPE_CHECKING:
    from slo_engine.connect import Connection

EVERYWHERE = {"0.0.0.0": "127.0.0.1", "::": "::1"}  # noqa: S104 - what the settings may hold
"""Where an engine that listens on all addresses is reached on this machine."""


def mcp(
    url: Annotated[
        str | None, typer.Option("--url", "-u", help="Where the engine is; else where the settings have it listen.")
    ] = None,
    config: ConfigFile = None,
    token_file: TokenFile = None,
    user_file: UserFile = None,
    header: Header = None,
    ca_file: CaFile = None,
    client_cert: ClientCert = None,
    client_key: ClientKey = None,
    insecure_skip_verify: InsecureSkipVerify = False,
    proxy: Proxy = None,
    proxy_user_file: ProxyUserFile = None,
) -> None:
    """Answer the questions of an AI assistant over stdio, by asking a running engine. Read-only.

    Assistants start it themselves: name it in their settings. Those that can ask a URL need no command: the engine
    answers at /mcp.
    """
    options = ConnectionOptions(
        token_file, user_file, header, ca_file, client_cert, client_key, insecure_skip_verify, proxy, proxy_user_file
    )
    with usage_errors():
        connection = options.connection("--url", url or _here(config))
    if sys.stdin.isatty():
        output.note(f"asking {connection.address}; this speaks MCP with the assistant that starts it: Ctrl-C ends it")
    with failures(), suppress(KeyboardInterrupt):
        _serve(connection)


def _here(config: Path | None) -> str:
    from slo_engine.settings import load_settings

    listen = load_settings(config or settings_here(), sections=("listen",)).listen
    host = EVERYWHERE.get(listen.host, listen.host)
    return f"http://[{host}]:{listen.port}" if ":" in host else f"http://{host}:{listen.port}"


def _serve(connection: Connection) -> None:
    import asyncio

    from mcp.server.stdio import stdio_server

    from slo_engine.web.assistants.protocol import server
    from slo_engine.web.assistants.remote import RemoteTools

    async def run() -> None:
        tools = RemoteTools(connection)
        try:
            speaking = server(tools.ask)
            async with stdio_server() as (read, write):
                await speaking.run(read, write, speaking.create_initialization_options())
        finally:
            await tools.close()

    asyncio.run(run())
