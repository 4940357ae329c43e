"""Phone numbers: international, and as they are written at home.

A few ways to write them are hardly anything else's. The rest needs a word that says so, and so does a number without
separators; a word that names it otherwise, as an order's, leaves nothing but international numbers.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from typing import Final

from slo_engine.scrub.found import Match
from slo_engine.scrub.reading import Reading
from slo_engine.scrub.surroundings import PHONE, Surroundings

_SEP: Final = r"[ .\u00a0\u2011-]"
_EXTENSION: Final = r"(?:[ ,]{0,2}(?:x|ext\.?|extension|Durchwahl|-)[ .:]{0,2}\d{1,6}(?!\d))?"
_PHONE: Final = re.compile(
    r"(?<![\w.+-])(?:"
    # International: +CC or 00CC, 8 to 15 digits in all (checked below).
    r"(?:\+|\(\+|00)[1-9](?:[ ./\u00a0\u2011()-]{0,3}\d){6,14}"
    # North America: (415) 555-2671, 415-555-2671, 1-800-555-2671.
    rf"|(?:1[ .-])?(?:\([2-9]\d{{2}}\) ?|[2-9]\d{{2}}[ .\u2011-])[2-9]\d{{2}}[ .\u2011-]\d{{4}}"
    # National with a leading 0: 020 7946 0958, (030) 123456, 0171/1234567, 06-12345678, 01 23 45 67 89.
    rf"|\(?0[1-9]\d{{0,4}}\)?(?:[ ./\u00a0\u2011-]{{1,2}}| / |(?<=\)))\d{{2,8}}(?:{_SEP}\d{{2,6}}){{0,4}}"
    # Spain and others without a trunk 0: 612 34 56 78, 91 336 70 63, 912 345 678.
    r"|[6-9]\d{2} \d{2} \d{2} \d{2}|9\d \d{3} \d{2} \d{2}|[679]\d{2} \d{3} \d{3}|[679]\d{2}-\d{3}-\d{3}"
    # Poland: 501 234 567, 601-234-567.
    r"|(?:45|5[0137]|6[069]|7[2389]|88)\d([ -])\d{3}\1\d{3}"
    # Italy: 347 123 4567, 347 1234567.
    r"|3[2-9]\d[ ./-](?:\d{3}[ .-]?\d{3,4}|\d{2} \d{2} \d{3})"
    # Brazil: (11) 91234-5678, 11 3456-7890.
    r"|\(?[1-9]\d\)? ?9? ?\d{4}-\d{4}|\([1-9]\d\) ?9? ?\d{4}[ .]?\d{4}"
    # China: 138 0013 8000.
    r"|1[3-9]\d([ -])\d{4}\2\d{4}"
    # India: 98765 43210.
    r"|[6-9]\d{4}[ -]\d{5}"
    rf"){_EXTENSION}(?![\w-])(?![.,:/]\d)(?! ?[€$£%])",
    re.IGNORECASE,
)
_PHONE_AT_PLUS: Final = re.compile(
    rf"(?<![\w.+])(?:\(?\+|00)[1-9](?:[ ./\u00a0\u2011()-]{{0,3}}\d){{6,14}}{_EXTENSION}(?![\w])(?!\.\d)", re.IGNORECASE
)
_DATE: Final = re.compile(r"\d{1,2}([./ -])\d{1,2}\1(?:19|20)\d{2}|(?:19|20)\d{2}([./ -])\d{1,2}\2\d{1,2}")
_MOBILE: Final = re.compile(r"0(?:6\d{8}|7\d{8,9}|1[5-7]\d{8,9}|[789]0\d{8}|10\d{8}|[49]\d{8})")
"""Without separators: of France, Britain, Germany, Japan, Korea, Australia, ..."""
_CHINESE_MOBILE: Final = re.compile(r"1[3-9]\d{9}")
"""Too much like other numbers unless Chinese stands beside it."""
_MONEY_BEFORE: Final = re.compile(r"[€$£¥₩₹] ?\Z")
_UNIT: Final = re.compile(r" ?(?:[€$£%¥₩₹円元원]|(?:zł|PLN|EUR|USD|GBP|CHF|kr|Kč|JPY|CNY|KRW|BRL|ms|bytes|tokens)\b)")


def phones(
    reading: Reading, start: int, end: int, digits: str, around: Surroundings, places: Sequence[int]
) -> Iterator[Match]:
    """In and around the number with these digits at ``start`` to ``end``; they begin at one of the places."""
    forms = reading.forms
    is_bare = len(digits) == end - start
    if is_bare and not _is_written_abroad(forms, start, end, digits) and PHONE not in around.named:
        return
    found = False
    for pattern in (_PHONE, _PHONE_AT_PLUS) if places[0] < start or digits[0] == "0" else (_PHONE,):
        for match in matches_at(pattern, forms, places):
            said = match.group()
            digits_said = _digits(said)
            is_international = said.startswith(("+", "(+", "00"))
            is_long_enough = digits_said >= 9 or said[0] in "+("
            found = found or is_long_enough  # the end of a longer one may look like the beginning of another
            if not is_international and around.named and PHONE not in around.named:
                continue
            is_one = 7 < digits_said <= 21 if is_international else _is_phone(said, digits_said)
            if is_long_enough and is_one and not _is_amount(reading.words, *match.span()):
                yield Match(match.start(), match.end(), "phone")
    if not found:
        is_one = around.is_of_phone() or (
            not around.named
            and (_is_mobile(forms, start, end, digits) if is_bare else _is_korean_service(reading, start, end))
        )
        if is_one and _is_phone(forms[start:end], len(digits)) and not _is_amount(reading.words, start, end):
            yield Match(start, end, "phone")


def _is_written_abroad(forms: str, start: int, end: int, digits: str) -> bool:
    """Without separators, a number is written like that of another country, or like that of a mobile phone."""
    is_international = digits.startswith("00") or forms[start - 1 : start] == "+"
    return is_international or _is_mobile(forms, start, end, digits)


def _is_mobile(forms: str, start: int, end: int, digits: str) -> bool:
    if forms[start - 1 : start] in {".", "-", ",", "/", "#", "="} or _GOES_ON.match(forms, end):
        return False
    if digits[0] == "0":
        return _MOBILE.fullmatch(digits) is not None
    is_chinese = _CHINESE_MOBILE.fullmatch(digits) is not None
    return is_chinese and "§" in forms[max(0, start - 16) : end + 16]


_KOREAN_SERVICE: Final = re.compile(
    r"1(?:5(?:22|33|44|66|77|88|99)|6(?:00|44|6[01468]|70|88)|8(?:00|11|33|55|77|99))-\d{4}"
)
"""Of companies, without an area; two years look alike where no Korean stands."""
_KOREAN: Final = re.compile("[\uac00-\ud7a3]")
_YEARS: Final = re.compile(" ?[년쪽年]")


def _is_korean_service(reading: Reading, start: int, end: int) -> bool:
    words = reading.words
    return (
        end - start == 9
        and _KOREAN_SERVICE.fullmatch(words, start, end) is not None
        and _KOREAN.search(words, max(0, start - 16), end + 16) is not None
        and _YEARS.match(words, end) is None
    )


_GOES_ON: Final = re.compile(r"[\w/-]|:\d")


def _is_phone(said: str, digits: int) -> bool:
    return 7 < digits <= 21 and _DATE.search(said) is None


def _is_amount(words: str, start: int, end: int) -> bool:
    return _UNIT.match(words, end) is not None or _MONEY_BEFORE.search(words[max(0, start - 2) : start]) is not None


def _digits(said: str) -> int:
    return sum(letter.isdigit() for letter in said)


_BREAK: Final = re.compile(r"[ (/\u00a0]")


def begins(forms: str, start: int, end: int) -> list[int]:
    """Where in a long number, which may be several with blanks between, one of them may begin."""
    places = [start]
    if _BREAK.search(forms, start, end) is not None:
        places += [place.end() for place in _BREAK.finditer(forms, start, end)]
    before = start
    while before > max(0, start - 2) and forms[before - 1] in "(+":
        before -= 1
        places.insert(0, before)
    return places


def matches_at(pattern: re.Pattern[str], text: str, places: Sequence[int]) -> list[re.Match[str]]:
    """What a pattern matches at these places, without overlap."""
    found: list[re.Match[str]] = []
    done = 0
    for place in places:
        if place >= done and (match := pattern.match(text, place)) is not None:
            found.append(match)
            done = match.end()
    return found


def meets(taken: Sequence[tuple[int, int]], start: int, end: int) -> bool:
    """Whether a place has a character in common with one of those."""
    return any(left < end and start < right for left, right in taken)
