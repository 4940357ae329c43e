"""What of a raw error text is the message: the exception of a stack trace, what a JSON body says. Pure.

Bodies are read by their keys and not parsed: half of them are Python's, and many were cut off on their way.
"""

from __future__ import annotations

import json
import re
from typing import Final, NamedTuple

from slo_engine.evidence.stack_traces import without_frames

LONGEST_READ: Final = 4000
"""Characters of a message. Of a stack trace as many are read at its end, and up to twice as many at its beginning."""


class ErrorText(NamedTuple):
    """``text``: one line, not shortened, empty where nothing is said. ``names``: the codes of an error; errors with
    different ones are not one cause."""

    text: str
    names: tuple[str, ...] = ()


def error_text(raw: str) -> ErrorText:
    """The message in a raw error text: in a traceback, a stack trace, a validation error, a JSON body, a page of HTML,
    or its first line."""
    said = raw.strip() if _IS_BODY.match(raw) else _of_trace(raw)
    said = said[:LONGEST_READ]
    if "{" in said and (found := _of_body(said)) is not None:
        return found
    if "<" in said and (page := _PAGE.search(said)):
        said = f"{said[: page.start()]}{page['title'] or '<html>'}"
    names: tuple[str, ...] = ()
    if "input_value=" in said and (validation := _VALIDATION.match(said)):
        what, part, between, problem, kind = validation.groups()
        where = f": {part}{':' if _LINE_END.search(between) else ''}" if part else ":"
        said, names = f"{what}{where} {problem} [type={kind}]", (_NUMBER.sub("<n>", part or ""), kind)
    elif "terminated with:" in said and (call := _GRPC.search(said)):
        said = f"{said[: call.start()].removesuffix('<')}{call['error']}: {call['status']}: {call['details']}"
    elif "\n" in said or "\r" in said:
        said = _first_line(said)
    return ErrorText(_one_line(said), names)


def _of_trace(raw: str) -> str:
    text = raw.strip()
    begins = len(raw) - len(raw.lstrip())
    if len(text) > 3 * LONGEST_READ:
        # The line with which the beginning ends is whole: half a secret might not be known for one.
        whole = text.find("\n", LONGEST_READ, 2 * LONGEST_READ)
        text = f"{text[: whole if whole != -1 else 2 * LONGEST_READ]}\n{_end(text)}"
    if "\x1b" in text:
        text = _COLOUR.sub("", text)
    if "\\n" in text and _ESCAPED_TRACE.search(text) and not _LINE_END.search(text):
        for letters, meant in _ESCAPED:
            text = text.replace(letters, meant)
    if not _LINE_END.search(text):
        return text
    return without_frames(f" {text}" if raw[begins - 1 : begins] in _BLANKS else text).strip()


def _end(text: str) -> str:
    """Without its first line: half a line may hold half a secret."""
    return text[-LONGEST_READ:].partition("\n")[2]


def _one_line(text: str) -> str:
    if not text.isprintable():
        text = _CONTROL.sub(" ", _COLOUR.sub("", text))
    return " ".join(text.split())


_COLOUR: Final = re.compile(r"\x1b\[[0-9;]{0,20}m")
_CONTROL: Final = re.compile(r"[\x00-\x1f\x7f-\x9f\u2028\u2029\ud800-\udfff]")
_PAGE: Final = re.compile(
    r"<(?:!doctype\b|html\b)(?:.{0,1000}?<title>(?P<title>[^<]{1,200}))?", re.IGNORECASE | re.DOTALL
)
_LINE_END: Final = re.compile(r"[\r\n]")
_ESCAPED_TRACE: Final = re.compile(r"Traceback \(most recent|\\n\s*File |\\n\s{0,8}(?:\\t)?at |\\nCaused by:")
_ESCAPED: Final = (("\\r", ""), ("\\n", "\n"), ("\\t", "\t"), ('\\"', '"'))
"""Of one line, in which the ends of lines are so many letters."""

_BLANKS: Final = frozenset(" \t")
_IS_BODY: Final = re.compile(r"\s*+(?:\[\s*+)?\{")
_VALIDATION: Final = re.compile(  # what is wrong with all of it has no part, and is indented
    r"(.{0,200}?\d+ validation errors? for \S{1,200})(?:\r?\n[ \t]+|\s+(\S.{0,200}?)(\s+))(\S[^\n]{0,500}?)"
    r" \[type=([\w.]{1,100}), input_value="
)
_NUMBER: Final = re.compile(r"\d+")
_GRPC: Final = re.compile(
    r"(?P<error>\w{1,60}) of RPC that terminated with:\s{1,9}status = (?P<status>[\w.]{1,60})"
    r"\s{1,9}details = \"(?P<details>[^\n\"]{1,1000})"
)


def _first_line(text: str) -> str:
    """The first line that says something; with the next, if all it does is to announce that."""
    lines = [line for line in text[:LONGEST_READ].splitlines() if line.strip()]
    if lines and lines[0].lstrip()[0] in _CORNERS:
        lines = [line.strip("│┃ ") for line in lines if line.lstrip()[0] not in _CORNERS]
    if len(lines) > 1 and lines[0].rstrip().endswith(":"):
        return f"{lines[0]} {lines[1]}"
    return lines[0] if lines else ""


_CORNERS: Final = frozenset("╭╰┌└┏┗")
"""Of the box that rich draws around a message."""


# Bodies, in JSON or as Python writes a dict.


def _ranked(keys: str) -> dict[str, int]:
    return {key: rank for rank, key in enumerate(keys.split())}


_SAID: Final = r"(?:\"((?:[^\"\\]|\\.)*+)|'((?:[^'\\]|\\.)*+))"
_PAIR: Final = re.compile(rf"[\"'](@?\w{{1,40}})[\"']\s{{0,9}}:\s{{0,9}}(?:{_SAID}|(-?\d{{1,6}})\b)", re.DOTALL)
_MESSAGE_KEYS: Final = _ranked("message error_message errormessage msg detail error_description error title reason")
_CODE_KEYS: Final = _ranked("code error_code errorcode __type type status status_code statuscode")
_NAME: Final = re.compile(r"[\w.:/-]{1,100}")
_SAYS_NOTHING: Final = frozenset({"error", "about:blank", "object", "string"})
_ERROR: Final = re.compile(r"[\"']errors?[\"']\s{0,9}:\s{0,9}[\[{]", re.IGNORECASE)
_METADATA: Final = re.compile(r"[\"']metadata[\"']\s{0,9}:\s{0,9}\{")
"""In its ``raw`` a gateway to models (OpenRouter) says what the provider has answered."""

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
    cause = ""
    for match in _PAIR.finditer(text, start):
        key, in_quotes, in_marks, digits = match.groups()
        said = in_quotes or in_marks or ""
        if key == "raw" and said and not cause and _METADATA.search(text, start, match.start()):
            cause = error_text(_unescaped(said)).text
        if (rank := _MESSAGE_KEYS.get(key.lower())) is not None and said and not said.isspace():
            messages.setdefault((match.start() < error, rank), said)
        if (rank := _CODE_KEYS.get(key.lower())) is not None:
            if digits or said.isdigit():
                numbers.setdefault(rank, digits or said)
            elif said.lower() not in _SAYS_NOTHING and _NAME.fullmatch(said):
                names.setdefault(rank, said)
    message = messages[min(messages)] if messages else ""
    message = _unescaped(message)
    if message and cause and cause not in message:
        message = f"{message}: {cause}"
    return message, _first(numbers), _first(names)


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
