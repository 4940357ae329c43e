"""Who may post, and to which source."""

from __future__ import annotations

import base64
import logging
from pathlib import Path

import pytest
from pydantic import ValidationError
from sqlalchemy import select

from slo_engine import telemetry
from slo_engine.engine import doors_of
from slo_engine.settings import WebhookSettings, load_settings, secrets_of
from slo_engine.store.tables import inbox as table
from tests.alerts.payloads import body
from tests.web.site import Site

WEBHOOK = "/webhooks/alertmanager"


def basic(user: str, password: str) -> str:
    return "Basic " + base64.b64encode(f"{user}:{password}".encode()).decode()


def site_of(folder: Path, **webhook: object) -> Site:
    return Site(folder, doors=doors_of(WebhookSettings(**webhook)))


def status(site: Site, path: str = WEBHOOK, authorization: str | None = None, **headers: str) -> int:
    if authorization is not None:
        headers["authorization"] = authorization
    return site.ask("POST", path, content=body(), headers=headers).status_code


def sources(site: Site) -> list[str]:
    rows = site.database.read(lambda found: found.execute(select(table.c.source).order_by(table.c.id)).scalars().all())
    return list(rows)


@pytest.mark.parametrize(
    ("shown", "expected"),
    [
        ("Bearer in-use", 200),
        ("Bearer to-come", 200),
        ("bearer  in-use", 200),
        (basic("alertmanager", "pass:word"), 200),
        (basic("alertmanager", "new"), 200),
        (None, 401),
        ("", 401),
        ("Bearer", 401),
        ("Bearer in-us", 401),
        ("Bearer in-use2", 401),
        ("Token in-use", 401),
        (basic("alertmanager", "old"), 401),
        (basic("nobody", "pass:word"), 401),
        (basic("", ""), 401),
        ("Basic not base64", 401),
        ("Bearer alertmanager:new", 401),
        ("Basic " + base64.b64encode(b"in-use").decode(), 401),
        ("Bearer \u00e9\u00ff", 401),
    ],
)
def test_either_of_two_secrets_opens_the_door_and_nothing_else(
    tmp_path: Path, shown: str | None, expected: int
) -> None:
    users = {"username": "alertmanager", "password": "pass:word", "next_password": "new"}
    site = site_of(tmp_path, token="in-use", next_token="to-come", basic_auth=users)
    headers = {} if shown is None else {"authorization": shown.encode("latin-1")}
    answer = site.ask("POST", WEBHOOK, content=body(), headers=headers)
    assert answer.status_code == expected
    assert len(site.stored()) == (expected == 200)
    if expected == 401:
        assert answer.headers.get_list("www-authenticate") == ["Bearer", 'Basic realm="slo-engine"']


def test_two_authorizations_in_one_request_open_nothing(tmp_path: Path) -> None:
    site = site_of(tmp_path, token="in-use")
    both = [("authorization", "Bearer in-use"), ("authorization", "Bearer other")]
    assert site.ask("POST", WEBHOOK, content=body(), headers=both).status_code == 401


def test_the_credentials_of_a_source_open_its_own_door_alone(tmp_path: Path) -> None:
    named = [{"name": "eu", "token": "of-eu"}, {"name": "us", "basic_auth": {"username": "us", "password": "of-us"}}]
    site = site_of(tmp_path, token="of-all", sources=named)
    tried = [
        status(site, f"{WEBHOOK}/eu", "Bearer of-eu"),
        status(site, f"{WEBHOOK}/us", basic("us", "of-us")),
        status(site, WEBHOOK, "Bearer of-all"),
        status(site, f"{WEBHOOK}/eu/", "Bearer of-eu"),
    ]
    assert tried == [200, 200, 200, 200]
    assert sources(site) == ["eu", "us", "", "eu"]
    refused = [
        status(site, f"{WEBHOOK}/us", "Bearer of-eu"),
        status(site, f"{WEBHOOK}/eu", "Bearer of-all"),
        status(site, WEBHOOK, "Bearer of-eu"),
        status(site, f"{WEBHOOK}/elsewhere", "Bearer of-eu"),
    ]
    assert refused == [401, 401, 401, 401]


