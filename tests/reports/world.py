"""A month of agents, as the rules have recorded it: October 2026, in whose last week clocks change in Europe."""

from __future__ import annotations

import random
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from itertools import accumulate

from slo_engine.definitions import SloSet, load

SLO_FILE = """
version: slo-engine/v1
service: agents
slos:
  - name: success
    by: [agent_type]
    objective: 98
    sli: {events: {total: agent_requests_total, errors: 'agent_requests_total{status!="success"}'}}
    overrides: [{match: {agent_type: batch}, objective: 90}]
  - name: spend
    by: [agent_type]
    sli: {cost: {spend: llm_cost_usd_total, budget: 600 USD, unpriced: llm_unpriced_calls_total}}
  - name: spend-by-model
    by: [model]
    sli: {cost: {spend: llm_cost_usd_total, budget: 500 USD, month: Europe/Berlin}}
  - name: nothing
    objective: 99
    sli: {events: {total: nothing_total, errors: nothing_errors_total}}
"""

OFFSET = 37
"""Seconds after the minute at which the rule group is evaluated."""


def at(day: int, hour: int = 0, minute: int = 0) -> int:
    """A time of October, UTC, in Unix seconds; days 0 and 32 are those beside it."""
    return int(datetime(2026, 10, 1, hour, minute, tzinfo=UTC).timestamp()) + (day - 1) * 86_400


TIMES = range(at(-1) + OFFSET, at(33) + OFFSET, 60)

DARK = range(at(20, 2), at(20, 2, 40))
"""Nothing is evaluated: no record of anything."""

Values = Mapping[int, float]


@dataclass
class Lives:
    """What is recorded of a group, minute by minute."""

    events: dict[int, float] = field(default_factory=dict)
    errors: dict[int, float] = field(default_factory=dict)


def _lives(
    seed: str, is_there: Callable[[int], bool], failing: Callable[[int], float], busy: int = 4, offset: int = OFFSET
) -> Lives:
    chance, found = random.Random(seed), Lives()
    for time in (each - OFFSET + offset for each in TIMES):
        if time in DARK or not is_there(time):
            continue
        found.events[time] = float(chance.randrange(busy + 1)) if busy else 0.0
        found.errors[time] = float(sum(chance.random() < failing(time) for _ in range(int(found.events[time]))))
    return found


def always(_: int) -> bool:
    """Recorded all the time."""
    return True


GROUPS: Mapping[str, Lives] = {
    "support": _lives("support", always, lambda time: 0.01 if at(1, 6) <= time < at(31, 17) else 0.2, offset=0),
    "billing": _lives("billing", always, lambda time: 0.7 if at(9, 8) <= time < at(9, 20) else 0.012),
    "batch": _lives("batch", lambda time: not at(14, 3) <= time < at(17, 9, 30), lambda _: 0.05),
    "young": _lives("young", lambda time: time >= at(12, 15, 20), lambda _: 0.001),
    "idle": _lives("idle", always, lambda _: 0.0, busy=0),
}

MODELS = {"sonnet": 0.011, "haiku": 0.0006}
"""Money a minute."""

SPENT: Mapping[str, Values] = {
    model: {
        time: (each * (3 if at(22) <= time < at(23) else 1)) if (time // 60) % 3 else 0.0
        for time in TIMES
        if time not in DARK
    }
    for model, each in MODELS.items()
}

OBJECTIVES: Mapping[str, Values] = {
    agent: {
        time: 0.9 if agent == "batch" else 0.95 if agent == "billing" and time < at(11, 7) else 0.98
        for time in lives.events
        if (time // 60) % 10 == 0
    }
    for agent, lives in GROUPS.items()
}

UNPRICED = dict.fromkeys(range(at(3), at(3, 1), 300), 1.0)


def series() -> Iterator[tuple[str, Values]]:
    """All that is in Prometheus."""
    for agent, lives in GROUPS.items():
        labels = f'slo_service="agents",slo="success",agent_type="{agent}"'
        yield f"slo:sli_total:increase1m{{{labels}}}", lives.events
        yield f"slo:sli_errors:increase1m{{{labels}}}", lives.errors
        yield f"slo:objective:ratio{{{labels}}}", OBJECTIVES[agent]
    yield 'slo:sli_errors:increase1m{slo_service="agents",slo="gone"}', {at(5) + OFFSET: 1.0}
    # Sloth's name for the same.
    yield 'slo:objective:ratio{sloth_service="agents",sloth_slo="success"}', {at(5) + OFFSET: 0.9}
    for model, spent in SPENT.items():
        labels = f'slo_service="agents",slo="spend-by-model",model="{model}"'
        yield f"slo:sli_errors:increase1m{{{labels}}}", spent
        # The counter goes on while no rule is evaluated, and has no sample of its own before it is first raised.
        summed = accumulate(spent.values())
        yield (
            f'llm_cost_usd_total{{agent_type="support",model="{model}",instance="a:1"}}',
            dict(zip(spent, summed, strict=True)),
        )
    together = {time: SPENT["sonnet"][time] + SPENT["haiku"][time] for time in SPENT["sonnet"]}
    yield 'slo:sli_errors:increase1m{slo_service="agents",slo="spend",agent_type="support"}', together
    # Every five minutes: the spend of the SLO window, and its share of the budget, which was 450 USD first.
    spend = 'slo_service="agents",slo="spend",agent_type="support",slo_window="30d"'
    sums = {time: 300.0 + time % 7 for time in range(at(1) + 11, at(32) + 11, 300) if time not in DARK}
    yield f"slo:sli_errors:sum{{{spend}}}", sums
    shares = {time: spent / (450 if time < at(19, 12) else 600) for time, spent in sums.items()}
    yield f"slo:sli_error:ratio{{{spend}}}", shares
    unpriced = 'slo_service="agents",slo="spend",model="new-model",severity="ticket"'
    yield f'ALERTS{{alertname="SLOSpendUnpriced",alertstate="firing",{unpriced}}}', UNPRICED


def slos() -> SloSet:
    """The SLOs of this world."""
    return load(SLO_FILE)


def within(values: Values, start: datetime, end: datetime) -> float:
    """The truth: what the records of a stretch of time add up to; each is about the minute before it."""
    return sum(value for time, value in values.items() if start.timestamp() < time <= end.timestamp())


def minutes(values: Values, start: datetime, end: datetime) -> int:
    """How many of them there are."""
    return sum(start.timestamp() < time <= end.timestamp() for time in values)
