"""What LangFuse says when it refuses a request, and the values that it refuses."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any

# The pattern that the server names in its answer, as recorded.
_ISO = (
    r"/^(?:(?:\d\d[2468][048]|\d\d[13579][26]|\d\d0[48]|[02468][048]00|[13579][26]00)-02-29|\d{4}-(?:(?:0[13578]|1[02])-"
    r"(?:0[1-9]|[12]\d|3[01])|(?:0[469]|11)-(?:0[1-9]|[12]\d|30)|(?:02)-(?:0[1-9]|1\d|2[0-8])))T(?:(?:[01]\d|2[0-3]):"
    r"[0-5]\d(?::[0-5]\d(?:\.\d+)?)?(?:Z|([+-](?:[01]\d|2[0-3]):[0-5]\d)))$/"
)
_TIME = re.compile(_ISO.strip("/"))


class BadRequestError(Exception):
    """A request that LangFuse answers with 400. ``body`` is what it answers."""

    def __init__(self, message: str, error: Any = "InvalidRequestError") -> None:
        super().__init__(message)
        self.body = {"message": message, "error": error}


class NotPlayedError(Exception):
    """A request that LangFuse would take, and the stand-in does not play: answered with 501, never with a guess."""


def invalid(*issues: Mapping[str, Any]) -> BadRequestError:
    """A refusal by the schema of a request."""
    return BadRequestError("Invalid request data", list(issues))


def limit_of(text: str, *, largest: int, smallest: int = 0) -> int:
    """A page size. Raises BadRequestError."""
    number = int(text) if re.fullmatch(r"-?\d{1,9}", text) else largest + 1
    if smallest <= number <= largest:
        return number
    code, bound, sign = ("too_big", "maximum", "<=") if number > largest else ("too_small", "minimum", ">=")
    edge = largest if number > largest else smallest
    message = f"Too {code.removeprefix('too_')}: expected number to be {sign}{edge}"
    raise invalid(
        {"origin": "number", "code": code, bound: edge, "inclusive": True, "path": ["limit"], "message": message}
    )


def instant(text: str, *path: str) -> datetime:
    """A time with an offset. Raises BadRequestError for one without, and for a number."""
    if not _TIME.match(text):
        issue = {"origin": "string", "code": "invalid_format", "format": "datetime", "pattern": _ISO}
        raise invalid({**issue, "path": list(path), "message": "Invalid ISO datetime"})
    return datetime.fromisoformat(text)


def option(value: Any, options: Sequence[str], *path: str) -> str:
    """One of the values that are allowed. Raises BadRequestError."""
    if value not in options:
        listed = "|".join(json.dumps(each) for each in options)
        message = f"Invalid option: expected one of {listed}"
        raise invalid({"code": "invalid_value", "values": list(options), "path": list(path), "message": message})
    return str(value)


def json_of(text: str, name: str) -> Any:
    """A parameter that is JSON. Raises BadRequestError."""
    try:
        return json.loads(text)
    except ValueError:
        raise BadRequestError(f"Invalid JSON in {name} parameter") from None
