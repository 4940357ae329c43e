"""What the services that page people take alike: keys, fields, texts with links. No I/O."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping, Sequence
from typing import TypeVar

from slo_engine.connect import Connection
from slo_engine.delivery.cutting import cut_lines
from slo_engine.notifications.message import Link
from slo_engine.notifications.outline import Outline

SOURCE = "slo-engine"

Level = TypeVar("Level", bound=str)


def key_of(thread: str, longest: int) -> str:
    """The identity of an incident, the same for all of its messages."""
    return thread if 0 < len(thread) <= longest else hashlib.sha256(thread.encode()).hexdigest()


def level_of(
    found: Outline, chosen: Mapping[str, Level], by_severity: Mapping[str, Level], by_tone: Mapping[str, Level]
) -> Level:
    """How urgent it is there: ``chosen`` in the settings for the severity, else what its name says, else its tone."""
    known = {**by_severity, **{name.lower(): level for name, level in chosen.items()}}
    return known.get(found.severity.lower()) or by_tone[found.tone]


def fact(found: Outline, name: str) -> str:
    """The value of a label that all alerts share; empty: there is none."""
    return next((value for each, value in found.facts if each == name), "")


def fields(found: Outline, longest: int) -> dict[str, str]:
    """The answer and the facts by their names, as many as have room in ``longest`` characters."""
    kept: dict[str, str] = {}
    for name, value in (("answer", found.answer), *found.facts):
        longest -= len(name) + len(value)
        if value and name not in kept and longest >= 0:
            kept[name] = value
    return kept


def with_links(text: str, links: Sequence[Link], longest: int, most_for_links: int) -> str:
    """``text`` and the links, one a line, in ``longest`` characters: the links are kept, the text gives way. Links
    beyond ``most_for_links`` characters are named without their address."""
    lines: list[str] = []
    for link in links:
        line = f"{link.title}: {link.url}"
        if sum(len(each) + 1 for each in lines) + len(line) > most_for_links:
            line = f"{link.title}: its address is too long"
        lines.append(line)
    below = "\n".join(lines)[:longest]
    above = cut_lines(text, longest - len(below) - 2) if text and len(below) + 2 < longest else ""
    return "\n\n".join(part for part in (above, below) if part)


def unlike(connection: Connection, what: str, said: str) -> str:
    """The reason of an answer that no such service gives: a proxy or a login page answers for it."""
    return f"{connection.address} does not answer as {what} does: {said or 'the answer is empty'}"
