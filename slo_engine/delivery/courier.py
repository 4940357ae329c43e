"""Outbox -> sinks: at least once, in order for each sink and thread, and never more than a sink can take."""

from __future__ import annotations

import asyncio
import logging
import random
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import partial
from uuid import uuid4

from sqlalchemy import Connection

from slo_engine import telemetry
from slo_engine.amounts import length, second
from slo_engine.delivery.pace import Pace
from slo_engine.delivery.sink import Delivered, Misconfigured, Outcome, Refused, Retry, Sink
from slo_engine.notifications import Message, plain, restored
from slo_engine.store import Database, StoreError, outbox, sink_states
from slo_engine.store.leases import LEASE_SECONDS
from slo_engine.store.together import Together
from slo_engine.worker import POLL_SECONDS, Worker

logger = logging.getLogger(__name__)

FIRST_DELAY = 1.0
LONGEST_DELAY = 300.0

FIRST_DELAY_OF_PEOPLE = 30.0
LONGEST_DELAY_OF_PEOPLE = 1800.0
"""Between attempts that need somebody to change a token or an address."""

LONGEST_SENDING_SECONDS = 45.0
"""A sink ends by itself before that; one that does not is given up for this time."""

LEAST_ATTEMPTS = 12
"""A message that is a day old because the engine was down is not given up for one failure: half an hour at least."""

GIVE_UP_SECONDS = 24 * 3600.0
"""What nobody could take for a day wakes nobody any more; it is kept as a dead letter."""

LATE_SECONDS = 60.0
"""The promise: what is delivered later says so."""

FAILURES_TO_PROBE = 3
"""In a row, with pauses between them: then a sink is tried with one message at a time."""

FIRST_HOLD = 0.5
LONGEST_HOLD = 15.0
"""For which a sink that fails is left alone: one that is back is found out so soon."""

LONGEST_HOLD_OF_PEOPLE = 600.0

HOUSEKEEPING_SECONDS = 60.0

_FALL_BACK_SECONDS = 1.0
"""How often to look for what has waited for too long."""

_ROUND_SECONDS = 0.005
"""What ends so soon after another is followed up together."""

_IS_GONE = "given up after a day: this sink is no longer in the settings"


@dataclass(frozen=True)
class Fallback:
    """The sink that gets what another cannot take."""

    sink: str
    after: float
    """Seconds that a message waits for the other before."""


class Courier(Worker):
    """Delivers what is in the outbox."""

    def __init__(
        self,
        database: Database,
        sinks: Mapping[str, Sink],
        fallbacks: Mapping[str, Fallback] | None = None,
        holder: str | None = None,
    ) -> None:
        """``fallbacks``: by the names of the sinks that have one. ``holder``: the token of this engine."""
        super().__init__()
        self._database = database
        self._holder = holder or uuid4().hex
        fallbacks = fallbacks or {}
        self._lanes = {
            name: _Lane(database, name, sink, fallbacks.get(name), self._holder, self.tell)
            for name, sink in sinks.items()
        }

    @property
    def in_hand(self) -> Sequence[int]:
        """The rows of the outbox that are being sent, whose leases go on."""
        return [row_id for lane in self._lanes.values() for row_id in lane.in_hand]

    def tell(self) -> None:
        """There is something to deliver."""
        for lane in self._lanes.values():
            lane.tell()

    def stop(self) -> None:
        """End after what is being sent."""
        super().stop()
        for lane in self._lanes.values():
            lane.stop()

    async def run(self) -> None:
        """Work until stopped. Sinks do not wait for each other."""
        async with asyncio.TaskGroup() as tasks:
            for lane in self._lanes.values():
                tasks.create_task(lane.run())
            while self.begin_round():
                await self._bury_for_sinks_that_are_gone()
                await self.rest(HOUSEKEEPING_SECONDS)

    async def _bury_for_sinks_that_are_gone(self) -> None:
        try:
            gone = await asyncio.to_thread(self._database.read, outbox.waiting_sinks) - set(self._lanes)
            for sink in gone:
                expire = partial(outbox.expire, sink=sink, seconds=GIVE_UP_SECONDS, reason=_IS_GONE)
                number = await asyncio.wrap_future(self._database.submit(expire))
                if number:
                    telemetry.DEAD_LETTERS.labels(sink).inc(number)
                    logger.error("%d messages for %s, which is not in the settings, are given up", number, sink)
        except StoreError as error:
            logger.error("messages for sinks that are gone are not given up: %s", error)  # noqa: TRY400


