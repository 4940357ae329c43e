"""Who may post: whoever shows the token, where one is set."""

from __future__ import annotations

import hmac

from fastapi import Request


def is_authorized(request: Request, token: str | None) -> bool:
    """Whether the request shows the bearer token."""
    if token is None:
        return True
    scheme, _, shown = request.headers.get("authorization", "").partition(" ")
    return scheme.lower() == "bearer" and hmac.compare_digest(shown.strip().encode(), token.encode())
