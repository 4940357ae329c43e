"""Percentages, lengths of time and times, as people type and read them."""

from __future__ import annotations

import math
from datetime import UTC, datetime

import typer

from slo_engine.definitions.duration import Duration


def percent(text: str) -> float:
    """``15``, ``15%`` or ``15 %`` -> 0.15. Refuses what is not above 0 and at most 100."""
    try:
        value = float(text.removesuffix("%"))
    except ValueError:
        value = math.nan
    if not 0 < value <= 100:
        raise typer.BadParameter(f"{text!r} is no percentage: write a number above 0 and up to 100, such as 15 or 0.5")
    return value / 100


def objective(text: str) -> float:
    """``99.9`` or ``99.9%`` -> 99.9. Refuses what an SLO file would: 100 leaves no error budget."""
    try:
        value = float(text.removesuffix("%"))
    except ValueError:
        value = math.nan
    if not 1 < value < 100:
        raise typer.BadParameter(f"{text!r} is no objective: write a percentage above 1 and below 100, such as 99.9")
    return value


def duration(text: str) -> Duration:
    """``1h30m``."""
    try:
        return Duration.parse(text)
    except ValueError:
        raise typer.BadParameter(f"{text!r} is no duration: write a number with its unit, such as 30d or 90m") from None


def time(text: str) -> datetime:
    """``2026-11-02`` or ``2026-11-02T14:05:00Z``; UTC unless it names another zone."""
    try:
        found = datetime.fromisoformat(text)
    except ValueError:
        raise typer.BadParameter(f"{text!r} is no time: write it as 2026-11-02 or 2026-11-02T14:05:00Z") from None
    return found if found.tzinfo else found.replace(tzinfo=UTC)


def length(seconds: float | None, otherwise: str = "never") -> str:
    """52 -> ``52 s``; 345.6 -> ``5.8 min``; 74052 -> ``20.6 h``; 864000 -> ``10 d``."""
    if seconds is None:
        return otherwise
    for unit, size, limit in (("s", 1, 120), ("min", 60, 120 * 60), ("h", 3600, 48 * 3600)):
        if seconds < limit:
            return f"{seconds / size:.3g} {unit}"
    return f"{seconds / 86_400:.3g} d"


def share(value: float | None, otherwise: str = "-") -> str:
    """0.0234 -> ``2.34 %``."""
    return otherwise if value is None else f"{value * 100:.3g} %" if value < 10 else f"{value * 100:.0f} %"


def moment(seconds: int | None, otherwise: str) -> str:
    """Unix seconds -> ``2026-11-02 14:05``, UTC."""
    return otherwise if seconds is None else datetime.fromtimestamp(seconds, UTC).strftime("%Y-%m-%d %H:%M")
