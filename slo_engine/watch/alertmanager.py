"""The door to Alertmanager's API (v2): which alerts it has, and how it is configured."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

from slo_engine.connect import Connection, Verdict, explained, failure_of, said_in, verdict_on
from slo_engine.connect.client import ERRORS, client, fetch
from slo_engine.errors import SloEngineError
from slo_engine.notifications.alertmanager import fingerprint_of

MAX_ANSWER_BYTES = 64 * 1024 * 1024
"""10,000 alerts with 2 KB each are 20 MB."""

_URL_PART = 4000
"""Characters of receivers in a query: longer ones, and all are asked for."""


class AlertmanagerError(SloEngineError):
    """It gave no answer that can be used."""


@dataclass(frozen=True)
class KnownAlert:
    """An alert that Alertmanager has. Times as Unix seconds; ``starts_at`` as it was given."""

    fingerprint: str
    labels: Mapping[str, str]
    annotations: Mapping[str, str]
    starts_at: str
    updated_at: float | None
    generator_url: str
    receivers: tuple[str, ...]
    is_suppressed: bool
    """Silenced, inhibited or muted, or not looked at yet: nobody is notified of it now."""

    @property
    def started(self) -> float:
        """``starts_at`` as Unix seconds; 0 where it makes no sense."""
        return seconds_of(self.starts_at) or 0.0


class Alertmanager:
    """One Alertmanager. Thread-safe."""

    def __init__(self, connection: Connection) -> None:
        """Raises TlsError."""
        self._connection = connection
        self._client = client(connection)
        self._name = f"Alertmanager at {connection.address}"

    @property
    def address(self) -> str:
        """``scheme://host:port``"""
        return self._connection.address

    def alerts(self, receivers: Sequence[str] = ()) -> list[KnownAlert]:
        """The alerts that go on, of these receivers or of all. Raises AlertmanagerError."""
        names = "|".join(re.escape(name).replace(r"\ ", " ") for name in sorted(receivers))
        query = {"receiver": f"^({names})$"} if names and len(names) < _URL_PART else {}
        found = self._get("/api/v2/alerts", query)
        if not isinstance(found, list):
            raise AlertmanagerError(f"{self._name} answered something else than alerts: is the address right?")
        return [alert for each in found if isinstance(each, dict) and (alert := _alert(each)) is not None]

    def config(self) -> str:
        """Its configuration, as YAML in which secrets are hidden. Raises AlertmanagerError."""
        found = self._get("/api/v2/status", {})
        config = found.get("config") if isinstance(found, dict) else None
        text = config.get("original") if isinstance(config, dict) else None
        if not isinstance(text, str):
            raise AlertmanagerError(f"{self._name} does not say how it is configured")
        return text

    def close(self) -> None:
        """Close the connections."""
        self._client.close()

    def _get(self, path: str, query: Mapping[str, str]) -> Any:
        request = self._client.build_request("GET", self._connection.url.rstrip("/") + path, params=dict(query))
        try:
            answer = fetch(request, self._client, seconds=self._connection.timeout, max_bytes=MAX_ANSWER_BYTES)
        except ERRORS as error:
            raise AlertmanagerError(failure_of(error, self._connection).of(self._name)) from None
        if verdict_on(answer.status) is not Verdict.DELIVERED:
            said = said_in(answer.body, self._connection)
            raise AlertmanagerError(f"{self._name} answered {explained(answer.status, self._connection, said=said)}")
        try:
            return json.loads(answer.body)
        except (ValueError, RecursionError):
            raise AlertmanagerError(f"{self._name} did not answer in JSON: is the address right?") from None


def seconds_of(time: Any) -> float | None:
    """A time of Alertmanager as Unix seconds; None where it is none."""
    try:
        found = datetime.fromisoformat(time)  # Go writes nanoseconds, of which Python reads the first six digits
        return (found if found.tzinfo else found.replace(tzinfo=UTC)).timestamp()
    except (ValueError, TypeError, OverflowError):
        return None


def _alert(raw: Mapping[str, Any]) -> KnownAlert | None:
    labels = _texts(raw.get("labels"))
    status = raw.get("status")
    status = status if isinstance(status, dict) else {}
    if not labels:
        return None
    receivers = raw.get("receivers")
    names = [each.get("name") for each in receivers if isinstance(each, dict)] if isinstance(receivers, list) else []
    return KnownAlert(
        fingerprint_of(raw),
        labels,
        _texts(raw.get("annotations")),
        str(raw.get("startsAt") or ""),
        seconds_of(raw.get("updatedAt")),
        str(raw.get("generatorURL") or ""),
        tuple(str(name) for name in names if name),
        status.get("state", "active") != "active"
        or any(status.get(f"{by}By") for by in ("silenced", "inhibited", "muted")),
    )


def _texts(value: Any) -> dict[str, str]:
    return {str(name): str(text) for name, text in value.items()} if isinstance(value, dict) else {}
