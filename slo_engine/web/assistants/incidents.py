"""``why_did_it_page`` and ``incident``: what is known of an incident."""

from __future__ import annotations

import time
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Annotated, Any

from pydantic import BaseModel, ConfigDict, Field

from slo_engine import amounts
from slo_engine.definitions.labels import BURN_RATE, LONG_WINDOW, SHORT_WINDOW
from slo_engine.store.messages import DeliveryState
from slo_engine.web.assistants import queries
from slo_engine.web.assistants.answers import (
    QUOTED,
    AskedWronglyError,
    Packed,
    cut,
    digits,
    labels,
    link,
    name,
    query,
    quoted,
)
from slo_engine.web.incidents import Entry, FiringAlert, Incident, Told, subjects_of
from slo_engine.web.known_incidents import READ_HEADS, contents, is_open, read_incidents
from slo_engine.web.services import Services

MOST_ALERTS = 3
MOST_SUBJECTS = 5
MOST_CAUSES = 4
MOST_TRACES = 2
MOST_SINKS = 4
MOST_OTHERS = 3

FIRST_SUBJECT = 850
OTHER_SUBJECT = 350
SOURCES = 700
"""Tokens of an answer for what was found out about one SLO group."""

_TOLD_ELSEWHERE = frozenset({"answer", "budget", "causes"})
"""Sources whose findings stand in the answer as figures."""


class WhyDidItPageArguments(BaseModel):
    """What is asked for."""

    model_config = ConfigDict(extra="forbid")

    incident: Annotated[
        str | None, Field(max_length=200, description="The key of an incident; without it, the newest that pages.")
    ] = None


class IncidentArguments(BaseModel):
    """What is asked for."""

    model_config = ConfigDict(extra="forbid")

    incident: Annotated[
        str, Field(max_length=200, description="The key of an incident, as why_did_it_page gives it: msg_...")
    ]


@dataclass(frozen=True)
class _Found:
    told: Told
    deliveries: Mapping[int, Sequence[DeliveryState]]
    is_read: bool
    """Whether the contents of any of its notifications were."""
    others: Sequence[Incident]
    """That page, and are not resolved."""


def why_did_it_page(asked: WhyDidItPageArguments, services: Services) -> Packed:
    """The answer, the causes with their counts and traces, the budget."""
    found = _found(services, asked.incident)
    if found is None:
        return Packed().put(
            "note", f"no incident that pages among the newest {READ_HEADS:,} notifications: slo_status says what burns"
        )
    answer = _head(found.told).put_each(
        "alerts", _alerts(found.told.firing), more=max(0, len(found.told.firing) - MOST_ALERTS)
    )
    subjects = list(_subjects(found.told))
    packed = [
        _subject(each, FIRST_SUBJECT if index == 0 else OTHER_SUBJECT)
        for index, each in enumerate(subjects[:MOST_SUBJECTS])
    ]
    answer.put_each("subjects", packed, more=max(0, len(subjects) - MOST_SUBJECTS))
    answer.put("without_evidence", None if subjects else _without_evidence(found))
    answer.put_each(
        "also_paging",
        (
            {"incident": each.messages[0].key, "title": quoted(each.newest.title, 40)}
            for each in found.others[:MOST_OTHERS]
        ),
        more=max(0, len(found.others) - MOST_OTHERS),
    )
    return answer.put_each("missing", _missing(found.told)).put_each("links", _links(found.told))


def incident(asked: IncidentArguments, services: Services) -> Packed:
    """How it went, what was found out, and where the notifications have come to."""
    found = _found(services, asked.incident)
    assert found is not None  # one that is named is found, or refused
    answer = _head(found.told)
    subjects = list(_subjects(found.told))
    packed = [_sources(each, SOURCES) for each in subjects[:MOST_SUBJECTS]]
    answer.put_each("evidence", packed[:1])
    answer.put("without_evidence", None if subjects else _without_evidence(found))
    answer.put_each("timeline", (_entry(each, found.deliveries) for each in found.told.timeline))
    answer.put_each("evidence_on_others", packed[1:], more=max(0, len(subjects) - MOST_SUBJECTS))
    return answer.put_each("missing", _missing(found.told)).put_each("links", _links(found.told))


def _found(services: Services, wanted: str | None) -> _Found | None:
    now = time.time()
    paging = services.slos.active.slos.paging_severities
    known = read_incidents(services)
    pages = sorted(
        (each for each in known if each.severity in paging),
        key=lambda each: (not is_open(each, now), -each.newest.id),
    )
    if wanted is not None:
        chosen = next((each for each in known if any(head.key == wanted for head in each.messages)), None)
        if chosen is None:
            newest = ", ".join(each.messages[0].key for each in sorted(known, key=lambda each: -each.newest.id)[:5])
            raise AskedWronglyError(f"there is no incident {wanted!r}; the newest are: {newest or 'none'}")
    elif not pages:
        return None
    else:
        chosen = pages[0]
    read = services.database.read(lambda connection: contents(connection, [chosen]))
    others = [each for each in pages if each is not chosen and is_open(each, now)]
    return _Found(read.told(chosen, now), read.deliveries, bool(read.messages), others)


def _head(found: Told) -> Packed:
    newest = found.incident.newest
    return (
        Packed()
        .put("about_quotes", QUOTED)
        .put("incident", found.anchor)
        .put("title", quoted(newest.title, 60))
        .put("state", found.state)
        .put("severity", name(found.incident.severity))
        .put("since", found.since and amounts.second(found.since))
        .put("ended_at", found.ended_at and amounts.second(found.ended_at))
        .put("notifications", len(found.incident.messages))
    )


