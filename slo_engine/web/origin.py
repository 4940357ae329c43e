"""Whether a page of another origin makes the browser of somebody send a request. Where no token is set, whoever reaches
the engine may act on it; that must not include every page that such a person looks at."""

from __future__ import annotations

from fastapi import Request


def is_of_another_origin(request: Request) -> bool:
    """What browsers say, and no page can change. Programs say nothing of it."""
    site = request.headers.get("sec-fetch-site")
    if site is not None:
        return site not in ("same-origin", "none")
    origin = request.headers.get("origin")
    return origin is not None and origin.partition("://")[2] != request.headers.get("host")
