"""``/incidents/{key}``: one incident from its first failure to its end, and what people write to it."""

from __future__ import annotations

import asyncio
import math
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from functools import partial
from itertools import pairwise
from typing import Any, Final
from urllib.parse import quote

from fastapi import APIRouter, HTTPException, Request
from fastapi.responses import RedirectResponse, Response
from sqlalchemy import Connection

from slo_engine.definitions.labels import SERVICE
from slo_engine.definitions.labels import SLO as SLO_LABEL
from slo_engine.definitions.slo import Slo
from slo_engine.scrub.outgoing import outgoing_text
from slo_engine.status.model import SloStatus
from slo_engine.store import history, messages, notes
from slo_engine.store.history import StatusRow
from slo_engine.store.messages import MessageHead
from slo_engine.web.budgets import BURNS, money
from slo_engine.web.incidents import Entry, Told, causes_of, enrichment_of, incidents, seconds_of, subjects_of
from slo_engine.web.known_incidents import READ_HEADS, Contents, contents, newest_told, read_incidents
from slo_engine.web.pages import forms
from slo_engine.web.pages.rendering import page
from slo_engine.web.past import number
from slo_engine.web.services import NeedsServices, Services

router = APIRouter()

MOST_MEANWHILE: Final = 20
MOST_CHANGES: Final = 20
MOST_SLOS: Final = 20
LONGEST_ENTRY: Final = 300
"""Characters of a line of the timeline."""

_NEAR: Final = 900.0
"""Seconds around the beginning and the end in which a budget is looked up: the history has it each five minutes."""

_EARLIER: Final = 6 * 3600.0
"""Seconds before the beginning in which it is looked up since when a budget burned."""

_GAP: Final = 600.0
"""Seconds that one record of the history stands for, at most: the engine may not have been there."""

_SHORT: Final = ("5m", "1h")
"""The windows that say whether a budget burned."""

_KNOWN: Final = 0.95
"""The share of an incident that must be in the history, for what was spent to be told as all of it."""

_LONGEST_ADDED_UP: Final = 14 * 86_400.0
"""Seconds of all groups together: of more nobody waits for the records."""


@dataclass(frozen=True)
class Burned:
    """An SLO group that an incident is about, and what that cost it."""

    service: str
    slo: str
    group: dict[str, str]
    before: float | None
    """What was left of the budget when it began."""
    after: float | None
    """The same at its end, or now."""
    money: str
    """What was spent while it fired, for a budget of money."""
    burning_since: float | None
    """The first record before it of those in a row in which the budget burned faster than it lasts; Unix seconds. None:
    there is none, or it burns for longer than was looked up."""


@dataclass(frozen=True)
class Found:
    """One incident, with all that is known of it."""

    told: Told
    read: Contents
    burned: Sequence[Burned]


@router.get("/incidents/{key}", include_in_schema=False)
def incident_page(request: Request, services: NeedsServices, key: str) -> Response:
    """By the key of its first message."""
    now = time.time()
    found = incident_of(services, key, now)
    shown = found.told
    return page(
        request,
        services,
        "incident_page.html.j2",
        now=now,
        told=shown,
        paging=services.slos.active.slos.paging_severities,
        deliveries=found.read.deliveries,
        changes=_changes(shown, found.read.messages),
        slos=found.burned,
        meanwhile=_meanwhile(services, shown, now),
        notes=notes_of(services, shown),
    )


@router.post("/incidents/{key}/notes", include_in_schema=False)
async def add_note(request: Request, services: NeedsServices, key: str) -> Response:
    """Keep what somebody writes."""
    author = forms.actor(request)
    form = await forms.read(request)
    text = form.get("text", "").strip()
    kind: notes.Kind = "cause" if form.get("kind") == "cause" else "note"
    if not text:
        raise HTTPException(422, "a note without a text")
    work = partial(notes.add, incident=key, author=author, kind=kind, text=outgoing_text(text), at=time.time())
    if not await asyncio.wrap_future(services.database.submit(work)):
        raise HTTPException(404, f"there is no incident {key!r}")
    return RedirectResponse(f"/incidents/{quote(key, safe='')}#noted", status_code=303)


