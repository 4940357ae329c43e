"""``slo-engine rules push``, to a ruler with Mimir's contract: what it sends, what it leaves alone, what it says."""

from __future__ import annotations

import json
import os
import pty
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from subprocess import CompletedProcess

import pytest

from slo_engine.definitions import load
from slo_engine.rollout.pushing import namespaces, plan
from slo_engine.rules import RuleGroup, build
from tests.cli.test_commands import ROOT, run
from tests.rollout.ruler_server import RulerServer

SLO = """
version: slo-engine/v1
service: {service}
slos:
  - name: runs
    objective: {objective}
    sli: {{events: {{total: runs_total, errors: 'runs_total{{status="error"}}'}}}}
"""
RUNS, LONG = "slo-engine:shop:runs", "slo-engine:shop:runs:long"


@pytest.fixture
def server() -> Iterator[RulerServer]:
    with RulerServer() as running:
        yield running


def written(folder: Path, service: str = "shop", objective: float = 99) -> Path:
    file = folder / f"{service}.yaml"
    file.write_text(SLO.format(service=service, objective=objective))
    return file


def push(server: RulerServer, *arguments: str | Path, **environment: str) -> CompletedProcess[str]:
    return run(
        *("rules", "push", *map(str, arguments), "--address", server.address),
        env={"MIMIR_TENANT_ID": "team", **environment},
    )


def test_groups_go_to_the_namespace_of_their_service(tmp_path: Path, server: RulerServer) -> None:
    done = push(server, written(tmp_path), written(tmp_path, "desk"))
    assert done.returncode == 0, done.stderr
    assert server.names("team") == {
        "slo-engine:desk": ["slo-engine:desk:runs", "slo-engine:desk:runs:long"],
        "slo-engine:shop": [RUNS, LONG],
    }
    assert f"tenant team: create slo-engine:shop/{RUNS}" in done.stdout
    assert "tenant team: 4 to create, 0 groups unchanged" in done.stderr


def test_a_second_push_sends_nothing(tmp_path: Path, server: RulerServer) -> None:
    push(server, written(tmp_path))
    before = server.changes()
    assert "nothing to change, 2 groups unchanged" in push(server, written(tmp_path)).stderr
    assert server.changes() == before


def test_only_the_group_that_changed_is_sent(tmp_path: Path, server: RulerServer) -> None:
    push(server, written(tmp_path))
    server.requests.clear()
    server.groups["team"]["slo-engine:shop"][LONG]["interval"] = "1h"
    assert push(server, written(tmp_path)).returncode == 0
    assert server.changes() == ["POST slo-engine:shop"]
    assert server.groups["team"]["slo-engine:shop"][LONG]["interval"] == "5m"


def present(server: RulerServer, tenant: str, namespace: str, *names: str) -> None:
    """The ruler has these groups already."""
    for name in names:
        server.groups[tenant][namespace][name] = {"name": name, "rules": []}


def test_groups_of_somebody_else_are_never_touched(tmp_path: Path, server: RulerServer) -> None:
    present(server, "team", "node", "node", "slo-engine:not-in-our-namespace")
    present(server, "team", "slo-engine:shop", "by-hand")
    present(server, "other-team", "slo-engine:shop", "slo-engine:shop:old")
    assert push(server, written(tmp_path), "--prune").returncode == 0
    assert server.changes() == ["POST slo-engine:shop"] * 2
    assert server.names("team") == {
        "node": ["node", "slo-engine:not-in-our-namespace"],
        "slo-engine:shop": ["by-hand", RUNS, LONG],
    }


def test_a_group_of_ours_that_is_gone_is_deleted_after_all_others_are_sent(tmp_path: Path, server: RulerServer) -> None:
    present(server, "team", "slo-engine:desk", "slo-engine:desk:old")
    push(server, written(tmp_path, "desk"), written(tmp_path))
    sent = ["POST slo-engine:desk"] * 2 + ["POST slo-engine:shop"] * 2
    assert server.changes() == [*sent, "DELETE slo-engine:desk/slo-engine:desk:old"]


def test_a_service_that_is_gone_is_deleted_when_asked_for(tmp_path: Path, server: RulerServer) -> None:
    push(server, written(tmp_path), written(tmp_path, "desk"))
    kept = push(server, written(tmp_path))
    assert "the namespace slo-engine:desk holds 2 groups" in kept.stderr
    assert "--prune" in kept.stderr
    assert set(server.names("team")) == {"slo-engine:desk", "slo-engine:shop"}
    push(server, written(tmp_path), "--prune")
    assert set(server.names("team")) == {"slo-engine:shop"}


