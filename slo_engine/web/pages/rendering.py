"""What all pages have in common: the environment of their templates, and how they are sent."""

from __future__ import annotations

import gzip
import hashlib
import time
from collections.abc import Mapping
from datetime import datetime
from typing import Any, Final
from urllib.parse import quote, urlencode

from fastapi import Request
from fastapi.responses import HTMLResponse, Response
from jinja2 import Environment, PackageLoader, StrictUndefined
from markupsafe import Markup

from slo_engine import __version__, amounts
from slo_engine.charts.lines import spark
from slo_engine.charts.svg import without_style
from slo_engine.scrub.outgoing import outgoing_text
from slo_engine.status.model import SloStatus, measured
from slo_engine.status.trends import Trends
from slo_engine.web.access import NAMELESS
from slo_engine.web.budgets import money
from slo_engine.web.incidents import is_link
from slo_engine.web.services import Services
from slo_engine.web.texts import cut, lasting, visible

_LONGEST_QUERY: Final = 2000

_SMALL: Final = 2000
"""Bytes of a page that is not worth compressing."""

ENVIRONMENT: Final = Environment(
    loader=PackageLoader("slo_engine.web"),
    undefined=StrictUndefined,
    autoescape=True,
    trim_blocks=True,
    lstrip_blocks=True,
    finalize=visible,
)


def page(request: Request, services: Services, template: str, *, status_code: int = 200, **values: Any) -> Response:
    """A page as HTML: compressed where the browser takes that, and 304 where it has this very page."""
    html = ENVIRONMENT.get_template(template).render(
        status_code=status_code,
        version=__version__,
        now=values.pop("now", time.time()),
        board=services.board,
        who=getattr(request.state, "who", None),
        may_act=getattr(request.state, "who", None) is not None,
        can_log_out=getattr(request.state, "who", None) == NAMELESS,
        here=request.url.path,
        **values,
    )
    # Texts are cleaned where they come in; this is the second wall, so that one of them cannot take the page away.
    body = html.encode(errors="replace")
    tag = f'"{hashlib.blake2b(body, digest_size=12).hexdigest()}"'
    headers = {"etag": tag, "cache-control": "private, no-cache", "vary": "accept-encoding, cookie"}
    if request.headers.get("if-none-match") == tag and status_code == 200:
        return Response(status_code=304, headers=headers)
    if len(body) > _SMALL and "gzip" in request.headers.get("accept-encoding", ""):
        # Here and not in a middleware: this is a thread of its own, and not the one that takes notifications.
        body = gzip.compress(body, 3)
        headers["content-encoding"] = "gzip"
    return HTMLResponse(body, status_code=status_code, headers=headers)


def error_page(request: Request, services: Services, status_code: int, what: str) -> Response:
    """For who came with a browser."""
    return page(request, services, "error.html.j2", status_code=status_code, what=what)


def wants_a_page(request: Request, services: Services) -> bool:
    """Whether a browser asks for something to look at, for somebody who may."""
    may_read = services.access.is_open or getattr(request.state, "who", None) is not None
    return may_read and "text/html" in request.headers.get("accept", "") and not request.url.path.startswith("/api/")


def slo_path(service: str, slo: str, group: Mapping[str, str] | None = None) -> str:
    """The address of the page of an SLO, or of one of its groups."""
    path = f"/slos/{quote(service, safe='')}/{quote(slo, safe='')}"
    query = urlencode([("label", f"{name}={value}") for name, value in (group or {}).items()], errors="replace")
    # A label may be of any length, an address may not: then the group is to be looked for on the page of the SLO.
    return f"{path}?{query}" if query and len(query) <= _LONGEST_QUERY else path


def path_of(status: SloStatus) -> str:
    """The same of a status."""
    return slo_path(status.service, status.slo, status.group)


def drawn(svg: str) -> Markup:
    """A picture in a page."""
    return Markup(without_style(svg))  # noqa: S704 - charts escape their texts


def trend_of(trends: Trends, status: SloStatus) -> Markup:
    """How a budget went in the last thirty days; empty: nobody knows."""
    values = trends.of(status)
    return Markup(spark(values, f"the error budget over {len(values) - 1} days"))  # noqa: S704 - charts escape their texts


def moment(when: float, text: str) -> Markup:
    """A time that the page's script can show in the reader's own zone."""
    return Markup('<time datetime="{}">{}</time>').format(int(when), text)


def second(when: Any) -> Markup:
    """To the second."""
    return moment(_seconds(when), amounts.second(when))


def minute(when: Any) -> Markup:
    """To the minute."""
    return moment(_seconds(when), amounts.minute(when))


def _seconds(when: Any) -> float:
    if isinstance(when, str):
        when = datetime.fromisoformat(when)
    return when.timestamp() if isinstance(when, datetime) else float(when)


ENVIRONMENT.filters |= {each.__name__: each for each in (amounts.budget_left, amounts.percent, cut, lasting, measured)}
ENVIRONMENT.filters |= {each.__name__: each for each in (minute, second, money, path_of)}
ENVIRONMENT.filters["outgoing"] = outgoing_text
ENVIRONMENT.globals["slo_path"] = slo_path
ENVIRONMENT.tests["link"] = is_link
