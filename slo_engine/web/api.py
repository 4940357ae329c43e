"""``/api/v1``: what the pages show, as JSON."""

from __future__ import annotations

import functools
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict
from datetime import UTC, datetime
from typing import Annotated, Any, TypeVar, cast

from fastapi import APIRouter, Depends, HTTPException, Query
from fastapi.responses import JSONResponse

from slo_engine.notifications import as_payload, restored
from slo_engine.posts.release import may_release
from slo_engine.scrub.outgoing import outgoing, outgoing_text
from slo_engine.store import StoredMessage, budgets, history, inbox, messages
from slo_engine.store.messages import DeliveryState
from slo_engine.web import models
from slo_engine.web.budgets import rows
from slo_engine.web.incidents import Told, subjects_of
from slo_engine.web.known_incidents import WantedIncidents, found_incidents, wanted_incidents
from slo_engine.web.pages.deliveries import sinks_of
from slo_engine.web.pages.incident import incident_of, notes_of
from slo_engine.web.pages.slo import definition_of, recent_causes, rules_of
from slo_engine.web.pages.spend import By, budgets_of_money, spenders
from slo_engine.web.selection import Wanted, chosen, wanted
from slo_engine.web.services import NeedsServices

router = APIRouter(
    prefix="/api/v1",
    responses={
        401: {"model": models.Refusal, "description": "The token of access is missing or wrong."},
        503: {"model": models.Refusal, "description": "The store cannot be read, or too many ask at once."},
    },
)

_UNKNOWN: dict[int | str, dict[str, Any]] = {
    404: {"model": models.Refusal, "description": "There is nothing of this name."}
}

Data = TypeVar("Data", bound=Callable[..., Any])


def in_its_thread(endpoint: Data) -> Data:
    """Write the JSON where the data is made: FastAPI would do that in the thread that takes notifications. That it is
    as the models say is for the tests to check."""

    @functools.wraps(endpoint)
    def answer(*args: Any, **kwargs: Any) -> JSONResponse:
        return JSONResponse(endpoint(*args, **kwargs))

    return cast("Data", answer)


Limit = Annotated[int, Query(ge=1, le=500)]
Offset = Annotated[int, Query(ge=0, le=1_000_000)]


@router.get("/slos", response_model=models.Statuses)
@in_its_thread
def slos(
    services: NeedsServices,
    want: Annotated[Wanted, Depends(wanted)],
    limit: Annotated[int, Query(ge=1, le=10_000)] = 10_000,
    offset: Offset = 0,
) -> dict[str, Any]:
    """The newest status of the SLO groups that are asked for: all of them if nothing is, the worst first."""
    board, active = services.board, services.slos.active.slos
    statuses = [row.status for row in chosen(rows(board.statuses, active, ()), active, want)]
    return {
        "evaluated_at": board.evaluated_at.isoformat() if board.evaluated_at else None,
        "failure": board.failure,
        "total": len(statuses),
        "slos": [status.as_json() for status in statuses[offset : offset + limit]],
        "policies": services.policies_in_force(),
    }


@router.get("/slos/{service}/{slo}", responses=_UNKNOWN, response_model=models.SloDetails)
@in_its_thread
def slo_details(services: NeedsServices, service: str, slo: str) -> dict[str, Any]:
    """What is behind an SLO, and the status of its groups."""
    found = services.slos.active.slos.find(service, slo)
    if found is None:
        raise HTTPException(404, f"there is no SLO {slo!r} of {service!r}")
    statuses = [each for each in services.board.statuses if (each.service, each.slo) == found.key]
    return {
        "service": found.service,
        "slo": found.name,
        "description": found.description,
        "owner": found.owner,
        "labels": dict(found.labels),
        "policy": found.policy.name,
        "definition": definition_of(found),
        "rules": rules_of(found),
        "status": [each.as_json() for each in statuses],
        "causes": [
            {**asdict(each), "first_seen": _time(each.first_seen), "last_seen": _time(each.last_seen)}
            for each in recent_causes(services, found, statuses)
        ],
    }


@router.get("/slos/{service}/{slo}/history", responses=_UNKNOWN, response_model=models.History)
@in_its_thread
def slo_history(
    services: NeedsServices, service: str, slo: str, hours: Annotated[float, Query(gt=0, le=960)] = 24
) -> dict[str, Any]:
    """What the status of one SLO was."""
    if services.slos.active.slos.find(service, slo) is None:
        raise HTTPException(404, f"there is no SLO {slo!r} of {service!r}")
    since = datetime.now(UTC).timestamp() - hours * 3600
    found = services.database.read(lambda connection: history.of_slo(connection, service, slo, since))
    return {"history": [row.status for row in found]}


