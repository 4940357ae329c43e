"""The block of a connection in the settings: what it takes, what it refuses, and that no secret is forgotten."""

from __future__ import annotations

import base64
from pathlib import Path
from typing import Any

import pytest
import yaml
from pydantic import BaseModel, SecretStr

from slo_engine.delivery.sinks.webhook import WebhookSinkSettings
from slo_engine.settings import Settings, SettingsError, load_settings, secrets_of

CREDENTIALS = "must not hold credentials: remove them from the address and write "


def loaded(folder: Path, data: dict[str, Any]) -> Settings:
    file = folder / "settings.yaml"
    file.write_text(yaml.safe_dump(data))
    return load_settings(file)


def refusal(folder: Path, data: dict[str, Any]) -> str:
    with pytest.raises(SettingsError) as caught:
        loaded(folder, data)
    return str(caught.value).removeprefix(f"{folder / 'settings.yaml'}: ")


def test_the_whole_block_reaches_the_connection(tmp_path: Path) -> None:
    (tmp_path / "password").write_text("hunter22\n")
    (tmp_path / "key").write_text("k3y-of-the-gateway\n")
    block = {
        "url": "https://mimir:9009/prometheus/",
        "basic_auth": {"username": "robot", "password_file": str(tmp_path / "password")},
        "headers": {"X-Scope-OrgID": "team", "X-Key_file": str(tmp_path / "key"), "X-Number": 7},
        "insecure_skip_verify": True,
        "proxy": "http://proxy:3128",
        "proxy_auth": {"username": "me", "password": "pr0xy-pass"},
        "timeout": "1m",
    }
    sink = {"name": "hook", "type": "webhook", "url": "https://hook/path?token=abc"}
    settings = loaded(tmp_path, {"prometheus": block, "sinks": [sink]})
    connection = settings.prometheus.connection()
    assert connection.url == "https://mimir:9009/prometheus"
    assert connection.basic_auth == ("robot", "hunter22")
    assert connection.headers == {"X-Scope-OrgID": "team", "X-Key": "k3y-of-the-gateway", "X-Number": "7"}
    assert (connection.proxy, connection.proxy_auth) == ("http://proxy:3128", ("me", "pr0xy-pass"))
    assert (connection.insecure_skip_verify, connection.timeout) == (True, 60.0)
    hook = settings.sinks[0]
    assert isinstance(hook, WebhookSinkSettings)
    assert hook.connection().timeout == 15.0
    for secret in ("hunter22", "k3y-of-the-gateway", "pr0xy-pass"):
        assert secret not in repr(settings) + repr(connection)
    assert "abc" not in repr(hook.connection())


def test_langfuse_takes_the_block_with_its_keys_as_credentials(tmp_path: Path) -> None:
    keys = {"public_key": "pk", "secret_key": "sk-secret"}
    settings = loaded(tmp_path, {"langfuse": {"url": "http://lf", **keys, "headers": {"X-Gate": "open-sesame"}}})
    connection = settings.langfuse.connection()
    assert connection is not None
    assert connection.sent_headers["Authorization"] == f"Basic {base64.b64encode(b'pk:sk-secret').decode()}"
    assert connection.sent_headers["X-Gate"] == "open-sesame"
    assert loaded(tmp_path, {"langfuse": {"url": "http://lf"}}).langfuse.connection() is None


