"""What a scenario is told with: sinks, engines and single notifications."""

from __future__ import annotations

import time
from collections.abc import Mapping, Sequence
from concurrent.futures import Future
from contextlib import ExitStack
from pathlib import Path
from typing import Any

from tests.fault.alertmanagers import Alert, Group, Pair, post_all
from tests.fault.cables import Balancer
from tests.fault.checker import Verdict, check
from tests.fault.engines import EngineProcess, Engines
from tests.fault.history import AlertState, History, Posted
from tests.fault.loop import Loop
from tests.fault.sinks import Behaviour, FakeSink, ok
from tests.postgres import Postgres
from tests.waiting import wait_for

Post = tuple[Group, Sequence[AlertState]]


class World:
    """Everything of one scenario, which ends with ``stack``."""

    def __init__(self, folder: Path, stack: ExitStack, postgres: Postgres | None = None) -> None:
        """``postgres``: the store; None: SQLite."""
        self.folder = folder
        self.history = History()
        self.loop = stack.enter_context(Loop())
        self.postgres = postgres
        self._stack = stack

    def sink(self, name: str = "pager", behaviour: Behaviour = ok) -> FakeSink:
        """A new sink."""
        return FakeSink(name, self.loop, self.history, behaviour)

    def engines(self, *sinks: FakeSink, **options: Any) -> Engines:
        """Engines that run. ``options``: see :class:`Engines`."""
        store = self.postgres.new_database() if self.postgres else None
        options = {"store": store, **options}
        return self._stack.enter_context(Engines(self.folder, self.history, sinks, **options))

    def balancer(self, engines: Engines) -> Balancer:
        """What stands between a sender and them. It keeps a history of its own: the sender's is what counts."""
        return Balancer("balancer", self.loop, History(), engines.webhooks)

    def begin_posting(
        self, to: Engines | EngineProcess | Balancer, posts: Sequence[Post], side_by_side: int = 32
    ) -> Future[None]:
        """Send them, each until it is acknowledged; those of a group one after the other."""
        webhooks = to.webhooks if isinstance(to, Engines) else [to.webhook]
        pair = Pair(self.history, webhooks, interval=1.0, members=1)
        return self.loop.start(post_all(pair, posts, side_by_side=side_by_side))

    def post(
        self, to: Engines | EngineProcess, posts: Sequence[Post], *, within: float = 60.0, side_by_side: int = 32
    ) -> None:
        """Send them, and wait until all are acknowledged."""
        self.begin_posting(to, posts, side_by_side).result(within)

    def settle(self, *sinks: FakeSink, within: float, quiet: float = 1.0, group_prefix: str = "{") -> Verdict:
        """Wait until the sinks were told of everything that is acknowledged, and a little for what comes after.
        Returns what the checker says then, whether that is good or not."""
        names = [each.name for each in sinks]
        deadline = time.monotonic() + within
        while check(self.history, names, group_prefix=group_prefix).lost and time.monotonic() < deadline:
            time.sleep(0.2)
        time.sleep(quiet)
        return check(self.history, names, group_prefix=group_prefix)

    def acknowledged(self, prefix: str = "{") -> list[Posted]:
        """The posts of groups whose key begins so."""
        return [each for each in self.history.posted if each.is_acknowledged and each.group.startswith(prefix)]


def incident(name: str, **labels: str) -> Group:
    """A group with one alert."""
    alert = Alert({"alertname": name, "severity": "page", **labels})
    return Group(f'{{}}:{{alertname="{name}"}}', {alert.fingerprint: alert}, (), dict(alert.labels))


def firing(group: Group, since: float) -> Post:
    """All its alerts fire."""
    return group, [AlertState(name, round(since, 3), "firing") for name in group.alerts]


def resolved(group: Group, since: float) -> Post:
    """All its alerts are over."""
    return group, [AlertState(name, round(since, 3), "resolved") for name in group.alerts]


def incidents(name: str, number: int, **labels: str) -> list[Group]:
    """Several."""
    return [incident(f"{name}-{index}", **labels) for index in range(number)]


def percentile(values: Sequence[float], share: float) -> float:
    """The value that this share of them does not exceed."""
    return sorted(values)[min(len(values) - 1, int(share * len(values)))]


def groups_at(sink: FakeSink) -> set[str]:
    """The groups of which it has taken something."""
    return {each.group for each in sink.taken}


def wait_until_told(sink: FakeSink, groups: Sequence[Group], *, within: float) -> None:
    """Until it has taken something of each."""
    wanted = {each.key for each in groups}
    wait_for(f"{len(wanted)} groups at {sink.name}", lambda: wanted <= groups_at(sink), within=within)


def labels_at(sink: FakeSink) -> list[Mapping[str, Any]]:
    """The labels of the alerts that it was sent, in order."""
    return [alert.get("labels") or {} for each in sink.received for alert in each.payload.get("alerts") or []]
