"""Apprise: what its services get on loopback, and that nothing of an address comes out."""

from __future__ import annotations

import asyncio
import builtins
import html
import io
import logging
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest
import yaml
from apprise.plugins.telegram import NotifyTelegram
from hypothesis import given, settings

from slo_engine.delivery import Delivered, Outcome, Retry, sink_of
from slo_engine.delivery.sinks.apprise import AppriseSink
from slo_engine.errors import SloEngineError
from slo_engine.notifications import Message
from slo_engine.settings import SettingsError, load_settings
from tests.delivery.fakes.incident import DIGEST, FIRING, INCIDENT, LINKS, MESSAGES, hostile
from tests.delivery.fakes.plain import Service, running

pytestmark = pytest.mark.filterwarnings("ignore:'imghdr' is deprecated:DeprecationWarning")  # within Apprise

BOT = "123456789:AAfakeTOKENfakeTOKENfakeTOKENfakeTO"


def send(url: str, message: Message = FIRING, **options: Any) -> Outcome:
    async def sending() -> Outcome:
        sink = AppriseSink(url, **{"timeout": 5.0, **options})
        outcome = await sink.send(message)
        await sink.close()
        return outcome

    return asyncio.run(sending())


def test_each_message_of_an_incident_is_told_with_its_type() -> None:
    service = Service()
    with running(service) as port:
        for message in INCIDENT.values():
            assert send(f"json://127.0.0.1:{port}/hook", message) == Delivered({"services": 1})
    assert [(each["type"], each["title"].partition(" ")[0]) for each in service.bodies] == [
        ("failure", "Firing"),
        ("failure", "Evidence"),
        ("failure", "Firing"),
        ("success", "Resolved"),
    ]


def test_a_message_holds_its_reason_and_all_links() -> None:
    service = Service()
    with running(service) as port:
        send(f"ntfy://127.0.0.1:{port}/topic")
    (body,) = service.bodies
    assert body["topic"] == "topic"
    assert body["title"].startswith("Firing [page]: agents success")
    for expected in ("412 of 455 failures", "Runbook: https://runbooks.example/agents/success", "/traces/7c0f3a91d2"):
        assert expected in body["message"]


def test_a_post_tells_its_budgets() -> None:
    service = Service()
    with running(service) as port:
        send(f"json://127.0.0.1:{port}/", DIGEST)
    assert service.bodies[0]["type"] == "warning"
    assert "agents spend agent_type=batch_agent: 62.0 % left" in service.bodies[0]["message"]


@pytest.fixture
def telegram(monkeypatch: pytest.MonkeyPatch) -> Any:
    service = Service(answer='{"ok": true, "result": {}}')
    with running(service) as port:
        monkeypatch.setattr(NotifyTelegram, "notify_url", f"http://127.0.0.1:{port}/bot")
        yield service


@pytest.mark.parametrize("form", ["text", "markdown"])
def test_telegram_gets_html_in_which_labels_are_words(telegram: Service, form: str) -> None:
    message = hostile("<b>bold</b> @everyone <script> *star* {{7*7}}")
    assert isinstance(send(f"tgram://{BOT}/12345", message, form=form), Delivered)
    assert telegram.requests == [f"POST /bot{BOT}/sendMessage"]
    body = telegram.bodies[0]
    assert body["chat_id"] == 12345
    if body["parse_mode"] == "HTML":
        assert "<script" not in body["text"]
        assert "<b>bold" not in body["text"]
    assert "@everyone" not in body["text"]
    assert len(body["text"]) <= 4096


def test_telegram_gets_what_is_too_long_as_one_message_with_all_links(telegram: Service) -> None:
    assert isinstance(send(f"tgram://{BOT}/12345", hostile("&" * 100_000)), Delivered)
    (body,) = telegram.bodies
    assert len(body["text"]) <= 4096
    assert all(link in html.unescape(body["text"]) for link in LINKS)


def test_links_in_markdown_are_links() -> None:
    service = Service()
    with running(service) as port:
        send(f"json://127.0.0.1:{port}/?format=markdown", form="markdown")
    assert "[Runbook](https://runbooks.example/agents/success)" in service.bodies[0]["message"]
    assert "**412 of 455 failures" in service.bodies[0]["message"]


@pytest.mark.parametrize("status", [400, 401, 403, 404, 429, 500, 503])
def test_every_failure_is_tried_again_as_apprise_does_not_say_which_it_is(status: int) -> None:
    service = Service(status=status)
    with running(service) as port:
        outcome = send(f"json://127.0.0.1:{port}/")
    assert isinstance(outcome, Retry)
    assert outcome.reason.startswith("Apprise: JSON: Failed to send JSON")
    assert f"error={status}" in outcome.reason


def test_when_one_of_several_services_fails_all_are_told_again() -> None:
    fine, broken = Service(), Service(status=500)
    with running(fine) as one, running(broken) as other:
        outcome = send(f"json://127.0.0.1:{one}/, json://127.0.0.1:{other}/")
    assert isinstance(outcome, Retry)
    assert len(fine.bodies) == len(broken.bodies) == 1


