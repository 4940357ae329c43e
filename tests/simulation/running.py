"""Runs of the simulation that can be repeated by their seed."""

from __future__ import annotations

from hypothesis import HealthCheck, Phase, seed, settings
from hypothesis.stateful import run_state_machine_as_test

from tests.simulation.machine import Simulation
from tests.simulation.sinks import BreachError

RUNS = 40
EVENTS = 60
"""In a run, each of some steps."""


def run(number: int, runs: int = RUNS, *, shrinks: bool = True) -> str | None:
    """Some runs, all from one seed. Returns the shortest way to a violation, when there is one."""

    @seed(number)
    class Seeded(Simulation):
        pass

    Seeded.__name__ = Simulation.__name__
    phases = [Phase.generate, *([Phase.shrink] if shrinks else [])]
    how = settings(
        max_examples=runs,
        stateful_step_count=EVENTS,
        database=None,
        deadline=None,
        phases=phases,
        suppress_health_check=list(HealthCheck),
        print_blob=False,
    )
    try:
        run_state_machine_as_test(Seeded, settings=how)
    except BreachError as breach:
        return "\n".join([*getattr(breach, "__notes__", []), f"{type(breach).__name__}: {breach}"])
    return None
