"""Annotations for GitHub Actions, the action that prints them, and the hooks of pre-commit, run as those run them."""

from __future__ import annotations

import os
import re
import shlex
import subprocess
import sys
import tomllib
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
import yaml
from typer.testing import CliRunner

from slo_engine.cli import github
from slo_engine.cli.app import app
from slo_engine.definitions import Problem
from slo_engine.rollout.files import Drift
from tests.definitions.writing import slo, slo_file, write

ROOT = Path(__file__).parents[2]
ACTION_FOLDER = ROOT / "deploy/github-action"
ACTION: dict[str, Any] = yaml.safe_load((ACTION_FOLDER / "action.yml").read_text())
HOOKS: dict[str, Any] = {hook["id"]: hook for hook in yaml.safe_load((ROOT / ".pre-commit-hooks.yaml").read_text())}

MISTAKE = slo_file(slo("success", "windou: 30d"))

_COMMAND = re.compile(r"::error (.*?)::(.*)")


@dataclass(frozen=True)
class Annotation:
    """What GitHub reads of a line, as its runner does:
    https://github.com/actions/runner/blob/main/src/Runner.Common/ActionCommand.cs"""

    properties: dict[str, str]
    message: str

    @classmethod
    def read(cls, line: str) -> Annotation:
        match = _COMMAND.fullmatch(line)
        assert match, line
        pairs = (pair.partition("=")[::2] for pair in match.group(1).split(","))
        return cls({name: _unescaped(value) for name, value in pairs}, _unescaped(match.group(2)))


def _unescaped(text: str) -> str:
    for code, char in (("%0D", "\r"), ("%0A", "\n"), ("%3A", ":"), ("%2C", ","), ("%25", "%")):
        text = text.replace(code, char)
    return text


