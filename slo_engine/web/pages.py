"""``/``: SLOs with their budgets, and the last notifications with their evidence. Server-rendered, without scripts."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from fastapi import APIRouter
from fastapi.responses import HTMLResponse
from jinja2 import Environment, PackageLoader, StrictUndefined

from slo_engine import __version__, amounts
from slo_engine.notifications import as_payload, restored
from slo_engine.notifications.alertmanager import ENRICHMENT
from slo_engine.scrub.outgoing import outgoing_text
from slo_engine.status.model import measured
from slo_engine.store import StoredMessage, inbox, messages
from slo_engine.web.services import NeedsServices

router = APIRouter()

SHOWN_NOTIFICATIONS = 20
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
    newest = services.database.read(lambda connection: messages.newest(connection, SHOWN_NOTIFICATIONS))
    html = _ENVIRONMENT.get_template("overview.html.j2").render(
        version=__version__,
        board=services.board,
        active=services.slos.active,
        notifications=[(stored, _enrichment(stored)) for stored in newest],
        deliveries=services.database.read(lambda found: messages.deliveries(found, [each.id for each in newest])),
        quarantined=services.database.read(lambda found: inbox.quarantined(found, SHOWN_QUARANTINED)),
    )
    # Texts are cleaned where they come in; this is the second wall, so that one of them cannot take the page away.
    return HTMLResponse(html.encode(errors="replace"))


def _enrichment(stored: StoredMessage) -> Mapping[str, Any]:
    """What was found out for a notification; nothing while it is being gathered."""
    return as_payload(restored(stored)).get(ENRICHMENT, {}) if stored.state == "ready" else {}


def is_link(value: Any) -> bool:
    """Whether a text may stand in href: an address of the web, and never a script."""
    return isinstance(value, str) and value.startswith(("http://", "https://"))


_ENVIRONMENT.filters |= {
    each.__name__: each for each in (amounts.budget_left, amounts.minute, amounts.percent, amounts.second)
}
_ENVIRONMENT.filters["measured"] = measured
_ENVIRONMENT.filters["outgoing"] = outgoing_text
_ENVIRONMENT.tests["link"] = is_link
