"""`slo-engine replay` on a real Prometheus, held to what the generated rules do on the same history in ``promtool``."""

from __future__ import annotations

import json
import math
import subprocess
import time
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from pathlib import Path
from typing import Any
from xml.etree import ElementTree as ET

import pytest

from deploy.stack.processes import program
from deploy.stack.servers import Prometheus
from slo_engine.definitions.kinds.counter import LAG_SECONDS
from tests.cli.test_commands import run
from tests.rules import promtool
from tests.rules.promtool import Expectation, near, nothing, slos_of
from tests.rules.shop import firing, slo_file

pytestmark = [pytest.mark.stack, pytest.mark.takes(seconds=25)]

MINUTES = 3600
SLO_FILE = slo_file(
    "overrides: [{match: {agent_type: batch}, objective: 90}]", "alerting: {policy: google, min_events: 20}"
)
Stretches = Sequence[tuple[int, float, float]]
AGENTS: Mapping[str, Stretches] = {
    # A full outage; a slow burn; a night next to nothing; a gap in the scrapes; flapping; an outage that goes on.
    "chat": [
        (700, 100, 0.001),
        (45, 100, 1),
        (500, 100, 0),
        (300, 100, 0.08),
        (300, 0.1, 0.5),
        (400, 100, 0),
        (120, math.nan, 0),
        (400, 100, 0),
        *[(6, 100, 1), (9, 100, 0)] * 8,
        (660, 100, 0.002),
        (55, 100, 0.6),
    ],
    "batch": [(1500, 10, 0.02), (300, 10, 0.91), (1800, 10, 0.01)],
    "idle": [(3600, 0, 0)],
}


@dataclass(frozen=True)
class Backfilled:
    """A Prometheus that holds the history of the agents, which begins at ``start``. Each scrape is as much earlier than
    its minute as the rules look back, so at every minute they see what ``promtool`` sees, whose copy looks at once."""

    url: str
    start: int
    slos: Path

    def replay(self, *arguments: str) -> Any:
        """What `replay --json` prints for all of the history."""
        span = ("--from", _rfc(self.start), "--to", _rfc(self.start + (MINUTES - 1) * 60))
        done = run("replay", str(self.slos), *span, "--json", *arguments, SLO_ENGINE_PROMETHEUS__URL=self.url)
        assert done.returncode == 0, done.stderr
        (found,) = json.loads(done.stdout)
        return found


def _rfc(seconds: float) -> str:
    return time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime(seconds))


def _counters(stretches: Stretches) -> dict[str, list[float]]:
    """The counters of one agent, each minute; NaN: no scrape."""
    found: dict[str, list[float]] = {"ok": [0.0], "error": [0.0]}
    known = {"ok": 0.0, "error": 0.0}
    for minutes, runs, failing in stretches:
        for _ in range(minutes):
            if runs == runs:
                known["ok"] += runs * (1 - failing)
                known["error"] += runs * failing
            for status, value in known.items():
                found[status].append(value if runs == runs else math.nan)
    return {status: values[:MINUTES] for status, values in found.items()}


COUNTERS = {agent: _counters(stretches) for agent, stretches in AGENTS.items()}


@pytest.fixture(scope="module")
def backfilled(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Backfilled]:
    folder = tmp_path_factory.mktemp("backfilled")
    start = int(time.time()) // 3600 * 3600 - 5 * 86_400
    late = LAG_SECONDS
    lines = ["# TYPE runs counter"]
    for agent, counters in COUNTERS.items():
        for status, values in counters.items():
            name = f'runs_total{{agent_type="{agent}",status="{status}"}}'
            lines += [f"{name} {value!r} {start + at * 60 - late}" for at, value in enumerate(values) if value == value]
    (folder / "history.txt").write_text("\n".join([*lines, "# EOF\n"]))
    subprocess.run(
        [
            *(program("promtool", "prometheus"), "tsdb", "create-blocks-from", "--max-block-duration=744h"),
            *("openmetrics", str(folder / "history.txt"), str(folder / "data")),
        ],
        check=True,
        capture_output=True,
        timeout=120,
    )
    slos = folder / "slos.yaml"
    slos.write_text(SLO_FILE)
    with Prometheus(folder) as server:
        yield Backfilled(server.url, start, slos)


