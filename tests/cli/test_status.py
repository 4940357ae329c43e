"""`slo-engine status` as scripts and people use it, with a stand-in for Prometheus that has recorded these groups."""

from __future__ import annotations

import json
import os
import pty
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler
from pathlib import Path
from subprocess import CompletedProcess
from typing import Any
from urllib.parse import parse_qs

import pytest

from slo_engine.definitions.labels import LONG_WINDOW, SERVICE, SEVERITY, SHORT_WINDOW, SLO, WINDOW
from slo_engine.recording.names import BURN_ALERT, ERROR_RATIO, ERRORS_SUM, TOTAL_SUM
from tests.cli.test_commands import ROOT, run
from tests.prometheus.test_client import saying, serving

SHOP = """
version: slo-engine/v1
service: shop
owner: web
labels: {tier: gold}
defaults: {by: [agent_type]}
slos:
  - name: runs
    objective: 99
    alerting: {severities: {page: critical}}
    sli: {events: {total: runs_total, errors: 'runs_total{status="error"}'}}
  - name: spend
    sli: {cost: {spend: usd_total, budget: 3000 USD}}
"""
DESK = """
version: slo-engine/v1
service: desk
slos:
  - name: runs
    objective: 95
    sli: {events: {total: tickets_total, errors: 'tickets_total{status="error"}'}}
"""

Labels = dict[str, str]
HELPER: Labels = {SERVICE: "shop", SLO: "runs", "agent_type": "helper"}
WRITER: Labels = {SERVICE: "shop", SLO: "runs", "agent_type": "[bold]writer"}
SPENDER: Labels = {SERVICE: "shop", SLO: "spend", "agent_type": "helper"}
TICKETS: Labels = {SERVICE: "desk", SLO: "runs"}
RATIOS = [(HELPER, 0.004), (WRITER, 0.2), (TICKETS, 0.01)]
"""Of the last hour."""
SUMS = [(HELPER, 1000.0, 4.0), (WRITER, 100.0, 2.0), (SPENDER, 3000.0, 2710.0), (TICKETS, 100.0, 1.0)]
FIRING = [({**WRITER, SEVERITY: "critical", LONG_WINDOW: "1h"}), ({**TICKETS, SEVERITY: "ticket", LONG_WINDOW: "3d"})]


def answer(handler: BaseHTTPRequestHandler, body: bytes) -> None:
    query, at = parse_qs(body.decode())["query"][0], time.time()
    found: list[dict[str, Any]] = []
    form = "vector"
    if query.startswith("ALERTS"):
        labels: list[Labels] = [{"alertname": BURN_ALERT, SHORT_WINDOW: "5m", **each} for each in FIRING]
        found = [{"metric": each, "value": [at, "1"]} for each in labels]
    elif query.startswith(ERROR_RATIO):
        found = [{"metric": {**each, WINDOW: "1h"}, "value": [at, str(ratio)]} for each, ratio in RATIOS]
    elif query.startswith("{__name__"):
        form = "matrix"
        for each, total, errors in SUMS:
            for name, value in ((TOTAL_SUM, total), (ERRORS_SUM, errors)):
                found.append({"metric": {"__name__": name, **each, WINDOW: "30d"}, "values": [[at - 60, str(value)]]})
    saying(200, {"status": "success", "data": {"resultType": form, "result": found}})(handler, body)


@pytest.fixture(scope="module")
def prometheus() -> Iterator[str]:
    with serving(answer) as url:
        yield url


@pytest.fixture
def slos(tmp_path: Path) -> Path:
    folder = tmp_path / "slos"
    folder.mkdir()
    (folder / "shop.yaml").write_text(SHOP)
    (folder / "desk.yaml").write_text(DESK)
    return folder


def status(prometheus: str, slos: Path, *arguments: str) -> CompletedProcess[str]:
    return run("status", *arguments, cwd=slos.parent, SLO_ENGINE_PROMETHEUS__URL=prometheus)


