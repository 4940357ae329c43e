"""Mails: what a real SMTP server gets, and how its answers are read."""

from __future__ import annotations

import asyncio
import base64
import html
import logging
import socket
import threading
import time
from collections.abc import Iterator, Mapping
from dataclasses import replace
from email import message_from_bytes, policy
from email.message import EmailMessage
from html.parser import HTMLParser
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings

from slo_engine.delivery import Delivered, Misconfigured, Outcome, Refused, Retry, sink_of
from slo_engine.delivery import png as pictures
from slo_engine.delivery.courier import Courier
from slo_engine.delivery.forms import Forms
from slo_engine.delivery.mail import LONGEST_HTML, LONGEST_SUBJECT, Thread, mail_of
from slo_engine.delivery.sinks.email import _PARTS, EmailSink, EmailSinkSettings, MailServer
from slo_engine.notifications import Message
from slo_engine.settings import SettingsError, load_settings
from slo_engine.store import Database, inbox, messages
from tests.connect.certificates import Authority
from tests.delivery.fakes.incident import (
    DIGEST,
    FIRING,
    INCIDENT,
    LINKS,
    MESSAGES,
    REPORT,
    RESOLVED,
    STATUS,
    hostile,
    hostile_post,
)
from tests.delivery.fakes.mail import PASSWORD, Mailbox, mail_server
from tests.delivery.fakes.messages import REMARKS
from tests.delivery.test_courier import delivered, run_until

SENDER, TO = "slo-engine <slo@example.com>", ["a@example.com", "On-call <b@example.com>"]


RUNNER = asyncio.Runner()
"""One loop for all, as in the engine: asyncio closes sockets some rounds after they are let go of."""


@pytest.fixture(scope="module", autouse=True)
def _sockets_are_closed() -> Iterator[None]:
    yield
    RUNNER.run(asyncio.sleep(0.2))
    RUNNER.close()


@pytest.fixture(scope="module")
def authority(tmp_path_factory: pytest.TempPathFactory) -> Authority:
    return Authority(tmp_path_factory.mktemp("ca"))


@pytest.fixture
def box() -> Mailbox:
    return Mailbox()


@pytest.fixture
def port(box: Mailbox) -> Iterator[int]:
    with mail_server(box) as found:
        yield found


def sink_at(port: int, **options: Any) -> EmailSink:
    server = MailServer("127.0.0.1", port, **{"tls": "none", "timeout": 5.0, **options})
    return EmailSink(server, SENDER, TO)


def send(sink: EmailSink, message: Message = FIRING, earlier: Mapping[str, Any] | None = None) -> Outcome:
    return RUNNER.run(sink.send(message, earlier))


def receipt_of(outcome: Outcome) -> Mapping[str, Any]:
    assert isinstance(outcome, Delivered)
    return outcome.receipt or {}


def part(mail: EmailMessage, form: str) -> str:
    found = mail.get_body((form,))
    assert found is not None
    return str(found.get_content())


def test_the_mails_of_an_incident_make_one_thread(box: Mailbox, port: int) -> None:
    receipt: Mapping[str, Any] | None = None
    for message in INCIDENT.values():
        receipt = receipt_of(send(sink_at(port), message, receipt))
    firing, update, repeat, resolved = box.mails
    assert firing["In-Reply-To"] is None
    assert firing["Subject"] == f"[page] {FIRING.title}"
    before = firing
    for mail in (update, repeat, resolved):
        assert mail["In-Reply-To"] == before["Message-ID"]
        assert mail["References"].split()[0] == firing["Message-ID"]
        # The title has changed meanwhile: programs join what has the same subject.
        assert mail["Subject"] == f"Re: {firing['Subject']}"
        before = mail
    assert len({mail["Message-ID"] for mail in box.mails}) == 4
    assert [part(mail, "plain").splitlines()[0] for mail in box.mails] == [
        "Firing [page] since 2026-11-23 17:03 UTC",
        "Evidence [page] since 2026-11-23 17:03 UTC",
        "Firing [page] since 2026-11-23 17:03 UTC",
        "Resolved [page]",
    ]