def _changes(shown: Told, read: Mapping[int, messages.StoredMessage]) -> Sequence[tuple[MessageHead, str]]:
    """What the answer was, each time it became another one."""
    found: list[tuple[MessageHead, str]] = []
    for head in shown.incident.shown:
        subjects = subjects_of(enrichment_of(read[head.id])) if head.id in read else []
        answer = " ".join(str(each["answer"]) for each in subjects if each.get("answer"))
        if answer and (not found or found[-1][1] != answer):
            found.append((head, answer))
    return found[:MOST_CHANGES] if len(found) > 1 else ()


def incident_of(services: Services, key: str, now: float) -> Found:
    """By the key of any of its messages. Raises HTTPException 404."""
    heads = services.database.read(lambda found: messages.thread_of(found, key, READ_HEADS))
    known = incidents(heads, is_all=len(heads) < READ_HEADS)
    chosen = [each for each in known if any(head.key == key for head in each.messages)]
    if not chosen:
        raise HTTPException(404, f"there is no incident {key!r}")
    read = services.database.read(lambda found: contents(found, chosen))
    shown = read.told(chosen[0], now)
    burned = _budgets_of(services, shown)
    return Found(_with_its_beginning(shown, read, burned), read, burned)


def _with_its_beginning(shown: Told, read: Contents, burned: Sequence[Burned]) -> Told:
    """The same with what was before the alert in its timeline."""
    if shown.since is None:
        return shown
    burning = [each.burning_since for each in burned if each.burning_since is not None]
    earlier = [Entry("burns faster than the budget lasts", happened_at=min(burning))] if burning else []
    if (first := _first_failure(shown, read.messages)) is not None:
        earlier.append(first)
    before = sorted((each for each in earlier if (each.at or 0.0) <= shown.since), key=lambda each: each.at or 0.0)
    return replace(shown, timeline=(*before, *shown.timeline))


def _first_failure(shown: Told, read: Mapping[int, messages.StoredMessage]) -> Entry | None:
    """The earliest of all causes that the evidence told."""
    found = [
        Entry(f"{said}: {cause.get('what')}: {cause.get('message')}"[:LONGEST_ENTRY], happened_at=at)
        for head in shown.incident.shown
        if head.id in read
        for subject in subjects_of(enrichment_of(read[head.id]))
        for cause in causes_of(subject)
        for at in [seconds_of(cause.get("first_seen"))]
        for said in ["first failure" if cause.get("first_seen_is_exact") else "a failure, maybe not the first"]
        if at is not None
    ]
    return min(found, key=lambda each: each.at or 0.0, default=None)


def notes_of(services: Services, shown: Told) -> Sequence[notes.Note]:
    """What people wrote to it, by whichever of its messages they came to it."""
    keys = [head.key for head in shown.incident.messages]
    return services.database.read(lambda found: notes.of_incident(found, keys))


def _budgets_of(services: Services, shown: Told) -> Sequence[Burned]:
    """What an incident cost the SLO groups that it is about."""
    slos = services.slos.active.slos
    found: dict[tuple[str, str, str], Burned] = {}
    for labels in shown.labels:
        slo = slos.find(labels.get(SERVICE, ""), labels.get(SLO_LABEL, ""))
        if slo is None:
            continue
        # An alert without a label of the group is about all its values.
        told = {name: labels[name] for name in slo.by if name in labels}
        meant = [
            each
            for each in services.board.statuses
            if (each.service, each.slo) == slo.key and told.items() <= each.group.items()
        ]
        groups: list[tuple[Mapping[str, str], SloStatus | None]] = [(each.group, each) for each in meant]
        groups = (groups or [(told, None)])[:MOST_SLOS]
        for group, status in groups:
            key = (*slo.key, history.group_key(group))
            if key not in found and len(found) < MOST_SLOS:
                found[key] = _burned(services, shown, slo, group, status, len(groups))
    return list(found.values())


