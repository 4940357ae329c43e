"""Which forms are those of one message. Pure.

All messages of a batch are known, which is what makes this exact: the words that a message always says occur equally
often, so the most numerous set of equally frequent words is its frame (after Brain: Yu et al., IEEE TSC 2023). Among
forms of one frame, a place with many different words holds a value; a place with a few tells causes apart.
"""

from __future__ import annotations

import re
from collections import Counter, defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from functools import lru_cache
from typing import Final, NamedTuple

from slo_engine.evidence.variable_parts import SLOT, UNITS

MANY_NAMES: Final = 4
"""More names than these in one place are values. A name has a dot, a dash, a digit or the like in it."""

MANY_WORDS: Final = 9
"""The same for plain words: `refused`, `reset`, `closed` say what happened."""

MANY_NUMBERS: Final = 3
"""A name whose number has more values than these is an id (``shard-1`` to ``shard-9``), else a name (``gpt-4``)."""

_SPLIT_AT: Final = 0.5
"""A word may be of a message's frame if it is at least this often, of the most frequent word of the message."""


class Token(NamedTuple):
    """A piece of a form. ``key``: by what it is compared, :data:`SLOT` for what differs. ``blank``: one stands before
    it. ``first``: the index of the first of its values among those of the form."""

    key: str
    text: str
    blank: bool
    first: int


@dataclass
class Line:
    """Messages of one form. ``values``: what stood in each slot. ``names``: what else must be equal in one cause."""

    words: str
    names: tuple[str, ...]
    values: list[set[str]]
    members: list[int]
    tokens: list[Token] = field(default_factory=list)
    keys: tuple[str, ...] = ()
    fixed: tuple[str, ...] = ()

    def __post_init__(self) -> None:
        self.tokens = _tokens(self.words, self.values)
        self.keys = tuple(token.key for token in self.tokens)
        self.fixed = tuple(_fixed(self.keys))


def groups(lines: Iterable[Line]) -> list[list[Line]]:
    """The lines that are alike, together."""
    lines = list(lines)
    _outcomes_as_values(lines)
    comparable: defaultdict[tuple[object, ...], list[Line]] = defaultdict(list)
    for line in lines:
        comparable[line.names, line.fixed].append(line)
    return [group for same in comparable.values() for frame in _of_one_frame(same) for group in _told_apart(frame)]


def _outcomes_as_values(lines: Sequence[Line]) -> None:
    """A place that holds a status does not name a fault if it holds a success as well, as in a log of all requests; or
    if it holds numbers of any other kind."""
    if not any(_STATUS.fullmatch(key) for line in lines for key in line.fixed):
        return
    same: defaultdict[tuple[str, ...], list[Line]] = defaultdict(list)
    for line in lines:
        same[line.names + tuple(SLOT if _STATUS.fullmatch(key) else key for key in line.keys)].append(line)
    for alike in same.values():
        for at, keys in enumerate(zip(*(line.keys for line in alike), strict=True)):
            if len(set(keys)) > 1 and any(key == SLOT or key[0] == "2" for key in keys):
                for line in alike:
                    line.keys = (*line.keys[:at], SLOT, *line.keys[at + 1 :])
                    line.fixed = (*line.fixed[:at], "", *line.fixed[at + 1 :])


_STATUS: Final = re.compile(r"[1-5]\d\d")


def _of_one_frame(lines: Sequence[Line]) -> list[list[Line]]:
    """Lines of equal length and punctuation, by the words that belong together."""
    if len(lines) == 1:
        return [list(lines)]
    often: Counter[tuple[int, str]] = Counter()
    for line in lines:
        for place in _open_words(line):
            often[place] += len(line.members)
    frames: defaultdict[object, list[Line]] = defaultdict(list)
    for line in lines:
        places = _open_words(line)
        counted = Counter(often[place] for place in places)
        if not counted:
            frames[None].append(line)
            continue
        least = _SPLIT_AT * max(counted)
        _, frequency = max((number, count) for count, number in counted.items() if count >= least)
        frames[tuple(place for place in places if often[place] == frequency)].append(line)
    return list(frames.values())


