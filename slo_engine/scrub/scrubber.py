"""Personal data and secrets out of what leaves in a trace: found by form and checksum, without a model or a network.

Every search is behind a cheap question that clean text answers with no, so clean text costs little. Ids of traces and
runs (32 hexadecimal digits, UUIDs) are not touched, since without them a trace cannot be found again; unless a word
before them says that they are a secret (``token=...``), as the keys of some providers look the same.
"""

from __future__ import annotations

import re
from bisect import bisect_right
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from typing import Final

from slo_engine.scrub.addresses import emails, ip_addresses
from slo_engine.scrub.found import Finder, Match
from slo_engine.scrub.keys import keys
from slo_engine.scrub.numbers import numbers
from slo_engine.scrub.reading import Reading, read, unescaped
from slo_engine.scrub.secret_words import named_secrets


class Scrubber:
    """Finds and masks e-mail addresses, phone and card numbers, IBANs, identity and tax numbers, IP addresses, keys,
    tokens and passwords.

    ``patterns``: regular expressions of your own, by kind; what they match becomes ``[KIND]``. Raises re.error for
    one that is not a regular expression. ``finders``: functions of your own from a text to matches, such as
    `presidio.PresidioFinder`. ``wanted``: whether to mask a match, by its kind and text; all of them if not given.
    """

    def __init__(
        self,
        patterns: Mapping[str, str] = {},
        finders: Sequence[Finder] = (),
        *,
        wanted: Callable[[str, str], bool] | None = None,
    ) -> None:
        self._wanted = wanted
        self._own: tuple[Finder, ...] = (
            *(_of_pattern(kind, re.compile(pattern)) for kind, pattern in patterns.items()),
            *finders,
        )

    def find(self, text: str) -> list[Match]:
        """What is in a text, in order; what overlapped is one."""
        if "\\u" in text and (other := unescaped(text)) is not None:
            found = [
                Match(other.original(start), other.original(end), kind)
                for start, end, kind in self._find_each(other.text)
            ]
        else:
            found = self._find_each(text)
        if self._wanted is not None:
            found = [each for each in found if self._wanted(each.kind, text[each.start : each.end])]
        return _merged(found)

    def _find_each(self, text: str) -> list[Match]:
        reading = read(text)
        forms = [finding for finder in _BY_FORM for finding in finder(reading)]
        own = [each for finder in self._own for each in finder(reading.plain) if each.end > each.start]
        return [*own, *_outside_of_ids(reading.forms, forms), *keys(reading.words), *named_secrets(reading)]

    def scrub(self, text: str) -> str:
        """The text with ``[EMAIL]``, ``[SECRET]``, ... instead of what was found."""
        found = self.find(text)
        if not found:
            return text
        parts: list[str] = []
        at = 0
        for start, end, kind in found:
            parts += (text[at:start], f"[{kind.upper()}]")
            at = end
        return "".join([*parts, text[at:]])


_BY_FORM: Final[tuple[Callable[[Reading], Iterator[Match]], ...]] = (emails, ip_addresses, numbers)


def _merged(found: list[Match]) -> list[Match]:
    if not found:
        return []
    # Of two kinds for the very same place, the one that came first: what somebody asked for in particular.
    found.sort(key=lambda each: (each.start, each.end))
    merged: list[Match] = [found[0]]
    for each in found[1:]:
        last = merged[-1]
        if each.start >= last.end:
            merged.append(each)
        else:
            longer = each if each.end - each.start > last.end - last.start else last
            merged[-1] = Match(last.start, max(last.end, each.end), longer.kind)
    return merged


def _of_pattern(kind: str, pattern: re.Pattern[str]) -> Finder:
    def find(text: str) -> Iterator[Match]:
        return (Match(match.start(), match.end(), kind) for match in pattern.finditer(text))

    return find


_IDS: Final = re.compile(
    r"(?<![0-9A-Za-z])(?:[0-9A-Fa-f]{32}|[0-9A-Fa-f]{8}-(?:[0-9A-Fa-f]{4}-){3}[0-9A-Fa-f]{12})(?![0-9A-Za-z])"
    r"(?:-[0-9a-f]{16}(?:-[0-9a-f]{1,2})?(?![0-9A-Za-z]))?"
)


def _outside_of_ids(text: str, found: Sequence[Match]) -> Iterable[Match]:
    """Digits of an id may look like anything."""
    if not found:
        return ()
    ids = [match.span() for match in _IDS.finditer(text)]
    ends = [end for _, end in ids]

    def is_outside(each: Match) -> bool:
        # Ids stand in order, and none in another: the first that ends behind the start is the only one to ask.
        at = bisect_right(ends, each.start)
        return at == len(ids) or ids[at][0] >= each.end

    return [each for each in found if is_outside(each)]
