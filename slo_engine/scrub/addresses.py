# ruff: noqa: RUF001 - signs of other scripts are meant
"""E-mail and IP addresses."""

from __future__ import annotations

import re
from collections.abc import Iterator
from ipaddress import AddressValueError, IPv6Address
from typing import Final

from slo_engine.scrub.found import Match, positions
from slo_engine.scrub.reading import Reading

# E-mail: from each @ outwards, so that long texts without one cost nothing.

_LOCAL_PART: Final = re.compile(r"[A-Za-z0-9\u00c0-\u024f!#$%&*+/=?^_`{|}~.'-]{1,64}\Z")
_LOCAL_TRIM: Final = "'.`{|/=&?#"
_DOMAIN: Final = re.compile(
    r"(?:[A-Za-z0-9\u00c0-\u024f](?:[A-Za-z0-9\u00c0-\u024f-]{0,61}[A-Za-z0-9\u00c0-\u024f])?\.){1,8}[A-Za-z]{2,24}(?![A-Za-z0-9-])"
)


_OF_PICTURES: Final = re.compile(
    r"[1-9](?:\.\d)?x\.(?:png|jpe?g|gif|webp|avif|svg|bmp|ico|heic|pdf|tiff?|mp4)", re.IGNORECASE
)
"""Of a file's name: logo@2x.png is the picture for screens that show twice as many points."""


def emails(reading: Reading) -> Iterator[Match]:
    """E-mail addresses."""
    text = reading.forms
    at = text.find("@")
    while at != -1:
        before = _LOCAL_PART.search(text[max(0, at - 64) : at])
        after = _DOMAIN.match(text, at + 1)
        if before is not None and after is not None:
            local = before.group()
            # What stands before an address in a URL or in markup is allowed in one, but is hardly ever meant.
            for mark in _LOCAL_TRIM:
                local = local.rpartition(mark)[2] if mark not in {".", "'"} else local.lstrip(mark)
            if local and not local.endswith(".") and _OF_PICTURES.fullmatch(after.group()) is None:
                yield Match(at - len(local), after.end(), "email")
        at = text.find("@", at + 1)


# IP addresses.

# The gates begin with a letter of their own, which `re` runs through fast; what they let pass is looked at closely.
_IPV4_GATE: Final = re.compile(r"\.\d{1,3}\.\d{1,3}\.\d")
_IPV6_GATE: Final = re.compile(r":(?:[0-9A-Fa-f]{1,4}:){6}")
_IPV4: Final = re.compile(r"\d{1,3}\.\d{1,3}\.\d{1,3}\.\d{1,3}(?!\w)(?!\.\d)(?!-\d)")
_NOT_BEFORE_IPV4: Final = re.compile(r"[\w.]\Z|\d-\Z")
_IPV6_FULL: Final = re.compile(
    r"[0-9A-Fa-f]{1,4}(?::[0-9A-Fa-f]{1,4}){7}(?![\w:])|[0-9A-Fa-f]{1,4}(?::[0-9A-Fa-f]{1,4}){7}(?=:\d{2,5}(?![\w:]))"
)
"""A port may follow."""
_IPV6_BEFORE: Final = re.compile(r"[0-9A-Fa-f:]{1,35}\Z")
_IPV6_AFTER: Final = re.compile(r"[0-9A-Fa-f:]{0,35}")


def ip_addresses(reading: Reading) -> Iterator[Match]:
    """IP addresses of either version; no versions of programs, which look alike."""
    text = reading.forms
    if text.count(".") >= 3 and _IPV4_GATE.search(text) is not None:
        version_end = -1
        for match in _IPV4.finditer(text):
            start, end = match.span()
            if _is_version(reading.words, start, end, version_end):
                version_end = end
                continue
            before = text[max(0, start - 2) : start]
            if not _NOT_BEFORE_IPV4.search(before) and all(int(each) < 256 for each in match.group().split(".")):
                yield Match(start, end, "ip")
    if text.count(":") >= 7 and _IPV6_GATE.search(text) is not None:
        for match in _IPV6_FULL.finditer(text):
            if _begins_address(text, match.start()) and _is_ipv6(match.group()):
                yield Match(match.start(), match.end(), "ip")
    for at in positions(text, "::") if "::" in text else ():
        yield from _compressed_ipv6(text, at)


