"""What the courier would send now, for tests."""

from __future__ import annotations

from functools import partial

from slo_engine.store import Database, outbox


def claim(database: Database, lease: float = 60.0, holder: str = "test") -> list[outbox.Claim]:
    """All that is due, of all sinks, in the order of messages."""
    found: list[outbox.Claim] = []
    for sink in sorted(database.read(outbox.waiting_sinks)):
        work = partial(outbox.claim, sink=sink, limit=1000, lease=lease, holder=holder)
        found += database.write(work).claims
    return sorted(found, key=lambda each: each.id)
