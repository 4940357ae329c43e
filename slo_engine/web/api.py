"""``/api/v1``: SLO status and notifications as JSON."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict
from datetime import UTC, datetime
from typing import Annotated, Any

from fastapi import APIRouter, HTTPException, Query

from slo_engine.notifications import as_payload, restored
from slo_engine.posts.release import may_release
from slo_engine.scrub.outgoing import outgoing, outgoing_text
from slo_engine.store import StoredMessage, budgets, history, inbox, messages
from slo_engine.web.services import NeedsServices

router = APIRouter(prefix="/api/v1", responses={503: {"description": "The store cannot be read."}})

_UNKNOWN: dict[int | str, dict[str, Any]] = {404: {"description": "There is nothing of this name."}}

Limit = Annotated[int, Query(ge=1, le=500)]


@router.get("/slos")
def slos(services: NeedsServices) -> dict[str, Any]:
    """The newest status of every SLO group."""
    board = services.board
    return {
        "evaluated_at": board.evaluated_at.isoformat() if board.evaluated_at else None,
        "failure": board.failure,
        "slos": [status.as_json() for status in board.statuses],
        "policies": services.policies_in_force(),
    }


@router.get("/slos/{service}/{slo}/history", responses=_UNKNOWN)
def slo_history(
    services: NeedsServices, service: str, slo: str, hours: Annotated[float, Query(gt=0, le=960)] = 24
) -> dict[str, Any]:
    """What the status of one SLO was."""
    if services.slos.active.slos.find(service, slo) is None:
        raise HTTPException(404, f"there is no SLO {slo!r} of {service!r}")
    since = datetime.now(UTC).timestamp() - hours * 3600
    rows = services.database.read(lambda connection: history.of_slo(connection, service, slo, since))
    return {"history": [row.status for row in rows]}


@router.get("/budget-policy/{service}", responses=_UNKNOWN)
def budget_policy(services: NeedsServices, service: str) -> dict[str, Any]:
    """Whether a service may release, and which steps of its budget policies are in force."""
    slos = services.slos.active.slos
    if service not in slos.services:
        raise HTTPException(404, f"there is no service {service!r}")
    known = services.database.read(budgets.states)
    board = services.board
    statuses = [status for status in board.statuses if status.service == service]
    now = datetime.now(UTC)
    return may_release(service, services.policies, slos, statuses, known, board.evaluated_at, now).as_json()


@router.get("/crossings")
def crossings(services: NeedsServices, hours: Annotated[float, Query(gt=0, le=960)] = 168) -> dict[str, Any]:
    """What happened to budgets, newest first."""
    now = datetime.now(UTC).timestamp()
    found = services.database.read(lambda connection: budgets.crossings_between(connection, now - hours * 3600, now))
    return {"crossings": [each.crossing for each in reversed(found)]}


@router.get("/alerts")
def alerts(services: NeedsServices, limit: Limit = 50) -> dict[str, Any]:
    """The newest notifications with their evidence and deliveries, and what could not be understood."""
    newest = services.database.read(lambda connection: messages.newest(connection, limit))
    sent = services.database.read(lambda connection: messages.deliveries(connection, [each.id for each in newest]))
    bad = services.database.read(lambda connection: inbox.quarantined(connection, limit))
    return {
        "notifications": [_notification(stored, sent.get(stored.id, [])) for stored in newest],
        "quarantined": [
            {
                "id": each.id,
                "received_at": _time(each.received_at),
                "error": each.error,
                "body": outgoing_text(each.beginning.decode(errors="replace")),
                "bytes": each.size,
            }
            for each in bad
        ],
    }


def _notification(stored: StoredMessage, sent: Sequence[messages.DeliveryState]) -> dict[str, Any]:
    # What still gathers its evidence is as it was posted: it is scrubbed when it is complete.
    payload = as_payload(restored(stored))
    return {
        "key": stored.key,
        "received_at": _time(stored.received_at),
        "kind": stored.kind,
        "severity": stored.severity,
        "title": stored.title,
        "state": stored.state,
        "message": payload if stored.state == "ready" else outgoing(payload),
        "deliveries": [asdict(each) for each in sent],
    }


def _time(seconds: float) -> str:
    return datetime.fromtimestamp(seconds, UTC).isoformat()
