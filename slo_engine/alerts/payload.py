"""What Alertmanager posts (webhook version 4), read with tolerance: unknown keys stay, missing ones have defaults, and
an alert that cannot be read is set aside, so that the others of its group are."""

from __future__ import annotations

import hashlib
import json
import math
import zlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from functools import cached_property
from typing import Any

from slo_engine.errors import SloEngineError
from slo_engine.notifications.alertmanager import fingerprint_of

MAX_DEPTH = 50
"""Alertmanager nests four levels; what is nested much deeper is made to hurt whoever writes it out again."""


MAX_ALERTS = 10_000
"""In a notification that gets evidence. Alertmanager has no limit; a person reads none of them beyond the first few."""

MAX_UNPACKED_BYTES = 64 * 1024 * 1024
"""Of a body that comes compressed: four times as much as one may have that does not."""


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
    ends_at: datetime | None = None
    """None: it goes on, or does not say."""
    begins: str = ""
    """``startsAt`` to the millisecond: with the fingerprint it names the episode."""

    @property
    def name(self) -> str:
        """Of the alerting rule; empty where it has none."""
        return self.labels.get("alertname", "")

    @property
    def is_firing(self) -> bool:
        """Whether the alert goes on."""
        return self.status.lower() in ("firing", "alerting")


@dataclass(frozen=True)
class Unreadable:
    """An alert of a group that is none, as far as can be told."""

    place: str
    """``alerts[3]``"""
    reason: str
    found: Any
    """What stands there."""

    def __str__(self) -> str:
        dot = "." if self.reason.startswith(("labels", "annotations")) else ": "
        return f"{self.place}{dot}{self.reason}"


@dataclass(frozen=True)
class AlertGroup:
    """A notification of one alert group. ``raw`` is all of it, as posted, but for the alerts that are unreadable."""

    receiver: str
    status: str
    group_key: str
    alerts: tuple[Alert, ...]
    raw: Mapping[str, Any]
    unreadable: tuple[Unreadable, ...] = ()
    source: str = ""
    """The name of who posted it, of the settings."""

    @cached_property
    def thread(self) -> str:
        """The identity of the alert group, for ordering: ``groupKey`` has no bounded length."""
        of_source = f"{self.source}\0" if self.source else ""
        return hashlib.sha256(f"{of_source}{self.receiver}\0{self.group_key}".encode()).hexdigest()

    @property
    def kind(self) -> str:
        """``firing`` or ``resolved``."""
        return "resolved" if self.status == "resolved" else "firing"

    @cached_property
    def identity(self) -> str:
        """What the Alertmanagers of a cluster say alike: the group, and the status of each episode. Not their
        addresses, and not when an episode ended, which each finds out by itself."""
        said = sorted([alert.fingerprint, alert.begins, alert.is_firing] for alert in self.alerts)
        return hashlib.sha256(json.dumps([self.thread, self.kind, said]).encode()).hexdigest()

    @property
    def is_reminder(self) -> bool:
        """Whether Alertmanager (0.32 and later) says that it only repeats itself."""
        return self.raw.get("notification_reason") == "repeat interval elapsed"

    @cached_property
    def keys(self) -> Sequence[str]:
        """What identifies each of its alerts among those of all sources."""
        return [alert_key(self.source, alert.fingerprint) for alert in self.alerts]

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


def alert_key(source: str, fingerprint: str) -> str:
    """What identifies an alert in the store."""
    return hashlib.sha256(f"{source}\0{fingerprint}".encode()).hexdigest()[:32]


def parse(body: bytes, source: str = "") -> AlertGroup:
    """Read a posted body. Raises MalformedError with the reason, and nothing else, whatever it holds."""
    raw = _read(_unpacked(body))
    if not isinstance(raw, dict):
        raise MalformedError("expected a JSON object")
    if _is_deeper_than(MAX_DEPTH, raw):
        raise MalformedError(f"nested deeper than {MAX_DEPTH} levels")
    return understood(raw, source)


def understood(raw: Mapping[str, Any], source: str = "") -> AlertGroup:
    """Read a payload that is JSON already. Raises MalformedError when it has no alert that can be read."""
    found = raw.get("alerts")
    if not isinstance(found, list) or not found:
        raise MalformedError("no list of alerts: is `payload:` set in the receiver's configuration?")
    alerts: list[Alert] = []
    kept: list[Any] = []
    unreadable: list[Unreadable] = []
    for index, each in enumerate(found):
        try:
            alerts.append(_alert(each))
            kept.append(each)
        except MalformedError as error:
            unreadable.append(Unreadable(f"alerts[{index}]", str(error), each))
    if not alerts:
        raise MalformedError(str(unreadable[0]))
    if unreadable:
        raw = {**raw, "alerts": kept}
    status = raw.get("status") or ("firing" if any(alert.is_firing for alert in alerts) else "resolved")
    group_key = raw.get("groupKey") or json.dumps(raw.get("groupLabels") or {}, sort_keys=True)
    receiver = str(raw.get("receiver") or "")
    return AlertGroup(receiver, str(status), str(group_key), tuple(alerts), raw, tuple(unreadable), source)


def _unpacked(body: bytes) -> bytes:
    # A proxy between may compress what Alertmanager sends plainly.
    if not body.startswith(b"\x1f\x8b"):
        return body
    reader = zlib.decompressobj(zlib.MAX_WBITS | 16)
    try:
        unpacked = reader.decompress(body, MAX_UNPACKED_BYTES)
    except zlib.error:
        raise MalformedError("begins as gzip, and is none") from None
    if reader.unconsumed_tail:
        raise MalformedError(f"larger than {MAX_UNPACKED_BYTES:,} bytes when unpacked")
    if not reader.eof:
        raise MalformedError("a gzip body that is cut off")
    return unpacked


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
        children = (each.values() if type(each) is dict else each for each in level)
        level = [child for each in children for child in each if type(child) in _NESTED]
        if not level:
            return False
    return True


_NESTED = frozenset({dict, list})


def _alert(alert: Any) -> Alert:
    if not isinstance(alert, dict):
        raise MalformedError("expected a JSON object")
    labels = _texts(alert.get("labels"), "labels")
    annotations = _texts(alert.get("annotations"), "annotations")
    status = str(alert.get("status") or "firing")
    begins = alert.get("startsAt")
    starts_at = time_of(begins)
    return Alert(
        status,
        labels,
        annotations,
        fingerprint_of(alert),
        starts_at,
        time_of(alert.get("endsAt")),
        _to_the_millisecond(begins, starts_at),
    )


def _to_the_millisecond(begins: Any, found: datetime | None) -> str:
    # What Alertmanager posts has nanoseconds, what its API says ends with the millisecond: the episode is the same.
    if found is None:
        return begins if isinstance(begins, str) else ""
    return found.isoformat(timespec="milliseconds").replace("+00:00", "Z")


def time_of(value: Any) -> datetime | None:
    """A time as Alertmanager writes it; None: it is none."""
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
