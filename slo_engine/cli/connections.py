"""The options of commands that take an address: the same block that a connection has in the settings."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from slo_engine.cli.secrets import from_file
from slo_engine.errors import SloEngineError

if TYPE_CHECKING:
    from slo_engine.connect import Connection
    from slo_engine.connection_settings import ConnectionSettings

TokenFile = Annotated[Path | None, typer.Option("--token-file", help="Holds a bearer token.")]
UserFile = Annotated[Path | None, typer.Option("--user-file", help="Holds user:password, for basic authentication.")]
Header = Annotated[
    list[str] | None,
    typer.Option("--header", metavar="NAME=VALUE", help="Sent with every request; repeatable. Secrets: settings file."),
]
CaFile = Annotated[
    str | None, typer.Option("--ca-file", metavar="FILE", help="CAs of the server, instead of this machine's.")
]
ClientCert = Annotated[str | None, typer.Option("--client-cert", metavar="FILE", help="Client certificate, in PEM.")]
ClientKey = Annotated[
    str | None, typer.Option("--client-key", metavar="FILE", help="Its key, where --client-cert does not hold it.")
]
InsecureSkipVerify = Annotated[
    bool, typer.Option("--insecure-skip-verify", help="Do not check the certificate of the server.")
]
Proxy = Annotated[str | None, typer.Option("--proxy", metavar="URL", help="The HTTP proxy to go through.")]
ProxyUserFile = Annotated[Path | None, typer.Option("--proxy-user-file", help="Holds user:password for the proxy.")]


@dataclass(frozen=True)
class ConnectionOptions:
    """What was given of them."""

    token_file: Path | None = None
    user_file: Path | None = None
    header: Sequence[str] | None = None
    ca_file: str | None = None
    client_cert: str | None = None
    client_key: str | None = None
    insecure_skip_verify: bool = False
    proxy: str | None = None
    proxy_user_file: Path | None = None

    @property
    def are_given(self) -> bool:
        """Whether there is any."""
        return self != ConnectionOptions()

    def credentials(self) -> dict[str, Any]:
        """``token`` or ``basic_auth``, from the files; empty without one. Raises SloEngineError."""
        if self.token_file and self.user_file:
            raise SloEngineError("--token-file and --user-file: give one of them")
        if self.token_file:
            return {"token": from_file(self.token_file)}
        return {"basic_auth": _user(self.user_file)} if self.user_file else {}

    def connection(
        self,
        option: str,
        url: str,
        *,
        settings: ConnectionSettings | None = None,
        credentials: dict[str, Any] | None = None,
    ) -> Connection:
        """The connection to ``url``, which ``option`` has named. ``settings``: what holds where no option says
        otherwise; ``credentials``: where no file does. Raises SloEngineError."""
        from pydantic import ValidationError

        from slo_engine.connect import check_address
        from slo_engine.connect.address import AddressError
        from slo_engine.connection_settings import ConnectionSettings

        for name, address, instead in (
            (option, url, "--user-file or --token-file"),
            ("--proxy", self.proxy, "--proxy-user-file"),
        ):
            try:
                if address is not None:
                    check_address(address, instead=instead)
            except AddressError as error:
                raise SloEngineError(f"{name} {error}") from None
        block = {name: getattr(settings, name) for name in ConnectionSettings.model_fields} if settings else {}
        chosen = self.credentials() or credentials or {}
        if chosen:
            block |= {"token": None, "basic_auth": None, **chosen}
        try:
            return ConnectionSettings(**{**block, **self._others(block), "url": url}).connection()
        except ValidationError as error:
            raise SloEngineError("\n".join(_explained(detail) for detail in error.errors())) from None

    def _others(self, block: dict[str, Any]) -> dict[str, Any]:
        found: dict[str, Any] = {}
        if self.header:
            found["headers"] = _merged(block.get("headers") or {}, self.header)
        if self.client_cert:
            found["client_key"] = None  # of the settings: it belongs to their certificate
        if self.proxy:
            found["proxy_auth"] = None
        for name in ("ca_file", "client_cert", "client_key", "insecure_skip_verify", "proxy"):
            if value := getattr(self, name):
                found[name] = value
        if self.proxy_user_file:
            found["proxy_auth"] = _user(self.proxy_user_file)
        return found


def _user(file: Path) -> dict[str, str]:
    user, colon, password = from_file(file).partition(":")
    if not (user and colon and password):
        raise SloEngineError(f"{file} must hold user:password")
    return {"username": user, "password": password}


def _merged(known: Any, given: Sequence[str]) -> dict[str, Any]:
    headers = dict(known)
    for each in given:
        name, equals, value = each.partition("=")
        if not equals or not value:
            raise SloEngineError("--header: write NAME=VALUE, such as X-Scope-OrgID=team-a")
        headers = {other: text for other, text in headers.items() if other.lower() != name.lower()} | {name: value}
    return headers


def _explained(detail: Any) -> str:
    message = str(detail["msg"]).removeprefix("Value error, ")
    option = {"headers": "header"}.get(str(detail["loc"][0]), str(detail["loc"][0])) if detail["loc"] else ""
    return f"--{option.replace('_', '-')}: {message}" if option else message
