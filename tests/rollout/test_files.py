"""Rule files on disk: written whole, the same bytes each time, and never at odds with the SLO files unnoticed."""

from __future__ import annotations

import os
import shutil
import subprocess
from collections.abc import Mapping
from pathlib import Path

import pytest

from slo_engine.definitions import SloSet, load
from slo_engine.errors import SloEngineError
from slo_engine.rollout import check, write
from slo_engine.rules.yaml_text import HEADER
from tests.cli import warm
from tests.rules import promtool

ROOT = Path(__file__).parents[2]

SLO = """
version: slo-engine/v1
service: {service}
slos:
  - name: runs
    objective: 99
    sli: {{events: {{total: runs_total, errors: 'runs_total{{status="error"}}'}}}}
    alerting: {{page: {{annotations: {{runbook: "Müller weiß es"}}}}}}
"""


@pytest.fixture
def rules(tmp_path: Path) -> Path:
    """A folder for rule files, not made yet."""
    return tmp_path / "rules"


def slos(folder: Path, *services: str) -> SloSet:
    """One SLO for each of these services."""
    for service in services:
        (folder / f"{service}.yaml").write_text(SLO.format(service=service), encoding="utf-8")
    return load([folder / f"{service}.yaml" for service in services])


def test_writing_twice_gives_the_same_bytes(tmp_path: Path, rules: Path) -> None:
    first = {file: file.read_bytes() for file in write(slos(tmp_path, "shop", "desk"), rules).files}
    second = {file: file.read_bytes() for file in write(slos(tmp_path, "shop", "desk"), rules).files}
    assert first == second
    assert sorted(rules.iterdir()) == [rules / "desk.yaml", rules / "shop.yaml"]


def test_what_was_just_written_does_not_drift(tmp_path: Path, rules: Path) -> None:
    written = slos(tmp_path, "shop", "desk")
    write(written, rules)
    assert check(written, rules) == []


def test_hand_edit_is_found_and_shown(tmp_path: Path, rules: Path) -> None:
    [file] = write(slos(tmp_path, "shop"), rules).files
    file.write_text(file.read_text(encoding="utf-8").replace("14.4 * 0.01", "1 * 0.01"), encoding="utf-8")
    [drift] = check(slos(tmp_path, "shop"), rules)
    assert drift.file == file
    removed = [line[1:].strip() for line in drift.diff.splitlines() if line.startswith("-") and "---" not in line]
    added = [line[1:].strip() for line in drift.diff.splitlines() if line.startswith("+") and "+++" not in line]
    assert len(removed) == len(added) == 2
    assert all("1 * 0.01" in line for line in removed)
    assert all("14.4 * 0.01" in line for line in added)


def test_edit_that_removes_the_header_is_found(tmp_path: Path, rules: Path) -> None:
    [file] = write(slos(tmp_path, "shop"), rules).files
    file.write_text(file.read_text(encoding="utf-8").partition("\n")[2], encoding="utf-8")
    [drift] = check(slos(tmp_path, "shop"), rules)
    assert drift.file == file
    changed = [line for line in drift.diff.splitlines()[2:] if line.startswith(("+", "-"))]
    assert changed == [f"+{HEADER.rstrip()}"], "it differs by its header alone"


def test_file_that_is_no_text_any_more_is_found(tmp_path: Path, rules: Path) -> None:
    [file] = write(slos(tmp_path, "shop"), rules).files
    file.write_bytes(file.read_bytes() + b"# M\xfcller\n")
    assert [drift.file for drift in check(slos(tmp_path, "shop"), rules)] == [file]


def test_carriage_returns_are_found(tmp_path: Path, rules: Path) -> None:
    [file] = write(slos(tmp_path, "shop"), rules).files
    file.write_bytes(file.read_bytes().replace(b"\n", b"\r\n"))
    [drift] = check(slos(tmp_path, "shop"), rules)
    assert "-groups:\\r" in drift.diff.splitlines(), "what nobody would see is shown"


def test_missing_file_is_found(tmp_path: Path, rules: Path) -> None:
    write(slos(tmp_path, "shop"), rules)
    [drift] = check(slos(tmp_path, "shop", "desk"), rules)
    assert drift.file == rules / "desk.yaml"
    assert "+groups:" in drift.diff.splitlines()


def test_file_of_a_service_that_is_gone_is_found_and_removed(tmp_path: Path, rules: Path) -> None:
    write(slos(tmp_path, "shop", "desk"), rules)
    [drift] = check(slos(tmp_path, "shop"), rules)
    assert drift.file == rules / "desk.yaml"
    assert "-groups:" in drift.diff.splitlines()
    assert write(slos(tmp_path, "shop"), rules).removed == [rules / "desk.yaml"]
    assert sorted(rules.iterdir()) == [rules / "shop.yaml"]


