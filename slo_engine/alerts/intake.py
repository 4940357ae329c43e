"""Inbox -> messages: what was posted is read in order, many bodies in one commit."""

from __future__ import annotations

import asyncio
import logging
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import partial
from typing import Any, Protocol

from sqlalchemy import Connection

from slo_engine import telemetry
from slo_engine.alerts.incidents import (
    MOST_URGENT,
    Verdict,
    begun_again_elsewhere,
    judged,
    states_of,
    without_what_is_over,
)
from slo_engine.alerts.payload import AlertGroup, MalformedError, parse
from slo_engine.alerts.unreadable import passed_on, passed_on_alert
from slo_engine.notifications.alertmanager import ENRICHMENT
from slo_engine.precedence import Precedence
from slo_engine.scrub.outgoing import outgoing_text
from slo_engine.store import Database, StoreError, alert_states, causes, inbox, messages
from slo_engine.store.backends import StoreRefusedError
from slo_engine.worker import Worker

logger = logging.getLogger(__name__)

STORE_RETRY_SECONDS = 1.0

BATCH = 200
BATCH_WHILE_MANY_WAIT = 20
"""What is posted meanwhile waits for the commit of a batch."""
PIECES = 4
"""Of background work that such a batch counts for."""

BATCH_BYTES = 4 * 1024 * 1024
"""Bodies may be large: only a few are in memory at once."""

LOCK = 7_305_021_845
"""Engines that share a store turn bodies into messages one after the other: that keeps their order."""


@dataclass(frozen=True)
class Read:
    """What a posted body holds."""

    posted: inbox.Posted
    groups: tuple[AlertGroup, ...]
    """One, and one more for each alert that cannot be read."""
    error: str | None = None
    """Why some of it, or all, could not be read."""


class Watcher(Protocol):
    """What knows the watchdog, of which nobody is notified: see ``watch.watchdog``."""

    def is_watchdog(self, group: AlertGroup) -> bool: ...  # noqa: D102
    def note(self, connection: Connection, group: AlertGroup, received_at: float) -> None: ...  # noqa: D102


