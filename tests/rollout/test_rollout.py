"""Rules brought to where they are evaluated, and compared with what runs there."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import yaml

from slo_engine.definitions import SloSet, load
from slo_engine.errors import SloEngineError
from slo_engine.prometheus import PrometheusError
from slo_engine.rollout import render
from slo_engine.rollout.rollout import Rollout, RolloutStatus, RuleFolder, RulerNamespaces
from slo_engine.rollout.ruler import RulerError
from slo_engine.rules import build

SLOS = load([Path(__file__).parent.parent.parent / "slos"])
FEWER = replace(SLOS, slos=SLOS.slos[:1])


class FakePrometheus:
    """Loads the files of a folder when it is told to, and says what it has loaded."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self.groups: list[dict[str, Any]] = []
        self.reloads = 0
        self.error: SloEngineError | None = None
        self.is_deaf = False
        """Reloads, and sees nothing of the folder."""

    def reload(self) -> None:
        if self.error:
            raise self.error
        self.reloads += 1
        if not self.is_deaf:
            self.groups = [
                loaded(group, str(file))
                for file in sorted(self._folder.glob("*.yaml"))
                for group in yaml.safe_load(file.read_text())["groups"]
            ]

    def rule_groups(self) -> Sequence[Mapping[str, Any]]:
        if self.error:
            raise self.error
        return self.groups


def loaded(group: Mapping[str, Any], file: str, health: str = "ok") -> dict[str, Any]:
    """A group as `/api/v1/rules` has it."""
    interval = {"1m": 60, "5m": 300}.get(group.get("interval", ""), 15)
    return {
        "name": group["name"],
        "file": file,
        "interval": interval,
        "evaluationTime": 0.001,
        "rules": [
            {
                "type": "recording" if "record" in rule else "alerting",
                "name": rule.get("record") or rule["alert"],
                "query": rule["expr"],
                "labels": rule.get("labels", {}),
                "annotations": rule.get("annotations", {}),
                "duration": seconds(rule.get("for")),
                "keepFiringFor": seconds(rule.get("keep_firing_for")),
                "health": health,
            }
            for rule in group["rules"]
        ],
    }


def seconds(duration: str | None) -> int:
    return 60 * int(duration.removesuffix("m")) if duration else 0


class World:
    """A folder, a Prometheus that reads it, and the rollout between them."""

    def __init__(self, tmp_path: Path, *, reload: bool = True) -> None:
        self.folder = tmp_path / "rules"
        self.prometheus = FakePrometheus(self.folder)
        self.said: list[RolloutStatus] = []
        destination = RuleFolder(self.folder, self.prometheus, reload=reload)
        self.rollout = Rollout(destination, self.prometheus, self.said.append)


@pytest.fixture
def world(tmp_path: Path) -> World:
    return World(tmp_path)


def written(folder: Path) -> dict[str, str]:
    return {file.name: file.read_text() for file in folder.glob("*")}


def test_rules_are_written_loaded_and_found_to_be_what_runs(world: World) -> None:
    status = world.rollout.roll_out(SLOS)
    assert (status.state, status.differences) == ("ok", ())
    assert written(world.folder) == render(SLOS)
    assert world.prometheus.reloads == 1


def test_without_a_change_nothing_is_written_and_nobody_reloads(world: World) -> None:
    world.rollout.roll_out(SLOS)
    file = next(world.folder.glob("*.yaml"))
    before = file.stat().st_mtime_ns
    assert world.rollout.roll_out(SLOS).state == "ok"
    assert (file.stat().st_mtime_ns, world.prometheus.reloads) == (before, 1)


def test_an_slo_that_is_gone_takes_its_rules_with_it(world: World) -> None:
    world.rollout.roll_out(SLOS)
    assert world.rollout.roll_out(FEWER).state == "ok"
    names = {group["name"] for group in world.prometheus.groups}
    assert names == {group.name for groups in build(FEWER).values() for group in groups}


def test_what_somebody_edits_by_hand_is_put_right(world: World) -> None:
    world.rollout.roll_out(SLOS)
    file = next(world.folder.glob("*.yaml"))
    file.write_text(file.read_text().replace("severity: page", "severity: ticket"))
    assert world.rollout.roll_out(SLOS).state == "ok"
    assert written(world.folder) == render(SLOS)


