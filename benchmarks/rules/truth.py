"""How far recorded ratios lie from the truth: at the very instant, and allowing for a lag of six minutes.

A ratio that is a minute late is far off, for that minute, whenever an outage enters or leaves its window, and yet as
good as any. So values are judged against the range of the truth over the last six minutes: the base is a minute old at
most, and a slower group reads it each five. How far they lie from the truth of the very instant
is shown beside it.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from benchmarks.rules.traffic import MINUTE_MS, SCRAPE_MS, Counts, Truth
from benchmarks.rules.wire import Times, Values

LAG_MS = 6 * MINUTE_MS

FLOOR_EVENTS, FLOOR_ERRORS = 100, 30
"""An agent has traffic while the window holds so many. Of fewer errors, a single one at the edge of the window is
already more than the few per cent that are judged."""

FLOORS = (1, 10, FLOOR_ERRORS, 100)
"""Least errors in a window, for which the distribution is shown, so that the floor hides nothing."""


@dataclass(frozen=True)
class Errors:
    """Relative errors of one ratio, while the agent has so many events; inf for NaN."""

    now: Values
    """Against the truth of the very instant."""
    lately: Values
    """Against the range of the truth in the last six minutes."""
    failed: Counts
    """Errors that each window really holds."""
    missing: int = 0
    """Times at which nothing was recorded, though the agent has traffic."""

    def of(self, floor: int) -> npt.NDArray[np.bool_]:
        """Where the window holds at least so many errors."""
        return self.failed >= floor

    @property
    def judged(self) -> Values:
        """Those that are held to a limit."""
        return self.lately[self.of(FLOOR_ERRORS)]

    @property
    def worst(self) -> float:
        """The largest one that is judged; 0 when none is."""
        return float(self.judged.max()) if len(self.judged) else 0.0


def errors_of(truth: Truth, window: int, times: Times, values: Values) -> Errors:
    """Compare recorded values with the truth."""
    total, failed = truth.counts(times, window)
    busy = (total >= FLOOR_EVENTS) & (failed >= 1)
    times, values, failed = times[busy], values[busy], failed[busy]
    now = truth.ratio(times, window)
    lately = np.array([truth.ratio(times - lag, window) for lag in range(0, LAG_MS + 1, SCRAPE_MS)])
    least, most = lately.min(axis=0, initial=np.inf), lately.max(axis=0, initial=0.0)
    beyond = np.maximum(values - most, least - values).clip(min=0.0)
    bad = np.isnan(values)
    return Errors(np.where(bad, np.inf, np.abs(values - now) / now), np.where(bad, np.inf, beyond / now), failed)


def together(parts: Sequence[Errors]) -> Errors:
    """The errors of several agents as one distribution."""
    return Errors(
        np.concatenate([part.now for part in parts]),
        np.concatenate([part.lately for part in parts]),
        np.concatenate([part.failed for part in parts]),
        sum(part.missing for part in parts),
    )


def percent(values: Values, quantile: float) -> str:
    """A quantile of relative errors, as a percentage of seven characters."""
    return f"{100 * np.quantile(values, quantile, method='lower'):7.2f}" if len(values) else f"{'-':>7}"
