"""Where a character of a YAML value stands in its file: behind quotes, escapes, indentation and folded lines."""

from __future__ import annotations

import re
from collections.abc import Iterator

_ANCHOR = re.compile(r"&\S+\s+")
_ESCAPE = re.compile(r"\\(?:x([0-9a-fA-F]{2})|u([0-9a-fA-F]{4})|U([0-9a-fA-F]{8})|(.))", re.DOTALL)
_SPACE_ESCAPES = frozenset("ntrvN_LP \t\n\r")
"""What stands for white space behind a backslash, or for nothing: a line break."""


def offset_in_source(source: str, style: str | None, value: str, at: int) -> int | None:
    """Of the character ``at`` of a scalar; the next one that is not white space. ``source`` is how the scalar stands in
    the file, ``style`` its first character where it is not plain. None where the two cannot be brought together.

    Whatever YAML does to a scalar, it folds, adds and drops white space only. So the other characters are counted.
    """
    before = sum(not char.isspace() for char in value[:at])
    wanted = [char for char in value if not char.isspace()]
    if before >= len(wanted):
        return None
    for index, (char, offset) in enumerate(_characters(source, style)):
        if index >= len(wanted) or char != wanted[index]:
            return None
        if index == before:
            return offset
    return None


def _characters(source: str, style: str | None) -> Iterator[tuple[str, int]]:
    """What is not white space, and where it stands."""
    anchor = _ANCHOR.match(source)
    at = anchor.end() if anchor else 0
    if style in ("|", ">"):
        at = source.find("\n", at) + 1
    elif style:
        at += 1
    while at < len(source):
        char, length = source[at], 1
        if style == "'" and char == "'":
            length = 2
        elif style == '"' and char == "\\" and (escape := _ESCAPE.match(source, at)):
            code = escape.group(1) or escape.group(2) or escape.group(3)
            named = " " if escape.group(4) in _SPACE_ESCAPES else escape.group(4)
            char, length = chr(int(code, 16)) if code else named, len(escape.group())
        if not char.isspace():
            yield char, at
        at += length
