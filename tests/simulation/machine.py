"""The simulation itself: what may happen, in any order, and what must hold all the same."""

from __future__ import annotations

import json
import re
import sys
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from functools import cache
from itertools import count

from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, rule
from sqlalchemy import Connection, func, select

from slo_engine.alerts.incidents import LATE_SECONDS
from slo_engine.delivery.courier import Fallback
from slo_engine.notifications.routes import Match, Route, Routes
from slo_engine.store.leases import RENEW_SECONDS
from slo_engine.store.tables import inbox, messages, outbox
from tests.simulation.alertmanager import Cluster, Episode, Group, Notification, Peer, Setting
from tests.simulation.replica import Attempt, House, Replica, sent
from tests.simulation.sinks import BreachError, Mode, ModelSink
from tests.simulation.store import Store

PAGER, CHAT, MAIL = "pager", "chat", "mail"
ORPHAN_SECONDS = 30.0
"""A request whose sender has crashed may be in a sink's queue for so long."""

RETURN_SECONDS = LATE_SECONDS + 90.0
"""An alert that goes on after all, with the same start, is not told from a notification that is late before that."""

MIXED = Setting(
    severities=("page", "ticket", "page", "ticket"),
    groupings=(("{}:one",) * 4, ("{}:one", "{}:one", "{}:two", "{}:two"), ("{}:a", "{}:b", "{}:a", "{}:b")),
    group_interval=300.0,
    lag=0.0,
    says_reminders=False,
)

_seconds = st.sampled_from([0.5, 2.0, 4.0, 9.0, 14.0, 16.0])
_long_seconds = st.sampled_from([20.0, 70.0, 320.0, 900.0, 4000.0])
_choices = st.lists(st.integers(0, 59), min_size=1, max_size=8)


@dataclass
class Total:
    """Of all runs of this process."""

    runs: int = 0
    steps: int = 0
    commits: int = 0
    posts: int = 0
    acknowledged: int = 0
    crashes: int = 0
    pauses: int = 0
    deliveries: int = 0
    copies: int = 0
    ends: Counter[str] = field(default_factory=Counter)
    """Of rows and of notifications."""


TOTAL = Total()


@cache
def the_store() -> Store:
    """Of this process."""
    return Store()


