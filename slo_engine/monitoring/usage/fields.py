"""Fields of answers, which are objects of an SDK, or the JSON they were made from."""

from __future__ import annotations

from collections.abc import Mapping
from math import isfinite
from typing import Any


def of(owner: Any, name: str) -> Any:
    """An attribute of an object, or a key of a mapping; None if it has none."""
    if isinstance(owner, Mapping):
        return owner.get(name)
    return getattr(owner, name, None)


def told(owner: Any, *names: str) -> int | None:
    """The first of the names that is a number; None if none is."""
    for name in names:
        value = of(owner, name)
        if isinstance(value, int | float) and not isinstance(value, bool) and isfinite(value):
            return int(value)
    return None


def number(owner: Any, *names: str) -> int:
    """The first of the names that is a number; 0 if none is."""
    return told(owner, *names) or 0


def word(owner: Any, name: str) -> str | None:
    """A text that is not empty, also where it is the value of an enumeration; None if it is none."""
    value = of(owner, name)
    value = getattr(value, "value", value)
    return value if isinstance(value, str) and value else None
