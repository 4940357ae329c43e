"""What the engine says of an incident: its own reader and sources, over the local stand-in for LangFuse."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping, Sequence
from datetime import datetime
from pathlib import Path
from typing import Any

import httpx

from benchmarks.causes.runs import STARTED, UNTIL, World
from deploy.stack.standin.app import StandIn
from slo_engine.alerts.payload import parse
from slo_engine.alerts.subjects import subjects_of
from slo_engine.connect import Connection
from slo_engine.definitions import load
from slo_engine.evidence import Backends, Gatherer, sources
from slo_engine.evidence.subject import Subject
from slo_engine.notifications import Evidence, Message, as_payload
from slo_engine.status.model import SloStatus
from slo_engine.traces import LangFuse

SLOS = load([Path(__file__).parent / "slos.yaml"])
KEYS = ("pk-lf-local", "sk-lf-local")
BUDGET = 60.0
"""Seconds: here it is asked what is said, not how soon."""


class NoStatuses:
    """Knows no status: Prometheus is no part of this."""

    async def statuses(self) -> Sequence[SloStatus]:
        """None."""
        return []


def door_to(transport: httpx.AsyncBaseTransport) -> LangFuse:
    """The reader of LangFuse."""
    return LangFuse(Connection("http://langfuse", basic_auth=KEYS, timeout=BUDGET), transport=transport)


def gatherer_over(door: LangFuse, *, budget: float) -> Gatherer:
    """All sources, as the engine has them."""
    return Gatherer(sources(Backends(NoStatuses(), door)), NoStatuses(), budget=budget)


def notification(agents: Iterable[str]) -> dict[str, Any]:
    """What Alertmanager posts when the success objective of these agents burns."""
    alerts = [
        {
            "status": "firing",
            "labels": {
                "alertname": "SLOErrorBudgetBurn",
                "agent_type": agent,
                "burn_rate": "5",
                "long_window": "1h",
                "short_window": "5m",
                "severity": "page",
                "slo": "success",
                "slo_service": "agents",
            },
            "annotations": {},
            "startsAt": STARTED.isoformat(),
            "endsAt": "0001-01-01T00:00:00Z",
            "generatorURL": "",
            "fingerprint": agent,
        }
        for agent in agents
    ]
    return {
        "receiver": "slo-engine",
        "status": "firing",
        "alerts": alerts,
        "groupLabels": {},
        "commonLabels": {},
        "commonAnnotations": {},
        "externalURL": "",
        "version": "4",
        "groupKey": "{}",
        "truncatedAlerts": 0,
    }


def subjects(agents: Iterable[str], until: datetime = UNTIL) -> list[Subject]:
    """What such a notification is about that comes at ``until``."""
    posted = json.dumps(notification(agents)).encode()
    return subjects_of(parse(posted).alerts, SLOS, until)


def said_in(evidence: Evidence) -> list[dict[str, Any]]:
    """The evidence as programs read it: ``enrichment``."""
    message = Message("key", "thread", "firing", "page", "title", evidence, {})
    enrichment: Mapping[str, Any] = as_payload(message)["enrichment"]
    found: list[dict[str, Any]] = json.loads(json.dumps(enrichment))["subjects"]
    if enrichment["missing"]:
        raise RuntimeError(f"without evidence: {enrichment['missing']}")
    return found


async def ask(world: World) -> dict[str, Any]:
    """What the engine says of a world."""
    standin = StandIn()
    standin.add(world.rows)
    door = door_to(httpx.ASGITransport(app=standin.app))
    try:
        found = await gatherer_over(door, budget=BUDGET).gather(subjects([world.plan.agent]))
    finally:
        await door.close()
    return said_in(found)[0]
