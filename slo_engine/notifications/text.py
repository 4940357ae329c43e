"""A message as plain text."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from slo_engine.notifications.message import Message, Topic

MOST_ALERTS = 20
"""Of one message; a person reads none of them beyond the first few."""


def as_text(message: Message) -> str:
    """Some lines: what happened, the alerts, what was found out about each topic."""
    return "".join(f"{_printable(line)}\n" for line in _lines(message))


def _printable(line: str) -> str:
    """One line, without what would steer a terminal."""
    return "".join(letter if letter.isprintable() else " " for letter in line)


def _lines(message: Message) -> Iterator[str]:
    severity = f" [{message.severity}]" if message.severity else ""
    yield f"{message.kind.upper()}{severity} {message.title}"
    alerts = (message.payload or {}).get("alerts", ())
    for alert in alerts[:MOST_ALERTS]:
        yield f"  {alert.get('status', 'firing')}: {_labels(alert.get('labels') or {})}"
    if len(alerts) > MOST_ALERTS:
        yield f"  and {len(alerts) - MOST_ALERTS} more alerts"
    if message.evidence is None:
        return
    for topic in message.evidence.topics:
        if topic.sections:
            yield f"  {_name(topic)}"
        for section in topic.sections:
            yield from (f"    {line}" for line in section.text.splitlines())
            yield from (f"    {link.url}" for link in section.links)
    for each in message.evidence.missing:
        yield f"  Without {each.source}: {each.reason}"


def _name(topic: Topic) -> str:
    return " ".join(part for part in (topic.service, topic.slo, ", ".join(topic.group.values())) if part)


def _labels(labels: Mapping[str, Any]) -> str:
    return ", ".join(f"{name}={value}" for name, value in labels.items())
