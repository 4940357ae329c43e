"""Numbers of persons: cards, accounts, identity and tax numbers, social security numbers, phones.

One look for anything like a long number decides whether to go on.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from typing import Final

from slo_engine.scrub import identities
from slo_engine.scrub.check_digits import luhn, mod_97
from slo_engine.scrub.found import Match
from slo_engine.scrub.phones import begins, matches_at, meets, phones
from slo_engine.scrub.reading import Reading
from slo_engine.scrub.surroundings import PHONE, Surroundings, is_of_nobody

IDENTITY: Final = "identity"

# Patterns begin with a digit of their own, which `re` runs through fast; what stands before it is asked afterwards.
_LONG_NUMBER: Final = re.compile(
    r"[0-9](?:[0-9 ()./\u00a0\u2011-]{5,}[0-9]"
    # Fewer digits before letters: of Britain and Mexico, of Corsica and Finland, of Hong Kong.
    r"|[0-9](?:()(?:[0-9]{4}(?:[A-Da-d](?![0-9A-Za-z])|[HMXhmx][A-Za-z]{5}|[A-FU-Ya-fu-y][0-9]{3}|\(A\))"
    # The middle of an Italian codice fiscale, which has no two groups of digits together.
    r"|[A-EHLMPRSTa-ehlmprst][0-9]{2} ?[A-Za-z][0-9]{3}[A-Za-z])"
    # The check digits of an account, behind its country.
    r"|(?<=[A-Za-z]{2}[0-9]{2})(?=(?:[ \u00a0-]?[A-Za-z0-9]){11})))"
)
"""An account or a number that has letters, or may have: the first group matches if it has."""
_MAY_GO_ON: Final = frozenset("ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz -)")
_GOES_ON: Final = re.compile(
    # What follows where letters belong to a number: a check letter, Hong Kong's check digit in brackets, Corsica, the
    # middle of a German number.
    r"-?[A-Za-z]{1,2}(?![0-9A-Za-z])| [A-Z](?![0-9A-Za-z])|(?<=\([0-9])\)|[ABab] ?[0-9]{3} ?[0-9]{3}"
    r"| ?[A-Za-z] ?[0-9]{3}(?![0-9A-Za-z])"
)
_NO_DIGITS: Final = re.compile(r"[^0-9]+")
_MOMENT: Final = re.compile(
    r"1[5-9](?!(?:0[1-9]|1[0-2])(?:0[1-9]|[12]\d|3[01])|\d(?:0[1-9]|1[0-2])(?:0[1-9]|[12]\d|3[01]))\d{11}"
)
"""Milliseconds since 1970: no birthday of Korea or Romania is in them, and no phone has so many digits behind a 1."""
_PARTS_OF_WORDS: Final = frozenset("abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ_")
_HARMLESS: Final = re.compile(
    r"\d+\.\d+|(?:\d{4}([./-])\d{1,2}\1\d{1,2}|\d{1,2}([./-])\d{1,2}\2\d{2,4})(?:[ -]\d{1,2})?"
    r"|\d{4}\.\d\d\.\d{4}|\d{1,4}\.\d\.\d{1,5}(?:\.\d{1,5})?"
    r"|(?:97[89][ -])?(?=(?:[ -]?\d){10}\Z)\d{1,5}([ -])\d{2,7}\3\d{1,7}\3\d"
)
"""Decimals, dates with or without the hour, codes of goods, versions, numbers of books."""

_CARD: Final = re.compile(
    r"(?<![\w.+-])(?:\d{4}[ -]?\d{4}[ -]?\d{4}[ -]?\d{4}(?:[ -]?\d{3})?|3\d{3}[ -]?\d{6}[ -]?\d{4,5})(?![\w-])(?!\.\d)"
)
_ISSUER: Final = re.compile(r"4|5[0-8]|2[2-7]|3[0-9]|6[0-9]|94")
"""The last of them are of Korea's banks, for use at home."""
_SSN: Final = re.compile(r"(?<![\w.+-])(?!000|666|9)\d{3}([- ])(?!00)\d{2}\1(?!0000)\d{4}(?![\w-])(?!\.\d)")


def numbers(reading: Reading) -> Iterator[Match]:
    """Of cards, accounts, persons and phones."""
    forms = reading.forms
    for candidate in _LONG_NUMBER.finditer(forms):
        start, end = candidate.span()
        is_in_word = forms[start - 1 : start] in _PARTS_OF_WORDS
        if is_in_word and forms[start - 2 : start - 1] in _PARTS_OF_WORDS:
            yield from _account(forms, start - 2)
        has_letters = candidate.lastindex is not None
        if (
            has_letters
            or (forms[end : end + 1] in _MAY_GO_ON and _GOES_ON.match(forms, end) is not None)
            or (is_in_word and _BEHIND_LETTER.search(forms, max(0, start - 2), start) is not None)
        ):
            yield from _with_letters(reading, start, end)
        if end - start >= 8 and not is_in_word and not has_letters:
            said = candidate.group()
            is_bare = said.isdigit()
            if is_bare or (_HARMLESS.fullmatch(said) is None and not _is_of_file(forms, start, said)):
                yield from _of_digits(reading, start, end, said if is_bare else _only_digits(said))


