"""``type: email``: a mail of text and HTML, in the thread of its incident, through an SMTP server."""

from __future__ import annotations

import asyncio
import base64
import logging
import re
import socket
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from email import message_from_bytes
from email.policy import SMTP
from email.utils import getaddresses, parseaddr
from typing import TYPE_CHECKING, Annotated, Any, ClassVar, Literal, Self

from pydantic import AfterValidator, BeforeValidator, Field, SecretStr, model_validator

from slo_engine.connect import Connection, Reason, TlsError, failure_of, tls
from slo_engine.connect.verdict import MAX_REASON
from slo_engine.delivery.forms import PLAIN, Forms, Part
from slo_engine.delivery.http import SINK_TIMEOUT, SinkTimeout
from slo_engine.delivery.mail import AS_HTML, Mail, Thread, mail_of
from slo_engine.delivery.sink import Delivered, Misconfigured, Outcome, Refused, Retry, SinkSettings
from slo_engine.notifications import Message

if TYPE_CHECKING:
    import ssl

    import aiosmtplib

logger = logging.getLogger(__name__)

_PARTS = {
    "subject": Part(PLAIN, "email.subject.txt.j2"),
    "text": Part(PLAIN, "text.txt.j2"),
    "html": Part(AS_HTML, "email.html.j2"),
}

_PORTS = {"starttls": 587, "implicit": 465, "none": 25}

_GOODBYE_SECONDS = 2.0

_ADVICE: Mapping[Reason, str] = {
    "certificate_name": "cannot be reached: its certificate is not for the name {host}: write a name in host that the "
    "certificate holds",
    "not_tls": "cannot be reached: it does not begin with TLS: set tls: starttls, or check the port",
}
"""Where the words that every connection shares name keys that a mail server does not have."""


def _address(text: str) -> str:
    _, address = parseaddr(text)
    is_one = len(getaddresses([text])) == 1
    name, at, domain = address.rpartition("@")
    if not (is_one and name and at and domain) or not (text.isascii() and text.isprintable()) or " " in address:
        raise ValueError("must be one address, such as slo@example.com, in ASCII")
    return text


Address = Annotated[str, AfterValidator(_address)]


class EmailSinkSettings(SinkSettings):
    """One item of ``sinks``."""

    PARTS: ClassVar[tuple[str, ...]] = tuple(_PARTS)

    type: Literal["email"]
    host: Annotated[str, Field(min_length=1)]
    """The SMTP server."""
    port: Annotated[int, Field(ge=1, le=65535)] | None = None
    """587; 465 with ``tls: implicit``, 25 with ``none``, unless it is set."""
    tls: Literal["starttls", "implicit", "none"] = "starttls"
    """starttls; implicit: TLS from the first byte; none: no TLS, and no login either."""
    ca_file: str | None = None
    """PEM: the CAs to trust instead of those of this machine."""
    username: str | None = None
    """For the login; goes with ``password``."""
    password: SecretStr | None = None
    """Of this user."""
    sender: Address = Field(alias="from")
    """An address: a@example.com or Name <a@example.com>."""
    to: Annotated[
        list[Address],
        BeforeValidator(
            lambda value: [value] if isinstance(value, str) else value, json_schema_input_type=Address | list[Address]
        ),
        Field(min_length=1),
    ]
    """One address, or several."""
    timeout: SinkTimeout = SINK_TIMEOUT
    """For a whole delivery; at most 30s."""

    @model_validator(mode="after")
    def _can_be_used(self) -> Self:
        if (self.username is None) != (self.password is None):
            raise ValueError("username and password: set both, or neither")
        if self.tls == "none" and self.password is not None:
            raise ValueError("tls: with none the password would be sent readable: set starttls or implicit")
        if self.tls == "none" and self.ca_file is not None:
            raise ValueError("ca_file: remove it, or set tls to starttls or implicit")
        try:
            self.server().context()
        except TlsError as error:
            raise ValueError(str(error)) from None
        return self

    def server(self) -> MailServer:
        """How the server is reached."""
        login = (self.username, self.password.get_secret_value()) if self.username and self.password else None
        port = self.port or _PORTS[self.tls]
        return MailServer(self.host, port, self.tls, self.ca_file, login, self.timeout.seconds)


