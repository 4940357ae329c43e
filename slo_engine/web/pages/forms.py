"""What a browser posts to the pages: small forms, from our own pages, by somebody who may act."""

from __future__ import annotations

from typing import Final
from urllib.parse import parse_qs

from fastapi import HTTPException, Request

from slo_engine.web import bodies
from slo_engine.web.access import is_of_a_script, is_of_our_page

MAX_BYTES: Final = 64 * 1024
"""The longest note, each character of which takes nine."""

Form = dict[str, str]


async def read(request: Request) -> Form:
    """The fields of a form, of each the last value. Raises HTTPException: 403 from another page, 408, 413, 415, 422."""
    headers = request.scope["headers"]
    access = request.app.state.services.access
    if not (is_of_our_page(headers) or (is_of_a_script(headers) and access.shows_token(headers))):
        raise HTTPException(403, "only pages of the engine itself may post here")
    if request.headers.get("content-type", "").partition(";")[0].strip() != "application/x-www-form-urlencoded":
        raise HTTPException(415, "send a form")
    body = await bodies.read(request, MAX_BYTES)
    try:
        fields = parse_qs(body.decode(errors="replace"), keep_blank_values=True, max_num_fields=50)
    except ValueError:
        raise HTTPException(422, "the form has more than 50 fields") from None
    return {name: values[-1] for name, values in fields.items()}


def actor(request: Request) -> str:
    """Who acts. Raises HTTPException 403 where nobody is known."""
    who: str | None = getattr(request.state, "who", None)
    if who is None:
        raise HTTPException(403, "nobody is logged in: set access in the settings, and log in")
    return who
