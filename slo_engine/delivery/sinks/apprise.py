"""``type: apprise``: what has no sink of its own (Telegram, Discord, ntfy, Matrix, ...), through the library Apprise.

It says that a notification failed, not whether it would fail again: all failures are tried again. Its logs hold
addresses, and with them tokens; they are kept here, and what they say of a failure is masked.
"""

from __future__ import annotations

import asyncio
import logging
import re
from collections.abc import Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from contextvars import ContextVar
from functools import partial
from typing import TYPE_CHECKING, Any, ClassVar, Literal
from urllib.parse import unquote

from pydantic import SecretStr, field_validator

from slo_engine.delivery.cutting import cut, cut_lines
from slo_engine.delivery.forms import Forms, Markup, Part
from slo_engine.delivery.http import SINK_TIMEOUT, SinkTimeout
from slo_engine.delivery.markdown import MARKDOWN, address
from slo_engine.delivery.sink import Delivered, Outcome, Retry, SinkSettings
from slo_engine.errors import SloEngineError
from slo_engine.notifications import Message, outline

if TYPE_CHECKING:
    from apprise import Apprise
    from apprise.result import AppriseResult

LONGEST_TITLE = 250
SHORTEST_TEXT = 200
"""Of what a service leaves beside title and links; a message that is longer is sent as several."""

MOST_THREADS = 4
_SPARE_SECONDS = 2.0
"""After Apprise's own deadline."""

_TYPES = {"bad": "failure", "warn": "warning", "good": "success", "info": "info"}

_MENTION = re.compile(r"@(?=[\w&!])|<(?=[!@#/a-zA-Z])")


def _without_mentions(text: str) -> str:
    # Apprise hands texts to services of which each has its own way to call everybody.
    return _MENTION.sub("\\g<0>\u200b", text)


_MARKUPS = {
    "text": Markup(escape=_without_mentions),
    "markdown": Markup(
        escape=lambda text: _without_mentions(MARKDOWN.escape(text)), bold=MARKDOWN.bold, link=MARKDOWN.link
    ),
}


def _parts(form: str) -> Mapping[str, Part]:
    return {"title": Part(_MARKUPS["text"], "title.txt.j2"), "text": Part(_MARKUPS[form], "text.txt.j2")}


class AppriseSinkSettings(SinkSettings):
    """One item of ``sinks``."""

    PARTS: ClassVar[tuple[str, ...]] = ("title", "text")

    type: Literal["apprise"]
    url: SecretStr
    """The address as Apprise writes it, which holds the token; several with commas between them."""
    format: Literal["text", "markdown"] = "text"
    """markdown for services that show it."""
    timeout: SinkTimeout = SINK_TIMEOUT
    """For a whole delivery; at most 30s."""

    @field_validator("url")
    @classmethod
    def _is_an_address(cls, url: SecretStr) -> SecretStr:
        if "://" not in url.get_secret_value():
            raise ValueError("must be an address of Apprise, such as tgram://..., discord://... or ntfy://...")
        return url


