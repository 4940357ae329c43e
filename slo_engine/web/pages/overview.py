"""``/``: error budgets, what burns first, and the incidents with their evidence."""

from __future__ import annotations

import threading
import time
from collections import OrderedDict
from collections.abc import Sequence
from functools import partial
from typing import Annotated, Any

from fastapi import APIRouter, Depends, Request
from fastapi.responses import Response
from markupsafe import Markup

from slo_engine.definitions.slo import SloSet
from slo_engine.status.trends import Trends
from slo_engine.store import inbox
from slo_engine.store.messages import StoredMessage
from slo_engine.web.budgets import Row, rows
from slo_engine.web.incidents import KINDS
from slo_engine.web.known_incidents import contents, incidents_among, order, read_heads
from slo_engine.web.pages.rendering import ENVIRONMENT, page, trend_of
from slo_engine.web.selection import LONGEST, SORTS, STATES, Wanted, chosen, labels_of, owner_of, wanted
from slo_engine.web.services import NeedsServices
from slo_engine.web.undelivered import undelivered

router = APIRouter()

SHOWN_INCIDENTS = 20
SHOWN_POSTS = 10
SHOWN_QUARANTINED = 5

MOST_OPTIONS = 200
"""Of a field of the filter: the search finds the others."""

_REMEMBERED = 16
"""Tables that are kept as HTML: a thousand rows take a tenth of a second and more, and change once a minute."""


@router.get("/", include_in_schema=False)
def overview(request: Request, services: NeedsServices, want: Annotated[Wanted, Depends(wanted)]) -> Response:
    """What burns, and why."""
    now = time.time()
    active = services.slos.active
    paging = active.slos.paging_severities
    heads = read_heads(services)
    known = incidents_among(heads)
    first = sorted(known, key=lambda each: order(each, paging, now))[:SHOWN_INCIDENTS]
    posts = [head for head in heads if head.kind not in KINDS][:SHOWN_POSTS]
    read = services.database.read(lambda found: contents(found, first, posts))
    shown = [read.told(incident, now) for incident in first]
    every = rows(services.board.statuses, active.slos, shown)
    fitting = chosen(every, active.slos, want)
    return page(
        request,
        services,
        "overview.html.j2",
        now=now,
        active=active,
        want=want,
        rows=fitting,
        total=len(every),
        table=_TABLES.of(fitting, services.board.trends) if fitting else "",
        choices=_choices(every, active.slos, want),
        policies=services.policies_in_force(),
        incidents=shown,
        incidents_left_out=len(known) - len(shown),
        paging=paging,
        undelivered=services.database.read(lambda found: undelivered(found, services.orphans(), services.sinks)),
        posts=[(head, _post(read.messages.get(head.id))) for head in posts],
        deliveries=read.deliveries,
        quarantined=services.database.read(lambda found: inbox.quarantined(found, SHOWN_QUARANTINED)),
    )


class _Tables:
    """Tables as HTML, by their rows. Thread-safe."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._known: OrderedDict[int, tuple[list[Row], Markup]] = OrderedDict()

    def of(self, shown: list[Row], trends: Trends) -> Markup:
        """The table of these rows."""
        key = hash(tuple((id(row.status), row.badges, row.exhausts) for row in shown))
        with self._lock:
            found = self._known.get(key)
        if found is None or found[0] != shown:
            values = {"rows": shown, "trend": partial(trend_of, trends)}
            html = Markup(ENVIRONMENT.get_template("budgets.html.j2").render(values))  # noqa: S704 - which escapes
            found = (shown, html)
            with self._lock:
                self._known[key] = found
                while len(self._known) > _REMEMBERED:
                    self._known.popitem(last=False)
        return found[1]


_TABLES = _Tables()


def _choices(every: Sequence[Row], slos: SloSet, want: Wanted) -> list[tuple[str, str, list[tuple[str, str]], str]]:
    """The fields of the filter: name, title, options, and what is chosen."""
    services = sorted({row.status.service for row in every})
    owners = sorted({owner for row in every if (owner := owner_of(row.status, slos))})
    pairs = {
        pair
        for row in every
        for name, value in labels_of(row.status, slos).items()
        if len(pair := f"{name}={value}") <= LONGEST
    }
    # Who has chosen something sees it, also where it is gone.
    labels = sorted({*sorted(pairs)[:MOST_OPTIONS], *want.labels[:1]})
    return [
        ("service", "Service", [(each, each) for each in services[:MOST_OPTIONS]], want.service),
        ("owner", "Owner", [(each, each) for each in owners[:MOST_OPTIONS]], want.owner),
        ("label", "Label", [(each, each) for each in labels], want.labels[0] if want.labels else ""),
        ("state", "State", [(each, each.replace("_", " ")) for each in STATES], want.state or ""),
        ("sort", "Order", [(each, each) for each in SORTS], want.sort),
    ]


def _post(stored: StoredMessage | None) -> Sequence[str]:
    """The lines of what the engine says by itself, of whatever kind and version."""
    post: Any = stored.content.get("post") if stored and stored.state == "ready" else None
    if not isinstance(post, dict):
        return []
    return [line for key in ("changes", "lines") for line in post.get(key) or () if isinstance(line, str)]
