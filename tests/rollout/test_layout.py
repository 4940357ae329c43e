"""Manifests for Kubernetes: names it takes, sizes it takes, and the same rules as in the rule files."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import pytest
import yaml
from hypothesis import given
from hypothesis import strategies as st

from slo_engine.definitions import SloSet, load
from slo_engine.errors import SloEngineError
from slo_engine.rollout import Layout, Metadata, check, render, write
from slo_engine.rollout.manifests import object_name
from slo_engine.rollout.outputs import ConfigMaps, PrometheusRules
from slo_engine.rules import build
from slo_engine.rules.yaml_text import HEADER
from tests.rules import promtool

SLO = """
version: slo-engine/v1
service: {service}
slos:
  - name: runs
    objective: 99
    sli: {{events: {{total: runs_total, errors: 'runs_total{{status="error"}}'}}}}
    alerting: {{page: {{labels: {{team: "1e3"}}, annotations: {{runbook: "Müller weiß es"}}}}}}
  - name: others
    objective: 99
    sli: {{events: {{total: others_total, errors: 'others_total{{status="error"}}'}}}}
"""
METADATA = Metadata("monitoring", {"release": "prometheus", "example.com/team": "ai"})
DNS_1123 = re.compile(r"[a-z0-9]([-a-z0-9]*[a-z0-9])?(\.[a-z0-9]([-a-z0-9]*[a-z0-9])?)*\Z")


def slos(folder: Path, *services: str) -> SloSet:
    for service in services:
        (folder / f"{service}.yaml").write_text(SLO.format(service=service), encoding="utf-8")
    return load([folder / f"{service}.yaml" for service in services])


def documents(text: str) -> list[Any]:
    assert text.startswith(HEADER)
    return list(yaml.safe_load_all(text))


def groups_of(data: Any) -> list[Any]:
    """The groups of one object, whatever its kind."""
    if data["kind"] == "PrometheusRule":
        return list(data["spec"]["groups"])
    [rules] = data["data"].values()
    return list(yaml.safe_load(rules)["groups"])


def rule_groups(slo_set: SloSet) -> list[Any]:
    return [group.as_data() for groups in build(slo_set).values() for group in groups]


@pytest.mark.parametrize("kind", ["prometheusrule", "configmap"])
@pytest.mark.parametrize("one_file", [None, "slos"])
def test_manifests_hold_the_rules_of_the_rule_files(tmp_path: Path, kind: Any, one_file: str | None) -> None:
    found = slos(tmp_path, "shop", "desk")
    objects = [each for text in render(found, Layout(kind, one_file, METADATA)).values() for each in documents(text)]
    assert [group for each in objects for group in groups_of(each)] == rule_groups(found)
    assert len(objects) == (2 if one_file is None else 1)


def test_prometheusrule_is_what_the_operator_reads(tmp_path: Path) -> None:
    [text] = render(slos(tmp_path, "shop"), Layout("prometheusrule", metadata=METADATA)).values()
    [rule] = documents(text)
    assert (rule["apiVersion"], rule["kind"]) == ("monitoring.coreos.com/v1", "PrometheusRule")
    assert rule["metadata"] == {
        "name": "slo-engine-shop",
        "namespace": "monitoring",
        "labels": {"app.kubernetes.io/managed-by": "slo-engine", "release": "prometheus", "example.com/team": "ai"},
    }
    labels = [each["labels"].values() for group in rule["spec"]["groups"] for each in group["rules"]]
    assert all(isinstance(value, str) for values in labels for value in values)
    assert "team: '1e3'" in text, "for Go's YAML this would be a number"


def test_config_map_holds_a_file_that_prometheus_loads(tmp_path: Path) -> None:
    [text] = render(slos(tmp_path, "shop"), Layout("configmap")).values()
    [config_map] = documents(text)
    assert "namespace" not in config_map["metadata"]
    assert list(config_map["data"]) == ["shop.yaml"]
    file = tmp_path / "extracted.yaml"
    file.write_text(config_map["data"]["shop.yaml"], encoding="utf-8")
    promtool.check([file])


def test_one_rule_file_for_all_is_loaded_by_prometheus(tmp_path: Path) -> None:
    found = slos(tmp_path, "shop", "desk")
    [file] = write(found, tmp_path / "rules", Layout(one_file="all")).files
    assert file.name == "all.yaml"
    promtool.check([file])
    assert yaml.safe_load(file.read_text(encoding="utf-8"))["groups"] == rule_groups(found)
    assert check(found, tmp_path / "rules", Layout(one_file="all")) == []


@pytest.mark.parametrize("kind", ["prometheusrule", "configmap"])
def test_what_one_object_cannot_hold_goes_into_the_next(
    tmp_path: Path, kind: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    found = slos(tmp_path, "shop")
    monkeypatch.setattr(PrometheusRules, "most_bytes", 12000)
    monkeypatch.setattr(ConfigMaps, "most_bytes", 12000)
    [text] = render(found, Layout(kind)).values()
    objects = documents(text)
    names = [each["metadata"]["name"] for each in objects]
    assert len(names) > 1
    assert names == ["slo-engine-shop", *(f"slo-engine-shop-{number}" for number in range(2, len(names) + 1))]
    assert [group for each in objects for group in groups_of(each)] == rule_groups(found), "in their order, each once"
    for each in objects:
        assert len(yaml.safe_dump(groups_of(each), allow_unicode=True)) < 13_000
    if kind == "configmap":
        assert [list(each["data"]) for each in objects[:2]] == [["shop.yaml"], ["shop-2.yaml"]]
    assert render(found, Layout(kind)) == render(found, Layout(kind))


def test_a_group_that_no_object_holds_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(PrometheusRules, "most_bytes", 500)
    with pytest.raises(SloEngineError, match=r"the rule group slo-engine:shop:others has [0-9,]+ bytes"):
        render(slos(tmp_path, "shop"), Layout("prometheusrule"))


def test_services_that_kubernetes_cannot_tell_apart_get_names_that_differ(tmp_path: Path) -> None:
    files = render(slos(tmp_path, "a-b", "a_b", "a.b"), Layout("prometheusrule"))
    names = [each["metadata"]["name"] for text in files.values() for each in documents(text)]
    assert len(set(names)) == 3
    assert "slo-engine-a-b" in names


@given(st.from_regex(r"[a-z0-9]([-a-z0-9_.]{0,250}[a-z0-9])?", fullmatch=True))
def test_every_name_is_one_that_kubernetes_takes(name: str) -> None:
    made = object_name(name, "slo-engine-") + "-12"
    assert DNS_1123.match(made)
    assert len(made) <= 253


@pytest.mark.parametrize(
    ("namespace", "labels"),
    [("Monitoring", {}), ("a.b", {}), ("x" * 64, {}), (None, {"a b": "c"}), (None, {"a": "b c"}), (None, {"-/a": "b"})],
)
def test_metadata_that_kubernetes_refuses_is_refused(namespace: str | None, labels: dict[str, str]) -> None:
    with pytest.raises(SloEngineError, match="of Kubernetes"):
        Metadata(namespace, labels)


def test_another_layout_replaces_the_files_of_the_one_before(tmp_path: Path) -> None:
    found, folder = slos(tmp_path, "shop", "desk"), tmp_path / "rules"
    write(found, folder)
    assert len(check(found, folder, Layout("configmap"))) == 2
    written = write(found, folder, Layout("configmap", "slos"))
    assert [file.name for file in written.removed] == ["desk.yaml", "shop.yaml"]
    assert sorted(file.name for file in folder.iterdir()) == ["slos.yaml"]
