"""What is no notification of Alertmanager is passed on all the same: as an alert that says so, with what came."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from typing import Any

from slo_engine.alerts.payload import AlertGroup, understood

NAME = "UnreadableNotification"
"""The name of the alert."""

LONGEST_BODY = 64 * 1024
"""Characters of what came that are passed on; the store keeps all of it."""

LONGEST_QUOTE = 1500

_TITLES = ("title", "ruleName", "alertname", "summary", "name", "subject", "message", "text")
"""Where other senders say what it is about."""


def passed_on(body: bytes, reason: str, source: str) -> AlertGroup:
    """The group that stands for a posted body of which nothing can be read."""
    text = body[: 4 * LONGEST_BODY].decode(errors="replace")
    return _group(text, _title(body), reason, source, "")


def passed_on_alert(found: Any, reason: str, group: AlertGroup) -> AlertGroup:
    """The group that stands for an alert that cannot be read; the others of its group are."""
    text = json.dumps(found, ensure_ascii=False)
    return _group(text, _title_in(found), reason, group.source, group.receiver)


def _group(text: str, title: str, reason: str, source: str, receiver: str) -> AlertGroup:
    text = text[:LONGEST_BODY]
    labels = {"alertname": NAME, "severity": "page"}
    what = f"{title}: this" if title else "A posted notification"
    annotations = {
        "summary": f"{what} could not be read as a notification of Alertmanager",
        "description": f"{reason}. It came as: {text[:LONGEST_QUOTE]}",
    }
    digest = hashlib.sha256(f"{reason}\0{text}".encode(errors="replace")).hexdigest()
    alert = {
        "status": "firing",
        "labels": labels,
        "annotations": annotations,
        "fingerprint": digest[:16],
        "generatorURL": "",
    }
    raw = {
        "version": "4",
        # One incident for each mistake: a sender that makes it every minute opens one, not hundreds.
        "groupKey": f"unreadable:{reason}",
        "receiver": receiver,
        "status": "firing",
        "groupLabels": {"alertname": NAME},
        "commonLabels": labels,
        "commonAnnotations": annotations,
        "externalURL": "",
        "truncatedAlerts": 0,
        "alerts": [alert],
        "unreadable": {"reason": reason, "body": text},
    }
    return understood(raw, source)


def _title(body: bytes) -> str:
    try:
        return _title_in(json.loads(body))
    except (ValueError, RecursionError):
        return ""


def _title_in(found: Any) -> str:
    if not isinstance(found, Mapping):
        return ""
    inner = [found.get(name) for name in ("annotations", "labels", "commonAnnotations", "commonLabels")]
    for place in (found, *(each for each in inner if isinstance(each, Mapping))):
        for name in _TITLES:
            if isinstance(value := place.get(name), str) and value.strip():
                return value.strip()[:200]
    return ""
