"""The parts of a template in Go's ``text/template``: text, and the words, signs and values between ``{{`` and ``}}``.

As in ``text/template/parse/lex.go``: what no part can be made of is a mistake here; how parts go together is read in
:mod:`~slo_engine.definitions.alert_templates`.
"""

from __future__ import annotations

import math
import re
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Literal

from slo_engine.errors import SloEngineError


class AlertTemplateError(SloEngineError):
    """A template that Prometheus would refuse. ``at``: where in the text the mistake is, in characters from 0."""

    def __init__(self, message: str, at: int) -> None:
        self.at = at
        super().__init__(message)


Kind = Literal[
    "text", "{{", "}}", "space", "word", "field", "variable", ".", "number", "char", "string", "(", ")", "|", ":=", "=",
    "sign", "end of text",
]  # fmt: skip

_ENDS_A_WORD = frozenset(" \t\r\n.,|:)(")
_SPACE = re.compile(r"[ \t\r\n]+")
_COMMENT = re.compile(r"\{\{(?:-[ \t\r\n])?/\*")
_COMMENT_END = re.compile(r"\*/([ \t\r\n]-)?\}\}")
_RIGHT = re.compile(r"(?:[ \t\r\n]-)?\}\}")
_STRING = re.compile(r'"(?:\\[^\n]|[^"\\\n])*"')
_RAW_STRING = re.compile(r"`[^`]*`")
_CHAR = re.compile(r"'(?:\\[^\n]|[^'\\\n])*'")
_NUMBER = re.compile(
    r"""[+-]?(?: 0[xX][0-9a-fA-F_]*(?:\.[0-9a-fA-F_]*)?(?:[pP][+-]?[0-9_]*)?
               | 0[oO][0-7_]*(?:\.[0-7_]*)?
               | 0[bB][01_]*(?:\.[01_]*)?
               | [0-9_]*(?:\.[0-9_]*)?(?:[eE][+-]?[0-9_]*)? )i?""",
    re.VERBOSE,
)
_INTEGER = re.compile(r"[+-]?(?:0[xX][0-9a-fA-F]+|0[oO][0-7]+|0[bB][01]+|0[0-7]*|[1-9][0-9]*)")
_ONLY_DIGITS = re.compile(r"[+-]?[0-9]+")
_FLOAT = re.compile(r"[+-]?(?:[0-9]+\.?[0-9]*|\.[0-9]+)(?:[eE][+-]?[0-9]+)?")
_HEX_FLOAT = re.compile(r"[+-]?0[xX](?:[0-9a-fA-F]+\.?[0-9a-fA-F]*|\.[0-9a-fA-F]+)[pP][+-]?[0-9]+")
_ESCAPE = re.compile(r"""\\(?:[abfnrtv\\'"]|x[0-9a-fA-F]{2}|[0-7]{3}|u[0-9a-fA-F]{4}|U[0-9a-fA-F]{8})""")


@dataclass(frozen=True)
class Token:
    """One part. ``text`` is as it stands there, with its quotes; ``at`` counts characters from 0."""

    kind: Kind
    text: str
    at: int


def tokens(text: str) -> Iterator[Token]:
    """The text in parts, up to the first one that is none. Comments and trimmed space are left out, for nothing that is
    checked depends on them."""
    at = 0
    while (opened := text.find("{{", at)) >= 0:
        if opened > at:
            yield Token("text", text[at:opened], at)
        if comment := _COMMENT.match(text, opened):
            at = _after_comment(text, comment.end(), opened)
            continue
        yield Token("{{", "{{", opened)
        trims = text[opened + 2 : opened + 3] == "-" and _SPACE.match(text, opened + 3)
        action = _action(text, opened + (4 if trims else 2), opened)
        for token in action:
            yield token
            at = token.at + len(token.text)
    if at < len(text):
        yield Token("text", text[at:], at)
    yield Token("end of text", "", len(text))


def _after_comment(text: str, inside: int, opened: int) -> int:
    closed = text.find("*/", inside)
    if closed < 0:
        raise AlertTemplateError("opens a comment with {{/* and never closes it: add */}}", opened)
    end = _COMMENT_END.match(text, closed)
    if not end:
        raise AlertTemplateError("holds more than a comment between {{/* and }}: close the comment with */}}", closed)
    return end.end()


def _action(text: str, at: int, opened: int) -> Iterator[Token]:
    """The parts of one action, up to its ``}}``."""
    brackets: list[int] = []
    while True:
        if end := _RIGHT.match(text, at):
            if brackets:
                raise AlertTemplateError("opens a bracket and never closes it: add )", brackets[-1])
            yield Token("}}", end.group(), at)
            return
        if at >= len(text):
            raise AlertTemplateError("opens a template with {{ and never closes it: add }}", opened)
        token = _part(text, at)
        if token.kind == "(":
            brackets.append(at)
        elif token.kind == ")":
            if not brackets:
                raise AlertTemplateError("closes a bracket that it has not opened: remove )", at)
            brackets.pop()
        yield token
        at += len(token.text)


