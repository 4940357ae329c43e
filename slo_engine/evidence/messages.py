"""Error messages -> clusters of messages that are alike, each with what they have in common. Pure."""

from __future__ import annotations

import re
from collections import defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Final

from slo_engine.evidence.alike import Line, groups
from slo_engine.evidence.error_texts import ErrorText, error_text
from slo_engine.evidence.tokens import Token
from slo_engine.evidence.variable_parts import SLOT, UNITS, Forms, is_surely_variable, kind
from slo_engine.scrub.outgoing import outgoing_text

LONGEST: Final = 200
"""Characters of a cluster's message: enough for an exception, too little for a prompt that somebody put into one."""

NO_MESSAGE: Final = "no message"

_LONGEST_SCRUBBED: Final = 4000
_LONGEST_COMPARED: Final = 500
"""Characters of a message that are looked at for secrets, and for what varies."""


@dataclass(frozen=True)
class Cluster:
    """Messages that are alike. ``message``: what they have in common, on one line of at most 200 characters and without
    secrets; ``<n>``, ``<id>``, ``<url>``, ``<*>``, ... for what differs. ``members``: their indices, ascending."""

    message: str
    members: tuple[int, ...]


def clustered(messages: Sequence[str]) -> list[Cluster]:
    """The messages by what they say, the largest cluster first. Every message is in one cluster; their order does not
    matter."""
    clusters = [Cluster(_common(lines), _members(lines)) for lines in groups(_lines(messages))]
    return sorted(clusters, key=lambda cluster: (-len(cluster.members), cluster.message, cluster.members))


def _members(lines: Iterable[Line]) -> tuple[int, ...]:
    return tuple(sorted(member for line in lines for member in line.members))


# Messages by form.


def _lines(messages: Sequence[str]) -> list[Line]:
    forms = Forms()
    said: defaultdict[ErrorText, list[int]] = defaultdict(list)
    for raw, members in _by_text(messages).items():
        said[error_text(raw)] += members
    alike: defaultdict[tuple[str, tuple[str, ...]], _Alike] = defaultdict(_Alike)
    for (text, names), members in said.items():
        words, values = forms.of_text(_compared(text))
        alike[words, names].add(text, values, members)
    lines: dict[tuple[str, tuple[str, ...]], tuple[list[set[str]], list[int]]] = {}
    for (words, names), same in alike.items():
        shown, columns = same.without_secrets(words, forms)
        known, members = lines.setdefault((shown, names), ([set() for _ in columns], []))
        members += same.members
        for values_known, values_found in zip(known, columns, strict=True):
            values_known |= values_found
    return [Line(words, names, columns, members) for (words, names), (columns, members) in lines.items()]


def _by_text(messages: Sequence[str]) -> dict[str, list[int]]:
    found: defaultdict[str, list[int]] = defaultdict(list)
    for index, message in enumerate(messages):
        found[message].append(index)
    return found


class _Alike:
    """Texts of one form."""

    def __init__(self) -> None:
        self.members: list[int] = []
        self._longest = ""
        self._values: list[tuple[str, ...]] = []

    def add(self, text: str, values: tuple[str, ...], members: list[int]) -> None:
        self.members += members
        self._values.append(values)
        self._longest = max(self._longest, text, key=lambda each: (len(each), each))

    def without_secrets(self, words: str, forms: Forms) -> tuple[str, list[set[str]]]:
        """The words, and the values of each slot.

        One text is scrubbed for all: what is shown later are words and values that all texts have. It is the longest,
        since some secrets are known for their length.
        """
        columns = [set(column) for column in zip(*self._values, strict=True)]
        scrubbed = _compared(_scrubbed(self._longest[:_LONGEST_SCRUBBED]))
        if scrubbed == _compared(self._longest):
            return words, columns
        constant = {value for column in columns if len(column) == 1 for value in column}
        words, values = forms.of_text(scrubbed)
        return words, [{value} if value in constant else {value, SLOT} for value in values]


