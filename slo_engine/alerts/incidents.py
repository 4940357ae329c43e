"""Which notifications tell something new, and in which order. Pure: what is known, and the time, are passed in.

Two Alertmanagers of a cluster may each send a notification, some seconds apart, and each repeats what was not answered
in time as it was when it began to send it: what comes last need not be the newest.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from enum import Enum

from slo_engine.alerts.payload import Alert, AlertGroup, time_of
from slo_engine.store.alert_states import AlertState

LATE_SECONDS = 300.0
"""How long a notification may stay under way: Alertmanager repeats it until the group's next flush is due, by default
for five minutes."""

REMINDER_TWINS_SECONDS = 45.0
"""Between the reminders of two Alertmanagers, which say that they are reminders: the second waits for 15 s, or twice as
long in a cluster of three. Reminders themselves are a minute apart at least."""

MOST_URGENT = frozenset({"page", "critical"})
"""The severities that leave first."""


class Verdict(Enum):
    """What becomes of a notification."""

    NEW = "new"
    TWIN = "twin"
    """The other Alertmanager's, of one that we have."""
    STALE = "stale"
    """It tells of what has ended, or begun again, meanwhile."""


@dataclass(frozen=True)
class Judged:
    """A verdict, and what it follows."""

    verdict: Verdict
    repeats: int = 0
    """How often it had been said before."""
    after: tuple[int, ...] = ()
    """The messages of other groups that told of the same alerts before."""


def judged(
    group: AlertGroup,
    at: float,
    alike: tuple[float, int] | None,
    known: Mapping[str, AlertState],
    told_again: Collection[str] = (),
) -> Judged:
    """What becomes of a notification that came ``at`` this time. ``alike``: when the same was said last, and how often
    before that; None: never. ``known``: of its alerts, by their keys. ``told_again``: those of
    :func:`begun_again_elsewhere` whose new episode the group has told, too."""
    if alike is not None:
        said_at, repeats = alike
        window = REMINDER_TWINS_SECONDS if group.is_reminder else LATE_SECONDS
        if abs(at - said_at) < window:
            return Judged(Verdict.TWIN)
        repeats += 1
    else:
        repeats = 0
    if is_stale(group, at, known, told_again):
        return Judged(Verdict.STALE)
    states = [known[key] for key in group.keys if key in known]
    after = dict.fromkeys(state.message_id for state in states if state.thread != group.thread)
    return Judged(Verdict.NEW, repeats, tuple(after))


def begun_again_elsewhere(group: AlertGroup, known: Mapping[str, AlertState]) -> dict[str, float]:
    """The alerts of which it tells the end of an episode, when another group told last that the next one has begun:
    their keys, and when that was, in Unix seconds."""
    found = {}
    for alert, key in zip(group.alerts, group.keys, strict=True):
        state = known.get(key)
        since = None if state is None else time_of(state.starts_at)
        if state is not None and since is not None and state.thread != group.thread and _has_begun_again(alert, state):
            found[key] = since.timestamp()
    return found


def is_stale(group: AlertGroup, at: float, known: Mapping[str, AlertState], told_again: Collection[str] = ()) -> bool:
    """Whether what it tells is over, or known already, of each of its alerts, and late of one at least."""
    pairs = [(alert, known.get(key)) for alert, key in zip(group.alerts, group.keys, strict=True)]
    is_over = _over(group, at, known, told_again)
    is_late = [over or _fires_anyway(alert, state, at) for over, (alert, state) in zip(is_over, pairs, strict=True)]
    return any(is_late) and all(
        late or _is_known(alert, state) for late, (alert, state) in zip(is_late, pairs, strict=True)
    )


def without_what_is_over(
    group: AlertGroup, at: float, known: Mapping[str, AlertState], told_again: Collection[str] = ()
) -> AlertGroup:
    """What a notification tells that is not over: of one that is late, a part may be. It would open or close again what
    goes on otherwise."""
    states = [known.get(key) for key in group.keys]
    is_over = _over(group, at, known, told_again)
    if not any(is_over):
        return group
    alerts = tuple(alert for alert, over in zip(group.alerts, is_over, strict=True) if not over)
    raw = [each for each, over in zip(group.raw["alerts"], is_over, strict=True) if not over]
    # The alerts of the group whose end was told too late still fire.
    fires = any(
        over and state is not None and state.status == "firing" and state.thread == group.thread
        for state, over in zip(states, is_over, strict=True)
    )
    status = "firing" if fires or any(alert.is_firing for alert in alerts) else "resolved"
    return replace(group, status=status, alerts=alerts, raw={**group.raw, "status": status, "alerts": raw})


def states_of(group: AlertGroup, message_id: int, at: float, known: Mapping[str, AlertState]) -> list[AlertState]:
    """What is known of its alerts after it; not of those for which something newer is known."""
    found = {}
    for alert, key in zip(group.alerts, group.keys, strict=True):
        state = known.get(key)
        if not (
            _begins_what_is_over(alert, state, at) or _fires_anyway(alert, state, at) or _has_begun_again(alert, state)
        ):
            status = "firing" if alert.is_firing else "resolved"
            found[key] = AlertState(
                key, group.source, alert.fingerprint, status, alert.begins, message_id, group.thread, at
            )
    return list(found.values())


def _over(group: AlertGroup, at: float, known: Mapping[str, AlertState], told_again: Collection[str]) -> Sequence[bool]:
    """Of each of its alerts, whether what it tells is over."""
    found = []
    for alert, key in zip(group.alerts, group.keys, strict=True):
        state = known.get(key)
        # Of another group its end is told: alerts were grouped anew, and nothing else closes what that group has
        # opened; unless it has told of the new episode, as one of two receivers.
        is_told_here = state is not None and (state.thread == group.thread or key in told_again)
        found.append(_begins_what_is_over(alert, state, at) or (is_told_here and _has_begun_again(alert, state)))
    return found


def _begins_what_is_over(alert: Alert, state: AlertState | None, at: float) -> bool:
    if state is None or not alert.is_firing:
        return False
    # An alert may go on after all, with the same start, when Prometheus could not reach Alertmanager for a while.
    is_same = alert.begins == state.starts_at or _began_before(alert, time_of(state.starts_at))
    return state.status == "resolved" and is_same and abs(at - state.at) < LATE_SECONDS


def _has_begun_again(alert: Alert, state: AlertState | None) -> bool:
    """Whether it tells of the end of an episode, when the next one is known to have begun."""
    known_start = None if state is None else time_of(state.starts_at)
    return (
        not alert.is_firing
        and alert.ends_at is not None
        and known_start is not None
        and alert.starts_at != known_start
        and alert.ends_at <= known_start
    )


def _fires_anyway(alert: Alert, state: AlertState | None, at: float) -> bool:
    """Whether it tells of the beginning of an episode before the one that is known to go on. That is late; or two
    Prometheus servers saw the same episode begin, some seconds apart, and Alertmanager takes the earlier time: then the
    alert must not be missing where something else is told."""
    if state is None or not alert.is_firing or state.status != "firing":
        return False
    return _began_before(alert, time_of(state.starts_at)) and abs(at - state.at) < LATE_SECONDS


def _began_before(alert: Alert, known_start: datetime | None) -> bool:
    return alert.starts_at is not None and known_start is not None and alert.starts_at < known_start


def _is_known(alert: Alert, state: AlertState | None) -> bool:
    status = "firing" if alert.is_firing else "resolved"
    return state is not None and (state.status, state.starts_at) == (status, alert.begins)
