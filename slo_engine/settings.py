"""Settings: one YAML file, every key overridable by ``SLO_ENGINE_...``, secrets from the environment or from files.

``SLO_ENGINE_LANGFUSE__SECRET_KEY=...`` sets ``langfuse.secret_key``; ``langfuse.secret_key_file`` names a file to read
it from. Secrets are ``SecretStr``: they print as stars.
"""

from __future__ import annotations

import base64
import os
from collections.abc import Collection, Iterator, Mapping, Sequence
from contextvars import ContextVar
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Literal, Self, Union
from urllib.parse import quote

import yaml
from pydantic import (
    BaseModel,
    BeforeValidator,
    Field,
    GetJsonSchemaHandler,
    IPvAnyNetwork,
    SecretStr,
    StringConstraints,
    ValidationError,
    field_validator,
    model_validator,
)
from pydantic.fields import FieldInfo
from pydantic.json_schema import JsonSchemaValue
from pydantic_core import ErrorDetails
from pydantic_core.core_schema import CoreSchema
from pydantic_settings import (
    BaseSettings,
    EnvSettingsSource,
    NoDecode,
    PydanticBaseSettingsSource,
    SettingsConfigDict,
)
from pydantic_settings import SettingsError as EnvironmentValueError

from slo_engine.connect import Connection
from slo_engine.connection_settings import (
    BasicAuth,
    ConnectionSettings,
    HttpUrl,
    LangFuseUrl,
    PageUrl,
    SettingsSection,
    TransportSettings,
    fits_into_a_header,
)
from slo_engine.definitions.duration import Duration
from slo_engine.definitions.files import Stream
from slo_engine.delivery.route_settings import MatchSettings, RouteSettings
from slo_engine.delivery.sink import SinkSettings
from slo_engine.delivery.sinks import SINKS
from slo_engine.errors import SloEngineError
from slo_engine.logs import Form, Level
from slo_engine.notifications.routes import Routes
from slo_engine.posts.settings import BudgetPolicySettings, PostsSettings
from slo_engine.watch.settings import AlertmanagerSettings, HeartbeatSettings, WatchdogSettings

PREFIX = "SLO_ENGINE_"


class SettingsError(SloEngineError):
    """Settings that cannot be used: all mistakes at once."""


def _as_paths(value: Any) -> Any:
    """One path, several with commas between them (as the environment has them), or a list."""
    return [part.strip() for part in value.split(",") if part.strip()] if isinstance(value, str) else value


class PrometheusSettings(ConnectionSettings):
    """``prometheus``"""

    url: HttpUrl = "http://127.0.0.1:9090"
    """Prometheus, or anything with its query API; a path in front of the API is kept."""
    public_url: PageUrl | None = None
    """Where people open Prometheus, for links; else ``url``."""


class GrafanaSettings(SettingsSection):
    """``grafana``: the Grafana that has the dashboards of docs/dashboards.md."""

    public_url: PageUrl
    """Where people open it, for links."""


class LangFuseSettings(TransportSettings):
    """``langfuse``: all three of ``url``, ``public_key`` and ``secret_key``, or nothing."""

    url: LangFuseUrl | None = None
    """The server that the agents write their traces to."""
    public_key: str | None = None
    """Of the project that the agents write to."""
    secret_key: SecretStr | None = None
    """Of the same project."""
    public_url: LangFuseUrl | None = None
    """Where people open LangFuse, for links; else ``url``."""

    @property
    def missing(self) -> list[str]:
        """What LangFuse cannot be read without."""
        return [name for name in ("url", "public_key", "secret_key") if getattr(self, name) is None]

    def connection(self) -> Connection | None:
        """How LangFuse is reached: its keys are user and password. None while some are missing."""
        if self.url is None or self.public_key is None or self.secret_key is None:
            return None
        return self._connection(self.url, basic_auth=(self.public_key, self.secret_key.get_secret_value()))