def test_dry_run_shows_the_difference_and_sends_nothing(tmp_path: Path, server: RulerServer) -> None:
    assert push(server, written(tmp_path), "--dry-run").returncode == 1
    assert server.names("team") == {}
    push(server, written(tmp_path))
    same = push(server, written(tmp_path), "--dry-run")
    assert (same.returncode, same.stdout) == (0, "")
    before = server.changes()
    changed = push(server, written(tmp_path, objective=98), "--dry-run")
    assert changed.returncode == 1
    assert f"--- slo-engine:shop/{RUNS} (in the ruler)" in changed.stdout
    removed = {line.strip("- ") for line in changed.stdout.splitlines() if line.startswith("-")}
    added = {line.strip("+ ") for line in changed.stdout.splitlines() if line.startswith("+")}
    assert "0.99" in removed
    assert "0.98" in added
    assert not any("labels" in line for line in removed | added), "what did not change is not a part of the difference"
    assert server.changes() == before
    assert "\x1b[" not in changed.stdout, "colours are for terminals"


def test_each_tenant_gets_the_rules(tmp_path: Path, server: RulerServer) -> None:
    done = push(server, written(tmp_path), "--tenant", "a", "--tenant", "b")
    assert done.returncode == 0
    assert server.names("a") == server.names("b") == {"slo-engine:shop": [RUNS, LONG]}
    assert server.names("team") == {}


def test_one_namespace_holds_all_services(tmp_path: Path, server: RulerServer) -> None:
    push(server, written(tmp_path), written(tmp_path, "desk"), "--namespace", "slos")
    assert set(server.names("team")) == {"slos"}
    push(server, written(tmp_path), "--namespace", "slos")
    assert server.names("team") == {"slos": [RUNS, LONG]}


def test_a_group_that_is_refused_does_not_hold_up_the_others(tmp_path: Path, server: RulerServer) -> None:
    old = "slo-engine:shop:old"
    present(server, "team", "slo-engine:shop", old)
    server.answers.append((200, {}, f"slo-engine:shop: [{{name: {old}, rules: []}}]"))
    server.answers.append((400, {}, "per-user rules per rule group limit (limit: 10 actual: 11) exceeded"))
    done = push(server, written(tmp_path))
    assert done.returncode == 1
    assert f"create slo-engine:shop/{RUNS}: the ruler at {server.address}, tenant team did not take" in done.stderr
    assert "limit: 10 actual: 11) exceeded): raise the limit of the tenant" in done.stderr
    assert "not deleted, because other groups could not be sent" in done.stderr
    assert "tenant team: 1 of 3 changes went; push again for the others" in done.stderr
    assert server.names("team") == {"slo-engine:shop": [old, LONG]}


def test_a_failure_that_is_not_the_groups_ends_the_push_of_the_tenant(tmp_path: Path, server: RulerServer) -> None:
    push(server, written(tmp_path), "--tenant", "before")
    server.requests.clear()
    server.answers.extend([(200, {}, "{}"), (403, {}, "read only")])
    done = push(server, written(tmp_path), "--json")
    assert done.returncode == 1
    [tenant] = json.loads(done.stdout)["tenants"]
    assert [change["sent"] for change in tenant["changes"]] == [False, False]
    assert "HTTP 403 (read only)" in tenant["changes"][0]["error"]
    assert tenant["changes"][1]["error"] == "not sent, after this failure"
    assert len(server.requests) == 2


def test_a_tenant_that_fails_does_not_keep_the_others_from_theirs(tmp_path: Path, server: RulerServer) -> None:
    server.answers.append((403, {}, ""))
    done = push(server, written(tmp_path), "--tenant", "a", "--tenant", "b")
    assert done.returncode == 1
    assert "nothing was sent: the ruler at" in done.stderr
    assert "tenant a did not list the rule groups: HTTP 403" in done.stderr
    assert server.names("b") == {"slo-engine:shop": [RUNS, LONG]}


@pytest.mark.parametrize(
    "environment",
    [
        {"MIMIR_AUTH_TOKEN": "s3cret"},
        {"MIMIR_API_KEY": "s3cret", "MIMIR_API_USER": "robot"},
        {"MIMIR_API_KEY": "s3cret"},
    ],
)
def test_credentials_come_from_the_variables_of_mimirtool(tmp_path: Path, environment: dict[str, str]) -> None:
    user = f"{environment.get('MIMIR_API_USER', 'team')}:s3cret" if "MIMIR_API_KEY" in environment else None
    token = environment.get("MIMIR_AUTH_TOKEN")
    with RulerServer(token=token, user=user) as server:
        assert push(server, written(tmp_path), **environment).returncode == 0
        wrong = push(server, written(tmp_path), **{name: f"{value}-wrong" for name, value in environment.items()})
    assert wrong.returncode == 1
    assert "it does not accept" in wrong.stderr
    assert "s3cret" not in wrong.stdout + wrong.stderr


