"""Addresses that a command takes."""

from __future__ import annotations

from urllib.parse import urlsplit

from slo_engine.errors import SloEngineError


def check_address(option: str, text: str) -> None:
    """Raises SloEngineError for what is no http:// or https:// address with a host, without showing its password."""
    try:
        parts = urlsplit(text)
        is_fine = parts.scheme in ("http", "https") and bool(parts.hostname) and (parts.port or 1) > 0
    except ValueError:
        is_fine = False
    if not is_fine:
        raise SloEngineError(f"{option} must be an http:// or https:// address, such as http://127.0.0.1:9090")