class ListenSettings(SettingsSection):
    """``listen``"""

    host: str = "127.0.0.1"
    """The address that the engine listens on."""
    port: Annotated[int, Field(ge=0, le=65535)] = 8090
    """The port that the engine listens on."""


class SenderAuth(BasicAuth):
    """``basic_auth`` of who posts: one user, with up to two passwords that are valid."""

    next_password: SecretStr | None = None
    """A second one that is valid, too, while they are exchanged."""


class DoorSettings(SettingsSection):
    """What must be shown to post. Two secrets of a kind are valid at a time, so that one can be exchanged without an
    hour in which neither fits."""

    token: SecretStr | None = None
    """The bearer token that must be shown to post."""
    next_token: SecretStr | None = None
    """A second one that is valid, too, while they are exchanged."""
    basic_auth: SenderAuth | None = None
    """User and password, instead of tokens or beside them."""

    _tokens_fit_into_a_header = field_validator("token", "next_token")(fits_into_a_header)

    @model_validator(mode="after")
    def _the_next_one_follows_another(self) -> Self:
        if self.next_token is not None and self.token is None:
            raise ValueError("next_token: set token too, the one that is in use")
        return self

    def tokens(self) -> list[str]:
        """Each bearer token that is valid."""
        return [each.get_secret_value() for each in (self.token, self.next_token) if each is not None]

    def users(self) -> list[tuple[str, str]]:
        """Each pair of user and password that is valid."""
        if self.basic_auth is None:
            return []
        found = (self.basic_auth.password, self.basic_auth.next_password)
        return [(self.basic_auth.username, each.get_secret_value()) for each in found if each is not None]

    @property
    def has_credentials(self) -> bool:
        """Whether anything must be shown."""
        return self.token is not None or self.basic_auth is not None


class SourceSettings(DoorSettings):
    """One of ``webhook.sources``: an Alertmanager, or a pair of them, with an address and credentials of its own."""

    name: Annotated[str, Field(pattern=r"^[a-z0-9][a-z0-9_-]{0,62}$")]
    """It posts to /webhooks/alertmanager/<name>."""


class WebhookSettings(DoorSettings):
    """``webhook``: what Alertmanager must show to post."""

    sources: tuple[SourceSettings, ...] = ()
    """Alertmanagers that post to an address of their own, with credentials of their own."""

    @model_validator(mode="after")
    def _no_source_is_open_beside_others_that_are_not(self) -> Self:
        names = [each.name for each in self.sources]
        if len(set(names)) < len(names):
            raise ValueError("sources: two sources have the same name")
        if self.has_credentials or any(each.has_credentials for each in self.sources):
            for each in self.sources:
                if not each.has_credentials:
                    raise ValueError(f"sources: {each.name}: set token or basic_auth, as the others have")
        return self


class ProxySettings(SettingsSection):
    """``access.proxy``: a proxy in front that knows who people are, such as oauth2-proxy."""

    header: Annotated[str, StringConstraints(pattern=r"^[A-Za-z0-9-]{1,100}$")] = "X-Forwarded-User"
    """The header in which the proxy says who somebody is."""
    networks: tuple[IPvAnyNetwork, ...] = Field(min_length=1)
    """Where the proxy is: from elsewhere its header counts for nothing."""


class AccessSettings(SettingsSection):
    """``access``: who may read the pages and the API, and act on the pages. Without it everybody may read."""

    token: SecretStr | None = None
    """What the login page asks for, and scripts send as a bearer token."""
    proxy: ProxySettings | None = None
    """A proxy in front that knows who people are, such as oauth2-proxy."""

    _token_fits_into_a_header = field_validator("token")(fits_into_a_header)


class StatusSettings(SettingsSection):
    """``status``"""

    interval: Duration = Duration.parse("60s")
    """How often all SLOs are evaluated."""


class LogSettings(SettingsSection):
    """``log``"""

    level: Level = "info"
    """What is logged: this, and what is worse."""
    format: Form = "auto"
    """As what: text on a terminal and JSON elsewhere (``auto``), or one of the two."""

    @field_validator("level", mode="before")
    @classmethod
    def _as_others_write_it(cls, value: Any) -> Any:
        return value.lower() if isinstance(value, str) else value