class Simulation(RuleBasedStateMachine):
    """Two Alertmanagers, one to three engines on one store, three sinks."""

    def __init__(self) -> None:
        super().__init__()
        self.store = the_store()
        self.store.empty()
        self._commits = self.store.commits
        self._clock = self.store.on_its_clock()
        self._clock.__enter__()
        self.steps = 0
        self.orphans: list[tuple[float, Attempt]] = []
        self.acknowledged: list[Notification] = []
        self.told_at: dict[int, float] = {}
        """Of each alert: when the engine acknowledged something of it last."""
        self.sinks = {name: ModelSink(name) for name in (PAGER, CHAT, MAIL)}

    @initialize(
        replicas=st.sampled_from([1, 2, 3]),
        group_interval=st.sampled_from([30.0, 300.0]),
        lag=st.sampled_from([0.0, 3.0, 40.0]),
        says_reminders=st.booleans(),
        routes_by_severity=st.booleans(),
        has_fallback=st.booleans(),
        chat_gets=st.sampled_from([0.0, 7200.0, float("inf")]),
    )
    def begin(
        self,
        replicas: int,
        group_interval: float,
        lag: float,
        says_reminders: bool,
        routes_by_severity: bool,
        has_fallback: bool,
        chat_gets: float,
    ) -> None:
        """All is well."""
        severities, groupings = MIXED.severities, MIXED.groupings
        routes: tuple[Route, ...] = (Route(Match(), (PAGER, CHAT)),)
        if routes_by_severity:
            # A group that has a page and a ticket is told to the pager as long as the page fires.
            groupings = (groupings[2], ("{}:w", "{}:x", "{}:y", "{}:z"))
            page = Match(texts={"severity": re.compile("page")})
            routes = (Route(page, (PAGER,), goes_on=True), Route(Match(), (CHAT,)))
        self.cluster = Cluster(Setting(severities, groupings, group_interval, lag, says_reminders))
        self.house = House(
            self.store,
            self.sinks,
            Routes(routes, tuple(self.sinks)),
            {PAGER: Fallback(MAIL, 60.0)} if has_fallback else {},
            {CHAT: chat_gets} if chat_gets else {},
            replicas > 1,
            {},
            count(1),
            [],
        )
        self.replicas = self.house.replicas
        self.replicas += [Replica(self.house) for _ in range(replicas)]
        for each in self.replicas:
            each.start()

    @property
    def now(self) -> float:
        """The time."""
        return self.store.clock.now

    # What happens to alerts

    @rule(alerts=st.lists(st.integers(0, 3), min_size=1, max_size=3, unique=True))
    def alerts_change(self, alerts: list[int]) -> None:
        """Those that fire are over; those that do not fire."""
        for alert in alerts:
            self.steps += 1
            self._change(alert)

    def _change(self, alert: int) -> None:
        known = self.cluster.alerts[alert]
        if known is not None and known.end is None:
            if self.now > known.start:
                self.cluster.say(alert, Episode(known.start, self.now, known.version + 1), self.now)
        elif known is None or self.now > (known.end or 0.0):
            self.cluster.say(alert, Episode(self.now, None, known.version + 1 if known else 1), self.now)

    @rule(alert=st.integers(0, 3))
    def alert_goes_on(self, alert: int) -> None:
        """Prometheus was cut off for so long that the alert seemed to be over."""
        self.steps += 1
        known = self.cluster.alerts[alert]
        is_over = known is not None and known.end is not None and self.now - known.end > RETURN_SECONDS
        is_told = self.now - self.told_at.get(alert, 0.0) > RETURN_SECONDS
        if known is not None and is_over and is_told and not any(peer.groups for peer in self.cluster.peers):
            self.cluster.say(alert, Episode(known.start, None, known.version + 1), self.now)

    # What the Alertmanagers do

    @rule(choices=_choices, answer=st.sampled_from(["2xx", "2xx", "2xx", "lost", "refused"]))
    def alertmanagers_work(self, choices: list[int], answer: str) -> None:
        """Groups are flushed, and notifications posted, when it is time for it."""
        for choice in choices:
            self.steps += 1
            due = self.cluster.due(self.now)
            if due:
                peer, group = due[choice % len(due)]
                self._flush(peer, group, answer, choice)
            elif (wait := self.cluster.seconds_until_due(self.now)) is not None:
                self.time_passes(min(wait, 16.0))

    @rule(peer=st.integers(0, 1), configuration=st.integers(0, 2))
    def alertmanager_is_reloaded(self, peer: int, configuration: int) -> None:
        """Routes have changed: alerts are in other groups."""
        self.steps += 1
        self.cluster.peers[peer].reload(configuration, self.now)

    @rule(is_parted=st.booleans())
    def gossip_changes(self, is_parted: bool) -> None:
        """Whether the Alertmanagers hear of each other."""
        self.steps += 1
        self.cluster.is_parted = is_parted
        self.cluster.gossip()

    # What the engines do

    @rule(choices=_choices)
    def engines_work(self, choices: list[int]) -> None:
        """Some commits and requests of any of them, in any order."""
        for choice in choices:
            self._work(choice)

    @rule(choices=_choices, then=st.integers(0, 2))
    def engine_crashes(self, choices: list[int], then: int) -> None:
        """In the midst of it."""
        for choice in choices:
            self._work(choice)
        replica = self.replicas[then % len(self.replicas)]
        self.steps += 1
        if replica.token:
            TOTAL.crashes += 1
            self.orphans += [(self.now + ORPHAN_SECONDS, attempt) for attempt in replica.crash()]

    @rule(
        replica=st.integers(0, 2),
        change=st.sampled_from(["starts", "starts", "pauses", "goes on", "is replaced", "cannot commit"]),
    )
    def engine_changes(self, replica: int, change: str) -> None:
        """One is there again; is paused, and does not know; is restarted in order; cannot note a delivery."""
        self.steps += 1
        found = self.replicas[replica % len(self.replicas)]
        if change == "starts" and not found.token:
            found.start()
        elif change == "goes on":
            found.is_paused = False
        elif change == "pauses" and found.runs:
            TOTAL.pauses += 1
            found.pause()
        elif change == "is replaced" and found.runs:
            found.stop()
            found.start()
        elif change == "cannot commit" and found.runs:
            for number in [number for number, attempt in found.attempts.items() if attempt.outcome is not None]:
                found.lose_note(number)

    # What the sinks do

    @rule(sink=st.sampled_from([PAGER, CHAT, MAIL]), mode=st.sampled_from([Mode.TAKES, *Mode]))
    def sink_changes(self, sink: str, mode: Mode) -> None:
        """From now on it answers so."""
        self.steps += 1
        self.sinks[sink].mode = mode

    @rule(choice=st.integers(0, 9))
    def orphan_arrives(self, choice: int) -> None:
        """A request of an engine that has crashed meanwhile."""
        self.steps += 1
        self.orphans = [each for each in self.orphans if each[0] > self.now]
        if self.orphans:
            _, attempt = self.orphans.pop(choice % len(self.orphans))
            sent(attempt, self.sinks, self.now, is_late=True)

    # Time goes on

    @rule(seconds=_seconds)
    def time_passes(self, seconds: float) -> None:
        """Nothing happens but that the engines keep their leases."""
        while seconds > 0:
            self._sleep(min(seconds, RENEW_SECONDS))
            seconds -= RENEW_SECONDS

    @rule(seconds=_long_seconds)
    def all_work(self, seconds: float) -> None:
        """Everybody does what there is to do, for a while."""
        end = self.now + seconds
        while self.now < end:
            self._work_off()
            self._sleep(min(end - self.now, max(5.0, seconds / 12)))
        self._work_off()

    # What must hold

    @invariant()
    def one_engine_leads(self) -> None:
        """Of the clock, at any time."""
        if hasattr(self, "house") and sum(each.leads for each in self.replicas) > 1:
            raise BreachError("two engines lead")

    def teardown(self) -> None:
        """All faults end, everything is worked off, and nothing is missing."""
        try:
            if sys.exc_info()[0] is None and hasattr(self, "house"):
                self._drain()
                self._check()
        finally:
            self._clock.__exit__(None, None, None)
            self._count()

    def _drain(self) -> None:
        for sink in self.sinks.values():
            sink.mode = Mode.TAKES
        self.cluster.is_parted = False
        for replica in self.replicas:
            replica.is_paused = False
            if not replica.token:
                replica.start()
        for hop in (*[5.0] * 24, *[60.0] * 60):
            self._work_off()
            waiting = self.store.read(_waiting)
            if not waiting and all(peer.is_quiet() for peer in self.cluster.peers):
                return
            self._sleep(hop)
        raise BreachError(f"an hour after all faults there wait: {self.store.read(_waiting) or 'notifications'}")

    def _check(self) -> None:
        dead = self.store.read(_dead)
        newest: dict[int, int] = {}
        for notification in self.acknowledged:
            for told in notification.tells:
                newest[told.alert] = max(newest.get(told.alert, 0), told.version)
        for alert, version in newest.items():
            for sink in self._sinks_of(alert):
                heard = self.sinks[sink].told.get(alert)
                if (heard is None or heard.version < version) and (sink, alert, version) not in dead:
                    raise BreachError(
                        f"{sink} was never told version {version} of alert {alert}: {self.sinks[sink].shown()}"
                    )
        for problem in self.store.read(lambda connection: list(self._unaccounted(connection))):
            raise BreachError(problem)

    def _sinks_of(self, alert: int) -> Sequence[str]:
        if self.cluster.setting.severities[alert] != "page" and len(self.house.routes.routes) > 1:
            return (CHAT,)
        return (PAGER, CHAT)

    def _unaccounted(self, connection: Connection) -> Iterator[str]:
        rows = connection.execute(
            select(outbox, messages.c.key, messages.c.alerts).join(messages, messages.c.id == outbox.c.message_id)
        ).all()
        of_key = {(row.sink, row.key): row for row in rows}
        for row in rows:
            TOTAL.ends[row.state] += 1
            if row.state == "delivered" and not self.sinks[row.sink].taken[row.key]:
                yield f"{row.sink} is noted to have taken {row.key}, and has not"
            if row.state == "dead" and not row.last_error:
                yield f"{row.key} is a dead letter for {row.sink}, and nobody knows why"
            if row.state == "superseded":
                by = of_key[row.sink, row.last_error.removeprefix("superseded by ")]
                if by.message_id <= row.message_id or not set(json.loads(row.alerts)) <= set(json.loads(by.alerts)):
                    yield f"{row.key} is superseded for {row.sink} by {by.key}, which does not say the same"

    # How it is done

    def _work(self, choice: int) -> None:
        self.steps += 1
        replica = self.replicas[choice % len(self.replicas)]
        works = replica.works()
        if works:
            works[choice // len(self.replicas) % len(works)]()

    def _flush(self, peer: Peer, group: Group, answer: str, choice: int) -> None:
        notification = peer.step(group, self.now)
        if notification is None:
            return
        replica = self.replicas[choice % len(self.replicas)]
        TOTAL.posts += 1
        is_taken = replica.runs and answer != "refused"
        if is_taken:
            replica.accept(notification.body)
        if is_taken and answer == "2xx":
            TOTAL.acknowledged += 1
            self.acknowledged.append(notification)
            self.told_at |= {told.alert: self.now for told in notification.tells}
        peer.answered(group, self.now, is_good=is_taken and answer == "2xx")
        self.cluster.gossip()

    def _work_off(self) -> None:
        """Until nobody has anything to do now."""
        for _ in range(500):
            due = self.cluster.due(self.now)
            if not due and not any(each.has_work for each in self.replicas) and not self.store.read(_waiting):
                return
            running = [place for place, each in enumerate(self.replicas) if each.runs]
            for peer, group in due:
                if peer.groups.get(group.key) is group:
                    self.steps += 1
                    self._flush(peer, group, "2xx", running[0] if running else 0)
            has_done = bool(due)
            for replica in self.replicas:
                for work in replica.works():
                    self.steps += 1
                    has_done |= work()
            if not has_done:
                return
        raise BreachError("there is no end to what the engines do")

    def _sleep(self, seconds: float) -> None:
        self.store.clock.now += seconds
        self.cluster.listen(self.now)
        for replica in self.replicas:
            if replica.runs:
                self.steps += 1
                replica.renew()

    def _count(self) -> None:
        TOTAL.runs += 1
        TOTAL.steps += self.steps
        TOTAL.commits += self.store.commits - self._commits
        TOTAL.deliveries += sum(sink.deliveries for sink in self.sinks.values())
        TOTAL.copies += sum(number - 1 for sink in self.sinks.values() for number in sink.taken.values())
        if hasattr(self, "house"):
            for verdict, number in self.house.verdicts.items():
                TOTAL.ends[verdict.value] += number


def _waiting(connection: Connection) -> dict[str, int]:
    found = {
        "bodies": select(func.count()).select_from(inbox).where(inbox.c.state == "pending"),
        "messages": select(func.count()).select_from(messages).where(messages.c.state == "gathering"),
        "deliveries": select(func.count()).select_from(outbox).where(outbox.c.state == "pending"),
    }
    counts = {name: connection.execute(query).scalar_one() for name, query in found.items()}
    return {name: number for name, number in counts.items() if number}


def _dead(connection: Connection) -> set[tuple[str, int, int]]:
    """Sink, alert and version of what is a dead letter."""
    rows = connection.execute(
        select(outbox.c.sink, messages.c.content)
        .join(messages, messages.c.id == outbox.c.message_id)
        .where(outbox.c.state == "dead")
    )
    return {
        (sink, int(alert["fingerprint"][-1]), int(alert["annotations"]["version"]))
        for sink, content in rows
        for alert in json.loads(content)["payload"]["alerts"]
    }
