"""A site with something of everything, for browsers and pictures."""

from __future__ import annotations

import math
import random
import time
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import cast

from sqlalchemy import update

from slo_engine.definitions.money import Budget
from slo_engine.notifications import Evidence, Section, Topic
from slo_engine.prometheus import Prometheus, RangeResult, Result, Series
from slo_engine.prometheus.client import Sample
from slo_engine.status.model import Events, SloStatus
from slo_engine.store import history
from slo_engine.store.tables import outbox
from slo_engine.web import Access
from tests.alerts.payloads import notification
from tests.web.site import PAGE, TICKET, Site, status

SUPPORT = {"agent_type": "support_agent"}
RESEARCH = {"agent_type": "research_agent"}

SPENT = {
    ("support", "support_agent", "gpt-4o"): 1210.0,
    ("support", "support_agent", "claude-sonnet-4-5"): 410.0,
    ("research", "research_agent", "gpt-4o"): 180.0,
}
"""By job, agent and model."""


class Spent:
    """What a Prometheus answers that has counted this."""

    def query(self, expr: str, at: datetime) -> Result:
        part = 0.06 if "[1d]" in expr else 1.0
        names = ("job", "agent_type", "model")
        return Result(
            tuple(Sample(dict(zip(names, key, strict=True)), amount * part) for key, amount in SPENT.items()), ()
        )

    def query_range(self, expr: str, start: datetime, end: datetime, step: timedelta) -> RangeResult:
        """More by day than by night."""
        times = [start + step * number for number in range((end - start) // step + 1)]
        hours = step / timedelta(hours=1)
        points = ((at.timestamp(), hours * (70 - 40 * math.cos(math.tau * at.hour / 24))) for at in times)
        return RangeResult((Series({}, tuple(points)),), ())


DAYS = 30
_EVERY = 1800.0


def sample(folder: Path, token: str) -> Site:
    """An SLO that pages, one that is exhausted, one without data, a budget of money, an incident, a dead letter."""
    names = ("prometheus", "grafana", "alertmanager", "langfuse")
    addresses = {each: f"https://{each}.example" for each in names}
    made = Site(folder, access=Access(token), prometheus_door=cast("Prometheus", Spent()), addresses=addresses)
    now = time.time()
    events = Events(52_000, 951)
    made.board.shown = [
        status(
            left=0.086,
            burn={"5m": 17.0, "1h": 14.2, "6h": 7.1},
            firing=[PAGE, TICKET],
            events=events,
            exhausted_at=datetime.now(UTC) + timedelta(hours=9),
        ),
        status(group=RESEARCH, left=0.7, burn={"5m": 0.2, "1h": 0.5, "6h": 0.4}, events=Events(31_000, 186)),
        status("latency", left=-0.2, burn={"1h": 0.5}, objective=95.0, events=Events(52_000, 3120)),
        status(
            "spend",
            left=0.4,
            burn={"1h": 2.0, "6h": 1.5},
            budget=Budget(3000, "USD"),
            objective=None,
            events=Events(3000, 1800),
        ),
        status("answers", left=None),
    ]
    for each in made.board.shown:
        if each.error_budget_remaining is not None:
            rows = list(_past(each, now))
            made.database.write(lambda found, rows=rows: history.append(found, rows))  # type: ignore[misc]
    made.board.trends.refresh(datetime.now(UTC))
    made.board._evaluated_at = datetime.now(UTC)
    labels = {"slo_service": "agents", "slo": "success", **SUPPORT}
    payload = notification(labels=labels)
    payload["alerts"][0]["startsAt"] = datetime.fromtimestamp(now - 4000, UTC).isoformat()
    causes = [
        {
            "what": "tool web_search",
            "message": "search index <n> did not answer within <n> s",
            "count": 33,
            "share": 0.825,
            "first_seen": datetime.fromtimestamp(now - 4180, UTC).isoformat(),
            "first_seen_is_exact": True,
            "traces": [{"id": "7c0f3a91d2", "url": "https://langfuse.example/project/agents/traces/7c0f3a91d2"}],
        }
    ]
    read = {"causes": causes, "url": "https://langfuse.example/project/agents/observations"}
    sections = (
        Section("answer", "tool web_search times out: 82 % of 40 failing runs"),
        Section("causes", "33 of 40: tool web_search", data=read),
    )
    evidence = Evidence("2026-11-27T12:00:00+00:00", 0.5, (Topic("agents", "success", SUPPORT, ("x",), sections),))
    made.add(payload, now - 3900, evidence=evidence)
    made.add(notification(labels={**labels, "slo": "latency"}, group_key="b"), now - 300, sinks=["other"])
    dead = update(outbox).where(outbox.c.sink == "other").values(state="dead", last_error="HTTP 403")
    made.database.write(lambda found: found.execute(dead))
    return made


def _past(shown: SloStatus, now: float) -> list[history.StatusRow]:
    draw = random.Random(shown.slo)
    left = shown.error_budget_remaining or 0.0
    number = round(DAYS * 86_400 / _EVERY)
    rows = []
    for index in range(number):
        share = (index + 1) / number
        remaining = 1 - (1 - left) * share**2
        calm = abs(draw.gauss(0.6, 0.3))
        rates = {"5m": calm * 1.3, "1h": calm, "6h": 0.9 * calm} if index < number - 3 else shown.burn_rate
        past = {
            **shown.as_json(),
            "error_budget_remaining": remaining,
            "burn_rate": rates,
            "error_ratio": {window: rate * 0.02 for window, rate in rates.items()},
        }
        if shown.events is not None:
            past["events"] = {"total": shown.events.total, "errors": shown.events.errors * share**2}
        at = now - (number - index) * _EVERY
        rows.append(history.StatusRow(at, shown.service, shown.slo, shown.group, remaining, past))
    return rows
