"""What pydantic finds wrong in a file, in words for the author of the file."""

from __future__ import annotations

import difflib
from collections.abc import Mapping
from functools import cache

from pydantic_core import ErrorDetails

from slo_engine.definitions.format import VERSION, keys_of_the_format


def unknown_key(key: str, place: str) -> str:
    """``place`` is where the key stands: ``slos.sli.events``; ``""`` is the top of the file."""
    here = _keys().get(place, ())
    if close := difflib.get_close_matches(key, here, n=1):
        return f"unknown key: did you mean {close[0]!r}?"
    if homes := _homes(key, place):
        return f"unknown key here: it belongs to {' or '.join(homes)}"
    return f"unknown key: remove it; the keys here are {', '.join(here)}"


def missing_key(key: str) -> str:
    """A key that its item needs."""
    example = f", such as `{key}: {_EXAMPLES[key]}`" if key in _EXAMPLES else ""
    return f"{key} is missing: add it{example}"


def wrong_value(detail: ErrorDetails) -> str:
    """A value that its key does not take."""
    kind, context, value = detail["type"], detail.get("ctx") or {}, detail["input"]
    if kind == "less_than" and context.get("lt") == 100.0:
        return "must be below 100: an objective of 100 leaves no error budget; write 99.9, say"
    if kind == "greater_than" and context.get("gt") == 1.0:
        return f"is in percent and must be above 1: write {_as_percent(value)}"
    if kind in _PLAIN_WORDS and value is None:
        return "has no value: write one, or remove the key"
    if kind == "string_type" and isinstance(value, list | dict):
        return "must be text, not a list or a mapping"
    words = _PLAIN_WORDS.get(kind)
    return words.format_map(context) if words else detail["msg"]


def _as_percent(value: object) -> str:
    return f"{value * 100:g}" if isinstance(value, float) and 0 < value < 1 else "98, say"


def _homes(key: str, place: str) -> list[str]:
    homes = [home for home, keys in _keys().items() if key in keys]
    near = [home for home in homes if not home or home.partition(".")[0] == place.partition(".")[0]]
    return [home or "the top of the file" for home in near or homes][:3]


@cache
def _keys() -> Mapping[str, tuple[str, ...]]:
    return keys_of_the_format()


_NUMBER = "must be a number, without quotes or unit"
_MAPPING = "must be a mapping of keys and values"

_PLAIN_WORDS = {
    "string_type": "must be text: put it in quotes",
    "float_type": _NUMBER,
    "int_type": "must be a whole number, without quotes or unit",
    "finite_number": _NUMBER,
    "bool_type": "must be true or false",
    "greater_than": "must be above {gt:g}",
    "greater_than_equal": "must be at least {ge:g}",
    "less_than_equal": "must be at most {le:g}",
    "model_type": _MAPPING,
    "dict_type": _MAPPING,
    "list_type": "must be a list: write [a, b], or begin each item with `- ` on a line of its own",
    "too_short": "must not be empty",
    "string_too_long": "must be at most {max_length} characters",
    "literal_error": "must be {expected}",
}

_EXAMPLES = {
    "version": VERSION,
    "name": "success",
    "sli": "{events: {total: ..., errors: ...}}",
    "total": "http_requests_total",
    "histogram": "http_request_duration_seconds",
    "threshold": "15s",
    "good": "up == bool 1",
    "above": "0.7",
    "spend": "llm_cost_usd_total",
    "budget": "3000 USD",
    "match": "{agent_type: batch_agent}",
    "alert": "AgentErrors",
    "expr": "rate(errors_total[5m]) > 1",
    "severity": "page",
    "summary": "what is wrong, in one line",
    "tiers": "[{severity: page, long: 1h, short: 5m, factor: 10}]",
    "long": "1h",
    "short": "5m",
    "factor": "10",
}
