"""A message in the order in which people read it, cut to what they read, before any sink has given it its form.

Everything here is text that came from elsewhere: labels, annotations, messages of failed calls. It holds no control
characters and none that turn the direction of what follows; what a sink's markup would take for markup is escaped where
that markup is written, in :mod:`slo_engine.delivery.forms`.
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any

from slo_engine import amounts
from slo_engine.definitions.money import Budget
from slo_engine.notifications.message import Link, Message, Topic
from slo_engine.status.model import measured

MOST_ALERTS = 10
MOST_TOPICS = 10
MOST_TRACES = 5
"""Of one message, or topic: a person reads none beyond the first few."""

MOST_BUDGETS = 50

FAR_DAYS = 90
"""An exhaustion that is further away is no news: long before, another budget is measured."""

LONGEST_TITLE = 300
LONGEST_VALUE = 200
LONGEST_TEXT = 2000
"""Characters of a title, of a label's value, of what one source says."""

HEADLINES: Mapping[str, str] = {
    "firing": "Firing",
    "resolved": "Resolved",
    "update": "Evidence",
    "status": "Status",
    "digest": "Digest",
    "report": "Report",
}
"""The first word of a message of each kind."""

TONES: Mapping[str, str] = {
    "page": "bad",
    "critical": "bad",
    "error": "bad",
    "info": "info",
    "none": "info",
}
"""Severity -> tone of what fires; of any other it is ``warn``."""

_TRACE_ID = re.compile(r"[0-9a-f]{32}")

_JOINERS = "\u200c\u200d"
"""Characters of format that words and emoji are written with."""


@dataclass(frozen=True)
class AlertLine:
    """One alert of the group. Without labels and summary: all of it is said elsewhere."""

    status: str
    labels: str
    """Those that tell it from the others; of a single alert all that no fact has said."""
    summary: str


@dataclass(frozen=True)
class Said:
    """What one source found out."""

    name: str
    text: str


@dataclass(frozen=True)
class TopicOutline:
    """What was found out about one SLO group."""

    name: str
    answer: str
    """The reason, in one sentence; empty: none is known."""
    said: tuple[Said, ...]
    """By the other sources."""
    links: tuple[Link, ...]
    """To traces."""


@dataclass(frozen=True)
class BudgetLine:
    """How one budget stands."""

    name: str
    target: str
    """``objective 98 % over 30d``, ``budget 3,000.00 USD in 30d``."""
    left: str
    """``62.1 % left``, ``exhausted, overspent by 3.0 %``, ``no data``."""
    remaining: float | None
    burn: str
    """Over the last hour: ``3.2x``; empty where there is none."""
    exhausts: str
    firing: str
    note: str
    """What the figure is measured over, where that is not the whole window."""


@dataclass(frozen=True)
class Outline:
    """All of it."""

    kind: str
    headline: str
    """``Firing``"""
    severity: str
    """Empty: it has none."""
    tone: str
    """``bad``, ``warn``, ``good`` or ``info``: for colours."""
    title: str
    at: str
    """When it began, or the time of the figures: ``2026-11-23 17:05 UTC``; empty: not known."""
    instead_of: str
    """The sink that could not take it; empty: it is here in the first place."""
    remarks: tuple[str, ...]
    """On this delivery: how late it is, what was not delivered before it."""
    facts: tuple[tuple[str, str], ...]
    """Name and value: service, SLO, group, since when."""
    topics: tuple[TopicOutline, ...]
    alerts: tuple[AlertLine, ...]
    more_alerts: int
    changes: tuple[str, ...]
    lines: tuple[str, ...]
    policies: tuple[str, ...]
    budgets: tuple[BudgetLine, ...]
    more_budgets: int
    missing: tuple[str, ...]
    """What could not be found out, and why."""
    links: tuple[Link, ...]
    """Runbook, dashboard, Prometheus, Alertmanager; those of a post."""

    @property
    def answer(self) -> str:
        """The first reason that is known; empty: none."""
        return next((topic.answer for topic in self.topics if topic.answer), "")

    @property
    def traces(self) -> tuple[Link, ...]:
        """The links to traces of all topics, each address once."""
        found: dict[str, Link] = {}
        for link in (link for topic in self.topics for link in topic.links):
            found.setdefault(link.url, link)
        return tuple(found.values())