class _Lane(Worker):
    """Delivers to one sink."""

    def __init__(
        self,
        database: Database,
        name: str,
        sink: Sink,
        fallback: Fallback | None,
        holder: str,
        on_fallback: Callable[[], None],
    ) -> None:
        super().__init__()
        self._database = database
        self._name = name
        self._sink = sink
        self._fallback = fallback
        self._holder = holder
        self._on_fallback = on_fallback
        self._ended: Together[_Ended, str] = Together(database, partial(_note, fallback=fallback))
        self._pace = Pace()
        self._state: sink_states.SinkState | None = None
        self._failures = 0
        self._news_from = float("-inf")
        self._expired_at = time.monotonic()
        self._fall_back_at = 0.0
        self.in_hand: set[int] = set()

    async def run(self) -> None:
        async with asyncio.TaskGroup() as tasks:
            while self.begin_round():
                wait = POLL_SECONDS
                try:
                    wait = await self._round(tasks)
                except StoreError as error:
                    logger.error("messages wait in the outbox: %s", error)  # noqa: TRY400 - an outage, no bug
                await asyncio.sleep(_ROUND_SECONDS)
                await self.rest(min(wait, POLL_SECONDS))

    async def _round(self, tasks: asyncio.TaskGroup) -> float:
        """Send what may be sent now. Returns after how many seconds to look again, unless told."""
        await self._fall_back()
        await self._give_up()
        room = self._pace.room(time.monotonic())
        if room <= 0:
            until_room = self._pace.seconds_until_room(time.monotonic())
            return POLL_SECONDS if until_room is None else until_room
        if not await asyncio.to_thread(self._database.read, partial(outbox.is_waiting, sink=self._name)):
            return POLL_SECONDS
        claim = partial(
            outbox.claim,
            sink=self._name,
            limit=room,
            lease=LEASE_SECONDS,
            holder=self._holder,
            failures_to_probe=FAILURES_TO_PROBE,
        )
        claimed = await asyncio.wrap_future(self._database.submit(claim))
        self._note_state(claimed.state)
        for each in claimed.claims:
            if each.id in self.in_hand:
                continue  # its lease ended while it is being sent: the clock was set forward
            self.in_hand.add(each.id)
            self._pace.begin(time.monotonic())
            tasks.create_task(self._deliver(each))
        if claimed.state is not None and claimed.state.held_for > 0:
            return max(0.05, claimed.state.held_for)
        if len(claimed.claims) == room:
            return 0.0
        due = await asyncio.to_thread(self._database.read, partial(outbox.seconds_until_due, sink=self._name))
        return POLL_SECONDS if due is None else max(0.05, due)

    def _note_state(self, state: sink_states.SinkState | None) -> None:
        self._state = state
        self._failures = 0 if state is None else state.failures
        telemetry.SINK_HELD.labels(self._name).set(0 if state is None or state.held_for <= 0 else 1)
        telemetry.SINK_FAILURES.labels(self._name).set(self._failures)

    async def _fall_back(self) -> None:
        """What waits for a sink that fails, and what waits behind that, goes to its fallback in time."""
        if self._fallback is None or time.monotonic() < self._fall_back_at:
            return
        self._fall_back_at = time.monotonic() + _FALL_BACK_SECONDS
        since = time.time() - self._fallback.after
        work = partial(outbox.fall_back, sink=self._name, fallback=self._fallback.sink, waiting_since=since)
        moved = await asyncio.wrap_future(self._database.submit(work))
        if moved:
            telemetry.FALLBACKS.labels(self._name).inc(moved)
            logger.warning("%d messages for sink %s go to its fallback %s, too", moved, self._name, self._fallback.sink)
            self._on_fallback()

    async def _give_up(self) -> None:
        """What a sink that fails could not even be offered for a day is a dead letter as well."""
        if self._failures == 0 or time.monotonic() - self._expired_at < HOUSEKEEPING_SECONDS:
            return
        self._expired_at = time.monotonic()
        if self._state is None or self._state.failing_for < GIVE_UP_SECONDS / 2:
            return
        reason = f"given up after a day: {self._state.reason}"
        expire = partial(outbox.expire, sink=self._name, seconds=GIVE_UP_SECONDS, reason=reason)
        number = await asyncio.wrap_future(self._database.submit(expire))
        if number:
            telemetry.DEAD_LETTERS.labels(self._name).inc(number)
            logger.error("%d messages for sink %s are %s", number, self._name, reason)

    async def _deliver(self, claim: outbox.Claim) -> None:
        began = time.monotonic()
        outcome: Outcome | None = None
        try:
            outcome = await self._send(claim)
            self._keep_pace(outcome, began)
            telemetry.DELIVERIES.labels(self._name, type(outcome).__name__.lower()).inc()
            await self._note(claim, outcome, began)
        except StoreError as error:
            # The lease ends by itself; the message is then sent once more, with the same key.
            logger.error("a delivery to %s could not be noted: %s", self._name, error)  # noqa: TRY400
        except Exception:
            # Whatever it is about one delivery, the courier serves all others.
            logger.exception("a delivery to %s could not be noted", self._name)
        finally:
            self._pace.end()
            self.in_hand.discard(claim.id)
            self.tell()  # the next message of this thread may be waiting behind this one
        if outcome is not None and not isinstance(outcome, Delivered):
            logger.warning("message %s to sink %s: %s", claim.message.key, self._name, outcome.reason)

    async def _send(self, claim: outbox.Claim) -> Outcome:
        try:
            message = replace(
                restored(claim.message),
                instead_of=claim.instead_of,
                remarks=remarks(claim, time.time()),
                goes_on_from=claim.goes_on_from,
            )
            if claim.form == "plain":
                message = plain(message)
            async with asyncio.timeout(LONGEST_SENDING_SECONDS):
                outcome = _cleaned(await self._sink.send(message, claim.earlier))
        except TimeoutError:
            # A sink ends by itself before that, unless the engine was paused in the midst of it.
            return Retry(f"no answer within {LONGEST_SENDING_SECONDS:g} s")
        except Exception:
            # A bug in one sink must not end the courier, which serves all of them.
            logger.exception("sink %s failed", self._name)
            return Retry("sending failed; see the log of the engine")
        return outcome

    def _keep_pace(self, outcome: Outcome, began: float) -> None:
        now = time.monotonic()
        match outcome:
            case Delivered():
                self._pace.passed(now - began)
            case Retry(_, after, True):
                self._pace.limited(now, after or FIRST_DELAY)
            case Retry():
                self._pace.failed()
            case _:
                pass

    async def _note(self, claim: outbox.Claim, outcome: Outcome, began: float) -> None:
        # What was sent before the sink was last left alone says nothing new about it.
        is_news = began >= self._news_from
        hold = self._held(outcome, claim.attempts) if is_news else None
        is_back = is_news and self._state is not None and isinstance(outcome, Delivered | Refused)
        end = await self._ended.add(_Ended(claim, outcome, hold, is_back))
        if is_back:
            self._note_state(None)
        if end == "delivered":
            telemetry.DELIVERY_SECONDS.labels(self._name).observe(max(0.0, time.time() - claim.message.received_at))
        elif end == "dead":
            telemetry.DEAD_LETTERS.labels(self._name).inc()
            if self._fallback is not None:
                self._on_fallback()

    def _held(self, outcome: Outcome, attempts: int) -> _Hold | None:
        """For how long the sink is left alone, for all its messages: as its answer or its failures ask for."""
        chance = random.random()  # noqa: S311 - jitter, no secret
        match outcome:
            case Delivered() | Refused() | Misconfigured(_, True):
                return None
            case Retry(_, after, True):
                seconds = delay_before(attempts, chance) if after is None else after
            case Retry(_, after, False):
                self._failures += 1
                seconds = max(after or 0.0, min(FIRST_HOLD * 2.0 ** min(self._failures - 1, 30), LONGEST_HOLD))
            case Misconfigured():
                self._failures = max(self._failures + 1, FAILURES_TO_PROBE)
                first = FIRST_DELAY_OF_PEOPLE / 2
                seconds = delay_before(self._failures - FAILURES_TO_PROBE, chance, first, LONGEST_HOLD_OF_PEOPLE)
        self._news_from = time.monotonic() + seconds
        return _Hold(seconds, self._failures, outcome.reason)