def _burned(
    services: Services, shown: Told, slo: Slo, group: Mapping[str, str], status: SloStatus | None, beside: int
) -> Burned:
    """``status``: that of now; None: the group is gone. ``beside``: how many groups are looked at."""
    until = shown.until(time.time())
    adds_up = slo.budget_for(group) is not None and (until - (shown.since or 0.0)) * beside <= _LONGEST_ADDED_UP
    past = _records(services, slo, group, shown.since, until, is_whole=adds_up)
    is_now = status is not None and shown.state == "firing"
    after: Mapping[str, Any] = status.as_json() if status is not None and is_now else _status_at(past, until)
    began = _status_at(past, shown.since)
    left = number(began, "error_budget_remaining"), number(after, "error_budget_remaining")
    spent = _money(slo, group, past, shown.since, until) if adds_up else ""
    return Burned(*slo.key, dict(group), *left, spent, _burning_since(past, shown.since))


def _records(
    services: Services, slo: Slo, group: Mapping[str, str], since: float | None, until: float, *, is_whole: bool
) -> Sequence[StatusRow]:
    """From some time before the incident to some time after it or, not ``is_whole``, of its beginning and its end."""
    if since is None:
        return ()
    spans = [(since - _EARLIER, until + _NEAR)]
    if not is_whole and until - since > 2 * _NEAR:
        spans = [(since - _EARLIER, since + _NEAR), (until - _NEAR, until + _NEAR)]

    def read(connection: Connection) -> list[StatusRow]:
        return [row for span in spans for row in history.of_group(connection, *slo.key, group, *span)]

    return services.database.read(read)


def _status_at(past: Sequence[StatusRow], at: float | None) -> Mapping[str, Any]:
    """The nearest record before a time, or soon after it."""
    near = [row for row in past if at is not None and abs(row.evaluated_at - at) <= _NEAR]
    earlier = [row for row in near if at is not None and row.evaluated_at <= at]
    return earlier[-1].status if earlier else near[0].status if near else {}


def _burning_since(past: Sequence[StatusRow], since: float | None) -> float | None:
    following, found = since, None
    for row in reversed(past):
        if following is None or row.evaluated_at > following:
            continue
        if following - row.evaluated_at > _GAP:  # nobody knows what was in between
            return found
        if not _burns(row):
            return found
        following = found = row.evaluated_at
    return None


def _burns(row: StatusRow) -> bool:
    return any((number(row.status, "burn_rate", window) or 0.0) > BURNS for window in _SHORT)


def _money(slo: Slo, group: Mapping[str, str], past: Sequence[StatusRow], since: float | None, until: float) -> str:
    """By the burn rates of the time: what is spent in a rolling window also falls, by what leaves it."""
    budget = slo.budget_for(group)
    if budget is None or since is None:
        return ""
    spent = known = 0.0
    for earlier, row in pairwise(past):
        rate = number(row.status, "burn_rate", _SHORT[0])
        amount = number(row.status, "budget", "amount") or budget.amount  # which may have been another one
        seconds = min(row.evaluated_at, until) - max(earlier.evaluated_at, since, row.evaluated_at - _GAP)
        if rate is not None and math.isfinite(rate) and seconds > 0:
            spent += rate * amount * seconds / slo.window.seconds
            known += seconds
    # What has not been recorded yet is no gap.
    whole = max(0.0, min(until, past[-1].evaluated_at) - since) if past else 0.0
    least = "at least " if known < _KNOWN * whole else "about "
    return f"{least}{money(spent, budget.currency)} spent meanwhile" if spent > 0 else ""


def _meanwhile(services: Services, shown: Told, now: float) -> Sequence[Told]:
    """Other incidents that were open at the same time, as far as that is known."""
    if shown.since is None:
        return ()
    end = shown.until(now)
    others = [
        each
        for each in read_incidents(services)
        if each.messages[0].key != shown.anchor
        and each.messages[0].received_at <= end
        and each.newest.received_at >= shown.since
    ]
    return newest_told(services, others, MOST_MEANWHILE, now)
