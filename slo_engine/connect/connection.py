"""What a door needs to know to reach its server: plain values, checked."""

from __future__ import annotations

import base64
import ssl
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from functools import cached_property

from slo_engine import __version__
from slo_engine.connect import tls
from slo_engine.connect.address import check_address, shown

USER_AGENT = f"slo-engine/{__version__}"

PUBLIC_HEADERS = frozenset({"x-scope-orgid", "accept", "host"})
"""Headers whose values are not secret, in small letters: the name of a tenant belongs in messages. Any other header may
be a key."""


@dataclass(frozen=True, repr=False)
class Connection:
    """How to reach one server. ``timeout``: seconds for a whole request, connecting and reading included."""

    url: str
    token: str | None = None
    basic_auth: tuple[str, str] | None = None
    headers: Mapping[str, str] = field(default_factory=dict)
    ca_file: str | None = None
    client_cert: str | None = None
    client_key: str | None = None
    insecure_skip_verify: bool = False
    proxy: str | None = None
    proxy_auth: tuple[str, str] | None = None
    timeout: float = 10.0
    is_url_secret: bool = False
    """Whether the path of ``url`` is a key, as those of Slack's and Teams' webhooks are."""

    def __post_init__(self) -> None:
        """Raises AddressError."""
        check_address(self.url)
        if self.proxy is not None:
            check_address(self.proxy, instead="proxy_auth: {username: ..., password: ...}")

    def __repr__(self) -> str:
        return f"Connection({self.address})"

    @property
    def address(self) -> str:
        """``scheme://host:port``, as it may be shown."""
        return shown(self.url)

    @property
    def proxy_address(self) -> str:
        """The same of the proxy; empty without one."""
        return shown(self.proxy) if self.proxy else ""

    def header(self, name: str) -> str | None:
        """The value of one of ``headers``, whatever its case."""
        return next((value for each, value in self.headers.items() if each.lower() == name.lower()), None)

    def with_header(self, name: str, value: str) -> Connection:
        """With this header instead of one of the same name."""
        others = {each: given for each, given in self.headers.items() if each.lower() != name.lower()}
        return replace(self, headers={**others, name: value})

    @cached_property
    def authorization(self) -> str | None:
        """The header of this name."""
        if self.token is not None:
            return f"Bearer {self.token}"
        return _basic(self.basic_auth) if self.basic_auth is not None else self.header("Authorization")

    @cached_property
    def proxy_authorization(self) -> str | None:
        """What ``Proxy-Authorization`` holds."""
        return _basic(self.proxy_auth) if self.proxy_auth is not None else None

    @cached_property
    def sent_headers(self) -> Mapping[str, str]:
        """What goes with every request: ours, then ``headers``, then the credentials."""
        wanted = {"User-Agent": USER_AGENT, **self.headers}
        if self.authorization is not None:
            wanted["Authorization"] = self.authorization
        by_name = {name.lower(): (name, value) for name, value in wanted.items()}  # the last one of a name goes
        return dict(by_name.values())

    def ssl_context(self) -> ssl.SSLContext:
        """For this server, and for a proxy that is spoken to in TLS. Raises TlsError, which names the file."""
        if not any(each.startswith("https:") for each in (self.url.lower(), (self.proxy or "").lower())):
            return tls.no_tls()
        return tls.context(
            ca_file=self.ca_file,
            client_cert=self.client_cert,
            client_key=self.client_key,
            insecure_skip_verify=self.insecure_skip_verify,
        )

    @cached_property
    def secrets(self) -> tuple[str, ...]:
        """What must not be shown, in every form in which a server may echo it; the longest first."""
        found = {self.token, *(value for name, value in self.headers.items() if name.lower() not in PUBLIC_HEADERS)}
        found.add((self.header("Authorization") or "").partition(" ")[2])
        for pair in (self.basic_auth, self.proxy_auth):
            if pair is not None:
                found |= {pair[1], _basic(pair).removeprefix("Basic ")}
        if self.is_url_secret:
            target = self.url.removeprefix(self.address)
            found |= {self.url, target, target.partition("?")[0], target.partition("?")[2]} - {"/"}
        return tuple(sorted((secret for secret in found if secret), key=len, reverse=True))

    def masked(self, text: str) -> str:
        """``text`` without secrets: a server, or a proxy before it, may show what it was sent."""
        for secret in self.secrets:
            text = text.replace(secret, "***")
        return text


def _basic(pair: tuple[str, str]) -> str:
    return f"Basic {base64.b64encode(':'.join(pair).encode()).decode()}"
