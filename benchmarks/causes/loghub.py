"""Messages of eight systems (loghub: Zhu et al., ISSRE 2023) into the groups that people have put them into.

Grouping accuracy, as in the papers on log parsing: the share of messages whose group has exactly the messages of their
true one. Beside it drain3 (He et al., ICWS 2017), in the same run: with its own defaults, and with the masking that the
papers give it for each system. `python -m benchmarks.causes.loghub FOLDER`; a file of the folder has the columns
`Content` and `EventId` of loghub's `*_2k.log_structured.csv`.
"""

from __future__ import annotations

import argparse
import csv
import json
import subprocess
import sys
import time
from collections import defaultdict
from collections.abc import Callable, Iterable, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path

from slo_engine.evidence.messages import clustered

DEFAULT_FOLDER = Path(__file__).resolve().parents[3] / "shared" / "data" / "loghub"
"""Beside the checkout."""

SHOWN = 3
"""Of the groups of a system that are wrong: the largest."""

_MASKS: dict[str, tuple[str, ...]] = {
    # logpai/logparser, benchmark/Drain_benchmark.py: what the papers replace by <*> before they parse.
    "HDFS": (r"blk_-?\d+", r"(\d+\.){3}\d+(:\d+)?"),
    "Hadoop": (r"(\d+\.){3}\d+",),
    "Spark": (r"(\d+\.){3}\d+", r"\b[KGTM]?B\b", r"([\w-]+\.){2,}[\w-]+"),
    "Zookeeper": (r"(/|)(\d+\.){3}\d+(:\d+)?",),
    "Linux": (r"(\d+\.){3}\d+", r"\d{2}:\d{2}:\d{2}"),
    "Apache": (r"(\d+\.){3}\d+",),
    "OpenSSH": (r"(\d+\.){3}\d+", r"([\w-]+\.){2,}[\w-]+"),
    "OpenStack": (r"((\d+\.){3}\d+,?)+", r"/.+?\s ", r"\d+"),
}


@dataclass(frozen=True)
class Missed:
    """A group that is not as people made it. ``events``: the true groups that its messages are of; more than one, and
    it holds too much; one, and messages of that are elsewhere."""

    message: str
    messages: int
    events: tuple[str, ...]

    def __str__(self) -> str:
        why = "put together" if len(self.events) > 1 else "split off"
        events = ", ".join(self.events[:4]) + (", ..." if len(self.events) > 4 else "")
        return f"{self.messages:>5} {why} ({events}): {self.message[:90]}"


@dataclass(frozen=True)
class System:
    """Grouping accuracies (0 to 1) on one system; ``seconds`` that its messages took."""

    name: str
    messages: int
    events: int
    groups: int
    accuracy: float
    drain3: float | None
    drain3_masked: float | None
    """None: there was no drain3."""
    seconds: float
    missed: tuple[Missed, ...]


@dataclass(frozen=True)
class Measured:
    """All systems, and their means."""

    systems: tuple[System, ...]

    @property
    def accuracy(self) -> float:
        """The mean, each system counting as much as any other."""
        return sum(system.accuracy for system in self.systems) / len(self.systems)

    @property
    def drain3(self) -> float | None:
        """The same for drain3, masked or not: whichever is better over all systems. None: there was no drain3."""
        if any(system.drain3 is None for system in self.systems):
            return None
        plain = sum(system.drain3 or 0.0 for system in self.systems)
        masked = sum(system.drain3_masked or 0.0 for system in self.systems)
        return max(plain, masked) / len(self.systems)

    def __str__(self) -> str:
        lines = [f"{'system':<12}{'groups':>8}{'true':>6}{'accuracy':>10}{'drain3':>8}{'masked':>8}{'ms':>6}"]
        for system in self.systems:
            lines.append(
                f"{system.name:<12}{system.groups:>8}{system.events:>6}{system.accuracy:>10.3f}"
                f"{_shown(system.drain3):>8}{_shown(system.drain3_masked):>8}{system.seconds * 1000:>6.0f}"
            )
            lines += (f"    {missed}" for missed in system.missed)
        lines.append(f"{'mean':<26}{self.accuracy:>10.3f}  (drain3 {_shown(self.drain3)})")
        return "\n".join(lines)


