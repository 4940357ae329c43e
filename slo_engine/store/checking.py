"""Whether a store is whole: what its database says about itself, and whether what it holds can be read."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass

from sqlalchemy import Connection, func, select, text

from slo_engine.store import schema
from slo_engine.store.backends import StoreError
from slo_engine.store.reading import StoreReader
from slo_engine.store.tables import messages, metadata

MOST_PROBLEMS = 20

_BATCH = 500


@dataclass(frozen=True)
class Checked:
    """What was found."""

    name: str
    """Of the store, without secrets."""
    version: str
    rows: Mapping[str, int]
    """By table."""
    problems: tuple[str, ...]
    """What is damaged; none where nothing was found."""


def check(url: str, *, quick: bool = False, tell: Callable[[str], None] = lambda _: None) -> Checked:
    """Look at the store at ``url``, which is only read. ``quick``: not at each index and each message. Raises
    StoreError where there is none that can be opened."""
    reader = StoreReader(url)
    rows: dict[str, int] = {}
    problems: list[str] = []

    def look(connection: Connection) -> None:
        if connection.dialect.name == "sqlite":
            tell("the file")
            problems.extend(_damage_of_sqlite(connection, quick=quick))
        for table in metadata.sorted_tables:
            tell(table.name)
            rows[table.name] = connection.execute(select(func.count()).select_from(table)).scalar_one()
        if not quick:
            tell("messages")
            problems.extend(_unreadable(connection))

    try:
        reader.read(look)
    except StoreError as error:
        problems.append(str(error))
    return Checked(reader.name, schema.newest_version(), rows, tuple(problems[:MOST_PROBLEMS]))


def _damage_of_sqlite(connection: Connection, *, quick: bool) -> Iterator[str]:
    pragma = "quick_check" if quick else "integrity_check"
    for found in connection.execute(text(f"PRAGMA {pragma}({MOST_PROBLEMS})")).scalars():
        if found != "ok":
            yield str(found)
    for table, row, refers_to, _ in connection.execute(text("PRAGMA foreign_key_check")):
        yield f"{table}: row {row} refers to a row of {refers_to} that is not there"


def _unreadable(connection: Connection) -> Iterator[str]:
    """A database has no checksum of what it holds, but a message that is no JSON any more cannot be sent."""
    rows = connection.execute(select(messages.c.id, messages.c.content), execution_options={"yield_per": _BATCH})
    for message_id, content in rows:
        try:
            json.loads(content)
        except ValueError:
            yield f"messages: what message {message_id} says cannot be read"
