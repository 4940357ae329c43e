"""``slo-engine rules check`` on what is in use: a real Prometheus that has loaded rules, and manifests of a cluster."""

from __future__ import annotations

import json
import shutil
import subprocess
import urllib.request
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from subprocess import CompletedProcess
from typing import Any

import pytest
import yaml

from deploy.stack.servers import Prometheus
from slo_engine.definitions import load
from slo_engine.rollout import Layout, Metadata, render, write
from tests.cli.test_commands import ROOT, run
from tests.e2e.engine import get
from tests.prometheus.test_client import saying, serving
from tests.waiting import wait_for

SLOS = """
version: slo-engine/v1
service: shop
slos:
  - name: runs
    objective: 99
    sli: {events: {total: runs_total, errors: 'runs_total{path=~"a\\\\.b|\\"c\\"",status="error"}'}}
    alerting: {page: {annotations: {runbook: "Müller weiß {{ $labels.instance }}"}}}
thresholds:
  - alert: Slow
    expr: histogram_quantile(0.99, sum by (le) (rate(took_bucket[1h]))) > 1e6 and on () vector(time()) > -1
    for: 1h30m
    severity: warning
    summary: Slow runs
"""
TWO = '(vector(1) or label_replace(vector(1), "a", "b", "", ""))'
MANY_TO_MANY = f"{TWO} * on () {TWO}"
NOT_THERE = "is not there: run `slo-engine rules generate`, and have Prometheus reload them"
SHORT, LONG, THRESHOLDS = "slo-engine:shop:runs", "slo-engine:shop:runs:long", "slo-engine:shop:thresholds"


@pytest.fixture
def slos(tmp_path: Path) -> Path:
    file = tmp_path / "slos.yaml"
    file.write_text(SLOS, encoding="utf-8")
    return file


def edited(file: Path, before: str, after: str) -> None:
    text = file.read_text(encoding="utf-8")
    assert before in text
    file.write_text(text.replace(before, after), encoding="utf-8")


def check(slos: Path, *arguments: str, **environment: str) -> CompletedProcess[str]:
    return run("rules", "check", str(slos), *arguments, env=environment)


def findings(done: CompletedProcess[str]) -> list[tuple[str, str]]:
    """Problem and group of each finding."""
    found = json.loads(done.stdout)["findings"]
    assert done.returncode == (1 if found else 0), done.stderr
    return [(each["problem"], each["group"]) for each in found]


@contextmanager
def prometheus(folder: Path, rules: Path) -> Iterator[str]:
    """A Prometheus that evaluates each second what sets no interval, and has evaluated the short groups once."""
    files = [rules / "*.yaml"]
    with Prometheus(folder / "prometheus", rules=files, scrape_interval="1s") as server:
        yield server.url


def evaluated(url: str, group: str) -> None:
    def all_known() -> bool:
        groups = get(f"{url}/api/v1/rules")["data"]["groups"]
        return all(rule["health"] != "unknown" for each in groups if each["name"] == group for rule in each["rules"])

    wait_for(f"the evaluation of {group}", all_known, within=60)


def reload(url: str) -> None:
    urllib.request.urlopen(urllib.request.Request(f"{url}/-/reload", method="POST"), timeout=10).close()


