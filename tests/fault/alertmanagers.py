"""A model of Alertmanager: alerts that fire, end and flap, in groups that are flushed by the members of an HA pair.

Held to what was measured on 0.25: 2xx is success; 5xx and network errors are tried again with backoff until the flush
ends; a 4xx is given up; a group has one flush at a time; the second member waits, then sends unless it has heard that
the first one did; an alert that was resolved before anybody was told of it is never mentioned.
"""

from __future__ import annotations

import asyncio
import hashlib
import json
import random
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from tests.fault.client import Client
from tests.fault.history import AlertState, History, Posted, rfc3339

RECEIVER = "slo-engine"
FIRST_BACKOFF = 0.5
BACKOFF_FACTOR = 1.5


@dataclass(frozen=True)
class Alert:
    """An alert by its labels."""

    labels: Mapping[str, str]

    @property
    def fingerprint(self) -> str:
        """Stable over the life of the alert."""
        return hashlib.sha256(json.dumps(sorted(self.labels.items())).encode()).hexdigest()[:16]


@dataclass(frozen=True)
class Group:
    """Alerts that are notified together, and what happens to them: one step a group_interval."""

    key: str
    alerts: Mapping[str, Alert]
    """By fingerprint."""
    steps: Sequence[Mapping[str, float]]
    """The alerts that fire after each step: fingerprint -> how many steps after the beginning it began."""
    labels: Mapping[str, str] = field(default_factory=dict)


def payload_of(
    group: Group, states: Sequence[AlertState], *, external_url: str = "http://am-0", **changed: Any
) -> dict[str, Any]:
    """What is posted of a group, webhook version 4."""
    alerts = [
        {
            "status": state.status,
            "labels": dict(group.alerts[state.fingerprint].labels),
            "annotations": {"summary": f"{group.key} burns"},
            "startsAt": rfc3339(state.starts_at),
            "endsAt": "0001-01-01T00:00:00Z" if state.status == "firing" else rfc3339(state.starts_at + 0.5),
            "generatorURL": "http://prometheus/graph?g0.expr=1",
            "fingerprint": state.fingerprint,
        }
        for state in states
    ]
    return {
        "version": "4",
        "groupKey": group.key,
        "truncatedAlerts": 0,
        "status": "firing" if any(each.status == "firing" for each in states) else "resolved",
        "receiver": RECEIVER,
        "groupLabels": dict(group.labels),
        "commonLabels": dict(group.labels),
        "commonAnnotations": {},
        "externalURL": external_url,
        "alerts": alerts,
        **changed,
    }


def groups_by_chance(
    number: int, steps: int, chance: random.Random, labels: Mapping[str, str] | None = None
) -> list[Group]:
    """Groups of one to four alerts that fire, end, fire again; the last steps end most of them."""
    return [_by_chance(index, steps, chance, labels or {}) for index in range(number)]


def _by_chance(index: int, steps: int, chance: random.Random, labels: Mapping[str, str]) -> Group:
    own = {"alertname": f"Burns{index}", "severity": chance.choice(["page", "ticket"]), **labels}
    alerts = [Alert({**own, "instance": f"agent-{number}"}) for number in range(chance.randint(1, 4))]
    firing: dict[str, float] = {}
    found = []
    for step in range(steps):
        for alert in alerts:
            name = alert.fingerprint
            if name in firing and chance.random() < 0.35:
                del firing[name]
                if chance.random() < 0.15:  # a flap between two flushes: the same alert, another start
                    firing[name] = step + chance.uniform(0.5, 0.9)
            elif name not in firing and chance.random() < 0.5:
                firing[name] = step + chance.uniform(0.0, 0.4)
        found.append(dict(firing))
    found.append({} if chance.random() < 0.8 else dict(firing))
    return Group(f'{{}}:{{alertname="Burns{index}"}}', {each.fingerprint: each for each in alerts}, found, own)


@dataclass
class _Entry:
    """Of the notification log: what was said last of a group."""

    firing: frozenset[str]
    resolved: frozenset[str]


@dataclass
class Member:
    """One Alertmanager of the pair."""

    name: str
    wait: float
    """Seconds before it looks whether another one has sent it already."""
    log: dict[str, _Entry] = field(default_factory=dict)

    @property
    def url(self) -> str:
        """Differs within a pair, and nothing else of a payload does."""
        return f"http://{self.name}:9093"