@dataclass(frozen=True)
class MailServer:
    """How an SMTP server is reached. ``timeout``: seconds for a whole delivery."""

    host: str
    port: int
    tls: Literal["starttls", "implicit", "none"]
    ca_file: str | None = None
    login: tuple[str, str] | None = field(default=None, repr=False)
    timeout: float = 15.0

    def __str__(self) -> str:
        return f"the mail server {self.host}:{self.port}"

    def context(self) -> ssl.SSLContext | None:
        """Raises TlsError, which names the file."""
        return None if self.tls == "none" else tls.context(ca_file=self.ca_file)

    def masked(self, text: str) -> str:
        """``text`` without the password, in any form in which it is sent."""
        if self.login is not None:
            username, password = self.login
            forms = (password, f"\0{username}\0{password}", f"{username}\0{username}\0{password}")
            for secret in (password, *(base64.b64encode(each.encode()).decode() for each in forms)):
                text = text.replace(secret, "***")
        return text

    def failed(self, error: BaseException) -> str:
        """Why there was no answer, in the words of every connection."""
        host = f"[{self.host}]" if ":" in self.host else self.host
        as_connection = Connection(f"http://{host}:{self.port}", ca_file=self.ca_file, timeout=self.timeout)
        found = failure_of(error, as_connection)
        advice = _ADVICE.get(found.reason, found.text).format(host=self.host)
        if found.reason in ("timeout", "closed") and self.port == _PORTS["implicit"] and self.tls != "implicit":
            advice += ": on this port, set tls: implicit"
        return f"{self} {advice}"


class EmailSink:
    """Sends each message as one mail to all recipients."""

    def __init__(
        self,
        server: MailServer,
        sender: str,
        to: Sequence[str],
        forms: Forms | None = None,
        with_subject: frozenset[str] = frozenset(),
    ) -> None:
        """``with_subject``: the kinds of messages whose subject has a template of its own. Raises SloEngineError for a
        CA file that cannot be used."""
        self._server = server
        self._sender = sender
        self._to = tuple(to)
        self._forms = forms or Forms("email", _PARTS)
        self._with_subject = with_subject
        self._context = server.context()

    @classmethod
    def of(cls, settings: EmailSinkSettings) -> EmailSink:
        """The sink that the settings ask for. Raises SloEngineError for a template that fails."""
        forms = Forms(settings.name, _PARTS, settings.templates)
        with_subject = frozenset(kind for kind, parts in settings.templates.items() if "subject" in parts)
        return cls(settings.server(), settings.sender, settings.to, forms, with_subject)

    async def close(self) -> None:
        """Nothing is kept open: servers end connections that are quiet for minutes."""

    def preview(self, message: Message) -> str:
        """The headers that people see, and the text."""
        mail = message_from_bytes(self._mail(message, None).content, policy=SMTP)
        text = mail.get_body(("plain",))
        shown = "".join(f"{name}: {mail[name]}\n" for name in ("From", "To", "Subject"))
        return f"{shown}\n{text.get_content() if text is not None else ''}"

    async def send(self, message: Message, earlier: Mapping[str, Any] | None = None) -> Outcome:
        """Send one message. 4xx replies and trouble on the network: again later. 5xx: refused, or for somebody who can
        change what it is about. Where the server takes some of the recipients, these have it."""
        mail = await asyncio.to_thread(self._mail, message, Thread.of(earlier))
        outcome = await self._sent(mail)
        if isinstance(outcome, Delivered) and outcome.receipt and outcome.receipt.get("refused"):
            logger.warning("mail %s was not accepted for %s", message.key, outcome.receipt["refused"])
        return outcome

    def _mail(self, message: Message, thread: Thread | None) -> Mail:
        return mail_of(
            message,
            {part: self._forms.write(part, message) for part in _PARTS},
            sender=self._sender,
            to=self._to,
            thread=thread,
            has_own_subject=message.kind in self._with_subject,
        )

    async def _sent(self, mail: Mail) -> Outcome:
        # Commands that only read the settings do not pay for it.
        from aiosmtplib import SMTP, SMTPException

        client = SMTP(
            hostname=self._server.host,
            port=self._server.port,
            use_tls=self._server.tls == "implicit",
            start_tls=self._server.tls == "starttls",
            tls_context=self._context,
            local_hostname=_own_name(self._sender),
            timeout=self._server.timeout,
        )
        try:
            async with asyncio.timeout(self._server.timeout):
                outcome = await self._through(client, mail)
            await _say_goodbye(client)
        except (SMTPException, OSError, ValueError) as error:  # TimeoutError among them
            return self._outcome(error)
        finally:
            _hang_up(client)
        return outcome

    async def _through(self, client: aiosmtplib.SMTP, mail: Mail) -> Outcome:
        await client.connect()
        if self._server.login is not None:
            await client.login(*self._server.login)
        sender, recipients = parseaddr(self._sender)[1], [parseaddr(each)[1] for each in self._to]
        refused, _ = await client.sendmail(sender, recipients, mail.content)
        receipt: dict[str, Any] = {**mail.thread.as_receipt()}
        if refused:
            receipt["refused"] = {
                address: self._server.masked(f"{code} {_one_line(said)}") for address, (code, said) in refused.items()
            }
        return Delivered(receipt)

    def _outcome(self, error: Exception) -> Outcome:
        from aiosmtplib import (
            SMTPAuthenticationError,
            SMTPConnectResponseError,
            SMTPException,
            SMTPNotSupported,
            SMTPRecipientsRefused,
            SMTPResponseException,
            SMTPSenderRefused,
        )

        if isinstance(error, SMTPRecipientsRefused):
            return self._refused_all(error)
        if isinstance(error, SMTPResponseException):
            advice = ""
            if isinstance(error, SMTPAuthenticationError):
                advice = "it does not accept the login: check username and password"
            elif isinstance(error, SMTPSenderRefused):
                advice = f"it does not accept the sender {parseaddr(self._sender)[1]}: check from"
            elif isinstance(error, SMTPConnectResponseError):
                advice = "it takes no mail from this machine: check host and port, or ask who runs it"
            return self._replied(error.code, error.message, advice)
        if isinstance(error, SMTPNotSupported) or type(error) is SMTPException:  # what the server does not offer
            return Misconfigured(self._server.masked(f"{self._server}: {_said_by_library(error)}"))
        return Retry(self._server.failed(error))

    def _refused_all(self, error: aiosmtplib.SMTPRecipientsRefused) -> Outcome:
        # Greylisting, a full mailbox: one that may take it later is reason enough to try again.
        worst = min(error.recipients, key=lambda each: each.code)
        names = ", ".join(each.recipient for each in error.recipients[:5])
        return self._replied(worst.code, worst.message, f"it does not accept {names}: check to")

    def _replied(self, code: int, said: str, advice: str) -> Outcome:
        reply = self._server.masked(f"{code} {_one_line(said)}".strip())
        if 400 <= code < 500 or code < 0:
            return Retry(f"{self._server} answered {reply}")
        advice = _ADVICE_ON.get(code, "") if not advice or code in _ADVICE_ON else advice
        reason = f"{self._server} answered {reply}{f': {advice}' if advice else ''}"
        # Advice is for somebody who can change a login, an address, a limit.
        return Misconfigured(reason, is_too_large=code == _TOO_LARGE) if advice else Refused(reason)


