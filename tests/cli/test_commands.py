"""The command line as scripts use it: output, exit codes, no tracebacks."""

from __future__ import annotations

import json
import os
import socket
import subprocess
import sys
from pathlib import Path

import pytest

from tests.cli import warm

ROOT = Path(__file__).parent.parent.parent


def run(
    *arguments: str, cwd: Path = ROOT, stdin: bytes = b"", env: dict[str, str] | None = None, **environment: str
) -> subprocess.CompletedProcess[str]:
    clean = {name: value for name, value in os.environ.items() if not name.startswith(("SLO_ENGINE_", "LANGFUSE_"))}
    everything = {**clean, **(env or {}), **environment}
    done = warm.run(arguments, cwd=cwd, environment=everything, timeout=60, stdin=stdin)
    text = subprocess.CompletedProcess(done.args, done.returncode, done.stdout.decode(), done.stderr.decode())
    assert "Traceback" not in text.stderr
    return text


@pytest.mark.parametrize("arguments", [("--version",), ("validate", "slos"), ("status", "--config", "nowhere.yaml")])
def test_a_command_loads_what_it_needs(arguments: tuple[str, ...]) -> None:
    fresh = subprocess.run(
        [sys.executable, "-m", "slo_engine", *arguments], capture_output=True, text=True, cwd=ROOT, timeout=60
    )
    done = run(*arguments)
    assert (fresh.returncode, fresh.stdout, fresh.stderr) == (done.returncode, done.stdout, done.stderr)


def test_help_and_version() -> None:
    assert "validate" in run("--help").stdout
    assert run("--version").stdout.startswith("slo-engine 0.")
    assert run("-V").stdout == run("--version").stdout


def test_validate_says_that_all_is_fine() -> None:
    done = run("validate", "slos")
    assert (done.returncode, done.stdout) == (0, "")
    assert "7 SLOs and 26 thresholds, all fine" in done.stderr


def test_validate_as_json_for_scripts(tmp_path: Path) -> None:
    (tmp_path / "bad.yaml").write_text("version: slo-engine/v1\nservice: Agents\n")
    done = run("validate", "--json", str(tmp_path))
    assert done.returncode == 1
    (problem,) = json.loads(done.stdout)["problems"]
    assert (problem["line"], problem["column"], problem["path"]) == (2, 10, "service")


def test_one_is_not_written_as_many(tmp_path: Path) -> None:
    (tmp_path / "good.yaml").write_text(
        "version: slo-engine/v1\nservice: shop\nslos:\n"
        "  - {name: runs, objective: 99, sli: {events: {total: a_total, errors: b_total}}}\n"
    )
    assert run("validate", "good.yaml", cwd=tmp_path).stderr.startswith("1 SLO and 0 thresholds, all fine\n")
    (tmp_path / "bad.yaml").write_text("version: slo-engine/v1\nservice: Agents\n")
    assert "1 SLO and 0 thresholds are fine; 1 mistake\n" in run("validate", ".", cwd=tmp_path).stderr
    drift = run("rules", "check", "good.yaml", "--out", "rules", cwd=tmp_path)
    assert drift.stderr.startswith("1 rule file is not what the SLO files say")


def test_rules_check_fails_after_a_hand_edit_and_shows_it(tmp_path: Path) -> None:
    written = run("rules", "generate", "slos", "--out", str(tmp_path))
    assert written.stdout.splitlines() == [str(tmp_path / "agents.yaml"), str(tmp_path / "slo-engine.yaml")]
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
    assert "Prometheus at http://127.0.0.1:9 cannot be reached: connection refused" in done.stderr


