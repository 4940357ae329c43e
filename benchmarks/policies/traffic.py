"""Events of each minute, drawn at random, and their sums over windows."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

Counts = npt.NDArray[np.int64]

MINUTES_OF_A_DAY = 1440


@dataclass(frozen=True, eq=False)
class Traffic:
    """Running sums of events and errors; what is looked at begins after ``lead`` minutes."""

    events: Counts
    errors: Counts
    lead: int

    def over(self, minutes: int, every: int) -> tuple[Counts, Counts]:
        """Events and errors of so many minutes, up to the end of each minute that is looked at: the first, and every so
        many after it."""
        ends = slice(self.lead + 1, None, every)
        begins = slice(self.lead + 1 - minutes, len(self.events) - minutes, every)
        return self.events[ends] - self.events[begins], self.errors[ends] - self.errors[begins]


def steady(seed: int, per_hour: float, error_ratio: float, days: int, lead_days: int) -> Traffic:
    """Poisson traffic, of which this share fails by chance."""
    chance = np.random.default_rng((seed, round(per_hour), round(error_ratio * 1e6)))
    minutes = (lead_days + days) * MINUTES_OF_A_DAY
    # Of a Poisson stream whose events fail by chance, those that fail and those that do not are two of their own.
    errors = chance.poisson(per_hour / 60 * error_ratio, minutes)
    return _summed(errors + chance.poisson(per_hour / 60 * (1 - error_ratio), minutes), errors, lead_days)


def full_outage(seed: int, number: int, per_hour: float, days: int, lead_days: int) -> Traffic:
    """Poisson traffic without an error, and then with nothing else."""
    chance = np.random.default_rng((seed, number, round(per_hour)))
    events = chance.poisson(per_hour / 60, (lead_days + days) * MINUTES_OF_A_DAY)
    errors = np.where(np.arange(len(events)) < lead_days * MINUTES_OF_A_DAY, 0, events)
    return _summed(events, errors, lead_days)


def _summed(events: Counts, errors: Counts, lead_days: int) -> Traffic:
    return Traffic(_running(events), _running(errors), lead_days * MINUTES_OF_A_DAY)


def _running(counts: Counts) -> Counts:
    return np.concatenate((np.zeros(1, dtype=np.int64), np.cumsum(counts)))
