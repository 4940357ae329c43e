"""The RS set: 52 incidents of a content delivery network, each with the cause that its operators found.

One CSV file a case: requests a minute and combination of attributes (``cnt``), and how many of them were bad
(``value``). ``anomaly.yaml`` names the minute of each incident and its cause, one to three attribute values, in some
cases two such causes. The requests of that minute are explained, with those of the earlier minutes of the file as
what was before, by the very function that explains failing runs in a notification, with its defaults.

Scored as in the papers on this set: an answer is right when it is exactly the cause; each wrong answer counts, also
one that is given beside the right one.
"""

from __future__ import annotations

import argparse
import csv
import json
import sys
import time
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import yaml

from slo_engine.evidence.contrast import explain
from slo_engine.evidence.crosstab import Cell

DEFAULT_FOLDER = Path(__file__).resolve().parents[3] / "shared" / "data" / "rs"

Answer = frozenset[tuple[str, str]]
"""Attribute values that must hold together."""


@dataclass(frozen=True)
class Case:
    """One incident: what was found beside what is true."""

    name: str
    truth: tuple[Answer, ...]
    answers: tuple[Answer, ...]
    """The best first."""
    seconds: float

    @property
    def is_first_right(self) -> bool:
        """Whether the first answer is a true cause."""
        return bool(self.answers) and self.answers[0] in self.truth


@dataclass(frozen=True)
class Score:
    """Over some cases."""

    cases: int
    right: int
    """Causes that were named."""
    wrong: int
    """Answers that are no cause."""
    missed: int
    """Causes that were not named."""
    first_right: float
    """Share of the cases whose first answer is a cause."""

    @property
    def f1(self) -> float:
        """The harmonic mean of precision and recall."""
        return 2 * self.right / (2 * self.right + self.wrong + self.missed) if self.cases else 0.0

    def as_json(self) -> dict[str, Any]:
        """For scripts."""
        return {
            "cases": self.cases,
            "right": self.right,
            "wrong": self.wrong,
            "missed": self.missed,
            "f1": round(self.f1, 4),
            "first_right": round(self.first_right, 4),
        }

    def __str__(self) -> str:
        return (
            f"{self.cases} cases: F1 {self.f1:.2f}, first answer right in {self.first_right:.0%}"
            f" ({self.right} right, {self.wrong} wrong, {self.missed} missed)"
        )


def measure(folder: Path) -> Iterator[Case]:
    """Each case of the folder, in the order of ``anomaly.yaml``. Raises OSError when something cannot be read."""
    incidents = yaml.safe_load((folder / "anomaly.yaml").read_text(encoding="utf-8"))
    for incident in incidents:
        causes = incident["cause"] if isinstance(incident["cause"], list) else [incident["cause"]]
        minute = int(incident["timestamp"])
        with (folder / f"{incident['data']}.csv").open(encoding="utf-8", newline="") as file:
            rows = list(csv.DictReader(file))
        now = [_cell(row) for row in rows if int(row["min"]) == minute]
        before = [_cell(row) for row in rows if int(row["min"]) < minute]
        started = time.perf_counter()
        found = explain(now, before=before)
        seconds = time.perf_counter() - started
        yield Case(
            incident["data"],
            tuple(frozenset((name, str(value)) for name, value in cause.items()) for cause in causes),
            tuple(frozenset(trait.attributes.items()) for trait in found.traits),
            seconds,
        )


def score(cases: Iterable[Case]) -> Score:
    """The measures of the papers."""
    cases = list(cases)
    right = sum(len(set(case.answers) & set(case.truth)) for case in cases)
    return Score(
        cases=len(cases),
        right=right,
        wrong=sum(len(case.answers) for case in cases) - right,
        missed=sum(len(case.truth) for case in cases) - right,
        first_right=sum(case.is_first_right for case in cases) / len(cases) if cases else 0.0,
    )


def main() -> int:
    """Measure and print."""
    parser = argparse.ArgumentParser(description="How often the cause of an incident of the RS set is named.")
    parser.add_argument("folder", nargs="?", type=Path, default=DEFAULT_FOLDER, help="default: %(default)s")
    parser.add_argument("--json", action="store_true", help="print JSON for scripts")
    options = parser.parse_args()
    if not (options.folder / "anomaly.yaml").is_file():
        print(
            f"{options.folder}: no anomaly.yaml; give the folder of the RS set, which has one beside its CSV files",
            file=sys.stderr,
        )
        return 2
    cases = []
    for number, case in enumerate(measure(options.folder), start=1):
        cases.append(case)
        if sys.stderr.isatty():
            print(f"\r{number} cases", end="", file=sys.stderr, flush=True)
    if sys.stderr.isatty():
        print("\r\033[K", end="", file=sys.stderr)
    # Neighbouring cases are often of one incident series: what was tuned on one half is checked on the other.
    halves = {"all": cases, "even": cases[0::2], "odd": cases[1::2]}
    if options.json:
        scores = {name: score(half).as_json() for name, half in halves.items()}
        print(json.dumps({"scores": scores, "cases": [_as_json(case) for case in cases]}, indent=2))
        return 0
    for case in cases:
        if set(case.answers) != set(case.truth):
            print(f"{case.name}: {_text(case.answers) or 'no clear cause'}; true: {_text(case.truth)}")
    for name, half in halves.items():
        print(f"{name:<5} {score(half)}")
    print(f"slowest case: {max(case.seconds for case in cases):.2f} s")
    return 0


def _cell(row: dict[str, str]) -> Cell:
    bad, requests = int(row["value"]), int(row["cnt"])
    attributes = {name: value for name, value in row.items() if name not in {"min", "value", "cnt"}}
    return Cell(attributes, bad, requests - bad, requests - bad)


def _text(answers: Iterable[Answer]) -> str:
    return " | ".join(" and ".join(f"{name}={value}" for name, value in sorted(answer)) for answer in answers)


def _as_json(case: Case) -> dict[str, Any]:
    return {
        "name": case.name,
        "truth": [dict(sorted(answer)) for answer in case.truth],
        "answers": [dict(sorted(answer)) for answer in case.answers],
        "seconds": round(case.seconds, 4),
    }


if __name__ == "__main__":
    sys.exit(main())
