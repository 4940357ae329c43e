"""1,000 SLOs from files to rules on disk: time and memory of the commands, and rules that do not grow with groups."""

from __future__ import annotations

import subprocess
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path

from benchmarks.figure import Figure
from slo_engine.definitions import load
from slo_engine.rules import build

SLOS = 1000
SLOS_OF_A_SERVICE = 10
REPEATS = 3
ROOT = Path(__file__).parent.parent

# Names are of many lengths, as real ones are: lines break by them, so few expressions differ in names alone.
_SLO_NAMES = (
    *("runs", "answers", "latency", "tool-calls", "evaluation", "availability"),
    *("hand-over-to-people", "time-to-first-token", "refunds-that-are-right", "spend-on-models"),
)
_SERVICE_LENGTHS = 20

_MEASURED = """
import json, resource, subprocess, sys, time
started = time.perf_counter()
subprocess.run(sys.argv[1:], check=True, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
wall = time.perf_counter() - started
used = resource.getrusage(resource.RUSAGE_CHILDREN)
print(wall, used.ru_utime + used.ru_stime, used.ru_maxrss / 1024)
"""
"""Runs one command as its only child: RUSAGE_CHILDREN keeps the peak of the largest child that ever ran."""


def figures() -> Iterator[Figure]:
    """Wall seconds, the least of several fresh processes, with CPU seconds beside; the peak of memory."""
    with tempfile.TemporaryDirectory() as folder:
        slos, rules = Path(folder) / "slos", Path(folder) / "rules"
        _write_slos(slos)
        commands = {
            "rules generate": ("rules", "generate", slos, "--out", rules),
            "rules check": ("rules", "check", slos, "--out", rules),
            "validate": ("validate", slos),
        }
        for name, command in commands.items():
            wall, cpu, peak = _least(*command)
            beside = f"{cpu:.2f} s CPU"
            if name == "rules generate":
                written = "".join(file.read_text() for file in rules.glob("*.yaml"))
                beside += (
                    f", {written.count('- record:') + written.count('- alert:'):,} rules, {len(written) / 1e6:.1f} MB"
                )
            yield Figure(f"slo-engine {name}, {SLOS:,} SLOs, wall", wall, "s", 3.0, beside)
            yield Figure(f"slo-engine {name}, {SLOS:,} SLOs, peak memory", peak, "MB", 300.0)
        ungrouped, grouped = (_rules(Path(folder), by) for by in ("[]", "[agent_type]"))
        # Grouped values are series, not rules: no SLO file and no rule says how many of them there are.
        beside = f"{grouped} for however many values, {ungrouped} without groups"
        yield Figure("rules for 10,000 values of a group beyond one", float(grouped - ungrouped), "rules", 0.5, beside)


def _least(*command: str | Path) -> tuple[float, float, float]:
    runs = [_once(command) for _ in range(REPEATS)]
    return min(runs)[0], min(cpu for _, cpu, _ in runs), max(peak for _, _, peak in runs)


def _once(command: tuple[str | Path, ...]) -> tuple[float, float, float]:
    measured = [sys.executable, "-c", _MEASURED, sys.executable, "-m", "slo_engine", *map(str, command)]
    done = subprocess.run(measured, check=True, capture_output=True, text=True, cwd=ROOT)
    wall, cpu, peak = map(float, done.stdout.split())
    return wall, cpu, peak


def _rules(folder: Path, by: str) -> int:
    file = folder / "one.yaml"
    file.write_text(_file("one", 1).replace("[agent_type]", by))
    return sum(len(group.rules) for groups in build(load([file])).values() for group in groups)


def _write_slos(folder: Path) -> None:
    folder.mkdir()
    for number in range(SLOS // SLOS_OF_A_SERVICE):
        service = f"service-{number}{'x' * (number % _SERVICE_LENGTHS)}"
        (folder / f"{service}.yaml").write_text(_file(service, SLOS_OF_A_SERVICE))


def _file(service: str, slos: int) -> str:
    items = "".join(
        f"""
  - name: {name}
    description: Requests of kind {n} end well.
    objective: 99
    sli:
      events:
        total: agent_requests_total{{kind="{n}"}}
        errors: agent_requests_total{{kind="{n}",status!="success"}}"""
        for n, name in enumerate(_SLO_NAMES[:slos])
    )
    defaults = "{by: [agent_type], window: 30d, alerting: {min_events: 10}}"
    return f"version: slo-engine/v1\nservice: {service}\nowner: team\ndefaults: {defaults}\nslos:{items}\n"
