"""Inputs and outputs of an agent as text for a trace, taken when they are seen: an agent goes on changing its lists."""

from __future__ import annotations

import json
from typing import Any, Final

MAX_CONTENT: Final = 16_384
"""Characters of one input, output or message that leave the process."""

MARGIN: Final = 4
"""So many times more is kept until it has been scrubbed: what is cut before could hide half a key."""


def as_text(value: Any) -> str | None:
    """``value`` as JSON, strings as they are, None as None. Never raises, and never holds more than it may."""
    if value is None:
        return None
    if isinstance(value, str):
        return value[: MAX_CONTENT * MARGIN]
    try:
        return json.dumps(value, default=_plain, ensure_ascii=False)[: MAX_CONTENT * MARGIN]
    except Exception:  # noqa: BLE001 - circular, keys that are no strings, a __str__ that raises: all the agent's own
        return f"<{type(value).__name__}>"


def truncated(text: str) -> str:
    """At most `MAX_CONTENT` characters, saying what is missing."""
    if len(text) <= MAX_CONTENT:
        return text
    return f"{text[:MAX_CONTENT]}... ({len(text) - MAX_CONTENT} more characters)"


def _plain(value: Any) -> Any:
    if isinstance(value, bytes | bytearray | memoryview):
        return f"<{len(value)} bytes>"
    if isinstance(value, set | frozenset):
        return list(value)
    dump = getattr(value, "model_dump", None)  # pydantic, and so the responses of the providers' SDKs
    if callable(dump) and not isinstance(value, type):
        return dump()
    fields = getattr(value, "__dataclass_fields__", None)
    if fields is not None and not isinstance(value, type):
        return {name: getattr(value, name) for name in fields}
    return str(value)[:MAX_CONTENT]
