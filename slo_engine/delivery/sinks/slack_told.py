"""What was said of an incident in Slack so far, as the receipt of a message keeps it, and what is new since. No I/O."""

from __future__ import annotations

import hashlib
import json
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from slo_engine.delivery.sinks import slack_blocks as blocks
from slo_engine.notifications import Message, Outline
from slo_engine.notifications.outline import one_line

MOST_ALERTS = 200
"""That are remembered: of a larger group no alert is told to be new or gone."""

MOST_NAMED = 5
"""That a reply names."""

_FIGURES = re.compile(r"\d[\d.,:]*")


@dataclass(frozen=True)
class Told:
    """What a reader of the message knows."""

    firing: tuple[str, ...]
    """The alerts, by their fingerprints."""
    tone: str
    answer: str
    """The reason, whoever gave it last."""
    evidence: str
    """A digest of all evidence."""

    def as_receipt(self) -> dict[str, Any]:
        """As JSON."""
        return {
            "firing": list(self.firing),
            "tone": self.tone,
            "answer": self.answer,
            "evidence": self.evidence,
        }


@dataclass(frozen=True)
class Root:
    """The message of an incident."""

    channel: str
    ts: str
    told: Told


def read(receipt: Mapping[str, Any] | None, channel: str) -> Root | None:
    """The message that a receipt names; None when there is none, or when it was in another channel than is set now."""
    if receipt is None or receipt.get("to") != channel:
        return None
    where, ts = receipt.get("channel"), receipt.get("ts")
    if not isinstance(where, str) or not isinstance(ts, str) or not where or not ts:
        return None
    told = Told(
        tuple(str(each) for each in receipt.get("firing") or ()),
        str(receipt.get("tone") or ""),
        str(receipt.get("answer") or ""),
        str(receipt.get("evidence") or ""),
    )
    return Root(where, ts, told)


def of(message: Message, found: Outline, before: Told | None) -> Told:
    """What is known after this message. A reason stays until there is another."""
    said = [[topic.name, topic.answer, *([each.name, each.text] for each in topic.said)] for topic in found.topics]
    firing = tuple(sorted(_identity(alert) for alert in _alerts(message) if _is_firing(alert)))
    return Told(
        firing=firing[:MOST_ALERTS],
        tone=found.tone,
        answer=found.answer or (before.answer if before is not None else ""),
        evidence=_digest(_without_figures(json.dumps(said))) if said or before is None else before.evidence,
    )


def changes(message: Message, found: Outline, before: Told, now: Told) -> list[str]:
    """What is new in a repeat, as lines of ``mrkdwn``; none: nothing but figures."""
    lines = []
    alerts = {_identity(alert): alert for alert in _alerts(message)}
    if max(len(before.firing), len(now.firing)) < MOST_ALERTS:
        common = (message.payload or {}).get("commonLabels")
        shared = common if isinstance(common, Mapping) else {}
        known, current = set(before.firing), set(now.firing)
        lines += _named("Firing, too", [alerts[each] for each in now.firing if each not in known], shared)
        gone = [each for each in before.firing if each not in current]
        lines += _named("Resolved", [alerts.get(each, {}) for each in gone], shared)
    if now.tone != before.tone and found.severity:
        lines.append(f"Severity: {blocks.bold(blocks.escaped(found.severity))}")
    if found.answer and _without_figures(found.answer) != _without_figures(before.answer):
        lines.append(f"Reason: {blocks.bold(blocks.escaped(found.answer))}")
    return lines


def _named(what: str, alerts: Sequence[Mapping[str, Any]], shared: Mapping[str, Any]) -> list[str]:
    shown = [f"{what}: {_labels(alert, shared)}" for alert in alerts[:MOST_NAMED]]
    more = len(alerts) - len(shown)
    return [*shown, f"and {more} more"] if more > 0 else shown


def _labels(alert: Mapping[str, Any], shared: Mapping[str, Any]) -> str:
    """Those that tell it from the others; all, when these are none."""
    labels = alert.get("labels")
    if not isinstance(labels, Mapping) or not labels:
        return "an alert that Alertmanager no longer names"
    own = {name: value for name, value in labels.items() if shared.get(name) != value} or labels
    text = ", ".join(f"{name}={str(value)[:200]}" for name, value in own.items())
    return blocks.code(blocks.escaped(one_line(text, 300)))


def _alerts(message: Message) -> list[Mapping[str, Any]]:
    return [alert for alert in (message.payload or {}).get("alerts") or () if isinstance(alert, Mapping)]


def _is_firing(alert: Mapping[str, Any]) -> bool:
    return str(alert.get("status") or "firing") != "resolved"


def _identity(alert: Mapping[str, Any]) -> str:
    fingerprint = alert.get("fingerprint")
    if isinstance(fingerprint, str) and 0 < len(fingerprint) <= 32:
        return fingerprint
    return _digest(json.dumps(alert.get("labels"), sort_keys=True, default=str))


def _without_figures(text: str) -> str:
    return _FIGURES.sub("<n>", text)


def _digest(text: str) -> str:
    return hashlib.sha256(text.encode(errors="replace")).hexdigest()[:16]