def _open_words(line: Line) -> list[tuple[int, str]]:
    return [
        (at, key)
        for at, (key, fixed) in enumerate(zip(line.keys, line.fixed, strict=True))
        if not fixed and key != SLOT
    ]


def _told_apart(lines: Sequence[Line]) -> list[list[Line]]:
    """Lines of one frame, by the words of which there are few."""
    if len(lines) == 1:
        return [list(lines)]
    places = [set(keys) for keys in zip(*(line.keys for line in lines), strict=True)]
    telling = [
        at for at, keys in enumerate(places) if len(keys) > 1 and not _are_values(keys, _word_before(lines[0], at))
    ]
    causes: defaultdict[tuple[str, ...], list[Line]] = defaultdict(list)
    for line in lines:
        causes[tuple(_told(line.keys[at], places[at]) for at in telling)].append(line)
    return list(causes.values())


def _word_before(line: Line, at: int) -> str:
    return line.keys[at - 1] if at else ""


def _are_values(keys: set[str], before: str) -> bool:
    if all(map(_is_name, keys)):
        return SLOT in keys or len(keys) > MANY_NAMES or len({_domain(key) for key in keys}) == 1
    takes_a_value = before in _TAKES_A_VALUE and not all(map(str.isupper, keys))  # from RUNNING to FAILED
    return len(keys) > (MANY_NAMES if takes_a_value else MANY_WORDS)


def _domain(key: str) -> str:
    """``b.c`` of ``a.b.c``: machines of one domain. What has fewer parts is its own."""
    _, _, domain = key.partition(".")
    return domain if "." in domain else key


def _told(key: str, keys: set[str]) -> str:
    return SLOT if SLOT in keys and _is_name(key) else key


def _is_name(key: str) -> bool:
    return SLOT in key or _NAME.search(key) is not None


_TAKES_A_VALUE: Final = frozenset(
    ["for", "from", "by", "to", "of", "in", "on", "at", "as", "with", "user", "host", "=", "class", "named"]
)
_NAME: Final = re.compile(r"[^\W\d_][._@/$\\-][\w]|[a-z][A-Z]|\d")

# Tokens.

_QUOTED: Final = r"\"[^\"\0]{1,200}\"|(?<!\w)'[^'\0]{1,200}'(?!\w)|`[^`\0]{1,200}`"
_PUNCTUATION: Final = r"[=:,;()\[\]{}<>\"'|!?`]"
_TOKEN: Final = re.compile(rf"( ?)({_QUOTED}|<[a-z]{{2,12}}>|[<>]=?\0|{_PUNCTUATION}|[^ =:,;()\[\]{{}}<>\"'|!?`]+)")
_VALUE: Final = re.compile(r"(?:[A-Za-z]{0,2}[\W_])*[A-Za-z]{0,2}\0[\W_\0]*(?P<unit>[A-Za-z]{1,7}|%)?[\W_]*")
_DATE_WORDS: Final = frozenset(
    [
        "Mon",
        "Tue",
        "Wed",
        "Thu",
        "Fri",
        "Sat",
        "Sun",
        "Jan",
        "Feb",
        "Mar",
        "Apr",
        "May",
        "Jun",
        "Jul",
        "Aug",
        "Sep",
        "Oct",
        "Nov",
        "Dec",
        "Monday",
        "Tuesday",
        "Wednesday",
        "Thursday",
        "Friday",
        "Saturday",
        "Sunday",
        "January",
        "February",
        "March",
        "April",
        "June",
        "July",
        "August",
        "September",
        "October",
        "November",
        "December",
    ]
)
_USERS: Final = frozenset(["user", "account", "customer", "tenant", "User", "Account", "Customer", "Tenant"])
_USER: Final = re.compile(
    r"(?:for|of|by|as|from|to|invalid|unknown|illegal) (?:user|account|customer|tenant)$", re.IGNORECASE
)


