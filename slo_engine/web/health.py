"""``/healthz`` (the process answers), ``/readyz`` (it can do its work), ``/metrics``."""

from __future__ import annotations

from fastapi import APIRouter, Request, Response
from fastapi.responses import JSONResponse
from prometheus_client.exposition import choose_encoder

from slo_engine import telemetry
from slo_engine.definitions.live import ActiveSlos
from slo_engine.delivery.orphans import remedy
from slo_engine.web.services import NeedsServices, Services

router = APIRouter()

_SHOWN_PROBLEMS = 20


@router.get("/healthz")
def healthz() -> dict[str, str]:
    """The process is alive."""
    return {"status": "ok"}


@router.get("/readyz", responses={503: {"description": "Not ready, and why."}})
def readyz(services: NeedsServices) -> JSONResponse:
    """200 when notifications can be received and processed, and the clock runs. Mistakes in SLO files, rules that have
    drifted, sinks that are gone and a watchdog that stays away do not make the engine unready, which can deliver all
    the same; they are reported here."""
    checks = {
        "store": _store(services),
        "clock": "ok" if services.clock_is_running() else "the clock does not run",
        "workers": "ok" if services.workers_are_running() else "a worker has ended; the log says why",
    }
    ready = all(check == "ok" for check in checks.values())
    return JSONResponse(
        {
            "ready": ready,
            "checks": checks,
            "slo_files": slo_files(services.slos.active),
            "sinks": _sinks(services),
            "rules": None if services.rollout is None else services.rollout.status.as_json(),
            "watching": services.watching(),
        },
        status_code=200 if ready else 503,
    )


@router.get(
    "/metrics",
    response_class=Response,
    responses={200: {"content": {each: {} for each in ("text/plain", "application/openmetrics-text")}}},
)
def metrics(request: Request) -> Response:
    """The engine's own metrics."""
    try:
        encode, content_type = choose_encoder(request.headers.get("accept", ""))
    except TypeError:  # its answer to a version that is no number
        encode, content_type = choose_encoder("")
    return Response(encode(telemetry.REGISTRY), media_type=content_type)


def _store(services: Services) -> str:
    if not services.database.is_running:
        return "the store is closed"
    if services.database.damage is not None:
        return f"damaged: {services.database.damage}: see slo-engine store check"
    return "ok" if services.database.failure is None else f"the last commit failed: {services.database.failure}"


def _sinks(services: Services) -> dict[str, object]:
    orphans = services.orphans()
    if not orphans:
        return {"state": "ok"}
    waiting = {each.sink: {"waiting": each.waiting, "send_to_another": remedy(each.sink)} for each in orphans}
    return {"state": "notifications wait for sinks that are not in the settings", "orphans": waiting}


def slo_files(active: ActiveSlos) -> dict[str, object]:
    """How many SLOs are used, and why the files on disk are not."""
    found: dict[str, object] = {"slos": len(active.slos.slos), "state": "ok"}
    if active.problems:
        found["state"] = "SLO files rejected; keeping the last valid configuration"
        found["problems"] = [str(problem) for problem in active.problems[:_SHOWN_PROBLEMS]]
    return found
