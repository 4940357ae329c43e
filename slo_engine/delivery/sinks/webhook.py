"""``type: webhook``: the payload of Alertmanager with its evidence, as Standard Webhooks 1.0."""

from __future__ import annotations

import asyncio
import base64
import json
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Literal, Self

from pydantic import SecretStr, field_validator, model_validator

from slo_engine.connect import Connection, Verdict, explained, failure_of, retry_after, verdict_on
from slo_engine.connection_settings import ConnectionSettings
from slo_engine.definitions.duration import Duration
from slo_engine.delivery.sink import Delivered, Outcome, Refused, Retry, SinkSettings
from slo_engine.notifications import Message, as_payload

if TYPE_CHECKING:
    import httpx

MAX_RETRY_AFTER = 3600.0
"""A sink may slow us down, but not put us off until tomorrow."""


LONGEST_DELIVERY_SECONDS = 30.0
"""Half the lease of a delivery: one that outlives its lease is sent twice."""


class WebhookSinkSettings(SinkSettings, ConnectionSettings):
    """One item of ``sinks``."""

    type: Literal["webhook"]
    secret: SecretStr | None = None
    timeout: Duration = Duration.parse("15s")
    """The lower end of what Standard Webhooks advises."""

    @field_validator("timeout")
    @classmethod
    def _timeout_ends_before_the_lease(cls, timeout: Duration) -> Duration:
        if timeout.seconds > LONGEST_DELIVERY_SECONDS:
            raise ValueError(f"must be at most {LONGEST_DELIVERY_SECONDS:g}s")
        return timeout

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
        self, connection: Connection, *, secret: str | None = None, transport: httpx.AsyncBaseTransport | None = None
    ) -> None:
        """Raises ValueError when ``secret`` is not base64, as Standard Webhooks has it, and SloEngineError for
        certificates that cannot be used."""
        # Commands that only read the settings do not pay for a client.
        from standardwebhooks.webhooks import Webhook

        from slo_engine.connect.client import async_client

        self._connection = connection
        self._signer = Webhook(secret) if secret else None
        # No redirects: a POST that is redirected arrives as a GET without a body, and its 200 would lose the message.
        self._client = async_client(connection, transport)

    @classmethod
    def of(cls, settings: WebhookSinkSettings) -> WebhookSink:
        """The sink that the settings ask for."""
        secret = settings.secret.get_secret_value() if settings.secret else None
        return cls(settings.connection(), secret=secret)

    async def close(self) -> None:
        """Close the connections; the sink is not used afterwards."""
        await self._client.aclose()

    async def send(self, message: Message) -> Outcome:
        """Send one message. 2xx: delivered. 408, 425, 429, 5xx and network errors: again later. All others: refused."""
        from slo_engine.connect.client import ERRORS, answered

        body = await asyncio.to_thread(lambda: json.dumps(as_payload(message)))
        now = datetime.now(UTC)
        headers = {
            "content-type": "application/json",
            "webhook-id": message.key,
            "webhook-timestamp": str(int(now.timestamp())),
        }
        if self._signer is not None:
            headers["webhook-signature"] = self._signer.sign(message.key, now, body)
        request = self._client.build_request("POST", self._connection.url, content=body, headers=headers)
        try:
            # The answer's body is not read: it says nothing that we act on, and may be endless.
            async with answered(request, self._client, seconds=self._connection.timeout) as response:
                return self._outcome(response, now)
        except ERRORS as error:
            return Retry(failure_of(error, self._connection).of(f"the webhook at {self._connection.address}"))

    def _outcome(self, response: httpx.Response, now: datetime) -> Outcome:
        status = response.status_code
        verdict = verdict_on(status)
        if verdict is Verdict.DELIVERED:
            return Delivered({"status": status})
        if verdict is Verdict.RETRY:
            asked = retry_after(response.headers.get("retry-after"), now)
            return Retry(f"HTTP {status}", None if asked is None else min(asked, MAX_RETRY_AFTER))
        return Refused(explained(status, self._connection))