def test_a_mail_that_is_sent_twice_is_the_same_to_its_reader(box: Mailbox, port: int) -> None:
    send(sink_at(port))
    send(sink_at(port))
    assert box.mails[0]["Message-ID"] == box.mails[1]["Message-ID"]
    assert box.mails[0]["Message-ID"].endswith("@example.com>")


def test_receipts_that_the_store_kept_make_the_thread(box: Mailbox, port: int, tmp_path: Path) -> None:
    database = Database(f"sqlite:///{tmp_path / 'store.db'}")
    for message in INCIDENT.values():
        _received(database, message)
    run_until(Courier(database, {"mail": sink_at(port)}), lambda: delivered(database, "mail") == len(INCIDENT))
    _received(database, FIRING)
    run_until(Courier(database, {"mail": sink_at(port)}), lambda: delivered(database, "mail") == len(INCIDENT) + 1)
    database.close()
    firing, *others, anew = box.mails
    assert {mail["References"].split()[0] for mail in others} == {firing["Message-ID"]}
    assert anew["References"] is None  # after the resolve


def _received(database: Database, message: Message) -> None:
    posted = database.write(lambda connection: inbox.accept(connection, b"{}", time.time()))
    new = messages.NewMessage(
        time.time(), message.thread, message.kind, message.severity, message.title, dict(message.payload or {}), posted
    )
    added = database.write(lambda connection: messages.add(connection, new))
    database.write(lambda connection: messages.finish(connection, added, message.content(), ("mail",), 0.0))


def test_an_incident_that_begins_anew_begins_a_thread(box: Mailbox, port: int) -> None:
    receipt = receipt_of(send(sink_at(port), RESOLVED, None))
    assert receipt["root"] == receipt["message_id"] == box.mails[0]["Message-ID"]
    assert box.mails[0]["References"] is None


def test_a_mail_says_what_it_is_to_programs(box: Mailbox, port: int) -> None:
    send(sink_at(port))
    mail = box.mails[0]
    assert mail["Auto-Submitted"] == "auto-generated"
    assert (mail["X-SLO-Engine-Kind"], mail["X-SLO-Engine-Severity"]) == ("firing", "page")
    assert mail["From"] == SENDER
    assert mail["To"] == ", ".join(TO)
    assert box.recipients == [["a@example.com", "b@example.com"]]


def test_text_and_html_hold_the_reason_the_facts_and_all_links(box: Mailbox, port: int) -> None:
    send(sink_at(port))
    for form in ("plain", "html"):
        words = " ".join(html.unescape(part(box.mails[0], form)).split())
        for expected in (
            "412 of 455 failures: tool web_search",
            "24.5 % left",
            "ai-platform",
            "https://runbooks.example/agents/success",
            "https://grafana.example/d/slo-detail?var-slo=success",
            "https://prometheus.example/graph",
            "https://alertmanager.example",
            "https://langfuse.example/project/agents/traces/7c0f3a91d2",
        ):
            assert expected in words, f"{expected} in {form}"
    page = part(box.mails[0], "html")
    assert "<style" not in page
    assert 'style="' in page


@pytest.mark.parametrize("message", [FIRING, RESOLVED, DIGEST])
def test_what_is_to_be_said_of_a_delivery_stands_in_text_and_html(box: Mailbox, port: int, message: Message) -> None:
    send(sink_at(port), replace(message, remarks=(*REMARKS, "<b>not bold</b>")))
    text, page = (part(box.mails[0], form) for form in ("plain", "html"))
    assert [each for each in text.splitlines() if each in REMARKS] == list(REMARKS)
    assert all(f">{each}</p>" in page for each in REMARKS)
    assert "&lt;b&gt;not bold" in page


@pytest.mark.parametrize("message", [DIGEST, STATUS])
def test_a_post_about_budgets_shows_them_as_a_picture(box: Mailbox, port: int, message: Message) -> None:
    send(sink_at(port), message)
    (picture,) = [each for each in box.mails[0].walk() if each.get_content_type() == "image/png"]
    assert picture["Content-ID"] == "<budgets>"
    assert picture.get_content().startswith(b"\x89PNG")
    assert 'src="cid:budgets"' in part(box.mails[0], "html")


