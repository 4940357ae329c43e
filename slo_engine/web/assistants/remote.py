"""The tools of an engine that runs elsewhere: what ``slo-engine mcp`` hands on to it."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from slo_engine.connect import Connection, explained, failure_of, said_in
from slo_engine.connect.client import ERRORS, async_client, fetch_async
from slo_engine.web.assistants.endpoint import PATH
from slo_engine.web.assistants.tools import Reply

if TYPE_CHECKING:
    import httpx

MAX_ANSWER_BYTES = 1024 * 1024
"""More than any engine says."""

CREDENTIALS = "--token-file or --user-file"


class RemoteTools:
    """Asks the ``/mcp`` of an engine. An engine that cannot be reached is an answer, too: the assistant says it."""

    def __init__(self, connection: Connection) -> None:
        """Raises SloEngineError for certificates that cannot be used."""
        self._connection = connection
        self._name = f"slo-engine at {connection.address}"
        url = connection.url.rstrip("/")
        self._url = url if url.endswith(PATH) else f"{url}{PATH}"
        self._client: httpx.AsyncClient = async_client(connection)

    async def close(self) -> None:
        """Close the connections."""
        await self._client.aclose()

    async def ask(self, name: str, arguments: Mapping[str, Any]) -> Reply:
        """What the tool of this name answers there, or why it does not."""
        call = {"name": name, "arguments": arguments}
        request = self._client.build_request(
            "POST",
            self._url,
            json={"jsonrpc": "2.0", "id": 1, "method": "tools/call", "params": call},
            headers={"accept": "application/json, text/event-stream"},
        )
        try:
            answer = await fetch_async(
                request, self._client, seconds=self._connection.timeout, max_bytes=MAX_ANSWER_BYTES
            )
        except ERRORS as error:
            failure = failure_of(error, self._connection).of(self._name)
            return Reply(f"{failure} (`slo-engine mcp --url` names another engine)", is_error=True)
        if answer.status == 404:
            return Reply(
                f"{self._name} has no {PATH} (HTTP 404): check --url, and the version of the engine", is_error=True
            )
        if answer.status != 200:
            said = said_in(answer.body, self._connection)
            why = explained(answer.status, self._connection, said=said, credentials=CREDENTIALS)
            return Reply(f"{self._name}: {why}", is_error=True)
        return _read(answer.body) or Reply(f"{self._name} gave no answer of MCP: is --url a login page?", is_error=True)


def _read(body: bytes) -> Reply | None:
    """The text of a JSON-RPC response; None: it is none."""
    try:
        found = json.loads(body)
        if "error" in found:
            return Reply(str(found["error"]["message"]), is_error=True)
        result = found["result"]
        return Reply(str(result["content"][0]["text"]), is_error=bool(result.get("isError")))
    except (ValueError, TypeError, LookupError, RecursionError):
        return None
