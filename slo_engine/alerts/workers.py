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
from slo_engine.alerts.payload import MalformedError, parse
from slo_engine.definitions.slo import SloSet
from slo_engine.evidence.gathering import Gatherer
from slo_engine.alerts.subjects import subjects_of
from slo_engine.notifications.enriched import enriched, plain
from slo_engine.store import Database, StoreError, inbox, pages
from slo_engine.worker import Worker

logger = logging.getLogger(__name__)

STORE_RETRY_SECONDS = 1.0
INBOX_BATCH = 5
"""Bodies may be large: only a few are in memory at once."""

MOST_IN_HAND = 500
"""Pages that are being completed; each has left within the evidence budget, whether it got a place or not."""
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
                while posted := await asyncio.to_thread(
                    self._database.read, partial(inbox.next_pending, limit=INBOX_BATCH)
                ):
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
        # In a thread: a large body must not hold up the webhook.
        notification = await asyncio.to_thread(parse, posted.body)
        page = pages.NewPage(
            posted.id,
            posted.received_at,
            notification.group_hash,
            notification.receiver,
            notification.status,
            notification.title,
            # What the sender calls enrichment is not ours, and is not shown as ours.
            {key: value for key, value in notification.raw.items() if key != "enrichment"},
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
        self._places = asyncio.Semaphore(SIDE_BY_SIDE)
        self._in_hand: set[int] = set()

    async def run(self) -> None:
        """Work until stopped. Pages are begun in their order; the outbox keeps the order of each group."""
        async with asyncio.TaskGroup() as tasks:
            while self.begin_round():
                try:
                    for page in await self._waiting():
                        self._in_hand.add(page.id)
                        tasks.create_task(self._complete(page))
                except StoreError as error:
                    logger.error("pages wait for their evidence: %s", error)  # noqa: TRY400 - an outage, no bug
                await self.rest()

    async def _waiting(self) -> list[pages.Page]:
        room = MOST_IN_HAND - len(self._in_hand)
        read = partial(pages.gathering, besides=tuple(self._in_hand), limit=room)
        return await asyncio.to_thread(self._database.read, read) if room > 0 else []

    async def _complete(self, page: pages.Page) -> None:
        # Nothing here may end the worker, which completes the pages of everybody else.
        try:
            message, state = await self._message(page)
            await self._put_out(page, message)
            telemetry.PAGES.labels(state).inc()
        except Exception:
            # Whatever one page trips over, it is not lost, and the others are not held up.
            logger.exception("page %s could not be completed; it is tried again", page.key)
            await asyncio.sleep(STORE_RETRY_SECONDS)
        finally:
            self._in_hand.discard(page.id)
            self.tell()  # there may be more than fitted into the hand
        self._on_ready()

    async def _put_out(self, page: pages.Page, message: dict[str, Any]) -> None:
        is_out = False
        while not is_out:
            try:
                finish = partial(pages.finish, page_id=page.id, message=message, sinks=self._sinks, now=time.time())
                await _write(self._database, finish)
                is_out = True
            except StoreError as error:
                logger.error("a page waits to be put out: %s", error)  # noqa: TRY400 - an outage, no bug
                await asyncio.sleep(STORE_RETRY_SECONDS)

    async def _message(self, page: pages.Page) -> tuple[dict[str, Any], str]:
        started = time.monotonic()
        try:
            async with asyncio.timeout(self._gatherer.budget):
                await self._places.acquire()
        except TimeoutError:
            telemetry.EVIDENCE_SECONDS.observe(time.monotonic() - started)
            return plain(page.message, "too many pages at once: this one left without evidence"), "partial"
        try:
            notification = await asyncio.to_thread(parse, json.dumps(page.message).encode())
            left = max(0.1, self._gatherer.budget - (time.monotonic() - started))
            subjects = subjects_of(notification.alerts, self._slos())
            evidence = await self._gatherer.gather(subjects, within=left)
            telemetry.EVIDENCE_SECONDS.observe(time.monotonic() - started)
            state = "partial" if evidence.missing else "complete"
            return await asyncio.to_thread(enriched, notification, evidence), state
        except Exception:
            # Evidence decorates. Whatever goes wrong with it, the page itself leaves.
            logger.exception("the evidence of page %s could not be added", page.key)
            return plain(page.message, "adding evidence failed; the engine's log says why"), "failed"
        finally:
            self._places.release()


async def _write(database: Database, work: Callable[..., Any]) -> None:
    await asyncio.wrap_future(database.submit(work))
