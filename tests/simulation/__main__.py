"""``make test-faults``: many runs of the simulation, each by its seed; exit code 1 on a violation."""

from __future__ import annotations

import argparse
import random
import sys
import time

from rich.console import Console

from tests.simulation.machine import TOTAL
from tests.simulation.running import run


def main() -> int:
    """The long form."""
    parser = argparse.ArgumentParser(prog="python -m tests.simulation", description=__doc__)
    parser.add_argument("--steps", type=int, default=100_000, help="how many at least (default: 100000)")
    parser.add_argument("--seed", type=int, default=random.SystemRandom().randrange(10**9), help="the first seed")
    options = parser.parse_args()
    say = Console(highlight=False, soft_wrap=True).print
    say(f"seed {options.seed}")
    seed, began, breach = options.seed, time.monotonic(), None
    while TOTAL.steps < options.steps and breach is None:
        breach = run(seed)
        seed += 1
    if breach is not None:
        say(breach, markup=False)
        say(f"again: python -m tests.simulation --steps 1 --seed {seed - 1}")
    ends = ", ".join(f"{number:,} {name}" for name, number in sorted(TOTAL.ends.items()))
    say(
        f"seeds {options.seed} to {seed - 1}: {TOTAL.runs:,} runs, {TOTAL.steps:,} steps, {TOTAL.commits:,} commits, "
        f"{TOTAL.posts:,} posts, {TOTAL.acknowledged:,} acknowledged, {TOTAL.crashes:,} crashes, {TOTAL.pauses:,} "
        f"pauses, {TOTAL.deliveries:,} deliveries, {TOTAL.copies:,} copies ({ends}) in {time.monotonic() - began:.0f} "
        f"s; {'1 violation' if breach else 'no violation'}"
    )
    return 1 if breach else 0


if __name__ == "__main__":
    sys.exit(main())