def test_file_of_somebody_else_is_neither_removed_nor_a_drift(tmp_path: Path, rules: Path) -> None:
    rules.mkdir()
    (rules / "node.yaml").write_text("groups: []\n")
    write(slos(tmp_path, "shop"), rules)
    assert (rules / "node.yaml").read_text() == "groups: []\n"
    assert check(slos(tmp_path, "shop"), rules) == []


def test_file_of_somebody_else_is_not_overwritten(tmp_path: Path, rules: Path) -> None:
    rules.mkdir()
    (rules / "shop.yaml").write_text("groups: []\n")
    with pytest.raises(SloEngineError, match="was not written by slo-engine"):
        write(slos(tmp_path, "shop"), rules)
    assert (rules / "shop.yaml").read_text() == "groups: []\n"


def test_file_of_somebody_else_keeps_all_the_others_from_being_written(tmp_path: Path, rules: Path) -> None:
    rules.mkdir()
    (rules / "shop.yaml").write_text("groups: []\n")
    (rules / "old.yaml").write_text(HEADER)
    with pytest.raises(SloEngineError, match=r"shop\.yaml was not written by slo-engine"):
        write(slos(tmp_path, "desk", "shop"), rules)
    assert sorted(file.name for file in rules.iterdir()) == ["old.yaml", "shop.yaml"]


def test_a_folder_in_the_way_is_told_and_nothing_is_left_behind(tmp_path: Path, rules: Path) -> None:
    (rules / ".shop.yaml.part").mkdir(parents=True)
    with pytest.raises(SloEngineError, match="cannot be written: Is a directory"):
        write(slos(tmp_path, "desk", "shop"), rules)
    assert [file.name for file in rules.iterdir()] == [".shop.yaml.part"]


def test_folder_without_slos_removes_nothing(tmp_path: Path, rules: Path) -> None:
    [file] = write(slos(tmp_path, "shop"), rules).files
    with pytest.raises(SloEngineError, match="nothing to write"):
        write(SloSet(), rules)
    assert file.exists()


def test_committed_rules_are_what_the_slo_files_give() -> None:
    assert [drift.diff for drift in check(load([ROOT / "slos"]), ROOT / "rules")] == []


def test_prometheus_loads_the_committed_rules() -> None:
    files = sorted((ROOT / "rules").glob("*.yaml"))
    assert files
    promtool.check(files)


def _command(*arguments: str | Path, env: Mapping[str, str] | None = None) -> subprocess.CompletedProcess[bytes]:
    wanted = ("rules", *map(str, arguments))
    return warm.run(wanted, cwd=ROOT, environment={**os.environ, **(env or {})}, timeout=60)


def test_command_exits_1_with_a_diff_after_an_edit(tmp_path: Path, rules: Path) -> None:
    shutil.copytree(ROOT / "rules", rules)
    fine = _command("check", ROOT / "slos", "--out", rules)
    assert (fine.returncode, fine.stdout) == (0, b"")
    edited = rules / "agents.yaml"
    edited.write_text(edited.read_text(encoding="utf-8").replace("interval: 5m", "interval: 1h", 1), encoding="utf-8")
    found = _command("check", ROOT / "slos", "--out", rules)
    assert found.returncode == 1
    assert {b"-  interval: 1h", b"+  interval: 5m"} <= set(found.stdout.splitlines())
    assert b"slo-engine rules generate" in found.stderr
    assert _command("generate", ROOT / "slos", "--out", rules).returncode == 0
    assert _command("check", ROOT / "slos", "--out", rules).returncode == 0


def test_rules_are_utf_8_in_any_locale(tmp_path: Path, rules: Path) -> None:
    slos(tmp_path, "shop")
    ascii_only = {"LC_ALL": "POSIX", "PYTHONCOERCECLOCALE": "0", "PYTHONUTF8": "0"}
    for command in ("generate", "check"):
        done = _command(command, tmp_path / "shop.yaml", "--out", rules, env=ascii_only)
        assert done.returncode == 0, done.stderr.decode()
    assert "Müller weiß es" in (rules / "shop.yaml").read_text(encoding="utf-8")


def test_fifty_overrides_of_an_slo_fit_into_its_rules(tmp_path: Path, rules: Path) -> None:
    longest = "agent-" + "x" * 40
    overrides = ", ".join(
        f"{{match: {{agent_type: {longest}-{number}}}, objective: {90 + number / 10}}}" for number in range(50)
    )
    file = tmp_path / "slos.yaml"
    file.write_text(
        "{version: slo-engine/v1, service: shop, slos: [{name: runs, objective: 99, by: [agent_type], "
        f"overrides: [{overrides}], sli: {{events: {{total: a_total, errors: b_total}}}}}}]}}"
    )

    assert write(load([file]), rules).files == [rules / "shop.yaml"]
