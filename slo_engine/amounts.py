"""Ratios, lengths of time and times as people read them, on pages, in notifications and on the command line."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

_UNITS = (("s", 1, 120), ("min", 60, 120 * 60), ("h", 3600, 48 * 3600))


def percent(ratio: float) -> str:
    """0.4149 -> ``41.5 %``; 20.3 -> ``2,030.0 %``."""
    return f"{ratio * 100:,.1f} %"


def share(ratio: float | None, otherwise: str = "-") -> str:
    """A ratio of any size by its first digits: 0.000234 -> ``0.0234 %``."""
    return otherwise if ratio is None else f"{ratio * 100:.3g} %" if ratio < 10 else f"{ratio * 100:.0f} %"


def about_percent(ratio: float) -> str:
    """A share as it is said in a sentence: 0.6209 -> ``62 %``; 0.003 -> ``0.3 %``."""
    return f"{ratio * 100:.0f} %" if ratio >= 0.01 or not ratio else f"{ratio * 100:.1g} %"


def significant(ratio: float) -> str:
    """A ratio near 1 with four digits: 0.99876 -> ``99.88 %``."""
    return f"{ratio * 100:.4g} %"


def budget_left(remaining: float) -> str:
    """0.25 -> ``25.0 % left``; -0.2 -> ``exhausted, overspent by 20.0 %``."""
    if remaining > 0:
        return f"{percent(remaining)} left"
    return f"exhausted, overspent by {percent(-remaining)}" if remaining < 0 else "exhausted"


def noun(number: float, one: str, many: str = "") -> str:
    """``one`` for exactly one, else ``many``, or ``one`` with an s."""
    return one if number == 1 else many or f"{one}s"


def count(number: int, one: str, many: str = "") -> str:
    """``1 mistake``; ``2,030 mistakes``."""
    return f"{number:,} {noun(number, one, many)}"


def length(seconds: float | None, otherwise: str = "never") -> str:
    """52 -> ``52 s``; 345.6 -> ``5.76 min``; 74052 -> ``20.6 h``; 864000 -> ``10 d``."""
    if seconds is None:
        return otherwise
    for unit, size, limit in _UNITS:
        if seconds < limit:
            return f"{seconds / size:.3g} {unit}"
    return f"{seconds / 86_400:.3g} d"


def about(span: timedelta) -> str:
    """A length of time in its two largest units: ``2d 4h``."""
    minutes = max(0, round(span.total_seconds() / 60))
    days, hours, minutes = minutes // 1440, minutes % 1440 // 60, minutes % 60
    parts = [f"{amount}{unit}" for amount, unit in ((days, "d"), (hours, "h"), (minutes, "min")) if amount]
    return " ".join(parts[:2]) or "less than a minute"


def second(time: float | datetime | str) -> str:
    """A time (a datetime, Unix seconds or RFC 3339) to the second: ``2026-11-23 17:05:07 UTC``."""
    return _utc(time).strftime("%Y-%m-%d %H:%M:%S UTC")


def minute(time: float | datetime | str) -> str:
    """The same to the minute, for what is not known more exactly: ``2026-11-23 17:05 UTC``."""
    return _utc(time).strftime("%Y-%m-%d %H:%M UTC")


def date_and_time(time: float | datetime | None, otherwise: str = "-") -> str:
    """The same for tables whose times are all UTC: ``2026-11-23 17:05``."""
    return otherwise if time is None else _utc(time).strftime("%Y-%m-%d %H:%M")


def _utc(time: float | datetime | str) -> datetime:
    if isinstance(time, str):
        time = datetime.fromisoformat(time)
    return (time if isinstance(time, datetime) else datetime.fromtimestamp(time, UTC)).astimezone(UTC)
