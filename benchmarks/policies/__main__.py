"""``make bench-policies``: how often alerts fire for nothing, and how soon a full outage pages; exit 1 when a limit is
not kept."""

from __future__ import annotations

import argparse
import json
import sys
from pathlib import Path

from benchmarks.policies.cells import DAYS, OBJECTIVES, PER_HOUR, SEEDS, Cell, Plan, measure
from benchmarks.policies.picture import draw
from benchmarks.policies.report import figures, tables
from benchmarks.rules.progress import Progress


def main() -> int:
    """Simulate, print, judge."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.policies", description=__doc__)
    parser.add_argument("--json", action="store_true", help="print JSON for scripts; the protocol goes to stderr")
    parser.add_argument("--svg", type=Path, help="draw the cells into this file")
    parser.add_argument("--seeds", type=int, default=SEEDS, help="histories of each cell")
    parser.add_argument("--days", type=int, default=DAYS, help="how long each history is")
    options = parser.parse_args()
    progress = Progress(to_stderr=options.json)
    plan = Plan(OBJECTIVES, PER_HOUR, options.seeds, options.days)
    cells = _measured(plan, progress)
    for line in tables(cells):
        progress.say(line)
    found = list(figures(cells))
    for figure in found:
        progress.say(str(figure))
    if options.svg is not None:
        options.svg.write_text(draw(cells), encoding="utf-8")
    if options.json:
        print(json.dumps([figure.as_json() for figure in found], indent=2))
    return 0 if all(figure.is_reached for figure in found) else 1


def _measured(plan: Plan, progress: Progress) -> list[Cell]:
    whole = len(plan.objectives) * len(plan.per_hour)
    progress.say(f"{whole} cells, each {plan.seeds} x {plan.days} days")
    cells: list[Cell] = []
    with progress.task("cells", whole) as reached:
        for cell in measure(plan):
            cells.append(cell)
            reached(len(cells))
    return sorted(cells, key=lambda cell: (cell.objective, cell.per_hour))


if __name__ == "__main__":
    sys.exit(main())
