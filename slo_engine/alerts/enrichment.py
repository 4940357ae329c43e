"""Messages -> outbox: evidence is gathered side by side, within its budget.

The work is claimed in the store, so a crash repeats a step and never skips one.
"""

from __future__ import annotations

import asyncio
import json
import logging
import time
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from functools import partial
from math import inf
from typing import Any
from uuid import uuid4

from sqlalchemy import Connection

from slo_engine import telemetry
from slo_engine.alerts.payload import MAX_ALERTS, understood
from slo_engine.alerts.subjects import subjects_of
from slo_engine.definitions.slo import SloSet
from slo_engine.evidence import Gatherer
from slo_engine.evidence.answer import NAME as ANSWER
from slo_engine.evidence.subject import Subject
from slo_engine.notifications import Evidence, Message, Missing, restored
from slo_engine.notifications.routes import Routes, addressees
from slo_engine.precedence import Precedence
from slo_engine.scrub.outgoing import outgoing
from slo_engine.store import Database, StoredMessage, StoreError, messages, outbox
from slo_engine.store.leases import LEASE_SECONDS
from slo_engine.store.together import Together
from slo_engine.worker import Worker

logger = logging.getLogger(__name__)

STORE_RETRY_SECONDS = 1.0
FEW = 4
"""Messages that are begun at once while many notifications wait to be taken in."""

MOST_IN_HAND = 500
"""Messages that are being completed; each has left within the evidence budget, whether it got a place or not."""

CROWD = 200
"""So many in hand, and what is no page leaves at once, without evidence: nobody reads so much of it, and to gather it
would take longer than to tell."""

PAGES_FIRST_SECONDS = 25.0
"""For which what is no page waits for the reading of what was posted, when that has fallen behind."""

UPDATE_SECONDS = 60.0
"""After which evidence that was not there is looked for once more."""

UPDATE = "update"
"""The kind of a message that says what its predecessor could not."""

SIDE_BY_SIDE = 32
"""Messages whose evidence is gathered at the same time."""


_TOO_MANY = "too many notifications at once: this one left without evidence"

_SCRUBBING = ThreadPoolExecutor(1, "scrubbing")
"""A thread of its own: large texts must not use up those on which the store is read."""


@dataclass(frozen=True)
class Complete:
    """A message that can leave."""

    stored: StoredMessage
    content: str
    """As JSON."""
    sinks: Sequence[str]
    """By its routes."""


