"""``type: pagerduty``: incidents through the Events API v2 of PagerDuty; posts as change events.

https://developer.pagerduty.com/docs/events-api-v2-overview
"""

from __future__ import annotations

import asyncio
import json
import re
from collections.abc import Mapping
from dataclasses import replace
from typing import TYPE_CHECKING, Any, ClassVar, Literal

from pydantic import SecretStr

from slo_engine.connect import said_in
from slo_engine.connection_settings import HttpUrl, TransportSettings
from slo_engine.definitions.labels import SERVICE, SLO
from slo_engine.delivery.cutting import cut, cut_lines
from slo_engine.delivery.forms import PLAIN, Forms, Part
from slo_engine.delivery.http import SINK_TIMEOUT, HttpSender, SinkTimeout, object_in
from slo_engine.delivery.sink import Delivered, Misconfigured, Outcome, Refused, Retry, SinkSettings
from slo_engine.delivery.sinks.pager_fields import SOURCE, fact, fields, key_of, level_of, unlike
from slo_engine.notifications import Message, Outline, outline

if TYPE_CHECKING:
    import httpx

    from slo_engine.connect import Connection
    from slo_engine.connect.client import Answer

Severity = Literal["critical", "error", "warning", "info"]

BY_SEVERITY: Mapping[str, Severity] = {
    "page": "critical",
    "critical": "critical",
    "error": "error",
    "ticket": "warning",
    "warning": "warning",
    "info": "info",
    "none": "info",
}
BY_TONE: Mapping[str, Severity] = {"bad": "critical", "warn": "warning", "good": "info", "info": "info"}

LONGEST_SUMMARY = 1024
LONGEST_KEY = 255
"""https://developer.pagerduty.com/docs/send-alert-event"""

LARGEST_EVENT = 500_000
"""Bytes. The API takes 512 KB."""

_LONGEST_DETAILS = 20_000
_LONGEST_FIELDS = 20_000

WAIT_WHEN_LIMITED = 60.0
"""PagerDuty advises a few minutes; the delays of the courier grow to that from here."""

_IS_KEY = re.compile(r"routing[_ ]key", re.IGNORECASE)
"""``Length of 'routing_key' is incorrect``, ``Invalid routing key``: https://github.com/robusta-dev/robusta/issues/571"""

_PARTS = {"title": Part(PLAIN, "summary.txt.j2"), "text": Part(PLAIN, "pagerduty.txt.j2")}


class PagerDutySinkSettings(SinkSettings, TransportSettings):
    """One item of ``sinks``."""

    PARTS: ClassVar[tuple[str, ...]] = tuple(_PARTS)

    type: Literal["pagerduty"]
    url: HttpUrl = "https://events.pagerduty.com"
    """https://events.eu.pagerduty.com for accounts in the EU."""
    routing_key: SecretStr
    """The integration key of Events API v2."""
    severities: Mapping[str, Severity] = {}
    """Severity -> critical, error, warning or info."""
    timeout: SinkTimeout = SINK_TIMEOUT

    def connection(self) -> Connection:
        """How PagerDuty is reached; its key goes with the event."""
        return self._connection(self.url)