def test_the_environment_sets_parts_of_the_block(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SLO_ENGINE_PROMETHEUS__BASIC_AUTH__PASSWORD", "hunter22")
    monkeypatch.setenv("SLO_ENGINE_PROMETHEUS__HEADERS", '{"X-Scope-OrgID": "team"}')
    connection = loaded(tmp_path, {"prometheus": {"basic_auth": {"username": "robot"}}}).prometheus.connection()
    assert connection.basic_auth == ("robot", "hunter22")
    assert connection.header("x-scope-orgid") == "team"


@pytest.mark.parametrize(
    ("block", "said"),
    [
        ({"token": "a", "basic_auth": {"username": "a", "password": "b"}}, "token and basic_auth: set one of them"),
        ({"client_key": "k.pem"}, "client_key: set client_cert too"),
        ({"proxy_auth": {"username": "a", "password": "b"}}, "proxy_auth: set proxy too"),
        ({"token": "a", "headers": {"authorization": "Bearer b"}}, "headers.Authorization: remove it"),
        ({"headers": {"a b": "c"}}, "prometheus.headers: 'a b' is not the name of a header"),
        ({"headers": {"X-Key": "line\r\nbreak"}}, "prometheus.headers: X-Key must be one line of printable ASCII"),
        ({"headers": {"X-Key": "a", "x-key": "b"}}, "prometheus.headers: a header is given twice"),
        ({"headers": {"Content-Length": "3"}}, "prometheus.headers: Content-Length cannot be set"),
        ({"headers": {"Proxy-Authorization": "x"}}, "set proxy_auth instead"),
        ({"headers": {"X-Key": ""}}, "prometheus.headers: X-Key is empty"),
        ({"headers": {"X-Key_file": "/nowhere"}}, "X-Key_file cannot be read: No such file or directory"),
        ({"token": "two\nlines"}, "prometheus.token: must be one line of printable ASCII"),
        ({"basic_auth": {"username": "a:b", "password": "c"}}, "prometheus.basic_auth.username: must not"),
        ({"basic_auth": {"username": "a"}}, "prometheus.basic_auth.password: is missing: add it"),
        ({"url": "http://u:hunter22@p"}, f"prometheus.url: {CREDENTIALS}basic_auth: {{username: ..., password: ...}}"),
        ({"proxy": "http://u:hunter22@p"}, f"prometheus.proxy: {CREDENTIALS}proxy_auth: {{username"),
        ({"proxy": "socks5://p"}, "prometheus.proxy: must be an http:// or https:// address"),
        ({"url": "https://p", "ca_file": "/nowhere.pem"}, "prometheus: ca_file /nowhere.pem cannot be read: No such"),
        ({"timeout": 3}, "prometheus.timeout: is not a duration"),
    ],
)
def test_a_block_that_cannot_be_meant_is_refused_with_the_key_to_change(
    tmp_path: Path, block: dict[str, Any], said: str
) -> None:
    message = refusal(tmp_path, {"prometheus": block})
    assert said in message
    assert "hunter22" not in message


def test_credentials_in_the_address_of_langfuse_belong_into_its_keys(tmp_path: Path) -> None:
    message = refusal(tmp_path, {"langfuse": {"url": "http://pk:sk-secret@lf"}})
    assert message == f"langfuse.url: {CREDENTIALS}public_key and secret_key"


def test_a_sink_must_end_before_its_lease(tmp_path: Path) -> None:
    sink = {"name": "a", "type": "webhook", "url": "http://a", "timeout": "31s"}
    assert "sinks.0.timeout: must be at most 30s" in refusal(tmp_path, {"sinks": [sink]})


def test_every_secret_of_the_settings_is_found(tmp_path: Path) -> None:
    marks = {name: f"s3cret-{name}" for name in ("token", "header", "password", "proxy", "langfuse", "sink", "webhook")}
    settings = loaded(
        tmp_path,
        {
            "prometheus": {"token": marks["token"], "headers": {"X-Key": marks["header"], "X-Scope-OrgID": "team-a"}},
            "langfuse": {"url": "http://lf", "public_key": "pk", "secret_key": marks["langfuse"]},
            "webhook": {"token": marks["webhook"]},
            "sinks": [
                {
                    "name": "a",
                    "type": "webhook",
                    "url": "http://a",
                    "secret": base64.b64encode(marks["sink"].encode()).decode(),
                    "basic_auth": {"username": "robot", "password": marks["password"]},
                    "proxy": "http://proxy",
                    "proxy_auth": {"username": "robot", "password": marks["proxy"]},
                }
            ],
        },
    )
    found = secrets_of(settings)
    assert {marks[name] for name in ("token", "header", "password", "proxy", "langfuse", "webhook")} <= set(found)
    assert base64.b64encode(marks["sink"].encode()).decode() in found
    for pair in (f"robot:{marks['password']}", f"robot:{marks['proxy']}", f"pk:{marks['langfuse']}"):
        assert base64.b64encode(pair.encode()).decode() in found, "as the header has it"
    assert "team-a" not in found, "the name of a tenant is not a secret"


def test_a_secret_is_found_by_its_type_wherever_it_is() -> None:
    class Inner(BaseModel):
        key: SecretStr

    class Outer(BaseModel):
        one: Inner | None
        several: list[Inner | int]
        named: dict[str, tuple[SecretStr, ...]]

    data = {"one": {"key": "aaa"}, "several": [{"key": "bbb"}, 5], "named": {"x": ["ccc", "ddd"]}}
    assert set(secrets_of(Outer.model_validate(data))) == {"aaa", "bbb", "ccc", "ddd"}


def test_who_asks_prometheus_needs_no_secret_of_anybody_else(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """And no other mistake keeps him from it, but for a key that is no section."""
    file = tmp_path / "settings.yaml"
    secret = tmp_path / "not to be read"
    file.write_text(
        f"""
prometheus: {{url: http://prometheus}}
sinks: [{{name: pager, type: webhook, url: "http://pager", token_file: {secret}}}]
budget_policies: [{{steps: [{{at: 10, text: stop, tell: [pager]}}]}}]
"""
    )
    monkeypatch.setenv("SLO_ENGINE_HEARTBEAT__TOKEN", "of a heartbeat without an address")
    with pytest.raises(SettingsError, match="token_file cannot be read"):
        load_settings(file)
    assert load_settings(file, sections=("prometheus",)).prometheus.url == "http://prometheus"
    monkeypatch.setenv("SLO_ENGINE_PROMETHEUS__URL", "http://other")
    assert load_settings(file, sections=("prometheus", "slos")).prometheus.url == "http://other"
    with pytest.raises(SettingsError, match=r"heartbeat\.url: is missing"):
        load_settings(file, sections=("prometheus", "heartbeat"))
    monkeypatch.setenv("SLO_ENGINE_SINKS", "[{no JSON")
    assert load_settings(file, sections=("prometheus",)).prometheus.url == "http://other"
    with pytest.raises(SettingsError, match="SLO_ENGINE_SINKS: must be JSON"):
        load_settings(file)
    file.write_text("promethus: {url: http://prometheus}")
    with pytest.raises(SettingsError, match="promethus: unknown key"):
        load_settings(file, sections=("prometheus",))


@pytest.mark.parametrize("url", ["http://grafana/?orgId=2", "http://grafana/#top"])
def test_what_links_begin_with_has_no_query(tmp_path: Path, url: str) -> None:
    assert "grafana.public_url: has a query" in refusal(tmp_path, {"grafana": {"public_url": url}})
    assert loaded(tmp_path, {"grafana": {"public_url": "http://g/at/"}}).grafana is not None
