"""The command line as scripts use it: output, exit codes, no tracebacks."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parent.parent.parent


def run(*arguments: str, cwd: Path = ROOT, **environment: str) -> subprocess.CompletedProcess[str]:
    clean = {name: value for name, value in os.environ.items() if not name.startswith(("SLO_ENGINE_", "LANGFUSE_"))}
    done = subprocess.run(
        [sys.executable, "-m", "slo_engine", *arguments],
        capture_output=True,
        text=True,
        cwd=cwd,
        env={**clean, **environment},
        timeout=60,
    )
    assert "Traceback" not in done.stderr
    return done


def test_help_and_version() -> None:
    assert "validate" in run("--help").stdout
    assert run("--version").stdout.startswith("slo-engine 0.")


def test_validate_says_that_all_is_fine() -> None:
    done = run("validate", "slos")
    assert (done.returncode, done.stdout) == (0, "")
    assert "4 SLOs and 6 thresholds, all fine" in done.stderr


def test_validate_as_json_for_scripts(tmp_path: Path) -> None:
    (tmp_path / "bad.yaml").write_text("version: slo-engine/v1\nservice: Agents\n")
    done = run("validate", "--json", str(tmp_path))
    assert done.returncode == 1
    (problem,) = json.loads(done.stdout)["problems"]
    assert (problem["line"], problem["column"], problem["path"]) == (2, 10, "service")


def test_rules_check_fails_after_a_hand_edit_and_shows_it(tmp_path: Path) -> None:
    written = run("rules", "generate", "slos", "--out", str(tmp_path))
    assert written.stdout == f"{tmp_path / 'agents.yaml'}\n"
    assert run("rules", "check", "slos", "--out", str(tmp_path)).returncode == 0
    rules = tmp_path / "agents.yaml"
    edited = rules.read_text().replace("0.15", "0.95")
    assert edited != rules.read_text()
    rules.write_text(edited)
    done = run("rules", "check", "slos", "--out", str(tmp_path))
    assert done.returncode == 1
    lines = [(line[0], line[1:].strip()) for line in done.stdout.splitlines() if line]
    assert ("-", "0.95") in lines
    assert ("+", "0.15") in lines


def test_the_rules_that_are_committed_are_what_the_slo_files_say() -> None:
    assert run("rules", "check").returncode == 0


def test_status_of_a_prometheus_that_is_not_there_is_a_failure_with_its_reason() -> None:
    done = run("status", "slos", SLO_ENGINE_PROMETHEUS__URL="http://127.0.0.1:9")
    assert done.returncode == 1
    assert "127.0.0.1 cannot be reached: Connection refused" in done.stderr


@pytest.mark.parametrize(
    ("settings", "said"),
    [
        ("prometheus: {url: localhost}", "prometheus.url: must be an http:// or https:// address"),
        ("promethoos: {}", "promethoos: unknown key"),
        ("langfuse: {url: 'http://x', public_key: pk}", "langfuse: secret_key is missing"),
        ("a: [", "not readable as YAML"),
        ("- 1", "must be a mapping"),
        ("sinks: [{name: a, type: webhook, url: 'http://a', secret: '%%%'}]", "secret must be base64"),
        ("store: {url: 'mysql://x'}", "only sqlite:///<file> is supported"),
        (
            "langfuse: {url: 'http://x', public_key: pk, secret_key_file: nowhere}",
            "secret_key_file nowhere cannot be read",
        ),
    ],
)
def test_settings_that_cannot_be_used_are_explained(tmp_path: Path, settings: str, said: str) -> None:
    (tmp_path / "settings.yaml").write_text(settings)
    done = run("serve", "--config", "settings.yaml", cwd=tmp_path)
    assert done.returncode in (1, 2)
    assert said in done.stderr


def test_a_secret_from_a_file_is_used_and_not_shown(tmp_path: Path) -> None:
    (tmp_path / "key").write_text("sk-very-secret\n")
    (tmp_path / "settings.yaml").write_text("langfuse: {url: nonsense, public_key: pk, secret_key_file: key}")
    done = run("serve", "--config", "settings.yaml", cwd=tmp_path)
    assert done.returncode == 2
    assert "sk-very-secret" not in done.stdout + done.stderr


def test_the_environment_goes_over_the_file(tmp_path: Path) -> None:
    (tmp_path / "settings.yaml").write_text("prometheus: {url: 'http://127.0.0.1:1'}")
    done = run(
        *("status", str(ROOT / "slos"), "--config", "settings.yaml"),
        cwd=tmp_path,
        SLO_ENGINE_PROMETHEUS__URL="not an address",
    )
    assert done.returncode == 2
    assert "prometheus.url" in done.stderr


def test_without_the_server_extra_the_command_says_what_to_install(tmp_path: Path) -> None:
    # What `pip install slo-engine` alone gives: our package, and no typer.
    (tmp_path / "typer.py").write_text("raise ModuleNotFoundError(\"No module named 'typer'\", name='typer')")
    done = run("--help", PYTHONPATH=str(tmp_path))
    assert done.returncode == 2
    assert "pip install 'slo-engine[server]'" in done.stderr
