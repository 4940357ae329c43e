"""``/``: error budgets, what burns first, and the incidents with their evidence. Server-rendered, without scripts."""

from __future__ import annotations

import time
from collections.abc import Container, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from fastapi import APIRouter
from fastapi.responses import HTMLResponse
from jinja2 import Environment, PackageLoader, StrictUndefined
from sqlalchemy import Connection

from slo_engine import __version__, amounts
from slo_engine.scrub.outgoing import outgoing_text
from slo_engine.status.model import measured
from slo_engine.store import inbox, messages
from slo_engine.store.causes import SILENT_SECONDS
from slo_engine.store.messages import DeliveryState, MessageHead, StoredMessage
from slo_engine.web.budgets import rows
from slo_engine.web.incidents import KINDS, Incident, incidents, is_link, told
from slo_engine.web.services import NeedsServices
from slo_engine.web.texts import cut, lasting, visible
from slo_engine.web.undelivered import undelivered

router = APIRouter()

SHOWN_INCIDENTS = 20
SHOWN_POSTS = 10
SHOWN_QUARANTINED = 5

READ_HEADS = 2000
"""Messages that are looked through for incidents. One that is repeated every four hours begins 42 messages before a
week has gone by; without their contents they cost little."""

READ_CHARACTERS = 20_000_000
"""Of contents, for one page. An alert group of a thousand alerts has five million."""

_ENVIRONMENT = Environment(
    loader=PackageLoader("slo_engine.web"),
    undefined=StrictUndefined,
    autoescape=True,
    trim_blocks=True,
    lstrip_blocks=True,
    finalize=visible,
)


@router.get("/", include_in_schema=False)
def overview(services: NeedsServices) -> HTMLResponse:
    """The one page."""
    now = time.time()
    active = services.slos.active
    paging = active.slos.paging_severities
    heads = services.database.read(lambda found: messages.newest_heads(found, READ_HEADS))
    known = incidents(heads, is_all=len(heads) < READ_HEADS)
    first = sorted(known, key=lambda each: _order(each, paging, now))[:SHOWN_INCIDENTS]
    posts = [head for head in heads if head.kind not in KINDS][:SHOWN_POSTS]
    read = services.database.read(lambda found: _contents(found, first, posts))
    shown = [told(incident, read.messages, now) for incident in first]
    html = _ENVIRONMENT.get_template("overview.html.j2").render(
        version=__version__,
        now=now,
        board=services.board,
        active=active,
        rows=rows(services.board.statuses, active.slos, shown),
        policies=services.policies_in_force(),
        incidents=shown,
        incidents_left_out=len(known) - len(shown),
        paging=paging,
        undelivered=services.database.read(lambda found: undelivered(found, services.orphans(), services.sinks)),
        posts=[(head, _post(read.messages.get(head.id))) for head in posts],
        deliveries=read.deliveries,
        quarantined=services.database.read(lambda found: inbox.quarantined(found, SHOWN_QUARANTINED)),
    )
    # Texts are cleaned where they come in; this is the second wall, so that one of them cannot take the page away.
    return HTMLResponse(html.encode(errors="replace"))


@dataclass(frozen=True)
class _Contents:
    messages: Mapping[int, StoredMessage]
    deliveries: Mapping[int, Sequence[DeliveryState]]


def _contents(connection: Connection, shown: Sequence[Incident], posts: Sequence[MessageHead]) -> _Contents:
    """What the shown messages say, the newest of each incident first, and where they have come to."""
    newest_first = [incident.shown[::-1] for incident in shown]
    longest = max(map(len, newest_first), default=0)
    heads = [each[index] for index in range(longest) for each in newest_first if index < len(each)]
    ids = [head.id for head in (*posts, *heads)]
    return _Contents(messages.that_fit(connection, ids, READ_CHARACTERS), messages.deliveries(connection, ids))


def _order(incident: Incident, paging: Container[str | None], now: float) -> tuple[bool, bool, int]:
    """What is open comes first, and pages before tickets; then the newest."""
    is_open = incident.seems_open and now - incident.newest.received_at <= SILENT_SECONDS
    return not is_open, is_open and incident.severity not in paging, -incident.newest.id


def _post(stored: StoredMessage | None) -> Sequence[str]:
    """The lines of what the engine says by itself, of whatever kind and version."""
    post: Any = stored.content.get("post") if stored and stored.state == "ready" else None
    if not isinstance(post, dict):
        return []
    return [line for key in ("changes", "lines") for line in post.get(key) or () if isinstance(line, str)]


_ENVIRONMENT.filters |= {
    each.__name__: each
    for each in (amounts.budget_left, amounts.minute, amounts.percent, amounts.second, cut, lasting, measured)
}
_ENVIRONMENT.filters["outgoing"] = outgoing_text
_ENVIRONMENT.tests["link"] = is_link