def test_credentials_come_from_files(tmp_path: Path) -> None:
    (tmp_path / "token").write_text("s3cret\n")
    (tmp_path / "user").write_text("robot:s3:cret\n")
    with RulerServer(token="s3cret") as server:
        assert push(server, written(tmp_path), "--token-file", tmp_path / "token").returncode == 0
    with RulerServer(user="robot:s3:cret") as server:
        assert push(server, written(tmp_path), "--user-file", tmp_path / "user").returncode == 0


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (("--address", "mimir:9009"), "must be an http:// or https:// address"),
        (("--token-file", "nowhere"), "nowhere cannot be read: No such file or directory"),
        (("--token-file", "a", "--user-file", "b"), "give one of them"),
        (("--api", "loki"), "mimir"),
        (("--address", "http://[mimir"), "must be an http:// or https:// address"),
        (("--address", "http://mimir:many"), "must be an http:// or https:// address"),
        (("--tenant", "a|b"), "must be one tenant"),
        (("--tenant", "ü"), "must be one tenant"),
    ],
)
def test_a_call_that_cannot_be_meant_is_a_usage_error(tmp_path: Path, arguments: tuple[str, ...], said: str) -> None:
    done = run("rules", "push", str(written(tmp_path)), "--address", "http://127.0.0.1:9", *arguments)
    assert done.returncode == 2
    assert said in done.stderr


def test_a_secret_that_no_header_can_hold_is_not_shown(tmp_path: Path) -> None:
    (tmp_path / "token").write_text("s3cret\nsecond line", encoding="utf-8")
    for arguments, environment in (
        (("--token-file", str(tmp_path / "token")), {}),
        ((), {"MIMIR_AUTH_TOKEN": "s3cret-ü"}),
    ):
        call = ("rules", "push", str(written(tmp_path)), "--address", "http://127.0.0.1:9", *arguments)
        done = run(*call, env=environment)
        assert done.returncode == 2
        assert "must hold the secret alone" in done.stderr
        assert "s3cret" not in done.stderr


def test_mistakes_in_the_slo_files_are_told_before_anything_is_sent(tmp_path: Path, server: RulerServer) -> None:
    file = written(tmp_path)
    file.write_text(file.read_text().replace("objective: 99", "objective: 100"))
    done = push(server, file)
    assert done.returncode == 1
    assert f"{file}:6:" in done.stderr
    assert server.requests == []


def test_what_a_ruler_adds_to_a_group_counts_as_a_change(tmp_path: Path) -> None:
    wanted = namespaces(load([written(tmp_path)]), None)
    group: RuleGroup = build(load([written(tmp_path)]))["shop"][0]
    same = {"slo-engine:shop": [{**group.as_data(), "source_tenants": []}]}
    assert plan(wanted, same).unchanged == 1
    federated = {"slo-engine:shop": [{**group.as_data(), "source_tenants": ["others"]}]}
    assert [change.action for change in plan(wanted, federated).changes] == ["replace", "create"]


def test_groups_that_are_no_groups_are_replaced_and_not_a_crash(tmp_path: Path) -> None:
    wanted = namespaces(load([written(tmp_path)]), None)
    broken = {
        "slo-engine:shop": [{"name": RUNS, "rules": "none"}, "text", {"rules": []}, {"name": LONG, "interval": []}]
    }
    assert [change.action for change in plan(wanted, broken).changes] == ["replace", "replace"]


def on_a_terminal(*arguments: str) -> str:
    """What a person sees: standard output and standard error on one terminal."""
    master, slave = pty.openpty()
    command = [sys.executable, "-m", "slo_engine", *arguments]
    process = subprocess.Popen(
        command, stdin=slave, stdout=slave, stderr=slave, cwd=ROOT, env={**os.environ, "TERM": "xterm"}
    )
    os.close(slave)
    seen = b""
    try:
        while chunk := os.read(master, 4096):
            seen += chunk
    except OSError:  # the last one to hold the other end has closed it
        pass
    os.close(master)
    process.wait(timeout=60)
    return seen.decode()


def test_a_person_sees_colours_and_a_bar(tmp_path: Path, server: RulerServer) -> None:
    arguments = ("rules", "push", str(written(tmp_path)), "--address", server.address, "--tenant", "team")
    assert "\x1b[32m+name: slo-engine:shop:runs\x1b[0m" in on_a_terminal(*arguments, "--dry-run")
    pushed = on_a_terminal(*arguments)
    assert "━" in pushed
    assert "100%" in pushed
    assert f"create slo-engine:shop/{RUNS}" in pushed
