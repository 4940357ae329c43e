"""``type: webhook``: the payload of Alertmanager with its evidence, as Standard Webhooks 1.0."""

from __future__ import annotations

import asyncio
import base64
import json
from collections.abc import Mapping
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any, ClassVar, Literal, Self

from pydantic import SecretStr, model_validator

from slo_engine.connect import Connection
from slo_engine.connection_settings import ConnectionSettings
from slo_engine.delivery.forms import Forms, Markup, Part
from slo_engine.delivery.http import SINK_TIMEOUT, HttpSender, SinkTimeout
from slo_engine.delivery.sink import Delivered, Misconfigured, Outcome, Refused, Retry, SinkSettings
from slo_engine.notifications import Message, as_payload

if TYPE_CHECKING:
    import httpx

_IN_JSON = Markup(escape=lambda text: json.dumps(text)[1:-1])
"""For a template that writes JSON, whose texts stand between its own quotes."""

_PARTS = {"body": Part(_IN_JSON, "body.json.j2")}


class WebhookSinkSettings(SinkSettings, ConnectionSettings):
    """One item of ``sinks``."""

    PARTS: ClassVar[tuple[str, ...]] = tuple(_PARTS)

    type: Literal["webhook"]
    secret: SecretStr | None = None
    """Signs each request as Standard Webhooks has it."""
    timeout: SinkTimeout = SINK_TIMEOUT

    @model_validator(mode="after")
    def _secret_is_base64(self) -> Self:
        if self.secret is not None:
            try:
                key = base64.b64decode(self.secret.get_secret_value().removeprefix("whsec_"), validate=True)
            except ValueError:  # binascii.Error, or letters beyond ASCII
                key = b""
            if not key:
                raise ValueError("secret must be base64, such as `openssl rand -base64 32` prints")
        return self


class WebhookSink:
    """POSTs each message as JSON. With a secret it is signed (``webhook-signature``, HMAC-SHA256); ``webhook-id``
    is the same for every attempt."""

    def __init__(
        self,
        connection: Connection,
        *,
        secret: str | None = None,
        forms: Forms | None = None,
        templated: frozenset[str] = frozenset(),
        transport: httpx.AsyncBaseTransport | None = None,
    ) -> None:
        """``templated``: the kinds of messages whose body ``forms`` writes. Raises ValueError when ``secret`` is not
        base64, as Standard Webhooks has it, and SloEngineError for certificates that cannot be used."""
        # Commands that only read the settings do not pay for it.
        from standardwebhooks.webhooks import Webhook

        self._signer = Webhook(secret) if secret else None
        self._forms = forms
        self._templated = templated
        self._sender = HttpSender(connection, "the webhook", transport)

    @classmethod
    def of(cls, settings: WebhookSinkSettings) -> WebhookSink:
        """The sink that the settings ask for. Raises SloEngineError for a template that fails."""
        secret = settings.secret.get_secret_value() if settings.secret else None
        forms = Forms(settings.name, _PARTS, settings.templates)
        return cls(settings.connection(), secret=secret, forms=forms, templated=frozenset(settings.templates))

    async def close(self) -> None:
        """Close the connections; the sink is not used afterwards."""
        await self._sender.close()

    def preview(self, message: Message) -> str:
        """The body."""
        return self._body(message)

    async def send(self, message: Message, earlier: Mapping[str, Any] | None = None) -> Outcome:  # noqa: ARG002
        """Send one message. Delivered: 2xx. The rest: see ``HttpSender``."""
        body = await asyncio.to_thread(self._body, message)
        now = datetime.now(UTC)
        headers = {"webhook-id": message.key, "webhook-timestamp": str(int(now.timestamp()))}
        if self._signer is not None:
            headers["webhook-signature"] = self._signer.sign(message.key, now, body)
        answer = await self._sender.post("", body, headers)
        return answer if isinstance(answer, Retry | Misconfigured | Refused) else Delivered({"status": answer.status})

    def _body(self, message: Message) -> str:
        if self._forms is not None and message.kind in self._templated:
            return self._forms.write("body", message)
        return json.dumps(as_payload(message))
