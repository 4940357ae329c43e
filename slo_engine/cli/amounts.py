"""Percentages, lengths of time and times, as people type them."""

from __future__ import annotations

import math
from datetime import UTC, datetime
from typing import TYPE_CHECKING

import typer

if TYPE_CHECKING:
    from slo_engine.definitions.duration import Duration as Duration
else:
    Duration = str
    """What typer sees of an option that :func:`duration` reads: the class itself would load pydantic for ``--help``."""


def percent(text: str) -> float:
    """``15``, ``15%`` or ``15 %`` -> 0.15. Refuses what is not above 0 and at most 100."""
    try:
        value = float(text.removesuffix("%"))
    except ValueError:
        value = math.nan
    if not 0 < value <= 100:
        raise typer.BadParameter(f"{text!r} is not a percentage: write a number above 0, up to 100, such as 15 or 0.5")
    return value / 100


def objective(text: str) -> float:
    """``99.9`` or ``99.9%`` -> 99.9. Refuses what an SLO file would: 100 leaves no error budget."""
    try:
        value = float(text.removesuffix("%"))
    except ValueError:
        value = math.nan
    if not 1 < value < 100:
        raise typer.BadParameter(f"{text!r} is not an objective: write a percentage above 1, below 100, such as 99.9")
    return value


def duration(text: str) -> Duration:
    """``1h30m``."""
    from slo_engine.definitions.duration import Duration  # which loads pydantic

    try:
        return Duration.parse(text)
    except ValueError:
        raise typer.BadParameter(
            f"{text!r} is not a duration: write a number and its unit, such as 30d or 90m"
        ) from None


def time(text: str) -> datetime:
    """``2026-11-02`` or ``2026-11-02T14:05:00Z``; UTC unless it names another zone."""
    try:
        found = datetime.fromisoformat(text)
    except ValueError:
        raise typer.BadParameter(f"{text!r} is not a time: write it as 2026-11-02 or 2026-11-02T14:05:00Z") from None
    return found if found.tzinfo else found.replace(tzinfo=UTC)
