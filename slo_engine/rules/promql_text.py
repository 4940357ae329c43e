"""Expressions as the parser prints them.

Reading one and printing it takes a tenth of a millisecond, for the parser copies the tree below each of its nodes. But
the rules of one SLO say what those of another say, of another SLO: so expressions that differ only in the values of
their matchers are read and printed once, with letters in the place of the values. What a value says means nothing to
the parser: it measures it, to break lines, and compares it with another of the same label in the same selector, to sort
them. So each value has letters of its own, as many as it is long, and where a selector asks for a label twice the
expression is read as it is.
"""

from __future__ import annotations

import re
from functools import lru_cache
from string import ascii_lowercase

from slo_engine.definitions.promql import PromqlError, parse_expression

_PLAIN = re.compile(r"[A-Za-z0-9_:./-]*")
"""Texts that PromQL neither escapes nor ends within."""

_UNLIKE = ("\\", "'", "`", "#", "__name__")
"""With one of these in an expression a quotation mark may stand within a text or a comment, or a value be the name of a
metric."""

_IN_BRACES = re.compile(r"\{[^{}]*\}")
_LABEL = re.compile(r'(\w+)\s*!?="')


def as_promql(text: str) -> str:
    """The expression as the parser prints it. Raises PromqlError with the reason where it is none."""
    parts = text.split('"')
    quoted = parts[1::2]
    values = dict.fromkeys(quoted)
    if len(values) > len(ascii_lowercase) or not _PLAIN.fullmatch("".join(values)):
        return _printed(text)
    letters = {value: letter * len(value) for value, letter in zip(values, ascii_lowercase, strict=False)}
    parts[1::2] = [letters[value] for value in quoted]
    printed = _printed_with_letters('"'.join(parts))
    if printed is None:
        return _printed(text)
    meant = {letter: value for value, letter in letters.items()}
    parts = printed.split('"')
    parts[1::2] = [meant[letter] for letter in parts[1::2]]
    return '"'.join(parts)


@lru_cache(maxsize=8192)
def _printed_with_letters(text: str) -> str | None:
    """None where other values would be printed in another way, or where it is no expression: what is wrong with it is
    to be said of what was really written."""
    quotation_marks = text.count('"')
    # Not behind =~ or !~, nor an argument. No text in it has an equals sign, so each of these begins one.
    if quotation_marks != 2 * text.count('="') or any(sign in text for sign in _UNLIKE):
        return None
    for selector in _IN_BRACES.findall(text):
        labels = _LABEL.findall(selector)
        if len(labels) != len(set(labels)):
            return None
    try:
        return _printed(text)
    except PromqlError:
        return None


def _printed(text: str) -> str:
    # prettify() and not str(): the parser's str() loses escapes.
    return parse_expression(text).prettify()
