"""The settings that every connection takes, and what every section of the settings shares."""

from __future__ import annotations

import re
from collections.abc import Mapping
from pathlib import Path
from typing import Annotated, Any, Self
from urllib.parse import urlsplit

from pydantic import (
    AfterValidator,
    BaseModel,
    BeforeValidator,
    ConfigDict,
    GetJsonSchemaHandler,
    SecretStr,
    field_validator,
    model_validator,
)
from pydantic.json_schema import JsonSchemaValue
from pydantic_core.core_schema import CoreSchema

from slo_engine.connect import PUBLIC_HEADERS, AddressError, Connection, TlsError, check_address
from slo_engine.connect.address import BASIC_AUTH
from slo_engine.definitions.duration import Duration

_HEADER_NAME = re.compile(r"[!#$%&'*+.^_`|~0-9A-Za-z-]+")
"""https://www.rfc-editor.org/rfc/rfc9110#name-tokens"""

_OURS = {
    "content-length": "it is that of the request",
    "transfer-encoding": "it is that of the request",
    "connection": "it is that of the request",
    "content-type": "it is that of the request",
    "proxy-authorization": "set proxy_auth instead",
}


def _address(instead: str) -> Any:
    def check(text: str) -> str:
        try:
            check_address(text, instead=instead)
        except AddressError as error:
            raise ValueError(str(error)) from None
        return text.rstrip("/")

    return AfterValidator(check)


HttpUrl = Annotated[str, _address(BASIC_AUTH)]


def _without_query(text: str) -> str:
    parts = urlsplit(text)
    if parts.query or parts.fragment:
        raise ValueError("has a query, and paths are written behind it: leave out what begins with ? or #")
    return text


PageUrl = Annotated[HttpUrl, AfterValidator(_without_query)]
"""What links begin with."""

LangFuseUrl = Annotated[str, _address("public_key and secret_key")]
ProxyUrl = Annotated[str, _address("proxy_auth: {username: ..., password: ...}")]


class SettingsSection(BaseModel):
    """A part of the settings. For each key that is a secret, ``<key>_file`` names a file to read it from."""

    model_config = ConfigDict(extra="forbid", frozen=True, hide_input_in_errors=True)

    @model_validator(mode="before")
    @classmethod
    def _secrets_from_files(cls, data: Any) -> Any:
        if not isinstance(data, dict):
            return data
        return _from_files(data, cls._secrets())

    @classmethod
    def _secrets(cls) -> set[str]:
        return {name for name, field in cls.model_fields.items() if _is_secret(field.annotation)}

    @classmethod
    def __get_pydantic_json_schema__(cls, schema: CoreSchema, handler: GetJsonSchemaHandler) -> JsonSchemaValue:
        made = handler(schema)
        section = handler.resolve_ref_schema(made)
        for name in sorted(cls._secrets()):
            file = f"{name}_file"
            description = f"The file from which `{name}` is read."
            section["properties"][file] = {"type": ["string", "null"], "description": description}
            if name in section.get("required", ()):
                section["required"] = [key for key in section["required"] if key != name]
                section.setdefault("allOf", []).append(one_of_keys(name, file))
        return made


def one_of_keys(*keys: str) -> JsonSchemaValue:
    """A JSON Schema of mappings that have at least one of these keys."""
    return {"anyOf": [{"required": [key]} for key in keys]}


def _is_secret(annotation: Any) -> bool:
    return annotation is SecretStr or SecretStr in getattr(annotation, "__args__", ())


def _from_files(data: Mapping[str, Any], names: set[str]) -> dict[str, Any]:
    """``token_file: /run/secrets/token`` -> ``token``, for each of ``names``."""
    found = dict(data)
    for name in names:
        file = found.pop(f"{name}_file", None)
        if file is not None and name in found:
            raise ValueError(f"{name} and {name}_file: give one of them")
        if file is not None:
            try:
                found[name] = Path(str(file)).read_text().strip()
            except (OSError, UnicodeDecodeError) as error:
                # Its name is not shown: the secret itself is easily put there by mistake.
                why = error.strerror if isinstance(error, OSError) else "it is not text"
                raise ValueError(f"{name}_file cannot be read: {why}") from None
        # A variable that is not set where it should be must not open the door, nor send an empty password.
        if found.get(name) == "":
            raise ValueError(f"{name} is empty: give one, or remove the key")
    return found


_PLACEHOLDER = re.compile(r"\$\{?[A-Za-z_][A-Za-z0-9_]*\}?")


def fits_into_a_header(token: SecretStr | None) -> SecretStr | None:
    """Check of a bearer token. Raises ValueError."""
    if token is not None and not (token.get_secret_value().isascii() and token.get_secret_value().isprintable()):
        raise ValueError("must be one line of printable ASCII")
    if token is not None and _PLACEHOLDER.fullmatch(token.get_secret_value()):
        raise ValueError("looks like a variable, which settings files do not have: use token_file or SLO_ENGINE_...")
    return token


class BasicAuth(SettingsSection):
    """``basic_auth`` and ``proxy_auth``"""

    username: str
    """Without a colon."""
    password: SecretStr
    """Of this user."""

    @field_validator("username")
    @classmethod
    def _username_has_no_colon(cls, username: str) -> str:
        if not username or ":" in username or not username.isprintable():
            raise ValueError("must not be empty, nor hold a colon or line breaks")
        return username

    def pair(self) -> tuple[str, str]:
        """User and password."""
        return self.username, self.password.get_secret_value()


