"""``watchdog``, ``heartbeat`` and ``alertmanager``."""

from __future__ import annotations

from typing import Annotated, Any, Literal

from pydantic import BeforeValidator, Field, GetJsonSchemaHandler, SecretStr, field_validator, model_validator
from pydantic.json_schema import JsonSchemaValue
from pydantic_core.core_schema import CoreSchema

from slo_engine.connect import Connection
from slo_engine.connection_settings import (
    ConnectionSettings,
    HttpUrl,
    PageUrl,
    SettingsSection,
    WebhookUrlSettings,
    fits_into_a_header,
    one_of_keys,
)
from slo_engine.definitions.duration import Duration


def _at_least(seconds: float, duration: Duration) -> Duration:
    if duration.seconds < seconds:
        raise ValueError(f"must be {seconds:g}s or more")
    return duration


def _as_list(value: Any) -> Any:
    return [value] if isinstance(value, str) else value


class WatchdogSettings(SettingsSection):
    """``watchdog``: the alert that always fires."""

    alert: Annotated[str, Field(min_length=1, max_length=200)] = "Watchdog"
    """The alert that always fires."""
    silent_after: Duration = Duration.parse("5m")
    """How long it may stay away; a minute or more."""
    expect: Literal["auto", "always", "never"] = "auto"
    """From when on it is expected: its first arrival (auto), the start of the engine (always), or never."""

    @field_validator("silent_after")
    @classmethod
    def _is_longer_than_its_rhythm(cls, silent_after: Duration) -> Duration:
        return _at_least(60, silent_after)


class HeartbeatSettings(WebhookUrlSettings):
    """``heartbeat``: the service outside that raises an alarm when it hears nothing. Whoever knows its address may
    silence that."""

    interval: Duration = Duration.parse("60s")
    """How often it is sent; 10s or more."""
    token: SecretStr | None = None
    """A bearer token."""

    @field_validator("interval")
    @classmethod
    def _leaves_time_for_a_request(cls, interval: Duration) -> Duration:
        return _at_least(10, interval)

    _token_fits_into_a_header = field_validator("token")(fits_into_a_header)

    def connection(self) -> Connection:
        """How the service is reached."""
        token = self.token.get_secret_value() if self.token else None
        return self._connection(self.url.get_secret_value(), token=token, is_url_secret=True)


class AlertmanagerSettings(ConnectionSettings):
    """``alertmanager``: the one before the engine, or each of a cluster, all with the same credentials."""

    urls: tuple[HttpUrl, ...] = ()
    """Each of a cluster, instead of ``url``."""
    public_url: PageUrl | None = None
    """Where people open Alertmanager, for links; else ``url``."""
    receivers: Annotated[tuple[str, ...], BeforeValidator(_as_list, json_schema_input_type=str | list[str])] = ()
    """The receivers that post to this engine; name them where Alertmanager hides addresses (0.26 and later)."""
    source: str | None = None
    """The source of ``webhook.sources`` under which they post."""

    @model_validator(mode="before")
    @classmethod
    def _first_of_several(cls, data: Any) -> Any:
        if isinstance(data, dict) and "url" not in data and isinstance(data.get("urls"), list) and data["urls"]:
            return {**data, "url": data["urls"][0]}
        return data

    @classmethod
    def __get_pydantic_json_schema__(cls, schema: CoreSchema, handler: GetJsonSchemaHandler) -> JsonSchemaValue:
        made = super().__get_pydantic_json_schema__(schema, handler)
        section = handler.resolve_ref_schema(made)
        section["required"] = [key for key in section["required"] if key != "url"]
        section.setdefault("allOf", []).append(one_of_keys("url", "urls"))
        return made

    def connections(self) -> tuple[Connection, ...]:
        """How each of them is reached."""
        token = self.token.get_secret_value() if self.token else None
        pair = self.basic_auth.pair() if self.basic_auth else None
        return tuple(
            self._connection(url, token=token, basic_auth=pair) for url in dict.fromkeys((self.url, *self.urls))
        )
