"""The tokens of a form, and by what each is compared with its like: values do not count, names of faults do. Pure."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from functools import lru_cache
from typing import Final, NamedTuple

from slo_engine.evidence.variable_parts import SLOT, UNITS

MANY_NUMBERS: Final = 3
"""A name whose number has more values than these is an id (``shard-1`` to ``shard-9``), else a name (``gpt-4``)."""


class Token(NamedTuple):
    """A piece of a form. ``key``: by what it is compared, :data:`SLOT` for what differs. ``blank``: one stands before
    it. ``first``: the index of the first of its values among those of the form."""

    key: str
    text: str
    blank: bool
    first: int


def tokens(words: str, values: Sequence[set[str]]) -> list[Token]:
    """The tokens of a form. A number and its unit are one, and so are the parts of a date, or of a list of values."""
    found: list[Token] = []
    slot = 0
    last = Token("", "", False, 0)
    for text, blank, slots in _pieces(words):
        key = text
        if slots:
            key = SLOT if _differs(text, values[slot : slot + slots]) else text
        elif last.key in _USERS and len(found) > 1 and found[-2].key in _OF and _USER.match(text):
            key = SLOT
        elif last.key == SLOT and blank and text.rstrip(".,") in UNITS:
            last = found[-1] = _joined(last, " ", text)
            continue
        elif text == ")" and last.text == "(" and last.blank:  # `from 10.0.0.1 ()`: nothing, where others have a name
            found.append(Token(SLOT, "", False, slot))
        last = Token(key, text, blank, slot)
        found.append(last)
        slot += slots
    return _lists_as_one(_dates_as_values(found)) if slot else found


def _joined(token: Token, between: str, text: str) -> Token:
    return Token(SLOT, f"{token.text}{between}{text}", token.blank, token.first)


_USERS: Final = frozenset({"user", "account", "customer", "tenant"})
_USER: Final = re.compile(r"[\"'`]?[A-Za-z]")
_OF: Final = frozenset({"for", "of", "by", "as", "from", "to", "invalid", "Invalid", "unknown", "Unknown", "illegal"})

_QUOTED: Final = "|".join(  # with blanks in it, or with slots
    f"{before}{mark}(?:[^{mark}\0]{{1,200}}|[^{mark} ]{{1,200}}){mark}{after}"
    for before, mark, after in (("", '"', ""), (r"(?<!\w)", "'", r"(?!\w)"), ("", "`", ""))
)
_TOKEN: Final = re.compile(
    r"( ?)("
    r"[A-Za-z][A-Za-z+.-]{1,20}://[^ '\"<>)\]},;]*"
    rf"|{_QUOTED}"
    r"|[<>]=?\0"  # less than a second
    r"|[=:,;()\[\]{}<>\"'|!?`]"
    r"|[^ =:,;()\[\]{}<>\"'|!?`]+"
    r")"
)
_QUOTE: Final = re.compile(r"[\"'`]")


def _pieces(words: str) -> Iterator[tuple[str, bool, int]]:
    """Each token, whether a blank is before it, and how many slots are in it."""
    if _QUOTE.search(words):
        for match in _TOKEN.finditer(words):
            yield match[2], bool(match[1]), match[2].count(SLOT)
        return
    for word in words.split(" "):
        blank = True
        for text, slots in _pieces_of_word(word):
            yield text, blank, slots
            blank = False


@lru_cache(maxsize=4096)
def _pieces_of_word(word: str) -> tuple[tuple[str, int], ...]:
    return tuple((match[2], match[2].count(SLOT)) for match in _TOKEN.finditer(word))


# Values.

_VALUE: Final = re.compile(r"(?:[A-Za-z]{0,2}[\W_])*[A-Za-z]{0,2}\0[\W_\0]*(?P<unit>[A-Za-z]{1,7}|%)?[\W_]*")
"""Hardly anything but slots: `A-80254`, `#3`, `200ms`."""


def _differs(text: str, values: Sequence[set[str]]) -> bool:
    if "://" in text:
        return False
    alone = _VALUE.fullmatch(text)
    if alone is not None and (alone["unit"] is None or alone["unit"] in UNITS or len(alone["unit"]) == 1):
        return True
    return any(len(each) > MANY_NUMBERS for each in values)


_OF_A_DATE: Final = re.compile(
    r"(?:Mon|Tues?|Wed(?:nes)?|Thu(?:rs)?|Fri|Sat(?:ur)?|Sun)(?:day)?,?"
    r"|Jan(?:uary)?|Feb(?:ruary)?|Mar(?:ch)?|Apr(?:il)?|May|June?|July?|Aug(?:ust)?|Sep(?:tember)?|Oct(?:ober)?"
    r"|(?:Nov|Dec)(?:ember)?"
)


def _dates_as_values(found: list[Token]) -> list[Token]:
    after = ""
    for at in range(len(found) - 1, -1, -1):
        token = found[at]
        if after == SLOT and _OF_A_DATE.fullmatch(token.key):
            found[at] = token._replace(key=SLOT)
        after = found[at].key
    return found


def _lists_as_one(found: list[Token]) -> list[Token]:
    """``1, 2, 3`` as one value, for another list has another length."""
    kept: list[Token] = []
    for token in found:
        last = kept[-1] if kept else None
        is_next = last is not None and token.blank and (token.key == last.key == SLOT or token.text == last.text)
        if last is not None and is_next and SLOT in token.text + last.text:
            kept[-1] = _joined(last, " ", token.text)
        elif token.key == SLOT and len(kept) > 1 and kept[-1].text == "," and kept[-2].key == SLOT:
            kept[-2:] = [_joined(kept[-2], ", " if token.blank else ",", token.text)]
        else:
            kept.append(token)
    return kept


# What tells causes apart, however many of it there are.

_FAILURE: Final = re.compile(
    r"(?:\w+\.){0,12}(?:[A-Z]\w*|\w*_)?"
    r"(?:Error|Exception|ExceptionGroup|Failure|Fault|Warning|Timeout|Interrupt|Exit|Expired)s?\.?"
    r"|[A-Z]+(?:_[A-Z]+)+\.?|E[A-Z]{4,}|\w+_error"
)
_PARTS: Final = frozenset(
    {
        *("attribute", "module", "named", "name", "argument", "column", "relation", "table", "function", "field"),
        *("tool", "method", "class", "parameter", "property", "variable", "option", "model", "reading"),
        *("keyerror", "attributeerror", "nameerror", "importerror", "modulenotfounderror"),
    }
)
_IDENTIFIER: Final = re.compile(r"[\"'`][A-Za-z_][\w.\0-]*[\"'`]|[A-Za-z]\w*_\w+")


def what_is_fixed(keys: Sequence[str]) -> Iterator[str]:
    """For each key: itself if two messages with different ones never are one cause, else empty. Punctuation, numbers of
    errors, names of exceptions, and the part of a program that is missing."""
    before = ""
    for key in keys:
        if len(key) == 1:
            yield "" if key == SLOT or key.isalpha() else key
        elif (before.lower() in _PARTS and _IDENTIFIER.fullmatch(key)) or _names_a_failure(key):
            yield key
        else:
            yield ""
        if key != ":":
            before = key


@lru_cache(maxsize=4096)
def _names_a_failure(key: str) -> bool:
    if SLOT in key or key[0] in "\"'`":
        return False
    return _FAILURE.fullmatch(key) is not None or any(map(str.isdigit, key))