def delay_before(attempt: int, chance: float, first: float = FIRST_DELAY, longest: float = LONGEST_DELAY) -> float:
    """Seconds before the next attempt: ``first``, twice, four times, ... up to ``longest``, of which a random half is
    taken off so that messages do not come back all at once. ``chance`` is between 0 and 1."""
    full = min(first * 2.0 ** min(attempt, 30), longest)
    return full * (0.5 + chance / 2)


def remarks(claim: outbox.Claim, now: float) -> tuple[str, ...]:
    """What is to be said of a delivery ``now``: how late it is, and what was not delivered before it."""
    found = []
    late = now - claim.message.received_at
    if late > LATE_SECONDS:
        found.append(f"Late by {length(late)}: it came at {second(claim.message.received_at)}.")
    if claim.missed:
        told = ", ".join(f"{each.kind} {second(each.received_at)}" for each in claim.missed[-5:])
        number = len(claim.missed)
        what = "1 earlier notification" if number == 1 else f"{number} earlier notifications"
        found.append(f"{what} of this incident could not be delivered here in time: {told}.")
    return tuple(found)


def _cleaned(outcome: Outcome) -> Outcome:
    """What a sink has said may hold half a letter, which the store cannot keep."""
    if isinstance(outcome, Delivered):
        return outcome
    return replace(outcome, reason=outcome.reason.encode(errors="replace").decode())


