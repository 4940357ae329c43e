"""SLO files beside a running engine and a real Prometheus: edited, broken and corrected, the rules follow."""

from __future__ import annotations

import json
import os
import signal
import urllib.error
import urllib.request
from collections.abc import Iterator, Mapping
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import pytest

from deploy.stack.processes import Process
from deploy.stack.servers import Prometheus
from tests.e2e.engine import Machine, get
from tests.waiting import wait_for

pytestmark = [pytest.mark.stack, pytest.mark.takes(seconds=60)]

TOKEN = "t0ken-of-the-webhook"

SLOS = """
version: slo-engine/v1
service: shop
slos:
  - name: success
    objective: 98
    sli: {events: {total: requests_total, errors: 'requests_total{status="error"}'}}
"""
MORE = (
    SLOS
    + """
  - name: speed
    objective: 95
    sli: {latency: {histogram: request_seconds, threshold: 1s}}
"""
)
BROKEN = SLOS.replace("objective: 98", "objective: 100")


class World:
    """An engine that rolls out the rules of a folder of SLO files to a Prometheus."""

    def __init__(self, folder: Path, stack: ExitStack) -> None:
        self.slos = folder / "slos"
        self.slos.mkdir()
        self.rules = folder / "rules"
        self.prometheus = Prometheus(folder / "prometheus", rules=[self.rules / "*.yaml"], scrape_interval="1s")
        stack.enter_context(self.prometheus)
        settings = {
            "slos": [str(self.slos)],
            "prometheus": {"url": self.prometheus.url, "timeout": "2s"},
            "rules": {"write_to": str(self.rules)},
            "webhook": {"token": TOKEN},
        }
        self.machine = Machine(folder, stack, settings=settings)
        self.write(SLOS)
        self.engine: Process = self.machine.start_engine()

    def write(self, text: str) -> None:
        (self.slos / "shop.yaml").write_text(text)

    def loaded(self) -> set[str]:
        """The SLOs whose rules Prometheus runs."""
        groups = get(f"{self.prometheus.url}/api/v1/rules")["data"]["groups"]
        return {group["name"].split(":")[2] for group in groups}

    def ready(self) -> Mapping[str, Any]:
        found: Mapping[str, Any] = get(f"{self.machine.engine_url}/readyz")
        return found

    def metric(self, name: str) -> float:
        with urllib.request.urlopen(f"{self.machine.engine_url}/metrics") as response:
            lines = response.read().decode().splitlines()
        return next(float(line.split()[1]) for line in lines if line.startswith(f"{name} "))

    def reload(self, token: str = TOKEN) -> tuple[int, Mapping[str, Any]]:
        request = urllib.request.Request(f"{self.machine.engine_url}/-/reload", method="POST")
        request.add_header("authorization", f"Bearer {token}")
        try:
            with urllib.request.urlopen(request, timeout=20) as response:
                return response.status, json.load(response)
        except urllib.error.HTTPError as error:
            return error.code, json.load(error)

    def runs(self, *slos: str, within: float = 60) -> None:
        """Wait until Prometheus runs the rules of exactly these SLOs, and the engine knows it."""
        wait_for(
            f"rules of {slos}",
            lambda: self.loaded() == set(slos) and self.ready()["rules"]["state"] == "ok",
            within=within,
        )


@pytest.fixture(scope="module")
def world(tmp_path_factory: pytest.TempPathFactory) -> Iterator[World]:
    with ExitStack() as stack:
        yield World(tmp_path_factory.mktemp("rollout"), stack)


def test_rules_are_there_after_the_start_and_follow_an_edit_within_a_minute(world: World) -> None:
    world.write(SLOS)
    world.runs("success")
    world.write(MORE)
    world.runs("success", "speed")
    assert world.metric('slo_engine_rules_rolled_out{destination="folder"}') == 1.0


def test_a_broken_file_changes_nothing_and_a_corrected_one_is_taken_up(world: World) -> None:
    world.write(MORE)
    world.runs("success", "speed")
    world.write(BROKEN)
    wait_for("the mistake", lambda: world.ready()["slo_files"].get("problems"), within=30)
    state = world.ready()
    assert state["ready"]
    assert state["slo_files"]["state"] == "SLO files rejected; keeping the last valid configuration"
    assert state["rules"]["state"] == "ok"
    assert world.loaded() == {"success", "speed"}
    assert world.metric("slo_engine_slo_files_last_reload_successful") == 0.0
    world.write(SLOS)
    world.runs("success")
    assert "problems" not in world.ready()["slo_files"]


def test_sighup_reloads_and_ends_nothing(world: World) -> None:
    world.write(SLOS)
    world.runs("success")
    stat = (world.slos / "shop.yaml").stat()
    # Same size and time: only a reload that is asked for sees it.
    world.write(SLOS.replace("name: success", "name: suxcess"))
    os.utime(world.slos / "shop.yaml", ns=(stat.st_atime_ns, stat.st_mtime_ns))
    os.kill(world.engine.pid, signal.SIGHUP)
    world.runs("suxcess", within=20)
    assert not world.engine.has_ended


def test_a_reload_by_http_answers_with_what_it_did(world: World) -> None:
    assert world.reload("wrong")[0] == 401
    world.write(MORE)
    status, answer = world.reload()
    assert (status, answer["slo_files"]["slos"], answer["rules"]["state"]) == (200, 2, "ok")
    assert world.loaded() == {"success", "speed"}
    world.write(BROKEN)
    status, answer = world.reload()
    assert status == 422
    assert "must be below 100" in answer["slo_files"]["problems"][0]
    assert answer["rules"]["state"] == "ok"
    assert world.loaded() == {"success", "speed"}
    world.write(SLOS)
    assert world.reload()[0] == 200
    assert world.loaded() == {"success"}


def test_a_rule_file_edited_by_hand_is_put_right(world: World) -> None:
    world.write(SLOS)
    world.reload()
    file = world.rules / "shop.yaml"
    wanted = file.read_text()
    file.write_text(wanted.replace("severity: page", "severity: ticket"))
    assert world.reload()[1]["rules"]["state"] == "ok"
    assert file.read_text() == wanted


def test_a_prometheus_that_does_not_answer_is_said_and_made_up_for(world: World) -> None:
    world.write(SLOS)
    world.reload()
    os.kill(world.prometheus.pid, signal.SIGSTOP)
    try:
        world.write(MORE)
        status, answer = world.reload()
        assert (status, answer["rules"]["state"]) == (503, "failed")
        assert "did not answer within 2 s" in answer["rules"]["message"]
        assert world.ready()["ready"]
        assert world.metric('slo_engine_rules_rolled_out{destination="folder"}') == 0.0
    finally:
        os.kill(world.prometheus.pid, signal.SIGCONT)
    assert world.reload()[0] == 200
    assert world.loaded() == {"success", "speed"}