_OF_YEAR: Final = re.compile(r"(?:19|20)\d\d[-/]\d{3,7}")


def _is_of_file(forms: str, start: int, said: str) -> bool:
    """As in A-2025-453130: the letter, the year, and what was begun in it."""
    before = forms[max(0, start - 2) : start]
    return before[1:] == "-" and before[0] in _PARTS_OF_WORDS and _OF_YEAR.fullmatch(said) is not None


def _only_digits(said: str) -> str:
    if said.isascii():
        return said.encode().translate(None, b" ()./-").decode()  # several times as fast as a pattern
    return _NO_DIGITS.sub("", said)


def _of_digits(reading: Reading, start: int, end: int, digits: str) -> Iterator[Match]:
    if len(digits) < 8:
        return
    forms = reading.forms
    is_bare = len(digits) == end - start
    if is_bare and len(digits) < 14 and digits[0] != "0" and forms is reading.words:
        # Most numbers are none of a person, and look like none.
        is_international = forms[start - 1 : start] == "+" or digits.startswith("756")
        if not is_international and (_MOMENT.fullmatch(digits) or is_of_nobody(forms, start, end)):
            return
    places = begins(forms, start, end)
    found, like_cards = _cards(forms, places) if len(digits) >= 14 else ([], [])
    yield from found
    if is_bare and len(digits) > 18:
        return
    taken = [(each.start, each.end) for each in found]
    if like_cards and any(left <= start and end <= right for left, right in like_cards):
        # Companies of Brazil have as many digits as some cards.
        if not found and len(digits) in identities.OF_DIGITS:
            yield from _of_a_state(reading, start, end, digits)
        return
    if not is_bare and len(digits) >= 9:
        for match in matches_at(_SSN, forms, places):
            yield Match(match.start(), match.end(), "ssn")
            taken.append(match.span())
    around = Surroundings(reading.words, start, end)
    if len(digits) >= 9 and around.may_be_identity():
        found = [each for each in _named(forms, start, end, around) if not meets(taken, each.start, each.end)]
        yield from found
        taken += [(each.start, each.end) for each in found]
    found = [
        each
        for each in phones(reading, start, end, digits, around, places)
        if not meets([*taken, *like_cards], each.start, each.end)
    ]
    yield from found
    if not found and (not is_bare or len(digits) in _ALONE_IF_BARE) and not meets(taken, start, end):
        yield from _alone(forms, start, end, digits)


def _of_a_state(reading: Reading, start: int, end: int, digits: str) -> Iterator[Match]:
    around = Surroundings(reading.words, start, end)
    found = list(_named(reading.forms, start, end, around)) if around.may_be_identity() else []
    yield from found or _alone(reading.forms, start, end, digits)


def _cards(forms: str, places: Sequence[int]) -> tuple[list[Match], list[tuple[int, int]]]:
    """And the places of all that have the form of a card: a number of that form is no phone either."""
    matches = matches_at(_CARD, forms, places)
    found = []
    for match in matches:
        digits = _only_digits(match.group())
        if _ISSUER.match(digits) and luhn(digits):
            found.append(Match(match.start(), match.end(), "card"))
    return found, [match.span() for match in matches]


# Identity numbers of nothing but digits.

_ENDS: Final = re.compile(r"(?!\w)(?![.,]\d)(?!-\d)(?! ?[€$£%])")
_MOST_PARTS: Final = 12
"""Of digits with blanks between, among which one looks for a number: more of them are a list."""


def _named(forms: str, start: int, end: int, around: Surroundings) -> Iterator[Match]:
    """Those that a word names; other numbers may stand before and after, with a blank between."""
    if forms[start - 1 : start] == "+" or (forms.startswith("00", start) and around.named <= _OF_PHONES):
        return
    parts = [match.span() for match in _PART.finditer(forms, start, end)]
    if len(parts) > _MOST_PARTS:
        return
    is_of_any = around.is_of_any_state()
    done = start
    for at, (left, _) in enumerate(parts):
        for _, right in reversed(parts[at:]):
            digits = _only_digits(forms[left:right])
            if left < done or not _ENDS.match(forms, right):
                continue
            for row in identities.OF_DIGITS.get(len(digits), ()):
                # A part of a number passes one of so many checks too easily for a word that names none of them.
                is_named = around.is_of(row.name) or (is_of_any and left == start and right == end)
                if is_named and row.form.fullmatch(digits) and row.check(digits):
                    yield Match(left, right, IDENTITY)
                    done = right
                    break


_OF_PHONES: Final = frozenset({PHONE})
_PART: Final = re.compile(r"[0-9](?:[0-9./-]*[0-9])?")


