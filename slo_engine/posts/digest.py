"""How all budgets stand, as a post: what changed first, then the budgets, the worst first. Pure."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime

from slo_engine import amounts
from slo_engine.notifications import Link, Post
from slo_engine.notifications.outline import name_of
from slo_engine.posts.crossings import IN_FORCE, LOW, Crossing, Tone
from slo_engine.status.model import SloStatus

MOVED = 0.01
"""A change of the budget of one point is told; less is noise."""

MOST_MOVES = 5
MOST_CHANGES = 20

MOST_TOLD = 50
"""Of what happened at once: when so many budgets fall together, one reason is behind them."""

BudgetKey = tuple[str, str, tuple[tuple[str, str], ...]]
"""Service, SLO, and the labels of the group, sorted."""


@dataclass(frozen=True)
class Told:
    """A crossing of the time that a digest looks back on."""

    at: datetime
    service: str
    slo: str
    group: Mapping[str, str]
    text: str


def key_of(service: str, slo: str, group: Mapping[str, str]) -> BudgetKey:
    """What identifies a budget."""
    return service, slo, tuple(sorted(group.items()))


def worst_first(statuses: Iterable[SloStatus], paging: frozenset[str]) -> list[SloStatus]:
    """What pages, then by the budget left; what has no data comes last. ``paging``: severities of pages."""

    def order(status: SloStatus) -> tuple[bool, bool, float]:
        left = status.error_budget_remaining
        return (left is None, not any(each.severity in paging for each in status.firing), 0.0 if left is None else left)

    return sorted(statuses, key=order)


def digest(
    statuses: Sequence[SloStatus],
    at: datetime,
    *,
    since: datetime,
    told: Sequence[Told],
    before: Mapping[BudgetKey, float],
    paging: frozenset[str],
    policies: Sequence[str] = (),
    links: tuple[Link, ...] = (),
    failure: str | None = None,
) -> tuple[str, Post]:
    """Title and post. ``since``: what it looks back to; ``told``: the crossings since then, newest last; ``before``:
    what was left of each budget then; ``failure``: why ``statuses`` are not those of ``at``."""
    rows = worst_first(statuses, paging)
    lines = [f"The SLOs could not be evaluated: {failure}. The figures are of the last evaluation."] if failure else []
    moves = _moves(rows, before)
    changes = [_said(each) for each in told[-MOST_CHANGES:]]
    if len(told) > MOST_CHANGES:
        changes.insert(0, f"{len(told) - MOST_CHANGES} earlier changes are not shown")
    if not changes and rows:
        changes.append(f"No level was passed since {amounts.minute(since)}.")
    lines += moves
    post = Post(
        at=at.isoformat(),
        tone="bad" if failure else _tone(rows, paging),
        changes=tuple(changes),
        lines=tuple(lines),
        policies=tuple(policies),
        statuses=tuple(each.as_json() for each in rows),
        links=links,
    )
    return _title(rows, len(told), is_known=failure is None), post


def _title(rows: Sequence[SloStatus], changes: int, *, is_known: bool) -> str:
    if not is_known:
        return "error budgets are not known: the SLOs could not be evaluated"
    firing = sum(bool(each.firing) for each in rows)
    exhausted = sum(_left(each) is not None and (_left(each) or 0.0) <= 0 for each in rows)
    unknown = sum(_left(each) is None for each in rows)
    parts = [
        f"{number} {word}"
        for number, word in ((firing, "firing"), (exhausted, "exhausted"), (unknown, "without data"))
        if number
    ]
    budgets = f"{len(rows)} error budget{'s' if len(rows) != 1 else ''}"
    passed = f"; {changes} change{'s' if changes != 1 else ''}" if changes else ""
    return f"{budgets}: {', '.join(parts) or 'none exhausted, nothing fires'}{passed}"


def _tone(rows: Sequence[SloStatus], paging: frozenset[str]) -> Tone:
    left = [value for each in rows if (value := _left(each)) is not None]
    if any(value <= 0 for value in left) or any(alert.severity in paging for each in rows for alert in each.firing):
        return "bad"
    if any(value < LOW for value in left) or any(each.firing for each in rows) or len(left) < len(rows):
        return "warn"
    return "good"


def _moves(rows: Sequence[SloStatus], before: Mapping[BudgetKey, float]) -> list[str]:
    found = []
    for each in rows:
        left, was = _left(each), before.get(key_of(each.service, each.slo, each.group))
        if left is not None and was is not None and abs(left - was) >= MOVED:
            found.append((left - was, each, was))
    used = sorted(found, key=lambda move: move[0])[:MOST_MOVES]
    return [
        f"{name_of(each.service, each.slo, each.group)}: {amounts.percent(was)} -> {amounts.percent(was + change)} left"
        for change, each, was in used
        if change < 0
    ]


def _said(told: Told) -> str:
    return f"{amounts.minute(told.at)}: {name_of(told.service, told.slo, told.group)} {told.text}"


def _left(status: SloStatus) -> float | None:
    return status.error_budget_remaining


def status_post(
    crossings: Sequence[Crossing],
    statuses: Sequence[SloStatus],
    at: datetime,
    policies: Sequence[str],
    links: tuple[Link, ...],
    paging: frozenset[str],
) -> tuple[str, Post]:
    """Title and post for what happened at once to some budgets. ``statuses``: of these; ``policies``: the steps in
    force for them."""
    names = list(dict.fromkeys(name_of(each.service, each.slo, each.group) for each in crossings))
    changes = [f"{name_of(each.service, each.slo, each.group)} {each.text}" for each in crossings]
    tones: Sequence[Tone] = ("bad", "warn", "good", "info")
    tone = min((each.tone for each in crossings), key=tones.index)
    title = changes[0] if len(names) == 1 else f"{len(names)} error budgets: {', '.join(names[:3])}"
    if len(names) > 3:
        title += f" and {len(names) - 3} more"
    told = {change.replace(f" {IN_FORCE} ", ", ") for change in changes}
    policies = [each for each in policies if each not in told]
    post = Post(
        at=at.isoformat(),
        tone=tone,
        changes=(*changes[:MOST_TOLD], *([f"and {len(changes) - MOST_TOLD} more"] if len(changes) > MOST_TOLD else ())),
        policies=tuple(policies[:MOST_TOLD]),
        statuses=tuple(each.as_json() for each in worst_first(statuses, paging)),
        links=links,
    )
    return title, post
