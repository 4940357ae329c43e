"""``make bench-webhook``: how many notifications are taken in, and how soon they reach a sink; exit 1 when a limit is
not kept."""

from __future__ import annotations

import argparse
import json
import sys
import tempfile
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from pathlib import Path

from benchmarks.figure import Figure
from benchmarks.rules.progress import Progress
from benchmarks.webhook.parts import accepted, latency, slow_sink, storm
from tests.postgres import Postgres

Store = Callable[[], str | None]
"""The address of a database that is empty; None: a file of SQLite."""
Part = Callable[[Path, Store, Progress], Iterator[Figure]]
PARTS: dict[str, Part] = {"accepted": accepted, "latency": latency, "storm": storm, "slow-sink": slow_sink}


def main() -> int:
    """Measure, print, judge."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.webhook", description=__doc__)
    parser.add_argument("--json", action="store_true", help="print JSON for scripts; the protocol goes to stderr")
    parser.add_argument("--part", choices=list(PARTS), action="append", help="this one alone; may be given again")
    parser.add_argument("--postgresql", action="store_true", help="on a PostgreSQL of its own, instead of SQLite")
    parser.add_argument("--folder", type=Path, help="where stores and logs are kept; by default they are not")
    options = parser.parse_args()
    progress = Progress(to_stderr=options.json)
    found = []
    with tempfile.TemporaryDirectory() as temporary, ExitStack() as stack:
        folder = options.folder or Path(temporary)
        server = stack.enter_context(Postgres()) if options.postgresql else None
        store: Store = lambda: server.new_database() if server is not None else None  # noqa: E731
        for name in options.part or PARTS:
            for figure in PARTS[name](folder, store, progress):
                found.append(figure)
                progress.say(str(figure))
    if options.json:
        print(json.dumps([figure.as_json() for figure in found], indent=2))
    return 0 if all(figure.is_reached for figure in found) else 1


if __name__ == "__main__":
    sys.exit(main())