class EvidenceSettings(SettingsSection):
    """``evidence``"""

    budget: Duration = Duration.parse("5s")
    """After this a notification leaves with the evidence there is."""


class StoreSettings(SettingsSection):
    """``store``"""

    url: str = "sqlite:///slo-engine.db"
    """sqlite:///<file>, where four slashes make the path absolute; or postgresql://<user>@<host>/<database>."""
    password: SecretStr | None = None
    """Of the user in ``url``."""

    @field_validator("url")
    @classmethod
    def _url_holds_no_password(cls, url: str) -> str:
        if "@" in url and ":" in url.partition("://")[2].rpartition("@")[0]:
            raise ValueError("holds a password, and addresses are shown: write it in store.password or password_file")
        return url

    @property
    def address(self) -> str:
        """The URL with the password, for the one place that connects."""
        if self.password is None:
            return self.url
        scheme, _, rest = self.url.partition("://")
        user, at, where = rest.rpartition("@")
        return f"{scheme}://{user}:{quote(self.password.get_secret_value(), safe='')}{at}{where}"

    @model_validator(mode="after")
    def _password_has_its_user(self) -> Self:
        if self.password is not None and "@" not in self.url:
            raise ValueError("password: url names no user: write postgresql://<user>@<host>/<database>")
        return self


class RulerSettings(ConnectionSettings):
    """``rules.ruler``: the ruler API of Mimir or Cortex."""

    api: Literal["mimir", "cortex"] = "mimir"
    """Whose ruler it is."""
    api_path: str | None = None
    """Where the API of the ruler begins, if not where it usually does."""
    namespace: str | None = None
    """The namespace of all rule groups, instead of one for each service."""


class RulesSettings(SettingsSection):
    """``rules``: where the engine rolls out the generated rules; with neither key it does not."""

    write_to: Path | None = None
    """The folder to which the engine writes the generated rules; it belongs to the engine."""
    reload: bool = True
    """Whether it reloads Prometheus after a change."""
    ruler: RulerSettings | None = None
    """The ruler of Mimir or Cortex that gets them instead."""

    @field_validator("write_to", mode="before")
    @classmethod
    def _a_folder(cls, value: Any) -> Any:
        # An empty one would be the working directory.
        if isinstance(value, str) and not value.strip():
            raise ValueError("is empty: name a folder for the rules alone, or remove the key")
        return value

    @model_validator(mode="after")
    def _one_place(self) -> Self:
        if self.write_to is not None and self.ruler is not None:
            raise ValueError("write_to and ruler: set one of them")
        return self


if TYPE_CHECKING:
    AnySinkSettings = SinkSettings
else:
    # Of the types in the table, the one that `type` names.
    AnySinkSettings = Annotated[
        Union[tuple(row.settings for row in SINKS.values())],  # noqa: UP007 - it is made of a table
        Field(discriminator="type"),
    ]


_SECTIONS: ContextVar[Collection[str] | None] = ContextVar("sections of the settings that are read", default=None)


class _Environment(EnvSettingsSource):
    """The environment, in which text is JSON where it begins as a list or a mapping does, and else itself: ``15s`` is a
    duration without quotes."""

    def __init__(self, settings_cls: type[BaseSettings]) -> None:
        super().__init__(settings_cls)
        if (sections := _SECTIONS.get()) is not None:
            wanted = tuple(f"{PREFIX}{each}".lower() for each in sections)
            kept = {name: text for name, text in self.env_vars.items() if name.lower().partition("__")[0] in wanted}
            self.env_vars = kept

    def decode_complex_value(self, field_name: str, field: FieldInfo, value: Any) -> Any:
        is_json = isinstance(value, str) and value.lstrip()[:1] in ("[", "{", '"')
        return super().decode_complex_value(field_name, field, value) if is_json else value


