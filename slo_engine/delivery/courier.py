"""Outbox -> sinks: at least once, in order for each sink and thread."""

from __future__ import annotations

import asyncio
import logging
import random
import time
from collections.abc import Mapping
from dataclasses import dataclass, replace
from functools import partial

from sqlalchemy import Connection

from slo_engine import telemetry
from slo_engine.delivery.sink import Delivered, Outcome, Refused, Retry, Sink
from slo_engine.notifications import restored
from slo_engine.store import Database, StoreError, outbox
from slo_engine.worker import POLL_SECONDS, Worker

logger = logging.getLogger(__name__)

LEASE_SECONDS = 60.0
"""Four times the timeout of a sink: a lease ends only when its holder is dead or hangs."""

BATCH = 50
FIRST_DELAY = 1.0
LONGEST_DELAY = 300.0

LONGEST_SENDING_SECONDS = 45.0
"""A sink ends by itself before that; one that does not must not outlive its lease."""

LEAST_ATTEMPTS = 12
"""A message that is a day old because the engine was down is not given up for one failure: half an hour at least."""

GIVE_UP_SECONDS = 24 * 3600.0
"""What nobody could take for a day wakes nobody any more; it is kept as a dead letter."""


@dataclass(frozen=True)
class Fallback:
    """The sink that gets what another cannot take."""

    sink: str
    after: float
    """Seconds that a message waits for the other before."""


class Courier(Worker):
    """Delivers what is in the outbox."""

    def __init__(
        self, database: Database, sinks: Mapping[str, Sink], fallbacks: Mapping[str, Fallback] | None = None
    ) -> None:
        """``fallbacks``: by the names of the sinks that have one."""
        super().__init__()
        self._database = database
        self._sinks = sinks
        self._fallbacks = fallbacks or {}

    async def run(self) -> None:
        """Work until stopped. Sinks do not wait for each other: every claim is sent by a task of its own."""
        async with asyncio.TaskGroup() as tasks:
            while self.begin_round():
                wait = POLL_SECONDS
                try:
                    await self._fall_back()
                    claimed = await asyncio.wrap_future(
                        self._database.submit(partial(outbox.claim, limit=BATCH, lease=LEASE_SECONDS))
                    )
                    for claim in claimed:
                        tasks.create_task(self._deliver(claim))
                    due = await asyncio.to_thread(self._database.read, outbox.seconds_until_due)
                    wait = min(wait, max(0.05, due)) if due is not None else wait
                except StoreError as error:
                    logger.error("messages wait in the outbox: %s", error)  # noqa: TRY400 - an outage, no bug
                await self.rest(wait)

    async def _fall_back(self) -> None:
        """What waits for a sink that fails, and what waits behind that, goes to its fallback in time."""
        for name, fallback in self._fallbacks.items():
            since = time.time() - fallback.after
            work = partial(outbox.fall_back, sink=name, fallback=fallback.sink, waiting_since=since)
            moved = await asyncio.wrap_future(self._database.submit(work))
            if moved:
                telemetry.FALLBACKS.labels(name).inc(moved)
                logger.warning("%d messages for sink %s go to its fallback %s, too", moved, name, fallback.sink)

    async def _deliver(self, claim: outbox.Claim) -> None:
        outcome = await self._send(claim)
        telemetry.DELIVERIES.labels(claim.sink, type(outcome).__name__.lower()).inc()
        try:
            note = partial(_note, claim=claim, outcome=outcome, fallback=self._fallbacks.get(claim.sink))
            await asyncio.wrap_future(self._database.submit(note))
        except StoreError as error:
            # The lease ends by itself; the message is then sent once more, with the same key.
            logger.error("a delivery to %s could not be noted: %s", claim.sink, error)  # noqa: TRY400
            return
        except Exception:
            # Whatever it is about one delivery, the courier serves all others.
            logger.exception("a delivery to %s could not be noted", claim.sink)
            return
        if not isinstance(outcome, Delivered):
            logger.warning("message %s to sink %s: %s", claim.message.key, claim.sink, outcome.reason)
        self.tell()  # the next message of this thread may be waiting behind this one

    async def _send(self, claim: outbox.Claim) -> Outcome:
        sink = self._sinks.get(claim.sink)
        if sink is None:
            return Refused("this sink is no longer in the settings")
        try:
            message = replace(restored(claim.message), instead_of=claim.instead_of)
            async with asyncio.timeout(LONGEST_SENDING_SECONDS):
                return _cleaned(await sink.send(message, claim.earlier))
        except Exception:
            # A bug in one sink must not end the courier, which serves all of them.
            logger.exception("sink %s failed", claim.sink)
            return Retry("sending failed; see the log of the engine")


def delay_before(attempt: int, chance: float) -> float:
    """Seconds before the next attempt: 1, 2, 4, ... up to five minutes, of which a random half is taken off so that
    messages do not come back all at once. ``chance`` is between 0 and 1."""
    full = min(FIRST_DELAY * 2.0 ** min(attempt, 30), LONGEST_DELAY)
    return full * (0.5 + chance / 2)


def _cleaned(outcome: Outcome) -> Outcome:
    """What a sink has said may hold half a letter, which the store cannot keep."""
    if isinstance(outcome, Delivered):
        return outcome
    return replace(outcome, reason=outcome.reason.encode(errors="replace").decode())


def _note(connection: Connection, claim: outbox.Claim, outcome: Outcome, fallback: Fallback | None) -> bool:
    match outcome:
        case Delivered(receipt):
            return outbox.delivered(connection, claim, receipt)
        case Refused(reason):
            if fallback is not None:
                outbox.fall_back_one(connection, claim, fallback.sink)
            return outbox.bury(connection, claim, reason)
        case Retry(reason, after):
            is_old = time.time() - claim.message.received_at > GIVE_UP_SECONDS
            if is_old and claim.attempts >= LEAST_ATTEMPTS:
                if fallback is not None:
                    outbox.fall_back_one(connection, claim, fallback.sink)
                return outbox.bury(connection, claim, f"given up after a day: {reason}")
            backoff = delay_before(claim.attempts, random.random())  # noqa: S311 - jitter, no secret
            return outbox.retry_later(connection, claim, reason, backoff if after is None else max(after, backoff))
