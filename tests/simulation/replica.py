"""A model of one engine: its loops as single steps, each at most one commit, and what it has in memory between them."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from functools import partial
from itertools import count
from typing import Any

from sqlalchemy import Connection, select

from slo_engine.alerts import enrichment, intake
from slo_engine.alerts.incidents import Verdict
from slo_engine.definitions.slo import SloSet
from slo_engine.delivery import courier
from slo_engine.delivery.sink import Delivered, Outcome, Refused, Retry
from slo_engine.notifications import Evidence, Missing, plain, restored
from slo_engine.notifications.routes import Routes, addressees
from slo_engine.store import StoredMessage, inbox, leases, messages, outbox
from slo_engine.store.leases import LEASE_SECONDS
from slo_engine.store.tables import outbox as rows
from tests.simulation.sinks import BreachError, ModelSink
from tests.simulation.store import Store

EVIDENCE = Evidence("", 0.0, missing=(Missing("langfuse", "no answer"),))

Work = Callable[[], bool]
"""One step; False: there was nothing to do."""


@dataclass
class Attempt:
    """A delivery in hand."""

    claim: outbox.Claim
    began: float
    held_until: float
    """When its lease ends."""
    outcome: Outcome | None = None
    """None: the request is still under way."""


@dataclass(frozen=True)
class House:
    """What all engines share."""

    store: Store
    sinks: Mapping[str, ModelSink]
    routes: Routes
    fallbacks: Mapping[str, courier.Fallback]
    reminders: Mapping[str, float]
    is_shared: bool
    """Whether there are several engines."""
    verdicts: dict[Verdict, int]
    tokens: count[int]
    replicas: list[Replica]


class Replica:
    """One engine. Whatever is not in the store is gone when it crashes."""

    def __init__(self, house: House) -> None:
        self._house = house
        self._store = house.store
        self.is_paused = False
        self.token = ""
        self.found: Sequence[intake.Read] = ()
        self.gathering: dict[int, StoredMessage] = {}
        self.attempts: dict[int, Attempt] = {}
        self.lanes: dict[str, courier._Lane] = {}
        self._led_at = float("-inf")
        self._numbers = count()

    @property
    def now(self) -> float:
        """The time."""
        return self._store.clock.now

    @property
    def runs(self) -> bool:
        """Whether it is there, and does something."""
        return bool(self.token) and not self.is_paused

    @property
    def leads(self) -> bool:
        """Whether it believes that it does what one engine does for all."""
        return self.runs and self.now - self._led_at < LEASE_SECONDS

    @property
    def has_work(self) -> bool:
        """Whether it goes on with something that it has in memory."""
        return self.runs and bool(self.found or self.gathering or self.attempts)

    def start(self) -> None:
        """Of a process that knows nothing."""
        self.token = f"{next(self._house.tokens):032x}"
        self.is_paused = False
        self.found, self.gathering, self.attempts = (), {}, {}
        self.lanes = {name: self._lane(name) for name in self._house.sinks}
        self._led_at = float("-inf")
        if not self._house.is_shared:
            self._store.commit(leases.give_up_all)
        self.renew()

    def crash(self) -> list[Attempt]:
        """All that it had in memory is gone. Returns the requests that are under way."""
        for attempt in self.attempts.values():
            self._excuse(attempt)
        left = [attempt for attempt in self.attempts.values() if attempt.outcome is None]
        self.token = ""
        self.attempts = {}
        return left

    def pause(self) -> None:
        """It does nothing any more, and knows nothing of it."""
        self.is_paused = True

    def stop(self) -> None:
        """In order: after what it is sending."""
        for number in list(self.attempts):
            self.send(number)
            self.note(number)
        self._store.commit(partial(leases.give_up, token=self.token))
        self.token = ""

    def holds(self, row_id: int) -> bool:
        """Whether it is sending a row, and has the lease of it."""
        return self.runs and any(
            each.claim.id == row_id and each.held_until > self.now for each in self.attempts.values()
        )

    def works(self) -> list[Work]:
        """All that it could do next."""
        if not self.runs:
            return []
        found: list[Work] = [self.keep if self.found else self.read, self.claim_gathering, self.renew, self.housekeep]
        found += [partial(self.finish, message_id) for message_id in self.gathering]
        found += [partial(self.claim, sink) for sink in self.lanes]
        for number, attempt in self.attempts.items():
            found.append(partial(self.send if attempt.outcome is None else self.note, number))
        return found

    def accept(self, body: bytes) -> int:
        """The webhook: what is committed is answered with 2xx."""
        return self._store.commit(partial(inbox.accept, body=body, now=self.now))

    def read(self) -> bool:
        """The intake's first half."""
        pending = partial(inbox.next_pending, limit=intake.BATCH, max_bytes=intake.BATCH_BYTES)
        self.found = [intake.read(each) for each in self._store.read(pending)]
        return bool(self.found)

    def keep(self) -> bool:
        """The intake's second half."""
        found, self.found = self.found, ()
        counts, unreadable = self._store.commit(
            partial(intake._keep, found=found, lock=lambda _, __: None, watcher=None)
        )
        for verdict, number in counts.items():
            self._house.verdicts[verdict] = self._house.verdicts.get(verdict, 0) + number
        if unreadable:
            raise BreachError(f"a notification could not be read: {unreadable[0].error}")
        return bool(counts)

    def claim_gathering(self) -> bool:
        """Take messages that wait for their evidence."""
        if not self._store.read(messages.are_gathering):
            return False
        claim = partial(messages.claim_gathering, limit=4, lease=LEASE_SECONDS, holder=self.token)
        claimed = self._store.commit(claim)
        self.gathering |= {each.id: each for each in claimed}
        return bool(claimed)

    def finish(self, message_id: int) -> bool:
        """A message has its evidence, or none: it goes into the outbox."""
        stored = self.gathering.pop(message_id)
        message = restored(stored)
        content = json.dumps(replace(message, evidence=EVIDENCE).content())
        self._store.commit(
            partial(
                enrichment._finish,
                complete=[enrichment.Complete(stored, content, self.routed(stored))],
                routed=self.routed,
                known=self._house.routes.otherwise,
                reminders=self._house.reminders,
                holder=self.token,
            )
        )
        return True

    def routed(self, stored: StoredMessage) -> tuple[str, ...]:
        """The sinks of a message."""
        at = datetime.fromtimestamp(stored.received_at, UTC)
        return self._house.routes.sinks(addressees(restored(stored), SloSet(())), at)

    def claim(self, sink: str) -> bool:
        """A courier's round."""
        lane = self.lanes[sink]
        room = lane._pace.room(self.now)
        if room <= 0 or not self._store.read(partial(outbox.is_waiting, sink=sink)):
            return False
        claim = partial(
            outbox.claim,
            sink=sink,
            limit=room,
            lease=LEASE_SECONDS,
            holder=self.token,
            failures_to_probe=courier.FAILURES_TO_PROBE,
        )
        claimed = self._store.commit(claim)
        lane._note_state(claimed.state)
        for each in claimed.claims:
            self._take(each)
        return bool(claimed.claims)

    def send(self, number: int) -> bool:
        """A request arrives at its sink, which answers."""
        attempt = self.attempts[number]
        if attempt.outcome is None:
            attempt.outcome = sent(attempt, self._house.sinks, self.now, is_late=attempt.held_until <= self.now)
            lane = self.lanes[attempt.claim.sink]
            lane._keep_pace(attempt.outcome, attempt.began)
        return True

    def note(self, number: int) -> bool:
        """The end of a delivery is noted."""
        attempt = self.attempts[number]
        lane = self.lanes[attempt.claim.sink]
        outcome = attempt.outcome
        assert outcome is not None
        is_news = attempt.began >= lane._news_from
        hold = lane._held(outcome, attempt.claim.attempts) if is_news else None
        is_back = is_news and lane._state is not None and isinstance(outcome, Delivered | Refused)
        fallback = self._house.fallbacks.get(attempt.claim.sink)
        ended = courier._Ended(attempt.claim, outcome, hold, is_back)
        self._store.commit(partial(courier._note, ended=[ended], fallback=fallback))
        if is_back:
            lane._note_state(None)
        self._let_go(number)
        return True

    def lose_note(self, number: int) -> None:
        """The store cannot commit the end of a delivery: its lease ends by itself."""
        self._excuse(self.attempts[number])
        self._let_go(number)

    def renew(self) -> bool:
        """What is in hand stays its own, unless its lease has passed on; what takes too long is given up."""
        for attempt in self.attempts.values():
            if attempt.outcome is None and self.now - attempt.began > courier.LONGEST_SENDING_SECONDS:
                attempt.outcome = Retry("no answer")
                self._excuse(attempt)
        sending = {attempt.claim.id for attempt in self.attempts.values()}
        renew = partial(leases.renew, token=self.token, gathering=list(self.gathering), sending=sending)

        def work(connection: Connection) -> tuple[bool, set[int]]:
            renew(connection)
            ours = select(rows.c.id).where(rows.c.lease_token == self.token, rows.c.lease_until > self.now)
            is_leading = leases.take(connection, leases.CLOCK, "", self.token)
            return is_leading, set(connection.execute(ours).scalars())

        leads, held = self._store.commit(work)
        self._led_at = self.now if leads else float("-inf")
        for attempt in self.attempts.values():
            attempt.held_until = self.now + LEASE_SECONDS if attempt.claim.id in held else 0.0
        return False

    def housekeep(self) -> bool:
        """What waits for a sink that fails goes to its fallback, and is given up after a day."""
        moved = 0
        for name, fallback in self._house.fallbacks.items():
            since = self.now - fallback.after
            work = partial(outbox.fall_back, sink=name, fallback=fallback.sink, waiting_since=since)
            moved += self._store.commit(work)
        for name, lane in self.lanes.items():
            if lane._failures and lane._state and lane._state.failing_for >= courier.GIVE_UP_SECONDS / 2:
                reason = f"given up after a day: {lane._state.reason}"
                expire = partial(outbox.expire, sink=name, seconds=courier.GIVE_UP_SECONDS, reason=reason)
                moved += self._store.commit(expire)
        return moved > 0

    def _lane(self, sink: str) -> courier._Lane:
        # What it remembers of its sink, and how it judges answers; its loop is not run.
        fallback = self._house.fallbacks.get(sink)
        nobody: Any = None
        return courier._Lane(nobody, sink, nobody, fallback, self.token, lambda: None)

    def _take(self, claim: outbox.Claim) -> None:
        for other in self._house.replicas:
            if other.holds(claim.id):
                raise BreachError(f"a row for {claim.sink} is sent by two engines, and both have the lease of it")
            for attempt in other.attempts.values():
                if attempt.claim.id == claim.id:
                    self._excuse(attempt)  # its lease has passed on
        self.attempts[next(self._numbers)] = Attempt(claim, self.now, self.now + LEASE_SECONDS)
        self.lanes[claim.sink]._pace.begin(self.now)

    def _let_go(self, number: int) -> None:
        attempt = self.attempts.pop(number)
        self.lanes[attempt.claim.sink]._pace.end()

    def _excuse(self, attempt: Attempt) -> None:
        self._house.sinks[attempt.claim.sink].excuses[attempt.claim.message.key] += 1


def sent(attempt: Attempt, sinks: Mapping[str, ModelSink], now: float, *, is_late: bool) -> Outcome:
    """What a sink answers to a delivery."""
    claim = attempt.claim
    message = replace(restored(claim.message), instead_of=claim.instead_of, remarks=courier.remarks(claim, now))
    return sinks[claim.sink].send(plain(message) if claim.form == "plain" else message, is_late=is_late)
