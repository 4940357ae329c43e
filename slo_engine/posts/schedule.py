"""When a post is due: cron in a time zone. Pure: the time is passed in."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING
from zoneinfo import ZoneInfo

if TYPE_CHECKING:
    from apscheduler.triggers.cron import CronTrigger

FIELDS = ("minute", "hour", "day", "month", "day_of_week")


class CronError(ValueError):
    """An expression that cannot be used."""


@dataclass(frozen=True)
class Schedule:
    """A cron expression of five fields in a time zone."""

    cron: str
    zone: ZoneInfo

    def __post_init__(self) -> None:
        """Raises CronError."""
        self._trigger()

    def _trigger(self) -> CronTrigger:
        # Commands that only read the settings do not pay for it, unless they have schedules.
        from apscheduler.triggers.cron import CronTrigger

        parts = self.cron.split()
        if len(parts) != len(FIELDS):
            raise CronError('must have five fields, such as "0 9 * * mon-fri": minute, hour, day, month, day of week')
        # crontab counts from Sunday, APScheduler from Monday: a number would be the wrong day for one of two readers.
        if any(letter.isdigit() for letter in parts[4].partition("/")[0]):
            raise CronError("write days of the week by their names, such as mon-fri: numbers mean different days")
        try:
            return CronTrigger(**dict(zip(FIELDS, parts, strict=True)), timezone=self.zone)
        except (ValueError, TypeError) as error:
            raise CronError(f"is no cron expression: {error}") from None

    def next_after(self, last: datetime) -> datetime | None:
        """The first time after ``last`` at which it is due, in UTC; None: never. A time that a clock shows twice is
        one; a time that it leaves out is due when the clock has jumped over it."""
        trigger, at = self._trigger(), last.astimezone(UTC)
        while True:
            found: datetime | None = trigger.get_next_fire_time(None, at + timedelta(seconds=1))
            if found is None:
                return None
            at = found.astimezone(UTC)
            if not at.astimezone(self.zone).fold:  # else the clock shows it for the second time
                return at

    def due(self, last: datetime, now: datetime) -> datetime | None:
        """The latest time after ``last`` and until ``now`` at which it was due; None: it was not. Of several that were
        missed, one is made up for."""
        newest = None
        at = self.next_after(last)
        while at is not None and at <= now:
            newest = at
            at = self.next_after(at)
        return newest
