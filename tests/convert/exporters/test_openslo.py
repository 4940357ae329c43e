"""SLOs as OpenSLO v1, and back."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import yaml

from slo_engine.convert.exporters.openslo import export
from slo_engine.convert.importers import import_files
from slo_engine.definitions import EventsSli, Slo, SloSet, load
from slo_engine.definitions.kinds import SlicesSli
from slo_engine.errors import SloEngineError
from tests.definitions.writing import slo, slo_file, write

ROOT = Path(__file__).parents[3]

SLOS = r"""
version: slo-engine/v1
service: support-agent
owner: ai-platform
labels: {tier: "1"}
slos:
  - name: success
    objective: 98
    by: [agent_type]
    sli: {events: {total: 'a_total{b="c\\d",e=~"f|g"}', errors: 'a_total{s!="ok"}'}}
  - name: tools
    objective: 99.95
    window: 7d
    sli: {events: {total: t_total, good: 't_total{s="ok"}'}}
    alerting: {policy: at-5x}
  - name: speed
    objective: 95
    window: 90m
    by: [a, b]
    sli: {latency: {histogram: 'h_seconds{x="y"}', threshold: 15s}}
    alerting: {policy: quick}
  - name: quick
    description: "Quick: 'really'."
    objective: 99
    sli: {latency: {histogram: h_seconds, threshold: 250ms}}
  - name: quiet
    objective: 99
    sli: {events: {total: t, errors: e}}
    alerting: {page: {disabled: true}, ticket: {disabled: true}}
  - {name: native, objective: 99, by: [a], sli: {latency: {histogram: 'n{x="y"}', threshold: 200ms, native: true}}}
  - {name: answers, objective: 90, by: [a], sli: {score: {histogram: s, above: 0.7}}}
  - {name: judged, objective: 90, sli: {score: {histogram: s, above: 3}}}
  - {name: lag, objective: 99, by: [topic], sli: {slices: {good: lag < bool 500}}}
  - {name: probe, objective: 99, by: [a, b], sli: {slices: {good: probe_success}}}
policies:
  - name: at-5x
    tiers:
      - {severity: page, long: 1h, short: 5m, factor: 5}
      - {severity: ticket, long: 1d, short: 6h, factor: 1}
  - name: quick
    tiers: [{severity: page, long: 20m, short: 5m, factor: 2}]
"""


def loaded(folder: Path, text: str) -> SloSet:
    return load([write(folder / "slos" / "slos.yaml", text)])


def documents(slos: SloSet) -> list[dict[str, Any]]:
    return [each for file in export(slos).files for each in yaml.safe_load_all(file.text)]


def and_back(folder: Path, slos: SloSet) -> dict[str, Slo]:
    files = [write(folder / "openslo" / file.name, file.text) for file in export(slos).files]
    got = import_files(files)
    assert not got.refused
    back = load([write(folder / "back" / file.name, file.text) for file in got.files])
    return {each.name: each for each in back.slos}


def test_what_was_exported_is_imported_as_the_same_slos(tmp_path: Path) -> None:
    slos = loaded(tmp_path, SLOS)
    back = and_back(tmp_path, slos)
    assert list(back) == [each.name for each in slos.slos]
    for one in slos.slos:
        same = back[one.name]
        sli = SlicesSli("(probe_success) != bool 0") if one.name == "probe" else one.sli  # which is the same
        assert (same.sli, same.target.objective, same.window, same.by) == (
            sli,
            one.target.objective,
            one.window,
            one.by,
        )
        assert (same.service, same.owner, dict(same.labels)) == (one.service, one.owner, dict(one.labels))
        assert same.tiers == one.tiers
        assert same.description == one.description


def test_tier_is_a_policy_with_one_condition(tmp_path: Path) -> None:
    found = documents(loaded(tmp_path, slo_file(slo())))
    (policy,) = [each for each in found if each["metadata"]["name"] == "google-page-1h"]
    (condition,) = policy["spec"]["conditions"]
    assert condition["spec"] == {
        "severity": "page",
        "condition": {"kind": "burnrate", "op": "gt", "threshold": 14.4, "lookbackWindow": "1h", "alertAfter": "0m"},
    }
    assert condition["metadata"]["annotations"] == {"slo-engine/short-window": "5m"}


def test_factor_that_an_objective_lowers_is_written_as_it_fires(tmp_path: Path) -> None:
    # At 90 % the whole budget burns 10 times; the policy google asks for three quarters of that.
    found = documents(loaded(tmp_path, slo_file(slo(objective=90))))
    thresholds = [
        each["spec"]["conditions"][0]["spec"]["condition"]["threshold"]
        for each in found
        if each["kind"] == "AlertPolicy"
    ]
    assert thresholds == [7.5, 6, 3, 1]


def test_minute_is_a_time_slice_of_a_minute(tmp_path: Path) -> None:
    text = slo_file("  - {name: lag, objective: 99, by: [topic], sli: {slices: {good: lag < bool 500}}}")
    (found,) = [each for each in documents(loaded(tmp_path, text)) if each["kind"] == "SLO"]
    assert found["spec"]["budgetingMethod"] == "Timeslices"
    assert found["spec"]["objectives"] == [
        {"op": "gte", "value": 1, "target": 0.99, "timeSliceTarget": 1, "timeSliceWindow": "1m"}
    ]
    metric = found["spec"]["indicator"]["spec"]["thresholdMetric"]
    assert metric["metricSource"]["spec"]["query"] == "min by (topic) (lag < bool 500)"


def test_group_with_its_own_objective_is_an_slo_of_its_own(tmp_path: Path) -> None:
    text = slo_file(slo("success", "by: [kind]", "overrides: [{match: {kind: batch}, objective: 95}]"))
    slos = loaded(tmp_path, text)
    back = and_back(tmp_path, slos)
    assert {name: each.target.objective for name, each in back.items()} == {"success-batch": 95, "success": 98}
    assert [str(each.sli.total) for each in back.values() if isinstance(each.sli, EventsSli)] == [
        'runs_total{kind="batch"}',
        'runs_total{kind!="batch"}',
    ]
    assert "success-batch" in export(slos).left_out[0].message


def test_names_that_clash_are_refused(tmp_path: Path) -> None:
    text = slo_file(
        slo("success", "by: [kind]", "overrides: [{match: {kind: batch}, objective: 95}]"), slo("success-batch")
    )
    with pytest.raises(SloEngineError, match="two SLOs that are success-batch"):
        export(loaded(tmp_path, text))


def test_what_openslo_cannot_say_is_annotated_and_told(tmp_path: Path) -> None:
    alerting = "alerting: {min_events: 10, absent: 5m, page: {labels: {team: ai}, annotations: {runbook: x}}}"
    slos = loaded(tmp_path, slo_file(slo("success", alerting)))
    (found,) = [each for each in documents(slos) if each["kind"] == "SLO"]
    assert found["metadata"]["annotations"] == {
        "slo-engine/min-events": "10",
        "slo-engine/absent": "5m",
        "slo-engine/page-labels-team": "ai",
        "slo-engine/page-annotations-runbook": "x",
    }
    exported = export(slos)
    assert len(exported.left_out) == 4
    assert all(f"# not exported: success: {left.message}" in exported.files[0].text for left in exported.left_out)


def test_spend_has_no_equivalent_and_is_told() -> None:
    exported = export(load([ROOT / "slos"]))
    assert exported.missing == ("agents/spend",)
    assert "# not exported: spend: OpenSLO has no SLI of this kind" in exported.files[0].text
    assert "AgentCircuitBreakerOpen" in {left.slo for left in exported.left_out}
