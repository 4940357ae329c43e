"""``/``: SLOs with their budgets, and the last pages with their evidence. Server-rendered, without scripts."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

from fastapi import APIRouter
from fastapi.responses import HTMLResponse
from jinja2 import Environment, PackageLoader, StrictUndefined

from slo_engine import __version__
from slo_engine.store import inbox, pages
from slo_engine.web.services import NeedsServices

router = APIRouter()

SHOWN_PAGES = 20
SHOWN_QUARANTINED = 5

_ENVIRONMENT = Environment(
    loader=PackageLoader("slo_engine.web"),
    undefined=StrictUndefined,
    autoescape=True,
    trim_blocks=True,
    lstrip_blocks=True,
)


@router.get("/", include_in_schema=False)
def overview(services: NeedsServices) -> HTMLResponse:
    """The one page."""
    newest = services.database.read(lambda connection: pages.newest(connection, SHOWN_PAGES))
    html = _ENVIRONMENT.get_template("overview.html.j2").render(
        version=__version__,
        board=services.board,
        in_force=services.slos.in_force,
        pages=newest,
        deliveries=services.database.read(lambda found: pages.deliveries(found, [page.id for page in newest])),
        quarantined=services.database.read(lambda found: inbox.quarantined(found, SHOWN_QUARANTINED)),
    )
    # Texts are cleaned where they come in; this is the second wall, so that one of them cannot take the page away.
    return HTMLResponse(html.encode(errors="replace"))


def percent(value: float) -> str:
    """0.9921 -> 99.2 %"""
    return f"{value * 100:,.1f} %"


def clock(value: float | datetime | str) -> str:
    """2026-11-23 17:05:07 UTC, from whatever form a time has here."""
    return _time(value).strftime("%Y-%m-%d %H:%M:%S UTC")


def minute(value: float | datetime | str) -> str:
    """2026-11-23 17:05 UTC: a forecast is not known to the second."""
    return _time(value).strftime("%Y-%m-%d %H:%M UTC")


def _time(value: float | datetime | str) -> datetime:
    if isinstance(value, str):
        value = datetime.fromisoformat(value)
    time = value if isinstance(value, datetime) else datetime.fromtimestamp(value, UTC)
    return time.astimezone(UTC)


def is_link(value: Any) -> bool:
    """Whether a text may stand in href: an address of the web, and never a script."""
    return isinstance(value, str) and value.startswith(("http://", "https://"))


_ENVIRONMENT.filters |= {"percent": percent, "clock": clock, "minute": minute}
_ENVIRONMENT.tests["link"] = is_link
