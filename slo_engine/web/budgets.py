"""The rows of the table of error budgets: what burns comes first, and a row does not contradict itself. Pure."""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from slo_engine import amounts
from slo_engine.definitions.labels import LONG_WINDOW, SERVICE, SEVERITY, SHORT_WINDOW, SLO
from slo_engine.definitions.slo import SloSet
from slo_engine.recording.names import ABSENT_ALERT
from slo_engine.status.model import Firing, SloStatus
from slo_engine.web.incidents import FiringAlert, Told

SHOWN_WINDOWS = ("5m", "1h", "6h")

BURNS = 1.0
"""The burn rate that uses up exactly the budget; less is what the budget is for."""

_RATES_NOW = ("1h", "6h", "5m")
"""The windows that say how fast it burns, the best first."""


@dataclass(frozen=True)
class Badge:
    """An alert of a group that fires."""

    text: str
    is_page: bool
    since: float | None
    """Since when it fires, Unix seconds; None: not known."""
    anchor: str | None
    """Of the card of its incident."""


@dataclass(frozen=True)
class Row:
    """One SLO group."""

    status: SloStatus
    badges: tuple[Badge, ...]
    """Pages first."""
    rates: tuple[tuple[str, float], ...]
    """Burn rates by window."""
    without_rates: str
    """Why there are none."""
    exhausts: str
    """When the budget is exhausted, or that it is not; empty: nothing can be said."""
    now: str
    """The share of good events of late, or the money spent; empty: not known."""
    now_over: str
    """The window that this is measured over."""
    spent: str
    """Events that failed, may fail and have been, over the SLO window."""


def rows(
    statuses: Iterable[SloStatus],
    slos: SloSet,
    incidents: Sequence[Told],
) -> list[Row]:
    """Rows of all statuses: those that page first, then those of which another alert fires, those that burn, and the
    rest by what is left; those without data are the last."""
    paging = slos.paging_severities
    found = [_row(status, slos, incidents, paging) for status in statuses]
    return sorted(found, key=_order)


def rate_now(status: SloStatus) -> float:
    """The burn rate that says how fast it burns; 0 where none is known."""
    return next((status.burn_rate[window] for window in _RATES_NOW if window in status.burn_rate), 0.0)


def _row(
    status: SloStatus,
    slos: SloSet,
    incidents: Sequence[Told],
    paging: frozenset[str],
) -> Row:
    badges = [_badge(status, firing, incidents, paging) for firing in status.firing]
    is_absent = any(each.alert == ABSENT_ALERT for each in status.firing) and "5m" not in status.burn_rate
    # Where data are absent, long windows are as they were last recorded, which says nothing of now.
    is_known = status.error_budget_remaining is not None and not is_absent
    rates = [(window, status.burn_rate[window]) for window in SHOWN_WINDOWS if window in status.burn_rate]
    return Row(
        status=status,
        badges=tuple(sorted(badges, key=lambda each: not each.is_page)),
        rates=tuple(rates) if is_known else (),
        without_rates=_without_rates(status, is_absent=is_absent) if not (is_known and rates) else "",
        exhausts=_exhausts(status, slos, is_known=is_known),
        now=_now(status)[0] if is_known else "",
        now_over=_now(status)[1] if is_known else "",
        spent=_spent(status),
    )


def _now(status: SloStatus) -> tuple[str, str]:
    if status.budget is not None:
        return "", ""
    window = next((each for each in _RATES_NOW if each in status.error_ratio), None)
    return ("", "") if window is None else (sli(1 - status.error_ratio[window], status.objective), window)


def sli(good: float, objective: float | None) -> str:
    """A share of good events, with as many digits as its objective needs, and never rounded up to it."""
    allowed = 1 - (objective or 99.0) / 100
    digits = max(1, min(8, 1 - math.floor(math.log10(allowed)) - 2 + 1)) if allowed > 0 else 8
    size = 10.0**digits
    return f"{math.floor(good * 100 * size + 1e-6) / size:.{digits}f}".rstrip("0").rstrip(".") + " %"


def _spent(status: SloStatus) -> str:
    if status.events is None:
        return ""
    if status.budget is not None:
        return f"{money(status.events.errors, status.budget.currency)} of {status.budget}"
    allowed = status.events.total * (1 - (status.objective or 0.0) / 100)
    return f"{number(status.events.errors)} of {number(allowed)} allowed, {number(status.events.total)} in all"


def money(amount: float, currency: str) -> str:
    """12.3 -> ``12.30 USD``; 0.0042 -> ``0.0042 USD``."""
    return f"{amount:,.2f} {currency}" if amount >= 0.1 or amount == 0 else f"{amount:.2g} {currency}"


def number(value: float) -> str:
    """Of events, which rates make no whole ones."""
    return f"{value:,.0f}" if value >= 10 or value == round(value) else f"{value:.2g}"


def _without_rates(status: SloStatus, *, is_absent: bool) -> str:
    if status.error_budget_remaining is None:
        return ""  # the budget says it already
    return "no data now" if is_absent else "no recent events"


def _exhausts(status: SloStatus, slos: SloSet, *, is_known: bool) -> str:
    left = status.error_budget_remaining
    if left is not None and left <= 0:
        return "exhausted"
    if not is_known:
        return ""
    if status.exhausted_at is not None:
        return amounts.minute(status.exhausted_at)
    slo = slos.find(status.service, status.slo)
    windows = [str(window) for window in slo.target.forecast_windows] if slo else ["1h"]
    return "not at this rate" if any(window in status.burn_rate for window in windows) else ""


def _badge(status: SloStatus, firing: Firing, incidents: Sequence[Told], paging: frozenset[str]) -> Badge:
    """Prometheus says that an alert fires, and the notifications since when."""
    found = [
        (alert.starts_at, told.anchor) for told in incidents for alert in told.firing if _is_of(alert, firing, status)
    ]
    starts = [starts_at for starts_at, _ in found if starts_at is not None]
    # Where one of several does not say when it began, nobody knows which was the first.
    since = min(starts) if starts and len(starts) == len(found) else None
    window = f"{firing.remark}/{firing.short_window}" if firing.short_window else firing.remark
    return Badge(window, firing.severity in paging, since, found[0][1] if found else None)


def _is_of(alert: FiringAlert, firing: Firing, status: SloStatus) -> bool:
    labels = alert.labels
    said = tuple(labels.get(name, "") for name in (SERVICE, SLO, "alertname", SEVERITY, LONG_WINDOW, SHORT_WINDOW))
    if said != (status.service, status.slo, firing.alert, firing.severity, firing.long_window, firing.short_window):
        return False
    # An alert that lacks a label of the group is about all its values.
    return all(labels.get(name) in (None, "", value) for name, value in status.group.items())


def _order(row: Row) -> tuple[int, float, float, str, str, tuple[str, ...]]:
    status = row.status
    left = status.error_budget_remaining
    burns = rate_now(status) if row.rates else 0.0
    if row.badges:
        rank = 0 if row.badges[0].is_page else 1
    elif burns >= BURNS:
        rank = 2
    else:
        # What is within its budget is not ordered by how far within.
        rank, burns = 3 if left is not None else 4, 0.0
    name = (status.service, status.slo, tuple(status.group.values()))
    return rank, -burns, left if left is not None else 0.0, *name
