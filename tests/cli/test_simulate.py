"""`slo-engine simulate` as scripts and people use it."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path
from xml.etree import ElementTree as ET

import pytest

from tests.cli.test_commands import run


def test_a_grid_for_scripts() -> None:
    done = run("simulate", "--json", "--objective", "99.9", "-e", "100%", "-e", "0.05", "--events-per-hour", "10")
    assert done.returncode == 0
    outage, kept = json.loads(done.stdout)
    assert outage["first"] == "page 1h/5m"
    page = outage["tiers"][0]
    assert page["detected_after_seconds"] == pytest.approx(51.84)
    assert page["in_prometheus"]["detected_after_seconds"] == 120
    assert page["reset_after_seconds"] == pytest.approx(295.68)
    assert page["errors_to_fire"] == 3
    assert outage["traffic"]["errors_allowed"] == 7
    assert (kept["first"], kept["exhausted_after_seconds"]) == (None, None)


def test_a_table_says_what_is_never_found_and_when_the_budget_is_gone() -> None:
    done = run("simulate", "--objective", "98", "-e", "100", "-e", "2")
    first, last = (line.split() for line in done.stdout.splitlines()[2:4])
    assert first[:6] == ["100", "%", "50", "page", "1h/5m", "x14.4"]
    assert last == ["2", "%", "1", "nothing", "never", "never", "-", "-", "-", "30", "d"]


def test_policies_of_the_files_can_be_named() -> None:
    done = run("simulate", "slos", "--policy", "page-at-5x", "--objective", "98", "-e", "100", "--tiers", "--for", "5m")
    assert "page 1h/5m x5" in done.stdout
    assert "11 min" in done.stdout  # 6 by the formula, and 5 of waiting


def test_a_policy_that_no_slo_uses_can_be_named_all_the_same(tmp_path: Path) -> None:
    file = tmp_path / "policies.yaml"
    file.write_text(
        "version: slo-engine/v1\npolicies: [{name: own, tiers: [{severity: page, long: 2h, short: 10m, factor: 7}]}]\n"
    )
    done = run("simulate", str(file), "--policy", "own", "--objective", "95", "-e", "100")
    assert "page 2h/10m x7" in done.stdout


def test_a_mistake_in_the_files_is_said(tmp_path: Path) -> None:
    file = tmp_path / "policies.yaml"
    file.write_text("version: slo-engine/v1\npolicies: [{name: own}]\n")
    done = run("simulate", str(file))
    assert done.returncode == 1
    assert "policies.yaml:2:12" in done.stderr


def test_simulating_loads_neither_the_store_nor_the_way_to_prometheus() -> None:
    asked = "import sys, slo_engine.backtest.simulation, slo_engine.cli.app; print(*sys.modules)"
    done = subprocess.run([sys.executable, "-c", asked], capture_output=True, text=True, check=True, timeout=60)
    assert not {"sqlalchemy", "requests", "slo_engine.rules"} & set(done.stdout.split())


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["--objective", "100"], "is not an objective"),
        (["-e", "0"], "is not a percentage"),
        (["-e", "101"], "is not a percentage"),
        (["--window", "a month"], "is not a duration"),
        (["--policy", "gogle"], "there is no policy 'gogle'; there are: agent, google"),
    ],
)
def test_what_cannot_be_simulated_is_said(arguments: list[str], said: str) -> None:
    done = run("simulate", *arguments, COLUMNS="300")
    assert done.returncode == 2
    assert said in " ".join(done.stderr.split())


@pytest.mark.parametrize("objectives", [["99.9"], ["99.9", "90", "50"]])
def test_a_picture_can_be_read_by_those_who_do_not_see_it(tmp_path: Path, objectives: list[str]) -> None:
    file = tmp_path / "detection.svg"
    named = [word for objective in objectives for word in ("--objective", objective)]
    assert run("simulate", *named, "--svg", str(file)).returncode == 0
    root = ET.parse(file).getroot()
    svg = "{http://www.w3.org/2000/svg}"
    assert root.get("role") == "img"
    title, description = root.find(f"{svg}title"), root.find(f"{svg}desc")
    assert title is not None
    assert title.text
    assert description is not None
    assert "page 1h/5m fires after 0.864 minutes" in (description.text or "")
    assert root.get("aria-labelledby") == f"{title.get('id')} {description.get('id')}"
    assert len(root.findall(f"{svg}polyline")) >= len(objectives)
    assert "prefers-color-scheme: dark" in file.read_text()


def test_a_picture_that_cannot_be_written_is_said(tmp_path: Path) -> None:
    done = run("simulate", "-e", "100", "--svg", str(tmp_path / "no" / "folder.svg"))
    assert done.returncode == 1
    assert "cannot be written" in done.stderr