@router.get("/budget-policy/{service}", responses=_UNKNOWN, response_model=models.Release)
@in_its_thread
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


@router.get("/crossings", response_model=models.Crossings)
@in_its_thread
def crossings(services: NeedsServices, hours: Annotated[float, Query(gt=0, le=960)] = 168) -> dict[str, Any]:
    """What happened to budgets, newest first."""
    now = datetime.now(UTC).timestamp()
    found = services.database.read(lambda connection: budgets.crossings_between(connection, now - hours * 3600, now))
    return {"crossings": [each.crossing for each in reversed(found)]}


@router.get("/alerts", response_model=models.Notifications)
@in_its_thread
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


@router.get("/incidents", response_model=models.Incidents)
@in_its_thread
def incidents(
    services: NeedsServices,
    want: Annotated[WantedIncidents, Depends(wanted_incidents)],
    limit: Annotated[int, Query(ge=1, le=100)] = 20,
    offset: Offset = 0,
) -> dict[str, Any]:
    """Those that are asked for: what is open first, and pages before tickets; then the newest."""
    found = found_incidents(services, want, time.time(), offset=offset, limit=limit)
    return {
        "total": found.total,
        "since": None if found.since is None else _time(found.since),
        "incidents": [_incident(each, found.contents.deliveries) for each in found.shown],
    }


@router.get("/incidents/{key}", responses=_UNKNOWN, response_model=models.IncidentDetails)
@in_its_thread
def incident(services: NeedsServices, key: str) -> dict[str, Any]:
    """One incident, by the key of its first message."""
    now = time.time()
    found = incident_of(services, key, now)
    shown = found.told
    return {
        **_incident(shown, found.read.deliveries),
        "evidence": dict(shown.enrichment),
        "budgets": [
            {**asdict(each), "burning_since": None if each.burning_since is None else _time(each.burning_since)}
            for each in found.burned
        ],
        "notes": [{**asdict(each), "at": _time(each.at)} for each in notes_of(services, shown)],
    }


@router.get("/spend", response_model=models.Spend)
@in_its_thread
def spend(services: NeedsServices, by: By = "all") -> dict[str, Any]:
    """Budgets of money, and who spends."""
    at = datetime.now(UTC)
    found = spenders(services, at, by)
    return {
        "budgets": [
            {
                **{key: each.status.as_json()[key] for key in ("service", "slo", "group", "window", "budget")},
                "spent": each.spent,
                "forecast": each.forecast,
                "forecast_for": each.forecast_for,
                "in_the_last_hour": each.hour,
            }
            for each in budgets_of_money(services, at)
        ],
        "total": found.total,
        "spenders": [asdict(each) for each in found.spenders],
        "query": found.query,
        "failure": found.failure,
    }


@router.get("/sinks", response_model=models.Sinks)
@in_its_thread
def sinks(services: NeedsServices) -> dict[str, Any]:
    """How the sinks of the settings are doing."""
    return {
        "sinks": [
            {
                "sink": each.name,
                "breaker": "closed" if each.state is None else "open" if each.state.failures else "held",
                "reason": each.state.reason if each.state is not None else None,
                "held_for_seconds": each.state.held_for if each.state is not None else 0.0,
                "waiting": each.waiting,
                "delivered": each.delivered,
                "dead": each.dead,
            }
            for each in sinks_of(services)
        ]
    }


def _incident(shown: Told, sent: Mapping[int, Sequence[DeliveryState]]) -> dict[str, Any]:
    subjects = subjects_of(shown.enrichment)
    return {
        "key": shown.anchor,
        "title": shown.incident.newest.title,
        "state": shown.state,
        "severity": shown.incident.severity,
        "since": None if shown.since is None else _time(shown.since),
        "ended_at": None if shown.ended_at is None else _time(shown.ended_at),
        "about": [dict(outgoing(labels)) for labels in shown.labels],
        "answers": [each["answer"] for each in subjects if each.get("answer")],
        "timeline": [
            {
                "at": _time(entry.at) if entry.at is not None else None,
                "what": entry.what,
                "deliveries": [asdict(each) for each in sent.get(entry.message.id, ())] if entry.message else [],
            }
            for entry in shown.timeline
        ],
        "links": {link.title: link.url for link in shown.links},
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
