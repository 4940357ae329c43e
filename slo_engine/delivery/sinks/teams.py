"""``type: teams``: an Adaptive Card in a channel of Microsoft Teams, through Workflows or a connector of old.

https://learn.microsoft.com/microsoftteams/platform/webhooks-and-connectors/how-to/connectors-using
"""

from __future__ import annotations

import asyncio
import json
import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from typing import TYPE_CHECKING, Any, ClassVar, Literal, NamedTuple

from slo_engine.connect import Connection, Verdict, verdict_on
from slo_engine.connection_settings import WebhookUrlSettings
from slo_engine.delivery.cutting import cut, cut_lines, whole
from slo_engine.delivery.forms import Forms, Part
from slo_engine.delivery.http import SINK_TIMEOUT, TOO_MANY, HttpSender, SinkTimeout, not_taken
from slo_engine.delivery.markdown import MARKDOWN, escaped
from slo_engine.delivery.sink import Delivered, Misconfigured, Outcome, Refused, Retry, SinkSettings
from slo_engine.notifications import Message, Outline, outline
from slo_engine.notifications.message import Link
from slo_engine.notifications.outline import BudgetLine

if TYPE_CHECKING:
    import httpx

    from slo_engine.connect.client import Answer

LARGEST_CARD = 26_000
"""Bytes of a whole message. Teams takes about 28 KB."""

LARGEST_LINKS = 14_000
"""Bytes of it for links: a longer address than fits cannot be sent, as there is no half of one."""

LONGEST_FACT = 300
MOST_ACTIONS = 6
"""Buttons that Teams shows in a row."""

_PARTS = {"title": Part(MARKDOWN, "title.txt.j2"), "text": Part(MARKDOWN, "teams.text.md.j2")}

_STYLES = {"bad": "attention", "warn": "warning", "good": "good", "info": "accent"}

_NOT_TAKEN = re.compile(r"HTTP error (\d{3})")
"""What a connector says with a status of 200: "Webhook message delivery failed with error: Microsoft Teams endpoint
returned HTTP error 429 with ContextId ..."."""

_ADVICE = {
    400: "the workflow does not take it: make it of the template that posts webhook requests to a channel",
    401: "the workflow wants a login: let anyone trigger it, in its step for the request",
    403: "the workflow is not allowed to post there: let its owner join the team, or post as another",
    404: "there is no such workflow any more: make a new one and write its address in url",
    410: "this connector is removed: make a workflow and write its address in url",
    413: "it is larger than Teams takes",
}


class TeamsSinkSettings(SinkSettings, WebhookUrlSettings):
    """One item of ``sinks``."""

    PARTS: ClassVar[tuple[str, ...]] = tuple(_PARTS)

    type: Literal["teams"]
    timeout: SinkTimeout = SINK_TIMEOUT


class TeamsSink:
    """Posts each message as a card of its own: a webhook of Teams can neither change nor answer an earlier one."""

    def __init__(
        self, connection: Connection, forms: Forms | None = None, transport: httpx.AsyncBaseTransport | None = None
    ) -> None:
        """Raises SloEngineError for certificates that cannot be used."""
        self._forms = forms or Forms("teams", _PARTS)
        self._sender = _Sender(connection, "Microsoft Teams", transport)

    @classmethod
    def of(cls, settings: TeamsSinkSettings) -> TeamsSink:
        """The sink that the settings ask for. Raises SloEngineError for a template that fails."""
        return cls(settings.connection(), Forms(settings.name, _PARTS, settings.templates))

    async def close(self) -> None:
        """Close the connections; the sink is not used afterwards."""
        await self._sender.close()

    def preview(self, message: Message) -> str:
        """The card."""
        return self._body(message).decode()

    async def send(self, message: Message, earlier: Mapping[str, Any] | None = None) -> Outcome:  # noqa: ARG002
        """Send one message. Delivered: 2xx, unless the body says that Teams did not take it."""
        body = await asyncio.to_thread(self._body, message)
        answer = await self._sender.post("", body)
        return answer if isinstance(answer, Retry | Misconfigured | Refused) else Delivered({"status": answer.status})

    def _body(self, message: Message) -> bytes:
        return fitting(outline(message), self._forms.write("title", message), self._forms.write("text", message))


class _Sender(HttpSender):
    def outcome(self, answer: Answer) -> Answer | Retry | Misconfigured | Refused:
        """Also what is refused within a 200, and what to do about it in Teams."""
        outcome = super().outcome(answer)
        if isinstance(outcome, Retry):
            return outcome
        if isinstance(outcome, Misconfigured | Refused):
            advice = _ADVICE.get(answer.status)
            return replace(outcome, reason=f"{self.said(answer)}: {advice}") if advice else outcome
        said = answer.body[:2000].decode(errors="replace")
        inner = _NOT_TAKEN.search(said)
        if inner is None:
            is_failure = "message delivery failed" in said.lower()
            return Retry(self.said(answer)) if is_failure else outcome
        is_final = verdict_on(int(inner[1])) not in (Verdict.RETRY, Verdict.DELIVERED)
        reason = f"Teams did not take it: {self.said(answer)}"
        advice = _ADVICE.get(int(inner[1])) if is_final else None
        if not is_final:
            return Retry(reason, is_limit=int(inner[1]) == TOO_MANY)
        return not_taken(int(inner[1]), f"{reason}: {advice}" if advice else reason)


