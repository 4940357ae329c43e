"""Which forms are those of one message. Pure.

All messages of a batch are known, which is what makes this exact: the words that a message always says occur equally
often, so the most numerous set of equally frequent words is its frame (after Brain: Yu et al., IEEE TSC 2023). Among
forms of one frame, a place with many different words holds a value; a place with a few tells causes apart.
"""

from __future__ import annotations

import re
from collections import Counter, defaultdict
from collections.abc import Iterable, Sequence
from typing import Final

from slo_engine.evidence.tokens import tokens, what_is_fixed
from slo_engine.evidence.variable_parts import SLOT

MANY_NAMES: Final = 4
"""More names than these in one place are values. A name has a dot, a dash, a digit or the like in it."""

MANY_WORDS: Final = 9
"""The same for plain words: `refused`, `reset`, `closed` say what happened."""

_OFTEN: Final = 0.5
"""A word may be of the frame of a message if it is at least this often, of the most frequent word in the message."""


class Line:
    """Messages of one form: its ``words``, ``values`` (what stood in each slot), ``names`` (what else must be equal in
    one cause), and the indices of its ``members``."""

    def __init__(self, words: str, names: tuple[str, ...], values: list[set[str]], members: list[int]) -> None:
        self.words = words
        self.names = names
        self.values = values
        self.members = members
        self.tokens = tokens(words, values)
        self.keys = tuple(token.key for token in self.tokens)
        self.fixed = tuple(what_is_fixed(self.keys))


def groups(lines: Iterable[Line]) -> list[list[Line]]:
    """The lines that are alike, together."""
    lines = list(lines)
    _outcomes_as_values(lines)
    comparable: defaultdict[tuple[object, ...], list[Line]] = defaultdict(list)
    for line in lines:
        comparable[line.names, line.fixed].append(line)
    apart = [group for same in comparable.values() for frame in _of_one_frame(same) for group in _told_apart(frame)]
    return _texts_as_values(apart)


def _outcomes_as_values(lines: Sequence[Line]) -> None:
    """A place that holds a status does not name a fault if it holds a success as well, as in a log of all requests, or
    if it holds numbers of another kind."""
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
        least = _OFTEN * max(counted)
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
    differing = [at for at, keys in enumerate(places) if len(keys) > 1]
    telling = [at for at in differing if not _are_values(places[at], places[at - 1] if at else {""})]
    numerous = [at for at in telling if len(places[at]) > MANY_NAMES and not _are_states(places[at])]
    if len(numerous) > 1:  # two places at once: no choice of words, but what somebody has put in
        telling = [at for at in telling if at not in numerous]
    put_in = [at for at in differing if at not in telling and not all(map(_is_name, places[at]))]
    if len(put_in) > sum(len(keys) == 1 and all(map(str.isalpha, keys)) for keys in places):
        telling = differing  # they have less in common than not
    causes: defaultdict[tuple[str, ...], list[Line]] = defaultdict(list)
    for line in lines:
        causes[tuple(_told(line.keys[at], places[at]) for at in telling)].append(line)
    return list(causes.values())


def _are_values(keys: set[str], before: set[str]) -> bool:
    if all(map(_is_name, keys)):
        return SLOT in keys or len(keys) > MANY_NAMES or len({_domain(key) for key in keys}) == 1
    return len(keys) > (MANY_NAMES if before <= _TAKES_A_VALUE and not _are_states(keys) else MANY_WORDS)


def _are_states(keys: set[str]) -> bool:
    """As in `from RUNNING to FAILED`."""
    return all(map(str.isupper, keys))


def _domain(key: str) -> str:
    """``b.c`` of ``a.b.c``: machines of one domain. What has fewer parts is its own, and so is a service's address."""
    _, _, domain = key.partition(".")
    return domain if "." in domain and "://" not in key else key


def _told(key: str, keys: set[str]) -> str:
    return SLOT if SLOT in keys and _is_name(key) else key


def _is_name(key: str) -> bool:
    return SLOT in key or _NAME.search(key) is not None


_TAKES_A_VALUE: Final = frozenset(
    {*("for", "from", "by", "to", "of", "in", "on", "at", "as", "with"), *("user", "host", "class", "named", "=")}
)
_NAME: Final = re.compile(r"[^\W\d_][._@/$\\-][\w]|[a-z][A-Z]|\d")


def _texts_as_values(apart: list[list[Line]]) -> list[list[Line]]:
    """Clusters that say the same before a colon, and behind it hardly anything twice, are one: `Could not parse
    output:` and what a model has said."""
    leads: defaultdict[tuple[str, ...], list[list[Line]]] = defaultdict(list)
    found = []
    for group in apart:
        lead = _lead(group[0])
        if lead and all(line.keys[: len(lead)] == lead for line in group):
            leads[group[0].names + lead].append(group)
        else:
            found.append(group)
    for alike in leads.values():
        messages = sum(len(line.members) for group in alike for line in group)
        if len(alike) > MANY_WORDS and messages < 2 * len(alike):
            found.append([line for group in alike for line in group])
        else:
            found += alike
    return found


def _lead(line: Line) -> tuple[str, ...]:
    """The words before a colon, if they are a sentence more than the name of an exception."""
    said = 0
    for at, (key, fixed) in enumerate(zip(line.keys, line.fixed, strict=True)):
        if key == ":" and said > 1:
            return line.keys[: at + 1]
        said += not fixed and key.isalpha()
    return ()
