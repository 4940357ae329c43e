"""``/incidents``: all that are known, by what somebody looks for."""

from __future__ import annotations

import time
from typing import Annotated, Final
from urllib.parse import urlencode

from fastapi import APIRouter, Depends, Query, Request
from fastapi.responses import Response

from slo_engine.web.known_incidents import (
    STATES,
    WantedIncidents,
    found_incidents,
    read_heads,
    severities_among,
    wanted_incidents,
)
from slo_engine.web.pages.rendering import page
from slo_engine.web.services import NeedsServices

router = APIRouter()

SHOWN: Final = 50


@router.get("/incidents", include_in_schema=False)
def incidents_page(
    request: Request,
    services: NeedsServices,
    want: Annotated[WantedIncidents, Depends(wanted_incidents)],
    offset: Annotated[int, Query(ge=0, le=1_000_000)] = 0,
) -> Response:
    """What is open first, and pages before tickets; then the newest."""
    now = time.time()
    found = found_incidents(services, want, now, offset=offset, limit=SHOWN)
    names = sorted(slo.name for slo in services.slos.active.slos.slos if want.service in ("", slo.service))
    choices = [
        ("service", "Service", services.slos.active.slos.services, want.service),
        ("slo", "SLO", list(dict.fromkeys(names)), want.slo),
        ("severity", "Severity", severities_among(read_heads(services), want.severity), want.severity),
        ("state", "State", STATES, want.state or ""),
    ]
    asked = {"q": want.search, **{name: chosen for name, _, _, chosen in choices}}
    return page(
        request,
        services,
        "incidents.html.j2",
        now=now,
        want=want,
        choices=choices,
        incidents=found.shown,
        total=found.total,
        since=found.since,
        first=offset + 1,
        earlier=_address(asked, offset - SHOWN) if offset else None,
        later=_address(asked, offset + SHOWN) if offset + SHOWN < found.total else None,
    )


def _address(asked: dict[str, str], offset: int) -> str:
    said = {**asked, "offset": str(offset) if offset > 0 else ""}
    return "/incidents?" + urlencode({name: value for name, value in said.items() if value}, errors="replace")
