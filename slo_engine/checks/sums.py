"""Have the rules counted what the raw counters have grown by?

Both are read at the time of the last record. The records of a window hold what the counters grew by up to the last
scrape that the rules could see, which is older than that by their delay and at most a scrape interval; as is the
scrape that the first of them begins with. So the records lie between the growth in a window whose end is a little
earlier and the growth in one whose beginning is. What is not known of either is left to both: ``increase`` stretches
each series by about a sample interval, and does not see what a series held when it was first scraped, which the rules
may count.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from datetime import UTC, datetime

from slo_engine.checks.counters import Counter, counters, is_native
from slo_engine.checks.finding import Finding
from slo_engine.definitions.slo import Slo
from slo_engine.recording.base import recorded
from slo_engine.recording.names import ERRORS_INCREASE, REQUESTS_INCREASE, TOTAL_INCREASE

Key = tuple[str, ...]

WINDOWS = (360, 60, 20)
"""Minutes. The longest over which there were records and raw series throughout is compared."""

_MARGIN = 90
"""Seconds by which the ends of records and raw growth may differ: the delay of the rules, and a scrape interval."""

ENOUGH = 100
"""Events; of money, times that it grew. Of fewer a difference says little."""

TOLERANCE = 0.02


def probes_of_records(slo: Slo) -> Iterator[tuple[Key, str]]:
    """Is each group recorded once?"""
    by = f"by ({', '.join(slo.by)}) " if slo.by else ""
    yield ("several",), f"count(count {by}({recorded(slo, ERRORS_INCREASE)}) > 1)"


def recorded_twice(slo: Slo, found: Mapping[Key, float]) -> Iterator[Finding]:
    """Groups that are recorded several times."""
    if groups := found.get(("several",)):
        yield Finding(
            *slo.key,
            "counted-twice",
            f"{groups:.0f} groups are recorded several times over: do two Prometheus evaluate the rules, and does a "
            "label of theirs tell the records apart? Let one evaluate them, or remove doubles before they are read",
        )


def probes_of_windows(slo: Slo) -> Iterator[tuple[Key, str]]:
    """Since when are there records, and were there raw series all the time? While there are none (the target or
    Prometheus was down) the two cannot agree."""
    watched = slo.sli.watched
    if watched is None or is_native(slo):
        return
    for minutes in WINDOWS:
        records = recorded(slo, ERRORS_INCREASE)
        yield ("last record",), f"max(timestamp({records}))"
        yield ("began", str(minutes)), f"count(sum_over_time({records}[5m] offset {minutes - 5}m))"
        yield ("steady", str(minutes)), f"count_over_time(count({watched})[{minutes}m:5m])"


def last_record(found: Mapping[Key, float]) -> datetime:
    """The time at which to compare."""
    return datetime.fromtimestamp(found[("last record",)], UTC)


def longest_window(found: Mapping[Key, float]) -> int | None:
    """In minutes; None where there is nothing to compare yet."""
    for minutes in WINDOWS:
        steady = found.get(("steady", str(minutes)), 0) * 5 >= minutes
        if steady and found.get(("began", str(minutes))):
            return minutes
    return None


def probes(slo: Slo, minutes: int) -> Iterator[tuple[Key, str]]:
    """Sums of records, and the growth of raw series: to be asked at the time of the last record."""
    shorter, longer = f"[{minutes * 60 - _MARGIN}s] offset {_MARGIN}s", f"[{minutes * 60 + _MARGIN}s]"
    for number, counter in enumerate(counters(slo)):
        records = _records(slo, counter, minutes)
        if records is None:
            continue
        raw, role, which = counter.selector, counter.role, str(number)
        yield ("recorded", role), records
        yield ("least", role, which), f"sum(increase({raw}{shorter}) >= 0)"
        yield ("most", role, which), f"sum(increase({raw}{longer}) >= 0)"
        stretched = f"sum(increase({raw}{shorter}) / count_over_time({raw}{shorter}) >= 0)"
        yield ("stretched", role, which), stretched
        earlier = f"last_over_time({raw}[{minutes}m] offset {minutes * 60 + _MARGIN}s)"
        yield ("born", role, which), f"sum((min_over_time({raw}{longer}) unless {earlier}) >= 0)"
        if role == "spend":
            yield ("changes", role, which), f"sum(changes({raw}{longer}))"


def findings(slo: Slo, minutes: int, found: Mapping[Key, float]) -> Iterator[Finding]:
    """Where the two differ by more than they may: what is lost, and what is invented."""
    differences: dict[str, list[str]] = {_TOO_FEW: [], _TOO_MANY: []}
    of_a_role: dict[str, list[str]] = {}
    for counter in counters(slo):
        of_a_role.setdefault(counter.role, []).append(str(counter.selector))
    for role, selectors in of_a_role.items():
        counted = found.get(("recorded", role))
        if counted is None:
            continue
        least, most = _sum(found, "least", role), _sum(found, "most", role)
        # Half an interval at each end is usual, 1.1 the most that `increase` adds.
        stretched = 1.5 * _sum(found, "stretched", role)
        low, high = least - stretched, most + stretched + _sum(found, "born", role)
        few = _sum(found, "changes", role) < ENOUGH if role == "spend" else max(low, counted) < ENOUGH
        if few or low * (1 - TOLERANCE) <= counted <= high * (1 + TOLERANCE):
            continue
        reasons, grown = (_TOO_FEW, least) if counted < low else (_TOO_MANY, most)
        differences[reasons].append(
            f"{_amount(counted)} {_of(role)}, and {' and '.join(selectors)} grew by {_amount(grown)}"
        )
    for reasons, what in differences.items():
        if what:
            yield Finding(
                *slo.key,
                "miscounted",
                f"within the last {_shown(minutes)} the rules counted {'; '.join(what)}: {reasons}",
            )


def _sum(found: Mapping[Key, float], what: str, role: str) -> float:
    """Over all counters of a role."""
    return sum(value for key, value in found.items() if key[:2] == (what, role))


_TOO_FEW = (
    "samples that arrive more than 10 s after their time are lost (let the rules look later: rule_query_offset in "
    "Prometheus 2.53 or later, ruler_evaluation_delay_duration in Mimir), as are missed evaluations, gaps of more than "
    "an hour"
)
_TOO_MANY = (
    "does the exporter drop idle series and show them again (`series_expire: true`), are new series not from 0 on "
    "(leave out `exporter_labels`), do two replicas write the same series, or two rulers evaluate the rules?"
)


def _records(slo: Slo, counter: Counter, minutes: int) -> str | None:
    """The sum of what was recorded of a counter, over all groups."""

    def total_of(name: str) -> str:
        return f"sum(sum_over_time({recorded(slo, name)}[{minutes * 60 - 30}s]))"

    # Half a minute less: as many records in Prometheus 2, which takes both ends of a range, as in 3. The bucket is in
    # the same scrape as the count.
    return {
        "total": total_of(TOTAL_INCREASE),
        "histogram": total_of(TOTAL_INCREASE),
        "errors": total_of(ERRORS_INCREASE),
        "good": f"{total_of(TOTAL_INCREASE)} - {total_of(ERRORS_INCREASE)}",
        "spend": total_of(ERRORS_INCREASE),
        "requests": total_of(REQUESTS_INCREASE) if slo.target.limits.request else None,
    }.get(counter.role)


def _shown(minutes: int) -> str:
    return f"{minutes // 60}h" if minutes % 60 == 0 else f"{minutes}m"


def _of(role: str) -> str:
    return {"total": "events", "histogram": "events", "good": "good events", "spend": "of money"}.get(role, role)


def _amount(value: float) -> str:
    return f"{value:,.0f}" if value >= ENOUGH else f"{value:,.2f}"
