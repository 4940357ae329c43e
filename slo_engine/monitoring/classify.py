"""Which kind of failure an exception is."""

from __future__ import annotations

import asyncio


class ToolError(Exception):
    """A tool that failed in a way its agent does not handle. Raise it, or let `AgentMonitor.tool` see yours."""


def classify_error(error: BaseException) -> str:
    """The `error_category` label: timeout, cancelled, tool_failure, validation or internal."""
    if isinstance(error, TimeoutError):
        return "timeout"
    if isinstance(error, asyncio.CancelledError | KeyboardInterrupt):
        return "cancelled"
    if isinstance(error, ToolError) or getattr(error, "__slo_engine_tool__", None):
        return "tool_failure"
    if isinstance(error, ValueError | TypeError):
        return "validation"
    return "internal"


def mark_as_tool_failure(error: BaseException, tool_name: str) -> None:
    """Remember on the exception which tool raised it, whatever becomes of it further up."""
    # Exceptions with __slots__ take no attribute; they are classified by their type alone.
    if hasattr(error, "__dict__"):
        error.__slo_engine_tool__ = tool_name  # type: ignore[attr-defined]
