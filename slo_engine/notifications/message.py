"""What is sent: one message, from whatever origin, before any sink has given it a form."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Protocol


@dataclass(frozen=True)
class Link:
    """Where to look further."""

    title: str
    url: str


@dataclass(frozen=True)
class Section:
    """What one source has to say about a topic."""

    name: str
    """The source: ``budget``, ``causes``."""
    text: str
    """For people: plain text, some lines."""
    links: tuple[Link, ...] = ()
    data: Mapping[str, Any] | None = None
    """For programs: the same as JSON."""
    is_empty: bool = False
    """It says that nothing was found, which may change any moment. Not kept in the store."""


@dataclass(frozen=True)
class Topic:
    """One thing that a message is about: an SLO and one of its groups, or an agent that no SLO watches."""

    service: str | None
    slo: str | None
    group: Mapping[str, str]
    fingerprints: tuple[str, ...] = ()
    """Of the alerts that are about it."""
    sections: tuple[Section, ...] = ()

    def section(self, name: str) -> Section | None:
        """What the source of this name says; None when it says nothing."""
        return next((section for section in self.sections if section.name == name), None)


@dataclass(frozen=True)
class Missing:
    """A source that gave nothing, and why."""

    source: str
    reason: str


@dataclass(frozen=True)
class Evidence:
    """What was found out for a message."""

    gathered_at: str
    """RFC 3339."""
    seconds: float
    topics: tuple[Topic, ...] = ()
    missing: tuple[Missing, ...] = ()


@dataclass(frozen=True)
class Message:
    """A notification on its way. ``content`` is what it says; the rest is what routes and orders it."""

    key: str
    """The same for every attempt and sink, so that a receiver can tell a repeat."""
    thread: str
    """What belongs together, such as the notifications of one incident: these are delivered in their order."""
    kind: str
    """``firing`` or ``resolved`` for alerts."""
    severity: str | None
    title: str
    evidence: Evidence | None = None
    payload: Mapping[str, Any] | None = None
    """What Alertmanager posted, where the message comes from there."""

    def content(self) -> dict[str, Any]:
        """What it says, as JSON for the store."""
        return {
            "evidence": None if self.evidence is None else _evidence_as_data(self.evidence),
            "payload": self.payload,
        }


class Stored(Protocol):
    """A message as the store has it."""

    @property
    def key(self) -> str: ...  # noqa: D102 - as those of Message
    @property
    def thread(self) -> str: ...  # noqa: D102
    @property
    def kind(self) -> str: ...  # noqa: D102
    @property
    def severity(self) -> str | None: ...  # noqa: D102
    @property
    def title(self) -> str: ...  # noqa: D102
    @property
    def content(self) -> Mapping[str, Any]: ...  # noqa: D102


def restored(stored: Stored) -> Message:
    """The message that was stored."""
    return Message(
        key=stored.key,
        thread=stored.thread,
        kind=stored.kind,
        severity=stored.severity,
        title=stored.title,
        evidence=_evidence(stored.content["evidence"]),
        payload=stored.content["payload"],
    )


def _evidence(data: Mapping[str, Any] | None) -> Evidence | None:
    if data is None:
        return None
    return Evidence(
        data["gathered_at"],
        data["seconds"],
        tuple(_topic(each) for each in data["topics"]),
        tuple(Missing(each["source"], each["reason"]) for each in data["missing"]),
    )


def _evidence_as_data(evidence: Evidence) -> dict[str, Any]:
    return {
        "gathered_at": evidence.gathered_at,
        "seconds": evidence.seconds,
        "topics": [_topic_as_data(topic) for topic in evidence.topics],
        "missing": [{"source": each.source, "reason": each.reason} for each in evidence.missing],
    }


def _topic_as_data(topic: Topic) -> dict[str, Any]:
    return {
        "service": topic.service,
        "slo": topic.slo,
        "group": dict(topic.group),
        "fingerprints": list(topic.fingerprints),
        "sections": [
            {
                "name": section.name,
                "text": section.text,
                "links": [[link.title, link.url] for link in section.links],
                "data": section.data,
            }
            for section in topic.sections
        ],
    }


def _topic(data: Mapping[str, Any]) -> Topic:
    return Topic(
        data["service"], data["slo"], data["group"], tuple(data["fingerprints"]), tuple(_sections(data["sections"]))
    )


def _sections(data: Sequence[Mapping[str, Any]]) -> list[Section]:
    return [
        Section(each["name"], each["text"], tuple(Link(title, url) for title, url in each["links"]), each["data"])
        for each in data
    ]
