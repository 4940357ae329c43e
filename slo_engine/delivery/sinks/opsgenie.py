"""``type: opsgenie``: alerts through the API of Opsgenie, which Jira Service Management Operations takes, too.

https://docs.opsgenie.com/docs/alert-api, https://developer.atlassian.com/cloud/jira/service-desk-ops/
"""

from __future__ import annotations

import asyncio
import json
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any, ClassVar, Literal
from urllib.parse import quote

from pydantic import SecretStr

from slo_engine.connect import said_in
from slo_engine.connection_settings import HttpUrl, TransportSettings
from slo_engine.definitions.labels import SERVICE, SLO
from slo_engine.delivery.cutting import cut
from slo_engine.delivery.forms import Forms, Markup, Part
from slo_engine.delivery.http import SINK_TIMEOUT, HttpSender, SinkTimeout, object_in
from slo_engine.delivery.sink import Delivered, Misconfigured, Outcome, Refused, Retry, SinkSettings
from slo_engine.delivery.sinks.pager_fields import SOURCE, fact, fields, key_of, level_of, unlike, with_links
from slo_engine.notifications import Message, outline
from slo_engine.notifications.message import Link

if TYPE_CHECKING:
    import httpx

    from slo_engine.connect import Connection

Priority = Literal["P1", "P2", "P3", "P4", "P5"]

BY_SEVERITY: Mapping[str, Priority] = {
    "page": "P1",
    "critical": "P1",
    "error": "P2",
    "ticket": "P3",
    "warning": "P3",
    "info": "P5",
    "none": "P5",
}
BY_TONE: Mapping[str, Priority] = {"bad": "P1", "warn": "P3", "good": "P5", "info": "P5"}

# https://docs.opsgenie.com/docs/alert-api#create-alert
LONGEST_MESSAGE = 130
LONGEST_DESCRIPTION = 15_000
LONGEST_ALIAS = 512
LONGEST_ENTITY = 512
LONGEST_NOTE = 25_000
LONGEST_DETAILS = 8000
LONGEST_TAG = 50

_NO_KEY = "key format"
"""What it says, with a 422, of a key that cannot be one (https://github.com/falcosecurity/falcosidekick/issues/719)."""

_LINKS = 7000
"""Characters of a description, or a note, that links may take."""


def _inert(text: str) -> str:
    """Single quotation marks for angle brackets: Opsgenie takes HTML in texts, and shows entities as they stand where
    it does not, such as on phones."""
    return text.replace("<", "\u2039").replace(">", "\u203a")


_MARKUP = Markup(escape=_inert)

_PARTS = {"title": Part(_MARKUP, "summary.txt.j2"), "text": Part(_MARKUP, "text.txt.j2")}


class OpsgenieSinkSettings(SinkSettings, TransportSettings):
    """One item of ``sinks``."""

    PARTS: ClassVar[tuple[str, ...]] = tuple(_PARTS)
    TAKES_POSTS: ClassVar[bool] = False

    type: Literal["opsgenie"]
    url: HttpUrl = "https://api.opsgenie.com"
    """https://api.eu.opsgenie.com for accounts in the EU; https://api.atlassian.com/jsm/ops/integration for Jira
    Service Management."""
    token: SecretStr
    """The key of the integration."""
    priorities: Mapping[str, Priority] = {}
    """Severity -> P1 to P5."""
    updates: bool = True
    timeout: SinkTimeout = SINK_TIMEOUT

    def connection(self) -> Connection:
        """How Opsgenie is reached: its scheme is no Bearer."""
        return self._connection(self.url).with_header("Authorization", f"GenieKey {self.token.get_secret_value()}")


class OpsgenieSink:
    """Creates and closes one alert an incident, and adds notes to it."""

    def __init__(
        self,
        connection: Connection,
        *,
        priorities: Mapping[str, Priority] | None = None,
        forms: Forms | None = None,
        transport: httpx.AsyncBaseTransport | None = None,
    ) -> None:
        """``connection``: with ``Authorization: GenieKey ...``. ``priorities``: severity -> priority. Raises
        SloEngineError for certificates that cannot be used."""
        self._sender = HttpSender(connection, "Opsgenie", transport, credentials="token")
        self._priorities = priorities or {}
        self._forms = forms or Forms("opsgenie", _PARTS)

    @classmethod
    def of(cls, settings: OpsgenieSinkSettings) -> OpsgenieSink:
        """The sink that the settings ask for. Raises SloEngineError for a template that fails."""
        forms = Forms(settings.name, _PARTS, settings.templates)
        return cls(settings.connection(), priorities=settings.priorities, forms=forms)

    async def close(self) -> None:
        """Close the connections; the sink is not used afterwards."""
        await self._sender.close()

    def preview(self, message: Message) -> str:
        """The request, or why there is none."""
        if message.post is not None:
            return _refused(message).reason
        path, body = self._request(message)
        return f"POST {path}\n{json.dumps(body, indent=2, ensure_ascii=False)}"

    async def send(self, message: Message, earlier: Mapping[str, Any] | None = None) -> Outcome:  # noqa: ARG002
        """Send one request. 202: delivered, though Opsgenie works on it later. Posts are refused: see the docs."""
        if message.post is not None:
            return _refused(message)
        path, body = await asyncio.to_thread(self._request, message)
        answer = await self._sender.post(path, body)
        if isinstance(answer, Refused) and _NO_KEY in answer.reason.lower():
            return Misconfigured(f"{answer.reason}: check token")
        if isinstance(answer, Retry | Misconfigured | Refused):
            return answer
        request = str(object_in(answer.body).get("requestId") or "")
        if not request:
            said = said_in(answer.body, self._sender.connection)
            return Retry(unlike(self._sender.connection, "Opsgenie", said))
        return Delivered({"request": request})

    def _request(self, message: Message) -> tuple[str, dict[str, Any]]:
        alias = key_of(message.thread, LONGEST_ALIAS)
        found = outline(message)
        text = self._forms.write("text", message)
        links = [
            Link(_inert(each.title), each.url.replace("<", "%3C").replace(">", "%3E"))
            for each in (*found.links, *found.traces)
        ]
        if message.kind != "firing":
            action = "close" if message.kind == "resolved" else "notes"
            note = with_links(text, links, LONGEST_NOTE, _LINKS) or found.headline
            path = f"/v2/alerts/{quote(alias, safe='')}/{action}?identifierType=alias"
            return path, {"note": note, "source": SOURCE}
        tags = dict.fromkeys(
            cut(each, LONGEST_TAG) for each in (found.severity, fact(found, SERVICE), fact(found, SLO))
        )
        return "/v2/alerts", {
            "message": cut(self._forms.write("title", message), LONGEST_MESSAGE) or found.headline,
            "alias": alias,
            "description": with_links(text, links, LONGEST_DESCRIPTION, _LINKS),
            "tags": [tag for tag in tags if tag],
            "details": fields(found, LONGEST_DETAILS),
            "entity": cut(" ".join((fact(found, SERVICE), fact(found, SLO))).strip(), LONGEST_ENTITY),
            "source": SOURCE,
            "priority": level_of(found, self._priorities, BY_SEVERITY, BY_TONE),
        }


def _refused(message: Message) -> Refused:
    return Refused(
        f"Opsgenie takes alerts, and this is a {message.kind}: route it to another sink, or set a fallback here"
    )