def test_alerts_fire_and_are_over_when_those_of_the_real_rules_are(tmp_path: Path, backfilled: Backfilled) -> None:
    found = backfilled.replay()
    (replayed,) = found["replays"]
    alerts = replayed["alerts"]
    assert {(alert["severity"], alert["long_window"]) for alert in alerts} == {
        ("page", "1h"),
        ("page", "6h"),
        ("ticket", "1d"),
        ("ticket", "3d"),
    }
    assert {alert["group"]["agent_type"] for alert in alerts} == {"chat", "batch"}
    series = {
        f'runs_total{{agent_type="{agent}",status="{status}"}}': " ".join(
            "_" if value != value else f"{value!r}" for value in values
        )
        for agent, counters in COUNTERS.items()
        for status, values in counters.items()
    }
    expected: list[Expectation] = []
    for alert in alerts:
        expected += _stands_in_the_rules(alert, backfilled.start)
    for window, minutes in {"1h": 1, "6h": 1, "1d": 5, "3d": 5}.items():
        # And at no other time: as many evaluations fire as the replay says.
        stood = sum(
            (_minute(alert["reset_at"], backfilled.start) - _minute(alert["fired_at"], backfilled.start)) / minutes
            for alert in alerts
            if alert["long_window"] == window
        )
        count = f"sum(count_over_time({firing(long_window=window)}[{MINUTES}m:{minutes}m]))"
        expected.append(near(f"{MINUTES - 1}m", count, stood))
    promtool.replay(tmp_path, slos_of(tmp_path, SLO_FILE), series, *expected)


def _minute(moment: str | None, start: int) -> int:
    if moment is None:
        return MINUTES
    return (int(datetime.fromisoformat(moment).timestamp()) - start) // 60


def _stands_in_the_rules(alert: Mapping[str, Any], start: int) -> Iterator[Expectation]:
    # promtool looks at alerts of long windows each minute, Prometheus each five: at those it is compared.
    step = 1 if alert["long_window"] in ("1h", "6h") else 5
    alerts = firing(long_window=alert["long_window"], **alert["group"])
    fired, over = _minute(alert["fired_at"], start), _minute(alert["reset_at"], start)
    yield near(f"{fired}m", f"count({alerts})", 1)
    yield nothing(f"{fired - step}m", alerts)
    if alert["reset_at"] is not None:
        yield near(f"{over - step}m", f"count({alerts})", 1)
        yield nothing(f"{over}m", alerts)


def test_coverage_says_how_much_of_the_history_was_there(backfilled: Backfilled) -> None:
    groups = {group["group"]["agent_type"]: group for group in backfilled.replay()["groups"]}
    # The first scrape of all, and the first after 120 minutes without any, have nothing to be compared with; and for
    # five minutes after the last one before them what it has counted is at hand: no more.
    assert groups["chat"]["coverage"] == pytest.approx(1 - 116 / MINUTES, abs=1 / MINUTES)
    assert groups["batch"]["coverage"] == pytest.approx(1 - 1 / MINUTES)
    assert groups["idle"]["events"] is None
    assert {group["coverage_before"] for group in groups.values()} == {0}


def test_several_policies_and_objectives_stand_side_by_side(backfilled: Backfilled, tmp_path: Path) -> None:
    incidents = tmp_path / "incidents.yaml"
    down, up = _rfc(backfilled.start + 700 * 60), _rfc(backfilled.start + 745 * 60)
    incidents.write_text(f"- {{start: {down}, end: {up}, name: provider down, group: {{agent_type: chat}}}}\n")
    svg = tmp_path / "replay.svg"
    found = backfilled.replay(
        *("--policy", "google", "--objective", "99", "--objective", "97"),
        *("--incidents", str(incidents), "--svg", str(svg), "--group", "agent_type=chat"),
    )
    strict, loose = found["replays"]
    assert (strict["objective"], loose["objective"]) == (99, 97)
    assert len(strict["alerts"]) > len(loose["alerts"]) > 0
    (event,) = strict["events"]
    assert event["name"] == "provider down"
    assert event["detected_by"] == "page 1h/5m"
    page = next(alert for alert in strict["alerts"] if alert["long_window"] == "1h")
    assert page["events"] == [0]
    assert _minute(page["fired_at"], backfilled.start) == 700 + 9
    assert strict["scores"]["page"]["recall"] == 1
    assert 0 < strict["scores"]["page"]["precision"] < 1
    assert [group["group"] for group in found["groups"]] == [{"agent_type": "chat"}]
    root = ET.parse(svg).getroot()
    assert root.get("role") == "img"


