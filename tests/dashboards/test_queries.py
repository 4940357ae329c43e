"""The PromQL of the panels: it reads what exists, and says what the panel says it does."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from functools import cache
from pathlib import Path
from typing import Any

import promql_parser
import pytest
import yaml
from prometheus_client import CollectorRegistry

from slo_engine import telemetry
from slo_engine.dashboards import DASHBOARDS
from slo_engine.dashboards.records import counted, firing, thresholds
from slo_engine.definitions import labels, load
from slo_engine.definitions.promql import parse_expression
from slo_engine.definitions.slo import SloSet
from slo_engine.definitions.targets import error_budget
from slo_engine.monitoring.metrics import AgentMetrics
from slo_engine.recording import names
from tests.dashboards.promtool import expect
from tests.dashboards.queries import CHOSEN, PanelQuery, dashboards, filled_in, panel_queries
from tests.definitions.writing import slo, slo_file, write

ROOT = Path(__file__).parent.parent.parent
TARGET = {"job", "instance"}
"""Labels that Prometheus adds."""


@cache
def shipped() -> SloSet:
    return load([ROOT / "slos"])


@cache
def queries() -> tuple[PanelQuery, ...]:
    return tuple(query for page in dashboards(shipped()) for query in panel_queries(page))


def query(dashboard: str, panel: str, number: int = 0) -> str:
    return [each.expr for each in queries() if (each.dashboard, each.panel) == (dashboard, panel)][number]


def nodes(tree: Any) -> Iterator[Any]:
    yield tree
    for name in ("expr", "lhs", "rhs", "vector_selector", "param"):
        child = getattr(tree, name, None)
        if child is not None and not isinstance(child, str | float):
            yield from nodes(child)
    for child in getattr(tree, "args", None) or ():
        yield from nodes(child)


SUFFIXES = {"counter": ("_total",), "histogram": ("_bucket", "_sum", "_count")}


def of_metrics(registry: CollectorRegistry) -> Iterator[tuple[str, set[str]]]:
    """Series name -> its labels, of everything in a registry of prometheus_client."""
    for collector in registry._collector_to_names:
        own = {*getattr(collector, "_labelnames", ()), *TARGET}
        for metric in collector.collect():
            for suffix in SUFFIXES.get(metric.type, ("",)):
                yield metric.name + suffix, own | ({"le"} if suffix == "_bucket" else set())


def selectors(expr: str) -> list[tuple[str, set[str]]]:
    """Every series that an expression reads, with the labels by which it chooses."""
    return [
        (str(node.name), {matcher.name for matcher in node.matchers.matchers})
        for node in nodes(parse_expression(expr))
        if isinstance(node, promql_parser.VectorSelector)
    ]


@cache
def known() -> Mapping[str, set[str]]:
    """Every series that Prometheus has from the library, the engine and the rules -> the labels it may have."""
    registry = CollectorRegistry()
    AgentMetrics(registry)
    groups = {label for each in shipped().slos for label in each.by}
    recorded = {
        rule["record"]: {labels.SERVICE, labels.SLO, labels.WINDOW, *groups}
        for file in (ROOT / "rules").glob("*.yaml")
        for group in yaml.safe_load(file.read_text())["groups"]
        for rule in group["rules"]
        if "record" in rule
    }
    alerts = {labels.SERVICE, labels.SLO, labels.SEVERITY, "alertname", "alertstate", *groups}
    return {**dict(of_metrics(registry)), **dict(of_metrics(telemetry.REGISTRY)), **recorded, "ALERTS": alerts}


def test_every_query_is_promql_on_series_that_exist_and_labels_that_they_have() -> None:
    there = known()
    for each in queries():
        read = selectors(each.expr)
        assert read, each.name
        for name, chosen_by in read:
            assert name in there, each.name
            assert chosen_by <= there[name], (each.name, name)
        allowed = set().union(*(there[name] for name, _ in read))
        for node in nodes(parse_expression(each.expr)):
            if isinstance(node, promql_parser.AggregateExpr) and node.modifier is not None:
                assert set(node.modifier.labels) <= allowed, each.name


def test_the_variables_ask_for_series_that_exist() -> None:
    there = known()
    for page in dashboards(shipped()):
        for variable in page["templating"]["list"][1:]:
            asked = filled_in(variable["query"]["query"], CHOSEN)
            inside = asked.partition("(")[2].rpartition(")")[0]
            selector, _, label = inside.rpartition(", ") if asked.startswith("label_values") else (inside, "", "")
            ((name, chosen_by),) = selectors(selector)
            assert chosen_by <= there[name]
            assert not label or label in there[name]


def test_every_metric_of_the_library_that_counts_or_measures_is_on_the_dashboard() -> None:
    registry = CollectorRegistry()
    AgentMetrics(registry)
    shown = " ".join(each.expr for each in queries())
    families = {metric.name for metric in registry.collect()}
    # What a run costs is read from the counter of all money, and so is a ratio of sums.
    assert {family for family in families if family not in shown} == {"agent_cost_per_request_usd"}


def test_every_own_metric_of_the_engine_is_on_its_dashboard() -> None:
    shown = " ".join(each.expr for each in queries() if each.dashboard == "slo-engine")
    families = {metric.name for metric in telemetry.REGISTRY.collect() if metric.name.startswith("slo_engine_")}
    assert not {family for family in families if family not in shown}


def test_error_rate_is_of_each_agent_all_instances_together_and_an_idle_one_has_none(tmp_path: Path) -> None:
    # The ratio of rates without sums would be 1 for each failing series; the mean of the instances would be 25.5.
    def runs(instance: str, agent: str, status: str, step: int) -> tuple[str, str]:
        own = f'job="agents",instance="{instance}",agent_type="{agent}",status="{status}"'
        return f"agent_requests_total{{{own}}}", f"0+{step}x60"

    series = dict(
        (
            *(runs("a", "busy", "success", 99), runs("a", "busy", "error", 1)),
            *(runs("b", "busy", "success", 1), runs("b", "busy", "timeout", 1)),
            *(runs("a", "idle", "success", 0), runs("a", "idle", "error", 0)),
        )
    )
    expect(tmp_path, series, {query("AI agents", "Error rate"): {'{agent_type="busy"}': round(100 * 2 / 102, 6)}})


def test_tool_success_is_of_all_calls_and_a_tool_without_calls_has_none(tmp_path: Path) -> None:
    def calls(instance: str, tool: str, status: str, step: int) -> tuple[str, str]:
        own = f'job="agents",instance="{instance}",tool_name="{tool}",status="{status}"'
        return f"agent_tool_calls_total{{{own}}}", f"0+{step}x60"

    series = dict(
        (
            *(calls("a", "search", "success", 90), calls("a", "search", "failure", 0)),
            *(calls("b", "search", "success", 0), calls("b", "search", "timeout", 10)),
            calls("a", "unused", "success", 0),
        )
    )
    expect(tmp_path, series, {query("AI agents", "Tool success"): {'{tool_name="search"}': 90}})


def test_latency_of_an_idle_agent_is_nothing_rather_than_nan(tmp_path: Path) -> None:
    def bucket(agent: str, bound: str, step: int) -> tuple[str, str]:
        own = f'job="agents",instance="a",agent_type="{agent}",le="{bound}"'
        return f"agent_request_duration_seconds_bucket{{{own}}}", f"0+{step}x60"

    series = dict(
        bucket(agent, bound, step)
        for agent, steps in (("busy", (50, 95, 100)), ("idle", (0, 0, 0)))
        for bound, step in zip(("1", "5", "+Inf"), steps, strict=True)
    )
    expected = {
        query("AI agents", "Latency", 0): {'{agent_type="busy"}': 1},
        query("AI agents", "Latency", 1): {'{agent_type="busy"}': 5},
    }
    expect(tmp_path, series, expected)


def test_hourly_spend_is_money_within_an_hour_whoever_spent_it(tmp_path: Path) -> None:
    series = {
        f'llm_cost_usd_total{{job="agents",instance="{instance}",agent_type="batch",model="{model}"}}': "0+0.01x480"
        for instance in ("a", "b")
        for model in ("small", "large")
    }
    # 240 steps of a quarter minute in an hour, of each of the four.
    expected = {query("AI agents", "Hourly spend"): {'{agent_type="batch"}': 9.6}}
    expect(tmp_path, series, expected, at="2h")


def test_a_breaker_that_is_open_on_one_instance_is_not_hidden_by_a_half_open_one(tmp_path: Path) -> None:
    series = {
        f'agent_circuit_breaker_state{{job="agents",instance="{instance}",service_name="{name}"}}': f"{state}x60"
        for name, states in {"search": (1, 2, 0), "crm": (0, 2, 0), "mail": (0, 0, 0)}.items()
        for instance, state in enumerate(states)
    }
    samples = {'{service_name="search"}': 1.0, '{service_name="crm"}': 2.0, '{service_name="mail"}': 0.0}
    expect(tmp_path, series, {query("AI agents", "Circuit breakers"): samples})


def test_no_alert_is_0_only_while_the_rules_record_something(tmp_path: Path) -> None:
    ratio = 'slo:sli_error:ratio{slo_service="agents",slo="success",slo_window="1h"}'
    alert = 'ALERTS{slo_service="agents",slo="success",alertname="A",alertstate="firing"}'
    number = counted(firing('slo_service="agents"'), 'slo_service="agents"')
    expect(tmp_path, {ratio: "0x60"}, {number: {"{}": 0}})
    expect(tmp_path, {ratio: "0x60", alert: "1x60"}, {number: {"{}": 1}})
    expect(tmp_path, {'up{job="agents"}': "1x60"}, {number: {}})


@pytest.mark.parametrize("policy", ["agent", "google", "page-at-5x"])
def test_thresholds_are_the_burn_rates_at_which_the_policy_fires(policy: str, tmp_path: Path) -> None:
    objectives = {"usual": 99, "low": 90, "lower": 60, "lowest": 20}
    overrides = ", ".join(f"{{match: {{agent_type: {name}}}, objective: {o}}}" for name, o in objectives.items())
    more = (f"alerting: {{policy: {policy}}}", "by: [agent_type]", f"overrides: [{overrides}]")
    text = slo_file(slo("a.success", *more), slo("other", f"alerting: {{policy: {policy}}}"))
    if policy == "page-at-5x":  # it cannot fire under 80 %, which is a mistake
        objectives = {"usual": 99, "low": 90}
        text = text.replace(", {match: {agent_type: lower}, objective: 60}", "")
        text = text.replace(", {match: {agent_type: lowest}, objective: 20}", "")
    loaded = load([write(tmp_path / "slos.yaml", text)])
    found = loaded.find("agents", "a.success")
    assert found is not None
    series = {
        f'slo:objective:ratio{{slo_service="agents",slo="a.success",agent_type="{name}"}}': f"{objective / 100}x60"
        for name, objective in objectives.items()
    }
    limits = thresholds(loaded, 'slo_service="agents",slo="a.success"')
    assert sum(len(each) for each in limits.values()) == len(found.tiers)
    expected = {
        limits[int(tier.long.seconds // 60)][name]: {
            f'{{agent_type="{group}",slo_tier="{name}"}}': round(found.policy.factor(tier, error_budget(objective)), 6)
            for group, objective in objectives.items()
        }
        for tier in found.tiers
        for name in (f"{tier.severity}-{tier.long}",)
    }
    expect(tmp_path, series, expected)


def test_the_threshold_of_spend_is_the_factor(tmp_path: Path) -> None:
    spend = shipped().find("agents", "spend")
    assert spend is not None
    matchers = 'slo_service="agents",slo="spend"'
    limits = thresholds(shipped(), matchers)
    series = {
        f'slo:sli_error:ratio{{{matchers},agent_type="batch",slo_window="{window}"}}': "3x60"
        for window in spend.windows
    }
    expected = {
        limits[int(tier.long.seconds // 60)][name]: {f'{{agent_type="batch",slo_tier="{name}"}}': tier.factor}
        for tier in spend.tiers
        for name in (f"{tier.severity}-{tier.long}",)
    }
    expect(tmp_path, series, expected)


def test_burn_rate_of_events_is_the_ratio_by_the_budget_and_of_money_the_ratio(tmp_path: Path) -> None:
    own = 'slo_service="agents",agent_type="a"'
    series = {
        f'slo:sli_error:ratio{{{own},slo="success",slo_window="1h"}}': "0.1x60",
        f'slo:objective:ratio{{{own},slo="success"}}': "0.95x60",
        f'slo:sli_error:ratio{{{own},slo="spend",slo_window="1h"}}': "3x60",
    }
    expected = {
        query("SLO overview", "Burn rate over an hour"): {
            '{slo_service="agents",slo="success"}': 2.0,
            '{slo_service="agents",slo="spend"}': 3.0,
        }
    }
    expect(tmp_path, series, expected)


def test_every_dashboard_is_in_the_table_once() -> None:
    pages = [page(shipped()) for page in DASHBOARDS]
    assert [page.title for page in pages] == ["AI agents", "SLO overview", "SLO detail", "slo-engine"]


def test_records_are_named_as_the_rules_name_them() -> None:
    read = {name for each in queries() for name, _ in selectors(each.expr) if name.startswith("slo:")}
    assert read
    assert read <= {value for value in vars(names).values() if isinstance(value, str)}
