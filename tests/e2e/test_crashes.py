"""What is promised of a page when things go wrong around it: real processes, real kills."""

from __future__ import annotations

import json
import re
import shutil
import socket
import sqlite3
import time
import urllib.request
from pathlib import Path

import pytest

from deploy.stack.stack import REPOSITORY
from tests.alerts.payloads import body
from tests.e2e.engine import get, machine
from tests.waiting import wait_for

pytestmark = [pytest.mark.stack, pytest.mark.takes(seconds=40)]


def test_engine_killed_between_the_2xx_and_the_delivery_delivers_after_its_restart(tmp_path: Path) -> None:
    with machine(tmp_path) as parts:
        parts.start_receiver()
        parts.start_langfuse(delay=60.0)  # holds the page back for the whole evidence budget
        engine = parts.start_engine()
        assert parts.post(body()) == 200
        engine.kill()
        assert parts.received() == []
        parts.start_engine()
        pages = wait_for("the page", parts.received, within=15)
    assert [page["message"]["alerts"][0]["labels"]["slo"] for page in pages] == ["success"]


def test_engine_killed_while_the_sink_is_down_delivers_once_both_are_back(tmp_path: Path) -> None:
    with machine(tmp_path) as parts:
        parts.start_langfuse()
        engine = parts.start_engine()
        assert parts.post(body()) == 200
        alerts = f"{parts.engine_url}/api/v1/alerts"
        wait_for(
            "a failed attempt",
            lambda: [
                page for page in get(alerts)["notifications"] for sent in page["deliveries"] if sent["attempts"] > 0
            ],
            within=15,
        )
        engine.kill()
        parts.start_receiver()
        parts.start_engine()
        pages = wait_for("the page", parts.received, within=30)
    assert len(pages) == 1


def test_page_leaves_within_its_budget_when_langfuse_hangs(tmp_path: Path) -> None:
    with machine(tmp_path, settings={"evidence": {"budget": "1s"}}) as parts:
        parts.start_receiver()
        parts.start_langfuse(delay=60.0)
        parts.start_engine()
        started = time.monotonic()
        assert parts.post(body()) == 200
        answered = time.monotonic() - started
        page = wait_for("the page", parts.received, within=10)[0]["message"]
        arrived = time.monotonic() - started
    assert answered < 1.0
    assert arrived < 4.0
    missing = {each["source"]: each["reason"] for each in page["enrichment"]["missing"]}
    assert re.search(r"(no answer|did not answer) within [01](\.\d+)? s", missing["langfuse"])
    assert "Without langfuse" in page["alerts"][0]["annotations"]["slo_engine_missing"]


def test_page_leaves_when_langfuse_and_prometheus_are_down(tmp_path: Path) -> None:
    with machine(tmp_path) as parts:
        parts.start_receiver()
        parts.start_engine()
        assert parts.post(body()) == 200
        page = wait_for("the page", parts.received, within=10)[0]["message"]
    assert {each["source"] for each in page["enrichment"]["missing"]} == {"langfuse", "prometheus"}
    assert page["alerts"][0]["annotations"]["summary"] == "agents success support_agent: 22% of events fail over 1h"


def test_engine_ends_when_it_is_told_to_while_prometheus_hangs(tmp_path: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as hangs:
        url = f"http://127.0.0.1:{hangs.getsockname()[1]}"
        with machine(tmp_path, settings={"prometheus": {"url": url, "timeout": "60s"}}) as parts:
            engine = parts.start_engine()
            with hangs.accept()[0]:  # it asks, and is not answered
                started = time.monotonic()
                engine.stop()
                took = time.monotonic() - started
    assert took < 8.0


@pytest.mark.parametrize(
    "malformed", [b"", b"{", b"\xff\xfe", b"[]", b'{"alerts": null}', b'{"text": "custom payload"}', b"[" * 100_000]
)
def test_malformed_body_is_stored_answered_2xx_counted_and_shown(tmp_path: Path, malformed: bytes) -> None:
    with machine(tmp_path) as parts:
        parts.start_engine()
        assert parts.post(malformed) == 200
        found = wait_for("the quarantine", lambda: get(f"{parts.engine_url}/api/v1/alerts")["quarantined"], within=10)
        with urllib.request.urlopen(f"{parts.engine_url}/metrics") as response:
            metrics = response.read().decode()
        with urllib.request.urlopen(f"{parts.engine_url}/") as response:
            shown = response.read().decode()
        with sqlite3.connect(tmp_path / "slo-engine.db") as store:
            bodies = store.execute("SELECT body FROM inbox WHERE state = 'quarantined'").fetchall()
    assert bodies == [(malformed,)]
    assert 'slo_engine_waiting_messages{step="inbox"}' in metrics
    assert len(found) == 1
    assert found[0]["error"]
    assert "slo_engine_inbox_quarantined_total 1.0" in metrics
    assert "Could not be understood" in shown
    assert found[0]["error"].replace("'", "&#39;") in shown


def test_slo_file_that_breaks_leaves_the_last_good_set_in_force_and_says_so(tmp_path: Path) -> None:
    slos = tmp_path / "slos"
    shutil.copytree(REPOSITORY / "slos", slos)
    with machine(tmp_path, slos=slos) as parts:
        parts.start_engine()
        readyz = f"{parts.engine_url}/readyz"
        assert get(readyz)["slo_files"] == {"slos": 7, "state": "ok"}
        good = (slos / "agents.yaml").read_text()
        (slos / "agents.yaml").write_text(good.replace("objective: 98", "objective: 100"))
        said = wait_for("the mistake", lambda: get(readyz)["slo_files"].get("problems"), within=15)
        state = get(readyz)
        with urllib.request.urlopen(f"{parts.engine_url}/metrics") as response:
            metrics = response.read().decode()
        (slos / "agents.yaml").write_text(good + "\n")
        wait_for("the mended file", lambda: get(readyz)["slo_files"]["state"] == "ok", within=15)
        log = [json.loads(line)["message"] for line in parts.log().splitlines()]
    assert state["ready"] is True
    assert state["slo_files"]["slos"] == 7
    assert "keeping the last valid configuration" in state["slo_files"]["state"]
    assert len(said) == 1
    assert "agents.yaml:13:16: slos[0].objective: must be below 100" in said[0]
    assert "slo_engine_slo_files_last_reload_successful 0.0" in metrics
    assert any("SLO file rejected" in message and "agents.yaml:13:16" in message for message in log)
