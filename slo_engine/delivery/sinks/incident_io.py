"""``type: incident_io``: alert events through an HTTP alert source of incident.io.

https://docs.incident.io/api-reference/alert-events-v2
"""

from __future__ import annotations

import asyncio
import json
import re
from collections.abc import Mapping
from typing import TYPE_CHECKING, Annotated, Any, ClassVar, Literal

from pydantic import Field, SecretStr

from slo_engine.connect import said_in
from slo_engine.connection_settings import ConnectionSettings, HttpUrl
from slo_engine.delivery.cutting import cut, cut_lines
from slo_engine.delivery.forms import PLAIN, Forms, Markup, Part
from slo_engine.delivery.http import SINK_TIMEOUT, HttpSender, SinkTimeout, object_in
from slo_engine.delivery.sink import Delivered, Misconfigured, Outcome, Refused, Retry, SinkSettings
from slo_engine.delivery.sinks.pager_fields import fields, key_of, unlike
from slo_engine.notifications import Message, outline

if TYPE_CHECKING:
    import httpx

    from slo_engine.connect import Connection
    from slo_engine.connect.client import Answer
    from slo_engine.notifications import Outline

LONGEST_TITLE = 300
LONGEST_DESCRIPTION = 15_000
LONGEST_METADATA = 10_000
LONGEST_KEY = 255
"""Characters. incident.io documents none; it takes 512 KB (Alertmanager, ``notify/incidentio``)."""

_LONGEST_LINKS = 10_000
_LONGEST_ADDRESS = 4000

_SPECIAL = re.compile(r"([\\`*_\[\]<>~|#&])")


def escaped(text: str) -> str:
    """``text`` as Markdown shows it."""
    return _SPECIAL.sub(r"\\\1", text)


def _link(title: str, url: str) -> str:
    if not url.startswith(("http://", "https://")):
        return title
    return f"[{title or 'link'}](<{url}>)"


MARKUP = Markup(
    escape=escaped,
    bold=lambda text: f"**{text}**" if text.strip() == text != "" else text,
    link=_link,
)

_PARTS = {"title": Part(PLAIN, "summary.txt.j2"), "text": Part(MARKUP, "text.txt.j2")}


class IncidentIoSinkSettings(SinkSettings, ConnectionSettings):
    """One item of ``sinks``."""

    PARTS: ClassVar[tuple[str, ...]] = tuple(_PARTS)
    TAKES_POSTS: ClassVar[bool] = False

    type: Literal["incident_io"]
    url: HttpUrl = "https://api.incident.io"
    token: SecretStr
    alert_source: Annotated[str, Field(pattern=r"^[A-Za-z0-9_-]{1,100}$")]
    """The ID of the alert source, which stands at the end of its address."""
    timeout: SinkTimeout = SINK_TIMEOUT


class IncidentIoSink:
    """Fires and resolves one alert an incident."""

    def __init__(
        self,
        connection: Connection,
        alert_source: str,
        *,
        forms: Forms | None = None,
        transport: httpx.AsyncBaseTransport | None = None,
    ) -> None:
        """``alert_source``: the ID at the end of the address of the source. Raises SloEngineError for certificates that
        cannot be used."""
        self._sender = HttpSender(connection, "incident.io", transport, credentials="token")
        self._path = f"/v2/alert_events/http/{alert_source}"
        self._forms = forms or Forms("incident_io", _PARTS)

    @classmethod
    def of(cls, settings: IncidentIoSinkSettings) -> IncidentIoSink:
        """The sink that the settings ask for. Raises SloEngineError for a template that fails."""
        forms = Forms(settings.name, _PARTS, settings.templates)
        return cls(settings.connection(), settings.alert_source, forms=forms)

    async def close(self) -> None:
        """Close the connections; the sink is not used afterwards."""
        await self._sender.close()

    def preview(self, message: Message) -> str:
        """The event, or why there is none."""
        if message.post is not None:
            return _refused(message).reason
        return json.dumps(self._event(message), indent=2, ensure_ascii=False)

    async def send(self, message: Message, earlier: Mapping[str, Any] | None = None) -> Outcome:  # noqa: ARG002
        """Send one event. 202: delivered. Posts are refused: see the docs."""
        if message.post is not None:
            return _refused(message)
        event = await asyncio.to_thread(self._event, message)
        answer = await self._sender.ask(self._path, event)
        return answer if isinstance(answer, Retry) else self._outcome(answer)

    def _event(self, message: Message) -> dict[str, Any]:
        found = outline(message)
        event = {
            "title": cut(self._forms.write("title", message), LONGEST_TITLE) or found.headline,
            "description": _description(self._forms.write("text", message), found),
            "deduplication_key": key_of(message.thread, LONGEST_KEY),
            "status": "resolved" if message.kind == "resolved" else "firing",
            "metadata": {**fields(found, LONGEST_METADATA), "severity": found.severity or "none"},
        }
        source = next((each.url for each in found.links if each.title in ("Prometheus", "Alertmanager")), None)
        return {**event, "source_url": source} if source else event

    def _outcome(self, answer: Answer) -> Outcome:
        found = object_in(answer.body)
        if answer.status == 404:
            return Misconfigured("HTTP 404: incident.io has no such alert source: check alert_source")
        errors = found.get("errors")
        reasons = [_reason(each) for each in errors[:5]] if isinstance(errors, list) else []
        if answer.status in (400, 422) and reasons:
            return Refused(self._sender.connection.masked(f"incident.io refuses the event: {'; '.join(reasons)}"))
        outcome = self._sender.outcome(answer)
        if isinstance(outcome, Retry | Misconfigured | Refused):
            return outcome
        if found.get("status") != "success":
            said = said_in(answer.body, self._sender.connection)
            return Retry(unlike(self._sender.connection, "incident.io", said))
        return Delivered({"deduplication_key": found.get("deduplication_key")})


def _refused(message: Message) -> Refused:
    return Refused(
        f"incident.io takes alerts, and this is a {message.kind}: route it to another sink, or set a fallback here"
    )


def _description(text: str, found: Outline) -> str:
    lines, size = [], 0
    for each in (*found.links, *found.traces):
        line = _link(escaped(each.title), each.url.replace("<", "%3C").replace(">", "%3E"))
        if len(each.url) > _LONGEST_ADDRESS or size + len(line) > _LONGEST_LINKS:
            line = f"{escaped(each.title)}: its address is too long"[:200]
        size += len(line) + 3
        lines.append(f"- {line}")
    lasting = "  \n".join(text.splitlines())  # Markdown joins lines that do not end in two spaces
    above = cut_lines(lasting, LONGEST_DESCRIPTION - size - 2)
    return "\n\n".join(part for part in (above, "\n".join(lines)) if part)


def _reason(error: Any) -> str:
    if not isinstance(error, Mapping):
        return str(error)[:100]
    source = error.get("source")
    field = source.get("field") if isinstance(source, Mapping) else None
    said = str(error.get("message") or error.get("code") or "no reason given")[:200]
    return f"{field}: {said}" if field else said
