"""What Alertmanager posts (webhook version 4), read with tolerance: unknown keys stay, missing ones have defaults."""

from __future__ import annotations

import hashlib
import json
import math
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

from slo_engine.errors import SloEngineError
from slo_engine.notifications.alertmanager import fingerprint_of

MAX_DEPTH = 50
"""Alertmanager nests four levels; what is nested much deeper is made to hurt whoever writes it out again."""


MAX_ALERTS = 10_000
"""In one notification. Alertmanager has no limit; a person reads none of them beyond the first few."""


class MalformedError(SloEngineError):
    """A body that is not an Alertmanager notification."""


@dataclass(frozen=True)
class Alert:
    """One alert of a notification."""

    status: str
    labels: Mapping[str, str]
    annotations: Mapping[str, str]
    fingerprint: str
    starts_at: datetime | None = None
    """None: it does not say, or nothing that makes sense."""

    @property
    def name(self) -> str:
        """Of the alerting rule; empty where it has none."""
        return self.labels.get("alertname", "")

    @property
    def is_firing(self) -> bool:
        """Whether the alert goes on."""
        return self.status.lower() in ("firing", "alerting")


@dataclass(frozen=True)
class AlertGroup:
    """A notification of one alert group. ``raw`` is all of it, as posted."""

    receiver: str
    status: str
    group_key: str
    alerts: tuple[Alert, ...]
    raw: Mapping[str, Any]

    @property
    def thread(self) -> str:
        """The identity of the alert group, for ordering: ``groupKey`` has no bounded length."""
        return hashlib.sha256(f"{self.receiver}\0{self.group_key}".encode()).hexdigest()

    @property
    def severity(self) -> str | None:
        """That of its alerts: ``page`` if one of them is a page, else that of the first that has one."""
        found = [alert.labels["severity"] for alert in self.alerts if alert.labels.get("severity")]
        return "page" if "page" in found else next(iter(found), None)

    @property
    def title(self) -> str:
        """One line for lists."""
        first = self.alerts[0]
        name = first.annotations.get("summary") or first.labels.get("alertname") or "alert without a name"
        more = f" (+{len(self.alerts) - 1} more)" if len(self.alerts) > 1 else ""
        return f"{name[:300]}{more}"


def parse(body: bytes) -> AlertGroup:
    """Read a posted body. Raises MalformedError with the reason, and nothing else, whatever it holds."""
    raw = _read(body)
    if not isinstance(raw, dict):
        raise MalformedError("expected a JSON object")
    if _is_deeper_than(MAX_DEPTH, raw):
        raise MalformedError(f"nested deeper than {MAX_DEPTH} levels")
    return understood(raw)


def understood(raw: Mapping[str, Any]) -> AlertGroup:
    """Read a payload that is JSON already. Raises MalformedError."""
    found = raw.get("alerts")
    if not isinstance(found, list) or not found:
        raise MalformedError("no list of alerts: is `payload:` set in the receiver's configuration?")
    if len(found) > MAX_ALERTS:
        raise MalformedError(f"more than {MAX_ALERTS:,} alerts: set max_alerts in the receiver's configuration")
    alerts = tuple(_alert(index, alert) for index, alert in enumerate(found))
    status = raw.get("status") or ("firing" if any(alert.is_firing for alert in alerts) else "resolved")
    group_key = raw.get("groupKey") or json.dumps(raw.get("groupLabels") or {}, sort_keys=True)
    return AlertGroup(str(raw.get("receiver") or ""), str(status), str(group_key), alerts, raw)


def _read(body: bytes) -> Any:
    try:
        # Like json.loads does it, but with what is not text replaced: a notification is not lost for half a character.
        text = body.decode(json.detect_encoding(body), "replace")
        raw = json.loads(text, parse_constant=_refuse_constant, parse_float=_finite)
        if "\\ud" in text.lower():
            raw = json.loads(json.dumps(raw, ensure_ascii=False).encode(errors="replace"))
    except (ValueError, RecursionError):
        raise MalformedError("not JSON") from None
    return raw


def _refuse_constant(name: str) -> None:
    raise ValueError(f"{name} is not JSON, though Python would take it")


def _finite(text: str) -> float | str:
    # 1e999 is JSON, and infinite for Python, which would write it out as something that is no JSON.
    number = float(text)
    return number if math.isfinite(number) else text


def _is_deeper_than(limit: int, value: Any) -> bool:
    level = [value]
    for _ in range(limit):
        inner = [each for each in level if isinstance(each, dict | list)]
        level = [child for each in inner for child in (each.values() if isinstance(each, dict) else each)]
        if not level:
            return False
    return True


def _alert(index: int, alert: Any) -> Alert:
    if not isinstance(alert, dict):
        raise MalformedError(f"alerts[{index}]: expected a JSON object")
    labels = _texts(alert.get("labels"), f"alerts[{index}].labels")
    annotations = _texts(alert.get("annotations"), f"alerts[{index}].annotations")
    status = str(alert.get("status") or "firing")
    return Alert(status, labels, annotations, fingerprint_of(alert), _time(alert.get("startsAt")))


def _time(value: Any) -> datetime | None:
    try:
        # Go writes nanoseconds, of which Python reads the first six digits.
        found = datetime.fromisoformat(value)
        return found.astimezone(UTC) if found.tzinfo else found.replace(tzinfo=UTC)
    except (ValueError, TypeError, OverflowError):
        return None


def _texts(value: Any, where: str) -> Mapping[str, str]:
    if value is None:
        return {}
    if not isinstance(value, dict):
        raise MalformedError(f"{where}: expected a JSON object")
    return {str(key): str(text) for key, text in value.items()}
