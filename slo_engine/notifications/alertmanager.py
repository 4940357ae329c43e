"""A message as JSON: Alertmanager's payload (webhook version 4), plus annotations for people and ``enrichment`` for
programs. Receivers that know Alertmanager see only annotations and one key that are new."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from dataclasses import asdict, replace
from typing import Any

from slo_engine.notifications.message import Evidence, Message, Topic

ENRICHMENT = "enrichment"
PREFIX = "slo_engine_"
"""What the added annotations begin with: the name of a section, ``traces`` or ``missing`` follows."""

DATA_KEYS = {"budget": "status", "causes": "traces"}
"""Section -> the key of its data in ``enrichment.subjects``, where that is not its own name."""


def as_payload(message: Message) -> dict[str, Any]:
    """The payload with what was found out; of what the engine says by itself the post, which has no alerts."""
    if message.post is not None:
        return {"version": "1", "kind": message.kind, "title": message.title, "post": asdict(message.post)}
    payload = dict(message.payload or {})
    evidence = message.evidence
    remarks = {"remarks": list(message.remarks)} if message.remarks else {}
    if evidence is None:
        return {**payload, ENRICHMENT: {"version": "1", **remarks}} if remarks else payload
    added: dict[str, Mapping[str, str]] = {}
    for topic in evidence.topics:
        added |= dict.fromkeys(topic.fingerprints, annotations_of(topic, evidence))
    alerts = [_annotated(alert, added) for alert in payload.get("alerts", ())]
    found = enrichment(evidence, is_update=message.kind == "update")
    return {**payload, "alerts": alerts, ENRICHMENT: {**found, **remarks}}


def annotations_of(topic: Topic, evidence: Evidence) -> dict[str, str]:
    """The annotations of the alerts about one topic; each only where there is something to say."""
    found = {f"{PREFIX}{section.name}": section.text for section in topic.sections}
    found[f"{PREFIX}traces"] = "\n".join(
        dict.fromkeys(link.url for section in topic.sections for link in section.links)
    )
    found[f"{PREFIX}missing"] = "\n".join(f"Without {each.source}: {each.reason}" for each in evidence.missing)
    return {name: text for name, text in found.items() if text}


def enrichment(evidence: Evidence, *, is_update: bool = False) -> dict[str, Any]:
    """The ``enrichment`` object. ``is_update``: the notification itself was sent before."""
    return {
        "version": "1",
        "update": is_update,
        "gathered_at": evidence.gathered_at,
        "seconds": evidence.seconds,
        "missing": [{"source": each.source, "reason": each.reason} for each in evidence.missing],
        "subjects": [_subject(topic) for topic in evidence.topics],
    }


def fingerprint_of(alert: Mapping[str, Any]) -> str:
    """What identifies an alert: what Alertmanager says or, from a sender that says nothing, a hash of its labels."""
    said = alert.get("fingerprint")
    if said:
        return str(said)
    labels = sorted((str(name), str(value)) for name, value in (alert.get("labels") or {}).items())
    return hashlib.sha256(json.dumps(labels).encode()).hexdigest()[:16]


def _annotated(alert: Mapping[str, Any], added: Mapping[str, Mapping[str, str]]) -> Mapping[str, Any]:
    found = added.get(fingerprint_of(alert), {})
    # A resolved alert has no topic of its own; it may share its fingerprint with one that fires.
    if not found or (alert.get("status") or "firing") != "firing":
        return alert
    return {**alert, "annotations": {**(alert.get("annotations") or {}), **found}}


def _subject(topic: Topic) -> dict[str, Any]:
    data = {
        DATA_KEYS.get(section.name, section.name): section.data
        for section in topic.sections
        if section.data is not None
    }
    answer = topic.section("answer")
    return {
        "service": topic.service,
        "slo": topic.slo,
        "group": dict(topic.group),
        "fingerprints": list(topic.fingerprints),
        "answer": answer.text if answer else None,
        "texts": {section.name: section.text for section in topic.sections},
        **dict.fromkeys(DATA_KEYS.values()),
        **data,
    }


PLAIN_ALERTS = 20
PLAIN_CHARACTERS = 500


def plain(message: Message) -> Message:
    """The same without its evidence, and of many alerts and long texts only the beginning: for who has refused it."""
    payload = message.payload
    if payload is None:
        return message
    alerts = payload.get("alerts") or []
    kept = {key: value for key, value in payload.items() if key != "unreadable"}
    if len(alerts) > PLAIN_ALERTS:
        more = payload.get("truncatedAlerts")
        kept["truncatedAlerts"] = (more if isinstance(more, int) else 0) + len(alerts) - PLAIN_ALERTS
    if alerts:
        kept["alerts"] = [_short(alert) for alert in alerts[:PLAIN_ALERTS]]
    return replace(
        message,
        evidence=None,
        payload={key: value if key == "groupKey" else _short(value) for key, value in kept.items()},
    )


def _short(value: Any) -> Any:
    if isinstance(value, str):
        return value if len(value) <= PLAIN_CHARACTERS else f"{value[: PLAIN_CHARACTERS - 1]}…"
    if isinstance(value, Mapping):
        return {key: _short(each) for key, each in value.items()}
    return value
