"""Incidents whose cause is known: is it named first, is none invented where there is none, is the attribute found that
the failing runs have in common?

Each seed is an incident on the shapes of the local stack, which the engine's own reader and sources look at through the
stand-in for LangFuse. Targets are about incidents with at least 8 failing runs of the planted cause: of fewer nothing
can be known. Those are in the table all the same, and in its total.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import os
import sys
from collections.abc import Callable, Iterable, Iterator, Sequence
from concurrent.futures import ProcessPoolExecutor
from typing import Any

from benchmarks.causes.asking import ask
from benchmarks.causes.judging import Verdict, judge
from benchmarks.causes.runs import world
from benchmarks.causes.worlds import plan
from benchmarks.figure import Figure
from benchmarks.rules.progress import Progress, Reached

SEEDS = "0-199"
KNOWABLE = 8
"""Failing runs of the planted cause, from which on something can be known."""

MISSED_AT_MOST = 10.0
INVENTED_AT_MOST = 5.0
"""Percent."""

_OR_EQUAL = 1e-6
"""A figure must be below its limit; these may be equal to theirs."""

_SIZES: tuple[tuple[str, int, float], ...] = (
    ("< 8", 0, 8),
    ("8-30", 8, 31),
    ("31-300", 31, 301),
    ("> 300", 301, float("inf")),
)

_QUESTIONS: tuple[tuple[str, Callable[[Verdict], bool | None]], ...] = (
    ("cause first", lambda each: each.is_cause_first),
    ("both named", lambda each: each.are_both_named),
    ("attribute", lambda each: each.is_attribute_named),
    ("no attribute", lambda each: each.is_no_attribute_named),
    ("invented", lambda each: each.is_invented),
)


def verdict(seed: int) -> Verdict:
    """Build an incident, ask the engine, and judge what it says."""
    found = world(plan(seed))
    return judge(found, asyncio.run(ask(found)))


def measure(seeds: Sequence[int], reached: Reached = lambda _: None) -> list[Verdict]:
    """The verdicts on some incidents, side by side on the processors that there are."""
    found = []
    with ProcessPoolExecutor(min(os.cpu_count() or 1, len(seeds))) as pool:
        for each in pool.map(verdict, seeds):
            found.append(each)
            reached(len(found))
    return found


def figures(verdicts: Sequence[Verdict]) -> list[Figure]:
    """What is held to a limit: of the incidents of which something can be known."""
    known = [each for each in verdicts if each.failing >= KNOWABLE]
    return [
        _figure("incidents without their cause first", known, verdicts, lambda each: _missed(each.is_cause_first)),
        _figure(
            "causes invented where there is none", known, verdicts, lambda each: each.is_invented, INVENTED_AT_MOST
        ),
        _figure("incidents without their attribute", known, verdicts, lambda each: _missed(each.is_attribute_named)),
    ]


def tables(verdicts: Sequence[Verdict]) -> Iterator[str]:
    """The share of right answers by the number of failing runs and by what is planted, and every miss."""
    known = [each for each in verdicts if each.failing >= KNOWABLE]
    sizes = [(name, [each for each in verdicts if least <= each.failing < below]) for name, least, below in _SIZES]
    clear = [each for each in known if each.is_told is not False]
    yield from _table(
        "failing runs", [*sizes, (f"{KNOWABLE} or more", known), ("  told by the runs", clear), ("all", verdicts)]
    )
    yield ""
    kinds = sorted({(each.kind, each.of) for each in known if each.kind != "two"})
    rows = [(f"{kind}: {of}", [each for each in known if (each.kind, each.of) == (kind, of)]) for kind, of in kinds]
    two = [each for each in known if each.kind == "two"]
    yield from _table(f"planted ({KNOWABLE} or more)", [*rows, *([("two: any", two)] if two else [])])
    missed = [each for each in verdicts if not each.is_right]
    yield ""
    yield f"{len(missed)} of {len(verdicts)} incidents with a miss:"
    for each in sorted(missed, key=lambda each: each.failing < KNOWABLE):
        few = f" ({each.failing} failing runs: nothing can be known)" if each.failing < KNOWABLE else ""
        yield f"seed {each.seed}, {each.kind}{few}"
        yield f"  planted  {each.planted}"
        yield f"  said     {each.said}"
        for reason in each.reasons:
            yield f"  missed   {reason}"


def seeds_of(text: str) -> range:
    """``A-B``, both of them included, or one seed. Raises ValueError."""
    first, _, last = text.partition("-")
    found = range(int(first), int(last or first) + 1)
    if not found:
        raise ValueError(f"no seeds from {first} to {last}")
    return found


def main() -> int:
    """Measure, print, judge."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.causes.incidents", description=__doc__)
    parser.add_argument("--json", action="store_true", help="print JSON for scripts; the protocol goes to stderr")
    parser.add_argument("--seeds", type=seeds_of, default=SEEDS, metavar="A-B", help=f"default {SEEDS}")
    options = parser.parse_args()
    found, verdicts = report(options.seeds, Progress(to_stderr=options.json))
    if options.json:
        print(json.dumps(as_json(found, verdicts), indent=2))
    return 0 if all(figure.is_reached for figure in found) else 1


def report(seeds: Sequence[int], progress: Progress) -> tuple[list[Figure], list[Verdict]]:
    """Measure, and tell people."""
    progress.say(f"{len(seeds)} incidents")
    with progress.task("incidents", len(seeds)) as reached:
        verdicts = measure(seeds, reached)
    found = figures(verdicts)
    for line in (*tables(verdicts), "", *map(str, found)):
        progress.say(line)
    return found, verdicts


def as_json(found: Iterable[Figure], verdicts: Iterable[Verdict]) -> dict[str, Any]:
    """For scripts."""
    return {
        "figures": [figure.as_json() for figure in found],
        "incidents": [each.as_json() for each in verdicts],
    }


def _missed(answer: bool | None) -> bool | None:
    return None if answer is None else not answer


def _figure(
    name: str,
    known: Sequence[Verdict],
    verdicts: Sequence[Verdict],
    is_missed: Callable[[Verdict], bool | None],
    limit: float = MISSED_AT_MOST,
) -> Figure:
    of_known, of_all = (
        [found for each in some if (found := is_missed(each)) is not None] for some in (known, verdicts)
    )
    beside = f"{sum(of_known)} of {len(of_known)}; of all sizes {sum(of_all)} of {len(of_all)}"
    return Figure(name, 100 * sum(of_known) / max(1, len(of_known)), "%", limit + _OR_EQUAL, beside)


def _table(title: str, rows: Sequence[tuple[str, Sequence[Verdict]]]) -> Iterator[str]:
    yield f"{title:<32}{'incidents':>10}" + "".join(f"{name:>16}" for name, _ in _QUESTIONS)
    for name, some in rows:
        yield f"{name:<32}{len(some):>10}" + "".join(f"{_share(ask_of, some):>16}" for _, ask_of in _QUESTIONS)


def _share(ask_of: Callable[[Verdict], bool | None], some: Iterable[Verdict]) -> str:
    answers = [found for each in some if (found := ask_of(each)) is not None]
    return f"{sum(answers)}/{len(answers)} {sum(answers) / len(answers):4.0%}" if answers else ""


if __name__ == "__main__":
    sys.exit(main())
