"""Who may read the pages and the API, and act on the pages.

Without ``access`` in the settings everybody who reaches the port may read, and nobody may act: the engine trusts its
network. With a token whoever shows it may do both, by a header or by a cookie that the login page gives; behind a proxy
that knows who people are (oauth2-proxy, say), whoever it names.
"""

from __future__ import annotations

import hashlib
import hmac
import ipaddress
import time
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from typing import Final
from urllib.parse import quote, urlsplit

from starlette.responses import JSONResponse, RedirectResponse
from starlette.types import ASGIApp, Receive, Scope, Send

from slo_engine.web.authorization import Credentials, Header

COOKIE: Final = "slo_engine_session"
LOGIN: Final = "/login"
SESSION_SECONDS: Final = 12 * 3600

NAMELESS: Final = "somebody with the token"
"""Who that is, for want of a name."""

_OPEN: Final = ("/healthz", "/readyz", "/metrics", "/static/", LOGIN, "/webhooks/", "/-/reload")
"""What is asked by machines, or has a door of its own."""

_FOR_MACHINES: Final = ("/api/", "/mcp")
"""Where nobody sees a login page."""

_LONGEST_NAME: Final = 200

Network = ipaddress.IPv4Network | ipaddress.IPv6Network


@dataclass(frozen=True)
class Access:
    """Who may. Without any of the two everybody may read."""

    token: str | None = None
    proxy_header: str | None = None
    """The header in which a proxy says who somebody is."""
    proxy_networks: Sequence[Network] = field(default_factory=tuple)
    """Where such a proxy is: from elsewhere the header counts for nothing."""

    @property
    def is_open(self) -> bool:
        """Whether everybody may read."""
        return self.token is None and self.proxy_header is None

    def who(self, headers: Iterable[Header], address: str | None) -> str | None:
        """Who asks; None: nobody that is known."""
        headers = list(headers)
        if self.proxy_header is not None and self._is_proxy(address):
            said = [value for name, value in headers if name == self.proxy_header.lower().encode()]
            if len(said) == 1 and said[0].strip():
                return said[0].decode(errors="replace").strip()[:_LONGEST_NAME]
        return NAMELESS if self.shows_token(headers) or self._is_session(headers) else None

    def shows_token(self, headers: Iterable[Header]) -> bool:
        """Whether the token stands in a header, where no browser writes it by itself."""
        return self.token is not None and Credentials(tokens=[self.token]).open_to(headers)

    def opens(self, shown: str) -> bool:
        """Whether this is the token."""
        return self.token is not None and hmac.compare_digest(_digest(shown), _digest(self.token))

    def session(self, now: float | None = None) -> str:
        """The value of a cookie for who has shown the token. It is signed with the token: a new one ends it."""
        until = int((time.time() if now is None else now) + SESSION_SECONDS)
        return f"{until}.{self._signature(until)}"

    def _is_session(self, headers: Iterable[Header]) -> bool:
        if self.token is None:
            return False
        # By hand: a browser sends what others have set for this host as well, of whatever form.
        pairs = (each for name, value in headers if name == b"cookie" for each in value.split(b";"))
        sent = (value for name, _, value in (each.strip().partition(b"=") for each in pairs) if name == COOKIE.encode())
        return any(self._is_signed(each.decode("latin-1")) for each in sent)

    def _is_signed(self, session: str) -> bool:
        until, _, signature = session.partition(".")
        if not (until.isascii() and until.isdigit() and len(until) <= 12):
            return False
        is_signed = hmac.compare_digest(signature.encode(), self._signature(int(until)).encode())
        return is_signed and time.time() < int(until)

    def _signature(self, until: int) -> str:
        assert self.token is not None
        return hmac.new(_digest(self.token), f"session {until}".encode(), hashlib.sha256).hexdigest()

    def _is_proxy(self, address: str | None) -> bool:
        try:
            found = ipaddress.ip_address(address or "")
        except ValueError:
            return False
        if isinstance(found, ipaddress.IPv6Address) and found.ipv4_mapped is not None:
            found = found.ipv4_mapped  # as a socket for both kinds has it
        return any(found in network for network in self.proxy_networks)


def is_of_our_page(headers: Iterable[Header]) -> bool:
    """Whether a form was sent by a page of the engine itself, as browsers say: they do not let a page of another origin
    say so."""
    found = {name: value for name, value in headers if name in (b"origin", b"host", b"sec-fetch-site")}
    if b"sec-fetch-site" in found:  # which no script can set, and no proxy changes as it may change the host
        return found[b"sec-fetch-site"] == b"same-origin"
    origin, host = found.get(b"origin", b"").decode("latin-1"), found.get(b"host", b"").decode("latin-1")
    return bool(host) and urlsplit(origin).netloc == host


def is_of_a_script(headers: Iterable[Header]) -> bool:
    """Whether a form has none of the headers that a browser adds to one."""
    return {name for name, _ in headers}.isdisjoint({b"origin", b"sec-fetch-site", b"cookie"})


class AccessDoor:
    """Middleware: who is not known comes to the login page, or is told by the API. ``machines``: the credentials of who
    posts notifications, which the command line shows; they open the API too."""

    def __init__(self, app: ASGIApp, access: Access, machines: Credentials) -> None:
        self._app = app
        self._access = access
        self._machines = machines

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """ASGI."""
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        client = scope.get("client")
        who = None if self._access.is_open else self._access.who(scope["headers"], client[0] if client else None)
        scope.setdefault("state", {})["who"] = who
        path = scope["path"]
        is_of_api = path.startswith(_FOR_MACHINES)
        is_machine = is_of_api and not self._machines.is_open and self._machines.open_to(scope["headers"])
        if self._access.is_open or who is not None or is_machine or path.startswith(_OPEN):
            await self._app(scope, receive, send)
        elif (
            is_of_api or self._access.token is None or (scope["method"] == "POST" and is_of_a_script(scope["headers"]))
        ):
            refused = JSONResponse({"detail": "the token of access is missing or wrong"}, status_code=401)
            refused.headers["www-authenticate"] = "Bearer"
            await refused(scope, receive, send)
        else:
            # What was posted is lost: back to the page that it was posted from, and not to where a form goes.
            path = path if scope["method"] in ("GET", "HEAD") else path.rpartition("/")[0] or "/"
            target = quote(f"{path}?{scope['query_string'].decode('latin-1')}".rstrip("?"), safe="")
            await RedirectResponse(f"{LOGIN}?next={target}", status_code=303)(scope, receive, send)


def _digest(text: str) -> bytes:
    return hashlib.sha256(text.encode()).digest()
