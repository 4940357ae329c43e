"""The configuration that is shipped: valid, and its parts know one another."""

from __future__ import annotations

import re
import shutil
import subprocess
from pathlib import Path
from typing import Any

import pytest
import yaml

from deploy.stack.processes import program
from slo_engine.definitions import load
from slo_engine.rules.inhibitions import inhibitions
from slo_engine.settings import load_settings

ROOT = Path(__file__).parent.parent.parent
DEPLOY = ROOT / "deploy"


def compose() -> dict[str, Any]:
    found: dict[str, Any] = yaml.safe_load((DEPLOY / "compose.yaml").read_text())
    return found


def test_prometheus_accepts_its_configuration_with_the_generated_rules(tmp_path: Path) -> None:
    text = (DEPLOY / "prometheus/prometheus.yml").read_text()
    assert "/etc/prometheus/rules/*.yaml" in text
    (tmp_path / "prometheus.yml").write_text(text.replace("/etc/prometheus/rules", str(tmp_path / "rules")))
    shutil.copytree(ROOT / "rules", tmp_path / "rules")
    done = subprocess.run(
        [program("promtool", "prometheus"), "check", "config", tmp_path / "prometheus.yml"],
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    assert re.search(r"SUCCESS: \d+ rules found", done.stdout)


def test_alertmanager_accepts_its_configuration() -> None:
    done = subprocess.run(
        [program("amtool", "prometheus-alertmanager"), "check-config", DEPLOY / "alertmanager/alertmanager.yml"],
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    assert "1 receivers" in done.stdout
    assert "1 inhibit rules" in done.stdout


def test_alertmanager_groups_by_every_label_the_default_slos_divide_by() -> None:
    route = yaml.safe_load((DEPLOY / "alertmanager/alertmanager.yml").read_text())["route"]
    for file in sorted((ROOT / "slos").glob("*.yaml")):
        slos = yaml.safe_load(file.read_text())
        labels = set(slos["defaults"]["by"]).union(*(set(slo.get("by", [])) for slo in slos["slos"]))
        assert labels <= set(route["group_by"])


def test_alertmanager_has_the_inhibitions_of_the_default_slos() -> None:
    configured = yaml.safe_load((DEPLOY / "alertmanager/alertmanager.yml").read_text())["inhibit_rules"]
    generated = yaml.safe_load(inhibitions(load([ROOT / "slos"])))["inhibit_rules"]
    for rule in (*configured, *generated):
        rule["equal"].sort()
    assert configured == generated


def test_every_address_in_the_configuration_is_a_service_of_the_compose_file() -> None:
    services = set(compose()["services"]) - {"grafana"}  # which is for people: no other service talks to it
    texts = [(DEPLOY / name).read_text() for name in ("prometheus/prometheus.yml", "alertmanager/alertmanager.yml")]
    texts.append((DEPLOY / "slo-engine.yaml").read_text())
    texts.append((DEPLOY / "grafana/provisioning/datasources/slo-engine.yaml").read_text())
    named = {name for text in texts for name in re.findall(r"[\"/]([a-z-]+):\d{4}", text)} - {"localhost"}
    assert named == services - {"compose"}


def test_what_the_compose_file_mounts_is_there() -> None:
    mounts = [mount.split(":")[0] for service in compose()["services"].values() for mount in service.get("volumes", [])]
    local = [mount for mount in mounts if mount.startswith(".")]
    assert local
    assert all((DEPLOY / mount).exists() for mount in local)


def test_the_engine_accepts_its_settings(monkeypatch: pytest.MonkeyPatch) -> None:
    environment = compose()["services"]["slo-engine"]["environment"]
    for name, value in environment.items():
        monkeypatch.setenv(name, value)
    settings = load_settings(DEPLOY / "slo-engine.yaml")
    assert [sink.name for sink in settings.sinks] == ["receiver"]
    assert settings.langfuse is not None