_ALONE_IF_BARE: Final = frozenset({13, 14, 15, 18})
"""Digits of those that need neither a word nor separators."""


def _alone(forms: str, start: int, end: int, digits: str) -> Iterator[Match]:
    """Those that are written as nothing else is."""
    spans = [(start, end, digits)]
    if len(digits) > 11 and " " in forms[start:end]:
        spans += [(*match.span(), _only_digits(match.group())) for match in _PART.finditer(forms, start, end)]
    for left, right, each in spans:
        gate = _ALONE.get(len(each))
        if gate is None or gate.fullmatch(forms, left, right) is None or _ENDS.match(forms, right) is None:
            continue
        for row in identities.OF_DIGITS[len(each)]:
            is_written_so = row.alone is not None and row.alone.fullmatch(forms, left, right) is not None
            if is_written_so and row.form.fullmatch(each) and row.check(each):
                yield Match(left, right, IDENTITY)
                break


_ALONE: Final = {
    length: re.compile("|".join(row.alone.pattern for row in rows if row.alone is not None))
    for length, rows in identities.OF_DIGITS.items()
    if any(row.alone is not None for row in rows)
}


# Identity numbers with letters.

_BEHIND_LETTER: Final = re.compile(r"(?<![A-Za-z0-9])[A-Za-z]\Z")
_BLANK: Final = re.compile(" ")
_PREFIX_GATE: Final = re.compile(r"[A-Za-z -]")
_PREFIX: Final = re.compile(r"(?<!\w)(?:[A-Za-z]{3} ?[A-Za-z]{3} ?|[A-Za-z]{4}|[A-Za-z]{1,2}[- ]?)\Z")
_LETTERS_GATE: Final = re.compile(
    rf"(?<![\w.])(?:{'|'.join(row.form.pattern for row in identities.WITH_LETTERS)})(?!\w)", re.ASCII | re.IGNORECASE
)
_SEPARATORS: Final = re.compile(r"[^0-9A-Z]+")


def _with_letters(reading: Reading, start: int, end: int) -> Iterator[Match]:
    forms = reading.forms
    # Another number may stand before it, with a blank between.
    places = [start, *(blank.end() for blank in _BLANK.finditer(forms, max(start, end - 20), end))]
    if start and _PREFIX_GATE.match(forms, start - 1) and (prefix := _PREFIX.search(forms[max(0, start - 9) : start])):
        places.insert(0, start - len(prefix.group()))
    for begin in places:
        if _LETTERS_GATE.match(forms, begin) is None:
            continue
        for row in identities.WITH_LETTERS:
            match = row.form.match(forms, begin)
            if match is None or forms[match.end() : match.end() + 1].isalnum():
                continue
            said = match.group()
            if not row.check(_SEPARATORS.sub("", said.upper())):
                continue
            is_alone = said.isupper() and row.alone is not None and row.alone.fullmatch(said) is not None
            around = Surroundings(reading.words, *match.span())
            if is_alone or around.is_of(row.name) or around.is_of_any_state():
                yield Match(match.start(), match.end(), IDENTITY)
                return


# IBAN: country, two check digits, and a length that the country has fixed (ISO 13616 registry).

_IBAN_TABLE: Final = (
    "AD24 AE23 AL28 AT20 AZ28 BA20 BE16 BG22 BH22 BR29 CH21 CR22 CY28 CZ24 DE22 DK18 DO28 EE20 EG29 ES24 "
    "FI18 FO18 FR27 GB22 GE22 GI23 GL18 GR27 GT28 HR21 HU28 IE22 IL23 IQ23 IS26 IT27 JO30 KW30 KZ20 LB28 "
    "LI21 LT20 LU20 LV21 MC27 MD24 ME22 MK19 MR27 MT31 MU30 NL18 NO15 PK24 PL28 PS29 PT25 QA29 RO24 RS22 "
    "SA24 SE24 SI19 SK24 SM27 TN24 TR26 UA29 VA22 VG24 XK20"
)
_IBAN_LENGTHS: Final[Mapping[str, int]] = {
    country: int(length) for country, length in re.findall(r"([A-Z]{2})(\d\d)", _IBAN_TABLE)
}
_IBAN: Final = re.compile(r"[A-Za-z]{2}[0-9]{2}(?:[ \u00a0-]?[A-Za-z0-9]){11,30}", re.ASCII)


def _account(forms: str, start: int) -> Iterator[Match]:
    match = _IBAN.match(forms, start) if start >= 0 else None
    length = _IBAN_LENGTHS.get(match.group()[:2].upper()) if match is not None else None
    if match is None or length is None or forms[start - 1 : start].isalnum():
        return
    compact: list[str] = []
    for at, letter in enumerate(match.group(), start + 1):
        if letter.isalnum():
            compact.append(letter)
        if len(compact) == length:
            if not forms[at : at + 1].isalnum() and mod_97("".join(compact).upper()):
                yield Match(start, at, "iban")
            break
