"""A model of two Alertmanagers in a cluster, as far as a receiver sees them.

After the source of Alertmanager 0.34: ``dispatch/dispatch.go`` (groups, flushes), ``notify/dedup_stage.go`` (when to
notify), ``notify/notify.go`` (one deadline for waiting and retries), ``nflog`` (what was notified, gossiped).
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from itertools import count
from typing import Any

PEER_TIMEOUT = 15.0
GROUP_WAIT = 10.0
REPEAT_INTERVAL = 3600.0
FIRST_RETRY = 0.5
LONGEST_RETRY = 60.0


@dataclass(frozen=True)
class Episode:
    """What is true of an alert, as Prometheus says it."""

    start: float
    end: float | None
    version: int
    """Of the alert: higher, the newer this is."""


@dataclass(frozen=True)
class Told:
    """What a notification says of an alert."""

    alert: int
    is_firing: bool
    version: int


@dataclass(frozen=True)
class Notification:
    """What is posted, as often as it takes."""

    id: int
    group_key: str
    tells: tuple[Told, ...]
    body: bytes


@dataclass
class Flush:
    """A group on its way to the receiver, as it was when this began."""

    alerts: Mapping[int, Episode]
    sends_at: float
    """Not before: the peers before this one have their turn."""
    deadline: float
    notification: Notification | None = None
    retries: int = 0


@dataclass
class Group:
    """Alerts that are notified together."""

    key: str
    flushes_at: float
    alerts: dict[int, Episode] = field(default_factory=dict)
    flush: Flush | None = None
    has_flushed: bool = False


@dataclass(frozen=True)
class Logged:
    """An entry of the notification log."""

    firing: frozenset[int]
    resolved: frozenset[int]
    at: float


@dataclass(frozen=True)
class Setting:
    """How a cluster is configured, for one run."""

    severities: Sequence[str]
    """Of each alert."""
    groupings: Sequence[Sequence[str]]
    """Of each configuration: the group of each alert."""
    group_interval: float
    lag: float
    """Seconds by which the second Alertmanager hears from Prometheus later than the first."""
    says_reminders: bool
    """Whether it gives the reason of a notification, as those from 0.32 on do."""


class Peer:
    """One Alertmanager."""

    def __init__(self, position: int, setting: Setting, ids: count[int]) -> None:
        self.position = position
        self.log: dict[str, Logged] = {}
        self._setting = setting
        self._ids = ids
        self._grouping: Sequence[str] = setting.groupings[0]
        self._heard: list[tuple[float, int, Episode]] = []
        self._alerts: dict[int, Episode] = {}
        self.groups: dict[str, Group] = {}

    def hear(self, at: float, alert: int, episode: Episode) -> None:
        """Prometheus says something of an alert."""
        self._heard.append((at, alert, episode))

    def reload(self, configuration: int, now: float) -> None:
        """With another configuration: all groups begin anew, and what is being sent is given up."""
        self._grouping = self._setting.groupings[configuration % len(self._setting.groupings)]
        self.groups = {}
        for alert, episode in self._alerts.items():
            if episode.end is None:
                self._put(alert, episode, now)

    def listen(self, now: float) -> None:
        """Take in what was heard until now."""
        due = [each for each in self._heard if each[0] <= now]
        self._heard = [each for each in self._heard if each[0] > now]
        for _, alert, episode in due:
            self._alerts[alert] = episode
            if episode.end is None or self._grouping[alert] in self.groups:
                self._put(alert, episode, now)

    def due(self, now: float) -> list[Group]:
        """The groups that have something to do now."""
        return [
            group
            for group in self.groups.values()
            if (group.flush.sends_at if group.flush else group.flushes_at) <= now
        ]

    def times(self) -> Iterator[float]:
        """When it has something to do, or hears something."""
        yield from (group.flush.sends_at if group.flush else group.flushes_at for group in self.groups.values())
        yield from (at for at, _, _ in self._heard)

    def is_quiet(self) -> bool:
        """Whether nothing was heard that is not told, unless it is only to be repeated."""
        return not self._heard and not any(
            not group.has_flushed
            or self._is_due(group.key, group.alerts, None)
            or (group.flush and self._is_due(group.key, group.flush.alerts, None))
            for group in self.groups.values()
        )

    def step(self, group: Group, now: float) -> Notification | None:
        """What a group does next; a notification when one is to be posted."""
        if group.flush is None:
            longest = max(self._setting.group_interval, 10.0) + self.position * PEER_TIMEOUT
            group.flush = Flush(dict(group.alerts), now + self.position * PEER_TIMEOUT, now + longest)
            group.flushes_at = now + self._setting.group_interval
            group.has_flushed = True
            return None
        flush = group.flush
        if now > flush.deadline:
            group.flush = None
            return None
        if flush.notification is None:
            if not self._is_due(group.key, flush.alerts, now):
                self._end(group)
                return None
            flush.notification = self._notification(group.key, flush.alerts)
        return flush.notification

    def answered(self, group: Group, now: float, is_good: bool) -> None:
        """How the receiver has answered what was posted."""
        flush = group.flush
        assert flush is not None
        if not is_good:
            flush.sends_at = now + min(FIRST_RETRY * 1.5**flush.retries, LONGEST_RETRY)
            flush.retries += 1
            return
        self.log[group.key] = Logged(*_firing_and_resolved(flush.alerts), now)
        self._end(group)

    def hear_of(self, others: Mapping[str, Logged]) -> None:
        """The gossip of another Alertmanager."""
        for key, entry in others.items():
            if key not in self.log or self.log[key].at < entry.at:
                self.log[key] = entry

    def _put(self, alert: int, episode: Episode, now: float) -> None:
        key = self._grouping[alert]
        if key not in self.groups:
            self.groups[key] = Group(key, now + GROUP_WAIT)
        group = self.groups[key]
        group.alerts[alert] = episode
        if not group.has_flushed and episode.start + GROUP_WAIT < now:
            group.flushes_at = now

    def _end(self, group: Group) -> None:
        assert group.flush is not None
        for alert, episode in group.flush.alerts.items():
            if episode.end is not None and group.alerts.get(alert) is episode:
                del group.alerts[alert]
        group.flush = None
        if not group.alerts:
            del self.groups[group.key]

    def _is_due(self, key: str, alerts: Mapping[int, Episode], now: float | None) -> bool:
        firing, resolved = _firing_and_resolved(alerts)
        entry = self.log.get(key)
        if entry is None:
            return bool(firing)
        if not firing <= entry.firing:
            return True
        if not firing:
            return bool(entry.firing)
        return not resolved <= entry.resolved or (now is not None and entry.at < now - REPEAT_INTERVAL)

    def _notification(self, key: str, alerts: Mapping[int, Episode]) -> Notification:
        firing, resolved = _firing_and_resolved(alerts)
        entry = self.log.get(key)
        is_repeated = entry is not None and firing <= entry.firing and resolved <= entry.resolved and bool(firing)
        told = tuple(Told(alert, each.end is None, each.version) for alert, each in sorted(alerts.items()))
        payload: dict[str, Any] = {
            "version": "4",
            "groupKey": key,
            "truncatedAlerts": 0,
            "status": "firing" if firing else "resolved",
            "receiver": "engine",
            "groupLabels": {},
            "commonLabels": {},
            "commonAnnotations": {},
            "externalURL": f"http://alertmanager-{self.position}:9093",
            "alerts": [self._alert(alert, each) for alert, each in sorted(alerts.items())],
        }
        if self._setting.says_reminders:
            payload["notification_reason"] = "repeat interval elapsed" if is_repeated else "new alerts added"
        return Notification(next(self._ids), key, told, json.dumps(payload).encode())

    def _alert(self, alert: int, episode: Episode) -> dict[str, Any]:
        return {
            "status": "firing" if episode.end is None else "resolved",
            "labels": {"alertname": f"Alert{alert}", "severity": self._setting.severities[alert]},
            # The receiver passes on what it does not know: by this we know again what a sink was told.
            "annotations": {"version": str(episode.version)},
            "startsAt": _written(episode.start),
            "endsAt": "0001-01-01T00:00:00Z" if episode.end is None else _written(episode.end),
            "generatorURL": "",
            "fingerprint": f"a1e27000000000f{alert}",
        }


class Cluster:
    """Two Alertmanagers, and the Prometheus that both hear."""

    def __init__(self, setting: Setting) -> None:
        self.setting = setting
        ids = count(1)
        self.peers = [Peer(position, setting, ids) for position in range(2)]
        self.is_parted = False
        self.alerts: list[Episode | None] = [None] * len(setting.severities)

    def say(self, alert: int, episode: Episode, now: float) -> None:
        """Something has become true of an alert."""
        self.alerts[alert] = episode
        for peer in self.peers:
            peer.hear(now + peer.position * self.setting.lag, alert, episode)

    def gossip(self) -> None:
        """The peers tell each other what they have notified."""
        if not self.is_parted:
            first, second = self.peers
            first.hear_of(second.log)
            second.hear_of(first.log)

    def listen(self, now: float) -> None:
        """Both take in what they have heard."""
        for peer in self.peers:
            peer.listen(now)

    def due(self, now: float) -> list[tuple[Peer, Group]]:
        """Who has something to do."""
        self.listen(now)
        return [(peer, group) for peer in self.peers for group in peer.due(now)]

    def seconds_until_due(self, now: float) -> float | None:
        """How long nobody has anything to do; None: for ever."""
        times = [time for peer in self.peers for time in peer.times()]
        return max(0.0, min(times) - now) if times else None


def _firing_and_resolved(alerts: Mapping[int, Episode]) -> tuple[frozenset[int], frozenset[int]]:
    firing = frozenset(alert for alert, each in alerts.items() if each.end is None)
    return firing, frozenset(alerts) - firing


def _written(at: float) -> str:
    return datetime.fromtimestamp(at, UTC).isoformat()