@pytest.mark.parametrize(
    ("settings", "said"),
    [
        ("prometheus: {url: localhost}", "prometheus.url: must be an http:// or https:// address"),
        ("promethoos: {}", "promethoos: unknown key"),
        (
            "langfuse: {url: 'http://x', public_key: pk}",
            "langfuse.secret_key (SLO_ENGINE_LANGFUSE__SECRET_KEY) is missing",
        ),
        ("webhook: {token: ''}", "webhook: token is empty"),
        ("prometheus: {token: a, token_file: b}", "token and token_file: give one of them"),
        ("listen: {host: 203.0.113.1}", "cannot listen on 203.0.113.1:8090"),
        ("a: [", "is not readable as YAML"),
        ("1: 2", "must be a mapping"),
        ("prometheus: {url: 'http://a:x'}", "must be an http:// or https:// address"),
        ("- 1", "must be a mapping"),
        ("sinks: [{name: a, type: webhook, url: 'http://a', secret: '%%%'}]", "secret must be base64"),
        ("sinks: [{name: a, type: console, fallback: b}]", "sinks: a: fallback: there is no sink 'b'; write one of a"),
        ("sinks: [{name: a, type: console, fallback: a}]", "sinks: a: fallback names the sink itself"),
        ("routes: [{sinks: a}]", "routes.0.sinks: there is no sink 'a'; no sink is configured"),
        ("posts: {crossings: {sinks: a}}", "posts.crossings.sinks: there is no sink 'a'"),
        ("posts: {schedules: [{name: d, cron: '0 9 * * *', sinks: a}]}", "posts.schedules: d: sinks: there is no sink"),
        ("posts: {schedules: [{name: d, cron: '0 9 * * 1', sinks: []}]}", "write days of the week by their names"),
        ("budget_policies: [{steps: [{at: 0, text: x, tell: a}]}]", "budget_policies.0: tell: there is no sink 'a'"),
        (
            "sinks: [{name: a, type: console, templates: {firing: {title: '{{ x }}'}}}]",
            "sinks: a: templates.firing.title: 'x' is undefined",
        ),
        ("routes: [{sinks: []}, {match: {slo: a}, sinks: []}]", "routes.0: it takes everything"),
        ("posts: {schedules: [{name: d, cron: '0 9 31 2 *', sinks: []}]}", "is never due"),
        ("posts: {crossings: {sinks: [], levels: [10, 10]}}", "each of them once"),
        ("posts: {crossings: {sinks: [], forecast: 3}}", "posts.crossings.forecast: is not a duration"),
        ("budget_policies: [{match: {severity: page}, steps: []}]", "severity: remove it, budgets have none"),
        ("budget_policies: [{steps: []}]", "budget_policies.0.steps: has no step"),
        ("sinks: [{name: a, type: console}]\nsinks: []", "settings.yaml:2:1: the key 'sinks' stands twice"),
        ("routes: [{match: {hours: {begin: 22:00}}, sinks: []}]", "hours.begin: must be text: put it in quotes"),
        (
            "sinks: [{name: a, type: opsgenie, token: x}]\nposts: {crossings: {sinks: a}}",
            "posts.crossings.sinks: a is a sink of alerts, and takes no posts",
        ),
        ("store: {url: 'mysql://x'}", "write sqlite:///<file> or postgresql://"),
        (
            "langfuse: {url: 'http://x', public_key: pk, secret_key_file: nowhere}",
            "secret_key_file cannot be read: No such file or directory",
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


@pytest.mark.parametrize(
    "mistake", ["sk-lf-TOP: oops", "'sk-lf-TOP", "@sk-lf-TOP", "*sk-lf-TOP", "!sk-lf-TOP", "\tsk-lf-TOP"]
)
def test_a_mistake_beside_a_secret_does_not_show_it(tmp_path: Path, mistake: str) -> None:
    text = f"langfuse:\n  public_key: pk\n  secret_key: {mistake}\n"
    (tmp_path / "settings.yaml").write_text(text)
    done = run("serve", "--config", "settings.yaml", cwd=tmp_path)
    assert done.returncode in (1, 2)
    assert "sk-lf-TOP" not in done.stdout + done.stderr


def test_a_secret_where_its_file_belongs_is_not_shown(tmp_path: Path) -> None:
    done = run("deliveries", "list", SLO_ENGINE_WEBHOOK__TOKEN_FILE="sk-lf-TOP", cwd=tmp_path)
    assert done.returncode == 2
    assert "sk-lf-TOP" not in done.stderr


def test_the_environment_goes_over_the_file(tmp_path: Path) -> None:
    (tmp_path / "settings.yaml").write_text("prometheus: {url: 'http://127.0.0.1:1'}")
    done = run(
        *("status", str(ROOT / "slos"), "--config", "settings.yaml"),
        cwd=tmp_path,
        SLO_ENGINE_PROMETHEUS__URL="not an address",
    )
    assert done.returncode == 2
    assert "SLO_ENGINE_PROMETHEUS__URL: must be an http:// or https:// address" in done.stderr


@pytest.mark.parametrize(
    ("name", "value", "said"),
    [
        ("SLO_ENGINE_LISTNE__PORT", "3", "SLO_ENGINE_LISTNE__PORT: there is no such setting"),
        ("SLO_ENGINE_SINKS", "[{", "SLO_ENGINE_SINKS: must be JSON"),
        ("SLO_ENGINE_LISTEN__PORT", "many", "SLO_ENGINE_LISTEN__PORT: "),
    ],
)
def test_a_variable_that_cannot_be_used_is_named(name: str, value: str, said: str) -> None:
    done = run("deliveries", "list", env={name: value})
    assert done.returncode == 2
    assert said in done.stderr


def test_a_duration_and_a_name_in_the_environment_need_no_quotes_for_json(tmp_path: Path) -> None:
    (tmp_path / "settings.yaml").write_text("sinks: [{name: a, type: console}]")
    asked = ("notify", "preview", "--config", "settings.yaml")
    environment = {"SLO_ENGINE_STATUS__INTERVAL": "15s", "SLO_ENGINE_POSTS__CROSSINGS__SINKS": "a"}
    done = run(*asked, cwd=tmp_path, env=environment)
    assert done.returncode == 0, done.stderr
    wrong = run(*asked, cwd=tmp_path, SLO_ENGINE_STATUS__INTERVAL="soon")
    assert "SLO_ENGINE_STATUS__INTERVAL: is not a duration" in wrong.stderr


def test_paths_of_slo_files_in_the_environment_are_paths(tmp_path: Path) -> None:
    done = run("report", cwd=tmp_path, SLO_ENGINE_SLOS=f"{ROOT / 'slos'},{tmp_path / 'nowhere'}")
    assert done.returncode == 1
    assert done.stderr.strip() == (
        f"{tmp_path / 'nowhere'}:1:1: this path does not exist: name a .yaml file, or a folder that holds some"
    )


def test_settings_in_this_folder_are_found_without_being_named(tmp_path: Path) -> None:
    (tmp_path / "slo-engine.yaml").write_text("promethoos: {}")
    assert "slo-engine.yaml: promethoos: unknown key" in run("status", cwd=tmp_path).stderr


def test_a_taken_port_is_told_before_anything_starts(tmp_path: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as server:
        port = server.getsockname()[1]
        done = run("serve", cwd=tmp_path, SLO_ENGINE_LISTEN__PORT=str(port))
    assert done.returncode == 1
    assert f"cannot listen on 127.0.0.1:{port} (Address already in use): change listen.port" in done.stderr
    assert not list(tmp_path.iterdir())


def test_rules_that_cannot_be_written_are_a_failure_with_the_path(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    done = run("rules", "generate", "slos", "--out", str(tmp_path / "file"))
    assert done.returncode == 1
    assert f"{tmp_path / 'file'} cannot be written: File exists" in done.stderr


def test_without_the_server_extra_the_command_says_what_to_install(tmp_path: Path) -> None:
    # What `pip install slo-engine` alone gives: our package, and no typer.
    (tmp_path / "typer.py").write_text("raise ModuleNotFoundError(\"No module named 'typer'\", name='typer')")
    done = subprocess.run(
        [sys.executable, "-m", "slo_engine", "--help"],
        capture_output=True,
        text=True,
        cwd=ROOT,
        env={**os.environ, "PYTHONPATH": str(tmp_path)},
        timeout=60,
    )
    assert done.returncode == 2
    assert "pip install 'slo-engine[server]'" in done.stderr
