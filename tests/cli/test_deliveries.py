"""``slo-engine deliveries``, beside an engine that has the store open."""

from __future__ import annotations

import json
import os
import pty
import subprocess
import sys
import time
from collections.abc import Iterator, Sequence
from functools import partial
from pathlib import Path
from typing import Any

import pytest
import yaml

from slo_engine.notifications import Evidence, Section, Topic
from slo_engine.store import outbox
from tests.alerts.payloads import notification
from tests.cli.test_commands import ROOT, run
from tests.store.claims import claim
from tests.web.site import SLOS, Site

pytestmark = pytest.mark.takes(seconds=20)

SINKS = [{"name": name, "type": "webhook", "url": "http://127.0.0.1:1/hook"} for name in ("pager", "chat")]


@pytest.fixture
def site(tmp_path: Path) -> Iterator[Site]:
    site = Site(tmp_path)
    yield site
    site.database.close()


@pytest.fixture
def settings(tmp_path: Path) -> str:
    file = tmp_path / "slo-engine.yaml"
    content = {"slos": [str(SLOS)], "sinks": SINKS, "store": {"url": f"sqlite:///{tmp_path / 'store.db'}"}}
    file.write_text(yaml.safe_dump(content))
    return str(file)


def bury(site: Site, error: str = "HTTP 401: token rejected") -> None:
    for claimed in claim(site.database):
        site.database.write(partial(outbox.bury, claimed=claimed, error=error))


def add(site: Site, key: str = "a", sinks: Sequence[str] = ("pager",), **other: Any) -> None:
    site.add(notification(group_key=key), time.time() - 7200, sinks=sinks, **other)


def test_dead_letters_are_listed_with_their_reason_and_age_and_sent_again(site: Site, settings: str) -> None:
    add(site)
    bury(site)
    add(site, "waits")
    listed = run("deliveries", "list", "--config", settings)
    assert listed.returncode == 0
    assert "2h ago" in listed.stdout
    assert "HTTP 401: token rejected" in listed.stdout
    assert listed.stderr == "1 dead letter\n"
    done = run("deliveries", "resend", "1", "--yes", "--config", settings)
    assert (done.returncode, done.stdout, done.stderr) == (0, "1 sent again\n", "")
    assert site.database.read(outbox.counts) == {("pager", "pending"): 2}
    again = run("deliveries", "resend", "--all", "--yes", "--config", settings)
    assert (again.returncode, again.stdout) == (0, "0 sent again\n")


def test_list_is_narrowed_by_sink_state_and_time_and_written_for_scripts(site: Site, settings: str) -> None:
    add(site, sinks=["pager", "chat"])
    bury(site)
    add(site, "b", sinks=["chat"])

    def listed(*options: str) -> list[tuple[int, str]]:
        found = json.loads(run("deliveries", "list", "--json", "--config", settings, *options).stdout)
        assert found["total"] == len(found["deliveries"])
        return [(each["id"], each["state"]) for each in found["deliveries"]]

    assert listed() == [(2, "dead"), (1, "dead")]
    assert listed("--sink", "chat") == [(2, "dead")]
    assert listed("--state", "all", "--sink", "chat") == [(3, "waiting"), (2, "dead")]
    assert listed("--since", "1h") == []
    assert listed("--since", "3h", "--until", "2000-01-01T00:00:00Z") == []


def test_delivery_is_shown_with_its_evidence_and_nothing_that_a_terminal_obeys(site: Site, settings: str) -> None:
    evidence = Evidence("2026-11-27T12:00:00+00:00", 0.5, (_topic("tool crm_lookup: TimeoutError\x1b[2J"),))
    add(site, evidence=evidence)
    bury(site, "HTTP 403: Bearer sk-live-4fJ9Kq2LmN8pQrS6tUvWxYz0 rejected")
    shown = run("deliveries", "show", "1", "--config", settings)
    assert shown.returncode == 0
    assert "tool crm_lookup: TimeoutError" in shown.stdout
    assert "\x1b" not in shown.stdout
    assert "4fJ9Kq2LmN8pQrS6tUvWxYz0" not in shown.stdout
    assert "attempts     1\n" in shown.stdout
    document = json.loads(run("deliveries", "show", "1", "--json", "--config", settings).stdout)
    assert (document["state"], document["message"]["receiver"]) == ("dead", notification()["receiver"])
    missing = run("deliveries", "show", "99", "--config", settings)
    assert (missing.returncode, "there is no delivery 99" in missing.stderr) == (1, True)