class Settings(BaseSettings):
    """All settings of ``slo-engine serve`` and of the commands that need an address."""

    model_config = SettingsConfigDict(
        env_prefix=PREFIX, env_nested_delimiter="__", extra="forbid", frozen=True, hide_input_in_errors=True
    )

    slos: Annotated[list[Path], NoDecode, BeforeValidator(_as_paths, json_schema_input_type=str | list[str])] = [
        Path("slos")
    ]
    """SLO files, and folders of them; read again when they change."""
    prometheus: PrometheusSettings = PrometheusSettings()
    """Where the metrics are."""
    langfuse: LangFuseSettings = LangFuseSettings()
    """Where the traces are; without it notifications come without traces."""
    store: StoreSettings = StoreSettings()
    """Where the engine keeps what it has taken and not yet delivered."""
    listen: ListenSettings = ListenSettings()
    """Where the engine listens."""
    log: LogSettings = LogSettings()
    """How much the engine logs, and as what."""
    webhook: WebhookSettings = WebhookSettings()
    """What must be shown to post to the engine."""
    access: AccessSettings = AccessSettings()
    """Who may read the pages and the API, and act on the pages; without it everybody may read."""
    status: StatusSettings = StatusSettings()
    """How often SLOs are evaluated."""
    evidence: EvidenceSettings = EvidenceSettings()
    """How long a notification waits for its evidence."""
    rules: RulesSettings = RulesSettings()
    """Where the engine rolls out the generated rules; with neither key it does not."""
    sinks: list[AnySinkSettings] = []
    """Where notifications go. See docs/sinks.md."""
    routes: list[RouteSettings] = []
    """Which sinks get what; without routes every sink gets every notification."""
    posts: PostsSettings = PostsSettings()
    """Digests, reports, and what the engine says about budgets by itself. See docs/posts.md."""
    budget_policies: list[BudgetPolicySettings] = []
    """What holds while little of a budget is left."""
    public_url: HttpUrl | None = None
    """Where people open the engine, for links."""
    watchdog: WatchdogSettings = WatchdogSettings()
    """The alert that always fires: its silence is told."""
    heartbeat: HeartbeatSettings | None = None
    """The service outside that raises an alarm when it hears nothing."""
    alertmanager: AlertmanagerSettings | None = None
    """The Alertmanager before the engine, to compare what it has with what arrived."""
    grafana: GrafanaSettings | None = None
    """The Grafana that has the dashboards, for links."""

    @model_validator(mode="after")
    def _sinks_that_are_named_are_there(self) -> Self:
        sections = _SECTIONS.get()
        if sections is not None and "sinks" not in sections:
            return self
        names = [sink.name for sink in self.sinks]
        if len(set(names)) < len(names):
            raise ValueError("sinks: two sinks have the same name")
        for place, named in self._named_sinks():
            if named not in names:
                known = f"write one of {', '.join(names)}" if names else "no sink is configured"
                raise ValueError(f"{place}: there is no sink {named!r}; {known}")
        for sink in self.sinks:
            if sink.fallback == sink.name:
                raise ValueError(f"sinks: {sink.name}: fallback names the sink itself")
        takes_no_posts = {sink.name: sink for sink in self.sinks if not sink.TAKES_POSTS}
        for place, named in self._named_by_posts():
            if named in takes_no_posts:
                raise ValueError(f"{place}: {named} is a sink of alerts, and takes no posts: name another one")
        for number, route in enumerate(self.routes[:-1]):
            if route.match == MatchSettings() and not route.go_on:
                raise ValueError(
                    f"routes.{number}: it takes everything, so those after it are never asked: put it last"
                )
        return self

    def _named_sinks(self) -> Iterator[tuple[str, str]]:
        """Wherever sinks are named, and by which names."""
        yield from ((f"sinks: {each.name}: fallback", each.fallback) for each in self.sinks if each.fallback)
        for number, route in enumerate(self.routes):
            yield from ((f"routes.{number}.sinks", sink) for sink in route.sinks)
        yield from self._named_by_posts()

    def _named_by_posts(self) -> Iterator[tuple[str, str]]:
        for schedule in self.posts.schedules:
            yield from ((f"posts.schedules: {schedule.name}: sinks", sink) for sink in schedule.sinks)
        if self.posts.crossings is not None:
            yield from (("posts.crossings.sinks", sink) for sink in self.posts.crossings.sinks)
        for number, policy in enumerate(self.budget_policies):
            for step in policy.steps:
                yield from ((f"budget_policies.{number}: tell", sink) for sink in step.tell)

    @classmethod
    def __get_pydantic_json_schema__(cls, schema: CoreSchema, handler: GetJsonSchemaHandler) -> JsonSchemaValue:
        made = handler(schema)
        _leave_to_the_environment(made, handler)
        return made

    @classmethod
    def settings_customise_sources(  # the signature is pydantic-settings'
        cls,
        settings_cls: type[BaseSettings],
        init_settings: PydanticBaseSettingsSource,
        env_settings: PydanticBaseSettingsSource,  # noqa: ARG003
        dotenv_settings: PydanticBaseSettingsSource,  # noqa: ARG003
        file_secret_settings: PydanticBaseSettingsSource,  # noqa: ARG003
    ) -> tuple[PydanticBaseSettingsSource, ...]:
        """The environment goes over the file, which is handed in as the initial values."""
        return _Environment(settings_cls), init_settings


