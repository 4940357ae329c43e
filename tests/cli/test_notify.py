"""``slo-engine notify`` and ``slo-engine policy``."""

from __future__ import annotations

import json
from pathlib import Path

import httpx
import pytest
import yaml

from deploy.stack.processes import free_port
from slo_engine.notifications import as_payload
from slo_engine.notifications.message import Kind
from slo_engine.notifications.samples import as_a_test, sample
from slo_engine.posts.crossings import State
from slo_engine.posts.settings import BudgetPolicySettings
from slo_engine.store import budgets
from tests.alerts.payloads import SUCCESS_LABELS, notification
from tests.cli.test_commands import run
from tests.web.site import SLOS, Site

SETTINGS = {
    "slos": [str(SLOS)],
    "sinks": [
        {"name": "lines", "type": "console", "templates": {"firing": {"title": "MINE {{ title }}"}}},
        {"name": "pager", "type": "webhook", "url": "http://127.0.0.1:1/hook", "timeout": "2s"},
    ],
    "routes": [
        {"match": {"severity": "page", "owner": "ai-platform"}, "sinks": ["pager", "lines"]},
        {"match": {"hours": {"begin": "22:00", "end": "06:00"}}, "sinks": []},
    ],
}


@pytest.fixture
def settings(tmp_path: Path) -> str:
    file = tmp_path / "slo-engine.yaml"
    file.write_text(yaml.safe_dump(SETTINGS))
    return str(file)


def written(tmp_path: Path, **labels: str) -> str:
    file = tmp_path / "payload.json"
    file.write_text(json.dumps(notification(labels={**SUCCESS_LABELS, **labels})))
    return str(file)


def test_a_preview_shows_what_each_sink_would_be_sent(settings: str) -> None:
    done = run("notify", "preview", "--config", settings)
    assert done.returncode == 0
    assert "MINE agents success support_agent" in done.stdout
    assert '"enrichment": {"version": "1"' in done.stdout


@pytest.mark.parametrize("kind", ["firing", "resolved", "update", "status", "digest", "report"])
def test_there_is_a_sample_of_each_kind(settings: str, kind: str) -> None:
    done = run("notify", "preview", "--config", settings, "--sink", "lines", "--kind", kind)
    assert done.returncode == 0
    assert len(done.stdout.splitlines()) > 2
    assert "[test]" not in done.stdout


@pytest.mark.parametrize("kind", ["firing", "resolved", "update", "status", "digest", "report"])
def test_what_is_sent_says_that_it_is_a_test(kind: Kind) -> None:
    message = as_a_test(sample(kind))
    assert message.title.startswith("[test] ")
    said = as_payload(message)
    told = [each["annotations"]["summary"] for each in said.get("alerts", ())] or [said["title"]]
    assert all(each.startswith("[test] ") for each in told)


def test_a_preview_is_sent_and_says_how_that_went(settings: str) -> None:
    done = run("notify", "preview", "--config", settings, "--send")
    assert done.returncode == 1
    assert "delivered" in done.stdout
    assert "[test] agents success support_agent" in done.stdout
    assert "not delivered: the webhook at http://127.0.0.1:1 cannot be reached: connection refused" in done.stdout


def test_a_sink_that_is_not_there_is_wrong_usage(settings: str) -> None:
    done = run("notify", "preview", "--config", settings, "--sink", "pigeon")
    assert (done.returncode, "write one of lines, pager" in done.stderr) == (2, True)


def test_where_a_notification_would_go(settings: str, tmp_path: Path) -> None:
    done = run("notify", "routes", written(tmp_path), "--config", settings)
    assert done.returncode == 0
    assert done.stdout.splitlines()[-1] == "goes to: pager, lines"
    asked = ("notify", "routes", written(tmp_path, severity="info"), "--config", settings, "--at")
    assert run(*asked, "2026-11-23T23:00:00Z").stdout.splitlines()[-1] == "goes to: nobody"
    assert "none matches: all sinks" in run(*asked, "2026-11-23T12:00:00Z").stdout


def test_where_a_notification_would_go_for_scripts(settings: str, tmp_path: Path) -> None:
    found = json.loads(run("notify", "routes", written(tmp_path), "--config", settings, "--json").stdout)
    assert found["sinks"] == ["pager", "lines"]
    assert [(each["owner"], each["routes"]) for each in found["alerts"]] == [("ai-platform", [1])]


@pytest.mark.parametrize(
    ("arguments", "code", "said"),
    [
        (("missing.json",), 2, "missing.json cannot be read: No such file"),
        (("broken.json",), 1, "not JSON"),
        (("fine.json", "--at", "noon"), 2, "--at: write a time such as"),
    ],
)
def test_what_cannot_be_routed_is_explained(
    settings: str, tmp_path: Path, arguments: tuple[str, ...], code: int, said: str
) -> None:
    (tmp_path / "broken.json").write_text("{")
    (tmp_path / "fine.json").write_text("{}")
    done = run("notify", "routes", *arguments, "--config", settings, cwd=tmp_path)
    assert (done.returncode, said in done.stderr) == (code, True), done.stderr


POLICY = BudgetPolicySettings.model_validate(
    {"match": {"slo": "success"}, "steps": [{"at": 0, "text": "no releases but fixes", "freeze": True}]}
).policy()


def test_a_release_is_asked_for(tmp_path: Path) -> None:
    site = Site(tmp_path, policies=[POLICY])
    with site.served() as address:
        done = run("policy", "check", "agents", "--engine", address)
        assert (done.returncode, done.stdout) == (1, "agents: releases unknown: the SLOs were evaluated never\n")
        assert run("policy", "check", "agents", "--engine", address, "--allow-unknown").returncode == 0
        state = State(policies={POLICY.steps[0].identity: 1_764_000_000.0}).as_json()
        key = budgets.group_key("agents", "success", {"agent_type": "support_agent"})
        site.database.write(lambda connection: budgets.set_states(connection, 0.0, {key: state}))
        done = run("policy", "check", "agents", "--engine", address)
        assert done.returncode == 1
        assert "releases frozen: agents success agent_type=support_agent: no releases but fixes" in done.stdout
        assert run("policy", "check", "agents", "--engine", address, "--allow-unknown").returncode == 1
        found = json.loads(run("policy", "check", "agents", "--engine", address, "--json").stdout)
        assert found == httpx.get(f"{address}/api/v1/budget-policy/agents").json()
        assert found["steps"][0]["freeze"] is True
        done = run("policy", "check", "nobody", "--engine", address)
        assert (done.returncode, "knows no service 'nobody'" in done.stdout) == (1, True)
    site.database.close()


def test_an_engine_that_is_not_there_is_unknown_and_no_release(tmp_path: Path) -> None:
    done = run("policy", "check", "agents", "--engine", f"http://127.0.0.1:{free_port()}")
    assert (done.returncode, "cannot be reached: connection refused" in done.stdout) == (1, True)
    assert run("policy", "check", "agents", "--engine", "engine:8090").returncode == 2