def test_a_prometheus_that_started_from_older_files_is_reloaded(world: World) -> None:
    world.rollout.roll_out(SLOS)
    world.prometheus.groups = world.prometheus.groups[1:]
    assert world.rollout.roll_out(SLOS).state == "ok"
    assert world.prometheus.reloads == 2


def test_a_prometheus_that_does_not_read_the_folder_is_drift_with_advice(world: World) -> None:
    world.prometheus.is_deaf = True
    status = world.rollout.roll_out(SLOS)
    assert status.state == "drift"
    assert f"check that Prometheus reads the folder {world.folder}" in status.as_json()["differences"][0]
    assert status.message == f"{len(status.differences)} differences between the rules that run and the SLO files"


def test_a_rule_that_fails_is_drift_and_no_reason_to_reload(world: World) -> None:
    world.rollout.roll_out(SLOS)
    world.prometheus.groups[0]["rules"][0] |= {"health": "err", "lastError": "too many samples"}
    status = world.rollout.roll_out(SLOS)
    assert (status.state, len(status.differences)) == ("drift", 1)
    assert "too many samples" in str(status.differences[0])
    assert world.prometheus.reloads == 1


def test_rules_that_wait_for_their_first_evaluation_are_counted_and_fine(world: World) -> None:
    world.rollout.roll_out(SLOS)
    for rule in world.prometheus.groups[0]["rules"]:
        rule["health"] = "unknown"
    status = world.rollout.roll_out(SLOS)
    assert (status.state, status.not_evaluated) == ("ok", len(world.prometheus.groups[0]["rules"]))


def test_a_reload_that_failed_is_made_up_for(world: World) -> None:
    world.prometheus.error = PrometheusError("unavailable", "Prometheus cannot be reached: connection refused")
    status = world.rollout.roll_out(SLOS)
    assert (status.state, status.message) == ("failed", "Prometheus cannot be reached: connection refused")
    assert written(world.folder) == render(SLOS)
    world.prometheus.error = None
    assert world.rollout.roll_out(SLOS).state == "ok"


def test_a_file_of_somebody_else_is_not_overwritten(world: World) -> None:
    world.folder.mkdir()
    (world.folder / "agents.yaml").write_text("groups: []\n")
    status = world.rollout.roll_out(SLOS)
    assert status.state == "failed"
    assert "was not written by slo-engine" in status.message
    assert written(world.folder) == {"agents.yaml": "groups: []\n"}


def test_without_slos_nothing_is_removed(world: World) -> None:
    world.rollout.roll_out(SLOS)
    assert world.rollout.roll_out(SloSet()).state == "failed"
    assert written(world.folder) == render(SLOS)


def test_with_reload_off_the_files_are_written_and_drift_is_said_until_somebody_reloads(tmp_path: Path) -> None:
    world = World(tmp_path, reload=False)
    assert world.rollout.roll_out(SLOS).state == "drift"
    assert world.prometheus.reloads == 0
    world.prometheus.reload()
    assert world.rollout.roll_out(SLOS).state == "ok"


def test_a_state_is_logged_once_until_it_changes(world: World, caplog: pytest.LogCaptureFixture) -> None:
    world.prometheus.is_deaf = True
    for _ in range(3):
        world.rollout.roll_out(SLOS)
    assert len([record for record in caplog.records if record.levelname == "ERROR"]) == 1
    assert len(world.said) == 3


def test_waiting_says_why_and_ends_with_the_first_rollout(world: World) -> None:
    assert world.rollout.wait("SLO files rejected").message == "SLO files rejected"
    assert not world.folder.exists()
    world.rollout.roll_out(SLOS)
    assert world.rollout.wait("SLO files rejected").state == "ok"


class FakeRuler:
    """Takes the groups of one tenant; Prometheus' rules are those that it has."""

    name = "the ruler at http://mimir"

    def __init__(self) -> None:
        self.found: dict[str, dict[str, Any]] = {}
        self.sent: list[str] = []
        self.refuses: str | None = None

    def groups(self) -> Mapping[str, Sequence[Any]]:
        return {namespace: list(groups.values()) for namespace, groups in self.found.items()}

    def put(self, namespace: str, group: str, text: str) -> None:
        if group == self.refuses:
            raise RulerError("the ruler did not take the group", is_final=False)
        self.sent.append(f"put {group}")
        self.found.setdefault(namespace, {})[group] = yaml.safe_load(text)

    def delete(self, namespace: str, group: str) -> None:
        self.sent.append(f"delete {group}")
        del self.found[namespace][group]

    def rule_groups(self) -> Sequence[Mapping[str, Any]]:
        return [loaded(group, namespace) for namespace, groups in self.found.items() for group in groups.values()]

    def reload(self) -> None:
        raise AssertionError("a ruler takes up changes by itself")


