"""Pages: first without their evidence, then with it and with one outbox row for each sink."""

from __future__ import annotations

import json
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any
from uuid import uuid4

from sqlalchemy import Connection, func, insert, select, update

from slo_engine.store import inbox
from slo_engine.store.tables import outbox, pages


@dataclass(frozen=True)
class NewPage:
    """A notification as it was understood."""

    posted_id: int
    received_at: float
    group_key: str
    receiver: str
    status: str
    title: str
    message: dict[str, Any]


@dataclass(frozen=True)
class Page:
    """A page in the store."""

    id: int
    key: str
    received_at: float
    status: str
    title: str
    state: str
    message: dict[str, Any]


@dataclass(frozen=True)
class DeliveryState:
    """How far a page has come on its way to one sink."""

    sink: str
    state: str
    attempts: int
    last_error: str | None


def add(connection: Connection, page: NewPage) -> int:
    """Store a page that waits for its evidence, and mark what was posted as processed. Returns the page's id."""
    row = (
        insert(pages)
        .values(
            key=f"page_{uuid4().hex}",
            inbox_id=page.posted_id,
            received_at=page.received_at,
            group_key=page.group_key,
            receiver=page.receiver,
            status=page.status,
            title=page.title,
            state="gathering",
            message=json.dumps(page.message),
        )
        .returning(pages.c.id)
    )
    inbox.mark_processed(connection, page.posted_id)
    return int(connection.execute(row).scalar_one())


def gathering(connection: Connection, *, besides: Iterable[int] = (), limit: int = 1000) -> list[Page]:
    """The pages that wait for their evidence, oldest first, ``besides`` those that are in hand."""
    unclaimed = pages.c.id.not_in(list(besides))
    waiting = _PAGE.where(pages.c.state == "gathering", unclaimed).order_by(pages.c.id).limit(limit)
    return [_page(row) for row in connection.execute(waiting)]


def finish(connection: Connection, page_id: int, message: dict[str, Any], sinks: Iterable[str], now: float) -> None:
    """The page is complete: keep the message that leaves, and put it out for each sink."""
    group_key = connection.execute(select(pages.c.group_key).where(pages.c.id == page_id)).scalar_one()
    connection.execute(
        update(pages).where(pages.c.id == page_id).values(state="ready", message=json.dumps(message), ready_at=now)
    )
    rows = [
        {
            "page_id": page_id,
            "sink": sink,
            "group_key": group_key,
            "state": "pending",
            "attempts": 0,
            "next_at": 0.0,
            "lease_until": 0.0,
        }
        for sink in sinks
    ]
    if rows:
        connection.execute(insert(outbox), rows)


def newest(connection: Connection, limit: int) -> list[Page]:
    """The newest pages, newest first."""
    return [_page(row) for row in connection.execute(_PAGE.order_by(pages.c.id.desc()).limit(limit))]


def deliveries(connection: Connection, page_ids: Iterable[int]) -> dict[int, list[DeliveryState]]:
    """For each page, how far it has come on its way to each sink."""
    found: dict[int, list[DeliveryState]] = {}
    rows = (
        select(outbox.c.page_id, outbox.c.sink, outbox.c.state, outbox.c.attempts, outbox.c.last_error)
        .where(outbox.c.page_id.in_(list(page_ids)))
        .order_by(outbox.c.id)
    )
    for page_id, *state in connection.execute(rows):
        found.setdefault(page_id, []).append(DeliveryState(*state))
    return found


def count_gathering(connection: Connection) -> int:
    """How many pages wait for their evidence."""
    return connection.execute(select(func.count()).select_from(pages).where(pages.c.state == "gathering")).scalar_one()


_PAGE = select(
    pages.c.id, pages.c.key, pages.c.received_at, pages.c.status, pages.c.title, pages.c.state, pages.c.message
)


def _page(row: Any) -> Page:
    return Page(row.id, row.key, row.received_at, row.status, row.title, row.state, json.loads(row.message))