def outline(message: Message) -> Outline:
    """What a message says. The same for every sink."""
    payload, post, evidence = message.payload or {}, message.post, message.evidence
    alerts = [alert for alert in payload.get("alerts") or () if isinstance(alert, Mapping)]
    topics = () if evidence is None else evidence.topics[:MOST_TOPICS]
    common = _texts(payload.get("commonLabels")) if alerts else {}
    started = _started(alerts)
    return Outline(
        kind=message.kind,
        headline=HEADLINES.get(message.kind, message.kind.capitalize()),
        severity=clean(message.severity or "", 100),
        tone=_tone(message),
        title=one_line(message.title, LONGEST_TITLE),
        at=started if post is None else amounts.minute(post.at),
        instead_of=message.instead_of or "",
        remarks=tuple(one_line(each, LONGEST_TEXT) for each in message.remarks),
        facts=tuple(_facts(common, _times(message.kind, alerts))),
        topics=tuple(_topic(topic) for topic in topics if topic.sections),
        alerts=tuple(
            _alert(alert, common, message.title, is_alone=len(alerts) == 1)
            for alert in _worst_first(alerts)[:MOST_ALERTS]
        ),
        more_alerts=max(0, len(alerts) - MOST_ALERTS) + _count(payload.get("truncatedAlerts")),
        changes=() if post is None else tuple(one_line(each, LONGEST_TEXT) for each in post.changes),
        lines=() if post is None else tuple(one_line(each, LONGEST_TEXT) for each in post.lines),
        policies=() if post is None else tuple(one_line(each, LONGEST_TEXT) for each in post.policies),
        budgets=() if post is None else tuple(budget_line(each) for each in post.statuses[:MOST_BUDGETS]),
        more_budgets=0 if post is None else max(0, len(post.statuses) - MOST_BUDGETS),
        missing=()
        if evidence is None
        else tuple(f"Without {each.source}: {one_line(each.reason, LONGEST_TEXT)}" for each in evidence.missing),
        links=tuple(_links(message, payload, alerts)),
    )


def clean(text: str, longest: int) -> str:
    """``text`` without control characters and those that turn its direction, and no longer than that."""
    if len(text) > longest:
        text = f"{text[: longest - 1].rstrip()}…"
    if text.isascii() and text.isprintable():
        return text
    return "".join(_kept(letter) for letter in text)


def one_line(text: str, longest: int) -> str:
    """The same in one line."""
    return clean(" ".join(text[: 4 * longest].split()), longest)


def budget_line(status: Mapping[str, Any]) -> BudgetLine:
    """One row of ``slo-engine status --json``."""
    left, burn = status.get("error_budget_remaining"), (status.get("burn_rate") or {}).get("1h")
    is_known = left is not None
    return BudgetLine(
        name=name_of(status.get("service"), status.get("slo"), status.get("group") or {}),
        target=_target(status),
        left=amounts.budget_left(left) if left is not None else "no data",
        remaining=left,
        burn=f"{burn:.3g}x" if is_known and burn is not None else "",
        exhausts=_exhausts(status) if left is not None and left > 0 else "",
        firing=", ".join(
            one_line(f"{each.get('severity', '')} {each.get('long_window') or each.get('alert', '')}", LONGEST_VALUE)
            for each in (status.get("firing") or ())[:MOST_ALERTS]
        ),
        note=measured(status) if is_known else "",
    )


def _exhausts(status: Mapping[str, Any]) -> str:
    exhausted_at = status.get("exhausted_at")
    if not exhausted_at:
        return ""
    evaluated_at = status.get("evaluated_at")
    is_far = bool(evaluated_at) and datetime.fromisoformat(exhausted_at) - datetime.fromisoformat(
        str(evaluated_at)
    ) > timedelta(days=FAR_DAYS)
    return "" if is_far else amounts.minute(exhausted_at)


def name_of(service: str | None, slo: str | None, group: Mapping[str, Any]) -> str:
    """``agents success agent_type=support_agent``."""
    labels = _listed({name: str(value) for name, value in group.items()})
    return " ".join(one_line(part, LONGEST_VALUE) for part in (service, slo) if part) + (f" {labels}" if labels else "")


def _listed(labels: Mapping[str, str]) -> str:
    return ", ".join(
        f"{one_line(name, LONGEST_VALUE)}={one_line(value, LONGEST_VALUE)}" for name, value in labels.items()
    )


def is_address(value: object) -> bool:
    """Whether a text may stand where a link goes: an address of the web, in one line."""
    return (
        isinstance(value, str)
        and value.startswith(("http://", "https://"))
        and value.isprintable()
        and " " not in value
    )


def _kept(letter: str) -> str:
    if letter == "\n":
        return letter
    category = unicodedata.category(letter)
    if category == "Cf":
        return letter if letter in _JOINERS else ""
    return " " if category in ("Cc", "Zl", "Zp") else "\ufffd" if category == "Cs" else letter


def _tone(message: Message) -> str:
    if message.post is not None:
        return message.post.tone
    return "good" if message.kind == "resolved" else TONES.get((message.severity or "").lower(), "warn")


def _facts(common: Mapping[str, str], times: Iterable[tuple[str, str]]) -> Iterator[tuple[str, str]]:
    for name, value in common.items():
        yield one_line(name, LONGEST_VALUE), one_line(value, LONGEST_VALUE)
    yield from times


