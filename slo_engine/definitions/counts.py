"""What is counted of an SLI."""

from __future__ import annotations

from enum import Enum


class Count(Enum):
    """What a kind counts in each minute, summed by the group. :mod:`slo_engine.recording` gives each its record."""

    GONE = "gone"
    """No events: the last sample of each raw series that has gone, for when it comes back."""

    EVENTS = "events"
    """Total and errors in one reading, where the errors (or the good ones) are among the series of the total: by the
    group and the labels that tell the part from the rest."""

    TOTAL = "total"
    ERRORS = "errors"
    """0 where there are events and no errors. For spend: money."""

    REQUESTS = "requests"
    """For spend with a limit on what a request costs."""