# Of programs, documents and standards: four numbers with dots are as often that.
_VERSION_WORDS: Final = (
    r"versions?|versionen|versi[oó]n(?:es)?|versione|vers[aã]o|vers[oõ]es|versie|wersj[aiąeę]|ver|rev(?:ision)?|releases?|"
    r"builds?|firmware|patch|upgrade|hotfix|ausgabe|édition|edición|edição|edizione|wydanie|sections?|chapter|clause|"
    r"abschnitt|kapitel|ziffer|section|chapitre|sección|apartado|capítulo|sezione|capitolo|paragrafo|se[cç]?ção|"
    r"paragraaf|hoofdstuk|rozdzia[łl]\w*|punkt\w{0,3}|pkt|oid"
)
_VERSION_BEFORE: Final = re.compile(
    rf"(?:(?<![a-z])(?:{_VERSION_WORDS})|(?:[a-z]|\b)version|(?<![a-z])v\.?|バージョン|リビジョン|版本号?|版本|版|버전|릴리스|§|第)"
    r"[\"'\\`*]{0,4}(?:[ \u00a0]?(?:number|nummer|no|nr|numéro|número|numero|"
    r"is|ist|est|es|è|é|jest|lautet|la|to|は|が|是|为|為|는|은|:|=|"
    r"==|>=|<=|~|\^|\(|-|/|_)){0,3}[ \u00a0]{0,2}[\"'`v(\[]{0,3}\Z",
    re.IGNORECASE,
)
_PROGRAM_BEFORE: Final = re.compile(r"(?:^|[\s(;,\"'])[A-Z][A-Za-z0-9_.+-]{1,30}/\Z|[A-Za-z0-9_\]](?:>=|<=|~=|\^|~>)\Z")
"""As in a User-Agent: Chrome/126.0.0.0; or in a list of requirements."""
_VERSION_AFTER: Final = re.compile(
    r"[節节章項项条條절장항](?![a-z])|[-+.](?:build|rc|beta|alpha|snapshot|release|final|ga|dev|hotfix|patch|post|pre|sp|el|fc|deb|ubuntu)(?![a-z])",
    re.IGNORECASE,
)
_BETWEEN_VERSIONS: Final = re.compile(
    r"\s{0,2}(?:,|/|->|→|-|–|to|and|or|und|oder|auf|bis|zu|et|ou|à|y|a|o|e|em|en|of|naar|i|lub|do|と|から|和|到|至|과|와|에서)?\s{0,2}"
)


def _is_version(words: str, start: int, end: int, version_end: int) -> bool:
    if version_end != -1 and _BETWEEN_VERSIONS.fullmatch(words, version_end, start) is not None:
        return True
    before = words[max(0, start - 40) : start]
    return (
        _VERSION_AFTER.match(words, end) is not None
        or _VERSION_BEFORE.search(before) is not None
        or _PROGRAM_BEFORE.search(before) is not None
    )


_PART_OF_A_WORD: Final = frozenset("abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789_:.")


_ENDS_ADDRESS: Final = re.compile(r"(?![A-Za-z0-9_:])(?!\.\w)")


def _begins_address(text: str, start: int) -> bool:
    before = text[start - 1 : start]
    # A colon belongs to the word before it if that is one: "IP:2001:...".
    return before not in _PART_OF_A_WORD or (before == ":" and text[max(0, start - 2) : start - 1] not in _HEX_OR_COLON)


_HEX_OR_COLON: Final = frozenset("0123456789abcdefABCDEF:")
_NEITHER: Final = re.compile(r"[^0-9A-Fa-f]::[^0-9A-Fa-f]")


def _compressed_ipv6(text: str, at: int) -> Iterator[Match]:
    if _NEITHER.match(text, max(0, at - 1)) is not None:
        return
    before = _IPV6_BEFORE.search(text[max(0, at - 36) : at])
    after = _IPV6_AFTER.match(text, at + 2)
    start = at - len(before.group()) if before is not None else at
    if text[start] == ":" and text[start + 1] != ":":  # which ends the word before it
        start += 1
    end = after.end() if after is not None else at + 2
    if text[end - 1] == ":" and text[end - 2] != ":":
        end -= 1
    said = text[start:end]
    # Slices (rows[::2]), casts (x::date) and scopes (std::vector) have colons too.
    has_groups = len([group for group in said.split(":") if group]) >= 2 and any(each.isdigit() for each in said)
    stands_alone = _begins_address(text, start) and _ENDS_ADDRESS.match(text, end) is not None
    if has_groups and stands_alone and _is_ipv6(said):
        yield Match(start, end, "ip")


def _is_ipv6(said: str) -> bool:
    try:
        IPv6Address(said)
    except AddressValueError:
        return False
    return True
