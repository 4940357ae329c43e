"""Inputs and outputs of an agent as text for a trace, taken when they are seen: an agent goes on changing its lists.

Nothing of the agent's own is called: no ``__str__``, no ``model_dump``, no iterator. A value that is not of a known
kind is told by the name of its type, and no value, however large, takes more than it may.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final

MAX_CONTENT: Final = 16_384
"""Characters of one input, output or message that leave the process."""

MARGIN: Final = 4
"""So many times more is kept until it has been scrubbed: what is cut before could hide half a key."""

MAX_VALUES: Final = 2000
"""Values in one input or output; the rest is left out."""

MAX_DEPTH: Final = 12

_LEFT_OUT: Final = "..."
MAX_WORD: Final = 4096
"""Characters that go with a word that is cut."""

_SIMPLE: Final = frozenset({"datetime", "date", "time", "timedelta", "Decimal", "UUID", "Fraction"})


def as_text(value: Any) -> str | None:
    """``value`` as JSON, strings as they are, None as None. Never raises, and never holds more than it may."""
    if value is None:
        return None
    try:
        if type(value) is str:
            return cut(value, MAX_CONTENT * MARGIN)
        import json  # which an agent without traces never needs

        return json.dumps(_Walk().plain(value, 0), ensure_ascii=False)
    except Exception:  # noqa: BLE001 - a type that only looks like a known one
        return f"<{type(value).__name__}>"


def cut(text: str, limit: int) -> str:
    """At most ``limit`` characters, and no word in two: half a key is not known for one."""
    if len(text) <= limit:
        return text
    head = text[:limit]
    word = max(0, limit - MAX_WORD)
    return head[: max(word, *(head.rfind(space, word) for space in ' \n\t"'))]


def truncated(text: str, limit: int = MAX_CONTENT) -> str:
    """At most ``limit`` characters of a scrubbed text, saying what is missing."""
    if len(text) <= limit:
        return text
    return f"{text[:limit]}... ({len(text) - limit} more characters)"


def metadata_of(given: Mapping[str, Any] | None) -> dict[str, str]:
    """Metadata as they are now, each value as text."""
    if not isinstance(given, Mapping):
        return {}
    return {str(key)[:200]: as_text(value) or "null" for key, value in list(given.items())[:100]}


class _Walk:
    """One value, made of plain ones, within a budget of values and characters."""

    def __init__(self) -> None:
        self._values = MAX_VALUES
        self._characters = MAX_CONTENT * MARGIN

    def plain(self, value: Any, depth: int) -> Any:
        """A copy of what `json.dumps` knows."""
        self._values -= 1
        if value is None or value is True or value is False:
            return value
        kind = type(value)
        if kind is int or kind is float:
            self._characters -= 12
            return value if kind is float or -(1 << 64) < value < 1 << 64 else "<int>"
        if isinstance(value, str):
            return self._text(str.__str__(value))
        if self._values <= 0 or self._characters <= 0 or depth >= MAX_DEPTH:
            return _LEFT_OUT
        if isinstance(value, dict):
            return self._mapping(value, depth)
        if isinstance(value, list | tuple | set | frozenset):
            return self._sequence(value, depth)
        if isinstance(value, bytes | bytearray | memoryview):
            return f"<{memoryview(value).nbytes} bytes>"
        return self._object(value, kind, depth)

    def _text(self, text: str) -> str:
        if len(text) > self._characters:
            text = cut(text, max(0, self._characters)) + _LEFT_OUT
        self._characters -= len(text)
        return text

    def _mapping(self, value: dict[Any, Any], depth: int) -> dict[str, Any]:
        found: dict[str, Any] = {}
        for key in dict.keys(value):
            if self._values <= 0 or self._characters <= 0:
                found[_LEFT_OUT] = _LEFT_OUT
                break
            name = self._text(str.__str__(key)) if isinstance(key, str) else f"{self.plain(key, MAX_DEPTH)}"
            found[name] = self.plain(dict.__getitem__(value, key), depth + 1)
        return found

    def _sequence(self, value: Any, depth: int) -> list[Any]:
        found: list[Any] = []
        each = next(kind for kind in (list, tuple, set, frozenset) if isinstance(value, kind)).__iter__(value)
        for item in each:
            if self._values <= 0 or self._characters <= 0:
                found.append(_LEFT_OUT)
                break
            found.append(self.plain(item, depth + 1))
        return found

    def _object(self, value: Any, kind: type, depth: int) -> Any:
        module = kind.__module__
        if module in {"datetime", "decimal", "uuid", "fractions"} and kind.__name__ in _SIMPLE:
            return self._text(str(value))
        if module == "pathlib" or module.startswith("pathlib."):
            return self._text(str(value))
        # Dataclasses and pydantic's models (the answers of the providers' SDKs) hold their fields in their __dict__.
        if "__dataclass_fields__" in kind.__dict__ or any(
            "__pydantic_fields__" in base.__dict__ for base in kind.__mro__
        ):
            fields = getattr(value, "__dict__", None)
            if type(fields) is dict:
                return self._mapping({name: each for name, each in fields.items() if name[:1] != "_"}, depth)
        member = getattr(kind, "_value2member_map_", None)
        if member is not None and "_value_" in getattr(value, "__dict__", {}):  # an Enum's
            return self.plain(value.__dict__["_value_"], depth)
        self._characters -= len(kind.__name__)
        return f"<{kind.__name__}>"
