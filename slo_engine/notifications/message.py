"""What is sent: one message, from whatever origin, before any sink has given it a form."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field
from typing import Any, Literal, Protocol

Kind = Literal["firing", "resolved", "update", "status", "digest", "report"]
"""What a message tells: an alert group fires, all of it is resolved, evidence that came late; a budget passed a level;
how all budgets stand; a month. ``update`` follows a ``firing`` of its thread; the last three are posts of our own."""


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
class Document:
    """A file that goes with a post, where a sink can take files."""

    name: str
    media_type: str
    text: str = field(repr=False)


@dataclass(frozen=True)
class Post:
    """What the engine says by itself."""

    at: str
    """RFC 3339: the time of its figures."""
    tone: Literal["bad", "warn", "good", "info"] = "info"
    """Of the worst that it tells."""
    changes: tuple[str, ...] = ()
    """What changed, one line each: the first that is read."""
    lines: tuple[str, ...] = ()
    """What else there is to say."""
    policies: tuple[str, ...] = ()
    """The steps of error-budget policies that are in force."""
    statuses: tuple[Mapping[str, Any], ...] = ()
    """The budgets that it is about: ``slo-engine status --json`` of that minute, the worst first."""
    links: tuple[Link, ...] = ()
    documents: tuple[Document, ...] = ()


@dataclass(frozen=True)
class Message:
    """A notification on its way. ``content`` is what it says; the rest is what routes and orders it."""

    key: str
    """The same for every attempt and sink, so that a receiver can tell a repeat."""
    thread: str
    """What belongs together, such as the notifications of one incident: these are delivered in their order."""
    kind: str
    """One of :data:`Kind`."""
    severity: str | None
    title: str
    evidence: Evidence | None = None
    payload: Mapping[str, Any] | None = None
    """What Alertmanager posted, where the message comes from there."""
    post: Post | None = None
    """What the engine says by itself, where it comes from us."""
    instead_of: str | None = None
    """The sink that it was meant for, when that could not take it. Of one delivery, as what follows, and so not kept
    with what it says."""
    remarks: tuple[str, ...] = ()
    """What is to be said of this delivery: how late it is, what was not delivered before it."""
    goes_on_from: Mapping[str, Any] | None = None
    """The receipt of the message that ended the incident, where it has begun again within minutes."""

    def content(self) -> dict[str, Any]:
        """What it says, as JSON for the store."""
        return {
            "evidence": None if self.evidence is None else _evidence_as_data(self.evidence),
            "payload": self.payload,
            "post": None if self.post is None else asdict(self.post),
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
        post=_post(stored.content.get("post")),  # a message of an earlier version has none
    )


def _post(data: Mapping[str, Any] | None) -> Post | None:
    if data is None:
        return None
    return Post(
        at=data["at"],
        tone=data["tone"],
        changes=tuple(data["changes"]),
        lines=tuple(data["lines"]),
        policies=tuple(data["policies"]),
        statuses=tuple(data["statuses"]),
        links=tuple(Link(each["title"], each["url"]) for each in data["links"]),
        documents=tuple(Document(each["name"], each["media_type"], each["text"]) for each in data["documents"]),
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
