"""MCP clients: their tool calls, by the tool's name."""

from __future__ import annotations

import functools
from contextvars import ContextVar
from typing import Any, Final, TypeVar

from mcp import MCPError
from mcp.types import REQUEST_TIMEOUT

from slo_engine.monitoring.calls import ToolCall
from slo_engine.monitoring.classify import mark_as_tool_failure
from slo_engine.monitoring.run import current_run
from slo_engine.monitoring.usage.fields import of

Client = TypeVar("Client")

_MARK: Final = "__slo_engine_monitored__"

_going_on: Final[ContextVar[str | None]] = ContextVar("slo_engine_mcp_tool", default=None)
"""The tool that a monitored client is calling: it may do so by a session that is monitored, too, and more than once if
the server asks back."""


def monitor_mcp(client: Client) -> Client:
    """Record the tool calls of a ``Client``, a ``ClientSession`` or a ``ClientSessionGroup``. Returns it; the object
    alone is changed.

    A result with ``is_error`` is a failure, as is an error of the protocol; a request that timed out is a timeout.
    """
    call_tool = client.call_tool  # type: ignore[attr-defined]
    if hasattr(call_tool, _MARK):
        return client

    @functools.wraps(call_tool)
    async def recorded(name: str, *args: Any, **kwargs: Any) -> Any:
        if _going_on.get() == name:
            return await call_tool(name, *args, **kwargs)
        call = ToolCall(name, run=current_run())
        call.begin()
        call.update(input=args[0] if args else kwargs.get("arguments"))
        call.activate()
        token = _going_on.set(name)
        try:
            result = await call_tool(name, *args, **kwargs)
        except BaseException as error:
            call.finish(_told(error))
            mark_as_tool_failure(error, name)
            raise
        else:
            call.update(output=of(result, "structured_content") or of(result, "content"))
            call.finish(ToolResultError(result) if of(result, "is_error") else None)
            return result
        finally:
            _going_on.reset(token)
            call.deactivate()

    setattr(recorded, _MARK, True)
    client.call_tool = recorded  # type: ignore[attr-defined]
    return client


class ToolResultError(Exception):
    """What a tool says of its failure, in the trace; it is never raised."""

    def __init__(self, result: Any) -> None:
        texts = [of(each, "text") for each in of(result, "content") or ()]
        super().__init__("\n".join(text for text in texts if isinstance(text, str)))


def _told(error: BaseException) -> BaseException:
    if isinstance(error, MCPError) and error.code == REQUEST_TIMEOUT:
        return TimeoutError(str(error))
    return error
