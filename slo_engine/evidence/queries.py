"""What was asked of LangFuse, as a notification says it."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from slo_engine.scrub.outgoing import outgoing_text
from slo_engine.traces import Selection


def asked(wanted: Selection) -> list[Mapping[str, Any]]:
    """The ``filter`` of a selection, to be asked again by hand; without secrets and personal data."""
    return [{**condition, "value": _clean(condition["value"])} for condition in wanted.conditions()]


def _clean(value: Any) -> Any:
    if isinstance(value, list):
        return [_clean(each) for each in value]
    if not isinstance(value, str):
        return value
    # Of a tag the value alone: "agent_type:" before an address hides what it is.
    name, separator, rest = value.partition(":")
    return f"{outgoing_text(name)}{separator}{outgoing_text(rest)}" if separator else outgoing_text(value)