def _leave_to_the_environment(place: JsonSchemaValue, handler: GetJsonSchemaHandler) -> None:
    """Require no key of a section: the environment may have what the file leaves out, but for what stands in a list."""
    section = handler.resolve_ref_schema(place)
    section.pop("required", None)
    section.pop("allOf", None)
    for key in section["properties"].values():
        for each in (key, *key.get("anyOf", ())):
            if "$ref" in each:
                _leave_to_the_environment(each, handler)


class _TwiceError(Exception):
    """A key that stands twice in one mapping: the last one would go over the first without a word."""


class _Loader(yaml.SafeLoader):
    def construct_mapping(self, node: yaml.MappingNode, deep: bool = False) -> dict[Any, Any]:
        seen: set[Any] = set()
        for key, _ in node.value:
            name = key.value if isinstance(key, yaml.ScalarNode) else None
            if name is not None and name != "<<" and name in seen:
                mark = key.start_mark
                raise _TwiceError(f"{mark.line + 1}:{mark.column + 1}: the key {name!r} stands twice: remove one")
            seen.add(name)
        return super().construct_mapping(node, deep)


def load_settings(file: Path | None, *, sections: Collection[str] | None = None) -> Settings:
    """Read the settings file, if there is one, and the environment. Raises SettingsError with every mistake.

    ``sections``: all that is read; None: everything. Who asks Prometheus for a status need not be allowed to read the
    credentials of sinks."""
    data: Any = {}
    if file is not None:
        try:
            data = yaml.load(file.read_text(), _Loader) or {}  # noqa: S506 - a safe loader
        except (OSError, UnicodeDecodeError) as error:
            why = error.strerror if isinstance(error, OSError) else "it is not UTF-8"
            raise SettingsError(f"{file} cannot be read: {why}") from None
        except _TwiceError as error:
            raise SettingsError(f"{file}:{error}") from None
        except yaml.YAMLError as error:
            # The parser quotes what it stumbled over, which may be a secret: only the place is told.
            mark = getattr(error, "problem_mark", None)
            where = f"{file}:{mark.line + 1}:{mark.column + 1}" if mark else str(file)
            raise SettingsError(f"{where} is not readable as YAML: check quotes, brackets and indentation") from None
        if not isinstance(data, dict) or not all(isinstance(key, str) for key in data):
            raise SettingsError(f"{file} must be a mapping of keys and values")
    mistakes = _unknown_variables()
    read = _SECTIONS.set(sections)
    try:
        settings = Settings(**_wanted(data))
    except ValidationError as error:
        mistakes += [_explained(detail, file) for detail in error.errors()]
    except EnvironmentValueError as error:
        name = f"{PREFIX}{str(error).split(chr(34))[1].upper()}"
        mistakes.append(f"{name}: must be JSON, in quotes for the shell")
    finally:
        _SECTIONS.reset(read)
    if mistakes:
        raise SettingsError("\n".join(mistakes))
    return settings