def shown(prometheus: str, slos: Path, *arguments: str) -> list[str]:
    """Service, SLO and first value of the group of each row, as they follow each other."""
    done = status(prometheus, slos, "--json", *arguments)
    assert done.returncode == 0, done.stderr
    return ["/".join([each["service"], each["slo"], *each["group"].values()]) for each in json.loads(done.stdout)]


ALL = ["desk/runs", "shop/runs/[bold]writer", "shop/runs/helper", "shop/spend/helper"]


@pytest.mark.parametrize(
    ("options", "expected"),
    [
        ("", ALL),
        ("--service shop", ALL[1:]),
        ("--service shop --service desk", ALL),
        ("--slo runs", ALL[:3]),
        ("--slo shop/runs", ALL[1:3]),
        ("--label agent_type=helper", ALL[2:]),
        ("--label tier=gold", ALL[1:]),
        ("--label owner=web --label agent_type=helper --slo runs", ALL[2:3]),
        ("--firing", ALL[:2]),
        ("--firing --service shop", ALL[1:2]),
        ("--sort name", ALL),
        ("--sort budget", [ALL[1], ALL[3], ALL[2], ALL[0]]),
        ("--sort burn", [ALL[1], ALL[2], ALL[0], ALL[3]]),
    ],
)
def test_groups_are_chosen_and_ordered(prometheus: str, slos: Path, options: str, expected: list[str]) -> None:
    assert shown(prometheus, slos, *options.split()) == expected


@pytest.mark.parametrize(
    ("option", "code", "said"),
    [
        ("--service=shops", 2, "there is no service 'shops'; there are: desk, shop"),
        ("--slo=run", 2, "there is no SLO 'run'; there are: desk/runs, shop/runs, shop/spend"),
        ("--label=helper", 2, "'helper' is not a label and value: write --label agent_type=support_agent"),
        ("--label=agent_type=help", 1, "no group of these SLOs has agent_type=help"),
        ("--watch", 2, "--watch is for a terminal"),
    ],
)
def test_what_is_not_there_is_told(prometheus: str, slos: Path, option: str, code: int, said: str) -> None:
    done = status(prometheus, slos, option)
    assert done.returncode == code
    # typer draws a box around what is wrong with the call.
    assert said in " ".join(done.stderr.replace("│", " ").split())
    assert done.stdout == ""


def test_the_table_names_the_labels_of_groups_and_says_what_is_spent(prometheus: str, slos: Path) -> None:
    lines = {line.split()[1] + line.split()[2]: line for line in status(prometheus, slos).stdout.splitlines()}
    assert "agent_type=helper" in lines["runsagent_type=helper"]
    assert "2,710.00 USD of 3,000.00 USD" in lines["spendagent_type=helper"]
    # A value is not taken for markup.
    assert "agent_type=[bold]writer" in lines["runsagent_type=[bold]writer"]
    assert lines["runsagent_type=[bold]writer"].rstrip().endswith("critical 1h")
    assert "spent" not in status(prometheus, slos, "--service", "desk").stdout


def test_nothing_fires_is_said_and_no_failure(prometheus: str, slos: Path) -> None:
    done = status(prometheus, slos, "--firing", "--slo", "spend")
    assert (done.returncode, done.stdout, done.stderr) == (0, "", "no alert fires for these SLOs\n")


@pytest.mark.parametrize(
    ("options", "said"),
    [
        ("--fail-on page", ["page: shop/runs agent_type=[bold]writer"]),
        ("--fail-on ticket", ["ticket: desk/runs", "ticket: shop/runs agent_type=[bold]writer"]),
        ("--fail-on exhausted", ["exhausted: shop/runs agent_type=[bold]writer"]),
        (
            "--fail-on page --fail-on exhausted --service shop --json",
            ["page: shop/runs agent_type=[bold]writer", "exhausted: shop/runs agent_type=[bold]writer"],
        ),
        ("--fail-on page --service desk", []),
        ("--fail-on exhausted --slo spend", []),
    ],
)
def test_a_script_fails_on_what_it_names(prometheus: str, slos: Path, options: str, said: list[str]) -> None:
    done = status(prometheus, slos, *options.split())
    assert done.returncode == (1 if said else 0)
    assert done.stderr.splitlines() == [f"--fail-on {each}" for each in said]
    assert done.stdout