@pytest.fixture
def repository(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A repository with an SLO and its rules, which is where the step runs."""
    write(tmp_path / "slos/agents.yaml", slo_file())
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("GITHUB_WORKSPACE", str(tmp_path))
    assert CliRunner().invoke(app, ["rules", "generate"]).exit_code == 0
    return tmp_path


def annotations_of(*command: str) -> list[Annotation]:
    done = CliRunner().invoke(app, [*command, "--github"])
    assert done.exit_code == 1
    return [Annotation.read(line) for line in done.stdout.splitlines()]


def test_validate_annotates_a_mistake_at_its_line_and_column(repository: Path) -> None:
    write(repository / "slos/agents.yaml", MISTAKE)

    (found,) = annotations_of("validate")

    assert found.properties == {"file": "slos/agents.yaml", "line": "7", "col": "5"}
    assert found.message == "slos/agents.yaml:7:5: slos[0].windou: unknown key: did you mean 'window'?"


def test_files_without_a_mistake_give_no_annotation(repository: Path) -> None:
    for command in (["validate"], ["rules", "check"]):
        done = CliRunner().invoke(app, [*command, "--github"])
        assert (done.exit_code, done.stdout) == (0, "")


def test_a_path_is_told_from_the_top_of_the_repository(repository: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    write(repository / "team/slos/agents.yaml", MISTAKE)
    monkeypatch.chdir(repository / "team")

    (found,) = annotations_of("validate")

    assert found.properties["file"] == "team/slos/agents.yaml"


def test_rules_check_annotates_the_first_line_that_differs(repository: Path) -> None:
    rules = repository / "rules/agents.yaml"
    lines = rules.read_text().splitlines()
    lines[9] += " # edited"
    rules.write_text("\n".join(lines) + "\n")

    (found,) = annotations_of("rules", "check")

    assert found.properties == {"file": "rules/agents.yaml", "line": "10", "col": "1"}
    assert "run `slo-engine rules generate`" in found.message
    assert "\n-" in found.message


def test_a_rule_file_that_is_missing_is_annotated(repository: Path) -> None:
    (repository / "rules/agents.yaml").unlink()

    (found,) = annotations_of("rules", "check")

    assert found.properties == {"file": "rules/agents.yaml", "line": "1", "col": "1"}


def test_rules_check_annotates_mistakes_in_slo_files(repository: Path) -> None:
    write(repository / "slos/agents.yaml", MISTAKE)

    (found,) = annotations_of("rules", "check")

    assert found.properties["file"] == "slos/agents.yaml"


def test_what_manifests_lack_is_about_no_file(repository: Path) -> None:
    write(repository / "manifests.yaml", "kind: List\nitems: []\n")

    done = CliRunner().invoke(app, ["rules", "check", "--manifest", "manifests.yaml", "--github"])

    assert done.exit_code == 1
    assert done.stdout.startswith("::error::missing: ")


def test_what_would_end_an_annotation_is_escaped(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("GITHUB_WORKSPACE", str(tmp_path / "elsewhere"))
    problem = Problem(Path("a,b:c%.yaml"), 3, 4, "slos", "100 % of\r\nit :: all, file=x")

    text = github.of_problem(problem)

    assert "\n" not in text
    found = Annotation.read(text)
    assert found.properties == {"file": "a,b:c%.yaml", "line": "3", "col": "4"}
    assert found.message == str(problem)


@pytest.mark.parametrize(
    ("diff", "line"),
    [
        ("--- a\n+++ b\n@@ -7,3 +7,3 @@\n same\n same\n-old\n+new\n", 9),
        ("--- a\n+++ b\n@@ -0,0 +1,2 @@\n+new\n+new\n", 1),
        ("--- a\n+++ b\n@@ -1,2 +0,0 @@\n-old\n-old\n", 1),
    ],
)
def test_a_drift_is_told_at_its_first_line(diff: str, line: int) -> None:
    assert Annotation.read(github.of_drift(Drift(Path("rules/a.yaml"), diff))).properties["line"] == str(line)


def run_action(repository: Path, **inputs: str) -> subprocess.CompletedProcess[str]:
    """The steps of the action behind its installation, one after the other until one fails."""
    bin_ = repository / ".runner/slo-engine/bin"
    bin_.mkdir(parents=True, exist_ok=True)
    program = bin_ / "slo-engine"
    program.write_text(f'#!/bin/sh\nexec {shlex.quote(sys.executable)} -m slo_engine "$@"\n')
    program.chmod(0o755)
    values = {name: inputs.get(name.replace("-", "_"), str(each["default"])) for name, each in ACTION["inputs"].items()}

    def filled_in(text: str) -> str:
        return re.sub(r"\$\{\{ inputs\.([\w-]+) \}\}", lambda match: values[match.group(1)], text)

    _, *steps = ACTION["runs"]["steps"]
    done = subprocess.CompletedProcess[str]([], 0, "", "")
    for step in steps:
        if "if" in step:
            assert step["if"] == "inputs.rules != ''"
            if not values["rules"]:
                continue
        given = {name: filled_in(value) for name, value in step["env"].items()}
        done = subprocess.run(
            ["bash", "--noprofile", "--norc", "-eo", "pipefail", "-c", step["run"]],
            cwd=repository / filled_in(step["working-directory"]),
            env={**os.environ, "PYTHONPATH": str(ROOT), "RUNNER_TEMP": str(repository / ".runner"), **given},
            capture_output=True,
            text=True,
            timeout=120,
            check=False,
        )
        if done.returncode:
            break
    return done


def test_the_action_passes_where_all_is_well(repository: Path) -> None:
    assert run_action(repository).returncode == 0


def test_the_action_annotates_a_mistake(repository: Path) -> None:
    write(repository / "slos/agents.yaml", MISTAKE)

    done = run_action(repository)

    assert done.returncode == 1
    assert Annotation.read(done.stdout.strip()).properties["file"] == "slos/agents.yaml"


def test_the_action_annotates_rules_that_nobody_generated(repository: Path) -> None:
    write(repository / "slos/agents.yaml", slo_file(slo(), slo("another")))

    done = run_action(repository)

    assert done.returncode == 1
    assert Annotation.read(done.stdout.strip()).properties["file"] == "rules/agents.yaml"
    assert run_action(repository, rules="").returncode == 0


def test_the_action_checks_unit_tests_of_the_rules_if_asked(repository: Path) -> None:
    assert run_action(repository, unit_tests="true").returncode == 1
    assert CliRunner().invoke(app, ["rules", "generate", "--tests"]).exit_code == 0
    assert run_action(repository, unit_tests="true").returncode == 0


def test_the_action_takes_several_folders_and_works_in_a_subfolder(repository: Path) -> None:
    write(repository / "team/a/one.yaml", slo_file(service="one"))
    write(repository / "team/b/two.yaml", MISTAKE)

    done = run_action(repository, slos="a b", working_directory="team", rules="")

    assert Annotation.read(done.stdout.strip()).properties["file"] == "team/b/two.yaml"


def test_no_input_of_the_action_is_part_of_a_script() -> None:
    assert all("${{" not in step["run"] for step in ACTION["runs"]["steps"])


def test_the_action_installs_the_project_that_it_is_part_of_from_the_lock() -> None:
    install = ACTION["runs"]["steps"][0]["run"]
    named = re.findall(r'"\$project/([^"]+)"', install)

    assert (ACTION_FOLDER / "../..").resolve() == ROOT
    assert named == ["deploy/install-locked", "requirements/run.txt"]
    assert all((ROOT / name).is_file() for name in named)


def run_hook(hook: dict[str, Any], repository: Path, *files: str) -> subprocess.CompletedProcess[str]:
    """As pre-commit does: entry, arguments, and the files that match where they are passed."""
    program, *rest = shlex.split(hook["entry"])
    assert program in tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]["scripts"]
    named = files if hook.get("pass_filenames", True) else ()
    return subprocess.run(
        [sys.executable, "-m", "slo_engine", *rest, *hook["args"], *named],
        cwd=repository,
        env={**os.environ, "PYTHONPATH": str(ROOT)},
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )


def test_the_hooks_pass_where_all_is_well_whichever_file_was_changed(repository: Path) -> None:
    write(repository / "slos/more.yaml", "version: slo-engine/v1\npolicies: [{name: mine, tiers: [" + TIER + "]}]\n")
    write(repository / "slos/agents.yaml", slo_file(slo("success", "alerting: {policy: mine}")))
    assert CliRunner().invoke(app, ["rules", "generate"]).exit_code == 0

    for hook in HOOKS.values():
        done = run_hook(hook, repository, "slos/agents.yaml")
        assert done.returncode == 0, done.stdout + done.stderr


TIER = "{severity: page, long: 1h, short: 5m, factor: 10}"


def test_the_hook_validate_tells_a_mistake_at_its_place(repository: Path) -> None:
    write(repository / "slos/agents.yaml", MISTAKE)

    done = run_hook(HOOKS["slo-engine-validate"], repository, "slos/agents.yaml")

    assert done.returncode == 1
    assert done.stdout.startswith("slos/agents.yaml:7:5: ")


def test_the_hook_rules_check_tells_rules_that_nobody_generated(repository: Path) -> None:
    write(repository / "slos/agents.yaml", slo_file(slo("another")))

    done = run_hook(HOOKS["slo-engine-rules-check"], repository, "slos/agents.yaml")

    assert done.returncode == 1
    assert "run `slo-engine rules generate`" in done.stderr


@pytest.mark.parametrize(
    ("hook", "file", "wanted"),
    [
        ("slo-engine-validate", "slos/agents.yaml", True),
        ("slo-engine-validate", "slos/team/agents.yml", True),
        ("slo-engine-validate", "rules/agents.yaml", False),
        ("slo-engine-rules-check", "rules/agents.yaml", True),
        ("slo-engine-rules-check", "docs/agents.yaml", False),
    ],
)
def test_a_hook_runs_for_the_files_that_it_is_about(hook: str, file: str, wanted: bool) -> None:
    assert (re.search(HOOKS[hook]["files"], file) is not None) is wanted


def test_a_hook_installs_the_command_line() -> None:
    extras = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]["optional-dependencies"]
    for hook in HOOKS.values():
        (named,) = hook["additional_dependencies"]
        assert named == ".[server]"
        assert "typer>=0.15" in extras["server"]
