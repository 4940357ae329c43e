"""``/healthz`` (the process answers), ``/readyz`` (it can do its work), ``/metrics``."""

from __future__ import annotations

from fastapi import APIRouter, Request, Response
from fastapi.responses import JSONResponse
from prometheus_client.exposition import choose_encoder

from slo_engine import telemetry
from slo_engine.web.services import NeedsServices, Services

router = APIRouter()

_SHOWN_PROBLEMS = 20


@router.get("/healthz")
def healthz() -> dict[str, str]:
    """The process is alive."""
    return {"status": "ok"}


@router.get("/readyz")
def readyz(services: NeedsServices) -> JSONResponse:
    """200 when pages can be taken in and worked off, and the clock runs. SLO files with mistakes do not make the engine
    unready, as the last good set is in force; they are told here."""
    checks = {
        "store": _store(services),
        "clock": "ok" if services.clock_is_running() else "the clock does not run",
        "workers": "ok" if services.workers_are_running() else "a worker has ended; the log says why",
    }
    ready = all(check == "ok" for check in checks.values())
    return JSONResponse(
        {"ready": ready, "checks": checks, "slo_files": _slo_files(services)}, status_code=200 if ready else 503
    )


@router.get("/metrics")
def metrics(request: Request) -> Response:
    """The engine's own metrics."""
    encode, content_type = choose_encoder(request.headers.get("accept", ""))
    return Response(encode(telemetry.REGISTRY), media_type=content_type)


def _store(services: Services) -> str:
    if not services.database.is_running:
        return "the store is closed"
    return "ok" if services.database.failure is None else f"the last commit failed: {services.database.failure}"


def _slo_files(services: Services) -> dict[str, object]:
    active = services.slos.active
    found: dict[str, object] = {"slos": len(active.slos.slos), "state": "ok"}
    if active.problems:
        found["state"] = "the files on disk have mistakes; the last good set stays in force"
        found["problems"] = [str(problem) for problem in active.problems[:_SHOWN_PROBLEMS]]
    return found