def test_only_groups_that_have_changed_go_to_a_ruler() -> None:
    ruler = FakeRuler()
    rollout = Rollout(RulerNamespaces(ruler), ruler)
    rollout.roll_out(SLOS)
    first = len(ruler.sent)
    assert rollout.roll_out(SLOS).state == "ok"
    assert len(ruler.sent) == first
    ruler.found["slo-engine:agents"].popitem()
    rollout.roll_out(SLOS)
    assert len(ruler.sent) == first + 1


def test_a_group_that_is_gone_is_deleted_from_a_ruler_and_other_namespaces_stay() -> None:
    ruler = FakeRuler()
    ruler.found["slo-engine:others"] = {"slo-engine:others:x": {"name": "slo-engine:others:x", "rules": []}}
    rollout = Rollout(RulerNamespaces(ruler), ruler)
    rollout.roll_out(SLOS)
    rollout.roll_out(FEWER)
    wanted = {group.name for group in build(FEWER)["agents"]}
    assert set(ruler.found["slo-engine:agents"]) == wanted
    assert "slo-engine:others" in ruler.found


def test_a_group_that_a_ruler_refuses_is_a_failure_with_its_reason_and_nothing_is_deleted() -> None:
    ruler = FakeRuler()
    rollout = Rollout(RulerNamespaces(ruler), ruler)
    rollout.roll_out(SLOS)
    ruler.refuses = next(iter(ruler.found["slo-engine:agents"]))
    del ruler.found["slo-engine:agents"][ruler.refuses]
    status = rollout.roll_out(FEWER if ruler.refuses in str(build(FEWER)) else SLOS)
    assert status.state == "failed"
    assert "did not take the group" in status.message
    assert not [each for each in ruler.sent if each.startswith("delete")]


def test_drift_that_a_reload_does_not_settle_is_no_reason_to_reload_each_time(world: World) -> None:
    world.rollout.roll_out(SLOS)
    file = str(world.folder / "agents.yaml")
    world.prometheus.is_deaf = True
    world.prometheus.groups.append(loaded({"name": "slo-engine:agents:gone", "rules": []}, file))
    for _ in range(5):
        assert world.rollout.roll_out(SLOS).state == "drift"
    assert world.prometheus.reloads == 2


def test_rules_that_another_engine_writes_to_another_file_are_not_ours_to_judge(world: World) -> None:
    world.rollout.roll_out(SLOS)
    other = {"name": "slo-engine:shop:success", "rules": [{"record": "x", "expr": "y"}]}
    world.prometheus.groups.append(loaded(other, "/elsewhere/shop.yaml"))
    assert world.rollout.roll_out(SLOS).state == "ok"
    assert world.prometheus.reloads == 1


def test_other_differences_of_the_same_number_are_logged_too(world: World, caplog: pytest.LogCaptureFixture) -> None:
    world.rollout.roll_out(SLOS)
    for number in (0, 1):
        for group in world.prometheus.groups[:2]:
            group["rules"][0]["health"] = "ok"
        world.prometheus.groups[number]["rules"][0] |= {"health": "err", "lastError": "too many samples"}
        world.rollout.roll_out(SLOS)
    assert len([record for record in caplog.records if record.levelname == "ERROR"]) == 2


def test_a_service_that_went_while_no_engine_ran_is_reported_and_not_deleted() -> None:
    ruler = FakeRuler()
    ruler.found["slo-engine:gone"] = {"slo-engine:gone:x": {"name": "slo-engine:gone:x", "rules": []}}
    rollout = Rollout(RulerNamespaces(ruler), ruler)
    rollout.roll_out(SLOS)
    assert rollout.roll_out(SLOS).as_json()["left_over"] == ["slo-engine:gone (1 groups)"]
    assert "slo-engine:gone" in ruler.found


def test_what_was_just_sent_to_a_ruler_is_compared_in_the_next_round() -> None:
    ruler = FakeRuler()
    rollout = Rollout(RulerNamespaces(ruler), ruler)
    assert rollout.roll_out(SLOS).state == "waiting"
    assert rollout.roll_out(SLOS).state == "ok"
