"""What becomes of each format, and that Prometheus takes the rules of it."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import yaml

from slo_engine.convert.importers import Imported, import_files
from slo_engine.definitions import SloFileError, load
from slo_engine.errors import SloEngineError
from slo_engine.rollout import write
from tests.convert.importers.sources import (
    ALL,
    OPENSLO,
    OPENSLO_ALPHA,
    PYRRA,
    SLOTH,
    SLOTH_IN_KUBERNETES,
    SLOTH_WINDOWS,
    imported,
)
from tests.rules import promtool


def data(got: Imported, file: int = 0) -> dict[str, Any]:
    found: dict[str, Any] = yaml.safe_load(got.files[file].text)
    return found


def slo(got: Imported, name: str) -> dict[str, Any]:
    (found,) = [
        each for file in range(len(got.files)) for each in data(got, file)["slos"] or [] if each["name"] == name
    ]
    return dict(found)


@pytest.mark.parametrize("name", [*ALL, "slices"])
def test_prometheus_takes_the_rules_of_what_was_imported(tmp_path: Path, name: str) -> None:
    got = imported(tmp_path, {**ALL, "slices": SLICES}[name])
    folder = tmp_path / "slos"
    folder.mkdir()
    for file in got.files:
        (folder / file.name).write_text(file.text, encoding="utf-8")
    promtool.check(write(load([folder]), tmp_path / "rules").files)


def test_sloth_is_translated(tmp_path: Path) -> None:
    got = imported(tmp_path, SLOTH)
    head = data(got)
    assert (head["service"], head["owner"], head["labels"], head["defaults"]) == (
        *("checkout", "payments", {"tier": "1"}),
        {"window": "30d"},
    )
    assert slo(got, "requests-availability") == {
        "name": "requests-availability",
        "description": "Requests are answered.",
        "objective": 99.9,
        "sli": {
            "events": {
                "total": 'http_requests_total{job="checkout"}',
                "errors": 'http_requests_total{job="checkout",code=~"(5..|429)"}',
            }
        },
        "alerting": {
            "name": "CheckoutHighErrorRate",
            "severities": {"page": "critical"},
            "page": {
                "labels": {"category": "availability", "area": "web", "pager": "payments"},
                "annotations": {"runbook": "https://example.org/runbook"},
            },
            "ticket": {"disabled": True},
        },
    }
    assert slo(got, "requests-latency")["sli"] == {
        "latency": {"histogram": 'http_request_duration_seconds{job="checkout"}', "threshold": "400ms"}
    }


def test_slo_that_cannot_be_expressed_is_a_comment_with_its_reason_and_the_rest_is_there(tmp_path: Path) -> None:
    got = imported(tmp_path, SLOTH)
    (refused,) = got.refused
    assert (refused.name, refused.where) == ("satisfaction", f"{tmp_path / 'source.yaml'}:38")
    assert "Sloth's plugin 'getting_started_availability'" in refused.reason
    assert (
        "  # - name: satisfaction\n  #   objective: 99\n  #   sli:\n  #     plugin: {id: getting" in got.files[0].text
    )
    assert len(got.files[0].slos) == 2


def test_sloth_in_kubernetes_makes_a_file_a_service(tmp_path: Path) -> None:
    got = imported(tmp_path, SLOTH_IN_KUBERNETES)
    assert [file.name for file in got.files] == ["checkout.yaml", "search.yaml"]
    assert data(got)["slos"][0]["by"] == ["region"]
    assert data(got, 1)["slos"][0]["sli"] == {"events": {"total": "search_total", "good": 'search_total{code!~"5.."}'}}


def test_a_total_of_several_counters_is_a_list_in_the_file(tmp_path: Path) -> None:
    total = 'sum(rate(http_requests_total{job="checkout"}[{{.window}}]))'
    got = imported(
        tmp_path, SLOTH.replace(f"total_query: {total}", f"total_query: {total} + sum(rate(more[{{{{.window}}}}]))")
    )
    # As text: what the list means is up to the format.
    text = " ".join(part for line in got.files[0].text.splitlines() for part in line.strip(" #").split())
    assert "total: ['http_requests_total{job=\"checkout\"}', more]" in text


def test_keys_that_sloth_passes_over_in_kubernetes_are_not_imported(tmp_path: Path) -> None:
    got = imported(tmp_path, SLOTH_IN_KUBERNETES.replace("pageAlert: {labels", "page_alert: {labels"))
    assert any(note.problem.path == "spec.slos[0].alerting.page_alert" for note in got.notes)


def test_catalogue_of_windows_is_a_policy_for_its_period(tmp_path: Path) -> None:
    got = imported(tmp_path, f"{SLOTH}---\n{SLOTH_WINDOWS}")
    assert data(got)["defaults"] == {"window": "7d"}
    # 8 % of 7 days in an hour, 12.5 % in 6 hours, 20 % in a day, 42 % in 3 days.
    (policy,) = data(got)["policies"]
    assert [tier["factor"] for tier in policy["tiers"]] == [13.44, 3.5, 1.4, 0.98]
    assert slo(got, "requests-latency")["alerting"] == {
        "policy": "sloth-7d",
        "name": "CheckoutSlow",
        "severities": {"ticket": "warning"},
    }


def test_second_catalogue_is_refused(tmp_path: Path) -> None:
    with pytest.raises(SloFileError, match="a second catalogue"):
        imported(tmp_path, f"{SLOTH}---\n{SLOTH_WINDOWS}---\n{SLOTH_WINDOWS}")


def test_policy_of_two_services_stands_in_a_file_of_its_own(tmp_path: Path) -> None:
    got = imported(tmp_path, f"{SLOTH_IN_KUBERNETES}---\n{SLOTH_WINDOWS}")
    assert [file.name for file in got.files] == ["checkout.yaml", "search.yaml", "burn-rate-policies.yaml"]
    assert [policy["name"] for policy in data(got, 2)["policies"]] == ["sloth-7d"]


def test_openslo_finds_what_its_objects_refer_to(tmp_path: Path) -> None:
    got = imported(tmp_path, OPENSLO)
    first, second = slo(got, "search-speed-most"), slo(got, "search-speed-nearly-all")
    assert (first["objective"], second["objective"], first["window"]) == (99, 99.9, "28d")
    assert first["sli"] == second["sli"] == {"latency": {"histogram": "search_seconds", "threshold": "500ms"}}
    assert first["alerting"]["policy"] == "burns-fast-burns-slowly"
    assert data(got)["policies"] == [
        {
            "name": "burns-fast-burns-slowly",
            "tiers": [
                {"severity": "page", "long": "2h", "short": "10m", "factor": 10},
                {"severity": "ticket", "long": "3d", "short": "6h", "factor": 1},
            ],
        }
    ]


def test_openslo_without_alert_policies_has_no_alerts_and_says_so(tmp_path: Path) -> None:
    got = imported(tmp_path, OPENSLO)
    assert slo(got, "orders")["alerting"] == {"page": {"disabled": True}, "ticket": {"disabled": True}}
    assert "# changed: spec (of orders, visits): it has no alert policy, so there are no alerts" in got.files[0].text


def test_openslo_slo_whose_sli_is_not_there_is_a_comment_and_the_others_are_imported(tmp_path: Path) -> None:
    got = imported(tmp_path, OPENSLO.replace("indicatorRef: fast-searches", "indicatorRef: gone"))
    assert [each.name for each in got.refused] == ["search-speed-most", "search-speed-nearly-all", "visits"]
    assert [each.name for each in got.files[0].slos] == ["orders"]


def test_openslo_reference_to_no_sli_is_explained_where_it_stands(tmp_path: Path) -> None:
    got = imported(tmp_path, OPENSLO.replace("indicatorRef: fast-searches", "indicatorRef: gone"))
    line = OPENSLO.splitlines().index("  indicatorRef: fast-searches") + 1
    reason = f"{tmp_path / 'source.yaml'}:{line}:17: spec.indicatorRef: there is no SLI named 'gone' in these files"
    assert got.refused[0].reason.startswith(reason)
    assert "  #   sli:\n  #     indicatorRef: gone\n" in got.files[0].text
    unused = [note.problem.line for note in got.notes if "no SLO of these files refers to it" in str(note)]
    assert unused == [OPENSLO.splitlines().index("kind: SLI")]


def test_openslo_objective_may_name_an_sli_that_is_not_there(tmp_path: Path) -> None:
    got = imported(tmp_path, OPENSLO.replace("target: 0.99}", "target: 0.99, indicatorRef: gone, op: lt, value: 3}"))
    assert [each.name for each in got.refused] == ["search-speed-most", "visits"]
    assert [each.name for each in got.files[0].slos] == ["search-speed-nearly-all", "orders"]


def test_openslo_policy_or_condition_that_is_not_there_is_named_and_the_others_alert(tmp_path: Path) -> None:
    for before in ("alertPolicyRef: burns-fast", "conditionRef: fast-burn"):
        got = imported(tmp_path, OPENSLO.replace(before, f"{before.partition(':')[0]}: gone"))
        (note,) = [note for note in got.notes if "named 'gone' in these files" in str(note)]
        assert note.problem.path.endswith("Ref")
        assert "until then its alerts are missing" in str(note)
        tiers = data(got)["policies"][0]["tiers"]
        assert [tier["severity"] for tier in tiers] == ["ticket"]


def test_openslo_without_any_of_its_policies_has_no_alerts_and_says_so(tmp_path: Path) -> None:
    text = OPENSLO_ALPHA.replace("    timeWindows:", "    alertPolicies: [gone]\n    timeWindows:")
    got = imported(tmp_path, text)
    assert slo(got, "requests-latency")["alerting"] == {"page": {"disabled": True}, "ticket": {"disabled": True}}
    said = [str(note) for note in got.notes]
    assert any("spec.alertPolicies[0]: there is no AlertPolicy named 'gone'" in each for each in said)
    assert any("so there are no alerts" in each for each in said)


def test_openslo_objects_may_stand_in_several_files(tmp_path: Path) -> None:
    for number, document in enumerate(OPENSLO.split("---\n")):
        (tmp_path / f"{number}.yaml").write_text(document, encoding="utf-8")
    got = import_files([tmp_path])
    assert [each.name for each in got.files[0].slos] == ["search-speed-most", "search-speed-nearly-all", "orders"]


def test_openslo_alpha_is_translated(tmp_path: Path) -> None:
    got = imported(tmp_path, OPENSLO_ALPHA)
    assert data(got)["defaults"] == {"window": "14d"}
    assert slo(got, "requests-latency")["sli"] == {
        "latency": {"histogram": 'apiserver_request_duration_seconds{verb!="WATCH"}', "threshold": "400ms"}
    }


@pytest.mark.parametrize(
    ("written", "days"), [("1w", "7d"), ("1M", "30d"), ("1Q", "90d"), ("1Y", "365d"), ("36h", "1d12h")]
)
def test_lengths_of_openslo_are_days(tmp_path: Path, written: str, days: str) -> None:
    got = imported(tmp_path, OPENSLO.replace("duration: 4w", f"duration: {written}"))
    assert f"window: {days}" in got.files[0].text


def test_pyrra_is_translated_with_its_own_alert_windows(tmp_path: Path) -> None:
    got = imported(tmp_path, PYRRA)
    first = slo(got, "api-errors")
    assert (data(got)["service"], first["window"], first["by"], first["objective"]) == (
        "shop",
        "28d",
        ["handler"],
        99.5,
    )
    # slo.go: 14 x 0.5 % x 1 h and `for` of 2 m are 372 s, 6 minutes.
    assert first["alerting"] == {
        "policy": "pyrra-28d",
        "name": "ApiBudgetBurn",
        "severities": {"page": "p1", "ticket": "warning"},
        "page": {"labels": {"team": "payments"}, "annotations": {"runbook_url": "https://example.org/runbook"}},
        "ticket": {"labels": {"team": "payments"}, "annotations": {"runbook_url": "https://example.org/runbook"}},
        "absent": "6m",
    }
    assert slo(got, "api-latency")["alerting"] == {
        "policy": "pyrra-14d",
        "name": "ErrorBudgetBurn",
        "severities": {"page": "critical", "ticket": "warning"},
        "disabled": ["30m"],
    }
    assert "defaults" not in data(got)  # the SLOs share none of these
    tiers = {policy["name"]: policy["tiers"] for policy in data(got)["policies"]}
    assert [(tier["long"], tier["short"], tier["factor"]) for tier in tiers["pyrra-28d"]] == [
        *(("1h", "5m", 14), ("6h", "30m", 7)),
        *(("1d", "2h", 2), ("4d", "6h", 1)),
    ]
    # Two weeks halve the windows; none is shorter than 5 m. At 90 % no error ratio burns 14 times: disabled above.
    assert [(tier["long"], tier["short"], tier["factor"]) for tier in tiers["pyrra-14d"]] == [
        *(("30m", "5m", 14), ("3h", "15m", 7)),
        *(("12h", "1h", 2), ("2d", "3h", 1)),
    ]


@pytest.mark.parametrize("version", ["v1alpha1", '"v1alpha1"', "pyrra.dev/v1alpha1"])
def test_pyrra_is_known_with_its_group_and_without(tmp_path: Path, version: str) -> None:
    got = imported(tmp_path, PYRRA.replace("pyrra.dev/v1alpha1", version))
    assert [each.name for each in got.files[0].slos] == ["api-errors", "api-latency", "api-slow-errors"]


def test_a_version_alone_makes_no_slo_of_pyrra(tmp_path: Path) -> None:
    text = PYRRA.replace("pyrra.dev/v1alpha1", "v1alpha1").replace("ServiceLevelObjective", "Application")
    with pytest.raises(SloEngineError, match="no SLO of sloth, openslo, pyrra"):
        imported(tmp_path, text)


def test_alerts_keep_the_names_and_severities_that_they_have_there(tmp_path: Path) -> None:
    text = SLOTH.replace("labels: {area: web}", "labels: {area: web, severity: p3}").replace(
        "name: CheckoutSlow, page_alert: {}", "name: 'Checkout: slow!', page_alert: {labels: {severity: sev-1}}"
    )
    got = imported(tmp_path, text)
    first, second = (slo(got, name)["alerting"] for name in ("requests-availability", "requests-latency"))
    assert (first["name"], first["severities"]) == ("CheckoutHighErrorRate", {"page": "critical"})  # the nearer one
    assert (second["name"], second["severities"]) == ("Checkout:_slow", {"ticket": "warning"})
    said = [str(note) for note in got.notes]
    assert any("alerts named 'Checkout: slow!' are named Checkout:_slow here" in each for each in said)
    assert any(
        "page_alert.labels.severity: a severity is one word" in each and "It is page here" in each for each in said
    )


def test_names_and_severities_that_all_slos_share_are_said_once(tmp_path: Path) -> None:
    text = PYRRA.replace("    name: ApiBudgetBurn\n    severities: {fastBurn: p1}\n", "    absent: true\n")
    got = imported(tmp_path, text)
    assert data(got)["defaults"]["alerting"] == {
        "name": "ErrorBudgetBurn",
        "severities": {"page": "critical", "ticket": "warning"},
    }
    for name in ("api-errors", "api-latency", "api-slow-errors"):
        assert not {"name", "severities"} & set(slo(got, name)["alerting"])


def test_alerts_of_pyrra_that_share_a_tier_share_a_severity_and_that_is_said(tmp_path: Path) -> None:
    severities = "{fastBurn: p1, mediumBurn: p2, slowBurn: p3, longTermBurn: p3, absent: p4}"
    got = imported(tmp_path, PYRRA.replace("{fastBurn: p1}", severities))
    assert slo(got, "api-errors")["alerting"]["severities"] == {"page": "p1", "ticket": "p3"}
    said = [str(note) for note in got.notes]
    assert any("fastBurn and mediumBurn are page here, and share one severity: p1" in each for each in said)
    assert not any("slowBurn and longTermBurn" in each for each in said)
    assert any("severities.absent: the alert for missing data" in each for each in said)


def test_pyrra_buckets_of_other_events_than_those_counted_are_no_latency(tmp_path: Path) -> None:
    got = imported(tmp_path, PYRRA)
    assert slo(got, "api-latency")["sli"] == {
        "latency": {"histogram": 'http_request_duration_seconds{job="api"}', "threshold": "1s"}
    }
    assert list(slo(got, "api-slow-errors")["sli"]) == ["events"]
    assert slo(got, "api-slow-errors")["alerting"] == {"page": {"disabled": True}, "ticket": {"disabled": True}}


SLICES = """\
apiVersion: pyrra.dev/v1alpha1
kind: ServiceLevelObjective
metadata: {name: probes, namespace: shop}
spec:
  target: "99"
  window: 4w
  indicator: {bool_gauge: {metric: 'probe_success{job="blackbox"}', grouping: [instance]}}
