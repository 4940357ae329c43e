"""The generic webhook sink: the payload of Alertmanager with its evidence, as Standard Webhooks 1.0."""

from __future__ import annotations

import asyncio
import json
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime

import httpx
from standardwebhooks.webhooks import Webhook

from slo_engine import __version__
from slo_engine.delivery.sink import Delivered, Outcome, Refused, Retry
from slo_engine.notifications import Message, as_payload

TIMEOUT_SECONDS = 15.0
"""The lower end of what Standard Webhooks advises; a lease is four times as long."""

RETRYABLE = frozenset({408, 425, 429})
"""4xx answers that are about the moment and not about the message."""

MAX_RETRY_AFTER = 3600.0
"""A sink may slow us down, but not put us off until tomorrow."""


class WebhookSink:
    """POSTs each message as JSON. With a secret it is signed (``webhook-signature``, HMAC-SHA256); ``webhook-id``
    is the same for every attempt."""

    def __init__(
        self, url: str, *, secret: str | None = None, transport: httpx.AsyncBaseTransport | None = None
    ) -> None:
        """Raises ValueError when ``secret`` is not base64, as Standard Webhooks has it."""
        self._url = url
        self._signer = Webhook(secret) if secret else None
        # No redirects: a POST that is redirected arrives as a GET without a body, and its 200 would lose the message.
        self._client = httpx.AsyncClient(
            timeout=TIMEOUT_SECONDS, trust_env=False, follow_redirects=False, transport=transport
        )

    async def close(self) -> None:
        """Give the connections back."""
        await self._client.aclose()

    async def send(self, message: Message) -> Outcome:
        """Send one message. 2xx: delivered. 408, 425, 429, 5xx and network errors: again later. All others: refused."""
        body = await asyncio.to_thread(lambda: json.dumps(as_payload(message)))
        now = datetime.now(UTC)
        headers = {
            "content-type": "application/json",
            "user-agent": f"slo-engine/{__version__}",
            "webhook-id": message.key,
            "webhook-timestamp": str(int(now.timestamp())),
        }
        if self._signer is not None:
            headers["webhook-signature"] = self._signer.sign(message.key, now, body)
        try:
            # Streamed and not read: the answer's body says nothing that we act on, and may be endless.
            async with (
                asyncio.timeout(TIMEOUT_SECONDS),  # httpx' own timeout counts from byte to byte
                self._client.stream("POST", self._url, content=body, headers=headers) as response,
            ):
                return _outcome(response, now)
        except (httpx.TimeoutException, TimeoutError):
            return Retry(f"no answer within {TIMEOUT_SECONDS:g} s")
        except (httpx.HTTPError, httpx.InvalidURL) as error:
            return Retry(f"cannot be reached: {type(error).__name__}")


def _outcome(response: httpx.Response, now: datetime) -> Outcome:
    status = response.status_code
    if response.is_success:
        return Delivered({"status": status})
    if status in RETRYABLE or status >= 500:
        return Retry(f"HTTP {status}", _retry_after(response.headers.get("retry-after"), now))
    if response.is_redirect:
        return Refused(f"HTTP {status}: it redirects; give the sink's final address")
    return Refused(f"HTTP {status}")


def _retry_after(value: str | None, now: datetime) -> float | None:
    """Seconds, from either form of the header; None when it is missing or makes no sense."""
    if not value:
        return None
    try:
        seconds = float(value) if value.strip().isdigit() else (parsedate_to_datetime(value) - now).total_seconds()
    except (ValueError, TypeError):
        return None
    return min(max(seconds, 0.0), MAX_RETRY_AFTER)
