"""``/incidents/{key}``: one incident from its first failure to its end, and what people write to it."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Final
from urllib.parse import quote

from fastapi import APIRouter, HTTPException, Request
from fastapi.responses import RedirectResponse, Response

from slo_engine.definitions.labels import SERVICE
from slo_engine.definitions.labels import SLO as SLO_LABEL
from slo_engine.store import history, messages, notes
from slo_engine.store.messages import MessageHead
from slo_engine.web.budgets import money
from slo_engine.web.incidents import Told, incidents
from slo_engine.web.pages import forms
from slo_engine.web.pages.overview import READ_HEADS, Contents, contents, newest_told, read_incidents
from slo_engine.web.pages.rendering import page
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
    """Spent meanwhile, for a budget of money."""


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
        slos=budgets_of(services, shown, now),
        meanwhile=_meanwhile(services, shown, now),
        notes=services.database.read(lambda found: notes.of_incident(found, key)),
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
    work = partial(notes.add, incident=key, author=author, kind=kind, text=text, at=time.time())
    if not await asyncio.wrap_future(services.database.submit(work)):
        raise HTTPException(404, f"there is no incident {key!r}")
    return RedirectResponse(f"/incidents/{quote(key, safe='')}", status_code=303)


def _changes(shown: Told, read: Mapping[int, messages.StoredMessage]) -> Sequence[tuple[MessageHead, str]]:
    """What the answer was, each time it became another one."""
    found: list[tuple[MessageHead, str]] = []
    for head in shown.incident.shown:
        stored = read.get(head.id)
        subjects = (stored.content.get("evidence") or {}).get("topics") or () if stored is not None else ()
        said = [
            section.get("text", "")
            for topic in subjects
            for section in topic.get("sections", ())
            if section.get("name") == "answer"
        ]
        answer = " ".join(each for each in said if each)
        if answer and (not found or found[-1][1] != answer):
            found.append((head, answer))
    return found[:MOST_CHANGES] if len(found) > 1 else ()


def incident_of(services: Services, key: str, now: float) -> tuple[Told, Contents]:
    """By the key of its first message. Raises HTTPException 404."""
    heads = services.database.read(lambda found: messages.incident_heads(found, key, READ_HEADS))
    known = incidents(heads, is_all=True)
    if not known:
        raise HTTPException(404, f"there is no incident {key!r}")
    read = services.database.read(lambda found: contents(found, known[:1], ()))
    return read.told(known[0], now), read


def budgets_of(services: Services, shown: Told, now: float) -> Sequence[Burned]:
    """What an incident cost the SLO groups that it is about."""
    slos = services.slos.active.slos
    found: dict[tuple[str, str, str], Burned] = {}
    for labels in shown.labels:
        slo = slos.find(labels.get(SERVICE, ""), labels.get(SLO_LABEL, ""))
        if slo is None:
            continue
        group = {name: labels[name] for name in slo.by if labels.get(name)}
        key = (*slo.key, history.group_key(group))
        if key in found or len(found) >= MOST_SLOS:
            continue
        before = _status_at(services, slo.key, group, shown.since)
        after = _status_at(services, slo.key, group, shown.ended_at if shown.state == "resolved" else now)
        found[key] = Burned(*slo.key, group, _left(before), _left(after), _money(before, after))
    return list(found.values())


def _status_at(services: Services, slo: tuple[str, str], group: dict[str, str], at: float | None) -> dict[str, object]:
    """The nearest record before a time, or soon after it."""
    if at is None:
        return {}
    rows = services.database.read(
        lambda connection: history.of_group(connection, *slo, group, at - _NEAR, 1, until=at + _NEAR)
    )
    earlier = [row for row in rows if row.evaluated_at <= at]
    chosen = earlier[-1] if earlier else rows[0] if rows else None
    return dict(chosen.status) if chosen is not None else {}


def _left(status: dict[str, object]) -> float | None:
    left = status.get("error_budget_remaining")
    return float(left) if isinstance(left, int | float) else None


def _money(before: dict[str, object], after: dict[str, object]) -> str:
    budget, events, earlier = after.get("budget"), after.get("events"), before.get("events")
    if not (isinstance(budget, dict) and isinstance(events, dict) and isinstance(earlier, dict)):
        return ""
    spent = float(events.get("errors", 0)) - float(earlier.get("errors", 0))
    return money(spent, str(budget.get("currency", ""))) if spent > 0 else ""


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
