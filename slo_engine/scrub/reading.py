"""How a text is read before anything is looked for in it: so that one list of forms fits all scripts.

Where words stand without spaces between them, as in Chinese, Japanese, Korean or Thai, a number stands directly beside
letters, and its digits may be full-width. What is read is of the same length as the text, so positions stay right; and
text of nothing but ASCII is read as it is.
"""

from __future__ import annotations

import re
from bisect import bisect_right
from typing import Final, NamedTuple


class Reading(NamedTuple):
    """A text for looking things up in: full-width letters, digits and signs, and dashes in numbers, are ASCII."""

    plain: str
    """Only without what JSON has escaped."""
    words: str
    """With all its letters."""
    forms: str
    """Without letters of scripts that set no spaces: a sign that is in no number and in no word stands for each. The
    same object as the words if there are none."""


def read(text: str) -> Reading:
    """All readings of a text, each as long as the text."""
    # What JSON has escaped is blanked out: the `n` of a line's end is no letter before a key.
    plain = _ESCAPED.sub(_blank, text) if "\\" in text else text
    if plain.isascii() or _BEYOND.search(plain) is None:
        return Reading(plain, plain, plain)
    words = _DASH.sub("-", _WIDE.sub(_narrow, plain))
    forms, marked = _UNSPACED.subn(_marks, words)
    if "TEL" in forms or "FAX" in forms:
        forms, dialled = _DIALLED.subn(_marks, forms)
        marked += dialled
    return Reading(plain, words, forms if marked else words)


_ESCAPED: Final = re.compile(r"(?<!\\)\\+(?:u[0-9a-fA-F]{4}|[nrtbf])")  # from the first of them, or it is quadratic


def _blank(match: re.Match[str]) -> str:
    return " " * len(match.group())


UNSPACED: Final = (
    "\u0e00-\u0eff\u1000-\u109f\u1100-\u11ff\u1780-\u17ff"  # Thai, Lao, Burmese, Korean letters, Khmer
    "\u2e80-\ua4cf\ua960-\ua97f\uac00-\ud7ff\uf900-\ufaff\ufe30-\ufe4f"  # Chinese, Japanese and Korean
    "\uff00-\uffef\U00020000-\U0003ffff"  # half-width kana, and rarer characters
)
"""Letters and punctuation of scripts without spaces, for use inside of [ ] in a pattern."""

_OTHER_DIGITS: Final = "\u0660-\u0669\u06f0-\u06f9\u0966-\u096f\u09e6-\u09ef\u0e50-\u0e59"
_DASHES: Final = "\u2010-\u2015\u2212\u30fc\ufe58\ufe63\uff70"
_BEYOND: Final = re.compile(f"[{UNSPACED}{_OTHER_DIGITS}{_DASHES}]")
_WIDE: Final = re.compile(f"[\u3000\uff01-\uff5e{_OTHER_DIGITS}]+")
_UNSPACED: Final = re.compile(f"[{UNSPACED}]+")
_DIALLED: Final = re.compile(r"(?<=[0-9])/(?=TEL|FAX)|(?<![A-Za-z])(?:TEL|FAX)(?=[0-9(+])")
"""Written directly before a number where no blanks are set: TEL03-1234-5678/FAX03-1234-5679."""
_DASH: Final = re.compile(rf"(?<=[0-9)])[{_DASHES}](?=[0-9(])")
"""Only in a number: elsewhere the same sign makes a vowel long, or begins a thought."""

_NARROW: Final[dict[int, int | str]] = {
    # But for the comma, which ends a clause: behind a phone's number may follow the hour.
    **{code: code - 0xFEE0 for code in range(0xFF01, 0xFF5F) if code != 0xFF0C},
    0x3000: " ",
    **{
        start + digit: str(digit)
        for start in (0x0660, 0x06F0, 0x0966, 0x09E6, 0x0E50)  # Arabic, Persian, Devanagari, Bengali, Thai
        for digit in range(10)
    },
}


def _narrow(match: re.Match[str]) -> str:
    return match.group().translate(_NARROW)


def _marks(match: re.Match[str]) -> str:
    return "§" * len(match.group())


# Letters that JSON has escaped: json.dumps writes all beyond ASCII so unless told otherwise.


class Unescaped(NamedTuple):
    """A text with its letters instead of ``\\u96fb``, and where what is found in it stands in the original."""

    text: str
    here: list[int]
    there: list[int]

    def original(self, position: int) -> int:
        """Where in the original this position is."""
        at = bisect_right(self.here, position) - 1
        return self.there[at] + position - self.here[at]


_ESCAPED_LETTER: Final = re.compile(r"(?<!\\)\\+u([0-9a-fA-F]{4})")


def unescaped(text: str) -> Unescaped | None:
    """None if no letter beyond ASCII is escaped."""
    parts: list[str] = []
    here, there = [0], [0]
    length = at = 0
    for match in _ESCAPED_LETTER.finditer(text):
        code = int(match[1], 16)
        if code < 0x80:
            continue
        # Half of a surrogate pair is no letter, and cannot be encoded.
        letter = "\ufffd" if 0xD800 <= code <= 0xDFFF else chr(code)
        parts += (text[at : match.start()], letter)
        length += match.start() - at + 1
        at = match.end()
        here.append(length)
        there.append(at)
    return Unescaped("".join([*parts, text[at:]]), here, there) if parts else None
