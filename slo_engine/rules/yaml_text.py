"""Rules as YAML text. PyYAML's dumper takes most of the time of a thousand SLOs, though the shape is always the same.

Only texts that look harmless are written here, plain, in single quotes or as a literal block; libyaml writes all
others, in double quotes. What a reader of YAML 1.1 or 1.2 (Prometheus', Kubernetes', PyYAML's) could take for something
else than text is quoted.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from functools import lru_cache

import yaml

from slo_engine.definitions.files import GENERATED

HEADER = f"{GENERATED} Change those and run `slo-engine rules generate`; do not edit this.\n"
"""How every generated file begins."""

_INDENT = "  "

_HARMLESS = r"[ -~\u00a1-\u2027\u202a-\ud7ff\ue000-\ufefe]"
"""No character that YAML escapes, counts as a line break, or strips (tabs, the byte order mark)."""

_PRINTABLE = re.compile(f"{_HARMLESS}*")
_LITERAL = re.compile(f"(?:{_HARMLESS}*+(?<! )(?:\n|\\Z))+")
"""Lines that end without a space."""

_PLAIN = re.compile(r"[A-Za-z0-9_(/\u00a1-\u024f](?:(?!: | #).)*(?<![: ])")
"""Begins with nothing that means something to YAML, holds no comment and no key."""

_NOT_A_TEXT = re.compile(
    r"null|true|false|yes|no|on|off|y|n|[0-9][0-9_.,:]*(e[-+]?[0-9]*)?|0[xob][0-9a-f_]*|[0-9]{4}-[0-9]{1,2}-[0-9].*",
    re.IGNORECASE,
)
"""What is a number, a truth value, a date or nothing for some version of YAML."""


def as_yaml(data: Mapping[str, object] | Sequence[object]) -> str:
    """Mappings and lists of texts as YAML, in the order given. Deterministic."""
    lines: list[str] = []
    _write(lines, data, "")
    return "\n".join(lines) + "\n"


def indented(text: str, depth: int) -> str:
    """YAML as a part of other YAML, so many levels deeper. Empty lines stay empty."""
    return re.sub(r"^(?=[^\n])", _INDENT * depth, text, flags=re.MULTILINE)


def _write(lines: list[str], data: object, indent: str) -> None:
    if isinstance(data, dict):
        for key, value in data.items():
            _write_entry(lines, f"{indent}{_inline(key)}:", value, indent)
        return
    assert isinstance(data, list | tuple)
    for item in data:
        if isinstance(item, dict) and item:
            first = len(lines)
            _write(lines, item, indent + _INDENT)
            lines[first] = f"{indent}- {lines[first][len(indent) + 2 :]}"
        else:
            _write_entry(lines, f"{indent}-", item, indent)


def _write_entry(lines: list[str], head: str, value: object, indent: str) -> None:
    if isinstance(value, str):
        if "\n" in value and _is_literal(value):
            _write_literal(lines, head, value, indent + _INDENT)
        else:
            lines.append(f"{head} {_inline(value)}")
    elif value:
        lines.append(head)
        # The items of a list stand in the column of its key.
        _write(lines, value, indent + _INDENT if isinstance(value, dict) else indent)
    else:
        lines.append(f"{head} {'{}' if isinstance(value, dict) else '[]'}")


def _write_literal(lines: list[str], head: str, text: str, indent: str) -> None:
    hint = "2" if text[0] in " \n" else ""
    body = text.rstrip("\n")
    breaks = len(text) - len(body)
    lines.append(f"{head} |{hint}{'-' if breaks == 0 else '' if breaks == 1 else '+'}")
    lines += [indent + line if line else "" for line in body.split("\n")]
    lines += [""] * (breaks - 1)


def _is_literal(text: str) -> bool:
    return bool(_LITERAL.fullmatch(text) and text.strip("\n "))


@lru_cache(maxsize=8192)
def _inline(text: str) -> str:
    if not text or not _PRINTABLE.fullmatch(text):
        return str(yaml.dump(text, Dumper=yaml.CSafeDumper, default_style='"', allow_unicode=True, width=2**31 - 1))[
            :-1
        ]
    if _PLAIN.fullmatch(text) and not _NOT_A_TEXT.fullmatch(text):
        return text
    return "'" + text.replace("'", "''") + "'"