class Enrichment(Worker):
    """Gathers the evidence of messages, and adds them to the outbox."""

    def __init__(
        self,
        database: Database,
        slos: Callable[[], SloSet],
        gatherer: Gatherer,
        routes: Routes,
        on_ready: Callable[[], None],
        updated: Sequence[str] = (),
        update_after: float = UPDATE_SECONDS,
        reminders: Mapping[str, float] | None = None,
        holder: str | None = None,
        precedence: Precedence | None = None,
    ) -> None:
        """``updated``: the sinks that get evidence which comes late; ``update_after``: seconds. ``reminders``: for each
        sink the seconds between two of what is only repeated; 0: as they come. ``holder``: the token of this engine."""
        super().__init__()
        self._precedence = precedence or Precedence()
        self._updated = updated
        self._reminders = reminders or {}
        self._holder = holder or uuid4().hex
        self._update_after = update_after
        self._updates: set[asyncio.Task[None]] = set()
        self._database = database
        self._slos = slos
        self._gatherer = gatherer
        self._routes = routes
        self._on_ready = on_ready
        self._places = asyncio.Semaphore(SIDE_BY_SIDE)
        finish = partial(
            _finish, routed=self._routed, known=routes.otherwise, reminders=self._reminders, holder=self._holder
        )
        self._finished: Together[Complete, None] = Together(database, finish)
        self._in_hand: set[int] = set()

    @property
    def in_hand(self) -> Sequence[int]:
        """The messages that are being completed, whose leases go on."""
        return tuple(self._in_hand)

    async def run(self) -> None:
        """Work until stopped. Pages are begun first, and then in their order; the outbox keeps that of each thread."""
        async with asyncio.TaskGroup() as tasks:
            while self.begin_round():
                try:
                    for stored in await self._waiting():
                        if stored.id in self._in_hand:
                            continue  # its lease ended in the midst of it: the clock was set forward
                        self._in_hand.add(stored.id)
                        tasks.create_task(self._complete(stored))
                except StoreError as error:
                    logger.error("messages wait for their evidence: %s", error)  # noqa: TRY400 - an outage, no bug
                await self.rest()
        for each in self._updates:  # late evidence decorates what has left: a stop does not wait for it
            each.cancel()

    async def _waiting(self) -> list[StoredMessage]:
        room = MOST_IN_HAND - len(self._in_hand)
        if self._precedence.is_claimed:
            # Pages are claimed first: what is not in hand yet can still be overtaken by one.
            room = min(room, FEW)
            await self._precedence.give_way(pieces=FEW)
        if room <= 0 or not await asyncio.to_thread(self._database.read, messages.are_gathering):
            return []
        # There may be pages among what is still to be read.
        others = time.time() - PAGES_FIRST_SECONDS if self._precedence.is_behind else None
        claim = partial(
            messages.claim_gathering, limit=room, lease=LEASE_SECONDS, holder=self._holder, others_before=others
        )
        return await asyncio.wrap_future(self._database.submit(claim))

    async def _complete(self, stored: StoredMessage) -> None:
        # Nothing here may end the worker, which completes the messages of everybody else.
        try:
            message = restored(stored)
            if stored.priority > 0 and len(self._in_hand) > CROWD:
                evidence, state = _nothing(_TOO_MANY, time.monotonic()), "partial"
            else:
                evidence, state = await self._evidence(message, datetime.fromtimestamp(stored.received_at, UTC))
            loop = asyncio.get_running_loop()
            complete = await loop.run_in_executor(_SCRUBBING, self._completed, stored, message, evidence)
            await self._hand_over(complete)
            telemetry.MESSAGES.labels(state).inc()
            if self._updated and stored.kind == "firing" and lacks_an_answer(evidence):
                # The message as it was posted: what left is scrubbed, and evidence is found by what stood in it.
                task = asyncio.create_task(self._update_later(stored, message))
                self._updates.add(task)
                task.add_done_callback(self._updates.discard)
        except Exception:
            # Whatever one message trips over, it is not lost, and the others are not held up.
            logger.exception("message %s could not be completed; it is tried again", stored.key)
            await asyncio.sleep(STORE_RETRY_SECONDS)
            with suppress(StoreError):  # its lease ends by itself, too
                await _write(self._database, partial(messages.let_go, message_id=stored.id, holder=self._holder))
        finally:
            self._in_hand.discard(stored.id)
            self.tell()  # there may be more than fitted into the hand
        self._on_ready()

    async def _update_later(self, stored: StoredMessage, message: Message) -> None:
        """LangFuse takes in traces late: once, a while after, look again, and tell what was found."""
        await asyncio.sleep(self._update_after)
        try:
            newest = await asyncio.to_thread(self._database.read, partial(messages.newest_of, thread=stored.thread))
            if newest != stored.id:
                return  # something newer was said of the incident
            evidence, _ = await self._evidence(message, datetime.fromtimestamp(stored.received_at, UTC))
            if lacks_an_answer(evidence) or not evidence.topics:
                return
            content = replace(message, evidence=evidence).content()
            content = await asyncio.get_running_loop().run_in_executor(_SCRUBBING, outgoing, content)
            new = messages.NewMessage(
                time.time(), stored.thread, UPDATE, stored.severity, stored.title, content, inbox_id=None
            )
            await _write(self._database, partial(_add_update, new=new, after=stored.id, takes_it=self._updated))
            telemetry.MESSAGES.labels("update").inc()
        except Exception:
            # The notification itself has left: what goes wrong here costs the update alone.
            logger.exception("the late evidence of message %s could not be sent", stored.key)
        self._on_ready()

    def _completed(self, stored: StoredMessage, message: Message, evidence: Evidence) -> Complete:
        # Subjects are found, and routes are chosen, by what stood in it when it came; what leaves is scrubbed.
        content = outgoing(replace(message, evidence=evidence).content())
        return Complete(stored, json.dumps(content), self._routed(stored, message))

    async def _hand_over(self, complete: Complete) -> None:
        is_stored = False
        while not is_stored:
            try:
                await self._finished.add(complete)
                is_stored = True
            except StoreError as error:
                logger.error("a message waits to be added to the outbox: %s", error)  # noqa: TRY400
                await asyncio.sleep(STORE_RETRY_SECONDS)

    def _routed(self, stored: StoredMessage, message: Message | None = None) -> tuple[str, ...]:
        """The sinks of a message, by the time at which it came."""
        if not self._routes.routes:
            return self._routes.otherwise
        about = addressees(message or restored(stored), self._slos())
        return self._routes.sinks(about, datetime.fromtimestamp(stored.received_at, UTC))

    async def _evidence(self, message: Message, received_at: datetime) -> tuple[Evidence, str]:
        """The evidence, and whether it is ``complete``, ``partial`` or has ``failed``."""
        started = time.monotonic()
        try:
            async with asyncio.timeout(self._gatherer.budget):
                await self._places.acquire()
        except TimeoutError:
            telemetry.EVIDENCE_SECONDS.observe(time.monotonic() - started)
            return _nothing(_TOO_MANY, started), "partial"
        try:
            # In a thread: there may be thousands of alerts.
            subjects = await asyncio.to_thread(_subjects, message, self._slos(), received_at)
            if subjects is None:
                return _nothing(f"more than {MAX_ALERTS:,} alerts in one notification", started), "partial"
            left = max(0.1, self._gatherer.budget - (time.monotonic() - started))
            evidence = await self._gatherer.gather(subjects, within=left)
            telemetry.EVIDENCE_SECONDS.observe(time.monotonic() - started)
        except Exception:
            # Evidence decorates. Whatever goes wrong with it, the notification itself leaves.
            logger.exception("the evidence of message %s could not be added", message.key)
            return _nothing("adding evidence failed; see the log of the engine", started), "failed"
        finally:
            self._places.release()
        return evidence, "partial" if evidence.missing else "complete"


