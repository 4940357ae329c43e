"""The templates as a whole: what they read is what the exporters show, what they say is what the docs say."""

from __future__ import annotations

import dataclasses
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from pydantic import ValidationError

from slo_engine.definitions import Duration, Sli, load
from slo_engine.definitions.kinds import LatencySli
from slo_engine.definitions.promql import Selector
from slo_engine.definitions.templates import TEMPLATES, LatencyParameters
from slo_engine.definitions.templates.apply import apply
from slo_engine.rollout import render
from slo_engine.rules import build
from tests.definitions.templates.exposition import read
from tests.rules.promtool import check

ROOT = Path(__file__).parents[3]
EXAMPLES = sorted((ROOT / "examples" / "slos").glob("*.yaml"))
EXPOSITIONS = {
    "litellm": ("litellm",),
    "otel-genai": ("otel-genai-1.36", "otel-genai-1.37"),
    "vllm": ("vllm",),
}
REQUIRED = {"threshold": "5s", "budget": "3000 USD"}
"""A value for each parameter that a template may require."""

BY_NAME = pytest.mark.parametrize("name", TEMPLATES)


def made(name: str, **parameters: object) -> Sli:
    template = TEMPLATES[name]
    needed: dict[str, object] = {key: REQUIRED[key] for key in template.required}
    if issubclass(template.parameters, LatencyParameters):
        needed["own_buckets"] = True
    return apply({"template": name, **needed, **parameters})


def shown(name: str) -> dict[str, frozenset[str]]:
    """The metrics that the template's exporter shows, and their labels."""
    found: dict[str, frozenset[str]] = {}
    for exposition in EXPOSITIONS[name.partition("/")[0]]:
        for metric, labels in read(exposition).labels.items():
            found[metric] = found.get(metric, frozenset()) | labels
    return found


def read_by(sli: Sli) -> Iterator[Selector]:
    if isinstance(sli, LatencySli):
        yield sli.histogram.with_suffix("_count")
        yield sli.watched
        return
    fields: Any = sli
    for field in dataclasses.fields(fields):
        value = getattr(sli, field.name)
        if isinstance(value, Selector):
            yield value


@BY_NAME
def test_every_metric_and_label_that_a_template_reads_is_shown_by_its_exporter(name: str) -> None:
    metrics = shown(name)
    for selector in read_by(made(name)):
        assert selector.metric in metrics
        assert {matcher.name for matcher in selector.matchers} <= metrics[selector.metric]


@BY_NAME
def test_every_label_that_is_worth_grouping_by_is_on_what_the_template_divides(name: str) -> None:
    sli = made(name)
    assert sli.watched is not None
    assert set(TEMPLATES[name].by) <= shown(name)[sli.watched.metric]


@pytest.mark.parametrize(
    ("name", "metric"),
    [
        ("litellm/availability", "litellm_proxy_total_requests_metric_total"),
        ("litellm/deployment-availability", "litellm_deployment_total_requests_total"),
        ("litellm/latency", "litellm_request_total_latency_metric_count"),
        ("litellm/llm-latency", "litellm_llm_api_latency_metric_count"),
        ("litellm/time-to-first-token", "litellm_llm_api_time_to_first_token_metric_count"),
        ("litellm/spend", "litellm_spend_metric_total"),
    ],
)
def test_the_labels_by_which_series_of_litellm_differ_are_all_that_it_sets(name: str, metric: str) -> None:
    labels = made(name).exporter_labels  # type: ignore[attr-defined]
    assert set(labels) == shown(name)[metric]


@BY_NAME
def test_the_buckets_that_a_template_offers_are_those_that_its_exporter_shows(name: str) -> None:
    if not issubclass(TEMPLATES[name].parameters, LatencyParameters):
        return
    sli = made(name)
    assert isinstance(sli, LatencySli)
    bucket = f"{sli.histogram.metric}_bucket{{"
    bounds = {
        float(series.partition('le="')[2].partition('"')[0])
        for exposition in EXPOSITIONS[name.partition("/")[0]]
        for series in read(exposition).series
        if series.startswith(bucket)
    } - {float("inf")}
    with pytest.raises(ValidationError) as refused:
        made(name, threshold="3s1ms", own_buckets=False)
    (mistake,) = refused.value.errors()
    offered = set(mistake["msg"].partition("There are ")[2].partition(";")[0].split(", "))
    # Versions of LiteLLM differ: those that all have are offered.
    only_here = {"10ms", "250ms", "7m", "10m"} if name.startswith("litellm/") else set()
    assert offered == {str(Duration(round(bound * 1000))) for bound in bounds} - only_here


@BY_NAME
def test_where_narrows_everything_that_is_counted(name: str) -> None:
    sli = made(name, where={"job": 'a"b'})
    counted = [selector for selector in read_by(sli) if "zero_cost" not in selector.metric]
    assert counted
    assert all('job="a\\"b"' in str(selector) for selector in counted)


def test_native_histograms_take_any_threshold() -> None:
    sli = apply({"template": "otel-genai/latency", "threshold": "10s", "native": True})
    assert isinstance(sli, LatencySli)
    assert sli.native


def test_the_example_files_use_every_exporter_and_make_rules_that_prometheus_takes(tmp_path: Path) -> None:
    slos = load(EXAMPLES)
    assert [file.stem for file in EXAMPLES] == sorted(EXPOSITIONS)
    assert set(slos.services) == set(build(slos))
    for name, text in render(slos).items():
        (tmp_path / name).write_text(text, encoding="utf-8")
    check(tmp_path.iterdir())


def test_the_docs_have_a_row_for_each_template() -> None:
    rows = [line for line in (ROOT / "docs" / "templates.md").read_text(encoding="utf-8").splitlines() if "/" in line]
    documented = [row for row in rows if row.startswith("| `") and row.split("`")[1].partition("/")[0] in EXPOSITIONS]
    assert documented == [_row(name) for name in TEMPLATES]


def _row(name: str) -> str:
    template = TEMPLATES[name]
    parameters = ", ".join(f"**`{key}`**" if key in template.required else f"`{key}`" for key in template.keys)
    metrics = ", ".join(f"`{metric}`" for metric in dict.fromkeys(each.metric for each in read_by(made(name))))
    by = ", ".join(f"`{label}`" for label in template.by)
    return f"| `{name}` | {template.description} | {parameters} | {by} | {metrics} |"


def test_the_docs_explain_every_parameter() -> None:
    text = (ROOT / "docs" / "templates.md").read_text(encoding="utf-8")
    for template in TEMPLATES.values():
        for key, meaning in template.keys.items():
            assert f"| `{key}` | {meaning} |" in text