def _compared(text: str) -> str:
    if len(text) <= _LONGEST_COMPARED:
        return text
    whole, blank, _ = text[:_LONGEST_COMPARED].rpartition(" ")
    return whole if blank else text[:_LONGEST_COMPARED]


_MASKED: Final = re.compile(r"\[([A-Z]{2,12})\]")
"""What the scrubber leaves behind."""


def _scrubbed(text: str) -> str:
    """Without secrets and personal data, whatever else they look like; before anything is cut off, or half a secret
    would not be known for one."""
    return _MASKED.sub(lambda match: f"<{match.group(1).lower()}>", outgoing_text(text))


# What messages have in common.


def _common(lines: Sequence[Line]) -> str:
    lines = sorted(lines, key=lambda line: (-len(line.members), line.words))
    is_one = sum(len(line.members) for line in lines) == 1
    shortest = min(len(line.tokens) for line in lines)
    parts = []
    for at, token in enumerate(lines[0].tokens[:shortest]):
        texts = {line.tokens[at].text for line in lines}
        said = _shown(token, lines, at, is_one=is_one) if len(texts) == 1 else _of_many(texts)
        parts.append(f"{' ' if token.blank else ''}{said}")
    if any(len(line.tokens) != shortest for line in lines):  # alike in their lead alone
        alike = next(at for at in range(shortest + 1) if len({line.keys[: at + 1] for line in lines}) > 1)
        parts[alike:] = [" <text>"]
    text = " ".join("".join(parts).split())
    if len(text) > LONGEST:
        return f"{text[: LONGEST - 1]}…"
    return text or NO_MESSAGE


def _shown(token: Token, lines: Sequence[Line], at: int, *, is_one: bool) -> str:
    """A token that all lines have, with the values that all have."""
    if SLOT not in token.text:
        return token.text
    words = token.text.split(SLOT)
    values = [
        set().union(*(line.values[line.tokens[at].first + slot] for line in lines)) for slot in range(len(words) - 1)
    ]
    if "://" in token.text:
        return "<url>" if is_one else f"{words[0]}{_path(values[0])}{words[1]}"
    parts = [words[0]]
    for before, following, known in zip(words, words[1:], values, strict=False):
        value = _constant(known, is_one=is_one)
        if is_one and before[-1:] in {"-", "_", "#"} and _FOUR_DIGITS.match(value):
            value = ""  # A-80254
        parts += (value or f"<{_kind_of(known)}>", following)
    return "".join(parts)


def _path(values: set[str]) -> str:
    """Behind the host of an address: if all have it, and it is of plain words. Else there may be a secret in it."""
    said = {re.split(r"[?#]", value)[0] for value in values}
    return said.pop() if len(said) == 1 and all(map(_PLAIN_PATH.fullmatch, said)) else "/<*>"


_PLAIN_PATH: Final = re.compile(r"(?::\d{2,5})?(?:/(?:v\d+|[a-z][a-z._-]{0,30}))*/?")
_FOUR_DIGITS: Final = re.compile(r"\d{4}")


def _constant(values: set[str], *, is_one: bool) -> str:
    """The value of which there is no other; empty if there is, or will be."""
    if len(values) > 1:
        return ""
    (value,) = values
    if not is_surely_variable(value):
        return value
    return value if not is_one and kind(value) == "ip" else ""


def _kind_of(values: set[str]) -> str:
    kinds = {kind(value) for value in sorted(values - {SLOT})[:20]}
    return kinds.pop() if len(kinds) == 1 else "id"


def _of_many(texts: set[str]) -> str:
    if all("://" in text for text in texts):
        return "<url>"
    if all(set(_LETTERS.findall(text)) <= UNITS and SLOT in text for text in texts):
        return "<n>"
    return "<text>" if all(text[:1] in {"'", '"', "`"} and len(text) > 1 for text in texts) else "<*>"


_LETTERS: Final = re.compile(r"[^\W\d_]+")