@pytest.mark.stack
def test_a_real_prometheus_and_what_goes_wrong_with_its_rules(tmp_path: Path, slos: Path) -> None:
    rules = tmp_path / "rules"
    [file] = write(load([slos]), rules).files
    (rules / "node.yaml").write_text("groups: [{name: node, rules: [{record: 'a:b', expr: vector(1)}]}]")
    with prometheus(tmp_path, rules) as url:
        evaluated(url, THRESHOLDS)
        fine = check(slos, "--prometheus", url, "--json")
        assert findings(fine) == [], "loaded as written, whatever form Prometheus prints expressions in"

        # The SLO file has moved on: what is loaded is an older copy.
        edited(slos, "objective: 99", "objective: 98")
        older = check(slos, "--prometheus", url, "--json")
        assert set(findings(older)) == {("changed", SHORT), ("changed", LONG)}
        said = check(slos, "--prometheus", url)
        assert said.returncode == 1
        assert f"changed: {SHORT} ({file}): record slo:objective:ratio" in said.stdout
        assert "run `slo-engine rules generate`, and reload Prometheus" in said.stdout
        doctored = run("doctor", str(slos), "--json", env={"SLO_ENGINE_PROMETHEUS__URL": url})
        assert [
            (each["slo"], each["message"].split(" (")[0])
            for each in json.loads(doctored.stdout)["findings"]
            if each["problem"] == "other-rules"
        ] == [("runs", SHORT)]
        edited(slos, "objective: 98", "objective: 99")
        sound = run("doctor", str(slos), "--json", env={"SLO_ENGINE_PROMETHEUS__URL": url})
        assert [each["problem"] for each in json.loads(sound.stdout)["findings"]] == ["no-data"]

        # A threshold that somebody has changed by hand, and the time that it is held.
        edited(file, "1000000", "2000000")
        edited(file, "for: 1h30m", "for: 1h")
        reload(url)
        changed = check(slos, "--prometheus", url, "--json")
        assert findings(changed) == [("changed", THRESHOLDS)] * 2
        assert "for is 1h, not 1h30m" in changed.stdout

        # Generated, and not reloaded.
        write(load([slos]), rules)
        assert findings(check(slos, "--prometheus", url, "--json")) == [("changed", THRESHOLDS)] * 2
        reload(url)
        assert findings(check(slos, "--prometheus", url, "--json")) == []

        # Loaded twice; and a group of an SLO that is gone.
        copied = rules / "copied.yaml"
        copied.write_text(file.read_text(encoding="utf-8").replace("shop:runs:long", "shop:old"), encoding="utf-8")
        reload(url)
        doubled = check(slos, "--prometheus", url, "--json")
        assert findings(doubled) == [("twice", SHORT), ("twice", THRESHOLDS), ("stale", "slo-engine:shop:old")]
        copied.unlink()

        # A part of it is missing, and a group of another tool is there.
        whole = file.read_text(encoding="utf-8")
        groups = yaml.safe_load(whole)["groups"]
        file.write_text(
            yaml.safe_dump({"groups": [each for each in groups if each["name"] == SHORT]}), encoding="utf-8"
        )
        reload(url)
        doctored = run("doctor", str(slos), "--json", env={"SLO_ENGINE_PROMETHEUS__URL": url})
        assert [
            (each["slo"], each["message"])
            for each in json.loads(doctored.stdout)["findings"]
            if each["problem"] == "other-rules"
        ] == [
            ("runs", f"{LONG}: is not there: run `slo-engine rules generate`, and have Prometheus reload them"),
            (
                "thresholds",
                f"{THRESHOLDS}: is not there: run `slo-engine rules generate`, and have Prometheus reload them",
            ),
        ]
        file.write_text(whole, encoding="utf-8")

        # Missing: the file is not loaded at all.
        moved = file.rename(tmp_path / "elsewhere.yaml")
        reload(url)
        missing = check(slos, "--prometheus", url, "--json")
        assert findings(missing) == [("missing", SHORT), ("missing", LONG), ("missing", THRESHOLDS)]
        moved.rename(file)

        # A rule that Prometheus takes and cannot evaluate.
        edited(slos, "histogram_quantile(0.99, sum by (le) (rate(took_bucket[1h]))) > 1e6", MANY_TO_MANY)
        write(load([slos]), rules)
        reload(url)
        evaluated(url, THRESHOLDS)
        failing = check(slos, "--prometheus", url, "--json")
        assert findings(failing) == [("failing", THRESHOLDS)]
        assert "many-to-many matching not allowed" in failing.stdout


