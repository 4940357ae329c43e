"""SLO files as text, with comments: what a person would write, the same bytes for the same values."""

from __future__ import annotations

import re
import textwrap
from collections.abc import Iterable, Mapping
from typing import Any

WIDTH = 118

_PLAIN = re.compile(r"[A-Za-z_/](?:[\w./%()+ -]*[\w./%()+])?\Z|(?:[0-9]+(?:ms|[wdhms]))+\Z", re.ASCII)
"""Text that no reader of YAML takes for anything but text."""

_WORDS = {"null", "true", "false", "yes", "no", "on", "off", "y", "n", "nan", "inf"}


def comment(text: str, indent: int = 0) -> list[str]:
    """A comment, wrapped. Whatever the text holds stays in it: a line break of a source would end it."""
    plain = "".join(char if char.isprintable() else " " for char in " ".join(text.split()))
    first, rest = f"{' ' * indent}# ", f"{' ' * indent}#   "
    return textwrap.wrap(
        plain,
        WIDTH,
        initial_indent=first,
        subsequent_indent=rest,
        break_long_words=False,
        break_on_hyphens=False,
    ) or [first.rstrip()]


def commented_out(lines: Iterable[str], indent: int) -> list[str]:
    """These lines of YAML as a comment at the same place."""
    return [f"{line[:indent]}# {line[indent:]}".rstrip() for line in lines]


def mapping(
    data: Mapping[str, Any],
    indent: int = 0,
    comments: Mapping[str, Iterable[str]] | None = None,
    open_keys: Iterable[str] = (),
) -> list[str]:
    """The lines of a mapping; ``comments`` stand before their keys. ``open_keys`` never stand on one line."""
    lines = []
    for key, value in data.items():
        for each in (comments or {}).get(key, ()):
            lines += comment(each, indent)
        lines += _entry(f"{' ' * indent}{scalar(key)}:", value, indent, opened=key in open_keys)
    return lines


def item(lines: list[str], indent: int) -> list[str]:
    """These lines of a mapping, indented by ``indent`` + 2, as an item of a list."""
    first = next(index for index, line in enumerate(lines) if not line.lstrip().startswith("#"))
    moved = [line[2:] for line in lines[:first]]
    return [*moved, f"{' ' * indent}- {lines[first][indent + 2 :]}", *lines[first + 1 :]]


def _entry(head: str, value: Any, indent: int, *, opened: bool = False) -> list[str]:
    if isinstance(value, str) and (block := _literal(value)):
        return [f"{head} |-", *(f"{' ' * (indent + 2)}{line}".rstrip() for line in block)]
    line = f"{head} {flow(value)}"
    if not isinstance(value, dict | list) or not value or (len(line) <= WIDTH and not opened):
        return [line]
    if isinstance(value, dict):
        return [head, *mapping(value, indent + 2)]
    lines = [head]
    for each in value:
        if isinstance(each, dict) and each:
            one_line = f"{' ' * (indent + 2)}- {flow(each)}"
            lines += [one_line] if len(one_line) <= WIDTH else item(mapping(each, indent + 4), indent + 2)
        else:
            lines.append(f"{' ' * (indent + 2)}- {flow(each)}")
    return lines


def flow(value: Any) -> str:
    """A value on one line."""
    if isinstance(value, dict):
        return "{" + ", ".join(f"{scalar(key)}: {flow(each)}" for key, each in value.items()) + "}"
    if isinstance(value, list | tuple):
        return "[" + ", ".join(flow(each) for each in value) + "]"
    return scalar(value)


def scalar(value: Any) -> str:
    """A single value, in quotes where it needs them."""
    if value is None:
        return "null"
    if isinstance(value, bool):
        return str(value).lower()
    if isinstance(value, float) and value.is_integer() and abs(value) < 1e15:
        return str(int(value))
    if not isinstance(value, str):
        return str(value).replace("inf", ".inf").replace("nan", ".nan")
    if _PLAIN.match(value) and value.lower() not in _WORDS:
        return value
    if not value.isprintable():
        return '"' + "".join(map(_escaped, value)) + '"'
    if "'" in value and '"' not in value and "\\" not in value:
        return f'"{value}"'
    return "'" + value.replace("'", "''") + "'"


def _escaped(char: str) -> str:
    if char in '"\\':
        return f"\\{char}"
    if char.isprintable():
        return char
    short = {"\n": "\\n", "\t": "\\t", "\r": "\\r"}.get(char)
    code = ord(char)
    return short or (f"\\x{code:02x}" if code < 0x100 else f"\\u{code:04x}" if code < 0x10000 else f"\\U{code:08x}")


def _literal(text: str) -> list[str] | None:
    """The lines of a text that may stand as a block, as it is; None where quotes are safer."""
    lines = text.split("\n")
    safe = all(line.isprintable() and line == line.rstrip() for line in lines)
    return lines if len(lines) > 1 and safe and lines[0] and lines[-1] and not lines[0].startswith(" ") else None