---
apiVersion: pyrra.dev/v1alpha1
kind: ServiceLevelObjective
metadata: {name: native, namespace: shop}
spec:
  target: "99"
  window: 4w
  indicator: {latencyNative: {latency: 200ms, total: {metric: 'rpc_seconds{code="ok"}'}, grouping: [method]}}
---
apiVersion: openslo/v1
kind: SLO
metadata: {name: lag}
spec:
  service: shop
  indicator:
    spec: {thresholdMetric: {metricSource: {type: Prometheus, spec: {query: max by (topic) (consumer_lag)}}}}
  budgetingMethod: Occurrences
  objectives: [{op: lt, value: 500, target: 0.99}]
---
apiVersion: openslo/v1
kind: SLO
metadata: {name: good-minutes}
spec:
  service: shop
  indicator:
    spec:
      ratioMetric:
        counter: true
        good: {metricSource: {type: Prometheus, spec: {query: 'orders_total{state="done"}'}}}
        total: {metricSource: {type: Prometheus, spec: {query: orders_total}}}
  budgetingMethod: Timeslices
  objectives: [{target: 0.99, timeSliceTarget: 0.95, timeSliceWindow: 1m}]
"""

WANTED = {
    "probes": ({"slices": {"good": 'probe_success{job="blackbox"}'}}, ["instance"]),
    "native": (
        {"latency": {"histogram": 'rpc_seconds{code="ok"}', "threshold": "200ms", "native": True}},
        ["method"],
    ),
    "lag": ({"slices": {"good": "(max by (topic) (consumer_lag)) < bool 500"}}, ["topic"]),
    "good-minutes": (
        {
            "slices": {
                "good": '(sum (rate(orders_total{state="done"}[5m])) or 0 * sum (rate(orders_total[5m])))'
                " / sum (rate(orders_total[5m])) >= bool 0.95"
            }
        },
        None,
    ),
}


def test_gauges_and_time_slices_are_slices(tmp_path: Path) -> None:
    got = imported(tmp_path, SLICES)
    assert not got.refused
    assert {each["name"]: (each["sli"], each.get("by")) for each in data(got)["slos"]} == WANTED


def test_service_of_pyrra_can_be_given(tmp_path: Path) -> None:
    got = imported(tmp_path, PYRRA, service="My Shop")
    assert [file.name for file in got.files] == ["my-shop.yaml"]


def test_what_the_loader_refuses_is_a_comment_with_the_reason_of_the_loader(tmp_path: Path) -> None:
    got = imported(tmp_path, SLOTH.replace("objective: 95", "objective: 100"))
    reasons = {refused.name: refused.reason for refused in got.refused}
    assert reasons["requests-latency"].startswith("objective must be below 100")
    assert "  # - name: requests-latency\n  #   objective: 100\n" in got.files[0].text


def test_names_are_made_to_fit_and_told_apart(tmp_path: Path) -> None:
    text = SLOTH.replace('"requests-latency"', '"Requests Availability!"').replace(
        '"checkout"\nlabels', '"Check Out"\nlabels'
    )
    got = imported(tmp_path, text)
    assert [each.key for each in got.files[0].slos] == [
        ("check-out", "requests-availability"),
        ("check-out", "requests-availability-2"),
    ]
    text = " ".join(line.strip(" #") for line in got.files[0].text.splitlines())
    assert "'Check Out' is check-out here" in text
    assert "'Requests Availability!' is requests-availability here" in text


def test_labels_that_the_rules_set_are_left_out_with_a_comment(tmp_path: Path) -> None:
    text = SLOTH.replace('tier: "1"', '"slo": x\n  bad-name: y\n  fine: "{{ open"')
    got = imported(tmp_path, text)
    assert "labels" not in data(got)
    named = {note.problem.path for note in got.notes}
    assert {"labels.slo", "labels.bad-name", "labels.fine"} <= named


def test_a_source_can_hide_no_yaml_in_a_comment(tmp_path: Path) -> None:
    hostile = '"a\\nslos:\\u2028evil: 1"'
    got = imported(tmp_path, SLOTH.replace("slo_plugins:", f"{hostile}: x\nslo_plugins:"))
    assert set(data(got)) == {"version", "service", "owner", "labels", "defaults", "slos"}


def test_format_is_what_the_document_says_or_what_the_caller_says(tmp_path: Path) -> None:
    unnamed = SLOTH.replace('version: "prometheus/v1"\n', "")
    assert len(imported(tmp_path, unnamed, format_name="sloth").files[0].slos) == 2
    got = imported(tmp_path, f"{SLOTH}---\n{PYRRA}", format_name="pyrra")
    assert [file.name for file in got.files] == ["shop.yaml"]
