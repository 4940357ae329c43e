"""What of a raw error text is the message: the line that names the exception, what a JSON body says. Pure.

Bodies are read by their keys and not parsed: half of them are Python's, and many were cut off on their way.
"""

from __future__ import annotations

import json
import re
from typing import Final, NamedTuple

LONGEST_READ: Final = 4000
"""Characters at the beginning, and as many at the end, that are looked at: a traceback says at its end what it is of."""


class ErrorText(NamedTuple):
    """``text``: one line, not shortened, and empty where nothing is said. ``names``: the codes of an error, of which two
    never are one cause."""

    text: str
    names: tuple[str, ...] = ()


def error_text(raw: str) -> ErrorText:
    """The message in a raw error text: in a traceback, a stack trace, a validation error, a JSON body, a page of HTML, or
    its first line."""
    raw = raw.strip()
    said = raw[:LONGEST_READ]
    if _TRACEBACK in said:
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
_CONTROL: Final = re.compile(r"[\x00-\x1f\x7f-\x9f\u2028\u2029]")
_PAGE: Final = re.compile(r"<(?:!doctype\b|html\b)(?:.{0,1000}?<title>(?P<title>[^<]{1,200}))?", re.IGNORECASE | re.DOTALL)
_VALIDATION: Final = re.compile(
    r"(.{0,200}?\d+ validation errors? for \S{1,200})\s+(\S.{0,200}?)\s+(\S[^\n]{0,500}?) \[type=([\w.]{1,100}), input_value="
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

_BODY: Final = re.compile(r"(?:b?[\"'])?\[?\s{0,9}\{(?:\\n|\s){0,99}[\"']")
_ANSWER: Final = re.compile(r"(?<=[}\]], )status_code: \d{3}, body: (?=\{)")
"""What SDKs that Fern generates (cohere's is one) say after the headers."""

_INTRODUCES: Final = re.compile(r"(?:^|[-:.,=)\d])\s*$")
_SAID: Final = r"(?:\"((?:[^\"\\]|\\.)*+)|'((?:[^'\\]|\\.)*+))"
_MESSAGE: Final = re.compile(
    rf"[\"'](message|error_message|errorMessage|msg|detail|error_description|error|title|reason)[\"']\s*:\s*{_SAID}",
    re.IGNORECASE | re.DOTALL,
)
_MESSAGE_KEYS: Final = ("message", "error_message", "errormessage", "msg", "detail", "error_description", "error")
_CODE: Final = re.compile(
    r"[\"'](code|error_?code|__type|type|status|status_?code)[\"']\s*:\s*(?:[\"']([\w.:/-]{1,100})[\"']|(\d{1,6})\b)", re.IGNORECASE
)
_CODE_KEYS: Final = ("code", "error_code", "errorcode", "__type", "type", "status", "status_code", "statuscode")
_SAYS_NOTHING: Final = frozenset({"error", "about:blank", "object", "string"})
_ERROR: Final = re.compile(r"[\"']errors?[\"']\s*:\s*[\[{]", re.IGNORECASE)


def _of_body(text: str) -> ErrorText | None:
    if (answer := _ANSWER.search(text)) is not None:
        text = text[answer.start() :]
    body = _BODY.search(text)
    if body is None or not _INTRODUCES.search(text, max(0, body.start() - 20), body.start()):
        return None
    error = _ERROR.search(text, body.start())
    best = _best_message(text, error.end()) if error else None
    best = best or _best_message(text, body.start())
    if best is None:
        return None
    lead = _one_line(text[: body.start()])
    number, name = _codes(text[body.start() :])
    names = [each for each in (number, name) if each and each not in lead]
    inner = error_text(best) if _TRACEBACK in best or "\n" in best else ErrorText(_one_line(best))
    if lead and lead[-1].isalnum():
        lead += ":"
    coded = f"{' '.join(names)}:" if names else ""
    return ErrorText(" ".join(filter(None, (lead, coded, inner.text))), tuple(names) + inner.names)


def _best_message(text: str, start: int) -> str | None:
    found: dict[str, str] = {}
    for match in _MESSAGE.finditer(text, start):
        said = match[2] if match[2] is not None else match[3]
        if said.strip():
            found.setdefault(match[1].lower(), said)
    for key in (*_MESSAGE_KEYS, *found):
        if key in found:
            return _unescaped(found[key])
    return None


def _unescaped(said: str) -> str:
    if "\\" not in said:
        return said
    said = said.replace("\\'", "'")
    try:
        return str(json.loads(f'"{said}"', strict=False))
    except ValueError:  # Python's: a quote needs no backslash there
        return said.replace("\\n", "\n").replace('\\"', '"')


def _codes(body: str) -> tuple[str, str]:
    """The number of an error, and what it is called; empty where a body does not say."""
    numbers: dict[str, str] = {}
    names: dict[str, str] = {}
    for match in _CODE.finditer(body):
        key, name, number = match[1].lower(), match[2], match[3]
        if name is None or name.isdigit():
            numbers.setdefault(key, number or name)
        elif name.lower() not in _SAYS_NOTHING:
            names.setdefault(key, name)
    return _first(numbers), _first(names)


def _first(found: dict[str, str]) -> str:
    return next((found[key] for key in _CODE_KEYS if key in found), "")
