"""POSTs to a sink, with one table of what their answers mean for a delivery."""

from __future__ import annotations

import json
from collections.abc import Mapping
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Annotated, Any

from pydantic import AfterValidator

from slo_engine.connect import Connection, Verdict, explained, failure_of, retry_after, said_in, verdict_on
from slo_engine.connect.connection import USER_AGENT
from slo_engine.connect.verdict import CREDENTIALS
from slo_engine.definitions.duration import Duration
from slo_engine.delivery.sink import LONGEST_DELIVERY_SECONDS, Misconfigured, Refused, Retry

if TYPE_CHECKING:
    import httpx

    from slo_engine.connect.client import Answer

MAX_RETRY_AFTER = 3600.0
"""A sink may slow us down, but not put us off until tomorrow."""

TOO_MANY = 429
TOO_LARGE = 413
BY_PEOPLE = frozenset({402, 404, 405, 410, TOO_LARGE})
"""4xx answers that are about the account, the address, or a limit of a proxy before it, and not about what was sent;
beside those about credentials and redirects."""

MAX_ANSWER_BYTES = 256 * 1024
"""No sink has more to say than a few lines."""


def _ends_before_the_lease(timeout: Duration) -> Duration:
    if timeout.seconds > LONGEST_DELIVERY_SECONDS:
        raise ValueError(f"must be at most {LONGEST_DELIVERY_SECONDS:g}s")
    return timeout


SinkTimeout = Annotated[Duration, AfterValidator(_ends_before_the_lease)]
"""For a whole delivery."""

SINK_TIMEOUT = Duration.parse("15s")
"""The lower end of what Standard Webhooks advises."""


class HttpSender:
    """Requests to one sink."""

    def __init__(
        self,
        connection: Connection,
        what: str,
        transport: httpx.AsyncBaseTransport | None = None,
        *,
        credentials: str = CREDENTIALS,
    ) -> None:
        """``what``: ``Slack``, ``the webhook``, for errors. ``credentials``: the settings that hold them, for errors.
        Raises SloEngineError for certificates that cannot be used."""
        # Commands that only read the settings do not pay for a client.
        from slo_engine.connect.client import async_client

        self.connection = connection
        self._what = what
        self._credentials = credentials
        # No redirects: a POST that is redirected arrives as a GET without a body, and its 200 would lose the message.
        self._client = async_client(connection, transport)

    async def close(self) -> None:
        """Close the connections."""
        await self._client.aclose()

    async def post(
        self,
        path: str,
        body: Mapping[str, Any] | str | bytes,
        headers: Mapping[str, str] | None = None,
        *,
        method: str = "POST",
    ) -> Answer | Retry | Misconfigured | Refused:
        """POST ``body``, as JSON unless it is text already, to ``path`` under the address of the connection. The answer
        when its status is 2xx; else what to do. Never raises for what the other side or the network does."""
        answer = await self.ask(path, body, headers, method=method)
        return answer if isinstance(answer, Retry) else self.outcome(answer)

    async def ask(
        self,
        path: str,
        body: Mapping[str, Any] | str | bytes,
        headers: Mapping[str, str] | None = None,
        *,
        method: str = "POST",
    ) -> Answer | Retry:
        """The same, but the answer whatever its status: for a sink that finds more than that in it."""
        from slo_engine.connect.client import ERRORS, fetch_async

        content = json.dumps(body) if isinstance(body, Mapping) else body
        given = {"content-type": "application/json", "user-agent": USER_AGENT, **(headers or {})}
        try:
            request = self._client.build_request(method, f"{self.connection.url}{path}", content=content, headers=given)
            answer = await fetch_async(
                request,
                self._client,
                seconds=self.connection.timeout,
                max_bytes=MAX_ANSWER_BYTES,
                keep_beginning=True,
            )
        except ERRORS as error:
            return Retry(failure_of(error, self.connection).of(f"{self._what} at {self.connection.address}"))
        return answer

    def outcome(self, answer: Answer) -> Answer | Retry | Misconfigured | Refused:
        """What its status says: the answer itself when it is 2xx, else what to do."""
        verdict = verdict_on(answer.status)
        if verdict is Verdict.DELIVERED:
            return answer
        if verdict is Verdict.RETRY:
            return Retry(self.said(answer), wait_of(answer), is_limit=answer.status == TOO_MANY)
        said = said_in(answer.body, self.connection)
        reason = explained(answer.status, self.connection, said=said, credentials=self._credentials)
        if reason != self.said(answer):  # advice is for somebody who can change a setting
            return Misconfigured(reason)
        return not_taken(answer.status, reason)

    def said(self, answer: Answer) -> str:
        """``HTTP 503 (upstream is down)``: the status, and the reason where one is given, without secrets."""
        said = said_in(answer.body, self.connection)
        return f"HTTP {answer.status} ({said})" if said else f"HTTP {answer.status}"


def not_taken(status: int, reason: str) -> Misconfigured | Refused:
    """What a status means that is none of those to try again for."""
    if verdict_on(status) is Verdict.REFUSED and status not in BY_PEOPLE:
        return Refused(reason)
    return Misconfigured(reason, is_too_large=status == TOO_LARGE)


def wait_of(answer: Answer) -> float | None:
    """The seconds that an answer asks to wait, with a limit."""
    asked = retry_after(answer.headers.get("retry-after"), datetime.now(UTC))
    return None if asked is None else min(asked, MAX_RETRY_AFTER)


def object_in(body: bytes) -> Mapping[str, Any]:
    """The JSON object that an answer is; empty where it is none."""
    try:
        found = json.loads(body)
    except (ValueError, RecursionError):
        return {}
    return found if isinstance(found, Mapping) else {}