def _part(text: str, at: int) -> Token:
    first = text[at]
    if space := _SPACE.match(text, at):
        # The last space may be a part of " -}}".
        ends = len(space.group()) > 1 and _RIGHT.match(text, space.end() - 1)
        return Token("space", space.group()[: -1 if ends else None], at)
    if first == ":":
        if text[at + 1 : at + 2] != "=":
            raise AlertTemplateError("holds a colon: a variable is declared with :=", at)
        return Token(":=", ":=", at)
    if first in "=|()":
        return Token(_SIGNS[first], first, at)
    if first in "\"`'":
        return _quoted(text, at)
    if first in "+-0123456789" or (first == "." and text[at + 1 : at + 2] in _DIGITS):
        return _number(text, at)
    if first in "$." or _in_word(first):
        return _name(text, at)
    if " " <= first <= "~":
        return Token("sign", first, at)
    raise AlertTemplateError(f"holds {first!r} between {{{{ and }}}}: put text in quotes", at)


_SIGNS: dict[str, Kind] = {"=": "=", "|": "|", "(": "(", ")": ")"}
_DIGITS = frozenset("0123456789")


def _in_word(char: str) -> bool:
    """What Go takes for a letter or a digit: decimal ones, unlike str.isalnum()."""
    return char == "_" or char.isalpha() or char.isdecimal()


def _name(text: str, at: int) -> Token:
    """A word, ``$variable``, ``.field`` or a dot."""
    end = at + (text[at] in "$.")
    while end < len(text) and _in_word(text[end]):
        end += 1
    if end < len(text) and text[end] not in _ENDS_A_WORD and not text.startswith("}}", end):
        raise AlertTemplateError(f"cannot read {text[end]!r} behind {text[at:end]}: put a space between the two", end)
    name = text[at:end]
    kind: Kind = "variable" if name[0] == "$" else "word"
    if name[0] == ".":
        kind = "field" if len(name) > 1 else "."
    return Token(kind, name, at)


def _quoted(text: str, at: int) -> Token:
    quote = text[at]
    pattern = {'"': _STRING, "`": _RAW_STRING, "'": _CHAR}[quote]
    found = pattern.match(text, at)
    if not found:
        raise AlertTemplateError(f"opens a quote with {quote} and never closes it: add {quote}", at)
    if quote == "`":
        return Token("string", found.group(), at)
    characters = list(_characters(found.group()[1:-1], at + 1, quote))
    if quote == "'" and len(characters) != 1:
        raise AlertTemplateError('puts text in single quotes, which hold one character: use " or `', at)
    return Token("string" if quote == '"' else "char", found.group(), at)


def _characters(inside: str, at: int, quote: str) -> Iterator[str]:
    """The characters between quotes, an escape as one."""
    position = 0
    while position < len(inside):
        char = inside[position]
        if char == "\\":
            escape = _ESCAPE.match(inside, position)
            if not escape or not _valid_escape(escape.group(), quote):
                shown = inside[position : position + 2]
                raise AlertTemplateError(
                    f"holds the escape {shown}, which Go does not have: write \\\\ for a backslash, or put the text "
                    "in backquotes, which have no escapes",
                    at + position,
                )
            char = escape.group()
        yield char
        position += len(char)


def _valid_escape(escape: str, quote: str) -> bool:
    kind = escape[1]
    if kind in "'\"":
        return kind == quote
    if kind in "uU":
        code = int(escape[2:], 16)
        return code <= 0x10FFFF and not 0xD800 <= code <= 0xDFFF
    return not kind.isdigit() or int(escape[1:], 8) <= 0xFF


def _number(text: str, at: int) -> Token:
    found = _NUMBER.match(text, at)
    assert found is not None  # all of it is optional
    end = found.end()
    sound = _is_number(found.group())
    if text[end : end + 1] in ("+", "-"):  # a complex number, as 1+2i
        imaginary = _NUMBER.match(text, end)
        assert imaginary is not None
        end = imaginary.end()
        sound = _is_float(found.group()) and imaginary.group().endswith("i") and _is_float(imaginary.group()[:-1])
    if not sound or (end < len(text) and _in_word(text[end])):
        if text.startswith("-}}", at):
            raise AlertTemplateError("lacks a space before -}}", at)
        while end < len(text) and _in_word(text[end]):
            end += 1
        shown = text[at:end]
        raise AlertTemplateError(
            f"cannot read {shown} as a number: put text in quotes, and do sums in the expression of the alert", at
        )
    return Token("number", text[at:end], at)


def _is_number(text: str) -> bool:
    if text.endswith("i"):
        return _is_float(text[:-1])
    plain = text.replace("_", "")
    if not _underscores_part_digits(text) or not _INTEGER.fullmatch(plain):
        return _is_float(text) and not _ONLY_DIGITS.fullmatch(plain)
    digits = plain.lstrip("+-")
    value = int(digits, 8 if digits.isdigit() and digits[0] == "0" else 0)
    # With a sign it is read as signed, without one as unsigned as well.
    return value < {"-": 2**63 + 1, "+": 2**63}.get(plain[0], 2**64)


def _is_float(text: str) -> bool:
    plain = text.replace("_", "")
    if not _underscores_part_digits(text):
        return False
    try:
        if _HEX_FLOAT.fullmatch(plain):
            return abs(float.fromhex(plain)) < math.inf
        return bool(_FLOAT.fullmatch(plain)) and abs(float(plain)) < math.inf
    except OverflowError:
        return False


def _underscores_part_digits(text: str) -> bool:
    """As in Go: each stands between digits, or between a prefix and a digit."""
    unsigned = text[1:] if text[:1] in ("+", "-") else text
    prefix, digits = unsigned[:2].lower(), "0-9"
    if prefix in ("0x", "0o", "0b"):
        unsigned = f"0{unsigned[2:]}"
        digits = "0-9a-fA-F" if prefix == "0x" else digits
    return not re.search(rf"(?<![{digits}])_|_(?![{digits}])", unsigned)