class AppriseSink:
    """Sends each message as title and text with its links."""

    def __init__(
        self, url: str, *, name: str = "apprise", form: str = "text", timeout: float = 15.0, forms: Forms | None = None
    ) -> None:
        """``timeout``: seconds for a whole delivery. Raises SloEngineError without the library, and for an address that
        it does not know."""
        self._name = name
        self._forms = forms or Forms(name, _parts(form))
        self._format = form
        self._timeout = timeout
        self._secrets = _pieces(url)
        self._apprise = _services(url, name)
        self._longest = min(service.body_maxlen for service in self._apprise)
        self._threads = ThreadPoolExecutor(MOST_THREADS, f"sink-{name}")

    @classmethod
    def of(cls, settings: AppriseSinkSettings) -> AppriseSink:
        """The sink that the settings ask for. Raises SloEngineError for a template that fails, too."""
        return cls(
            settings.url.get_secret_value(),
            name=settings.name,
            form=settings.format,
            timeout=settings.timeout.seconds,
            forms=Forms(settings.name, _parts(settings.format), settings.templates),
        )

    async def close(self) -> None:
        """Take nothing more; what is being sent has its deadline."""
        self._threads.shutdown(wait=False, cancel_futures=True)

    def preview(self, message: Message) -> str:
        """Title and text."""
        title = self._title(message)
        return f"{title}\n\n{self._body(message, title)}"

    async def send(self, message: Message, earlier: Mapping[str, Any] | None = None) -> Outcome:  # noqa: ARG002
        """Send one message. Delivered: when all services of the address have taken it."""
        running = asyncio.get_running_loop().run_in_executor(self._threads, partial(self._notify, message))
        try:
            return await asyncio.wait_for(running, self._timeout + _SPARE_SECONDS)
        except TimeoutError:
            return Retry(f"Apprise did not end within {self._timeout:g} s")

    def _notify(self, message: Message) -> Outcome:
        found = outline(message)
        title = self._title(message)
        body = self._body(message, title)
        with _unheard():
            result = self._apprise.notify(
                body=body, title=title, notify_type=_TYPES[found.tone], body_format=self._format, timeout=self._timeout
            )
        if result:
            return Delivered({"services": len(self._apprise)})
        return Retry(self._reason(result))

    def _title(self, message: Message) -> str:
        return cut(" ".join(self._forms.write("title", message).split()), LONGEST_TITLE)

    def _body(self, message: Message, title: str) -> str:
        found, markup = outline(message), _MARKUPS[self._format]
        is_markdown = self._format == "markdown"
        links = "\n".join(
            markup.link(markup.escape(link.title), address(link.url) if is_markdown else link.url)
            for link in dict.fromkeys((*found.links, *found.traces))
        )
        text = self._forms.write("text", message)
        room = max(self._longest - self._size(links) - self._size(title) - 20, SHORTEST_TEXT)
        while self._size(text) > room:
            text = cut_lines(text, min(room, len(text) * 3 // 4))
        return "\n\n".join(part for part in (text, links) if part) or title

    def _size(self, text: str) -> int:
        """For a service that takes HTML, Apprise makes it of a text, in which a space alone is ``&nbsp;``."""
        from apprise.common import NotifyFormat
        from apprise.conversion import convert_between

        if not any(NotifyFormat.HTML in _formats(service) for service in self._apprise):
            return len(text)
        return len(convert_between(NotifyFormat(self._format), NotifyFormat.HTML, text))  # type: ignore[no-untyped-call]

    def _reason(self, result: AppriseResult) -> str:
        said = [f"{each.name}: {_last_words(each) or each.status.name.lower()}" for each in result if not each] or [
            result.status.name.lower()
        ]
        return f"Apprise: {self._masked('; '.join(said))}"[:500]

    def _masked(self, text: str) -> str:
        for secret in self._secrets:
            text = text.replace(secret, "***")
        return " ".join(text.split())


def _services(url: str, name: str) -> Apprise:
    try:
        from apprise import Apprise, AppriseAsset
    except ImportError:
        raise SloEngineError(
            f"sinks: {name}: the library Apprise is missing: pip install 'slo-engine[apprise]'"
        ) from None
    from apprise.common import OverflowMode

    own = logging.getLogger("apprise")
    own.propagate = False
    own.addHandler(logging.NullHandler())
    for heard in ("urllib3.connectionpool", "urllib3.util.retry"):
        logging.getLogger(heard).addFilter(_is_heard)
    with _unheard():
        found = Apprise(asset=AppriseAsset(secure_logging=True, http_redirects=False))
        if not found.add(url) or not len(found):
            raise SloEngineError(
                f"sinks: {name}: url is no address that Apprise knows: https://appriseit.com/services/ lists them"
            )
    for service in found:
        service.redirects = False  # a POST that is redirected arrives as a GET, and its 200 would lose the message
        if service.overflow_mode is OverflowMode.UPSTREAM:
            service.overflow_mode = OverflowMode.SPLIT
    return found


def _formats(service: Any) -> tuple[Any, ...]:
    formats = service.notify_format
    return formats if isinstance(formats, tuple) else (formats,)


def _last_words(result: Any) -> str:
    entries = [entry.message for attempt in result for entry in attempt.logs]
    return entries[-1] if entries else ""


def _pieces(url: str) -> list[str]:
    """What of an address must not be shown: any part of it may be a token."""
    parts = re.split(r"[/:@?&=#,\s]+", url.partition("://")[2])
    found = {url, *parts, *(unquote(part) for part in parts)}
    return sorted((each for each in found if len(each) > 3), key=len, reverse=True)


_IN_APPRISE: ContextVar[bool] = ContextVar("in_apprise", default=False)


def _is_heard(_: logging.LogRecord) -> bool:
    """Requests of Apprise are not logged: their paths are tokens. Those of others are."""
    return not _IN_APPRISE.get()


@contextmanager
def _unheard() -> Iterator[None]:
    # Apprise hands the context on to its threads.
    before = _IN_APPRISE.set(True)
    try:
        yield
    finally:
        _IN_APPRISE.reset(before)
