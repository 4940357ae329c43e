"""What was said of budgets: their states, their crossings, and when scheduled posts were due."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

from sqlalchemy import Connection, bindparam, delete, func, insert, select

from slo_engine.store.tables import budget_states, crossings, post_runs, status_history

GroupKey = tuple[str, str, str]
"""Service, SLO, and the labels of the group as sorted JSON."""


@dataclass(frozen=True)
class KeptCrossing:
    """A crossing as it is kept. Times are Unix seconds."""

    at: float
    service: str
    slo: str
    group: Mapping[str, str]
    kind: str
    crossing: Mapping[str, Any]


def group_key(service: str, slo: str, group: Mapping[str, str]) -> GroupKey:
    """What identifies a budget in the store."""
    return service, slo, json.dumps(dict(sorted(group.items())), separators=(",", ":"))


def group_of(text: str) -> dict[str, str]:
    """The labels in a :data:`GroupKey`."""
    found: dict[str, str] = json.loads(text)
    return found


def states(connection: Connection) -> dict[GroupKey, Mapping[str, Any]]:
    """What was told of each budget."""
    rows = connection.execute(select(budget_states))
    return {(row.service, row.slo, row.group_labels): json.loads(row.state) for row in rows}


def set_states(connection: Connection, at: float, changed: Mapping[GroupKey, Mapping[str, Any] | None]) -> None:
    """What is told of budgets from now on; None: nothing is known of one any more."""
    keys = [dict(zip(("service_", "slo_", "group_"), key, strict=True)) for key in changed]
    if not keys:
        return
    is_one = (
        budget_states.c.service == bindparam("service_"),
        budget_states.c.slo == bindparam("slo_"),
        budget_states.c.group_labels == bindparam("group_"),
    )
    connection.execute(delete(budget_states).where(*is_one), keys)
    rows = [
        {"service": key[0], "slo": key[1], "group_labels": key[2], "evaluated_at": at, "state": json.dumps(state)}
        for key, state in changed.items()
        if state is not None
    ]
    if rows:
        connection.execute(insert(budget_states), rows)


def add_crossings(connection: Connection, new: Iterable[KeptCrossing]) -> None:
    """Keep what happened."""
    rows = [
        {
            "at": each.at,
            "service": each.service,
            "slo": each.slo,
            "group_labels": group_key(each.service, each.slo, each.group)[2],
            "kind": each.kind,
            "crossing": json.dumps(each.crossing),
        }
        for each in new
    ]
    if rows:
        connection.execute(insert(crossings), rows)


def crossings_between(connection: Connection, since: float, until: float) -> list[KeptCrossing]:
    """What happened after ``since`` and until ``until``, oldest first."""
    rows = connection.execute(
        select(crossings)
        .where(crossings.c.at > since, crossings.c.at <= until)
        .order_by(crossings.c.at, crossings.c.id)
    )
    return [
        KeptCrossing(row.at, row.service, row.slo, json.loads(row.group_labels), row.kind, json.loads(row.crossing))
        for row in rows
    ]


def forget_crossings_before(connection: Connection, time: float) -> int:
    """Remove what happened before ``time``. Returns how many rows went."""
    return connection.execute(delete(crossings).where(crossings.c.at < time)).rowcount


def last_run(connection: Connection, name: str) -> float | None:
    """When a post was last due and made, or what was evaluated last; None: never."""
    found: float | None = connection.execute(select(post_runs.c.due_at).where(post_runs.c.name == name)).scalar()
    return found


def note_run(connection: Connection, name: str, due_at: float) -> bool:
    """It was made. False, and nothing is noted, when that was known already: another engine was first."""
    known = last_run(connection, name)
    if known is not None and known >= due_at:
        return False
    forget_run(connection, name)
    connection.execute(insert(post_runs), [{"name": name, "due_at": due_at}])
    return True


def forget_run(connection: Connection, name: str) -> None:
    """As if it had never been made."""
    connection.execute(delete(post_runs).where(post_runs.c.name == name))


def remaining_at(connection: Connection, at: float, within: float) -> dict[GroupKey, float]:
    """What was left of each budget at a time: its newest figure of the ``within`` seconds before."""
    newest = (
        select(func.max(status_history.c.id))
        .where(status_history.c.evaluated_at <= at, status_history.c.evaluated_at > at - within)
        .group_by(status_history.c.service, status_history.c.slo, status_history.c.group_labels)
    )
    rows = connection.execute(select(status_history).where(status_history.c.id.in_(newest)))
    return {
        (row.service, row.slo, row.group_labels): row.error_budget_remaining
        for row in rows
        if row.error_budget_remaining is not None
    }