def test_alerts_are_kept_firing_as_the_slo_says(backfilled: Backfilled, tmp_path: Path) -> None:
    kept = tmp_path / "slos.yaml"
    kept.write_text(SLO_FILE.replace("min_events: 20", "min_events: 20, keep_firing_for: 30m"))
    by_file = replace(backfilled, slos=kept).replay()["replays"][0]["alerts"]
    assert by_file == backfilled.replay("--keep-firing-for", "30m")["replays"][0]["alerts"]
    assert len(by_file) < len(backfilled.replay()["replays"][0]["alerts"])


@pytest.mark.parametrize(
    ("sli", "events"),
    [
        ("slices: {good: 'sum by (agent_type) (rate(runs_total{status=\"error\"}[5m])) < bool 0.1'}", 3480),
        ("cost: {spend: runs_total, budget: 1000000 USD}", None),
    ],
)
def test_other_kinds_of_sli_are_replayed_too(
    backfilled: Backfilled, tmp_path: Path, sli: str, events: int | None
) -> None:
    other = tmp_path / "slos.yaml"
    objective = "" if events is None else ", objective: 99"
    other.write_text(
        f"version: slo-engine/v1\nservice: shop\nslos: [{{name: runs, by: [agent_type]{objective}, sli: {{{sli}}}}}]\n"
    )
    found = replace(backfilled, slos=other).replay("--group", "agent_type=chat")
    ((group,),) = (found["groups"],)
    assert group["group"] == {"agent_type": "chat"}
    assert group["events"] == (None if events is None else pytest.approx(events, abs=10))
    assert found["replays"][0]["alerts"]


def test_a_person_gets_tables(backfilled: Backfilled) -> None:
    done = run("replay", str(backfilled.slos), "--last", "6d", SLO_ENGINE_PROMETHEUS__URL=backfilled.url)
    assert done.returncode == 0
    assert "All groups have met 90 % over all of the history" in done.stdout
    for said in ("shop runs", "page 1h/5m x14.4", "precision", "recall", "worst window", "chat", "batch"):
        assert said in done.stdout


def test_a_time_without_any_data_is_a_finding(backfilled: Backfilled) -> None:
    span = ("--from", "2020-01-01", "--to", "2020-01-02")
    done = run("replay", str(backfilled.slos), *span, SLO_ENGINE_PROMETHEUS__URL=backfilled.url)
    assert done.returncode == 1
    assert "no data: Prometheus has none of its series in this time" in done.stdout


@pytest.mark.parametrize(
    ("arguments", "code", "said"),
    [
        (["--policy", "gogle"], 2, "there is no policy 'gogle'"),
        (["--slo", "rums"], 2, "there is no SLO 'rums'"),
        (["--group", "chat"], 2, "is not a label and value"),
        (["--from", "yesterday"], 2, "is not a time"),
        (["--last", "1d", "--from", "2026-01-01"], 2, "give one of them"),
        (["--significant", "0"], 2, "is not a percentage"),
        (["--incidents", "nowhere.yaml"], 2, "nowhere.yaml:1:1: cannot be read: No such file or directory"),
        (["--last", "1h"], 1, "cannot be reached: connection refused"),
    ],
)
def test_what_cannot_be_done_is_said(tmp_path: Path, arguments: list[str], code: int, said: str) -> None:
    (tmp_path / "slos.yaml").write_text(SLO_FILE)
    done = run(
        "replay", "slos.yaml", *arguments, cwd=tmp_path, SLO_ENGINE_PROMETHEUS__URL="http://127.0.0.1:9", COLUMNS="300"
    )
    assert done.returncode == code
    assert said in " ".join(done.stderr.split())
