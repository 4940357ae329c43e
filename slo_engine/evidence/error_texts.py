"""What of a raw error text is the message: the line that names the exception, what a JSON body says. Pure.

Bodies are read by their keys and not parsed: half of them are Python's, and many were cut off on their way.
"""

from __future__ import annotations

import json
import re
from typing import Final, NamedTuple

LONGEST_READ: Final = 4000
"""Characters at the beginning, and as many at the end, that are read: the end of a traceback says what it is of."""


class ErrorText(NamedTuple):
    """``text``: one line, not shortened, empty where nothing is said. ``names``: the codes of an error; errors with
    different ones are not one cause."""

    text: str
    names: tuple[str, ...] = ()


def error_text(raw: str) -> ErrorText:
    """The message in a raw error text: in a traceback, a stack trace, a validation error, a JSON body, a page of HTML,
    or its first line."""
    raw = raw.strip()
    said = raw[:LONGEST_READ]
    if _TRACEBACK in raw and said[0] not in "{[":
        said = _last_exception(said if len(raw) <= LONGEST_READ else f"{_without_last_line(said)}\n{_end(raw)}")
    if "{" in said and (found := _of_body(said)) is not None:
        return found
    if "<" in said and (page := _PAGE.search(said)):
        said = f"{said[: page.start()]}{page['title'] or '<html>'}"
    names: tuple[str, ...] = ()
    if "input_value=" in said and (validation := _VALIDATION.match(said)):
        what, part, problem, kind = validation.groups()
        said, names = f"{what}: {part}: {problem} [type={kind}]", (_NUMBER.sub("<n>", part), kind)
    elif "\n" in said or "\r" in said:
        said = _first_line(said)
    return ErrorText(_one_line(said), names)


def _one_line(text: str) -> str:
    if not text.isprintable():
        text = _CONTROL.sub(" ", _COLOUR.sub("", text))
    return " ".join(text.split())


_COLOUR: Final = re.compile(r"\x1b\[[0-9;]{0,20}m")
_CONTROL: Final = re.compile(r"[\x00-\x1f\x7f-\x9f\u2028\u2029\ud800-\udfff]")
_PAGE: Final = re.compile(
    r"<(?:!doctype\b|html\b)(?:.{0,1000}?<title>(?P<title>[^<]{1,200}))?", re.IGNORECASE | re.DOTALL
)
_VALIDATION: Final = re.compile(
    r"(.{0,200}?\d+ validation errors? for \S{1,200})\s+(\S.{0,200}?)\s+(\S[^\n]{0,500}?)"
    r" \[type=([\w.]{1,100}), input_value="
)
_NUMBER: Final = re.compile(r"\d+")


def _first_line(text: str) -> str:
    """The first line that says something; with the next, if all it does is to announce that."""
    lines = [line for line in text[:LONGEST_READ].splitlines() if line.strip()]
    if len(lines) > 1 and lines[0].rstrip().endswith(":"):
        return f"{lines[0]} {lines[1]}"
    return lines[0] if lines else ""


# Tracebacks of Python.

_TRACEBACK: Final = "Traceback (most recent call last)"
_GROUP: Final = "Exception Group Traceback"
_MARGIN: Final = re.compile(r"^ *\| ?", re.MULTILINE)
_MEMBER_OF_GROUP: Final = re.compile(r"^ *\+[-+]+.*$", re.MULTILINE)
_FLUSH_LEFT: Final = re.compile(r"^(?![ \t]|File \")\S", re.MULTILINE)


def _without_last_line(text: str) -> str:
    return text.rpartition("\n")[0]


def _end(raw: str) -> str:
    return raw[-LONGEST_READ:].partition("\n")[2]  # without its first line: half a line may hold half a secret


def _last_exception(text: str) -> str:
    """From the line on that names the last exception. Of a group: its own line, and that of its first member."""
    if _GROUP in text:
        group, *members = _MEMBER_OF_GROUP.split(text)
        lines = [_after_last_traceback(_MARGIN.sub("", each)).partition("\n")[0] for each in (group, *members[:1])]
        return ": ".join(filter(None, lines)) or text
    return _after_last_traceback(text)