def _topic(answer: str) -> Topic:
    return Topic("agents", "success", {"agent_type": "support_agent"}, ("x",), (Section("answer", answer),))


def test_what_waits_for_a_sink_that_is_gone_goes_to_another(site: Site, settings: str) -> None:
    add(site, sinks=["old"])
    listed = run("deliveries", "list", "--state", "waiting", "--config", settings)
    assert "old (not in the settings)" in listed.stdout
    which = ("deliveries", "resend", "--sink", "old", "--state", "waiting", "--yes", "--config", settings)
    refused = run(*which)
    assert refused.returncode == 1
    assert "1: not sent again: there is no sink old in the settings any more" in refused.stderr
    done = run(*which, "--to", "chat", "--json")
    assert (done.returncode, json.loads(done.stdout)) == (0, {"resent": 1, "ids": [1], "skipped": []})
    assert site.database.read(outbox.counts) == {("chat", "pending"): 1}


def test_what_is_over_is_sent_again_only_when_that_is_said(site: Site, settings: str) -> None:
    add(site)
    bury(site)
    site.add(notification(status="resolved", group_key="a"), time.time(), sinks=["pager"])
    for claimed in claim(site.database):
        site.database.write(partial(outbox.delivered, claimed=claimed))
    refused = run("deliveries", "resend", "--all", "--yes", "--config", settings)
    assert (refused.returncode, refused.stdout) == (1, "0 sent again, 1 not\n")
    assert "--outdated sends it all the same" in refused.stderr
    assert run("deliveries", "resend", "--all", "--outdated", "--yes", "--config", settings).returncode == 0


@pytest.mark.parametrize(
    ("arguments", "told"),
    [
        ((), "say which: IDs, or --all"),
        (("1", "--all"), "but not both"),
        (("--all", "--to", "nobody"), "there is no sink 'nobody'; write one of pager, chat"),
        (("--all", "--since", "yesterday"), "--since: write a time such as"),
        (("--all",), "1 notification would be sent again: add --yes"),
    ],
)
def test_call_that_cannot_be_meant_changes_nothing(
    site: Site, settings: str, arguments: tuple[str, ...], told: str
) -> None:
    add(site)
    bury(site)
    done = run("deliveries", "resend", *arguments, "--config", settings)
    assert done.returncode == 2
    assert told in done.stderr
    assert site.database.read(outbox.counts) == {("pager", "dead"): 1}


def test_store_that_is_not_there_is_told(tmp_path: Path, settings: str) -> None:
    done = run("deliveries", "list", "--config", settings)
    assert (done.returncode, "does not exist: look at store.url" in done.stderr) == (1, True)
    assert list(tmp_path.glob("store.db*")) == []


@pytest.mark.parametrize(("answer", "code", "state"), [("n", 1, "dead"), ("y", 0, "pending")])
def test_on_a_terminal_it_asks(site: Site, settings: str, answer: str, code: int, state: str) -> None:
    add(site)
    bury(site)
    ours, theirs = pty.openpty()
    command = [sys.executable, "-m", "slo_engine", "deliveries", "resend", "--all", "--config", settings]
    os.write(ours, f"{answer}\n".encode())
    try:
        done = subprocess.run(command, stdin=theirs, capture_output=True, text=True, cwd=ROOT, timeout=60, check=False)
    finally:
        os.close(ours)
        os.close(theirs)
    assert "Send 1 notification again?" in done.stderr
    assert done.returncode == code
    assert site.database.read(outbox.counts) == {("pager", state): 1}