_TOO_LARGE = 552
_ADVICE_ON = {
    530: "it wants a login or TLS: set username and password, and tls",
    534: "it does not accept this kind of login: it may want a password for applications",
    538: "it wants TLS for the login: set tls",
    _TOO_LARGE: "the mail is larger than it takes",
}
"""https://www.rfc-editor.org/rfc/rfc4954#section-6, https://www.rfc-editor.org/rfc/rfc5321#section-4.2.3"""


def _said_by_library(error: Exception) -> str:
    said = str(error)
    if "SMTP AUTH" in said or "authentication method" in said:
        return "it takes no login here: check port and tls, or leave out username and password"
    if "STARTTLS" in said:
        return "it does not offer STARTTLS: set tls: implicit and its port, or tls: none on a network that you trust"
    return _one_line(said)


def _one_line(text: str) -> str:
    """Of a reply of several lines, each of which may begin with the same enhanced code."""
    return re.sub(r"[^\x20-\x7e]", "?", " ".join(text.split()))[:MAX_REASON]


def _own_name(sender: str) -> str:
    """What EHLO says: the name of this machine where it is a full one, else the domain that the mail comes from."""
    name = socket.gethostname()
    return name if "." in name and name.isascii() else parseaddr(sender)[1].rpartition("@")[2]


def _hang_up(client: aiosmtplib.SMTP) -> None:
    transport = client.transport
    client.close()
    if isinstance(transport, asyncio.WriteTransport):
        transport.abort()  # closing TLS waits up to 30 s for the other side to say so, too


async def _say_goodbye(client: aiosmtplib.SMTP) -> None:
    # The server has the mail: whatever happens now must not send it again.
    from aiosmtplib import SMTPException

    try:
        async with asyncio.timeout(_GOODBYE_SECONDS):
            await client.quit()
    except (SMTPException, OSError):
        return
