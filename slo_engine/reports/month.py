"""The calendar month of a time zone, cut into its days."""

from __future__ import annotations

import re
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta
from zoneinfo import ZoneInfo

from slo_engine.errors import SloEngineError

_WRITTEN = re.compile(r"(\d{4})-(\d{2})", re.ASCII)

_MINUTE = timedelta(minutes=1)


class ReportError(SloEngineError):
    """A report that cannot be made as asked."""


@dataclass(frozen=True)
class Day:
    """A day of the month, or what has gone by of it. Times are UTC."""

    date: date
    start: datetime
    end: datetime

    @property
    def minutes(self) -> float:
        """1440, but for days on which clocks change."""
        return (self.end - self.start) / _MINUTE


@dataclass(frozen=True)
class Month:
    """A calendar month of a time zone."""

    year: int
    number: int
    zone: ZoneInfo

    @classmethod
    def parse(cls, text: str, zone: ZoneInfo) -> Month:
        """Read ``2026-11``. Raises ReportError."""
        match = _WRITTEN.fullmatch(text)
        year, number = (int(match[1]), int(match[2])) if match else (0, 0)
        if not (1970 <= year < 9999 and 1 <= number <= 12):
            raise ReportError(f"{text!r} is not a month: write a year and a month, such as 2026-11")
        return cls(year, number, zone)

    @classmethod
    def last_whole(cls, now: datetime, zone: ZoneInfo) -> Month:
        """The one before that of ``now``."""
        last_day = now.astimezone(zone).date().replace(day=1) - timedelta(days=1)
        return cls(last_day.year, last_day.month, zone)

    @property
    def name(self) -> str:
        """``2026-11``"""
        return f"{self.year:04}-{self.number:02}"

    @property
    def title(self) -> str:
        """``November 2026``"""
        return f"{date(self.year, self.number, 1):%B %Y}"

    @property
    def start(self) -> datetime:
        """Its first moment, in UTC."""
        return self._midnight(date(self.year, self.number, 1))

    @property
    def end(self) -> datetime:
        """The first moment of the next one, in UTC."""
        return self._midnight((date(self.year, self.number, 1) + timedelta(days=32)).replace(day=1))

    def is_whole(self, now: datetime) -> bool:
        """Whether it is over."""
        return now >= self.end

    def until(self, now: datetime) -> datetime:
        """Its end or, while it runs, the last whole minute. Raises ReportError when it has not begun."""
        until = min(now.astimezone(UTC).replace(second=0, microsecond=0), self.end)
        if until <= self.start:
            raise ReportError(f"{self.name} has not begun in {self.zone.key}: there is nothing to report")
        return until

    def days(self, now: datetime) -> list[Day]:
        """What has gone by of it, day by day, without gaps. Raises ReportError when it has not begun."""
        until, found = self.until(now), []
        each = date(self.year, self.number, 1)
        while (start := self._midnight(each)) < until:
            end = min(self._midnight(each + timedelta(days=1)), until)
            if start < end:  # Samoa went without the 30th of December 2011
                found.append(Day(each, start, end))
            each += timedelta(days=1)
        return found

    def _midnight(self, day: date) -> datetime:
        # Where the clock skips midnight the day begins when it does so; where it shows midnight twice, at the first.
        return datetime(day.year, day.month, day.day, tzinfo=self.zone).astimezone(UTC)