def _wanted(data: Mapping[str, Any]) -> dict[str, Any]:
    """Without the sections that are not read. What is no section stays, and is told as a mistake."""
    sections = _SECTIONS.get()
    left_out = () if sections is None else Settings.model_fields.keys() - set(sections)
    return {name: value for name, value in data.items() if name not in left_out}


def _unknown_variables() -> list[str]:
    known = {name.upper() for name in Settings.model_fields} | {"CONFIG", "ADDRESS"}
    return [
        f"{name}: there is no such setting; docs/settings.md lists them"
        for name in sorted(os.environ)
        if name.startswith(PREFIX) and name.removeprefix(PREFIX).partition("__")[0] not in known
    ]


def _explained(detail: ErrorDetails, file: Path | None) -> str:
    # pydantic puts the type of a sink into the path, where no key of that name stands.
    place = [part for number, part in enumerate(detail["loc"]) if not (number == 2 and detail["loc"][0] == "sinks")]
    if detail["type"].startswith("union_tag"):
        place.append("type")
    path = ".".join(str(part) for part in place)
    variable = PREFIX + "__".join(str(part).upper() for part in place)
    message = _WORDS.get(detail["type"], str(detail["msg"]).removeprefix("Value error, "))
    if variable in os.environ:
        return f"{variable}: {message}"
    where = f"{file}: " if file else ""
    return f"{where}{path}: {message}" if path else f"{where}{message}"


_TYPES = " or ".join(SINKS)

_WORDS = {
    "extra_forbidden": "unknown key: remove it; docs/settings.md, docs/sinks.md and docs/posts.md list the keys",
    "missing": "is missing: add it",
    "union_tag_invalid": f"there is no such sink: write {_TYPES}",
    "union_tag_not_found": f"is missing: write {_TYPES}",
    "string_pattern_mismatch": "must be lower-case letters, digits, - and _",
    "string_type": "must be text: put it in quotes",
    "list_type": "must be a list",
    "tuple_type": "must be a list",
    "dict_type": "must be a mapping of keys and values",
    "model_type": "must be a mapping of keys and values",
    "model_attributes_type": "must be a mapping of keys and values",
    "float_parsing": "must be a number alone",
}


def secrets_of(settings: BaseModel) -> list[str]:
    """Every secret in the settings, found by its type, and the forms in which it is sent: what no log may show."""
    return sorted({text for text in _secrets_in(settings) if text}, key=len, reverse=True)


def _secrets_in(value: Any) -> Iterator[str]:
    if isinstance(value, SecretStr):
        yield value.get_secret_value()
    elif isinstance(value, BaseModel):
        for name in type(value).model_fields:
            yield from _secrets_in(getattr(value, name))
        if isinstance(value, TransportSettings) and (connection := value.connection()) is not None:
            yield from connection.secrets
        if isinstance(value, DoorSettings):
            yield from (base64.b64encode(":".join(pair).encode()).decode() for pair in value.users())
    elif isinstance(value, Mapping):
        for each in value.values():
            yield from _secrets_in(each)
    elif isinstance(value, list | tuple | set | frozenset):
        for each in value:
            yield from _secrets_in(each)


def routes_of(settings: Settings) -> Routes:
    """Which sinks get what."""
    return Routes(tuple(each.route() for each in settings.routes), tuple(sink.name for sink in settings.sinks))


def paths_in(settings: Settings, given: Sequence[Path | Stream] | None) -> list[Path | Stream]:
    """The SLO files named on the command line, else those of the settings."""
    return list(given) if given else list(settings.slos)