class PagerDutySink:
    """Triggers and resolves one alert an incident."""

    def __init__(
        self,
        connection: Connection,
        routing_key: str,
        *,
        severities: Mapping[str, Severity] | None = None,
        forms: Forms | None = None,
        transport: httpx.AsyncBaseTransport | None = None,
    ) -> None:
        """``severities``: our severity -> PagerDuty's. Raises SloEngineError for certificates that cannot be used."""
        self._sender = HttpSender(connection, "PagerDuty", transport, credentials="routing_key")
        self._key = routing_key
        self._severities = severities or {}
        self._forms = forms or Forms("pagerduty", _PARTS)

    @classmethod
    def of(cls, settings: PagerDutySinkSettings) -> PagerDutySink:
        """The sink that the settings ask for. Raises SloEngineError for a template that fails."""
        forms = Forms(settings.name, _PARTS, settings.templates)
        key = settings.routing_key.get_secret_value()
        return cls(settings.connection(), key, severities=settings.severities, forms=forms)

    async def close(self) -> None:
        """Close the connections; the sink is not used afterwards."""
        await self._sender.close()

    def preview(self, message: Message) -> str:
        """The event, without the key."""
        return json.dumps(self._event(message), indent=2, ensure_ascii=False)

    async def send(self, message: Message, earlier: Mapping[str, Any] | None = None) -> Outcome:  # noqa: ARG002
        """Send one event. 202: delivered. 400: refused, with what PagerDuty says of the event, unless it is the key."""
        path = "/v2/enqueue" if message.post is None else "/v2/change/enqueue"
        event = await asyncio.to_thread(self._event, message)
        answer = await self._sender.ask(path, {"routing_key": self._key, **event})
        return answer if isinstance(answer, Retry) else self._outcome(answer, event)

    def _event(self, message: Message) -> dict[str, Any]:
        key = key_of(message.thread, LONGEST_KEY)
        if message.kind == "resolved":
            return {"event_action": "resolve", "dedup_key": key}
        found = outline(message)
        payload = {
            "summary": cut(self._forms.write("title", message), LONGEST_SUMMARY) or found.headline,
            "source": fact(found, SERVICE) or SOURCE,
            "custom_details": _details(found, self._forms.write("text", message)),
        }
        links = [{"href": each.url, "text": each.title or each.url} for each in (*found.links, *found.traces)]
        if message.post is not None:
            return _fitted({"payload": {**payload, "timestamp": message.post.at}, "links": links})
        more = {"component": fact(found, SLO), "group": fact(found, SERVICE), "class": fact(found, "alertname")}
        event = {
            "event_action": "trigger",
            "dedup_key": key,
            "payload": {
                **payload,
                "severity": level_of(found, self._severities, BY_SEVERITY, BY_TONE),
                **{name: value for name, value in more.items() if value},
            },
            "links": links,
            "client": SOURCE,
        }
        shown_by = next((each.url for each in found.links if each.title == "Alertmanager"), None)
        return _fitted({**event, "client_url": shown_by} if shown_by else event)

    def _outcome(self, answer: Answer, event: Mapping[str, Any]) -> Outcome:
        said = self._masked(said_in(answer.body, self._sender.connection))
        status, reasons = _read(answer.body)
        if status == "invalid event" or (answer.status == 400 and (reasons or _IS_KEY.search(said))):
            why = self._masked("; ".join(reasons)) or said
            advice = _advice(why)
            reason = f"PagerDuty refuses the event: {why}{advice}"
            return Misconfigured(reason) if advice else Refused(reason)
        outcome = self._sender.outcome(answer)
        if isinstance(outcome, Retry):
            is_limited = answer.status == 429 and outcome.after is None
            wait = WAIT_WHEN_LIMITED if is_limited else outcome.after
            return replace(outcome, reason=self._masked(outcome.reason), after=wait)
        if isinstance(outcome, Misconfigured | Refused):
            return replace(outcome, reason=self._masked(outcome.reason))
        if status != "success":
            return Retry(unlike(self._sender.connection, "PagerDuty", said))
        return Delivered({name: event[name] for name in ("event_action", "dedup_key") if name in event})

    def _masked(self, text: str) -> str:
        return text.replace(self._key, "***")


def _details(found: Outline, text: str) -> dict[str, str]:
    said: dict[str, str] = {}
    for topic in found.topics:
        for each in topic.said:
            about = f"{topic.name}: {each.text}" if len(found.topics) > 1 else each.text
            said[each.name] = f"{said[each.name]}\n{about}" if each.name in said else about
    sections = {name: cut_lines(each, _LONGEST_DETAILS // 4) for name, each in list(said.items())[:10]}
    details = cut_lines(text, _LONGEST_DETAILS)
    return {**fields(found, _LONGEST_FIELDS), **sections, **({"details": details} if details else {})}


def _fitted(event: dict[str, Any]) -> dict[str, Any]:
    """The event as PagerDuty takes it: details give way first, the longest of them before the others, links last."""
    details, links = event["payload"]["custom_details"], event["links"]
    while len(json.dumps(event)) > LARGEST_EVENT and (details or links):
        if details:
            del details[max(details, key=lambda name: len(json.dumps(details[name])))]
        else:
            links.remove(max(links, key=lambda link: len(link["href"])))
    return event


def _read(body: bytes) -> tuple[str, list[str]]:
    """``status``, and what is wrong with an event."""
    found = object_in(body)
    errors = found.get("errors")
    reasons = [str(found.get("message") or ""), *map(str, errors[:5] if isinstance(errors, list) else [])]
    return str(found.get("status") or ""), [reason for reason in reasons if reason]


def _advice(why: str) -> str:
    return ": check routing_key, the Integration Key of an Events API v2 integration" if _IS_KEY.search(why) else ""
