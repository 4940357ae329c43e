"""Where the time of a run goes: a step's own time is what it took without the steps in it. Pure."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

from slo_engine.evidence.causes import step_name
from slo_engine.traces import Observation


@dataclass(frozen=True)
class StepTime:
    """A step, and how long it takes a run on average, in seconds."""

    step: str
    slow: float
    fast: float
    share: float
    """Of the difference between slow runs and the others (without others: of the slow runs' time)."""

    def as_json(self) -> dict[str, object]:
        """Rounded to milliseconds."""
        return {
            "step": self.step,
            "own_seconds_slow": round(self.slow, 3),
            "own_seconds_others": round(self.fast, 3),
            "share": round(self.share, 4),
        }


def step_times(slow: Sequence[Sequence[Observation]], fast: Sequence[Sequence[Observation]]) -> tuple[StepTime, ...]:
    """Steps by what they contribute to slow runs being slower than fast ones, the largest first. Each run is given by
    all its observations."""
    if not slow:
        return ()
    in_slow, in_fast = _means(slow), _means(fast)
    growth = {step: seconds - in_fast.get(step, 0.0) for step, seconds in in_slow.items()}
    whole = sum(grown for grown in growth.values() if grown > 0)
    if whole <= 0:
        return ()
    found = [
        StepTime(step, in_slow[step], in_fast.get(step, 0.0), grown / whole)
        for step, grown in growth.items()
        if grown > 0
    ]
    return tuple(sorted(found, key=lambda each: (-each.share, each.step)))


def own_seconds(run: Iterable[Observation]) -> dict[str, float]:
    """Step -> seconds of its own, in one run. Steps side by side each count whole."""
    rows = list(run)
    below: defaultdict[str, list[Observation]] = defaultdict(list)
    for row in rows:
        below[row.parent_id].append(row)
    own: defaultdict[str, float] = defaultdict(float)
    for row in rows:
        begin, end = row.start_time.timestamp(), row.ended_at.timestamp()
        spans = sorted(
            (max(begin, each.start_time.timestamp()), min(end, each.ended_at.timestamp()))
            for each in below.get(row.id, ())
            if each.id != row.id
        )
        own[step_name(row)] += max(0.0, end - begin - _covered(spans))
    return dict(own)


def _covered(spans: Sequence[tuple[float, float]]) -> float:
    total, until = 0.0, float("-inf")
    for begin, end in spans:
        if end > until:
            total += end - max(begin, until)
            until = end
    return total


def _means(runs: Sequence[Sequence[Observation]]) -> Mapping[str, float]:
    sums: defaultdict[str, float] = defaultdict(float)
    for run in runs:
        for step, seconds in own_seconds(run).items():
            sums[step] += seconds
    return {step: seconds / len(runs) for step, seconds in sums.items()}
