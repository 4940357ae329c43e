"""Addresses: which ones can be used, and what of them may be shown."""

from __future__ import annotations

from urllib.parse import urlsplit

from slo_engine.errors import SloEngineError

BASIC_AUTH = "basic_auth: {username: ..., password: ...}, or token"
"""What is written instead of credentials in an address."""


class AddressError(SloEngineError):
    """An address that cannot be used. The message does not show it: it may hold a password."""


def check_address(text: str, *, instead: str = BASIC_AUTH) -> None:
    """Raises AddressError for anything but http:// or https:// with a host. Credentials are refused too, since
    addresses are shown in errors, logs and lists of processes; ``instead``: what to write for them."""
    try:
        parts = urlsplit(text)
        is_usable = parts.scheme in ("http", "https") and bool(parts.hostname) and parts.port != 0
    except ValueError:
        is_usable = False
    if not is_usable or not text.isprintable() or " " in text:
        raise AddressError("must be an http:// or https:// address, such as http://127.0.0.1:9090")
    if "@" in parts.netloc:
        raise AddressError(f"must not hold credentials: remove them from the address and write {instead}")


def shown(url: str) -> str:
    """``scheme://host:port``: a path or a query may hold a secret, as those of many webhooks do."""
    parts = urlsplit(url)
    return f"{parts.scheme}://{parts.netloc.rpartition('@')[2]}"
