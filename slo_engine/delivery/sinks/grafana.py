"""``type: grafana``: annotations, so that incidents and passed levels stand where the graphs are.

https://grafana.com/docs/grafana/latest/developers/http_api/annotations/
"""

from __future__ import annotations

import asyncio
import html
import json
import re
from collections.abc import Iterator, Mapping, Sequence
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Annotated, Any, ClassVar, Literal

from pydantic import Field

from slo_engine.connect import Connection
from slo_engine.connection_settings import ConnectionSettings
from slo_engine.delivery.cutting import cut, whole
from slo_engine.delivery.forms import Forms, Part
from slo_engine.delivery.http import SINK_TIMEOUT, HttpSender, SinkTimeout
from slo_engine.delivery.mail import AS_HTML
from slo_engine.delivery.sink import Delivered, Misconfigured, Outcome, Refused, Retry, SinkSettings
from slo_engine.notifications import Message, Outline, outline
from slo_engine.notifications.message import Link
from slo_engine.notifications.outline import one_line

if TYPE_CHECKING:
    import httpx

    from slo_engine.connect.client import Answer

LONGEST_TEXT = 4000
"""Characters, which a tooltip shows whole."""

LONGEST_LINKS = 20_000
"""Bytes of their HTML; on MySQL, Grafana keeps 64 KiB of a text."""

LONGEST_TAG = 90
LONGEST_TAGS = 500
"""Characters, as JSON: the default of ``tags_length`` in ``[annotations]`` of Grafana's configuration."""

MOST_LINKS = 6

_PARTS = {"text": Part(AS_HTML, "grafana.text.html.j2")}

_HALF_A_TAG = re.compile(r"<[^>]*$")

_PATH = "/api/annotations"

Tag = Annotated[str, Field(min_length=1, max_length=LONGEST_TAG)]


class GrafanaSinkSettings(SinkSettings, ConnectionSettings):
    """One item of ``sinks``."""

    PARTS: ClassVar[tuple[str, ...]] = tuple(_PARTS)

    type: Literal["grafana"]
    dashboard_uid: str | None = None
    """The dashboard that shows the annotations; without it all may, by their tags."""
    panel_id: int | None = None
    """The panel of this dashboard that shows them."""
    tags: Annotated[tuple[Tag, ...], Field(max_length=5)] = ("slo-engine",)
    """The tags of the annotations."""
    timeout: SinkTimeout = SINK_TIMEOUT


class GrafanaSink:
    """A region for each incident, a point for each level that a budget passes; nothing for other posts."""

    def __init__(
        self,
        connection: Connection,
        *,
        dashboard_uid: str | None = None,
        panel_id: int | None = None,
        tags: Sequence[str] = ("slo-engine",),
        forms: Forms | None = None,
        transport: httpx.AsyncBaseTransport | None = None,
    ) -> None:
        """Without ``dashboard_uid`` the annotations are the organization's, which any dashboard can show by their tags.
        Raises SloEngineError for certificates that cannot be used."""
        self._place = {
            name: value for name, value in (("dashboardUID", dashboard_uid), ("panelId", panel_id)) if value is not None
        }
        self._tags = tuple(tags)
        self._forms = forms or Forms("grafana", _PARTS)
        self._sender = HttpSender(connection, "Grafana", transport)

    @classmethod
    def of(cls, settings: GrafanaSinkSettings) -> GrafanaSink:
        """The sink that the settings ask for. Raises SloEngineError for a template that fails."""
        return cls(
            settings.connection(),
            dashboard_uid=settings.dashboard_uid,
            panel_id=settings.panel_id,
            tags=settings.tags,
            forms=Forms(settings.name, _PARTS, settings.templates),
        )

    async def close(self) -> None:
        """Close the connections; the sink is not used afterwards."""
        await self._sender.close()

    def preview(self, message: Message) -> str:
        """The annotation."""
        return _json(self._annotation(message)).decode()

    async def send(self, message: Message, earlier: Mapping[str, Any] | None = None) -> Outcome:
        """Send one message. ``firing`` begins a region, ``resolved`` ends it, what comes between changes its text."""
        if message.kind in ("digest", "report"):
            return Delivered({"skipped": "nothing to annotate"})
        body = await asyncio.to_thread(self._annotation, message)
        known = (earlier or {}).get("id") if message.kind != "status" else None
        if isinstance(known, int):
            # The end of an incident has no evidence: the text that says why it began stays.
            changes = ("timeEnd",) if message.kind == "resolved" else ("text", "tags")
            changed = {name: value for name, value in body.items() if name in changes}
            answer = await self._sender.post(f"{_PATH}/{known}", _json(changed), method="PATCH")
            if not (isinstance(answer, Misconfigured) and answer.reason.startswith("HTTP 404")):
                return answer if isinstance(answer, Retry | Misconfigured | Refused) else Delivered({"id": known})
            # Somebody has deleted it.
        return _outcome(await self._sender.post(_PATH, _json(body)))

    def _annotation(self, message: Message) -> dict[str, Any]:
        found = outline(message)
        text = _HALF_A_TAG.sub("", cut(" ".join(self._forms.write("text", message).split()), LONGEST_TEXT))
        links = ", ".join(AS_HTML.link(html.escape(each.title), html.escape(each.url)) for each in _links(found))
        return {
            **_times(message),
            "text": f"{text}<br>{links}" if links else text,
            "tags": _fitting((*self._tags, message.kind if message.post else "incident", *_tags(message, found))),
            **self._place,
        }


