"""``/deliveries``: sinks, what is on its way to them, dead letters with a button, and what was not understood."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass
from functools import partial
from typing import Annotated, Final, Literal
from urllib.parse import urlencode

from fastapi import APIRouter, HTTPException, Query, Request
from fastapi.responses import RedirectResponse, Response

from slo_engine.delivery.orphans import remedy
from slo_engine.store import deliveries, inbox, sink_states
from slo_engine.store.deliveries import STATES, Selection, State
from slo_engine.store.sink_states import SinkState
from slo_engine.web.deliveries import LARGEST_ID
from slo_engine.web.known_incidents import read_heads, severities_among
from slo_engine.web.pages import forms
from slo_engine.web.pages.rendering import page
from slo_engine.web.selection import LONGEST
from slo_engine.web.services import NeedsServices, Services

router = APIRouter()

SHOWN: Final = 50
SHOWN_QUARANTINED: Final = 20

_DIGITS: Final = len(str(LARGEST_ID))


@dataclass(frozen=True)
class Sink:
    """How a sink of the settings is doing."""

    name: str
    state: SinkState | None
    waiting: int
    delivered: int
    dead: int


@router.get("/deliveries", include_in_schema=False)
def deliveries_page(
    request: Request,
    services: NeedsServices,
    state: State | Literal["all"] = "dead",
    sink: Annotated[str, Query(max_length=100)] = "",
    severity: Annotated[str, Query(max_length=LONGEST)] = "",
    q: Annotated[str, Query(max_length=LONGEST)] = "",
    done: Annotated[str, Query(max_length=300)] = "",
) -> Response:
    """``done``: what came of the last button."""
    chosen = Selection(STATES if state == "all" else [state], sink=sink or None, severity=severity or None, search=q)
    orphans = services.orphans()
    configured = sorted(services.sinks)
    return page(
        request,
        services,
        "deliveries.html.j2",
        done=done,
        sinks=sinks_of(services),
        configured=configured,
        names=sorted({*configured, *(each.sink for each in orphans), *([sink] if sink else [])}),
        states=[*STATES, "all"],
        state=state,
        sink=sink,
        severity=severity,
        severities=severities_among(read_heads(services), severity),
        search=q,
        found=services.database.read(lambda found: deliveries.find(found, chosen, SHOWN)),
        total=services.database.read(lambda found: deliveries.count(found, chosen)),
        orphans=[(each, remedy(each.sink)) for each in orphans],
        quarantined=services.database.read(lambda found: inbox.quarantined(found, SHOWN_QUARANTINED)),
    )


@router.post("/deliveries/resend", include_in_schema=False)
async def resend(request: Request, services: NeedsServices) -> Response:
    """Send one dead letter again, or all of them, or all of a sink."""
    forms.actor(request)
    form = await forms.read(request)
    to = form.get("to") or None
    if to is not None and to not in services.sinks:
        raise HTTPException(422, f"there is no sink {to!r} in the settings")
    selection = _selection(form)
    work = partial(deliveries.resend, selection=selection, sinks=services.sinks, to=to, outdated=False)
    sent = await asyncio.wrap_future(services.database.submit(work))
    said = f"{len(sent.ids)} sent again"
    if sent.skipped:
        said += f", {len(sent.skipped)} left: {sent.skipped[0].reason}"
    return RedirectResponse(f"/deliveries?{urlencode({'done': said[:300]})}", status_code=303)


def sinks_of(services: Services) -> list[Sink]:
    """How the sinks of the settings are doing."""
    known = {each.sink: each for each in services.database.read(sink_states.states)}

    def count(name: str, of: State) -> int:
        return services.database.read(lambda found: deliveries.count(found, Selection([of], sink=name)))

    return [
        Sink(name, known.get(name), count(name, "waiting"), count(name, "delivered"), count(name, "dead"))
        for name in sorted(services.sinks)
    ]


def _selection(form: forms.Form) -> Selection:
    if form.get("all") == "1":
        sink, severity = form.get("sink") or None, form.get("severity") or None
        return Selection(["dead"], sink=sink, severity=severity, search=form.get("q", ""))
    number = form.get("id", "")
    if not (number.isascii() and number.isdigit() and len(number) <= _DIGITS and 1 <= int(number) <= LARGEST_ID):
        raise HTTPException(422, "id: write the number of a delivery")
    return Selection(ids=[int(number)])
