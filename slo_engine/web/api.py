"""``/api/v1``: SLO status and pages as JSON."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Annotated, Any

from fastapi import APIRouter, HTTPException, Query

from slo_engine.store import history, inbox, pages
from slo_engine.web.services import NeedsServices

router = APIRouter(prefix="/api/v1")

Limit = Annotated[int, Query(ge=1, le=500)]


@router.get("/slos")
def slos(services: NeedsServices) -> dict[str, Any]:
    """The newest status of every SLO group."""
    board = services.board
    return {
        "evaluated_at": board.evaluated_at.isoformat() if board.evaluated_at else None,
        "failure": board.failure,
        "slos": [status.as_json() for status in board.statuses],
    }


@router.get("/slos/{service}/{slo}/history")
def slo_history(
    services: NeedsServices, service: str, slo: str, hours: Annotated[float, Query(gt=0, le=960)] = 24
) -> dict[str, Any]:
    """What the status of one SLO was."""
    if services.slos.in_force.slos.find(service, slo) is None:
        raise HTTPException(404, f"there is no SLO {slo!r} of {service!r}")
    since = datetime.now(UTC).timestamp() - hours * 3600
    rows = services.database.read(lambda connection: history.of_slo(connection, service, slo, since))
    return {"history": [row.status for row in rows]}


@router.get("/alerts")
def alerts(services: NeedsServices, limit: Limit = 50) -> dict[str, Any]:
    """The newest pages with their evidence and deliveries, and what could not be understood."""
    newest = services.database.read(lambda connection: pages.newest(connection, limit))
    sent = services.database.read(lambda connection: pages.deliveries(connection, [page.id for page in newest]))
    bad = services.database.read(lambda connection: inbox.quarantined(connection, limit))
    return {
        "pages": [
            {
                "key": page.key,
                "received_at": _time(page.received_at),
                "status": page.status,
                "title": page.title,
                "state": page.state,
                "message": page.message,
                "deliveries": [
                    {"sink": each.sink, "state": each.state, "attempts": each.attempts, "last_error": each.last_error}
                    for each in sent.get(page.id, [])
                ],
            }
            for page in newest
        ],
        "quarantined": [
            {
                "id": each.id,
                "received_at": _time(each.received_at),
                "error": each.error,
                "body": each.beginning.decode(errors="replace"),
                "bytes": each.size,
            }
            for each in bad
        ],
    }


def _time(seconds: float) -> str:
    return datetime.fromtimestamp(seconds, UTC).isoformat()
