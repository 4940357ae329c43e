"""At which looks the tiers of a policy fire."""

from __future__ import annotations

import math
from collections.abc import Iterable

import numpy as np
import numpy.typing as npt

from benchmarks.policies.traffic import Counts, Traffic
from slo_engine.backtest.firing import Condition
from slo_engine.definitions.duration import Duration
from slo_engine.definitions.policies import Tier, improbability
from slo_engine.recording.stages import LONG_INTERVAL, SHORT_INTERVAL, SHORT_LIMIT

Looks = npt.NDArray[np.int64]
"""Minutes since the first look, ascending."""


class Seen:
    """Traffic as the tiers of several forms see it: what they ask for in the same way is looked at once."""

    def __init__(self, traffic: Traffic) -> None:
        self._traffic = traffic
        self._above: dict[tuple[Tier, float], tuple[Looks, Counts, Counts]] = {}

    def fires(self, condition: Condition) -> Looks:
        """The looks at which a tier fires: each minute or, where a window is longer than 6 h, each five."""
        looks, events, errors = self._both_above(condition)
        if condition.alpha is None:
            return looks
        return looks[_are_sure(events, errors, condition.error_budget, condition.alpha)]

    def _both_above(self, condition: Condition) -> tuple[Looks, Counts, Counts]:
        """The looks at which both windows are above the threshold, and what the long one holds then."""
        tier, key = condition.tier, (condition.tier, condition.threshold)
        if key not in self._above:
            step = every(condition)
            events, errors = self._traffic.over(_minutes(tier.long), step)
            looks = np.flatnonzero(_ratio(errors, events) > condition.threshold)
            short_events, short_errors = self._traffic.over(_minutes(tier.short), step)
            looks = looks[_ratio(short_errors[looks], short_events[looks]) > condition.threshold]
            self._above[key] = (looks * step, events[looks], errors[looks])
        return self._above[key]


def every(condition: Condition) -> int:
    """Minutes between two looks."""
    return _minutes(LONG_INTERVAL if condition.tier.long > SHORT_LIMIT else SHORT_INTERVAL)


def episodes(found: Iterable[Looks], every: int) -> int:
    """How often something begins to fire, at looks that are so many minutes apart: tiers that fire at the same time are
    one page."""
    looks = np.unique(np.concatenate(list(found)))
    return int(np.count_nonzero(np.diff(looks, prepend=-every - 1) > every))


def first(found: Iterable[Looks]) -> float:
    """Minutes until the first look at which something fires; infinite where nothing does."""
    return min((float(looks[0] + 1) for looks in found if len(looks)), default=math.inf)


def _are_sure(events: Counts, errors: Counts, error_budget: float, alpha: float) -> npt.NDArray[np.bool_]:
    # The same numbers come again and again: the product's own function is asked once for each pair of them.
    pairs, place = np.unique(events << 32 | errors, return_inverse=True)
    totals, failed = pairs >> 32, pairs & 0xFFFF_FFFF
    asked = zip(totals.tolist(), failed.tolist(), strict=True)
    sure = [improbability(total, bad / total, error_budget) > math.log(1 / alpha) for total, bad in asked]
    return np.array(sure, dtype=np.bool_)[place]


def _ratio(errors: Counts, events: Counts) -> npt.NDArray[np.float64]:
    return errors / np.maximum(events, 1)


def _minutes(window: Duration) -> int:
    return window.milliseconds // SHORT_INTERVAL.milliseconds
