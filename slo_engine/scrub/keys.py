"""Keys and tokens that show by their own form what they are."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from typing import Final

from slo_engine.scrub.found import Match, positions

_LOW_LINE: Final = (
    *("sk_", "rk_", "ghp_", "gho_", "ghu_", "ghs_", "ghr_", "github_pat_", "whsec_", "hf_", "gsk_"),
    *("npm_", "r8_", "dop_v1_", "shpat_", "lin_api_", "ntn_", "secret_", "pcsk_", "lsv2_", "tgp_v1_"),
    *("jina_", "glsa_", "e2b_"),
)
"""Starts of keys that end with one: more of them than a text has of that sign."""
_OTHERS: Final = ("AKIA", "ASIA", "AIza", "xox", "eyJ", "dapi", "ya29.", "SG.", "sl.", "hvs.")
_HYPHEN: Final = (
    *("sk-", "glpat-", "xapp-", "pypi-", "xai-", "pplx-", "nvapi-", "AGE-SECRET-KEY-", "tvly-", "fc-"),
    *("pa-", "csk-", "llx-"),
)
_FEW: Final = 40
"""Where at least so many signs stand to a hyphen, looking at each hyphen is quicker than looking for each start."""
_RAREST: Final = {
    each: next((sign for sign in each if not sign.islower()), each[0]) for each in (*_LOW_LINE, *_HYPHEN, *_OTHERS)
}
"""Of each, a sign that few texts have: one sign is found far faster than several."""
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
_WEBHOOKS: Final = re.compile(
    r"hooks\.slack\.com/(?:services|workflows|triggers)/[A-Z0-9]{6,14}/(?:[A-Z0-9]{6,20}/){0,2}([A-Za-z0-9]{16,})"
    r"|discord(?:app)?\.com/api/webhooks/\d{15,21}/([A-Za-z0-9_-]{40,})"
)
"""Whoever knows such an address can write there; what says whose it is stays."""
_URL_PASSWORD: Final = re.compile(r"://[^\s/:@\"'<>]{0,64}:([^\s/@\"'<>]{1,256})@")


def keys(text: str) -> Iterator[Match]:
    """Keys of providers, private keys, passwords in URLs."""
    if "_" in text and any(text.endswith(_LOW_LINE, 0, at + 1) for at in positions(text, "_")):
        yield from _begun(text, _LOW_LINE)
    hyphens = text.count("-")
    if hyphens and (
        hyphens * _FEW > len(text) or any(text.endswith(_HYPHEN, 0, at + 1) for at in positions(text, "-"))
    ):
        yield from _begun(text, _HYPHEN)
    yield from _begun(text, _OTHERS)
    if ":AA" in text:
        yield from (Match(match.start(1), match.end(1), "secret") for match in _TELEGRAM.finditer(text))
    if "-" in text and "-----BEGIN" in text:
        yield from (Match(match.start(), match.end(), "secret") for match in _PRIVATE_KEY.finditer(text))
    if "/" in text and "://" in text:
        yield from _in_addresses(text)


def _in_addresses(text: str) -> Iterator[Match]:
    if "@" in text:
        yield from (Match(match.start(1), match.end(1), "secret") for match in _URL_PASSWORD.finditer(text))
    if "hooks" in text:
        for match in _WEBHOOKS.finditer(text):
            yield Match(*match.span(match.lastindex or 0), "secret")


def _begun(text: str, starts: Iterable[str]) -> Iterator[Match]:
    for key_start in [each for each in starts if _RAREST[each] in text and each in text]:
        end = 0
        for at in positions(text, key_start):
            match = _KEYS.match(text, at) if at >= end else None  # which looks before it: `task-...` is none
            if match is not None:
                end = match.end()
                yield Match(match.start(), match.end(), "secret")
