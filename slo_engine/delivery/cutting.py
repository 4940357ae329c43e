"""Texts cut to what a sink takes: at the end of a line where there is one, never within what stands for one letter."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable
from typing import TypeVar

_ENTITY = re.compile(r"&[#\w]{0,10}$")
_ESCAPE = re.compile(r"(?<!\\)(?:\\\\)*\\$")
MORE = "…"

_T = TypeVar("_T")


def cut(text: str, longest: int) -> str:
    """``text`` in at most that many characters; what was left out is told by an ellipsis."""
    if len(text) <= longest:
        return text
    kept = text[: longest - len(MORE)]
    kept = _ENTITY.sub("", kept)  # half of `&amp;` would show, or be refused
    if _ESCAPE.search(kept):  # a backslash that escapes what is not there any more
        kept = kept[:-1]
    return f"{kept.rstrip()}{MORE}"


def cut_lines(text: str, longest: int) -> str:
    """The first lines of a text, in at most that many characters; a first line that is too long is cut."""
    if len(text) <= longest:
        return text
    head = text[: longest - len(MORE)]
    end = head.rfind("\n")
    return f"{head[:end].rstrip()}\n{MORE}" if end > longest // 2 else cut(text, longest)


def in_pieces(text: str, longest: int, most: int) -> list[str]:
    """A text as at most ``most`` pieces of at most ``longest`` characters, parted at the ends of lines; the last one is
    cut where there is more."""
    pieces: list[str] = []
    rest = text.rstrip()
    while rest and len(pieces) < most:
        if len(rest) <= longest or len(pieces) == most - 1:
            pieces.append(cut_lines(rest, longest))
            break
        end = rest.rfind("\n", 0, longest)
        piece = rest[:end] if end > 0 else cut(rest, longest).removesuffix(MORE) or rest[:longest]
        if piece.strip():  # of blank lines there is nothing to show
            pieces.append(piece.rstrip())
        rest = rest[len(piece) :].lstrip("\n")
    return pieces


def whole(items: Iterable[_T], size: Callable[[_T], int], room: int) -> list[_T]:
    """Those of ``items`` that have room beside those before them: there is no half of an address."""
    kept = []
    for item in items:
        if size(item) <= room:
            room -= size(item)
            kept.append(item)
    return kept
