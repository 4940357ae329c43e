"""Inbox -> pages -> outbox. One loop reads what was posted, in order; one gathers evidence, side by side.

Both find their work in the store, so a crash repeats a step and never skips one.
"""

from __future__ import annotations

import asyncio
import json
import logging
import time
from collections.abc import Callable, Sequence
from functools import partial
from typing import Any

from slo_engine import telemetry
from slo_engine.alerts.evidence import Evidence, Gatherer
from slo_engine.alerts.message import enriched, plain
from slo_engine.alerts.payload import MalformedError, Notification, parse
from slo_engine.alerts.subject import subjects_of
from slo_engine.spec.slo import SloSet
from slo_engine.store import Database, StoreError, inbox, pages
from slo_engine.worker import Worker

logger = logging.getLogger(__name__)

STORE_RETRY_SECONDS = 1.0
BATCH = 50
SIDE_BY_SIDE = 32
"""Pages whose evidence is gathered at the same time."""


class Intake(Worker):
    """Reads what was posted, in order: a page for what is understood, quarantine for what is not."""

    def __init__(self, database: Database, on_pages: Callable[[], None]) -> None:
        super().__init__()
        self._database = database
        self._on_pages = on_pages

    async def run(self) -> None:
        """Work until stopped."""
        while self.begin_round():
            try:
                while posted := await asyncio.to_thread(self._database.read, partial(inbox.next_pending, limit=BATCH)):
                    for each in posted:
                        await self._take_or_quarantine(each)
                    self._on_pages()
            except StoreError as error:
                logger.error("what was posted waits in the inbox: %s", error)  # noqa: TRY400 - an outage, no bug
                await asyncio.sleep(STORE_RETRY_SECONDS)
            await self.rest()

    async def _take_or_quarantine(self, posted: inbox.Posted) -> None:
        try:
            await self._take(posted)
        except MalformedError as error:
            reason = str(error)
        except StoreError:
            raise
        except Exception:
            # A bug in reading one body must not end the reading of all others.
            logger.exception("inbox %d could not be read", posted.id)
            reason = "reading it failed; the engine's log says why"
        else:
            return
        logger.error("a posted body is quarantined as inbox %d: %s", posted.id, reason)
        await _write(self._database, lambda connection: inbox.quarantine(connection, posted.id, reason))
        telemetry.INBOX_QUARANTINED.inc()

    async def _take(self, posted: inbox.Posted) -> None:
        notification = parse(posted.body)
        page = pages.NewPage(
            posted.id,
            posted.received_at,
            notification.group_hash,
            notification.receiver,
            notification.status,
            notification.title,
            dict(notification.raw),
        )
        await _write(self._database, lambda connection: pages.add(connection, page))


class Enrichment(Worker):
    """Gathers the evidence of pages, and puts them out for the sinks."""

    def __init__(
        self,
        database: Database,
        slos: Callable[[], SloSet],
        gatherer: Gatherer,
        sinks: Sequence[str],
        on_ready: Callable[[], None],
    ) -> None:
        super().__init__()
        self._database = database
        self._slos = slos
        self._gatherer = gatherer
        self._sinks = sinks
        self._on_ready = on_ready
        self._told = asyncio.Event()
        self._places = asyncio.Semaphore(SIDE_BY_SIDE)
        self._stopping = asyncio.Event()

    async def run(self) -> None:
        """Work until stopped. Pages are begun in their order; the outbox keeps the order of each group."""
        last = 0
        async with asyncio.TaskGroup() as tasks:
            while self.begin_round():
                try:
                    read = partial(pages.gathering, after=last, limit=BATCH)
                    for page in await asyncio.to_thread(self._database.read, read):
                        await self._places.acquire()
                        tasks.create_task(self._complete(page))
                        last = page.id
                except StoreError as error:
                    logger.error("pages wait for their evidence: %s", error)  # noqa: TRY400 - an outage, no bug
                    await asyncio.sleep(STORE_RETRY_SECONDS)
                await self.rest()

    async def _complete(self, page: pages.Page) -> None:
        try:
            message, evidence_state = await self._message(page)
            while True:
                try:
                    now = time.time()
                    finish = partial(pages.finish, page_id=page.id, message=message, sinks=self._sinks, now=now)
                    await _write(self._database, finish)
                    break
                except StoreError as error:
                    logger.error("a page waits to be put out: %s", error)  # noqa: TRY400 - an outage, no bug
                    await asyncio.sleep(STORE_RETRY_SECONDS)
            telemetry.PAGES.labels(evidence_state).inc()
            self._on_ready()
        finally:
            self._places.release()

    async def _message(self, page: pages.Page) -> tuple[dict[str, Any], str]:
        notification: Notification = parse(json.dumps(page.message).encode())
        try:
            evidence: Evidence = await self._gatherer.gather(subjects_of(notification.alerts, self._slos()))
            telemetry.EVIDENCE_SECONDS.observe(evidence.seconds)
            return enriched(notification, evidence), "partial" if evidence.missing else "complete"
        except Exception:
            # Evidence decorates. Whatever goes wrong with it, the page itself leaves.
            logger.exception("the evidence of page %s could not be added", page.key)
            return plain(notification, "adding evidence failed; the engine's log says why"), "failed"


async def _write(database: Database, work: Callable[..., Any]) -> None:
    await asyncio.wrap_future(database.submit(work))
