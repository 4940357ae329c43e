"""``POST /-/reload``: read the SLO files again, and roll out their rules."""

from __future__ import annotations

from fastapi import APIRouter, Request
from fastapi.responses import JSONResponse

from slo_engine.web.authorization import is_from_a_page
from slo_engine.web.health import slo_files
from slo_engine.web.services import NeedsServices

router = APIRouter()


@router.post(
    "/-/reload",
    responses={
        401: {"description": "The credentials of the webhook are missing or wrong."},
        403: {"description": "The request comes from a page in a browser."},
        422: {"description": "The files are rejected; with the mistakes."},
        503: {"description": "The rules could not be rolled out."},
    },
)
def reload(request: Request, services: NeedsServices) -> JSONResponse:
    """200 when the files are read and their rules rolled out; 422 with the mistakes when they are rejected; 503 when
    the rules could not be rolled out. Guarded by the credentials of the unnamed webhook, if they are set."""
    headers = request.scope["headers"]
    if not services.doors.unnamed.open_to(headers):
        return JSONResponse({"detail": "the credentials of the webhook are missing or wrong"}, status_code=401)
    if is_from_a_page(headers):
        return JSONResponse({"detail": "this is not for pages in a browser"}, status_code=403)
    done = services.reload()
    found = {"slo_files": slo_files(done.active), "rules": None if done.rules is None else done.rules.as_json()}
    if done.active.problems:
        return JSONResponse(found, status_code=422)
    return JSONResponse(found, status_code=503 if done.rules is not None and done.rules.state == "failed" else 200)
