"""What the rules of each template count, when promtool lets them see what the exporter shows."""

from __future__ import annotations

from pathlib import Path

import pytest

from slo_engine.definitions import SloSet
from slo_engine.definitions.templates import TEMPLATES
from tests.definitions.templates.exposition import read
from tests.rules.histories import counter, late
from tests.rules.promtool import near, replay, slos_of

_OTEL_NOW = "otel-genai-1.37"
_OTEL_BEFORE = "otel-genai-1.36"
_OTEL_NO_UNIT = "otel-genai-without-units"

# Exposition, the SLI, and the events and errors that it shows.
COUNTS: list[tuple[str, str, float, float]] = [
    ("litellm", "template: litellm/availability", 20, 8),
    ("litellm", "template: litellm/availability, errors: server", 20, 4),
    ("litellm", "template: litellm/availability, where: {team_alias: support}", 19, 7),
    ("litellm", "template: litellm/deployment-availability", 18, 6),
    ("litellm", "template: litellm/latency, threshold: 500ms", 12, 5),
    ("litellm", "template: litellm/llm-latency, threshold: 500ms", 12, 5),
    ("litellm", "template: litellm/time-to-first-token, threshold: 500ms", 4, 1),
    ("vllm", "template: vllm/completion", 40, 3),
    ("vllm", "template: vllm/completion, length_is_bad: true", 40, 6),
    ("vllm", 'template: vllm/completion, where: {engine: "0"}', 20, 3),
    ("vllm", "template: vllm/latency, threshold: 10s", 40, 4),
    ("vllm", "template: vllm/queue-time, threshold: 1s", 40, 2),
    ("vllm", "template: vllm/time-to-first-token, threshold: 500ms", 40, 5),
    ("vllm", "template: vllm/inter-token-latency, threshold: 50ms", 200, 10),
    ("vllm", "template: vllm/time-per-output-token, threshold: 50ms", 200, 10),
    ("vllm", "template: vllm/request-time-per-output-token, threshold: 100ms", 40, 1),
    (_OTEL_BEFORE, "template: otel-genai/availability", 13, 3),
    (_OTEL_BEFORE, "template: otel-genai/availability, where: {gen_ai_system: openai}", 13, 3),
    (_OTEL_BEFORE, "template: otel-genai/latency, threshold: 640ms", 10, 2),
    (_OTEL_NOW, "template: otel-genai/availability", 13, 3),
    (_OTEL_NOW, "template: otel-genai/availability, series_expire: false", 13, 3),
    (_OTEL_NOW, "template: otel-genai/availability, where: {gen_ai_provider_name: openai}", 13, 3),
    (_OTEL_NOW, "template: otel-genai/latency, threshold: 640ms", 10, 2),
    (_OTEL_NOW, "template: otel-genai/time-to-first-chunk, threshold: 320ms", 8, 2),
    (_OTEL_NOW, "template: otel-genai/agent-availability", 4, 1),
    (_OTEL_NOW, "template: otel-genai/agent-latency, threshold: 400ms", 3, 1),
    (_OTEL_NOW, "template: otel-genai/tool-availability", 4, 1),
    (_OTEL_NOW, "template: otel-genai/tool-latency, threshold: 320ms", 3, 1),
    (_OTEL_NOW, "template: otel-genai/workflow-availability", 4, 1),
    (_OTEL_NOW, "template: otel-genai/workflow-latency, threshold: 1s", 3, 0),
    (_OTEL_NOW, "template: otel-genai/invoke-workflow-availability", 4, 1),
    (_OTEL_NOW, "template: otel-genai/invoke-workflow-latency, threshold: 1s", 3, 0),
    (_OTEL_NO_UNIT, "template: otel-genai/availability, unit_suffix: false", 13, 3),
    (_OTEL_NO_UNIT, "template: otel-genai/latency, unit_suffix: false, threshold: 640ms", 10, 2),
    (_OTEL_NO_UNIT, "template: otel-genai/agent-availability, unit_suffix: false", 4, 1),
    (_OTEL_NO_UNIT, "template: otel-genai/agent-latency, unit_suffix: false, threshold: 400ms", 3, 1),
]


def slos(folder: Path, sli: str, objective: str = "objective: 95") -> SloSet:
    text = f"version: slo-engine/v1\nservice: agents\nslos:\n  - name: one\n    {objective}\n    sli: {{{sli}}}\n"
    return slos_of(folder, text)


@pytest.mark.parametrize(("exposition", "sli", "total", "errors"), COUNTS)
def test_a_template_counts_the_events_and_errors_that_its_exporter_shows(
    exposition: str, sli: str, total: float, errors: float, tmp_path: Path
) -> None:
    replay(
        tmp_path,
        slos(tmp_path, sli),
        read(exposition).growing(),
        near("1h", "slo:sli_total:increase1m", total),
        near("1h", "slo:sli_errors:increase1m", errors),
        near("1h", 'slo:sli_error:ratio{slo_window="30m"}', errors / total),
    )


