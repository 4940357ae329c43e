"""Settings: one YAML file, every key overridable by ``SLO_ENGINE_...``, secrets from the environment or from files.

``SLO_ENGINE_LANGFUSE__SECRET_KEY=...`` sets ``langfuse.secret_key``; ``langfuse.secret_key_file`` names a file to read
it from. Secrets are ``SecretStr``: they print as stars.
"""

from __future__ import annotations

import base64
import binascii
from collections.abc import Sequence
from pathlib import Path
from typing import Annotated, Any, Literal, Self
from urllib.parse import urlsplit

import yaml
from pydantic import AfterValidator, BaseModel, ConfigDict, Field, SecretStr, ValidationError, model_validator
from pydantic_settings import BaseSettings, PydanticBaseSettingsSource, SettingsConfigDict

from slo_engine.errors import SloEngineError
from slo_engine.spec.duration import Duration

PREFIX = "SLO_ENGINE_"


class SettingsError(SloEngineError):
    """Settings that cannot be used: all mistakes at once."""


def _http_url(text: str) -> str:
    parts = urlsplit(text)
    if parts.scheme not in ("http", "https") or not parts.hostname:
        raise ValueError("must be an http:// or https:// address")
    return text.rstrip("/")


HttpUrl = Annotated[str, AfterValidator(_http_url)]


class _Section(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True, hide_input_in_errors=True)

    @model_validator(mode="before")
    @classmethod
    def _secrets_from_files(cls, data: Any) -> Any:
        """``token_file: /run/secrets/token`` -> ``token``, for each key that is a secret."""
        if not isinstance(data, dict):
            return data
        found = dict(data)
        for name, field in cls.model_fields.items():
            file = found.pop(f"{name}_file", None) if SecretStr in getattr(field.annotation, "__args__", ()) else None
            if file is None:
                continue
            try:
                found[name] = Path(file).read_text().strip()
            except OSError as error:
                raise ValueError(f"{name}_file {file} cannot be read: {error.strerror}") from None
        return found


class PrometheusSettings(_Section):
    """``prometheus``"""

    url: HttpUrl = "http://127.0.0.1:9090"
    token: SecretStr | None = None
    timeout: Duration = Duration.parse("10s")


class LangFuseSettings(_Section):
    """``langfuse``"""

    url: HttpUrl
    public_key: str
    secret_key: SecretStr | None = None
    public_url: HttpUrl | None = None

    @model_validator(mode="after")
    def _has_key(self) -> Self:
        if self.secret_key is None:
            raise ValueError(f"secret_key is missing: set {PREFIX}LANGFUSE__SECRET_KEY, or secret_key_file")
        return self


class ListenSettings(_Section):
    """``listen``"""

    host: str = "127.0.0.1"
    port: Annotated[int, Field(ge=0, le=65535)] = 8090


class WebhookSettings(_Section):
    """``webhook``: what Alertmanager must show to be let in."""

    token: SecretStr | None = None


class StatusSettings(_Section):
    """``status``"""

    interval: Duration = Duration.parse("60s")


class EvidenceSettings(_Section):
    """``evidence``"""

    budget: Duration = Duration.parse("5s")


class StoreSettings(_Section):
    """``store``"""

    url: str = "sqlite:///slo-engine.db"


class WebhookSinkSettings(_Section):
    """One item of ``sinks`` of ``type: webhook``."""

    name: Annotated[str, Field(pattern=r"^[a-z0-9][-a-z0-9_]{0,99}$")]
    type: Literal["webhook"]
    url: HttpUrl
    secret: SecretStr | None = None

    @model_validator(mode="after")
    def _secret_is_base64(self) -> Self:
        if self.secret is not None:
            try:
                base64.b64decode(self.secret.get_secret_value().removeprefix("whsec_"), validate=True)
            except binascii.Error:
                raise ValueError("secret must be base64, such as `openssl rand -base64 32` prints") from None
        return self


class Settings(BaseSettings):
    """All settings of ``slo-engine serve`` and of the commands that need an address."""

    model_config = SettingsConfigDict(
        env_prefix=PREFIX, env_nested_delimiter="__", extra="forbid", frozen=True, hide_input_in_errors=True
    )

    slos: list[Path] = [Path("slos")]
    prometheus: PrometheusSettings = PrometheusSettings()
    langfuse: LangFuseSettings | None = None
    store: StoreSettings = StoreSettings()
    listen: ListenSettings = ListenSettings()
    webhook: WebhookSettings = WebhookSettings()
    status: StatusSettings = StatusSettings()
    evidence: EvidenceSettings = EvidenceSettings()
    sinks: list[WebhookSinkSettings] = []

    @model_validator(mode="after")
    def _sink_names_differ(self) -> Self:
        names = [sink.name for sink in self.sinks]
        if len(set(names)) < len(names):
            raise ValueError("sinks: two sinks have the same name")
        return self

    @classmethod
    def settings_customise_sources(  # the signature is pydantic-settings'
        cls,
        settings_cls: type[BaseSettings],  # noqa: ARG003
        init_settings: PydanticBaseSettingsSource,
        env_settings: PydanticBaseSettingsSource,
        dotenv_settings: PydanticBaseSettingsSource,  # noqa: ARG003
        file_secret_settings: PydanticBaseSettingsSource,  # noqa: ARG003
    ) -> tuple[PydanticBaseSettingsSource, ...]:
        """The environment goes over the file, which is handed in as the initial values."""
        return env_settings, init_settings


def load_settings(file: Path | None) -> Settings:
    """Read the settings file, if there is one, and the environment. Raises SettingsError with every mistake."""
    data: Any = {}
    if file is not None:
        try:
            data = yaml.safe_load(file.read_text()) or {}
        except OSError as error:
            raise SettingsError(f"{file} cannot be read: {error.strerror}") from None
        except yaml.YAMLError as error:
            raise SettingsError(f"{file} is not readable as YAML: {error}") from None
        if not isinstance(data, dict):
            raise SettingsError(f"{file} must be a mapping of keys and values")
    try:
        return Settings(**data)
    except ValidationError as error:
        where = f"{file}: " if file else ""
        raise SettingsError("\n".join(f"{where}{_explained(detail)}" for detail in error.errors())) from None


def _explained(detail: Any) -> str:
    path = ".".join(str(part) for part in detail["loc"])
    message = str(detail["msg"]).removeprefix("Value error, ")
    if detail["type"] == "extra_forbidden":
        message = "unknown key: remove it"
    return f"{path}: {message}" if path else message


def secret(value: SecretStr | None) -> str | None:
    """The text of a secret, for the one place that sends it."""
    return value.get_secret_value() if value else None


def paths_in(settings: Settings, given: Sequence[Path] | None) -> list[Path]:
    """The SLO files named on the command line, else those of the settings."""
    return list(given) if given else list(settings.slos)
