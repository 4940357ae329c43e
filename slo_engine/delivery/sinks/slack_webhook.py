"""``type: slack_webhook``: messages through an incoming webhook of Slack, or of what takes its format.

A webhook tells nothing of the message that it made: each message stands for itself, without updates and threads.
"""

from __future__ import annotations

import asyncio
import json
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any, ClassVar, Literal

from slo_engine.connect import said_in
from slo_engine.connection_settings import WebhookUrlSettings
from slo_engine.delivery.forms import Forms
from slo_engine.delivery.http import SINK_TIMEOUT, HttpSender, SinkTimeout, object_in, wait_of
from slo_engine.delivery.sink import Delivered, Misconfigured, Outcome, Refused, Retry, SinkSettings
from slo_engine.delivery.sinks import slack_errors as errors
from slo_engine.delivery.sinks.slack import Mention, own_form
from slo_engine.delivery.sinks.slack_blocks import PARTS, Form
from slo_engine.notifications import Message

if TYPE_CHECKING:
    import httpx

    from slo_engine.connect import Connection


class SlackWebhookSinkSettings(SinkSettings, WebhookUrlSettings):
    """One item of ``sinks``."""

    PARTS: ClassVar[tuple[str, ...]] = tuple(PARTS)

    type: Literal["slack_webhook"]
    mention: Mention = ""
    """Written as it stands into the message of a page that fires, such as <!subteam^S...>."""
    timeout: SinkTimeout = SINK_TIMEOUT


class SlackWebhookSink:
    """Posts each message to the channel of the webhook."""

    def __init__(
        self,
        connection: Connection,
        *,
        mention: str = "",
        forms: Forms | None = None,
        transport: httpx.AsyncBaseTransport | None = None,
    ) -> None:
        """``mention``: as Slack writes it. Raises SloEngineError for certificates that cannot be used."""
        self._sender = HttpSender(connection, "Slack's webhook", transport, credentials="url")
        self._mention = mention
        self._forms = forms or Forms("slack_webhook", PARTS)

    @classmethod
    def of(cls, settings: SlackWebhookSinkSettings) -> SlackWebhookSink:
        """The sink that the settings ask for. Raises SloEngineError for a template that fails."""
        forms = Forms(settings.name, PARTS, settings.templates)
        return cls(settings.connection(), mention=settings.mention, forms=forms)

    async def close(self) -> None:
        """Close the connections; the sink is not used afterwards."""
        await self._sender.close()

    def preview(self, message: Message) -> str:
        """The message that is posted."""
        form = own_form(self._forms, message, mention=self._mention)
        return json.dumps({"text": form.text, "blocks": form.blocks}, indent=2, ensure_ascii=False)

    async def send(self, message: Message, earlier: Mapping[str, Any] | None = None) -> Outcome:  # noqa: ARG002
        """Send one message. Slack answers ``ok``; anything else is an error: see ``slack_errors``."""
        form = await asyncio.to_thread(own_form, self._forms, message, mention=self._mention)
        try:
            async with asyncio.timeout(self._sender.connection.timeout):
                return await self._post(form)
        except TimeoutError:
            return Retry(f"Slack did not answer within {self._sender.connection.timeout:g} s")

    async def _post(self, form: Form, *, is_short: bool = False) -> Outcome:
        """Post it in blocks; where Slack refuses those, once in short."""
        said_as = {"text": form.plain} if is_short else {"text": form.text, "blocks": [*form.blocks]}
        answer = await self._sender.ask("", {**said_as, "unfurl_links": False, "unfurl_media": False})
        if isinstance(answer, Retry):
            return answer
        said = said_in(answer.body, self._sender.connection)
        error = said.partition(":")[0].strip()
        if error in errors.FORM_REFUSED and not is_short:
            return await self._post(form, is_short=True)
        if error in errors.FOR_NOW or error in errors.FOR_GOOD:
            return errors.outcome_of(error, f"HTTP {answer.status} ({said})", wait_of(answer))
        verdict = self._sender.outcome(answer)
        if isinstance(verdict, Retry | Misconfigured | Refused):
            return verdict
        found = object_in(answer.body)
        if not said or False in (found.get("ok"), found.get("success")):  # a page for people, or a failure
            return Retry(f"{self._sender.connection.address} answered {said or 'a page'!r} instead of 'ok'")
        # What takes Slack's format (Mattermost, Rocket.Chat) says yes in other words, and would get it for a day.
        return Delivered({"status": answer.status} | ({} if said == "ok" else {"said": said}))
