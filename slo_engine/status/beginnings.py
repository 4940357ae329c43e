"""Since when a group is recorded: over so much of the SLO window its budget is measured.

Prometheus has no function for the oldest sample of a series. So the records are looked through in buckets of time, in
finer ones for what is younger; for the longest windows those of whole hours, of which there are few. That takes a
millisecond a group, too much for every minute; but a beginning does not change, so it is asked for once an hour.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterator, Mapping
from datetime import UTC, datetime, timedelta

from slo_engine.definitions.duration import Duration
from slo_engine.definitions.labels import HOUR, SERVICE, SLO
from slo_engine.definitions.slo import Slo, SloSet
from slo_engine.prometheus import Result, finite
from slo_engine.recording.names import ERRORS_HOURS, ERRORS_INCREASE, ERRORS_STAGE
from slo_engine.recording.stages import HOUR_LENGTH, LONG_INTERVAL, SHORT_INTERVAL, STAGE_LIMIT

GroupKey = tuple[tuple[str, str], tuple[str, ...]]
"""The key of an SLO, and the values of its ``by`` labels."""

_DAY, _WEEK = Duration.parse("1d"), Duration.parse("7d")

_COARSE = Duration.parse("6h")
"""How exactly a beginning is known that was more than a week ago."""

_ASKED_EACH = timedelta(hours=1)
"""A Prometheus can be given another past: history that is filled in, or a new database."""


Ask = Callable[[str, datetime], Result]
"""Evaluates an expression at one time."""


class Beginnings:
    """Remembers since when each group is recorded. Not thread-safe."""

    def __init__(self) -> None:
        self._known: dict[GroupKey, datetime] = {}
        self._asked_at: datetime | None = None

    def of(
        self, slos: SloSet, ask: Ask, at: datetime, newest: Mapping[GroupKey, datetime | None]
    ) -> Mapping[GroupKey, datetime]:
        """Since when each group is recorded, as far as that is known: at the earliest a day before the longest window.
        ``newest``: all groups, with the oldest of the records that are at hand anyway, those of the last minutes.
        Raises what ``ask`` raises."""
        due = self._asked_at is None or not timedelta(0) <= at - self._asked_at < _ASKED_EACH
        if due or newest.keys() - self._known.keys():
            found = _oldest(slos, ask, at, newest)
            self._known = {group: self._kept(group, since) for group, since in found.items()}
            self._asked_at = at
        else:
            # A group that is gone may come back with another past.
            self._known = {group: since for group, since in self._known.items() if group in newest}
        return self._known

    def _kept(self, group: GroupKey, found: datetime) -> datetime:
        """What was known more exactly while the group was young stays, unless it is another past."""
        known = self._known.get(group)
        exact = known is not None and timedelta(0) <= found - known <= timedelta(seconds=_COARSE.seconds)
        return known if exact and known is not None else found


def _oldest(
    slos: SloSet, ask: Ask, at: datetime, newest: Mapping[GroupKey, datetime | None]
) -> dict[GroupKey, datetime]:
    found = {group: since for group, since in newest.items() if since is not None}
    labels_of = {slo.key: slo.by for slo in slos.slos}
    for expr in _queries(slos.slos):
        for sample in finite(ask(expr, at).samples):
            key = (sample.labels.get(SERVICE, ""), sample.labels.get(SLO, ""))
            group = (key, tuple(sample.labels.get(label, "") for label in labels_of.get(key, ())))
            if group in newest:
                since = datetime.fromtimestamp(sample.value, UTC)
                found[group] = min(since, found.get(group, since))
    return found


def _queries(slos: Collection[Slo]) -> Iterator[str]:
    """Each gives the end of the oldest bucket with a record: a group began no later."""
    yield _ends(ERRORS_INCREASE, SHORT_INTERVAL, HOUR_LENGTH)
    yield _ends(ERRORS_STAGE, LONG_INTERVAL, _DAY)
    longest = max(slo.window for slo in slos)
    if longest > STAGE_LIMIT:
        closed = f'{ERRORS_HOURS}{{{HOUR}="closed"}}'
        yield _ends(closed, HOUR_LENGTH, min(_WEEK, _more_than(longest)))
        if longest > _WEEK:
            yield _ends(closed, _COARSE, _more_than(longest))
    # Hours are recorded for longer windows only.
    if short := sorted({slo.name for slo in slos if _DAY <= slo.window <= STAGE_LIMIT}):
        yield _ends(f'{ERRORS_STAGE}{{{SLO}=~"{"|".join(short)}"}}', HOUR_LENGTH, _more_than(STAGE_LIMIT))


def _ends(selector: str, bucket: Duration, span: Duration) -> str:
    # Of a selector itself, timestamp() would be that of the sample, but Prometheus takes five times as long for it.
    return f"min_over_time(timestamp(last_over_time({selector}[{bucket}]))[{span}:{bucket}])"


def _more_than(window: Duration) -> Duration:
    """So that the buckets of a window that is full begin before it."""
    return Duration(window.milliseconds + _DAY.milliseconds)