def test_the_spend_of_litellm_is_what_its_counter_holds(tmp_path: Path) -> None:
    exposition = read("litellm")
    (spent,) = (value for name, value in exposition.series.items() if name.startswith("litellm_spend_metric_total"))
    assert spent > 0
    spend = slos(tmp_path, "template: litellm/spend, budget: 3000 USD", "window: 30d")
    replay(tmp_path, spend, exposition.growing(), near("1h", "slo:sli_errors:increase1m", spent))


def test_every_template_is_counted() -> None:
    counted = {sli.partition(",")[0].removeprefix("template: ") for _, sli, _, _ in COUNTS} | {"litellm/spend"}
    assert counted == set(TEMPLATES)


PROXY = 'litellm_proxy_total_requests_metric_total{{instance="a",user="{user}",status_code="{status}"}}'


def test_the_first_request_of_each_caller_of_litellm_is_counted(tmp_path: Path) -> None:
    series = {
        PROXY.format(user="ann", status="200"): counter((60, 1)),
        # One request each, and their series never grows: increase() sees nothing of them.
        PROXY.format(user="ben", status="200"): late(30, "1x30"),
        PROXY.format(user="cem", status="500"): late(40, "1x20"),
    }
    replay(
        tmp_path,
        slos(tmp_path, "template: litellm/availability"),
        series,
        near("50m", "sum_over_time(slo:sli_errors:increase1m[50m])", 1),
        near("50m", "sum_over_time(slo:sli_total:increase1m[50m])", 52),
    )


def test_a_proxy_that_is_scraped_again_after_a_gap_counts_nothing_twice(tmp_path: Path) -> None:
    series = {PROXY.format(user="ann", status=status): f"1000x10 _x20 {value}x30" for status, value in STATUSES.items()}
    replay(
        tmp_path,
        slos(tmp_path, "template: litellm/availability"),
        series,
        near("59m", "sum_over_time(slo:sli_total:increase1m[59m])", 0),
        near("59m", "sum_over_time(slo:sli_errors:increase1m[59m])", 0),
    )


STATUSES = {"200": 1000, "500": 1000}


def test_the_first_call_of_each_caller_of_litellm_is_spent(tmp_path: Path) -> None:
    spend = 'litellm_spend_metric_total{{instance="a",end_user="{user}"}}'
    series = {spend.format(user="ann"): counter((60, 0)), spend.format(user="ben"): late(30, "0.5x30")}
    replay(
        tmp_path,
        slos(tmp_path, "template: litellm/spend, budget: 3000 USD", "window: 30d"),
        series,
        near("50m", "sum_over_time(slo:sli_errors:increase1m[50m])", 0.5),
    )


def test_the_first_answer_to_each_caller_of_litellm_has_a_latency(tmp_path: Path) -> None:
    latency = 'litellm_request_total_latency_metric_{what},instance="a",end_user="{user}"}}'
    series = {
        latency.format(what='count{job="p"', user="ann"): counter((60, 1)),
        latency.format(what='bucket{job="p",le="1.0"', user="ann"): counter((60, 1)),
        latency.format(what='count{job="p"', user="ben"): late(30, "1x30"),
        latency.format(what='bucket{job="p",le="1.0"', user="ben"): late(30, "0x30"),
    }
    replay(
        tmp_path,
        slos(tmp_path, "template: litellm/latency, threshold: 1s"),
        series,
        near("50m", "sum_over_time(slo:sli_total:increase1m[50m])", 51),
        near("50m", "sum_over_time(slo:sli_errors:increase1m[50m])", 1),
    )


def test_the_first_failure_of_a_deployment_is_counted(tmp_path: Path) -> None:
    calls = 'litellm_deployment_{what}_total{{instance="a",litellm_model_name="gpt-4o",team="{team}"}}'
    series = {
        calls.format(what="total_requests", team="t1"): counter((60, 1)),
        calls.format(what="success_responses", team="t1"): counter((60, 1)),
        calls.format(what="total_requests", team="t2"): late(30, "1x30"),  # and never a success
    }
    replay(
        tmp_path,
        slos(tmp_path, "template: litellm/deployment-availability"),
        series,
        near("50m", "sum_over_time(slo:sli_errors:increase1m[50m])", 1),
        near("50m", "sum_over_time(slo:sli_total:increase1m[50m])", 51),
    )


def test_series_that_the_collector_hides_while_they_are_idle_are_not_counted_again(tmp_path: Path) -> None:
    count = 'gen_ai_client_operation_duration_seconds_count{{instance="collector",error_type="{error}"}}'
    series = {
        count.format(error=""): counter((60, 1)),
        count.format(error="RateLimitError"): "300x10 _x20 300x30",
    }
    replay(
        tmp_path,
        slos(tmp_path, "template: otel-genai/availability"),
        series,
        near("59m", "sum_over_time(slo:sli_errors:increase1m[59m])", 0),
    )


def test_rare_errors_count_in_full_where_no_series_is_ever_hidden(tmp_path: Path) -> None:
    count = 'gen_ai_client_operation_duration_seconds_count{{instance="a",error_type="{error}"}}'
    series = {count.format(error=""): counter((60, 1)), count.format(error="RateLimitError"): late(30, "1x30")}
    replay(
        tmp_path,
        slos(tmp_path, "template: otel-genai/availability, series_expire: false"),
        series,
        near("50m", "sum_over_time(slo:sli_errors:increase1m[50m])", 1),
    )