def test_a_broken_slo_file_hides_no_slo_of_the_others(prometheus: str, slos: Path) -> None:
    (slos / "desk.yaml").write_text(DESK.replace("95", "195"))
    done = status(prometheus, slos, "--json")
    assert done.returncode == 1
    assert [each["service"] for each in json.loads(done.stdout)] == ["shop"] * 3
    assert done.stderr.startswith("slos/desk.yaml:6:16: slos[0].objective: ")
    assert "agent_type=helper" in status(prometheus, slos).stdout


def test_without_an_slo_that_is_right_prometheus_is_not_asked(slos: Path) -> None:
    for file in slos.iterdir():
        file.write_text("version: slo-engine/v1\nservice: Shop\n")
    done = status("http://127.0.0.1:9", slos)
    assert done.returncode == 1
    assert "slos/shop.yaml:2:10: service: must be lower-case letters" in done.stderr
    assert "127.0.0.1" not in done.stderr


@contextmanager
def watching(prometheus: str, slos: Path, *options: str) -> Iterator[Callable[[Callable[[bytes], bool]], None]]:
    """`status` with these options on a terminal; yields what reads on until that looks as it should. Ends with Ctrl-C,
    and sees that this is no failure."""
    terminal, side = pty.openpty()
    environment = {**os.environ, "SLO_ENGINE_PROMETHEUS__URL": prometheus, "TERM": "xterm", "COLUMNS": "200"}
    process = subprocess.Popen(
        [sys.executable, "-m", "slo_engine", "status", *options, str(slos)],
        stdin=side,
        stdout=side,
        stderr=side,
        cwd=slos.parent,
        env={**environment, "PYTHONPATH": str(ROOT)},
    )
    os.close(side)
    drawn = b""

    def read_until(is_seen: Callable[[bytes], bool]) -> None:
        nonlocal drawn
        while not is_seen(drawn):
            drawn += os.read(terminal, 65536)

    try:
        yield read_until
        process.send_signal(signal.SIGINT)
        assert process.wait(timeout=20) == 0
    finally:
        process.kill()
        process.wait()
        os.close(terminal)


@pytest.mark.parametrize(
    ("options", "looks", "seconds"), [(["--watch", "1"], 2, 1), (["-w", "1"], 2, 1), (["--watch"], 1, 10)]
)
def test_watching_draws_again_until_ctrl_c(
    prometheus: str, slos: Path, options: list[str], looks: int, seconds: int
) -> None:
    with watching(prometheus, slos, *options) as read_until:
        heading = f"every {seconds} s; Ctrl-C ends it".encode()
        read_until(lambda drawn: drawn.count(heading) == looks and b"3,000.00 USD" in drawn.rpartition(heading)[2])


def test_watching_goes_on_while_prometheus_is_away_and_keeps_the_last_look(slos: Path) -> None:
    is_away = threading.Event()

    def sometimes(handler: BaseHTTPRequestHandler, body: bytes) -> None:
        (saying(503, b"") if is_away.is_set() else answer)(handler, body)

    with serving(sometimes) as url, watching(url, slos, "--watch", "1") as read_until:
        read_until(lambda drawn: b"3,000.00 USD" in drawn)
        is_away.set()
        kept = b"below is the last look; every 1 s"
        read_until(lambda drawn: b"HTTP 503" in drawn and b"3,000.00 USD" in drawn.rpartition(kept)[2])
        is_away.clear()
        read_until(lambda drawn: b"UTC, every 1 s" in drawn.rpartition(kept)[2])
