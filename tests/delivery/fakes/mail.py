"""A real SMTP server on loopback that keeps what it gets."""

from __future__ import annotations

import asyncio
import ssl
import threading
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from email import message_from_bytes, policy
from email.message import EmailMessage
from typing import Any

from aiosmtpd.smtp import SMTP, AuthResult, LoginPassword

from tests.connect.certificates import Certificate

PASSWORD = "wq7-hunter-two-%s-pass"


@dataclass
class Mailbox:
    """What came, and what to answer."""

    mails: list[EmailMessage] = field(default_factory=list)
    raw: list[bytes] = field(default_factory=list)
    recipients: list[list[str]] = field(default_factory=list)
    logins: list[str] = field(default_factory=list)
    on_sender: str = "250 OK"
    on_recipient: dict[str, str] = field(default_factory=dict)
    on_data: str = "250 OK"
    on_login: str | None = None

    async def handle_MAIL(  # noqa: N802 - aiosmtpd's names
        self, server: SMTP, session: Any, envelope: Any, address: str, options: list[str]
    ) -> str:
        if self.on_sender.startswith("250"):
            envelope.mail_from = address
            envelope.mail_options.extend(options)
        return self.on_sender

    async def handle_RCPT(  # noqa: N802
        self, server: SMTP, session: Any, envelope: Any, address: str, options: list[str]
    ) -> str:
        answer = self.on_recipient.get(address, "250 OK")
        if answer.startswith("250"):
            envelope.rcpt_tos.append(address)
        return answer

    async def handle_DATA(self, server: SMTP, session: Any, envelope: Any) -> str:  # noqa: N802
        if self.on_data.startswith("250"):
            self.raw.append(envelope.content)
            self.recipients.append(list(envelope.rcpt_tos))
            mail = message_from_bytes(envelope.content, policy=policy.default)
            assert isinstance(mail, EmailMessage)
            self.mails.append(mail)
        return self.on_data

    def login(self, server: SMTP, session: Any, envelope: Any, mechanism: str, data: Any) -> AuthResult:
        assert isinstance(data, LoginPassword)
        self.logins.append(f"{mechanism} {data.login.decode()}")
        if self.on_login is not None:
            return AuthResult(success=False, handled=False, message=self.on_login)
        return AuthResult(success=data.password.decode() == PASSWORD, handled=False)


@contextmanager
def mail_server(
    box: Mailbox, *, certificate: Certificate | None = None, implicit: bool = False, login: bool = False
) -> Iterator[int]:
    """Yields its port. With a certificate it offers STARTTLS, or begins with TLS where ``implicit``."""
    context = None
    if certificate is not None:
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.load_cert_chain(certificate.cert, certificate.key)
    loop = asyncio.new_event_loop()
    loop.set_exception_handler(lambda *_: None)  # handshakes that fail are what the tests are about

    conversations: list[SMTP] = []

    def conversation() -> SMTP:
        server = SMTP(
            box,
            hostname="mail.test",
            tls_context=None if implicit else context,
            auth_required=login,
            authenticator=box.login if login else None,
            loop=loop,
        )
        server._auth_require_tls = not implicit  # as an option it warns of what is so already
        conversations.append(server)
        return server

    starting = loop.create_server(conversation, "127.0.0.1", 0, ssl=context if implicit else None)
    server = loop.run_until_complete(starting)
    thread = threading.Thread(target=loop.run_forever, daemon=True)
    thread.start()
    try:
        yield server.sockets[0].getsockname()[1]
    finally:
        loop.call_soon_threadsafe(loop.stop)
        thread.join()
        server.close()
        for each in conversations:
            if isinstance(each.transport, asyncio.WriteTransport):
                each.transport.abort()
        for task in asyncio.all_tasks(loop):
            task.cancel()
            with suppress(asyncio.CancelledError, ConnectionError):
                loop.run_until_complete(task)
        loop.run_until_complete(asyncio.sleep(0))
        loop.close()