@pytest.mark.stack
def test_a_group_that_takes_longer_than_its_interval_is_found(tmp_path: Path, slos: Path) -> None:
    rules = tmp_path / "rules"
    edited(slos, "expr: histogram", "expr: max_over_time(vector(time())[4d:50ms]) > 0 and histogram")
    write(load([slos]), rules)
    with prometheus(tmp_path, rules) as url:
        evaluated(url, THRESHOLDS)
        slow = check(slos, "--prometheus", url, "--json")
        assert findings(slow) == [("slow", THRESHOLDS)]
        assert "the next one is due after 1s" in slow.stdout


@pytest.mark.stack
def test_the_committed_rules_are_loaded_as_they_are_written(tmp_path: Path) -> None:
    with prometheus(tmp_path, ROOT / "rules") as url:
        assert findings(check(ROOT / "slos", "--prometheus", url, "--json")) == []


def test_a_prometheus_that_is_not_there_is_a_failure_with_its_reason(slos: Path) -> None:
    done = check(slos, "--prometheus", "http://127.0.0.1:9")
    assert done.returncode == 1
    assert "Prometheus at http://127.0.0.1:9 cannot be reached: connection refused" in done.stderr


@pytest.mark.parametrize(
    "answer",
    [
        {"data": {"groups": "none"}},
        {"data": {"groups": [{"name": "slo-engine:a"}]}},
        {"data": {"groups": [{}]}},
        [1],
        {"a": "b"},
    ],
)
def test_an_answer_that_is_not_prometheus_is_told(slos: Path, answer: Any) -> None:
    with serving(saying(200, answer)) as url:
        done = check(slos, "--prometheus", url)
    assert done.returncode == 1
    assert "that is not a query result" in done.stderr or "has a form that is not Prometheus'" in done.stderr


def test_the_token_is_sent_and_never_shown(slos: Path, tmp_path: Path) -> None:
    def answer(handler: Any, body: bytes) -> None:
        right = handler.headers["authorization"] == "Bearer s3cret"
        saying(200 if right else 401, {"data": {"groups": []}, "error": handler.headers["authorization"]})(
            handler, body
        )

    (tmp_path / "token").write_text("s3cret\n")
    with serving(answer) as url:
        for done in (
            check(slos, "--prometheus", url, "--token-file", str(tmp_path / "token"), "--json"),
            check(slos, "--prometheus", url, "--json", SLO_ENGINE_PROMETHEUS__TOKEN="s3cret"),
        ):
            assert {problem for problem, _ in findings(done)} == {"missing"}
        wrong = check(slos, "--prometheus", url, SLO_ENGINE_PROMETHEUS__TOKEN="s3cret-too")
    assert "it does not accept the token: check token" in wrong.stderr
    assert "s3cret" not in wrong.stderr


def cluster(slos: Path, kind: Any, change: Callable[[Any], None]) -> str:
    """What kubectl prints for the manifests of these SLOs: a list, with what a cluster adds, keys in its own order."""
    objects = []
    for text in render(load([slos]), Layout(kind, metadata=Metadata("monitoring"))).values():
        for each in yaml.safe_load_all(text):
            each["metadata"] |= {"uid": "1", "generation": 3, "creationTimestamp": "2026-11-23T00:00:00Z"}
            objects.append(each)
    objects.append({"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": "a"}, "data": {"x": "no: [yaml"}})
    change(objects[0])
    return yaml.safe_dump({"apiVersion": "v1", "kind": "List", "items": objects}, sort_keys=True)


@pytest.mark.parametrize("kind", ["prometheusrule", "configmap"])
def test_manifests_of_a_cluster_are_compared_by_meaning(slos: Path, tmp_path: Path, kind: str) -> None:
    file = tmp_path / "cluster.yaml"
    file.write_text(cluster(slos, kind, lambda _: None))
    assert findings(check(slos, "--manifest", str(file), "--json")) == []


