"""Clocks that are set back while the engine runs, found by one that never goes back."""

from __future__ import annotations

TOLERATED_SECONDS = 2.0
"""A step that is smaller puts nothing off that anybody would notice, and may be a look that took long."""


class Steps:
    """The steps of one clock, between one look at it and the next."""

    def __init__(self) -> None:
        self._ahead: float | None = None

    def was_set_back(self, now: float, monotonic: float) -> bool:
        """Whether the clock was set back since the last look. ``now``, ``monotonic``: what it and a clock that does not
        go back show at this moment, in seconds."""
        ahead = now - monotonic
        was, self._ahead = self._ahead, ahead
        return was is not None and ahead < was - TOLERATED_SECONDS