class Intake(Worker):
    """Turns what was posted into messages."""

    def __init__(
        self,
        database: Database,
        on_messages: Callable[[], None],
        watcher: Watcher | None = None,
        precedence: Precedence | None = None,
    ) -> None:
        super().__init__()
        self._precedence = precedence or Precedence()
        self._database = database
        self._on_messages = on_messages
        self._watcher = watcher
        self._most = BATCH
        """Bodies in a batch: fewer after one that the store could not commit."""

    async def run(self) -> None:
        """Work until stopped."""
        while self.begin_round():
            try:
                while await self._work_off():
                    self._on_messages()
            except StoreError as error:
                logger.error("posted notifications wait in the inbox: %s", error)  # noqa: TRY400 - an outage, no bug
                await asyncio.sleep(STORE_RETRY_SECONDS)
            await self.rest()

    async def _work_off(self) -> bool:
        """The oldest bodies, at once or, when the store refuses one of them, one by one. False: there are none."""
        await self._precedence.give_way(pieces=PIECES)
        batch = min(self._most, BATCH_WHILE_MANY_WAIT if self._precedence.is_claimed else BATCH)
        pending = partial(inbox.next_pending, limit=batch, max_bytes=BATCH_BYTES)
        posted = await asyncio.to_thread(self._database.read, pending)
        is_full = len(posted) == batch or sum(len(each.body) for each in posted) > BATCH_BYTES / 2
        if is_full:
            self._precedence.is_behind = True
        if not posted:
            self._precedence.is_behind = False
            self._on_messages()
            return False
        # In a thread: a large body must not hold up the webhook.
        found = await asyncio.to_thread(lambda: [read(each) for each in posted])
        try:
            await self._keep(found)
        except StoreRefusedError:
            logger.exception("posted notifications could not be kept together: one by one")
            for each in found:
                await self._keep_alone(each)
        except StoreError:
            # What does not fit on the disk together may fit in parts.
            self._most = max(1, len(posted) // 2)
            raise
        self._precedence.is_behind = is_full
        self._most = min(BATCH, 2 * self._most)
        return True

    async def _keep_alone(self, found: Read) -> None:
        try:
            await self._keep([found])
        except StoreRefusedError:
            reason = "keeping it failed; see the log of the engine"
            posted = found.posted
            group = passed_on(b"", f"{reason} (inbox {posted.id})", posted.source)
            await self._keep([Read(posted, (group,), reason)])

    async def _keep(self, found: Sequence[Read]) -> None:
        keep = partial(_keep, found=found, lock=self._database.lock, watcher=self._watcher)
        counts, unreadable = await asyncio.wrap_future(self._database.submit(keep))
        for verdict, number in counts.items():
            if verdict is not Verdict.NEW:
                telemetry.NOT_NEWS.labels(verdict.value).inc(number)
        for each in unreadable:
            logger.error("a posted body is quarantined as inbox %d, and passed on: %s", each.posted.id, each.error)
            telemetry.INBOX_QUARANTINED.inc()


def read(posted: inbox.Posted) -> Read:
    """What a body holds, whatever it is. Never raises."""
    try:
        group = parse(posted.body, posted.source)
    except MalformedError as error:
        reason = str(error)
    except Exception:
        # A bug in reading one body must not end the reading of all others.
        logger.exception("inbox %d could not be read", posted.id)
        reason = "reading it failed; see the log of the engine"
    else:
        bad = [passed_on_alert(each.found, str(each), group) for each in group.unreadable]
        return Read(posted, (group, *bad), "; ".join(map(str, group.unreadable)) or None)
    return Read(posted, (passed_on(posted.body, reason, posted.source),), reason)


def _keep(
    connection: Connection, found: Sequence[Read], lock: Callable[[Connection, int], None], watcher: Watcher | None
) -> tuple[Mapping[Verdict, int], Sequence[Read]]:
    """Keep what is new of it. Returns how many notifications there were of each kind, and what cannot be read."""
    lock(connection, LOCK)
    pending = inbox.still_pending(connection, [each.posted.id for each in found])
    found = [each for each in found if each.posted.id in pending]
    if watcher is not None:  # before twins: each arrival counts
        found = [_without_watchdog(connection, each, watcher) for each in found]
    all_groups = [group for each in found for group in each.groups]
    alike = alert_states.newest_alike(connection, (group.identity for group in all_groups))
    known = alert_states.of_alerts(connection, (key for group in all_groups for key in group.keys))
    counts: Counter[Verdict] = Counter()
    new: list[messages.NewMessage] = []
    after: list[tuple[int, int]] = []
    changed: dict[str, alert_states.AlertState] = {}
    for each in found:
        for group in each.groups:
            at = each.posted.received_at
            told_again = {
                key
                for key, since in begun_again_elsewhere(group, known).items()
                if any(_tells(message, group.thread, key, since) for message in new)
                or messages.has_told(connection, group.thread, key, since)
            }
            verdict = judged(group, at, alike.get(group.identity), known, told_again)
            counts[verdict.verdict] += 1
            if verdict.verdict is Verdict.NEW:
                # Ids are known when all are kept: until then, they are counted from -1 down.
                number = -1 - len(new)
                still_true = without_what_is_over(group, at, known, told_again)
                new.append(_new_message(each.posted, still_true, group.identity, verdict.repeats))
                after += [(number, each_after) for each_after in verdict.after]
                states = states_of(group, number, at, known)
                known |= {state.alert: state for state in states}
                changed |= {state.alert: state for state in states}
                alike[group.identity] = (at, verdict.repeats)
    ids = messages.add_all(connection, new)

    def id_of(number: int) -> int:
        return ids[-1 - number] if number < 0 else number

    messages.put_after(connection, ((id_of(first), id_of(second)) for first, second in after))
    alert_states.note(connection, [replace(each, message_id=id_of(each.message_id)) for each in changed.values()])
    for message in new:
        if message.kind == "resolved":
            causes.end(connection, message.thread, message.received_at)
    unreadable = [each for each in found if each.error is not None]
    for each in unreadable:
        inbox.quarantine(connection, each.posted.id, each.error or "")
    bad = {each.posted.id for each in unreadable}
    inbox.mark_processed(connection, [each.posted.id for each in found if each.posted.id not in bad])
    return counts, unreadable


def _tells(message: messages.NewMessage, thread: str, alert: str, since: float) -> bool:
    """As :func:`messages.has_told`, of one that is not kept yet."""
    is_of_thread = (message.thread, message.kind) == (thread, "firing")
    return is_of_thread and message.received_at >= since and alert in message.alerts


def _without_watchdog(connection: Connection, found: Read, watcher: Watcher) -> Read:
    for group in found.groups:
        watcher.note(connection, group, found.posted.received_at)
    groups = tuple(group for group in found.groups if not watcher.is_watchdog(group))
    return found if len(groups) == len(found.groups) else replace(found, groups=groups)


def _new_message(posted: inbox.Posted, group: AlertGroup, identity: str, repeats: int) -> messages.NewMessage:
    key = f"msg_{identity[:32]}"
    return messages.NewMessage(
        received_at=posted.received_at,
        thread=group.thread,
        kind=group.kind,
        severity=outgoing_text(group.severity)[:100] if group.severity else None,
        title=outgoing_text(group.title),
        content={"evidence": None, "payload": _payload(group)},
        inbox_id=posted.id,
        key=f"{key}_{repeats}" if repeats else key,
        priority=0 if any(alert.labels.get("severity") in MOST_URGENT for alert in group.alerts) else 1,
        identity=identity,
        repeats=repeats,
        alerts=tuple(dict.fromkeys(group.keys)),
    )


def _payload(group: AlertGroup) -> dict[str, Any]:
    # What the sender calls enrichment is not ours, and is not shown as ours. And evidence finds its alert by the
    # fingerprint, which is derived from labels that are scrubbed later.
    alerts = [
        {**raw, "fingerprint": alert.fingerprint} if raw.get("fingerprint") != alert.fingerprint else raw
        for raw, alert in zip(group.raw["alerts"], group.alerts, strict=True)
    ]
    return {key: value for key, value in group.raw.items() if key != ENRICHMENT} | {"alerts": alerts}
