"""What the store may forget."""

from __future__ import annotations

from sqlalchemy import Connection, delete, select

from slo_engine.store.tables import inbox, outbox, pages


def forget_pages_before(connection: Connection, time: float) -> int:
    """Remove what was received before ``time`` and is done with: delivered and dead pages, quarantined bodies. A page
    on its way to any sink stays whole. Returns how many bodies went."""
    on_the_way = select(outbox.c.page_id).where(outbox.c.state == "pending")
    done = pages.c.state == "ready"
    old = select(pages.c.id).where(pages.c.received_at < time, done, pages.c.id.not_in(on_the_way))
    connection.execute(delete(outbox).where(outbox.c.page_id.in_(old)))
    connection.execute(delete(pages).where(pages.c.received_at < time, done, pages.c.id.not_in(on_the_way)))
    gone = delete(inbox).where(
        inbox.c.received_at < time, inbox.c.state != "pending", inbox.c.id.not_in(select(pages.c.inbox_id))
    )
    return connection.execute(gone).rowcount