def _tokens(words: str, values: Sequence[set[str]]) -> list[Token]:
    found: list[Token] = []
    slot = 0
    for match in _TOKEN.finditer(words):
        blank, text = bool(match[1]), match[2]
        slots = text.count(SLOT)
        key = SLOT if slots and _differs(text, values[slot : slot + slots]) else text
        last = found[-1] if found else None
        if (
            blank
            and last is not None
            and last.key in _USERS
            and _USER.search(words, max(0, match.start() - 30), match.start())
        ):
            key = SLOT if text[0].isalpha() else key
        if key != SLOT and last is not None and last.key == SLOT and blank and text.rstrip(".,") in UNITS:
            found[-1] = Token(SLOT, f"{last.text} {text}", last.blank, last.first)
        elif text == ")" and last is not None and last.text == "(" and last.blank:
            found += (Token(SLOT, "", False, slot), Token(text, text, blank, slot))
        else:
            found.append(Token(key, text, blank, slot))
        slot += slots
    return _lists_as_one(_dates_as_values(found))


def _differs(text: str, values: Sequence[set[str]]) -> bool:
    alone = _VALUE.fullmatch(text)
    if alone is not None and (alone["unit"] is None or alone["unit"] in UNITS or len(alone["unit"]) < 2):
        return True
    return any(len(each) > MANY_NUMBERS for each in values)


def _dates_as_values(tokens: list[Token]) -> list[Token]:
    after = ""
    for at in range(len(tokens) - 1, -1, -1):
        token = tokens[at]
        if token.key in _DATE_WORDS and after == SLOT:
            tokens[at] = Token(SLOT, token.text, token.blank, token.first)
        after = tokens[at].key
    return tokens


def _lists_as_one(tokens: list[Token]) -> list[Token]:
    """``1, 2, 3`` is as one value, for another list has another length."""
    found: list[Token] = []
    for token in tokens:
        if found and token.blank and token.text == found[-1].text and SLOT in token.text:
            last = found[-1]
            found[-1] = Token(SLOT, f"{last.text} {token.text}", last.blank, last.first)
            continue
        if token.key == SLOT and found:
            if found[-1].key == SLOT and token.blank:
                last = found[-1]
                found[-1] = Token(SLOT, f"{last.text} {token.text}", last.blank, last.first)
                continue
            if len(found) > 1 and found[-1].text == "," and found[-2].key == SLOT:
                comma, last = found.pop(), found[-2]
                found[-1] = Token(SLOT, f"{last.text},{' ' if token.blank else ''}{token.text}", last.blank, last.first)
                continue
        found.append(token)
    return found


# What tells causes apart however many of it there are.

_FAILURE: Final = re.compile(
    r"(?:\w+\.)*(?:[A-Z]\w*|\w*_)?(?:Error|Exception|ExceptionGroup|Failure|Fault|Warning|Timeout|Interrupt|Exit|Expired)s?\.?"
    r"|[A-Z]+(?:_[A-Z]+)+\.?|E[A-Z]{4,}|\w+_error"
)
_NAMES_A_PART: Final = frozenset(
    [
        "attribute",
        "module",
        "named",
        "name",
        "argument",
        "column",
        "relation",
        "table",
        "function",
        "field",
        "key",
        "tool",
        "method",
        "class",
        "parameter",
        "property",
        "variable",
        "option",
        "model",
        "KeyError",
        "AttributeError",
        "NameError",
        "ImportError",
        "ModuleNotFoundError",
    ]
)
_IDENTIFIER: Final = re.compile(r"[\"'`][A-Za-z_][\w.-]*[\"'`]")


@lru_cache(maxsize=4096)
def _names_a_failure(key: str) -> bool:
    return SLOT not in key and (_FAILURE.fullmatch(key) is not None or any(map(str.isdigit, key)))


def _fixed(keys: Sequence[str]) -> Iterable[str]:
    before = ""
    for key in keys:
        if len(key) == 1:
            yield "" if key == SLOT or key.isalpha() else key
        elif key[0] in "\"'`":
            yield key if before in _NAMES_A_PART and _IDENTIFIER.fullmatch(key) else ""
        else:
            yield key if _names_a_failure(key) else ""
        if key != ":":
            before = key