def test_nobody_there_is_tried_again() -> None:
    assert isinstance(send("json://127.0.0.1:9/"), Retry)


def test_a_service_that_hangs_holds_a_delivery_no_longer_than_its_timeout() -> None:
    service = Service(hang=threading.Event())
    with running(service) as port:
        try:
            outcome = send(f"json://127.0.0.1:{port}/?rto=20", timeout=0.3)
        finally:
            assert service.hang is not None
            service.hang.set()
    assert isinstance(outcome, Retry)


def test_a_redirect_is_not_followed_also_when_the_address_asks_for_it() -> None:
    elsewhere = Service()
    with running(elsewhere) as other:
        service = Service(status=302, location=f"http://127.0.0.1:{other}/lost")
        with running(service) as port:
            assert isinstance(send(f"json://127.0.0.1:{port}/?redirect=yes"), Retry)
    assert elsewhere.requests == []


@contextmanager
def all_logs() -> Iterator[io.StringIO]:
    """What the engine would log at DEBUG and below. (caplog listens to more: also to loggers that hand nothing on.)"""
    stream, root = io.StringIO(), logging.getLogger()
    handler, level = logging.StreamHandler(stream), root.level
    handler.setFormatter(logging.Formatter("%(name)s %(message)s"))
    root.addHandler(handler)
    root.setLevel(1)
    try:
        yield stream
    finally:
        root.removeHandler(handler)
        root.setLevel(level)


@pytest.mark.parametrize("status", [200, 500])
def test_nothing_of_an_address_is_in_an_error_nor_in_a_log(
    status: int, telegram: Service, capfd: pytest.CaptureFixture[str]
) -> None:
    telegram.status = status
    telegram.answer = f'{{"ok": false, "description": "no such bot {BOT}"}}'
    with all_logs() as logs, running(Service(status=status)) as port:
        outcomes = [send(f"tgram://{BOT}/12345"), send(f"json://user:s3cr3t-pass@127.0.0.1:{port}/s3cr3t-path")]
    said = "\n".join([logs.getvalue(), repr(outcomes), *capfd.readouterr()])
    assert "asyncio" in said  # it is listened to
    for secret in (BOT, BOT.partition(":")[2], "s3cr3t"):
        assert secret not in said


def test_logs_of_others_go_on(caplog: pytest.LogCaptureFixture) -> None:
    send("json://127.0.0.1:9/")
    with caplog.at_level(logging.DEBUG):
        logging.getLogger("urllib3.connectionpool").debug("a query")
    assert "a query" in caplog.text


def settings_of(tmp_path: Path, url: str) -> Any:
    file = tmp_path / "slo-engine.yaml"
    file.write_text(yaml.safe_dump({"sinks": [{"name": "phone", "type": "apprise", "url": url}]}))
    return load_settings(file).sinks[0]


def test_settings_keep_the_address_secret(tmp_path: Path) -> None:
    sink = settings_of(tmp_path, f"tgram://{BOT}/1")
    assert "fakeTOKEN" not in repr(sink)
    assert isinstance(sink_of(sink), AppriseSink)


def test_an_address_that_is_none_is_refused_without_showing_it(tmp_path: Path) -> None:
    with pytest.raises(SettingsError, match="must be an address of Apprise") as refused:
        settings_of(tmp_path, "s3cr3t-token")
    assert "s3cr3t" not in str(refused.value)
    with pytest.raises(SloEngineError, match="sinks: phone: url is no address that Apprise knows") as unknown:
        sink_of(settings_of(tmp_path, "pigeon://s3cr3t"))
    assert "s3cr3t" not in str(unknown.value)


def test_without_the_library_it_says_what_to_install(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    real = builtins.__import__

    def missing(name: str, *rest: Any, **others: Any) -> Any:
        if name == "apprise":
            raise ImportError(name)
        return real(name, *rest, **others)

    monkeypatch.setattr(builtins, "__import__", missing)
    with pytest.raises(SloEngineError, match=r"pip install 'slo-engine\[apprise\]'"):
        sink_of(settings_of(tmp_path, "ntfy://topic"))


@pytest.mark.parametrize("form", ["text", "markdown"])
def test_any_text_leaves_within_the_limits_of_its_service(telegram: Service, form: str) -> None:
    sink = AppriseSink(f"tgram://{BOT}/12345", form=form, timeout=10.0)

    @given(MESSAGES)
    @settings(max_examples=25, deadline=None)
    def told(message: Message) -> None:
        telegram.bodies.clear()
        assert isinstance(asyncio.run(sink.send(message)), Delivered)
        assert all(len(each["text"]) <= 4096 for each in telegram.bodies)
        assert all(link in html.unescape("".join(each["text"] for each in telegram.bodies)) for link in LINKS)

    told()
    asyncio.run(sink.close())