def _after_last_traceback(text: str) -> str:
    before, _, traceback = text.rpartition(_TRACEBACK)
    named = _FLUSH_LEFT.search(traceback, traceback.find("\n") + 1)
    if named is not None:
        return traceback[named.start() :]
    if _TRACEBACK in before:  # what follows was cut off: the exception before it is better than none
        return _after_last_traceback(before)
    return traceback.rstrip().rpartition("\n")[2].strip()


# Bodies, in JSON or as Python writes a dict.


def _ranked(keys: str) -> dict[str, int]:
    return {key: rank for rank, key in enumerate(keys.split())}


_SAID: Final = r"(?:\"((?:[^\"\\]|\\.)*+)|'((?:[^'\\]|\\.)*+))"
_PAIR: Final = re.compile(rf"[\"'](@?\w{{1,40}})[\"']\s{{0,9}}:\s{{0,9}}(?:{_SAID}|(\d{{1,6}})\b)", re.DOTALL)
_MESSAGE_KEYS: Final = _ranked("message error_message errormessage msg detail error_description error title reason")
_CODE_KEYS: Final = _ranked("code error_code errorcode __type type status status_code statuscode")
_NAME: Final = re.compile(r"[\w.:/-]{1,100}")
_SAYS_NOTHING: Final = frozenset({"error", "about:blank", "object", "string"})
_ERROR: Final = re.compile(r"[\"']errors?[\"']\s{0,9}:\s{0,9}[\[{]", re.IGNORECASE)
_OPENS: Final = re.compile(r"\{(?:\\n|\s){0,99}[\"']")
_INTRODUCES: Final = frozenset("-:.,=)0123456789")
_ANSWER: Final = re.compile(r"(?<=[}\]], )status_code: \d{3}, body: (?=\{)")
"""What SDKs that Fern generates (cohere's is one) say after the headers."""


def _of_body(text: str) -> ErrorText | None:
    if "status_code: " in text and (answer := _ANSWER.search(text)) is not None:
        text = text[answer.start() :]
    start = text.find("{")
    lead = _without_wrapping(text[:start])
    if (lead and lead[-1] not in _INTRODUCES) or not _OPENS.match(text, start):
        return None
    error = _ERROR.search(text, start)
    said, number, name = _told(text, start, error.end() if error else start)
    if not said:
        return None
    lead = _one_line(lead)
    names = tuple(each for each in (number, name) if each and each not in lead)
    inner = error_text(said) if "\n" in said and said[0] not in "{[" else ErrorText(_one_line(said))
    if lead and lead[-1].isalnum():
        lead += ":"
    coded = f"{' '.join(names)}:" if names else ""
    return ErrorText(" ".join(filter(None, (lead, coded, inner.text))), names + inner.names)


def _without_wrapping(lead: str) -> str:
    """Without the bracket of a list, and the beginning of a quotation or of Python's bytes, at the end."""
    lead = lead.rstrip().removesuffix("[").rstrip()
    if lead.endswith(("'", '"')):
        return lead[:-1].removesuffix("b").rstrip()
    return lead


def _told(text: str, start: int, error: int) -> tuple[str, str, str]:
    """The message of a body, the number of its error, and what that is called; empty where it does not say. What is in
    its ``error``, from ``error`` on, is before what is not."""
    messages: dict[tuple[bool, int], str] = {}
    numbers: dict[int, str] = {}
    names: dict[int, str] = {}
    for match in _PAIR.finditer(text, start):
        key, in_quotes, in_marks, digits = match.groups()
        said = in_quotes or in_marks or ""
        if (rank := _MESSAGE_KEYS.get(key.lower())) is not None and said and not said.isspace():
            messages.setdefault((match.start() < error, rank), said)
        if (rank := _CODE_KEYS.get(key.lower())) is not None:
            if digits or said.isdigit():
                numbers.setdefault(rank, digits or said)
            elif said.lower() not in _SAYS_NOTHING and _NAME.fullmatch(said):
                names.setdefault(rank, said)
    message = messages[min(messages)] if messages else ""
    return _unescaped(message), _first(numbers), _first(names)


def _first(found: dict[int, str]) -> str:
    return found[min(found)] if found else ""


def _unescaped(said: str) -> str:
    if "\\" not in said:
        return said
    said = said.replace("\\'", "'")
    try:
        return str(json.loads(f'"{said}"', strict=False))
    except ValueError:  # Python's: a quote needs no backslash there
        return said.replace("\\n", "\n").replace('\\"', '"')
