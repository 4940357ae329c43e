"""Who does what, when several engines share a store: leases on the database's clock, each with a token.

An engine has one token for all that it claims, and renews what it has in hand while it runs. One that is paused comes
back to find another token where its own was, and changes nothing.
"""

from __future__ import annotations

from collections.abc import Iterable

from sqlalchemy import Connection, and_, delete, or_, select, update
from sqlalchemy.dialects import postgresql, sqlite

from slo_engine.store.tables import leases, messages, outbox
from slo_engine.store.types import database_now

LEASE_SECONDS = 15.0
"""After which others go on with what an engine had claimed that does not answer any more."""

RENEW_SECONDS = 4.0
"""Three attempts before a lease ends."""

CLOCK = "clock"
"""The lease of the engine that keeps the status history, and posts what the engine says by itself."""


def take(connection: Connection, name: str, holder: str, token: str, seconds: float = LEASE_SECONDS) -> bool:
    """Take or renew a lease; False: another engine has it. ``holder``: for people."""
    until = database_now() + seconds
    is_free = or_(leases.c.token == token, leases.c.lease_until <= database_now())
    taken = update(leases).where(leases.c.name == name, is_free)
    if connection.execute(taken.values(holder=holder, token=token, lease_until=until)).rowcount == 1:
        return True
    # The first time; another engine that starts at this moment may be the first.
    dialect = sqlite if connection.dialect.name == "sqlite" else postgresql
    first = dialect.insert(leases).values(name=name, holder=holder, token=token, lease_until=until)
    return connection.execute(first.on_conflict_do_nothing().returning(leases.c.name)).first() is not None


def is_held(connection: Connection, name: str, token: str) -> bool:
    """Whether a lease is still ours, and stays so until the transaction ends."""
    ours = select(leases.c.name).where(
        leases.c.name == name, leases.c.token == token, leases.c.lease_until > database_now()
    )
    return connection.execute(ours.with_for_update()).first() is not None


def holder_of(connection: Connection, name: str) -> str | None:
    """Who has a lease now, for people; None: nobody."""
    held = select(leases.c.holder).where(leases.c.name == name, leases.c.lease_until > database_now())
    found: str | None = connection.execute(held).scalar()
    return found


def renew(
    connection: Connection,
    token: str,
    *,
    gathering: Iterable[int] = (),
    sending: Iterable[int] = (),
    seconds: float = LEASE_SECONDS,
) -> None:
    """Go on with what an engine has in hand: messages that gather their evidence, rows of the outbox that are being
    sent. What it has claimed and lost sight of is free when its lease ends."""
    until = database_now() + seconds
    for table, ids in ((messages, list(gathering)), (outbox, list(sending))):
        if ids:
            ours = and_(table.c.id.in_(ids), table.c.lease_token == token)
            connection.execute(update(table).where(ours).values(lease_until=until))


def give_up(connection: Connection, token: str) -> None:
    """Others may go on with all that an engine has claimed: it stops."""
    for table in (messages, outbox):
        ours = update(table).where(table.c.lease_token == token)
        connection.execute(ours.values(lease_until=0.0, lease_token=None))
    connection.execute(delete(leases).where(leases.c.token == token))


def give_up_all(connection: Connection) -> None:
    """What a process that is gone had claimed. Only for who knows that it is alone: at the start, on SQLite."""
    for table in (messages, outbox):
        connection.execute(
            update(table).where(table.c.lease_token.is_not(None)).values(lease_until=0.0, lease_token=None)
        )
    connection.execute(delete(leases))
