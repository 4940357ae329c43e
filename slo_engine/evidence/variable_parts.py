"""Where a text holds what may differ from failure to failure: numbers, ids, addresses. Pure.

A text is taken apart at its blanks, and each word is looked at once however often it occurs: most words of most
messages are the same few.
"""

from __future__ import annotations

import re
from typing import Final, NamedTuple

SLOT: Final = "\0"
"""Stands in a form for what may differ. A text must not hold one of its own."""

UNITS: Final = frozenset(
    [
        "B",
        "KB",
        "MB",
        "GB",
        "TB",
        "kB",
        "KiB",
        "MiB",
        "GiB",
        "bytes",
        "ms",
        "us",
        "ns",
        "s",
        "sec",
        "secs",
        "second",
        "seconds",
        "min",
        "minute",
        "minutes",
        "hour",
        "hours",
        "h",
        "%",
    ]
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
        for at in [at for at, word in enumerate(said) if SLOT in word]:
            word, after = words[at], words[at + 1] if at + 1 < len(words) else ""
            if len(word) <= _LONGEST_NAME and _names_the_fault(words[at - 1] if at else "", word, after):
                said[at] = word
            else:
                values += self._words.values[word]
        return Form(" ".join(said), tuple(values))


class _Words(dict[str, str]):
    """By a word: what is left of it without its values."""

    def __init__(self) -> None:
        super().__init__()
        self.values: dict[str, list[str]] = {}

    def __missing__(self, word: str) -> str:
        parts = _VARIABLE.split(word)
        self[word] = left = SLOT.join(parts[::2])
        if len(parts) > 1:
            self.values[word] = parts[1::2]
        return left


_LONGEST_NAME: Final = 60
"""Characters of the name of a model, or of a status with what stands around it."""


def kind(value: str) -> str:
    """What a value is: ``n``, ``id``, ``url``, ``email``, ``ip`` or ``path``."""
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
    r"(?<![A-Za-z0-9+.-])[A-Za-z][A-Za-z0-9+.-]{1,20}://(?:[^\s'\"<>)\]},;]|<[a-z]{2,12}>)++"
    r"|(?<![\w.+-])[\w.+-]{1,64}@[\w-]{1,63}(?:\.[\w-]{1,63}){1,8}"
    r"|(?<![\w.\\\])*])(?:[A-Za-z]:\\|~?/(?=[\w.~-]))[^\s'\",;:()\[\]{}<>|]*+"
    r"|(?<![0-9A-Za-z])[0-9a-fA-F]{8}-(?:[0-9a-fA-F]{4}-){3}[0-9a-fA-F]{12}(?![0-9A-Za-z])"
    r"|(?<![0-9A-Za-z])0[xX][0-9a-fA-F]++"
    r"|(?<![0-9A-Za-z])(?=[A-Za-z]{0,40}\d)[0-9a-fA-F]{8,}+(?![0-9A-Za-z])"
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


def _names_the_fault(before: str, word: str, after: str) -> bool:
    """Whether the digits in a word are those of a status, an error's number, or the version of a model."""
    if ("odel" in before or "odel" in word) and _MODEL.search(f"{before} {word}"):
        return True
    number = _BARE.fullmatch(word)
    if number is None:
        return _STATUS_INSIDE.search(word) is not None
    if _INTRODUCED.search(before):
        return True
    if not _HTTP_FAILURE.fullmatch(number[1]):
        return False
    if word[-1] not in ".," and _REASON.match(after):
        return True
    ends = not after or word[-1] in ".,:;)"
    return not before or (word.startswith("(") and word[-1] in "):,") or (ends and bool(_ANSWERED.search(before)))


_BARE: Final = re.compile(r"[\"'(\[<]{0,2}(\d{1,5})[\"')\]>.,:;]{0,3}")
_INTRODUCED: Final = re.compile(
    r"(?:^|[^A-Za-z])(?:http(?:/\d(?:\.\d)?)?|status(?:[_-]?code)?|code|errno|sqlstate|signal|error)[\"']?[:=]?[\"']?$",
    re.IGNORECASE,
)
_STATUS_INSIDE: Final = re.compile(
    r"(?:^|[^A-Za-z])(?:http|status(?:[_-]?code)?|code|errno|sqlstate)[\"']?[-_:=][\"']?\d{1,5}(?![\w])", re.IGNORECASE
)
_HTTP_FAILURE: Final = re.compile(r"[45]\d\d")
_REASON: Final = re.compile(
    r"(?:Bad|Unauthorized|Payment|Forbidden|Not|Method|Proxy|Request|Conflict|Gone|Length|Precondition|Unprocessable|Too"
    r"|Internal|Service|Gateway|Client|Server|[A-Z]+_[A-Z_]+|[A-Z]{6,})\b"
)
_ANSWERED: Final = re.compile(r"(?:^|[^a-z])(?:gave|got|returned|received|answered|responded|with|was)$", re.IGNORECASE)
_MODEL: Final = re.compile(
    r"(?:^|[^A-Za-z])model(?:_?name|_?id)?[\"'`]?[:= ]{1,2}[\"'`(]{0,2}[A-Za-z][\w./-]*\d", re.IGNORECASE
)