def _headers(value: Any) -> Any:
    """Values as secrets, but for those that are none by their name; ``<name>_file`` as for all secrets."""
    if not isinstance(value, dict):
        return value
    names = {str(name).removesuffix("_file") for name in value}
    found = {str(name): text for name, text in _from_files(value, names).items()}
    for name, text in found.items():
        if not _HEADER_NAME.fullmatch(name):
            raise ValueError(f"{name!r} is not the name of a header: write letters, digits and -")
        if name.lower() in _OURS:
            raise ValueError(f"{name} cannot be set: {_OURS[name.lower()]}")
        plain = text.get_secret_value() if isinstance(text, SecretStr) else text
        if not isinstance(plain, str | int) or not str(plain).isascii() or not str(plain).isprintable():
            raise ValueError(f"{name} must be one line of printable ASCII")
    if len({name.lower() for name in found}) < len(found):
        raise ValueError("a header is given twice: its name is the same in capitals and small letters")
    return {name: _as_secret(name, text) for name, text in found.items()}


def _as_secret(name: str, text: Any) -> SecretStr | str:
    if name.lower() in PUBLIC_HEADERS:
        return str(text)
    return text if isinstance(text, SecretStr) else SecretStr(str(text))


Headers = Annotated[
    Mapping[str, str | SecretStr], BeforeValidator(_headers, json_schema_input_type=Mapping[str, str | int])
]


class TransportSettings(SettingsSection):
    """How a server is reached: what every connection takes beside its address and credentials."""

    headers: Headers = {}
    """Sent with every request. ``<name>_file`` names a file to read one from."""
    ca_file: str | None = None
    """PEM: the CAs to trust instead of those of this machine."""
    client_cert: str | None = None
    """PEM: the certificate to show; it may hold the key, too."""
    client_key: str | None = None
    """PEM: its key, not encrypted."""
    insecure_skip_verify: bool = False
    """Do not check the server's certificate: for experiments."""
    proxy: ProxyUrl | None = None
    """An HTTP proxy; HTTP_PROXY is not read."""
    proxy_auth: BasicAuth | None = None
    """User and password for the proxy."""
    timeout: Duration = Duration.parse("10s")
    """For a whole request."""

    @model_validator(mode="after")
    def _can_be_used(self) -> Self:
        if self.client_key is not None and self.client_cert is None:
            raise ValueError("client_key: set client_cert too, the certificate that it belongs to")
        if self.proxy_auth is not None and self.proxy is None:
            raise ValueError("proxy_auth: set proxy too, the address of the proxy")
        connection = self.connection()
        credentials = connection is not None and (connection.token or connection.basic_auth)
        if credentials and connection is not None and connection.header("Authorization") is not None:
            raise ValueError("headers.Authorization: remove it, the credentials are set already")
        if connection is not None and (self.ca_file or self.client_cert):
            try:
                connection.ssl_context()
            except TlsError as error:
                raise ValueError(str(error)) from None
        return self

    def connection(self) -> Connection | None:
        """How the server is reached; None while the settings do not say where it is."""
        raise NotImplementedError

    def _connection(
        self,
        url: str,
        *,
        token: str | None = None,
        basic_auth: tuple[str, str] | None = None,
        is_url_secret: bool = False,
    ) -> Connection:
        return Connection(
            url,
            is_url_secret=is_url_secret,
            token=token,
            basic_auth=basic_auth,
            headers={
                name: text.get_secret_value() if isinstance(text, SecretStr) else text
                for name, text in self.headers.items()
            },
            ca_file=self.ca_file,
            client_cert=self.client_cert,
            client_key=self.client_key,
            insecure_skip_verify=self.insecure_skip_verify,
            proxy=self.proxy,
            proxy_auth=self.proxy_auth.pair() if self.proxy_auth else None,
            timeout=self.timeout.seconds,
        )


class WebhookUrlSettings(TransportSettings):
    """A connection whose address is its key: whoever knows it may post there."""

    url: SecretStr
    """The address: whoever knows it may post there."""

    @field_validator("url")
    @classmethod
    def _is_an_address(cls, url: SecretStr) -> SecretStr:
        try:
            check_address(url.get_secret_value(), instead=BASIC_AUTH)
        except AddressError as error:
            raise ValueError(str(error)) from None
        return url

    def connection(self) -> Connection:
        """How the server is reached."""
        return self._connection(self.url.get_secret_value(), is_url_secret=True)


class ConnectionSettings(TransportSettings):
    """A connection, whole: the block that Prometheus, a ruler and sinks take."""

    url: HttpUrl
    """http:// or https://; a path in front of the API is kept."""
    token: SecretStr | None = None
    """A bearer token."""
    basic_auth: BasicAuth | None = None
    """User and password, instead of a token."""

    _token_fits_into_a_header = field_validator("token")(fits_into_a_header)

    @model_validator(mode="after")
    def _one_kind_of_credentials(self) -> Self:
        if self.token is not None and self.basic_auth is not None:
            raise ValueError("token and basic_auth: set one of them")
        return self

    def connection(self) -> Connection:
        """How the server is reached."""
        return self._connection(
            self.url,
            token=self.token.get_secret_value() if self.token else None,
            basic_auth=self.basic_auth.pair() if self.basic_auth else None,
        )