def _json(body: Mapping[str, Any]) -> bytes:
    return json.dumps(body, ensure_ascii=False).encode(errors="replace")


def _outcome(answer: Answer | Retry | Misconfigured | Refused) -> Outcome:
    if isinstance(answer, Retry | Misconfigured | Refused):
        return answer
    try:
        found = json.loads(answer.body)["id"]
    except (ValueError, LookupError, TypeError, RecursionError):
        return Retry("Grafana answered without the id of an annotation: is url that of Grafana?")
    return Delivered({"id": found})


def _times(message: Message) -> dict[str, int]:
    """Milliseconds since 1970: from the first alert of the group that began, to the last that ended."""
    now = datetime.now(UTC)
    if message.post is not None:
        return {"time": _milliseconds(_time(message.post.at) or now)}
    alerts = [each for each in (message.payload or {}).get("alerts") or () if isinstance(each, Mapping)]
    started = [time for each in alerts if (time := _time(each.get("startsAt")))]
    times = {"time": _milliseconds(min(started, default=now))}
    if message.kind == "resolved":
        ended = [time for each in alerts if (time := _time(each.get("endsAt")))]
        times["timeEnd"] = max(_milliseconds(max(ended, default=now)), times["time"])
    return times


def _time(text: Any) -> datetime | None:
    try:
        found = datetime.fromisoformat(str(text))
    except ValueError:
        return None
    if found.year < 2000:  # Alertmanager's "not yet" is the year 1
        return None
    return found if found.tzinfo else found.replace(tzinfo=UTC)


def _milliseconds(time: datetime) -> int:
    return int(time.timestamp() * 1000)


def _tags(message: Message, found: Outline) -> Iterator[str]:
    if found.severity:
        yield found.severity
    facts = dict(found.facts)
    status: Mapping[str, Any] = message.post.statuses[0] if message.post and message.post.statuses else {}
    for name, value in (
        ("service", facts.get("slo_service") or status.get("service")),
        ("slo", facts.get("slo") or status.get("slo")),
    ):
        if value:
            yield f"{name}:{one_line(str(value), LONGEST_TAG)}"


def _fitting(tags: Sequence[str]) -> list[str]:
    fitting: list[str] = []
    for tag in dict.fromkeys(cut(one_line(each, 200), LONGEST_TAG) for each in tags):
        if tag and len(json.dumps([*fitting, tag])) <= LONGEST_TAGS:
            fitting.append(tag)
    return fitting


def _links(found: Outline) -> Sequence[Link]:
    links = list(dict.fromkeys((*found.links, *found.traces)))[:MOST_LINKS]
    return whole(links, lambda link: len(html.escape(link.url + link.title).encode()), LONGEST_LINKS)