def test_without_fonts_a_post_leaves_without_its_picture(
    box: Mailbox, port: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(pictures, "_family", lambda: None)
    send(sink_at(port), DIGEST)
    assert all(each.get_content_type() != "image/png" for each in box.mails[0].walk())
    page = part(box.mails[0], "html")
    assert "cid:" not in page
    assert "62.0 % left" in page


def test_a_report_brings_its_documents(box: Mailbox, port: int) -> None:
    send(sink_at(port), REPORT)
    (document,) = box.mails[0].iter_attachments()
    assert document.get_filename() == "slo-report-2026-10.html"
    assert document.get_content() == "<!doctype html><title>SLO report</title>"


def test_digests_are_no_thread_and_levels_that_a_budget_passes_are(box: Mailbox, port: int) -> None:
    for message in (DIGEST, DIGEST, STATUS, STATUS):
        send(sink_at(port), message, {"message_id": "<earlier@x>", "root": "<root@x>", "subject": "as it was"})
    assert [mail["References"] for mail in box.mails] == [None, None, "<root@x> <earlier@x>", "<root@x> <earlier@x>"]


def test_starttls_with_a_login_is_the_default_way(box: Mailbox, authority: Authority, tmp_path: Path) -> None:
    with mail_server(box, certificate=authority.certificate("127.0.0.1"), login=True) as port:
        (settings,) = settings_of(
            tmp_path, host="127.0.0.1", port=port, ca_file=authority.ca_file, username="slo", password=PASSWORD
        )
        assert isinstance(settings, EmailSinkSettings)
        assert settings.tls == "starttls"
        sink = sink_of(settings)
        assert isinstance(RUNNER.run(sink.send(FIRING)), Delivered)
    assert len(box.mails) == 1
    assert box.logins == ["PLAIN slo"]


def test_implicit_tls_with_a_login(box: Mailbox, authority: Authority) -> None:
    certificate = authority.certificate("127.0.0.1")
    with mail_server(box, certificate=certificate, implicit=True, login=True) as port:
        sink = sink_at(port, tls="implicit", ca_file=authority.ca_file, login=("slo", PASSWORD))
        assert isinstance(send(sink), Delivered)


@pytest.mark.parametrize("tls", ["starttls", "implicit"])
@pytest.mark.parametrize(
    ("name", "expired", "trusted", "said"),
    [
        ("127.0.0.1", False, False, "its certificate is not signed by a CA that this machine trusts: set ca_file"),
        ("127.0.0.1", True, True, "its certificate has expired"),
        ("mail.test", False, True, "its certificate is not for the name 127.0.0.1: write a name in host"),
    ],
)
def test_a_certificate_that_is_not_in_order_is_told_in_the_words_of_every_connection(
    box: Mailbox, authority: Authority, tls: str, name: str, expired: bool, trusted: bool, said: str
) -> None:
    certificate = authority.certificate(name, is_expired=expired)
    with mail_server(box, certificate=certificate, implicit=tls == "implicit") as port:
        outcome = send(sink_at(port, tls=tls, ca_file=authority.ca_file if trusted else None))
    assert isinstance(outcome, Retry)
    assert said in outcome.reason
    assert box.mails == []


def test_a_server_without_tls_gets_no_mail_when_tls_is_asked_for(box: Mailbox, port: int) -> None:
    outcome = send(sink_at(port, tls="starttls"))
    assert isinstance(outcome, Misconfigured)
    assert "does not offer STARTTLS: set tls: implicit" in outcome.reason
    outcome = send(sink_at(port, tls="implicit"))
    assert isinstance(outcome, Retry)
    assert "does not begin with TLS: set tls: starttls, or check the port" in outcome.reason
    assert box.mails == []


def test_a_server_that_takes_no_login_is_for_somebody_to_change() -> None:
    with socket.create_server(("127.0.0.1", 0)) as listening:
        threading.Thread(target=_takes_and_hangs, args=(listening,), daemon=True).start()
        outcome = send(sink_at(listening.getsockname()[1], login=("slo", PASSWORD)))
    assert isinstance(outcome, Misconfigured)
    assert outcome.reason.endswith("it takes no login here: check port and tls, or leave out username and password")


def test_nobody_there_is_tried_again() -> None:
    with socket.create_server(("127.0.0.1", 0)) as free:
        port = free.getsockname()[1]
    outcome = send(sink_at(port))
    assert isinstance(outcome, Retry)
    assert "connection refused" in outcome.reason


def test_a_server_that_says_nothing_holds_a_delivery_no_longer_than_its_timeout() -> None:
    with socket.create_server(("127.0.0.1", 0)) as silent:
        outcome = send(sink_at(silent.getsockname()[1], timeout=0.3))
    assert isinstance(outcome, Retry)
    assert "did not answer within 0.3 s" in outcome.reason


def test_a_server_that_hangs_after_it_has_taken_the_mail_does_not_get_it_again() -> None:
    with socket.create_server(("127.0.0.1", 0)) as listening:
        threading.Thread(target=_takes_and_hangs, args=(listening,), daemon=True).start()
        assert isinstance(send(sink_at(listening.getsockname()[1])), Delivered)


def _takes_and_hangs(listening: socket.socket) -> None:
    connection, _ = listening.accept()
    with connection, connection.makefile("rwb", buffering=0) as stream:
        stream.write(b"220 hello\r\n")
        while line := stream.readline():
            if line.startswith(b"QUIT"):
                connection.close()
                return
            stream.write(b"354 go\r\n" if line.startswith(b"DATA") else b"250 fine\r\n")
            if line.startswith(b"DATA"):
                while stream.readline() != b".\r\n":
                    pass
                stream.write(b"250 taken\r\n")


REPLIES = [
    ("on_data", "421 4.3.2 closing", Retry, "421 4.3.2 closing"),
    ("on_data", "451 4.3.0 try later", Retry, "451 4.3.0 try later"),
    ("on_data", "452 4.3.1 no room", Retry, "452 4.3.1 no room"),
    ("on_data", "550 5.7.1 spam", Refused, "550 5.7.1 spam"),
    ("on_data", "552 5.3.4 too big", Misconfigured, "552 5.3.4 too big: the mail is larger than it takes"),
    ("on_data", "554 5.6.0 no", Refused, "554 5.6.0 no"),
    ("on_sender", "450 4.1.8 later", Retry, "450 4.1.8 later"),
    ("on_sender", "550 5.1.8 who", Misconfigured, "does not accept the sender slo@example.com: check from"),
    ("on_sender", "552 5.3.4 too big", Misconfigured, "the mail is larger than it takes"),
    ("on_sender", "530 5.7.0 log in", Misconfigured, "it wants a login or TLS: set username and password, and tls"),
    ("on_login", "454 4.7.0 later", Retry, "454 4.7.0 later"),
    (
        "on_login",
        "535 5.7.8 no",
        Misconfigured,
        "it does not accept the login: check username and password",
    ),
    ("on_login", "534 5.7.9 no", Misconfigured, "it may want a password for applications"),
]


@pytest.mark.parametrize(("when", "reply", "verdict", "said"), REPLIES)
def test_each_reply_has_its_verdict_and_what_to_do(
    box: Mailbox, authority: Authority, when: str, reply: str, verdict: type[Retry | Misconfigured | Refused], said: str
) -> None:
    setattr(box, when, reply)
    certificate = authority.certificate("127.0.0.1")
    with mail_server(box, certificate=certificate, implicit=True, login=when == "on_login") as port:
        login = ("slo", "wrong") if when == "on_login" else None
        outcome = send(sink_at(port, tls="implicit", ca_file=authority.ca_file, login=login))
    assert isinstance(outcome, verdict)
    assert said in outcome.reason
    assert not isinstance(outcome, Misconfigured) or outcome.is_too_large == reply.startswith("552")
    assert f"the mail server 127.0.0.1:{port}" in outcome.reason


@pytest.mark.parametrize(("greeting", "verdict"), [("554 no mail here", Misconfigured), ("421 busy", Retry)])
def test_a_server_that_does_not_want_to_talk_is_no_riddle(greeting: str, verdict: type[Retry | Misconfigured]) -> None:
    with socket.create_server(("127.0.0.1", 0)) as listening:
        threading.Thread(target=_greets, args=(listening, greeting), daemon=True).start()
        outcome = send(sink_at(listening.getsockname()[1]))
    assert isinstance(outcome, verdict)
    assert greeting in outcome.reason


def _greets(listening: socket.socket, greeting: str) -> None:
    connection, _ = listening.accept()
    with connection:
        connection.sendall(f"{greeting}\r\n".encode())
        connection.recv(1000)


def test_when_no_recipient_is_accepted_somebody_has_to_change_to_or_it_is_tried_again(box: Mailbox, port: int) -> None:
    box.on_recipient = {"a@example.com": "550 5.1.1 unknown", "b@example.com": "550 5.1.1 unknown"}
    outcome = send(sink_at(port))
    assert isinstance(outcome, Misconfigured)
    assert "it does not accept a@example.com, b@example.com: check to" in outcome.reason
    box.on_recipient["b@example.com"] = "450 4.2.0 greylisted"
    assert isinstance(send(sink_at(port)), Retry)


def test_who_is_accepted_has_the_mail_and_the_others_are_named(
    box: Mailbox, port: int, caplog: pytest.LogCaptureFixture
) -> None:
    box.on_recipient = {"a@example.com": "550 5.1.1 unknown"}
    receipt = receipt_of(send(sink_at(port)))
    assert receipt["refused"] == {"a@example.com": "550 5.1.1 unknown"}
    assert box.recipients == [["b@example.com"]]
    assert "was not accepted for {'a@example.com': '550 5.1.1 unknown'}" in caplog.text


def test_no_password_is_in_an_error_nor_in_a_log(
    box: Mailbox, authority: Authority, caplog: pytest.LogCaptureFixture
) -> None:
    plain = base64.b64encode(f"\0slo\0{PASSWORD}x".encode()).decode()
    box.on_login = f"535 bad {PASSWORD}x {plain}"
    outcomes = []
    with (
        caplog.at_level(logging.DEBUG),
        mail_server(box, certificate=authority.certificate("127.0.0.1"), login=True) as port,
    ):
        for password in (f"{PASSWORD}x", PASSWORD):
            sink = sink_at(port, tls="starttls", ca_file=authority.ca_file, login=("slo", password))
            outcomes.append(send(sink))
    ours = "\n".join(each.getMessage() for each in caplog.records if not each.name.startswith("mail."))
    for said in (ours, repr(outcomes), repr(MailServer("h", 25, "none", login=("slo", PASSWORD)))):
        assert PASSWORD not in said
        assert plain not in said
    assert "***" in repr(outcomes)


def settings_of(tmp_path: Path, **keys: Any) -> list[object]:
    import yaml

    file = tmp_path / "slo-engine.yaml"
    item = {"name": "mail", "type": "email", "host": "mail.test", "from": "slo@example.com", "to": ["a@example.com"]}
    file.write_text(yaml.safe_dump({"sinks": [{**item, **keys}]}))
    return [*load_settings(file).sinks]


@pytest.mark.parametrize(
    ("keys", "said"),
    [
        ({"from": "nobody"}, "sinks.0.from: must be one address"),
        ({"to": []}, "sinks.0.to"),
        ({"to": ["a@example.com\nBcc: b@example.com"]}, "must be one address"),
        ({"to": ["a@example.com, b@example.com"]}, "must be one address"),
        ({"username": "slo"}, "username and password: set both, or neither"),
        ({"tls": "none", "username": "slo", "password": "x"}, "the password would be sent readable"),
        ({"ca_file": "nowhere.pem"}, "ca_file nowhere.pem cannot be read"),
        ({"timeout": "31s"}, "must be at most 30s"),
        ({"templates": {"firing": {"title": "x"}}}, "it has subject, text, html"),
    ],
)
def test_settings_that_cannot_work_are_refused_with_what_to_write(
    tmp_path: Path, keys: dict[str, Any], said: str
) -> None:
    with pytest.raises(SettingsError, match=said):
        settings_of(tmp_path, **keys)


def test_a_template_for_a_kind_writes_its_subject_also_within_a_thread(box: Mailbox, port: int, tmp_path: Path) -> None:
    templates = {"resolved": {"subject": "Over: {{ title }}", "html": "<h2>{{ bold(title) }}</h2>"}}
    (settings,) = settings_of(tmp_path, host="127.0.0.1", port=port, tls="none", templates=templates)
    assert isinstance(settings, EmailSinkSettings)
    sink = EmailSink.of(settings)
    send(sink, RESOLVED, receipt_of(send(sink)))
    assert box.mails[1]["Subject"] == f"Over: {RESOLVED.title}"
    assert RESOLVED.title in part(box.mails[1], "html")


def built(message: Message, thread: Thread | None = None) -> tuple[bytes, EmailMessage]:
    forms = Forms("email", _PARTS)
    parts = {each: forms.write(each, message) for each in _PARTS}
    content = mail_of(message, parts, sender=SENDER, to=TO, thread=thread).content
    mail = message_from_bytes(content, policy=policy.default)
    assert isinstance(mail, EmailMessage)
    return content, mail


def check(message: Message, thread: Thread | None = None) -> EmailMessage:
    """Whatever it says, it is a mail that servers take and programs show whole."""
    content, mail = built(message, thread)
    assert content.isascii()
    assert max(len(line) for line in content.split(b"\r\n")) <= 998
    assert b"\n" not in content.replace(b"\r\n", b"")
    assert set(mail.keys()) <= {
        "From",
        "To",
        "Subject",
        "Date",
        "Message-ID",
        "In-Reply-To",
        "References",
        "Auto-Submitted",
        "X-Auto-Response-Suppress",
        "X-SLO-Engine-Kind",
        "X-SLO-Engine-Severity",
        "X-SLO-Engine-Thread",
        "MIME-Version",
        "Content-Type",
    }
    assert not mail.defects
    assert len(mail["Subject"]) <= LONGEST_SUBJECT + 4
    assert len(part(mail, "html").encode()) <= LONGEST_HTML
    assert live(part(mail, "html")) == set()
    return mail


OURS = {"html", "head", "meta", "title", "body", "div", "h1", "h2", "p", "a", "br", "strong", "code", "span", "img"}
OURS |= {"table", "tbody", "tr", "th", "td", "lang", "charset", "class", "style", "href", "src", "alt", "width"}


def live(page: str) -> set[str]:
    """Elements and attributes of a page that are not of its own template, as a browser would find them."""
    found: set[str] = set()

    class Reader(HTMLParser):
        def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
            found.add(tag)
            found.update(name for name, _ in attrs)

    Reader().feed(page)
    return found - OURS


@pytest.mark.parametrize("message", [hostile(), hostile(kind="resolved"), hostile_post()])
def test_hostile_labels_are_words_and_cut_and_the_links_are_there(message: Message) -> None:
    mail = check(message)
    page, text = part(mail, "html"), part(mail, "plain")
    assert live(page) == set()
    assert "javascript:" not in page
    assert "49" not in mail["Subject"]
    assert "\u202e" not in page + text + mail["Subject"]
    assert mail["Bcc"] is None
    for link in LINKS:
        assert f'href="{link}"' in page
        assert link in text


def test_a_page_that_is_too_long_is_cut_as_text_and_keeps_head_and_links() -> None:
    page = part(check(hostile("&" * 100_000)), "html")
    assert "Firing" in page
    assert all(f'href="{link}"' in page for link in LINKS)


def test_an_address_cannot_leave_its_attribute() -> None:
    links = ('https://evil.example/"onmouseover="alert(1)"><script>', *LINKS[1:])
    page = part(check(hostile("text", links=links)), "html")
    assert live(page) == set()
    assert "onmouseover" in page


def test_addresses_that_are_longer_than_a_mail_are_left_out_whole() -> None:
    long = f"https://long.example/{'a' * 40_000}"
    page = part(check(hostile("text", links=(long, *LINKS[1:]))), "html")
    assert "long.example" not in page
    assert LINKS[1] in page


@given(MESSAGES)
@settings(max_examples=40, deadline=None)
def test_any_text_makes_a_mail_within_the_limits(message: Message) -> None:
    mail = check(message)
    check(message, Thread("<root@x>", "<newest@x>", mail["Subject"]))