@dataclass(frozen=True)
class _Hold:
    """A sink is left alone."""

    seconds: float
    failures: int
    reason: str


@dataclass(frozen=True)
class _Ended:
    """An attempt."""

    claim: outbox.Claim
    outcome: Outcome
    hold: _Hold | None = None
    is_back: bool = False
    """The sink had failed before."""


def _note(connection: Connection, ended: Sequence[_Ended], fallback: Fallback | None) -> Sequence[str]:
    """Note how deliveries ended. Returns of each one ``delivered``, ``dead``, ``later``, or ``gone`` when its lease
    had passed on."""
    is_plain = [isinstance(each.outcome, Delivered) and each.hold is None and not each.is_back for each in ended]
    # What says something about the sink comes first: engines that share a store lock its state before rows.
    ends = {
        each.claim.id: _note_one(connection, each, fallback)
        for each, plain_one in zip(ended, is_plain, strict=True)
        if not plain_one
    }
    taken = [
        (each.claim, each.outcome.receipt if isinstance(each.outcome, Delivered) else None)
        for each, plain_one in zip(ended, is_plain, strict=True)
        if plain_one
    ]
    done = outbox.delivered_all(connection, taken) if taken else set()
    ends |= {claim.id: "delivered" if claim.id in done else "gone" for claim, _ in taken}
    return [ends[each.claim.id] for each in ended]


def _note_one(connection: Connection, ended: _Ended, fallback: Fallback | None) -> str:
    """Note also what it says about the sink: it is left alone, or all is well again."""
    claim, outcome, hold = ended.claim, ended.outcome, ended.hold
    if ended.is_back:
        sink_states.release(connection, claim.sink)
        outbox.wake(connection, claim.sink)
    if hold is not None:
        sink_states.hold(connection, claim.sink, hold.seconds, hold.failures, hold.reason)
    chance = random.random()  # noqa: S311 - jitter, no secret
    match outcome:
        case Delivered(receipt):
            return "delivered" if outbox.delivered(connection, claim, receipt) else "gone"
        case Refused(reason) | Misconfigured(reason, True) if _can_be_plainer(claim):
            outbox.retry_later(connection, claim, reason, 0.0, form="plain")
            return "later"
        case Refused(reason):
            return _bury(connection, claim, reason, fallback)
        case Misconfigured(reason):
            if fallback is not None:
                outbox.fall_back_one(connection, claim, fallback.sink)
            wait = delay_before(claim.attempts, chance, FIRST_DELAY_OF_PEOPLE, LONGEST_DELAY_OF_PEOPLE)
        case Retry(reason, after, is_limit):
            wait = after or 0.0 if is_limit else max(after or 0.0, delay_before(claim.attempts, chance))
    return _put_off(connection, claim, reason, wait, fallback)


def _can_be_plainer(claim: outbox.Claim) -> bool:
    message: Message = restored(claim.message)
    return claim.form == "full" and plain(message) != message


def _put_off(connection: Connection, claim: outbox.Claim, reason: str, wait: float, fallback: Fallback | None) -> str:
    if claim.age > GIVE_UP_SECONDS and claim.attempts >= LEAST_ATTEMPTS:
        return _bury(connection, claim, f"given up after a day: {reason}", fallback)
    return "later" if outbox.retry_later(connection, claim, reason, wait) else "gone"


def _bury(connection: Connection, claim: outbox.Claim, reason: str, fallback: Fallback | None) -> str:
    if fallback is not None:
        outbox.fall_back_one(connection, claim, fallback.sink)
    return "dead" if outbox.bury(connection, claim, reason) else "gone"