class _Room(NamedTuple):
    """How much of a message goes into a card: characters, rows, facts."""

    title: int
    text: int
    budgets: int
    facts: int


_ROOMS = (_Room(500, 12_000, 20, 15), _Room(300, 6000, 12, 12), _Room(200, 3000, 6, 8), _Room(200, 800, 0, 4))
"""From the largest to the smallest."""


def fitting(found: Outline, title: str, text: str) -> bytes:
    """The message, small enough for Teams. Words are cut, links are not."""
    for room in _ROOMS:
        if len(body := _as_json(found, title, text, room)) <= LARGEST_CARD:
            return body
    # Whatever its letters, title and links are there.
    bare = replace(found, facts=(), budgets=(), more_budgets=0, instead_of="", remarks=())
    return _as_json(bare, title, "", _ROOMS[-1])


def _as_json(found: Outline, title: str, text: str, room: _Room) -> bytes:
    card = {
        "$schema": "http://adaptivecards.io/schemas/adaptive-card.json",
        "type": "AdaptiveCard",
        "version": "1.5",
        "msteams": {"width": "Full"},
        "fallbackText": cut(found.title, 200),
        "body": [*_elements(found, title, text, room)],
    }
    attachment = {"contentType": "application/vnd.microsoft.card.adaptive", "contentUrl": None, "content": card}
    return json.dumps({"type": "message", "attachments": [attachment]}, ensure_ascii=False).encode(errors="replace")


def _elements(found: Outline, title: str, text: str, room: _Room) -> Iterator[dict[str, Any]]:
    head = [_block(cut(title, room.title), weight="bolder", size="medium")]
    if found.at:
        head.append(_block(found.at, isSubtle=True, spacing="none", size="small"))
    yield {"type": "Container", "style": _STYLES[found.tone], "bleed": True, "items": head}
    if found.instead_of:
        yield _block(f"{escaped(found.instead_of)} could not be reached: this came here instead.", isSubtle=True)
    for each in found.remarks:
        yield _block(escaped(each), isSubtle=True)
    if words := _paragraphs(cut_lines(text, room.text)):
        yield _block(words)
    if facts := found.facts[: room.facts]:
        yield {"type": "FactSet", "facts": [_fact(name, value) for name, value in facts]}
    if budgets := found.budgets[: room.budgets]:
        yield _table(budgets)
    if more := len(found.budgets) - len(budgets) + found.more_budgets:
        yield _block(f"and {more} more budgets", isSubtle=True)
    links = _links(found)
    for start in range(0, len(links), MOST_ACTIONS):
        yield {"type": "ActionSet", "actions": [_button(each) for each in links[start : start + MOST_ACTIONS]]}


def _button(link: Link) -> dict[str, str]:
    return {"type": "Action.OpenUrl", "title": link.title, "url": link.url}


def _block(text: str, **options: Any) -> dict[str, Any]:
    return {"type": "TextBlock", "text": text, "wrap": True, **options}


def _paragraphs(text: str) -> str:
    """Teams shows one end of a line as a space."""
    return "\n\n".join(line for line in text.splitlines() if line.strip())


def _fact(name: str, value: str) -> dict[str, str]:
    return {"title": cut(escaped(name), LONGEST_FACT), "value": cut(escaped(value), LONGEST_FACT)}


def _table(budgets: tuple[BudgetLine, ...]) -> dict[str, Any]:
    heads = [_cell(each, weight="bolder") for each in ("Error budget", "Left", "Burn rate, 1h", "Exhausts")]
    rows = [{"type": "TableRow", "cells": heads}, *({"type": "TableRow", "cells": _cells(each)} for each in budgets)]
    columns = [{"type": "TableColumnDefinition", "width": width} for width in (4, 3, 2, 3)]
    return {"type": "Table", "columns": columns, "rows": rows, "firstRowAsHeader": True}


def _cells(line: BudgetLine) -> list[dict[str, Any]]:
    is_gone = line.remaining is not None and line.remaining <= 0
    left = f"{line.left} ({line.note})" if line.note else line.left
    return [
        _cell(cut(escaped(line.name), LONGEST_FACT)),
        _cell(escaped(left), **({"color": "attention"} if is_gone else {})),
        _cell(line.burn),
        _cell(line.exhausts),
    ]


def _cell(text: str, **options: Any) -> dict[str, Any]:
    return {"type": "TableCell", "items": [_block(text, **options)]}


def _links(found: Outline) -> Sequence[Link]:
    return whole(dict.fromkeys((*found.links, *found.traces)), _size, LARGEST_LINKS)


def _size(link: Link) -> int:
    return len(json.dumps(_button(link), ensure_ascii=False).encode(errors="replace")) + 2
