"""``/api/v1/deliveries``: notifications on their way to sinks, dead letters, and sending them again."""

from __future__ import annotations

import asyncio
from datetime import datetime
from functools import partial
from typing import Annotated, Any, Literal

from fastapi import APIRouter, HTTPException, Path, Query, Request
from pydantic import BaseModel, ConfigDict, Field, ValidationError

from slo_engine.notifications import as_payload, restored
from slo_engine.store import deliveries, messages
from slo_engine.store.deliveries import STATES, Selection, State
from slo_engine.web import bodies
from slo_engine.web.authorization import is_from_a_page
from slo_engine.web.models import Refusal
from slo_engine.web.selection import LONGEST
from slo_engine.web.services import NeedsServices

router = APIRouter(prefix="/api/v1/deliveries")

MAX_BODY_BYTES = 256 * 1024

LARGEST_ID = 2**63 - 1
"""Beyond, databases fail instead of finding nothing."""

Id = Annotated[int, Field(ge=1, le=LARGEST_ID)]
SinkName = Annotated[str, Field(min_length=1, max_length=100)]


class Delivery(BaseModel):
    """One notification on its way to one sink."""

    id: int
    message_id: int
    key: str
    """The same for every attempt and sink."""
    sink: str
    state: State
    kind: str
    severity: str | None
    title: str
    received_at: datetime
    attempts: int
    queued_at: datetime
    """When it was put into the outbox, or sent again by a person."""
    finished_at: datetime | None
    last_error: str | None
    receipt: dict[str, Any] | None
    """What the sink said when it took it."""
    instead_of: str | None
    """The sink that it was meant for."""


class DeliveryDetails(Delivery):
    """The same with what it says."""

    message: dict[str, Any]
    """The payload of Alertmanager with the evidence, or a post, as the webhook sink sends it."""


class Deliveries(BaseModel):
    """The newest deliveries."""

    total: int
    """How many there are, those that are not listed included."""
    deliveries: list[Delivery]


class Resend(BaseModel):
    """Which deliveries are sent again, and where to."""

    model_config = ConfigDict(extra="forbid")

    ids: list[Id] | None = Field(None, min_length=1, max_length=10_000)
    """Or what follows."""
    all: bool = False
    """All of the state."""
    sink: SinkName | None = None
    since: datetime | None = None
    """Received at or after this time."""
    until: datetime | None = None
    state: Literal["dead", "waiting"] = "dead"
    to: SinkName | None = None
    """The sink that gets them instead of theirs."""
    outdated: bool = False
    """Also what a newer message of the same incident has overtaken at the sink."""

    def selection(self) -> Selection | None:
        """What is meant; None: nothing is named, or twice."""
        narrowed = self.all or any(each is not None for each in (self.sink, self.since, self.until))
        if (self.ids is not None) == narrowed:
            return None
        if self.ids is not None:
            return Selection(ids=self.ids)
        since, until = (None if each is None else each.timestamp() for each in (self.since, self.until))
        return Selection([self.state], None, self.sink, since, until)


class SkippedDelivery(BaseModel):
    """A delivery that is not sent again, and why."""

    id: int
    reason: str


class Resent(BaseModel):
    """What is sent again now."""

    resent: int
    ids: list[int]
    skipped: list[SkippedDelivery]


_REFUSED: dict[int | str, dict[str, Any]] = {
    401: {"model": Refusal, "description": "The token is missing or wrong."},
    403: {"model": Refusal, "description": "A page of another origin asks."},
    408: {"model": Refusal, "description": "The body does not arrive."},
    413: {"model": Refusal, "description": "The body is too large."},
    415: {"model": Refusal, "description": "The body is not application/json."},
    422: {"model": Refusal, "description": "The body does not say what to send again."},
    503: {"model": Refusal, "description": "The store cannot commit now."},
}
_BODY = {
    "requestBody": {
        "required": True,
        "content": {"application/json": {"schema": Resend.model_json_schema()}},
    }
}


@router.get("")
def listed(
    services: NeedsServices,
    state: State | Literal["all"] = "dead",
    sink: Annotated[str | None, Query(min_length=1, max_length=100)] = None,
    severity: Annotated[str | None, Query(min_length=1, max_length=LONGEST)] = None,
    q: Annotated[str, Query(max_length=LONGEST, description="Words of the title.")] = "",
    limit: Annotated[int, Query(ge=1, le=500)] = 50,
    offset: Annotated[int, Query(ge=0, le=1_000_000)] = 0,
) -> Deliveries:
    """Dead letters, or deliveries of another state, the newest first."""
    chosen = Selection(STATES if state == "all" else [state], sink=sink, severity=severity, search=q)
    found = services.database.read(lambda connection: deliveries.find(connection, chosen, limit, offset))
    total = services.database.read(lambda connection: deliveries.count(connection, chosen))
    return Deliveries(total=total, deliveries=[Delivery(**each.as_json()) for each in found])


@router.get("/{delivery_id}", responses={404: {"model": Refusal, "description": "There is no such delivery."}})
def details(services: NeedsServices, delivery_id: Annotated[int, Path(ge=1, le=LARGEST_ID)]) -> DeliveryDetails:
    """One delivery with its notification and evidence."""
    chosen = Selection(ids=[delivery_id])
    found = services.database.read(lambda connection: deliveries.find(connection, chosen, 1))
    if not found:
        raise HTTPException(404, f"there is no delivery {delivery_id}")
    of_message = found[0].message_id
    stored = services.database.read(lambda connection: messages.by_id(connection, [of_message]))[of_message]
    return DeliveryDetails(**found[0].as_json(), message=as_payload(restored(stored)))


@router.post("/resend", responses=_REFUSED, openapi_extra=_BODY)
async def resend(request: Request, services: NeedsServices) -> Resent:
    """Send dead letters again, with their keys and in their order. Guarded by the credentials of the unnamed
    webhook, if they are set."""
    # All that can be refused without the body is, before it is read.
    headers = request.scope["headers"]
    if not services.doors.unnamed.open_to(headers):
        raise HTTPException(401, "the credentials of the webhook are missing or wrong")
    if is_from_a_page(headers):
        raise HTTPException(403, "this is not for pages in a browser")
    if request.headers.get("content-type", "").partition(";")[0].strip().lower() != "application/json":
        raise HTTPException(415, "send application/json")
    asked = await _read(request)
    chosen = asked.selection()
    if chosen is None:
        raise HTTPException(422, "name ids, or say which by all, sink, since and until, but not both")
    if asked.to is not None and asked.to not in services.sinks:
        raise HTTPException(422, f"to: there is no sink {asked.to!r} in the settings")
    work = partial(deliveries.resend, selection=chosen, sinks=services.sinks, to=asked.to, outdated=asked.outdated)
    done = await asyncio.wrap_future(services.database.submit(work))
    skipped = [SkippedDelivery(id=each.id, reason=each.reason) for each in done.skipped]
    return Resent(resent=len(done.ids), ids=list(done.ids), skipped=skipped)


async def _read(request: Request) -> Resend:
    body = await bodies.read(request, MAX_BODY_BYTES)
    try:
        return Resend.model_validate_json(body)
    except ValidationError as error:
        first = error.errors(include_url=False, include_context=False, include_input=False)[0]
        where = ".".join(str(part) for part in first["loc"]) or "body"
        raise HTTPException(422, f"{where}: {first['msg']}") from None
