"""Where a text holds what may differ from failure to failure: numbers, ids, addresses. Pure.

A text is taken apart at its blanks, and each word is looked at once however often it occurs: most words of most
messages are the same few.
"""

from __future__ import annotations

import re
from functools import lru_cache
from typing import Final, NamedTuple

SLOT: Final = "\0"
"""Stands in a form for what may differ. A text must not hold one of its own."""

UNITS: Final = frozenset(
    {
        *("B", "KB", "MB", "GB", "TB", "kB", "KiB", "MiB", "GiB", "bytes", "%"),
        *("us", "ms", "s", "sec", "secs", "second", "seconds", "min", "minute", "minutes", "h", "hour", "hours"),
    }
)


class Form(NamedTuple):
    """A text in two: ``words`` with a :data:`SLOT` for each of ``values``. A digit that is left in the words names the
    fault: a status, the version of a model."""

    words: str
    values: tuple[str, ...]


class Forms:
    """Forms of texts, for as long as those of one batch are looked at."""

    def __init__(self) -> None:
        self._words = _Words()

    def of_text(self, text: str) -> Form:
        """The form of a text, which is one line with single blanks."""
        words = text.split(" ")
        said = list(map(self._words.__getitem__, words))
        values: list[str] = []
        for at in [at for at, left in enumerate(said) if SLOT in left]:
            word, before = words[at], words[at - 1] if at else ""
            found, number = self._words.found[word]
            if number:
                names_the_fault = _is_status(before, word, words[at + 1] if at + 1 < len(words) else "", number)
            else:
                names_the_fault = before in _BEFORE_A_PART and _PART.fullmatch(word) is not None
            if names_the_fault:
                said[at] = word
            else:
                values += found
        return Form(" ".join(said), tuple(values))


class _Words(dict[str, str]):
    """By a word: what is left of it without its values."""

    def __init__(self) -> None:
        super().__init__()
        self.found: dict[str, tuple[list[str], str]] = {}
        """The values in a word, and the number that may be a status; empty if there is more to it, or less."""

    def __missing__(self, word: str) -> str:
        parts = _VARIABLE.split(word)
        if "://" in word:
            _keep_hosts(parts)
        left = SLOT.join(parts[::2])
        if len(parts) > 1:
            if len(word) <= _LONGEST_NAME and (_STATUS_INSIDE.search(word) or _MODEL.match(word)):
                left = word
            else:
                bare = _BARE.fullmatch(word)
                self.found[word] = parts[1::2], bare[1] if bare is not None else ""
        self[word] = left
        return left


_LONGEST_NAME: Final = 60
"""Characters of the name of a model, or of a status with what stands around it."""


def _keep_hosts(parts: list[str]) -> None:
    """Which service failed is a name, where it has one; what it was asked for is a value."""
    for at in range(1, len(parts), 2):
        if (host := _HOST.match(parts[at])) is not None:
            parts[at - 1] += host[0]
            parts[at] = parts[at][host.end() :]


_HOST: Final = re.compile(r"[A-Za-z][A-Za-z+.-]{1,20}://[A-Za-z._-]{1,100}(?=[:/?#][^@]*+$|$)")


def kind(value: str) -> str:
    """What a value is: ``n``, ``id``, ``url``, ``email``, ``ip``, ``path``, or what the scrubber has put there."""
    if value[:1] == "<":
        return value[1:-1]
    for name, pattern in _KINDS:
        if pattern.fullmatch(value):
            return name
    return "id"


def is_surely_variable(value: str) -> bool:
    """Whether another failure would have another value, even if only one is known: an id, not a port or a duration."""
    return kind(value) not in {"n", "path"} or bool(_ID_INSIDE.search(value))


_NUMBER: Final = r"\d++(?:[.,:/-]\d++)*+(?:e[+-]\d++)?"

# No pattern may take more than one pass over a word: LangFuse holds whatever an agent put into an exception.
_VARIABLE: Final = re.compile(
    r"("
    r"<(?:email|secret|ip|phone|card|iban|ssn|identity)>"
    r"|(?<![A-Za-z0-9+.-])[A-Za-z][A-Za-z0-9+.-]{1,20}://(?:[^\s'\"<>)\]},;]|<[a-z]{2,12}>)++"
    r"|(?<![\w.+-])[\w.+-]{1,64}@[\w-]{1,63}(?:\.[\w-]{1,63}){1,8}"
    r"|(?<![\w.\\\])*])(?:[A-Za-z]:\\|~?/(?=[\w.~-]))[^\s'\",;:()\[\]{}<>|]*+"
    r"|(?<![0-9A-Za-z])[0-9a-fA-F]{8}-(?:[0-9a-fA-F]{4}-){3}[0-9a-fA-F]{12}(?![0-9A-Za-z])"
    r"|(?<![0-9A-Za-z])0[xX][0-9a-fA-F]++"
    r"|(?<![0-9A-Za-z])(?=[A-Za-z]{0,40}\d)(?:[0-9a-f]{6,}+|[0-9a-fA-F]{8,}+)(?![0-9A-Za-z])"
    # Letters and digits in turn: 01HZX7K3M9, 3f9a1c.
    r"|(?<![0-9A-Za-z])(?=[A-Za-z0-9]{6})(?:[A-Za-z]++\d++|\d++)[A-Za-z]++\d[A-Za-z0-9]*+"
    rf"|(?<![^\s_=:,(\[<{{'\"/])[+-]?{_NUMBER}"
    rf"|{_NUMBER}"
    r")"
)
_KINDS: Final = (
    ("ip", re.compile(r"/?\d{1,3}(?:\.\d{1,3}){3}(?:[:/]\d+)*")),
    ("n", re.compile(rf"[+-]?{_NUMBER}")),
    ("url", re.compile(r"[A-Za-z][A-Za-z0-9+.-]{1,20}://.*")),
    ("path", re.compile(r"(?:[A-Za-z]:\\|~?/).*")),
    ("email", re.compile(r"[^@]{1,64}@.*")),
)
_ID_INSIDE: Final = re.compile(r"(?=[a-fA-F]{0,40}\d)[0-9a-fA-F]{8}|\d{7}|\d{4}-\d\d-\d\d|\d\d:\d\d:\d\d")


