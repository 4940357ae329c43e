"""``make bench-causes``: how often the evidence names the right cause, and what it costs; exit 1 when a limit is not
kept.

Incidents and cost need nothing. The public sets need their data: a folder that is not there is said, and fails nothing.
"""

from __future__ import annotations

import argparse
import importlib
import json
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

from benchmarks.causes import cost, incidents
from benchmarks.figure import Figure
from benchmarks.rules.progress import Progress

_DATA = Path(__file__).resolve().parents[3] / "shared" / "data"


def main() -> int:
    """Measure, print, judge."""
    parser = argparse.ArgumentParser(
        prog="python -m benchmarks.causes",
        description=__doc__,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("--json", action="store_true", help="print JSON for scripts; the protocol goes to stderr")
    parser.add_argument(
        "--seeds",
        type=incidents.seeds_of,
        default=incidents.SEEDS,
        metavar="A-B",
        help=f"incidents (default: {incidents.SEEDS})",
    )
    parser.add_argument("--loghub", type=Path, default=_DATA / "loghub", help="messages of log files (%(default)s)")
    parser.add_argument("--rs", type=Path, default=_DATA / "rs", help="incidents of a network (%(default)s)")
    parser.add_argument("--drain3", type=Path, help="a Python that has drain3, to compare with on --loghub")
    options = parser.parse_args()
    progress = Progress(to_stderr=options.json)
    more = {} if options.drain3 is None else {"drain3": options.drain3}
    found, verdicts = incidents.report(options.seeds, progress)
    figures: list[Figure] = list(found)
    progress.say("")
    for figure in cost.figures():
        figures.append(figure)
        progress.say(str(figure))
    told = {
        "loghub": _measured("loghub", options.loghub, progress, lambda _, found: str(found), **more),
        "rs": _measured("rs", options.rs, progress, lambda module, found: str(module.score(found))),
    }
    if options.json:
        print(json.dumps({**incidents.as_json(figures, verdicts), **told}, indent=2))
    return 0 if all(figure.is_reached for figure in figures) else 1


def _measured(name: str, folder: Path, progress: Progress, tell: Callable[[Any, Any], str], **more: Any) -> str | None:
    """What is found on a public set, told; None when it is not here."""
    progress.say(f"\n{name}: {folder}")
    if not folder.is_dir():
        progress.say(f"no such folder: {name} is not measured. Give the one that has its data with --{name}.")
        return None
    try:
        module = importlib.import_module(f"benchmarks.causes.{name}")
    except ModuleNotFoundError as error:
        progress.say(f"not measured: {error}")
        return None
    try:
        told = tell(module, module.measure(folder, **more))
    except OSError as error:
        progress.say(f"{name} is not measured: {error}")
        return None
    progress.say(told)
    return told


if __name__ == "__main__":
    sys.exit(main())
