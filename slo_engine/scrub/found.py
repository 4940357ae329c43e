"""What a search of a text gives back."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from typing import NamedTuple


class Match(NamedTuple):
    """Characters ``start`` to ``end`` (exclusive) are of this kind."""

    start: int
    end: int
    kind: str


Finder = Callable[[str], Iterable[Match]]


def positions(text: str, word: str) -> Iterator[int]:
    """Where this word stands in a text."""
    at = text.find(word)
    while at != -1:
        yield at
        at = text.find(word, at + 1)