def _is_status(before: str, word: str, after: str, number: str) -> bool:
    """Whether a number is that of an error, as what stands around it says."""
    if _introduces_a_status(before) or _JSON_RPC.fullmatch(number):
        return True
    if word[-1] == "," and word[0] == "(" and after[:1] in _QUOTES and (not before or before[-1] in ":)"):
        return True  # as Python prints the arguments of an exception: (2003, "Can't connect")
    if _SQLSTATE_BEHIND.match(after) or (
        before in _OF_A_WEBSOCKET and _CLOSE_CODE.fullmatch(number) and after.startswith("(")
    ):
        return True
    if not _HTTP_FAILURE.fullmatch(number):
        return False
    if word[-1] not in ".," and _REASON.match(after):
        return True
    ends = not after or word[-1] in ".,:;)"
    return (
        not before
        or (word[0] == "(" and word[-1] in "):,")
        or ((ends or after in _AFTER_A_STATUS) and _ANSWERED.search(before) is not None)
        or (not after and before[-1] == ":")
    )


@lru_cache(maxsize=1024)
def _introduces_a_status(word: str) -> bool:
    return _INTRODUCED.search(word) is not None


_BARE: Final = re.compile(r"[\"'(\[<]{0,2}(-?\d{1,5}|\d\d[A-Z]\d\d|HY\d{3})[\"')\]>.,:;]{0,3}")
_INTRODUCED: Final = re.compile(
    r"(?:^|[^A-Za-z])(?:http(?:/\d(?:\.\d)?)?|status(?:[_-]?code)?|code|errno|winerror|sqlstate|signal|error)[\"']?[:=]?[\"']?$"
    r"|(?-i:[A-Za-z](?:Error|Exception))$|sqlstate\[\w{5}\]:?$",
    re.IGNORECASE,
)
_STATUS_INSIDE: Final = re.compile(
    r"(?:^|[^A-Za-z])(?:http|status(?:[_-]?code)?|code|errno|winerror|sqlstate)[\"']?[-_:=\[(][\"']?-?\d{1,5}(?!\w)"
    r"|sqlstate[\"']?[:=\[][\"']?\w{5}(?!\w)"
    # Of Oracle, of Entra ID, of MongoDB: ORA-00942, AADSTS700016, E11000.
    r"|(?-i:^\W{0,3}(?:(?:ORA|TNS|PLS|RMAN|DP[IY])-\d{3,5}|AADSTS\d{5,7}|E11\d{3})(?!\w))"
    r"|(?-i:(?:Error|Exception)\(\d{1,5},$)",
    re.IGNORECASE,
)
_JSON_RPC: Final = re.compile(r"-32[0-7]\d\d")
"""The numbers that JSON-RPC keeps for errors."""

_SQLSTATE_BEHIND: Final = re.compile(r"\((?:\d\d[0-9A-Z]\d\d|HY\d{3})\):")
_QUOTES: Final = frozenset("\"'")
_OF_A_WEBSOCKET: Final = frozenset({"received", "sent"})
_CLOSE_CODE: Final = re.compile(r"10(?:0\d|1[0-5])")
_HTTP_FAILURE: Final = re.compile(r"[45]\d\d")
_REASON: Final = re.compile(
    r"(?:Bad|Unauthorized|Payment|Forbidden|Not|Method|Proxy|Request|Conflict|Gone|Length|Precondition|Unprocessable|Too"
    r"|Internal|Service|Gateway|Client|Server|[A-Z]+_[A-Z_]+|[A-Z]{6,})\b"
)
_AFTER_A_STATUS: Final = frozenset({"from", "for", "on", "to", "by", "when", "while", "error", "response", "instead"})
_ANSWERED: Final = re.compile(r"(?:^|[^a-z])(?:gave|got|returned|received|answered|responded|with|was)$", re.IGNORECASE)
_MODEL: Final = re.compile(
    r"(?:model=)?[\"'`(]{0,2}(?:[\w-]{1,30}[./]){0,3}"
    r"(?:gpt|claude|gemini|gemma|llama|mi[sx]tral|codestral|command|deepseek|qwen|grok|nova|titan|o[1-9](?!\w))[-\d]",
    re.IGNORECASE,
)
"""Versions of models are told apart: one may be withdrawn, or out of its quota, and the others not."""

_BEFORE_A_PART: Final = frozenset(
    {"KeyError:", "AttributeError:", "attribute", "column", "argument", "field", "model", "model:", "Model"}
)
_PART: Final = re.compile(
    r"[\"'`]{0,2}(?=[A-Za-z_])(?:[A-Za-z_.-]{1,30}\d{1,2}(?!\d)){1,5}[A-Za-z_.-]{0,30}[\"'`:,.;]{0,3}"
)
"""`address_line2`, `my-model-4.5`: a number that is part of a name is short."""