class Pair:
    """The members, sending to engines."""

    def __init__(
        self,
        history: History,
        targets: Sequence[str],
        *,
        interval: float,
        members: int = 2,
        peer_timeout: float = 0.4,
        flush_seconds: float = 4.0,
        request_seconds: float = 15.0,
        chance: random.Random | None = None,
        token: str | None = None,
    ) -> None:
        """``targets``: webhook URLs, between which a balancer chooses. ``flush_seconds``: after which a flush is given
        up. All times are those of Alertmanager divided by about forty."""
        self._history = history
        self._targets = targets
        self._interval = interval
        self._flush_seconds = flush_seconds
        self._request_seconds = request_seconds
        self._chance = chance or random.Random(0)
        self.members = [Member(f"am-{number}", number * peer_timeout) for number in range(members)]
        self.is_gossiping = True
        """False: a partition. Every member sends everything."""
        self.headers = {"content-type": "application/json", "user-agent": "Alertmanager/0.25.0"}
        if token is not None:
            self.headers["authorization"] = f"Bearer {token}"
        self._began = 0.0
        self._enough = float("inf")
        self._acknowledged: set[tuple[str, frozenset[AlertState]]] = set()

    async def run(
        self, groups: Sequence[Group], until: Callable[[], bool] = lambda: False, enough: float = float("inf")
    ) -> None:
        """Until every member has sent the last state of every group, or ``until`` says so. The last state comes early
        once ``enough`` different notifications have been acknowledged."""
        self._enough = enough
        self._began = time.time()
        client = Client(self.headers)
        try:
            runs = []
            for group in groups:
                offset = self._chance.uniform(0.0, self._interval)
                runs += [self._flush_all(client, member, group, offset, until) for member in self.members]
            await asyncio.gather(*runs)
        finally:
            await client.close()

    async def post(self, client: Client, member: Member, group: Group, states: Sequence[AlertState]) -> int:
        """One attempt; 0 when no answer came."""
        target = self._chance.choice(self._targets)
        body = json.dumps(payload_of(group, states, external_url=member.url)).encode()
        began = time.time()
        answer: int | None = None
        try:
            answer = await client.post(target, body, seconds=self._request_seconds)
        finally:  # a flush that is cut off has sent it, too
            self._history.posted.append(
                Posted(began, time.time() - began, member.name, target, group.key, frozenset(states), answer)
            )
        if answer is not None and 200 <= answer < 300:
            self._acknowledged.add((group.key, frozenset(states)))
        return answer or 0

    async def _flush_all(
        self, client: Client, member: Member, group: Group, offset: float, until: Callable[[], bool]
    ) -> None:
        held: dict[str, AlertState] = {}
        number = known = 0
        while not until():
            due = self._began + offset + number * self._interval
            await asyncio.sleep(max(0.0, due - time.time()))
            number = max(number + 1, int((time.time() - self._began - offset) / self._interval) + 1)
            # Prometheus tells it of every change, also while a flush goes on.
            is_last = number >= len(group.steps) or len(self._acknowledged) >= self._enough
            for step in group.steps[known:number]:
                self._learn(step, held)
            known = number
            if is_last:
                self._learn(group.steps[-1], held)
            states = sorted(held.values(), key=lambda each: each.fingerprint)
            if await self._flush(client, member, group, states):
                for state in states:
                    if state.status == "resolved" and held.get(state.fingerprint) == state:
                        del held[state.fingerprint]
                if is_last:
                    return

    def _learn(self, fires: Mapping[str, float], held: dict[str, AlertState]) -> None:
        for name, state in list(held.items()):
            if name not in fires:
                held[name] = AlertState(name, state.starts_at, "resolved")
        for name, began in fires.items():
            # As many digits as are posted.
            held[name] = AlertState(name, round(self._began + began * self._interval, 3), "firing")

    async def _flush(self, client: Client, member: Member, group: Group, states: list[AlertState]) -> bool:
        """The pipeline: wait, deduplicate, retry, log. Whether nothing is left to say of these states."""
        await asyncio.sleep(member.wait)
        firing = frozenset(each.fingerprint for each in states if each.status == "firing")
        resolved = frozenset(each.fingerprint for each in states if each.status == "resolved")
        if not _is_news(member.log.get(group.key), firing, resolved):
            return True
        try:
            async with asyncio.timeout(self._flush_seconds):
                answer = await self._send(client, member, group, states)
        except TimeoutError:
            return False
        if not 200 <= answer < 300:
            return False
        entry = _Entry(firing, resolved)
        for each in self.members if self.is_gossiping else [member]:
            each.log[group.key] = entry
        return True

    async def _send(self, client: Client, member: Member, group: Group, states: list[AlertState]) -> int:
        pause = FIRST_BACKOFF
        while True:
            answer = await self.post(client, member, group, states)
            if answer != 0 and answer < 500:
                return answer
            await asyncio.sleep(pause * self._chance.uniform(0.5, 1.5))
            pause *= BACKOFF_FACTOR


def _is_news(entry: _Entry | None, firing: frozenset[str], resolved: frozenset[str]) -> bool:
    """``DedupStage.needsUpdate`` of Alertmanager 0.25, but for the repeat interval."""
    if entry is None:
        return bool(firing)
    if not firing <= entry.firing:
        return True
    if not firing:
        return bool(entry.firing)
    return not resolved <= entry.resolved


async def post_all(pair: Pair, posts: Sequence[tuple[Group, Sequence[AlertState]]], *, side_by_side: int = 32) -> None:
    """Send each by the first member until it is acknowledged, as one flush would; those of one group in their order."""
    by_group: dict[str, list[tuple[Group, Sequence[AlertState]]]] = {}
    for group, states in posts:
        by_group.setdefault(group.key, []).append((group, states))
    places = asyncio.Semaphore(side_by_side)
    member = pair.members[0]

    async def send(rows: list[tuple[Group, Sequence[AlertState]]]) -> None:
        for group, states in rows:
            pause = 0.1
            while True:
                async with places:
                    answer = await pair.post(client, member, group, states)
                if answer != 0 and answer < 500:
                    break
                await asyncio.sleep(pause)
                pause = min(2.0, pause * BACKOFF_FACTOR)

    client = Client(pair.headers)
    try:
        await asyncio.gather(*(send(rows) for rows in by_group.values()))
    finally:
        await client.close()