def _alerts(firing: Sequence[FiringAlert]) -> Iterator[Mapping[str, Any]]:
    for each in firing[:MOST_ALERTS]:
        windows = [each.labels[key] for key in (LONG_WINDOW, SHORT_WINDOW) if each.labels.get(key)]
        yield {
            "alert": name(each.labels.get("alertname")),
            "burn_rate_above": name(each.labels.get(BURN_RATE)),
            "over": name("/".join(windows)) or None,
            "since": each.starts_at and amounts.second(each.starts_at),
        }


def _subjects(found: Told) -> Iterator[Mapping[str, Any]]:
    """What was found out, by SLO group; written by whatever version."""
    for each in subjects_of(found.enrichment):
        if isinstance(each, dict):
            yield {**each, "texts": {key: text for key, text in (each.get("texts") or {}).items() if text}}


def _name_of(subject: Mapping[str, Any]) -> Mapping[str, Any]:
    return {
        "service": name(subject.get("service")),
        "slo": name(subject.get("slo")),
        "group": labels(subject.get("group") or {}) or None,
    }


def _subject(subject: Mapping[str, Any], room: int) -> Mapping[str, Any]:
    packed = Packed(room)
    for key, value in _name_of(subject).items():
        packed.put(key, value)
    packed.put("answer", quoted(subject.get("answer")))
    packed.put("budget", _budget(subject.get("status") or {}))
    traces = subject.get("traces") or {}
    causes = traces.get("causes") or ()
    packed.put("read", _read_traces(traces) if causes else None)
    packed.put_each("causes", map(_cause, causes[:MOST_CAUSES]), more=max(0, len(causes) - MOST_CAUSES))
    packed.put("traces_url", link(traces.get("url")))
    for source, text in subject["texts"].items():
        if source not in _TOLD_ELSEWHERE:
            packed.put(cut(source, 20), quoted(text, 80))
    return packed.found


def _sources(subject: Mapping[str, Any], room: int) -> Mapping[str, Any]:
    """What each source says, in its own words, and what that can be checked with."""
    packed = Packed(room)
    for key, value in _name_of(subject).items():
        packed.put(key, value)
    for source, text in subject["texts"].items():
        packed.put(cut(source, 20), quoted(text, 100))
    budget = _budget(subject.get("status") or {}) or {}
    packed.put("queries", [each for each in (budget.get("query"), budget.get("burn_rate_query")) if each])
    causes = (subject.get("traces") or {}).get("causes") or ()
    return packed.put_each("traces", (url for each in causes for url in _traces(each))).found


def _traces(cause: Mapping[str, Any]) -> list[str]:
    links = [link(each.get("url")) for each in cause.get("traces") or ()]
    return [each for each in links if each][:MOST_TRACES]


def _cause(cause: Mapping[str, Any]) -> Mapping[str, Any]:
    return {
        "cause": quoted(f"{cause.get('what')}: {cause.get('message')}", 70),
        "count": cause.get("count"),
        "share": digits(cause.get("share")),
        "first_seen": _minute(cause.get("first_seen")),
        "traces": _traces(cause) or None,
    }


def _read_traces(traces: Mapping[str, Any]) -> str:
    """Of what the counts are counts."""
    in_all = (
        f", the newest of {traces['failed_in_all']:,}" if traces.get("partial") and traces.get("failed_in_all") else ""
    )
    return f"{traces.get('failed'):,} {cut(str(traces.get('of')), 20)}{in_all}"


def _budget(status: Mapping[str, Any]) -> Mapping[str, Any] | None:
    """As it stood when the evidence was gathered."""
    left = status.get("error_budget_remaining")
    if left is None:
        return None
    burn = (status.get("burn_rate") or {}).get("1h")
    asked = queries.budget_left(status, then=True)
    return {
        "at": _minute(status.get("evaluated_at")),
        "left": amounts.budget_left(left),
        "query": asked and query(asked),
        "burn_rate_1h": digits(burn),
        "burn_rate_query": query(queries.burn_rate(status, ["1h"], then=True)) if burn is not None else None,
    }


def _minute(at: Any) -> str | None:
    return amounts.minute(at) if isinstance(at, str) else None


def _without_evidence(found: _Found) -> str:
    if not found.is_read:
        return "its notifications are too large to be read here: GET /api/v1/alerts has them"
    if any(head.state != "ready" for head in found.told.incident.messages):
        return "still being gathered: ask again in some seconds"
    return "none was found"


def _missing(found: Told) -> Iterator[Mapping[str, Any]]:
    for each in (found.enrichment.get("missing") or ())[:4]:
        yield {"source": name(each.get("source")), "reason": quoted(each.get("reason"), 60)}


def _links(found: Told) -> Iterator[Mapping[str, Any]]:
    for each in found.links:
        if url := link(each.url):
            yield {each.title: url}


def _entry(entry: Entry, deliveries: Mapping[int, Sequence[DeliveryState]]) -> Mapping[str, Any]:
    if entry.message is None:
        return {"at": None if entry.at is None else amounts.second(entry.at), "what": entry.what}
    sent = deliveries.get(entry.message.id, ())
    shown = [_delivery(each) for each in sent[:MOST_SINKS]]
    return {
        "at": amounts.second(entry.message.received_at),
        "what": entry.what,
        "deliveries": shown or None,
        "more_deliveries": len(sent) - MOST_SINKS if len(sent) > MOST_SINKS else None,
    }


def _delivery(state: DeliveryState) -> Mapping[str, Any]:
    return {
        "sink": name(state.sink),
        "state": state.state,
        "attempts": state.attempts if state.attempts > 1 else None,
        "error": quoted(state.last_error, 50),
    }
