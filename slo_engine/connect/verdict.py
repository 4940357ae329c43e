"""What a status code means for the sender, and what to do about it. One table for every door and sink."""

from __future__ import annotations

from enum import Enum

from slo_engine.connect.connection import Connection

RETRYABLE = frozenset({408, 425, 429})
"""4xx answers that are about the moment and not about the request."""

CREDENTIALS = "token or basic_auth"
"""The settings that hold them, where a door has no others."""


MAX_REASON = 300
"""Characters of what a server says: it quotes queries and expressions."""


class Verdict(Enum):
    """What to do with a request that was answered."""

    DELIVERED = "delivered"
    RETRY = "retry"
    """The same request may pass later."""
    AUTH = "auth"
    """Somebody has to change credentials, or what they may do."""
    REDIRECT = "redirect"
    """Somebody has to change the address."""
    REFUSED = "refused"
    """The same request would be refused again."""


def verdict_on(status: int) -> Verdict:
    """The verdict on an HTTP status."""
    if 200 <= status < 300:
        return Verdict.DELIVERED
    if status in RETRYABLE or status >= 500:
        return Verdict.RETRY
    if status in (401, 403, 407):
        return Verdict.AUTH
    return Verdict.REDIRECT if 300 <= status < 400 else Verdict.REFUSED


def said_in(body: bytes, connection: Connection) -> str:
    """What a server gives as its reason, in one line without secrets; nothing where it is a page for people."""
    text = " ".join(body[: 8 * MAX_REASON].decode(errors="replace").split())
    return "" if text.startswith("<") else connection.masked(text)[:MAX_REASON]


def explained(status: int, connection: Connection, *, said: str = "", credentials: str = CREDENTIALS) -> str:
    """``HTTP 403 (read only): these credentials may not do that``. ``said``: from ``said_in``. ``credentials``: the
    settings that hold them."""
    code = f"HTTP {status} ({said})" if said else f"HTTP {status}"
    advice = _advice(status, connection, said, credentials)
    return f"{code}: {advice}" if advice else code


def _advice(status: int, connection: Connection, said: str, credentials: str) -> str:
    has_credentials = connection.authorization is not None
    if status == 401:
        return (
            f"it does not accept {_what(connection, credentials)}"
            if has_credentials
            else (f"it wants credentials: set {credentials}")
        )
    if status == 403:
        return (
            "these credentials may not do that"
            if has_credentials
            else (f"it does not allow that without credentials: set {credentials}")
        )
    if status == 407:
        known = connection.proxy_auth is not None
        return (
            "the proxy does not accept proxy_auth: check it" if known else "the proxy wants credentials: set proxy_auth"
        )
    if 300 <= status < 400:
        return "it redirects: write its final address in url"
    # What Go (Prometheus, Mimir, Caddy) and nginx answer when TLS is expected.
    if status == 400 and "to https" in said.lower().replace("an https", "https"):
        return "it expects TLS: write https:// in url"
    return ""


def _what(connection: Connection, credentials: str) -> str:
    if credentials != CREDENTIALS:
        return f"{credentials}: check {'them' if ' and ' in credentials else 'it'}"
    if connection.token is not None:
        return "the token: check token"
    return "user and password: check basic_auth" if connection.basic_auth else "the Authorization header: check headers"