def _times(kind: str, alerts: Sequence[Mapping[str, Any]]) -> Iterator[tuple[str, str]]:
    """When it began and, once it is over, when it ended."""
    began = _moments(alerts, "startsAt")
    if kind != "resolved":
        if started := _started(alerts):
            yield "since", started
        return
    ended = _moments(alerts, "endsAt")
    if began and ended and min(began) <= max(ended):
        yield "began", amounts.minute(min(began))
        yield "ended", f"{amounts.minute(max(ended))}, after {amounts.about(max(ended) - min(began))}"


def _moments(alerts: Iterable[Mapping[str, Any]], key: str) -> list[datetime]:
    found = []
    for alert in alerts:
        try:
            said = datetime.fromisoformat(str(alert.get(key)))
            moment = (said if said.tzinfo else said.replace(tzinfo=UTC)).astimezone(UTC)
        except (ValueError, OverflowError):
            continue
        if moment.year > 1:  # Go's zero time: it has not ended
            found.append(moment)
    return found


def _topic(topic: Topic) -> TopicOutline:
    answer = topic.section("answer")
    links = dict.fromkeys(link for section in topic.sections for link in section.links if is_address(link.url))
    return TopicOutline(
        name=name_of(topic.service, topic.slo, topic.group),
        answer=one_line(answer.text, LONGEST_TEXT) if answer else "",
        said=tuple(
            Said(section.name, clean(section.text, LONGEST_TEXT))
            for section in topic.sections
            if section is not answer and section.text
        ),
        links=tuple(Link(_title(link), link.url) for link in list(links)[:MOST_TRACES]),
    )


def _title(link: Link) -> str:
    """The beginning of a trace's id tells it from the others; all of it tells a person nothing more."""
    return f"trace {link.title[:8]}" if _TRACE_ID.fullmatch(link.title) else one_line(link.title, 60)


def _alert(alert: Mapping[str, Any], common: Mapping[str, str], title: str, *, is_alone: bool) -> AlertLine:
    labels = {name: value for name, value in _texts(alert.get("labels")).items() if common.get(name) != value}
    shown = _listed(labels)
    annotations = _texts(alert.get("annotations"))
    summary = annotations.get("description") or annotations.get("summary") or annotations.get("message") or ""
    if is_alone and summary == title:
        summary = ""  # it is said already
    return AlertLine(
        status=one_line(str(alert.get("status") or "firing"), 20),
        labels=clean(shown, LONGEST_TEXT),
        summary=one_line(summary, LONGEST_TEXT if is_alone else LONGEST_TITLE),
    )


def _worst_first(alerts: Sequence[Mapping[str, Any]]) -> list[Mapping[str, Any]]:
    return sorted(alerts, key=lambda alert: str(alert.get("status") or "firing") == "resolved")


def _started(alerts: Iterable[Mapping[str, Any]]) -> str:
    began = _moments([alert for alert in alerts if alert.get("status") != "resolved"], "startsAt")
    return amounts.minute(min(began)) if began else ""


def _links(message: Message, payload: Mapping[str, Any], alerts: Sequence[Mapping[str, Any]]) -> Iterator[Link]:
    seen: set[str] = set()
    for link in _all_links(message, payload, alerts):
        if is_address(link.url) and link.url not in seen:
            seen.add(link.url)
            yield link


def _all_links(message: Message, payload: Mapping[str, Any], alerts: Sequence[Mapping[str, Any]]) -> Iterator[Link]:
    for title, key in (("Runbook", "runbook_url"), ("Dashboard", "dashboard_url")):
        yield from (Link(title, url) for url in _first_of(alerts, "annotations", key))
    urls = dict.fromkeys(str(alert.get("generatorURL") or "") for alert in alerts[:MOST_ALERTS])
    yield from (Link("Prometheus", url) for url in list(urls)[:1])
    yield Link("Alertmanager", str(payload.get("externalURL") or ""))
    if message.post is not None:
        yield from (Link(one_line(link.title, 60), link.url) for link in message.post.links)


def _first_of(alerts: Sequence[Mapping[str, Any]], part: str, key: str) -> list[str]:
    found = dict.fromkeys(_texts(alert.get(part)).get(key, "") for alert in alerts[:MOST_ALERTS])
    return [url for url in found if url][:2]


def _target(status: Mapping[str, Any]) -> str:
    objective, budget = status.get("objective"), status.get("budget")
    if objective is not None:
        return f"objective {objective:g} % over {status.get('window')}"
    return f"budget {Budget(budget['amount'], budget['currency'])} in {status.get('window')}" if budget else ""


def _texts(value: Any) -> dict[str, str]:
    return {str(name): str(text) for name, text in value.items()} if isinstance(value, Mapping) else {}


def _count(value: Any) -> int:
    return value if isinstance(value, int) and value > 0 else 0