def _shown(accuracy: float | None) -> str:
    return "-" if accuracy is None else f"{accuracy:.3f}"


def measure(folder: Path, progress: Callable[[str], None] = lambda _: None, *, drain3: Path | None = None) -> Measured:
    """Every system of the folder. ``drain3``: a Python that has it. Raises FileNotFoundError, which says what to do, if
    there is none."""
    files = sorted(folder.glob("*.csv"))
    if not files:
        raise FileNotFoundError(
            f"no *.csv in {folder}. Put files there with the columns Content and EventId of loghub's"
            " *_2k.log_structured.csv (https://github.com/logpai/loghub, free for research), or give another folder."
        )
    systems = []
    for number, file in enumerate(files, 1):
        progress(f"{number}/{len(files)} {file.stem}")
        systems.append(_system(file, drain3))
    progress("")
    return Measured(tuple(systems))


def grouping_accuracy(groups: Iterable[Iterable[int]], truth: Sequence[str]) -> float:
    """The share of messages that are in a group equal to their true one. ``groups``: of indices into ``truth``."""
    true_groups = _true_groups(truth)
    return sum(len(group) for group in map(frozenset, groups) if group in true_groups) / len(truth)


def _accuracy_of(groups: list[list[int]] | None, truth: Sequence[str]) -> float | None:
    return None if groups is None else grouping_accuracy(groups, truth)


def _true_groups(truth: Sequence[str]) -> set[frozenset[int]]:
    members: defaultdict[str, set[int]] = defaultdict(set)
    for index, event in enumerate(truth):
        members[event].add(index)
    return set(map(frozenset, members.values()))


def _system(file: Path, drain3: Path | None) -> System:
    with file.open(encoding="utf-8", newline="") as opened:
        rows = list(csv.DictReader(opened))
    messages, truth = [row["Content"] for row in rows], [row["EventId"] for row in rows]
    begun = time.perf_counter()
    clusters = clustered(messages)
    seconds = time.perf_counter() - begun
    true_groups = _true_groups(truth)
    wrong = [cluster for cluster in clusters if frozenset(cluster.members) not in true_groups]
    return System(
        name=file.stem,
        messages=len(messages),
        events=len(true_groups),
        groups=len(clusters),
        accuracy=grouping_accuracy((cluster.members for cluster in clusters), truth),
        drain3=_accuracy_of(_drain3(messages, (), drain3), truth),
        drain3_masked=_accuracy_of(_drain3(messages, _MASKS.get(file.stem, ()), drain3), truth),
        seconds=seconds,
        missed=tuple(
            Missed(each.message, len(each.members), tuple(sorted({truth[index] for index in each.members})))
            for each in wrong[:SHOWN]
        ),
    )


def _drain3(messages: Sequence[str], masks: Sequence[str], python: Path | None) -> list[list[int]] | None:
    """Groups as drain3 makes them at depth 4 and similarity 0.4, which are also its defaults; None without a Python
    that has it: it comes as source alone, and is in no lock but its own."""
    if python is None:
        return None
    script = Path(__file__).with_name("drain.py")
    asked = json.dumps({"messages": messages, "masks": masks})
    done = subprocess.run([python, script], input=asked, capture_output=True, text=True, check=True)
    found: list[list[int]] = json.loads(done.stdout)
    return found


def main() -> int:
    """Measure and print."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.causes.loghub", description=__doc__)
    parser.add_argument("folder", nargs="?", type=Path, default=DEFAULT_FOLDER, help="of *.csv (default: %(default)s)")
    parser.add_argument("--json", action="store_true", help="print JSON for scripts")
    parser.add_argument("--drain3", type=Path, help="a Python that has drain3, to compare with")
    options = parser.parse_args()
    try:
        measured = measure(options.folder, _progress, drain3=options.drain3)
    except FileNotFoundError as error:
        print(error, file=sys.stderr)
        return 2
    if options.json:
        found = {
            "accuracy": measured.accuracy,
            "drain3": measured.drain3,
            "systems": list(map(asdict, measured.systems)),
        }
        print(json.dumps(found, indent=2))
    else:
        print(measured)
    return 0


def _progress(said: str) -> None:
    if sys.stderr.isatty():
        print(f"\r\033[K{said}", end="", file=sys.stderr, flush=True)


if __name__ == "__main__":
    sys.exit(main())