@pytest.mark.skipif(shutil.which("kubectl") is None, reason="kubectl is not installed")
@pytest.mark.parametrize("kind", ["prometheusrule", "configmap"])
def test_kubectl_reads_the_manifests_as_they_are_meant(slos: Path, tmp_path: Path, kind: str) -> None:
    folder, label = tmp_path / "manifests", "team=1e3"  # what Go's YAML would take for a number
    edited(slos, "service: shop", "service: shop\nlabels: {number: '14', truth: 'y', octal: '0o17', day: '2026-01-01'}")
    run("rules", "generate", str(slos), "--out", str(folder), "--format", kind, "--label", label)
    (folder / "kustomization.yaml").write_text("resources: [shop.yaml]")
    built = subprocess.run(["kubectl", "kustomize", str(folder)], capture_output=True, check=True, timeout=60).stdout
    assert yaml.safe_load(built)["metadata"]["labels"]["team"] == "1e3"
    (tmp_path / "built.yaml").write_bytes(built)
    assert findings(check(slos, "--manifest", str(tmp_path / "built.yaml"), "--json")) == []


def test_what_differs_in_the_manifests_of_a_cluster_is_named(slos: Path, tmp_path: Path) -> None:
    def change(rule: Any) -> None:
        groups = rule["spec"]["groups"]
        groups[0]["interval"] = "30s"
        del groups[1]
        groups[1]["rules"][0]["annotations"]["summary"] = "Fast runs"
        groups.append({"name": "slo-engine:shop:old", "rules": [{"record": "a:b", "expr": "1"}]})
        groups.append({"name": "node", "rules": [{"record": "a:b", "expr": "1"}]})

    file = tmp_path / "cluster.yaml"
    file.write_text(cluster(slos, "prometheusrule", change))
    done = check(slos, "--manifest", str(file), "--json")
    assert findings(done) == [
        ("changed", SHORT),
        ("missing", LONG),
        ("changed", THRESHOLDS),
        ("stale", "slo-engine:shop:old"),
    ]
    said = check(slos, "--manifest", str(file)).stdout
    assert f"({file}: PrometheusRule monitoring/slo-engine-shop): interval is 30s, not 1m" in said
    assert "annotation summary is 'Fast runs', not 'Slow runs'" in said
    assert "run `slo-engine rules generate`, and apply the manifests" in said


def test_manifests_that_are_none_are_told(slos: Path, tmp_path: Path) -> None:
    for text in ("a: [", "- 1", "just text", "kind: PrometheusRule\nspec: {groups: [{rules: 1}]}"):
        (tmp_path / "cluster.yaml").write_text(text)
        done = check(slos, "--manifest", str(tmp_path / "cluster.yaml"))
        assert done.returncode == 1
        assert "cluster.yaml" in done.stderr


def test_manifests_in_a_folder_are_compared_byte_by_byte(slos: Path, tmp_path: Path) -> None:
    rules = tmp_path / "rules"
    layout = ("--format", "prometheusrule", "--namespace", "monitoring", "--label", "release=prometheus")
    assert run("rules", "generate", str(slos), "--out", str(rules), *layout).returncode == 0
    assert check(slos, "--out", str(rules), *layout).returncode == 0
    other = check(slos, "--out", str(rules), *layout[:-1], "release=other", "--json")
    [drift] = json.loads(other.stdout)["findings"]
    assert other.returncode == 1
    assert "-    release: prometheus" in drift["diff"].splitlines()


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (("--namespace", "a"), "are for manifests: add --format"),
        (("--format", "configmap", "--label", "a"), "write KEY=VALUE"),
        (("--format", "configmap", "--namespace", "A"), "'A' is not a namespace of Kubernetes"),
        (("--one-file", "a.yaml/b"), "write it without .yaml"),
        (("--prometheus", "http://a", "--manifest", "b"), "give one of them"),
        (("--token-file", "b"), "go with --prometheus"),
        (("--manifest", "nowhere"), "nowhere cannot be read: No such file or directory"),
        (("--format", "helm"), "prometheusrule"),
        (("--prometheus", "localhost:9090"), "must be an http:// or https:// address"),
    ],
)
def test_a_call_that_cannot_be_meant_is_a_usage_error(slos: Path, arguments: tuple[str, ...], said: str) -> None:
    done = check(slos, *arguments)
    assert done.returncode == 2
    assert said in done.stderr
