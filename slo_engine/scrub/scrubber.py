"""Personal data and secrets out of what leaves in a trace: found by form and checksum, without a model or a network.

Every search is behind a cheap question that clean text answers with no, so clean text costs little. Ids of traces and
runs (32 hexadecimal digits, UUIDs) are not touched, since without them a trace cannot be found again; unless a word
before them says that they are a secret (``token=...``), as the keys of some providers look the same.
"""

from __future__ import annotations

import re
from bisect import bisect_right
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from ipaddress import AddressValueError, IPv6Address
from typing import Final, NamedTuple


class Match(NamedTuple):
    """Characters ``start`` to ``end`` (exclusive) are of this kind."""

    start: int
    end: int
    kind: str


Finder = Callable[[str], Iterable[Match]]


class Scrubber:
    """Finds and masks e-mail addresses, phone and card numbers, IBANs, SSNs, IP addresses, keys and tokens.

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
        self._others: tuple[Finder, ...] = (
            _secrets,
            *(_of_pattern(kind, re.compile(pattern)) for kind, pattern in patterns.items()),
            *finders,
        )

    def find(self, text: str) -> list[Match]:
        """What is in a text, in order; what overlapped is one."""
        # What JSON has escaped is blanked out, in the same length: the `n` of a line's end is no letter before a key.
        plain = _ESCAPED.sub(_blank, text) if "\\" in text else text
        found = sorted(
            [
                *_outside_of_ids(text, [finding for finder in _BY_FORM for finding in finder(plain)]),
                *(finding for finder in self._others for finding in finder(plain) if finding.end > finding.start),
            ]
        )
        if self._wanted is not None:
            found = [each for each in found if self._wanted(each.kind, text[each.start : each.end])]
        if not found:
            return []
        merged: list[Match] = [found[0]]
        for each in found[1:]:
            last = merged[-1]
            if each.start >= last.end:
                merged.append(each)
            else:
                longer = each if each.end - each.start > last.end - last.start else last
                merged[-1] = Match(last.start, max(last.end, each.end), longer.kind)
        return merged

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


_ESCAPED: Final = re.compile(r"(?<!\\)\\+(?:u[0-9a-fA-F]{4}|[nrtbf])")  # from the first of them, or it is quadratic


def _blank(match: re.Match[str]) -> str:
    return " " * len(match.group())


def _of_pattern(kind: str, pattern: re.Pattern[str]) -> Finder:
    def find(text: str) -> Iterator[Match]:
        return (Match(match.start(), match.end(), kind) for match in pattern.finditer(text))

    return find


# E-mail: from each @ outwards, so that long texts without one cost nothing.

_LOCAL_PART: Final = re.compile(r"[A-Za-z0-9\u00c0-\u024f!#$%&*+/=?^_`{|}~.'-]{1,64}\Z")
_LOCAL_TRIM: Final = "'.`{|/=&?#"
_DOMAIN: Final = re.compile(
    r"(?:[A-Za-z0-9\u00c0-\u024f](?:[A-Za-z0-9\u00c0-\u024f-]{0,61}[A-Za-z0-9\u00c0-\u024f])?\.){1,8}[A-Za-z]{2,24}(?![A-Za-z0-9-])"
)


def _emails(text: str) -> Iterator[Match]:
    at = text.find("@")
    while at != -1:
        before = _LOCAL_PART.search(text[max(0, at - 64) : at])
        after = _DOMAIN.match(text, at + 1)
        if before is not None and after is not None:
            local = before.group()
            # What stands before an address in a URL or in markup is allowed in one, but is hardly ever meant.
            for mark in _LOCAL_TRIM:
                local = local.rpartition(mark)[2] if mark not in {".", "'"} else local.lstrip(mark)
            if local and not local.endswith("."):
                yield Match(at - len(local), after.end(), "email")
        at = text.find("@", at + 1)


# Keys and tokens.

_KEY_STARTS: Final = (
    *("sk-", "sk_", "rk_", "AKIA", "ASIA", "AIza", "ya29.", "ghp_", "gho_", "ghu_", "ghs_", "ghr_", "github_pat_"),
    *("glpat-", "xox", "xapp-", "whsec_", "hf_", "gsk_", "npm_", "pypi-", "SG.", "eyJ", "r8_", "xai-", "pplx-"),
    *("dop_v1_", "shpat_", "dapi", "nvapi-", "AGE-SECRET-KEY-", "sl.", "lin_api_", "ntn_", "secret_"),
    *("tvly-", "pcsk_", "lsv2_", "fc-", "pa-", "csk-", "tgp_v1_", "jina_", "llx-", "hvs.", "glsa_", "e2b_"),
)
_KEYS: Final = re.compile(
    # Whatever fails does so after a bounded look; what is found is skipped: so no text is read over and over.
    r"(?<![A-Za-z0-9])(?:"
    r"sk-(?=[A-Za-z0-9_-]{0,200}\d)[A-Za-z0-9_-]{16,}"
    r"|[sr]k_(?:live|test)_[A-Za-z0-9]{10,}"
    r"|whsec_[A-Za-z0-9+/=]{16,}"
    r"|(?:AKIA|ASIA)[0-9A-Z]{16}"
    r"|AIza[0-9A-Za-z_-]{30,}"
    r"|ya29\.[0-9A-Za-z_-]{20,}"
    r"|gh[pousr]_[A-Za-z0-9]{30,}"
    r"|github_pat_[A-Za-z0-9_]{22,}"
    r"|glpat-[A-Za-z0-9_-]{16,}"
    r"|xox[abceoprs]-[A-Za-z0-9-]{10,}"
    r"|xapp-[A-Za-z0-9-]{20,}"
    r"|hf_(?=[A-Za-z]{0,100}\d)[A-Za-z0-9]{20,}|hf_[A-Za-z]{30,}"
    r"|gsk_[A-Za-z0-9]{20,}"
    r"|npm_[A-Za-z0-9]{30,}"
    r"|pypi-[A-Za-z0-9_-]{40,}"
    r"|SG\.[A-Za-z0-9_-]{16,}\.[A-Za-z0-9_-]{16,}"
    r"|eyJ[A-Za-z0-9_-]{8,1000}\.[A-Za-z0-9_-]{8,}(?:\.[A-Za-z0-9_-]*)?"
    r"|r8_[A-Za-z0-9]{30,}|xai-[A-Za-z0-9]{30,}|pplx-[A-Za-z0-9]{30,}|nvapi-[A-Za-z0-9_-]{30,}"
    r"|dop_v1_[a-f0-9]{40,}|shpat_[a-fA-F0-9]{30,}|dapi[a-f0-9]{32}|lin_api_[A-Za-z0-9]{30,}"
    r"|AGE-SECRET-KEY-[0-9A-Z]{50,}|sl\.[A-Za-z0-9_-]{60,}|ntn_[A-Za-z0-9]{40,}|secret_[A-Za-z0-9]{40,}"
    # Of services that agents use: Tavily, Pinecone, LangSmith, Firecrawl, Voyage, Cerebras, Together, Jina, LlamaCloud.
    r"|tvly-[A-Za-z0-9_-]{16,}|pcsk_[A-Za-z0-9_]{20,}|lsv2_[a-z]{2,4}_[A-Za-z0-9_]{20,}|fc-[a-f0-9]{32}(?![A-Za-z0-9])"
    r"|pa-(?=[a-z0-9_-]{0,60}[A-Z])(?=[A-Za-z_-]{0,60}\d)[A-Za-z0-9_-]{43,}|csk-(?=[A-Za-z]{0,60}\d)[A-Za-z0-9]{30,}"
    r"|tgp_v1_[A-Za-z0-9_-]{30,}|jina_[A-Za-z0-9_-]{40,}|llx-[A-Za-z0-9]{40,}|hvs\.[A-Za-z0-9_-]{24,}"
    r"|glsa_[A-Za-z0-9_]{32,}|e2b_[a-f0-9]{40}"
    r")"
)
_TELEGRAM: Final = re.compile(r"(?<=\d{8}):(AA[A-Za-z0-9_-]{33})(?![A-Za-z0-9_-])")
"""Of a bot: behind its number, which is no secret, in an address behind `/bot`."""

_PRIVATE_KEY: Final = re.compile(
    r"-----BEGIN [A-Z0-9 ]{0,40}PRIVATE KEY(?: BLOCK)?-----"
    r".*?(?:-----END [A-Z0-9 ]{0,40}PRIVATE KEY(?: BLOCK)?-----|\Z)",
    re.DOTALL,
)
_URL_PASSWORD: Final = re.compile(r"://[^\s/:@\"'<>]{0,64}:([^\s/@\"'<>]{1,256})@")
_BEARER: Final = re.compile(
    # With a digit, or with the beginning of a key: "basic authentication" is neither.
    r"(?:bearer|basic)\s+((?:(?=[A-Za-z0-9._~+/=-]{0,2000}\d)|(?=[sp]k-))[A-Za-z0-9._~+/=-]{12,})",
    re.IGNORECASE,
)
_AUTHORIZATION: Final = re.compile(
    r"authorization[\\\"']{0,4}\s{0,3}[:=]\s{0,3}[\\\"']{0,4}(?:bearer|basic|token|apikey)\s{1,3}([A-Za-z0-9._~+/=-]{6,})",
    re.IGNORECASE,
)

# `password = ...`, `"api_key": "..."`, `AWS_SECRET_ACCESS_KEY=...`: what a name says is secret.
_SECRET_NAMES: Final = (
    "pwd",
    "password",
    "passwd",
    "secret",
    "api_key",
    "apikey",
    "api-key",
    "access_key",
    "accesskey",
    "account_key",
    "accountkey",
    "token",
    "sig=",
    "signature=",
)
_ASSIGNED: Final = re.compile(
    r"(?:password|passwd|pwd|secret|api[_-]?key|access_?key|account_?key|token|(?<![A-Za-z])sig(?:nature)?(?==))(?:[_-]?(?:access)?[_-]?key|_?id)?"
    r"(?P<sign>[\\\"']{0,4}\s{0,3}(?::|=>?|(?<=\s)is(?=\s))\s{0,3}[\\\"']{0,4})"
    r"(?P<value>(?:[^\s\"'\\,;&<>{}()\[\]]|&(?!\w{1,30}=)){4,256})",
    re.IGNORECASE,
)
_PASSWORD: Final = re.compile(r"passw|pwd|secret_access_key=|SECRET[A-Z_]{0,20}=", re.IGNORECASE)
_NO_PASSWORD: Final = frozenset({"null", "none", "true", "false", "required", "optional", "string", "undefined"})

_COOKIE: Final = re.compile(
    r"cookie[2\\\"']{0,4}\s{0,3}(?:[:=]|(?<=[\"']),)\s{0,3}b?[\\\"']{0,4}[\w.-]{1,64}="
    r"([^\s;,\"'\\]{1,4096}(?:; ?[\w.-]{1,64}=[^\s;,\"'\\]{0,4096}){0,50})",
    re.IGNORECASE,
)
"""Of the first cookie of a header on; as a line of it, or in a dict or a list of headers."""


def _secrets(text: str) -> Iterator[Match]:
    for key_start in _KEY_STARTS:
        end = 0
        for at in _positions(text, key_start) if key_start in text else ():
            match = _KEYS.match(text, at) if at >= end else None  # which looks before it: `task-...` is none
            if match is not None:
                end = match.end()
                yield Match(match.start(), match.end(), "secret")
    if ":AA" in text:
        yield from (Match(match.start(1), match.end(1), "secret") for match in _TELEGRAM.finditer(text))
    if "-----BEGIN" in text:
        yield from (Match(match.start(), match.end(), "secret") for match in _PRIVATE_KEY.finditer(text))
    if "://" in text and "@" in text:
        yield from (Match(match.start(1), match.end(1), "secret") for match in _URL_PASSWORD.finditer(text))
    yield from _named_secrets(text)


def _named_secrets(text: str) -> Iterator[Match]:
    """What the words before it say is one."""
    lowered = text.lower()
    if len(lowered) != len(text):  # some letters grow: then positions in it say nothing
        lowered = text
    for word in ("bearer ", "basic "):
        for at in _positions(lowered, word) if word in lowered else ():
            match = _BEARER.match(text, at)
            if match is not None:
                yield Match(match.start(1), match.end(1), "secret")
    for at in _positions(lowered, "authorization") if "authorization" in lowered else ():
        match = _AUTHORIZATION.match(text, at)
        if match is not None:
            yield Match(match.start(1), match.end(1), "secret")
    for at in _positions(lowered, "cookie") if "cookie" in lowered else ():
        match = _COOKIE.match(text, at)
        if match is not None:
            yield Match(match.start(1), match.end(1), "secret")
    for word in _SECRET_NAMES:
        for at in _positions(lowered, word) if word in lowered else ():
            match = _ASSIGNED.match(text, at)
            if match is not None and _looks_secret(match, is_password=bool(_PASSWORD.match(text, at))):
                yield Match(match.start("value"), match.end("value"), "secret")


def _looks_secret(match: re.Match[str], *, is_password: bool) -> bool:
    """Prose says "password: ask Ada" and "token: 311"; programs write `=` and quotes."""
    value, sign = match.group("value"), match.group("sign")
    is_written_by_a_program = "=" in sign or '"' in sign or "'" in sign
    has_digit = any(letter.isdigit() for letter in value)
    has_letter = any(letter.isalpha() for letter in value)
    if is_password:
        return value.lower() not in _NO_PASSWORD and (is_written_by_a_program or has_digit or not value.isalnum())
    return len(value) >= (8 if is_written_by_a_program else 16) and has_digit and has_letter


def _positions(text: str, word: str) -> Iterator[int]:
    at = text.find(word)
    while at != -1:
        yield at
        at = text.find(word, at + 1)


# Numbers: cards, social security numbers, phones. One look for anything like a long number decides whether to go on.

_LONG_NUMBER: Final = re.compile(r"(?<![A-Za-z0-9_])\d[\d ()./\u00a0\u2011-]{5,}\d")
_IDS: Final = re.compile(
    r"(?<![0-9A-Za-z])(?:[0-9A-Fa-f]{32}|[0-9A-Fa-f]{8}-(?:[0-9A-Fa-f]{4}-){3}[0-9A-Fa-f]{12})(?![0-9A-Za-z])"
    r"(?:-[0-9a-f]{16}(?:-[0-9a-f]{1,2})?(?![0-9A-Za-z]))?"
)
_CARD: Final = re.compile(
    r"(?<![\w.+-])(?:\d{4}[ -]?\d{4}[ -]?\d{4}[ -]?\d{4}(?:[ -]?\d{3})?|3\d{3}[ -]?\d{6}[ -]?\d{4,5})(?![\w-])(?!\.\d)"
)
_ISSUER: Final = re.compile(r"4|5[0-8]|2[2-7]|3[0-9]|6[0-9]")
_SSN: Final = re.compile(r"(?<![\w.+-])(?!000|666|9)\d{3}([- ])(?!00)\d{2}\1(?!0000)\d{4}(?![\w-])(?!\.\d)")
_SEP: Final = r"[ .\u00a0\u2011-]"
_EXTENSION: Final = r"(?:[ ,]{0,2}(?:x|ext\.?|extension|Durchwahl|-)[ .:]{0,2}\d{1,6}(?!\d))?"
_PHONE: Final = re.compile(
    r"(?<![\w.+-])(?:"
    # International: +CC or 00CC, 8 to 15 digits in all (checked below).
    r"(?:\+|\(\+|00)[1-9](?:[ ./\u00a0\u2011()-]{0,3}\d){6,14}"
    # North America: (415) 555-2671, 415-555-2671, 1-800-555-2671.
    rf"|(?:1[ .-])?(?:\([2-9]\d{{2}}\) ?|[2-9]\d{{2}}[ .\u2011-])[2-9]\d{{2}}[ .\u2011-]\d{{4}}"
    # National with a leading 0: 020 7946 0958, (030) 123456, 0171/1234567, 06-12345678, 01 23 45 67 89.
    rf"|\(?0[1-9]\d{{0,4}}\)?(?:[ ./\u00a0\u2011-]{{1,2}}|(?<=\)))\d{{2,8}}(?:{_SEP}\d{{2,6}}){{0,4}}"
    # Spain and others without a trunk 0: 612 34 56 78, 91 336 70 63, 912 345 678.
    r"|[6-9]\d{2} \d{2} \d{2} \d{2}|9\d \d{3} \d{2} \d{2}|[679]\d{2} \d{3} \d{3}"
    # Brazil: (11) 91234-5678, 11 3456-7890.
    r"|\(?[1-9]\d\)? ?9?\d{4}-\d{4}"
    # India: 98765 43210.
    r"|[6-9]\d{4}[ -]\d{5}"
    rf"){_EXTENSION}(?![\w-])(?![.,:/]\d)(?! ?[€$£%])",
    re.IGNORECASE,
)
_PHONE_AT_PLUS: Final = re.compile(
    rf"(?<![\w.+])\(?\+[1-9](?:[ ./\u00a0\u2011()-]{{0,3}}\d){{6,14}}{_EXTENSION}(?![\w])(?!\.\d)", re.IGNORECASE
)
_PHONE_LABEL: Final = re.compile(
    r"(?:phone|tel|mobile|cell|fax|whatsapp|msisdn|handy)[a-z_]{0,8}[\"'\\]{0,4}[.:= (]{1,4}[\"'\\]{0,4}[(+]{0,2}\Z"
)
_HARMLESS: Final = re.compile(
    r"\d+\.\d+|(?:\d{4}([./-])\d{1,2}\1\d{1,2}|\d{1,2}([./-])\d{1,2}\2\d{2,4})(?:[ -]\d{1,2})?"
)
"""Decimals, and dates with or without the hour."""

_DATE: Final = re.compile(r"\d{1,2}([./ -])\d{1,2}\1(?:19|20)\d{2}|(?:19|20)\d{2}([./ -])\d{1,2}\2\d{1,2}")


def _numbers(text: str) -> Iterator[Match]:
    # Only around what could be one is looked closely; a `+` or `(` stands before it, an extension after it.
    for candidate in _LONG_NUMBER.finditer(text):
        said, start = candidate.group(), candidate.start()
        if said.isdigit():
            # Without separators it is a card, or written like a number abroad, or somebody says what it is.
            is_worth_it = len(said) >= 14 or said.startswith("00") or text[start - 1 : start] == "+"
            is_worth_it = is_worth_it or _is_labelled(text, start)
        else:
            is_worth_it = _digits(said) > 7 and _HARMLESS.fullmatch(said) is None
        if is_worth_it:
            yield from _numbers_within(text, max(0, start - 3), min(len(text), candidate.end() + 24), candidate)


def _numbers_within(text: str, start: int, end: int, candidate: re.Match[str]) -> Iterator[Match]:
    taken: list[tuple[int, int]] = []
    for match in _CARD.finditer(text, start, end):
        digits = re.sub(r"\D", "", match.group())
        if _ISSUER.match(digits) and luhn(digits):
            yield Match(match.start(), match.end(), "card")
        taken.append(match.span())  # a number of that form is no phone either
    for match in _SSN.finditer(text, start, end):
        yield Match(match.start(), match.end(), "ssn")
        taken.append(match.span())
    found = [match.span() for pattern in (_PHONE, _PHONE_AT_PLUS) for match in pattern.finditer(text, start, end)]
    for left, right in found:
        said = text[left:right]
        digits_said = _digits(said)
        if (digits_said >= 9 or said[0] in "+(") and _is_phone(said, digits_said) and not _meets(taken, left, right):
            yield Match(left, right, "phone")
    if not found and _is_labelled(text, candidate.start()):
        left, right = candidate.span()
        if _is_phone(candidate.group(), _digits(candidate.group())) and not _meets(taken, left, right):
            yield Match(left, right, "phone")


def _is_labelled(text: str, start: int) -> bool:
    return _PHONE_LABEL.search(text[max(0, start - 28) : start].lower()) is not None


def _is_phone(said: str, digits: int) -> bool:
    return 7 < digits <= 21 and _DATE.search(said) is None


def _digits(said: str) -> int:
    return sum(letter.isdigit() for letter in said)


def _meets(taken: Sequence[tuple[int, int]], start: int, end: int) -> bool:
    return any(left < end and start < right for left, right in taken)


def luhn(digits: str) -> bool:
    """Whether the last digit of a card number is the one that the others ask for (ISO/IEC 7812-1)."""
    doubled = (int(digit) * 2 for digit in digits[-2::-2])
    return (sum(map(int, digits[-1::-2])) + sum(each - 9 if each > 9 else each for each in doubled)) % 10 == 0


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
_IBAN: Final = re.compile(r"[A-Za-z]{2}\d{2}(?:[ \u00a0-]?[A-Za-z0-9]){11,30}")


def _ibans(text: str) -> Iterator[Match]:
    for match in _IBAN.finditer(text):
        length = _IBAN_LENGTHS.get(match.group()[:2].upper())
        if length is None or text[match.start() - 1 : match.start()].isalnum():
            continue
        compact: list[str] = []
        for offset, letter in enumerate(match.group()):
            if letter.isalnum():
                compact.append(letter)
            if len(compact) == length:
                end = match.start() + offset + 1
                if not text[end : end + 1].isalnum() and mod_97("".join(compact).upper()):
                    yield Match(match.start(), end, "iban")
                break


def mod_97(iban: str) -> bool:
    """Whether the check digits of an IBAN are right (ISO 7064, MOD 97-10)."""
    return int("".join(str(int(letter, 36)) for letter in iban[4:] + iban[:4])) % 97 == 1


# IP addresses.

# The gates begin with a letter of their own, which `re` runs through fast; what they let pass is looked at closely.
_IPV4_GATE: Final = re.compile(r"\.\d{1,3}\.\d{1,3}\.\d")
_IPV6_GATE: Final = re.compile(r":(?:[0-9A-Fa-f]{1,4}:){6}")
_IPV4: Final = re.compile(r"\d{1,3}\.\d{1,3}\.\d{1,3}\.\d{1,3}(?!\w)(?!\.\d)(?!-\d)")
_NOT_BEFORE_IPV4: Final = re.compile(r"[\w.]\Z|\d-\Z")
_IPV6_FULL: Final = re.compile(r"[0-9A-Fa-f]{1,4}(?::[0-9A-Fa-f]{1,4}){7}(?![\w:])")
_IPV6_BEFORE: Final = re.compile(r"[0-9A-Fa-f:]{1,35}\Z")
_IPV6_AFTER: Final = re.compile(r"[0-9A-Fa-f:]{0,35}")


def _addresses(text: str) -> Iterator[Match]:
    if _IPV4_GATE.search(text) is not None:
        for match in _IPV4.finditer(text):
            before = text[max(0, match.start() - 2) : match.start()]
            if not _NOT_BEFORE_IPV4.search(before) and all(int(each) < 256 for each in match.group().split(".")):
                yield Match(match.start(), match.end(), "ip")
    if _IPV6_GATE.search(text) is not None:
        for match in _IPV6_FULL.finditer(text):
            if text[match.start() - 1 : match.start()] not in _PART_OF_A_WORD and _is_ipv6(match.group()):
                yield Match(match.start(), match.end(), "ip")
    for at in _positions(text, "::") if "::" in text else ():
        yield from _compressed_ipv6(text, at)


_PART_OF_A_WORD: Final = frozenset("abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789_:.")


def _compressed_ipv6(text: str, at: int) -> Iterator[Match]:
    before = _IPV6_BEFORE.search(text[max(0, at - 36) : at])
    after = _IPV6_AFTER.match(text, at + 2)
    start = at - len(before.group()) if before is not None else at
    end = after.end() if after is not None else at + 2
    if text[end - 1] == ":" and text[end - 2] != ":":
        end -= 1
    said = text[start:end]
    # Slices (rows[::2]), casts (x::date) and scopes (std::vector) have colons too.
    has_groups = len([group for group in said.split(":") if group]) >= 2 and any(each.isdigit() for each in said)
    stands_alone = text[start - 1 : start] not in _PART_OF_A_WORD and text[end : end + 1] not in _PART_OF_A_WORD
    if has_groups and stands_alone and _is_ipv6(said):
        yield Match(start, end, "ip")


def _is_ipv6(said: str) -> bool:
    try:
        IPv6Address(said)
    except AddressValueError:
        return False
    return True


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


_BY_FORM: Final[tuple[Finder, ...]] = (_emails, _numbers, _ibans, _addresses)
