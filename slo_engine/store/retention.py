"""What the store may forget."""

from __future__ import annotations

from sqlalchemy import Connection, delete, select

from slo_engine.store.tables import alert_states, causes, inbox, incident_notes, message_order, messages, outbox


def forget_messages_before(connection: Connection, time: float) -> int:
    """Remove what was received before ``time`` and is done with: delivered and dead messages, quarantined bodies. A
    message on its way to any sink stays whole. Returns how many bodies went."""
    on_the_way = select(outbox.c.message_id).where(outbox.c.state == "pending")
    done = messages.c.state == "ready"
    old = select(messages.c.id).where(messages.c.received_at < time, done, messages.c.id.not_in(on_the_way))
    connection.execute(delete(outbox).where(outbox.c.message_id.in_(old)))
    connection.execute(delete(messages).where(messages.c.received_at < time, done, messages.c.id.not_in(on_the_way)))
    connection.execute(delete(alert_states).where(alert_states.c.at < time))
    connection.execute(delete(message_order).where(message_order.c.message_id.not_in(select(messages.c.id))))
    # NOT IN a list with a NULL holds for nothing.
    came_from = select(messages.c.inbox_id).where(messages.c.inbox_id.is_not(None))
    gone = delete(inbox).where(inbox.c.received_at < time, inbox.c.state != "pending", inbox.c.id.not_in(came_from))
    return connection.execute(gone).rowcount


def forget_causes_before(connection: Connection, time: float) -> int:
    """Remove causes that were last seen before ``time``, and what people wrote to incidents before it. Returns how many
    rows went."""
    gone = connection.execute(delete(incident_notes).where(incident_notes.c.at < time)).rowcount
    return gone + connection.execute(delete(causes).where(causes.c.last_seen < time)).rowcount