def _finish(
    connection: Connection,
    complete: Sequence[Complete],
    routed: Callable[[StoredMessage], Sequence[str]],
    known: Sequence[str],
    reminders: Mapping[str, float],
    holder: str,
) -> Sequence[None]:
    """Messages are complete. One that resolves an incident goes to whoever was told of it, whatever the routes say at
    this hour: a page that nobody closes would stay open for ever. Reminders go to those who want one now."""
    now = time.time()
    as_routed = [each for each in complete if each.stored.kind != "resolved" and not each.stored.repeats]
    finished = [messages.Finished(each.stored.id, each.content, each.sinks) for each in as_routed]
    messages.finish_all(connection, finished, now, holder=holder)
    others = [each for each in complete if each.stored.kind == "resolved" or each.stored.repeats]
    for each in sorted(others, key=lambda each: each.stored.id):
        stored, sinks = each.stored, each.sinks
        if stored.kind == "resolved":
            told = list(messages.sinks_of_incident(connection, stored.thread, stored.id))
            for earlier in messages.gathering_of(connection, stored.thread, stored.id):
                told += routed(earlier)
            # One that is in the settings no more cannot be told; who has come in its place is.
            sinks = tuple(dict.fromkeys(sink for sink in told if sink in known)) or sinks
        if stored.repeats:
            newest = outbox.newest_queued(connection, stored.thread, [sink for sink in sinks if sink in reminders])
            sinks = [sink for sink in sinks if now - newest.get(sink, -inf) >= reminders.get(sink, 0.0)]
        finished = [messages.Finished(stored.id, each.content, sinks)]
        messages.finish_all(connection, finished, now, holder=holder)
    return [None] * len(complete)


def _subjects(message: Message, slos: SloSet, received_at: datetime) -> Sequence[Subject] | None:
    """What it is about; None: it has too many alerts."""
    alerts = understood(message.payload or {}).alerts
    if len(alerts) > MAX_ALERTS:
        return None
    return subjects_of(alerts, slos, received_at, incident=message.thread, title=message.title)


def _add_update(connection: Connection, new: messages.NewMessage, after: int, takes_it: Sequence[str]) -> None:
    """Late evidence goes to the sinks that take it, of those that got the notification."""
    if messages.newest_of(connection, new.thread) != after:
        return  # something newer was said while it was looked for
    told = messages.sinks_of_incident(connection, new.thread, after + 1)
    messages.add_ready(connection, new, [sink for sink in told if sink in takes_it])


def lacks_an_answer(evidence: Evidence) -> bool:
    """Whether traces were asked for and something that is asked about got no answer: they may come yet."""
    is_missing = any(each.source == "langfuse" for each in evidence.missing)
    return any(
        topic.section(ANSWER) is None and (is_missing or any(section.is_empty for section in topic.sections))
        for topic in evidence.topics
    )


def _nothing(reason: str, started: float) -> Evidence:
    seconds = round(time.monotonic() - started, 3)
    return Evidence(datetime.now(UTC).isoformat(), seconds, missing=(Missing("engine", reason),))


async def _write(database: Database, work: Callable[..., Any]) -> None:
    await asyncio.wrap_future(database.submit(work))
