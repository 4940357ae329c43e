"""``make bench-rules``: what the rules cost, how exact they are, when they fire; exit 1 when a limit is not kept."""

from __future__ import annotations

import argparse
import json
import sys
from collections.abc import Iterator

from benchmarks.figure import Figure
from benchmarks.rules import accuracy, cost, incidents, lives
from benchmarks.rules.progress import Progress

PARTS = ("cost", "accuracy", "lives", "incidents")


def main() -> int:
    """Measure, print, judge."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.rules", description=__doc__)
    parser.add_argument("--json", action="store_true", help="print JSON for scripts; the protocol goes to stderr")
    parser.add_argument("--only", choices=PARTS, help="one part alone")
    parser.add_argument("--series", type=int, choices=cost.SERIES, help="the cost at this number of raw series alone")
    options = parser.parse_args()
    progress = Progress(to_stderr=options.json)
    found = []
    for figure in _figures(options.only, options.series, progress):
        found.append(figure)
        progress.say(str(figure))
    if options.json:
        print(json.dumps([figure.as_json() for figure in found], indent=2))
    return 0 if all(figure.is_reached for figure in found) else 1


def _figures(only: str | None, series: int | None, progress: Progress) -> Iterator[Figure]:
    if only in (None, "cost"):
        for number in (series,) if series else cost.SERIES:
            yield from cost.figures(number, progress)
    if only in (None, "accuracy"):
        yield from accuracy.figures(progress)
    if only in (None, "lives"):
        yield from lives.figures(progress)
    if only in (None, "incidents"):
        yield from incidents.figures(progress)


if __name__ == "__main__":
    sys.exit(main())
