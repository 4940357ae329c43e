"""Which SLO groups somebody wants to see, and in which order: pages and the API ask in the same words."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Annotated, Final, Literal, get_args

from fastapi import Query

from slo_engine.definitions.slo import SloSet
from slo_engine.status.model import SloStatus
from slo_engine.web.budgets import BURNS, Row, rate_now

State = Literal["firing", "page", "ticket", "burning", "exhausted", "no_data", "within"]
"""``firing``: any alert; ``burning``: at a rate that uses up more than the budget; ``within``: none of the others."""

Sort = Literal["worst", "name", "budget", "burn"]

STATES: Final[tuple[State, ...]] = get_args(State)
SORTS: Final[tuple[Sort, ...]] = get_args(Sort)

LONGEST = 200
"""Characters of what is asked for."""


@dataclass(frozen=True)
class Wanted:
    """Empty: all of them."""

    search: str = ""
    """Words that all stand in the names, labels or the owner."""
    service: str = ""
    owner: str = ""
    labels: tuple[str, ...] = ()
    """``name=value``, of the group or of the SLO."""
    state: State | None = None
    sort: Sort = "worst"

    @property
    def is_narrowed(self) -> bool:
        """Whether it leaves anything out."""
        return bool(self.search or self.service or self.owner or self.labels or self.state)


def wanted(
    q: Annotated[str, Query(max_length=LONGEST, description="Words of names, labels or the owner.")] = "",
    service: Annotated[str, Query(max_length=LONGEST)] = "",
    owner: Annotated[str, Query(max_length=LONGEST)] = "",
    label: Annotated[list[str], Query(max_length=20, description="name=value, of the group or of the SLO.")] = [],  # noqa: B006 - FastAPI's way
    state: Annotated[State | Literal[""], Query()] = "",
    sort: Annotated[Sort, Query()] = "worst",
) -> Wanted:
    """From the query of a URL."""
    return Wanted(q.strip(), service, owner, tuple(each for each in label if each), state or None, sort)


def chosen(rows: Sequence[Row], slos: SloSet, want: Wanted) -> list[Row]:
    """The rows that are wanted, of those that come the worst first."""
    return sorted((row for row in rows if _fits(row, slos, want)), key=_ORDERS[want.sort])


def labels_of(status: SloStatus, slos: SloSet) -> Mapping[str, str]:
    """Of the SLO, and of the group."""
    slo = slos.find(status.service, status.slo)
    return {**(slo.labels if slo is not None else {}), **status.group}


def owner_of(status: SloStatus, slos: SloSet) -> str:
    """Empty: nobody is named."""
    slo = slos.find(status.service, status.slo)
    return (slo.owner or "") if slo is not None else ""


def _fits(row: Row, slos: SloSet, want: Wanted) -> bool:
    status = row.status
    if want.service and status.service != want.service:
        return False
    if want.state is not None and not _IS[want.state](row):
        return False
    if not (want.owner or want.labels or want.search):
        return True
    owner, labels = owner_of(status, slos), labels_of(status, slos)
    if want.owner and owner != want.owner:
        return False
    pairs = {f"{name}={value}" for name, value in labels.items()}
    if not pairs.issuperset(want.labels):
        return False
    text = " ".join((status.service, status.slo, owner, *pairs)).lower()
    return all(word in text for word in want.search.lower().split())


def _is_exhausted(row: Row) -> bool:
    left = row.status.error_budget_remaining
    return left is not None and left <= 0


def _burns(row: Row) -> bool:
    return bool(row.rates) and rate_now(row.status) >= BURNS


_IS: Final[Mapping[State, Callable[[Row], bool]]] = {
    "firing": lambda row: bool(row.badges),
    "page": lambda row: any(each.is_page for each in row.badges),
    "ticket": lambda row: any(not each.is_page for each in row.badges),
    "burning": _burns,
    "exhausted": _is_exhausted,
    "no_data": lambda row: row.status.error_budget_remaining is None,
    "within": lambda row: (
        not (row.badges or _burns(row) or _is_exhausted(row) or row.status.error_budget_remaining is None)
    ),
}


def _name(row: Row) -> tuple[str, ...]:
    return (row.status.service, row.status.slo, *row.status.group.values())


def _left(row: Row) -> tuple[bool, float]:
    left = row.status.error_budget_remaining
    return left is None, left or 0.0


# "worst": as they come.
_ORDERS: Final[Mapping[Sort, Callable[[Row], tuple[object, ...]]]] = {
    "worst": lambda _: (),
    "name": _name,
    "budget": lambda row: (*_left(row), *_name(row)),
    "burn": lambda row: (-rate_now(row.status) if row.rates else 1.0, *_name(row)),
}
