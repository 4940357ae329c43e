"""``make bench``: all figures, and exit 1 when one is not reached."""

from __future__ import annotations

import argparse
import json
import sys

from benchmarks import monitoring, pages, startup, status_cycle, thousand_slos


def main() -> int:
    """Measure, print, judge."""
    parser = argparse.ArgumentParser(description="The figures that the project promises.")
    parser.add_argument("--json", action="store_true", help="print JSON for scripts")
    as_json = parser.parse_args().json
    found = []
    for part in (startup, thousand_slos, status_cycle, pages, monitoring):
        for figure in part.figures():
            found.append(figure)
            print(figure, file=sys.stderr if as_json else sys.stdout, flush=True)
    if as_json:
        print(json.dumps([figure.as_json() for figure in found], indent=2))
    return 0 if all(figure.is_reached for figure in found) else 1


if __name__ == "__main__":
    sys.exit(main())
