"""One engine among those that share a store: what it has in hand stays its own while it runs, and one of them leads."""

from __future__ import annotations

import asyncio
import logging
import os
import socket
import time
from collections.abc import Callable, Sequence
from functools import partial
from uuid import uuid4

from sqlalchemy import Connection

from slo_engine import telemetry
from slo_engine.clock_steps import Steps
from slo_engine.store import Database, StoreError, leases, set_back
from slo_engine.worker import Worker

logger = logging.getLogger(__name__)


class Replica(Worker):
    """Renews leases; an engine that is alone leads, too."""

    def __init__(self, database: Database) -> None:
        """Of an engine that starts. On a store of its own, it takes back what its predecessor had in hand."""
        super().__init__()
        self.token = uuid4().hex
        self._name = f"{socket.gethostname()}:{os.getpid()}"
        self._database = database
        self._led_at = float("-inf")
        self._gathering: Callable[[], Sequence[int]] = tuple
        self._sending: Callable[[], Sequence[int]] = tuple
        self._steps = Steps()
        if not database.can_be_shared:
            database.write(leases.give_up_all)
        if database.read(set_back.is_seen):
            self._bring_forward()
        self._renew()

    def watch(self, gathering: Callable[[], Sequence[int]], sending: Callable[[], Sequence[int]]) -> None:
        """What is in hand: messages that gather their evidence, rows of the outbox that are being sent."""
        self._gathering, self._sending = gathering, sending

    @property
    def leads(self) -> bool:
        """Whether it keeps the status history and posts what the engine says by itself: one of all does."""
        return time.monotonic() - self._led_at < leases.LEASE_SECONDS

    async def run(self) -> None:
        """Work until stopped."""
        while self.begin_round():
            try:
                await asyncio.to_thread(self._renew)
            except StoreError as error:
                logger.error("what is in hand could not be kept: %s", error)  # noqa: TRY400 - an outage, no bug
            await self.rest(leases.RENEW_SECONDS)

    def give_up(self) -> None:
        """Others may go on at once: it stops."""
        self._led_at = float("-inf")
        try:
            self._database.write(partial(leases.give_up, token=self.token))
        except StoreError as error:
            logger.warning("what was in hand is free in %g s: %s", leases.LEASE_SECONDS, error)

    def _renew(self) -> None:
        asked_at = time.monotonic()
        renew = partial(leases.renew, token=self.token, gathering=self._gathering(), sending=self._sending())

        def work(connection: Connection) -> tuple[bool, float, float]:
            renew(connection)
            leads = leases.take(connection, leases.CLOCK, self._name, self.token)
            return leads, set_back.now(connection), time.monotonic()

        led, (leads, now, at) = self.leads, self._database.write(work)
        # From when it was asked: what took long to be answered has begun to run out.
        self._led_at = asked_at if leads else float("-inf")
        telemetry.LEADS.set(leads)
        if self._steps.was_set_back(now, at):
            self._bring_forward()
        if leads and not led:
            logger.info("this engine keeps the history and posts, for all that share its store")

    def _bring_forward(self) -> None:
        logger.warning("the clock of the store was set back: what waits until a time is brought forward")
        self._database.write(set_back.bring_forward)
