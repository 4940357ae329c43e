"""``/incidents/{key}``: one incident from its first failure to its end, and what people write to it."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Any, Final
from urllib.parse import quote

from fastapi import APIRouter, HTTPException, Request
from fastapi.responses import RedirectResponse, Response

from slo_engine.definitions.labels import SERVICE
from slo_engine.definitions.labels import SLO as SLO_LABEL
from slo_engine.definitions.slo import Slo
from slo_engine.scrub.outgoing import outgoing_text
from slo_engine.status.model import SloStatus
from slo_engine.store import history, messages, notes
from slo_engine.store.messages import MessageHead
from slo_engine.web.budgets import money
from slo_engine.web.incidents import Told, enrichment_of, incidents
from slo_engine.web.pages import forms
from slo_engine.web.pages.overview import READ_HEADS, Contents, contents, newest_told, read_incidents
from slo_engine.web.pages.rendering import page
from slo_engine.web.past import number
from slo_engine.web.services import NeedsServices, Services

router = APIRouter()

MOST_MEANWHILE: Final = 20
MOST_CHANGES: Final = 20
MOST_SLOS: Final = 20

_NEAR: Final = 900.0
"""Seconds around the beginning and the end in which a budget is looked up: the history has it each five minutes."""


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
    """How much more is spent in the window of the SLO than when it began, for a budget of money."""


@router.get("/incidents/{key}", include_in_schema=False)
def incident_page(request: Request, services: NeedsServices, key: str) -> Response:
    """By the key of its first message."""
    now = time.time()
    shown, read = incident_of(services, key, now)
    return page(
        request,
        services,
        "incident_page.html.j2",
        now=now,
        told=shown,
        paging=services.slos.active.slos.paging_severities,
        deliveries=read.deliveries,
        changes=_changes(shown, read.messages),
        slos=budgets_of(services, shown),
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
    return RedirectResponse(f"/incidents/{quote(key, safe='')}", status_code=303)


def _changes(shown: Told, read: Mapping[int, messages.StoredMessage]) -> Sequence[tuple[MessageHead, str]]:
    """What the answer was, each time it became another one."""
    found: list[tuple[MessageHead, str]] = []
    for head in shown.incident.shown:
        subjects = enrichment_of(read[head.id]).get("subjects") or () if head.id in read else ()
        answer = " ".join(str(each["answer"]) for each in subjects if isinstance(each, dict) and each.get("answer"))
        if answer and (not found or found[-1][1] != answer):
            found.append((head, answer))
    return found[:MOST_CHANGES] if len(found) > 1 else ()


def incident_of(services: Services, key: str, now: float) -> tuple[Told, Contents]:
    """By the key of any of its messages. Raises HTTPException 404."""
    heads = services.database.read(lambda found: messages.thread_of(found, key, READ_HEADS))
    known = incidents(heads, is_all=len(heads) < READ_HEADS)
    chosen = [each for each in known if any(head.key == key for head in each.messages)]
    if not chosen:
        raise HTTPException(404, f"there is no incident {key!r}")
    read = services.database.read(lambda found: contents(found, chosen, ()))
    return read.told(chosen[0], now), read


def notes_of(services: Services, shown: Told) -> Sequence[notes.Note]:
    """What people wrote to it, by whichever of its messages they came to it."""
    keys = [head.key for head in shown.incident.messages]
    return services.database.read(lambda found: notes.of_incident(found, keys))


def budgets_of(services: Services, shown: Told) -> Sequence[Burned]:
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
        for group, status in groups or [(told, None)]:
            key = (*slo.key, history.group_key(group))
            if key not in found and len(found) < MOST_SLOS:
                found[key] = _burned(services, shown, slo, group, status)
    return list(found.values())


def _burned(services: Services, shown: Told, slo: Slo, group: Mapping[str, str], status: SloStatus | None) -> Burned:
    """``status``: that of now; None: the group is gone."""
    before = _status_at(services, slo, group, shown.since)
    after = _status_at(services, slo, group, shown.ended_at if shown.state == "resolved" else time.time())
    if status is not None and shown.state != "resolved":
        after = status.as_json()
    left = number(before, "error_budget_remaining"), number(after, "error_budget_remaining")
    return Burned(*slo.key, dict(group), *left, _money(slo, group, before, after))


def _status_at(services: Services, slo: Slo, group: Mapping[str, str], at: float | None) -> Mapping[str, Any]:
    """The nearest record before a time, or soon after it."""
    if at is None:
        return {}
    rows = services.database.read(
        lambda connection: history.of_group(connection, *slo.key, group, at - _NEAR, at + _NEAR)
    )
    earlier = [row for row in rows if row.evaluated_at <= at]
    return earlier[-1].status if earlier else rows[0].status if rows else {}


def _money(slo: Slo, group: Mapping[str, str], before: Mapping[str, Any], after: Mapping[str, Any]) -> str:
    budget = slo.budget_for(group)
    earlier, later = number(before, "events", "errors"), number(after, "events", "errors")
    if budget is None or earlier is None or later is None or later <= earlier:
        return ""
    return f"{money(later - earlier, budget.currency)} more in {slo.window_name} than before"


def _meanwhile(services: Services, shown: Told, now: float) -> Sequence[Told]:
    """Other incidents that were open at the same time, as far as that is known."""
    if shown.since is None:
        return ()
    end = shown.ended_at or now
    others = [
        each
        for each in read_incidents(services)
        if each.messages[0].key != shown.anchor
        and each.messages[0].received_at <= end
        and each.newest.received_at >= shown.since
    ]
    return newest_told(services, others, MOST_MEANWHILE, now)