def test_a_source_that_is_not_configured_is_accepted_from_who_may_post_and_counted(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    site = site_of(tmp_path, token="of-all", sources=[{"name": "eu", "token": "of-eu"}])
    before = telemetry.REGISTRY.get_sample_value("slo_engine_webhook_unknown_sources_total") or 0
    with caplog.at_level(logging.WARNING):
        for path in ("ue", "ue", "a%00b", "x" * 200):
            assert status(site, f"{WEBHOOK}/{path}", "Bearer of-all") == 200
    assert sources(site) == ["ue", "ue", "a?b", "x" * 63]
    assert telemetry.REGISTRY.get_sample_value("slo_engine_webhook_unknown_sources_total") == before + 4
    assert [record.getMessage() for record in caplog.records if "webhook.sources" in record.getMessage()] == [
        "1 notifications from sources that webhook.sources does not name, the last one 'ue': accepted"
    ]


def test_with_credentials_for_sources_alone_the_unnamed_door_opens_to_nobody(tmp_path: Path) -> None:
    site = site_of(tmp_path, sources=[{"name": "eu", "token": "of-eu"}])
    assert status(site) == 401
    assert status(site, authorization="Bearer of-eu") == 401
    assert status(site, f"{WEBHOOK}/unknown") == 401
    assert status(site, f"{WEBHOOK}/eu", "Bearer of-eu") == 200


def test_a_page_in_a_browser_cannot_post_nor_reload(tmp_path: Path) -> None:
    site = Site(tmp_path)
    assert status(site, origin="https://evil.example") == 403
    assert status(site, origin="null") == 403
    assert site.ask("POST", "/-/reload", headers={"origin": "https://evil.example"}).status_code == 403
    assert site.stored() == []
    assert site.ask("POST", "/-/reload").status_code == 200


def test_reload_wants_the_credentials_of_the_unnamed_door(tmp_path: Path) -> None:
    site = site_of(tmp_path, token="of-all", sources=[{"name": "eu", "token": "of-eu"}])
    answers = [
        site.ask("POST", "/-/reload", headers={"authorization": f"Bearer {token}"}).status_code
        for token in ("of-eu", "of-all")
    ]
    assert answers == [401, 200]


@pytest.mark.parametrize("method", ["GET", "PUT", "DELETE", "HEAD", "OPTIONS", "PATCH"])
def test_notifications_are_posted_and_nothing_else(tmp_path: Path, method: str) -> None:
    answer = Site(tmp_path).ask(method, WEBHOOK)
    assert (answer.status_code, answer.headers["allow"]) == (405, "POST")


def test_refusals_are_counted_and_logged_once_a_minute(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    site = Site(tmp_path, token="t0ken")
    refused = {"result": "refused"}
    before = telemetry.REGISTRY.get_sample_value("slo_engine_webhook_requests_total", refused) or 0
    with caplog.at_level(logging.WARNING):
        for _ in range(50):
            assert status(site, authorization="Bearer gu3ssed") == 401
    assert telemetry.REGISTRY.get_sample_value("slo_engine_webhook_requests_total", refused) == before + 50
    said = [record.getMessage() for record in caplog.records if record.name.startswith("slo_engine")]
    why = "401, the credentials are missing or wrong: set http_config"
    assert said == [f"1 requests to the webhook refused, the last from 127.0.0.1: {why}"]
    assert "gu3ssed" not in caplog.text


@pytest.mark.parametrize(
    ("webhook", "reason"),
    [
        ({"next_token": "x"}, "next_token: set token too"),
        ({"token": "two\nlines"}, "one line of printable ASCII"),
        ({"token": ""}, "token is empty"),
        ({"basic_auth": {"username": "a:b", "password": "x"}}, "colon"),
        ({"sources": [{"name": "eu"}, {"name": "eu"}]}, "two sources have the same name"),
        ({"token": "x", "sources": [{"name": "eu"}]}, "eu: set token or basic_auth"),
        ({"sources": [{"name": "eu", "token": "x"}, {"name": "us"}]}, "us: set token or basic_auth"),
        ({"sources": [{"name": "a/b"}]}, "pattern"),
    ],
)
def test_settings_that_would_leave_a_door_open_by_mistake_are_rejected(webhook: dict[str, object], reason: str) -> None:
    with pytest.raises(ValidationError, match=reason):
        WebhookSettings(**webhook)


def test_secrets_are_read_from_files_and_known_to_the_logs(tmp_path: Path) -> None:
    (tmp_path / "new").write_text("of-a-file\n")
    (tmp_path / "slo-engine.yaml").write_text(
        f"webhook:\n  token: in-the-settings\n  next_token_file: {tmp_path / 'new'}\n"
        f"  sources:\n    - {{name: eu, basic_auth: {{username: eu, password_file: {tmp_path / 'new'}}}}}\n"
    )
    settings = load_settings(tmp_path / "slo-engine.yaml")
    assert settings.webhook.tokens() == ["in-the-settings", "of-a-file"]
    assert settings.webhook.sources[0].users() == [("eu", "of-a-file")]
    assert {"in-the-settings", "of-a-file", basic("eu", "of-a-file").removeprefix("Basic ")} <= set(
        secrets_of(settings)
    )
    assert "of-a-file" not in repr(settings)
