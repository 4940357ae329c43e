"""``python -m tests.fault --seed 1 --store postgresql --replicas 2 --notifications 10000``: one run, replayed by its
seed."""

from __future__ import annotations

import argparse
import json
import random
import sys
from pathlib import Path

from tests.fault.trial import Plan, run


def main() -> int:
    """Returns 1 where a promise was not kept."""
    parser = argparse.ArgumentParser(prog="python -m tests.fault", description=__doc__)
    parser.add_argument("--seed", type=int, default=None, help="another one each time")
    parser.add_argument("--store", choices=["sqlite", "postgresql"], default="sqlite")
    parser.add_argument("--replicas", type=int, default=1)
    parser.add_argument("--notifications", type=int, default=1000)
    parser.add_argument("--rate", type=float, default=60.0, help="notifications a second")
    parser.add_argument("--pause", type=float, default=8.0, help="the longest that an engine is paused, in seconds")
    parser.add_argument("--no-faults", action="store_true")
    parser.add_argument("--folder", type=Path, help="where logs and settings stay; must exist")
    parser.add_argument("--json", action="store_true")
    arguments = parser.parse_args()
    seed = arguments.seed if arguments.seed is not None else random.SystemRandom().randrange(1_000_000)
    plan = Plan(
        seed=seed,
        store=arguments.store,
        replicas=arguments.replicas,
        notifications=arguments.notifications,
        rate=arguments.rate,
        pause=arguments.pause,
        has_faults=not arguments.no_faults,
    )
    print(f"python -m tests.fault {plan}", file=sys.stderr, flush=True)
    report = run(plan, folder=arguments.folder, say=lambda text: print(text, file=sys.stderr, flush=True))
    if arguments.json:
        print(json.dumps(report.as_json(), indent=2))
    else:
        for name, number in (*report.verdict.counts.items(), *report.disruptions.items()):
            print(f"{number:8} {name}")
        print(f"{report.seconds:8.1f} s, the last {report.settled_after:.1f} of them after everything was mended")
        print(*report.violations[:50], sep="\n")
        print(f"{len(report.violations)} promises not kept")
    return 1 if report.violations else 0


if __name__ == "__main__":
    sys.exit(main())
