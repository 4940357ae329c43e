"""A month of agents' history for trying out `slo-engine replay`: `python -m deploy.backfill FOLDER`.

Three kinds of agents with day and night, and with incidents. The same on every machine and at every time: October 2026
and the three days before. Writes blocks that Prometheus opens as its own, and the list of incidents.
"""

from __future__ import annotations

import argparse
import math
import random
import subprocess
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

from deploy.stack.processes import program

BEGIN = datetime(2026, 9, 28, tzinfo=UTC)
END = datetime(2026, 10, 31, tzinfo=UTC)


@dataclass(frozen=True)
class Agent:
    """Runs a minute at noon, and the share of them that fails on a good day."""

    runs: float
    failing: float


AGENTS: Mapping[str, Agent] = {
    "support_agent": Agent(60, 0.006),
    "research_agent": Agent(12, 0.011),
    "batch_agent": Agent(2, 0.02),
}


@dataclass(frozen=True)
class Incident:
    """What went wrong: from when, for how many minutes, for whom, and which share of runs failed."""

    name: str
    start: str
    minutes: int
    agent: str
    failing: float
    marked: bool = True
    """Somebody wrote it down; the others are blips that nobody should be woken for."""


INCIDENTS = (
    Incident("model provider down", "2026-10-03T13:20", 95, "support_agent", 0.85),
    Incident("bad prompt release", "2026-10-08T09:00", 600, "support_agent", 0.14),
    Incident("search tool times out", "2026-10-12T16:40", 240, "research_agent", 0.3),
    Incident("rate limit", "2026-10-15T11:05", 4, "support_agent", 0.6, marked=False),
    Incident("vector store slow", "2026-10-19T06:00", 2880, "research_agent", 0.055),
    Incident("nightly retry storm", "2026-10-22T02:00", 12, "batch_agent", 0.9, marked=False),
    Incident("model provider down again", "2026-10-26T18:10", 50, "support_agent", 1.0),
    Incident("model provider down again, research", "2026-10-26T18:10", 50, "research_agent", 1.0),
)


def write(folder: Path) -> None:
    """Write ``data`` (blocks), ``incidents.yaml`` and an empty ``prometheus.yml``."""
    folder.mkdir(parents=True, exist_ok=True)
    text = folder / "history.txt"
    text.write_text("\n".join(["# TYPE agent_requests counter", *samples(), "# EOF\n"]))
    # One block instead of 400 small ones: promtool reads the whole file for each.
    blocks = ["tsdb", "create-blocks-from", "--max-block-duration=744h", "openmetrics", str(text), str(folder / "data")]
    subprocess.run([program("promtool", "prometheus"), *blocks], check=True, stdout=subprocess.DEVNULL)
    text.unlink()
    (folder / "prometheus.yml").write_text("{}\n")
    (folder / "incidents.yaml").write_text("".join(_marked()))


def samples() -> Iterator[str]:
    """The lines of the OpenMetrics file."""
    chance = random.Random(7)
    begin, minutes = int(BEGIN.timestamp()), int((END - BEGIN).total_seconds()) // 60
    for name, agent in AGENTS.items():
        hit = [each for each in INCIDENTS if each.agent == name]
        counts = {"success": 0, "error": 0}
        lines: dict[str, list[str]] = {status: [] for status in counts}
        for minute in range(minutes):
            at = begin + minute * 60
            daylight = 0.08 + 0.92 * max(0.0, math.sin(math.pi * ((minute % 1440) / 1440 * 1.6 - 0.4)))
            failing = max([agent.failing, *(each.failing for each in hit if 0 <= at - _time(each) < each.minutes * 60)])
            runs = int(agent.runs * daylight * chance.uniform(0.8, 1.2) + chance.random())
            failed = sum(chance.random() < failing for _ in range(runs))
            counts["success"] += runs - failed
            counts["error"] += failed
            for status, count in counts.items():
                lines[status].append(f'agent_requests_total{{agent_type="{name}",status="{status}"}} {count} {at}')
        for status in counts:
            yield from lines[status]


def _time(incident: Incident) -> int:
    return int(datetime.fromisoformat(f"{incident.start}+00:00").timestamp())


def _marked() -> Iterator[str]:
    for each in INCIDENTS:
        if each.marked:
            end = datetime.fromtimestamp(_time(each) + each.minutes * 60, UTC)
            yield f"- name: {each.name}\n  start: {each.start}:00Z\n  end: {end:%Y-%m-%dT%H:%M:%SZ}\n"
            yield f"  group: {{agent_type: {each.agent}}}\n"


def main() -> None:
    """Write the history into a folder that holds none yet."""
    parser = argparse.ArgumentParser(prog="python -m deploy.backfill", description=__doc__)
    parser.add_argument("folder", type=Path, help="a new folder for Prometheus' configuration and data")
    folder = parser.parse_args().folder
    if (folder / "data").exists():
        parser.error(f"{folder} holds data already: name another folder")
    write(folder)
    print(f"open it with: prometheus --config.file={folder}/prometheus.yml --storage.tsdb.path={folder}/data")


if __name__ == "__main__":
    main()
