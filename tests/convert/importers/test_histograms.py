"""What the buckets in a query count, and under which spelling of their bound they are found."""

from __future__ import annotations

import re

import pytest

from slo_engine.convert.importers.histograms import both_spellings, both_spellings_in, doubts
from slo_engine.convert.importers.queries import comparison, events, ratio, slices
from slo_engine.definitions.promql import parse_selector

COUNT = 'sum(rate(h_seconds_count{job="a"}[{{.window}}]))'
LAST = 'sum(rate(h_seconds_bucket{job="a",le="+Inf"}[{{.window}}]))'
FAST = 'sum(rate(h_seconds_bucket{job="a",le="0.5"}[{{.window}}]))'
LATENCY = {"latency": {"histogram": 'h_seconds{job="a"}', "threshold": "500ms"}}


@pytest.mark.parametrize(
    ("total", "errors"),
    [
        (COUNT, f"{COUNT} - {FAST}"),
        (COUNT, f"clamp_min({COUNT} - {FAST}, 0)"),
        (COUNT, f"(clamp_min(({COUNT}) - ({FAST}), 0.0))"),
        (COUNT, f"clamp_min({COUNT} - {FAST}, 0) or vector(0)"),
        (COUNT, f"clamp_min(({COUNT} - {FAST}) or vector(0), 0)"),
        (COUNT, f"clamp_min({COUNT}, 0) - clamp_min({FAST}, 0)"),
        (COUNT, f"clamp({COUNT} - {FAST}, 0, +Inf)"),
        (COUNT, f"({COUNT} - {FAST}) > 0"),
        (COUNT, f"({COUNT} - {FAST}) >= 0"),
        (f"clamp_min({COUNT}, 0)", f"clamp_min({COUNT} - {FAST}, 0)"),
        (LAST, f"clamp_min({LAST} - {FAST}, 0)"),
        (COUNT, f"clamp_min({LAST} - {FAST}, 0)"),
        (LAST, f"{COUNT} - {FAST}"),
    ],
)
def test_total_less_the_fast_ones_is_a_latency_however_it_is_kept_above_zero(total: str, errors: str) -> None:
    assert events(total, errors=errors).sli == LATENCY
    assert ratio(f"({errors}) / ({total})", of="errors").sli == LATENCY


@pytest.mark.parametrize(
    "text",
    [
        f"clamp_min(1 - {FAST} / {COUNT}, 0)",
        f"1 - clamp_max({FAST} / {COUNT}, 1)",
        f"clamp(1 - {FAST} / {COUNT}, 0, 1)",
    ],
)
def test_a_ratio_kept_between_0_and_1_is_that_ratio(text: str) -> None:
    assert ratio(text, of="errors").sli == LATENCY


@pytest.mark.parametrize(
    "errors", [f"clamp_min({COUNT} - {FAST}, 1)", f"clamp_max({COUNT} - {FAST}, 5)", f"clamp({FAST}, 1, 2)"]
)
def test_what_changes_the_count_is_no_plain_counter(errors: str) -> None:
    with pytest.raises(Exception, match="is not the rate of one counter"):
        events(COUNT, errors=errors)


@pytest.mark.parametrize(
    ("bound", "found", "not_found"),
    [
        ('le="500"', ["500", "500.0"], ["5000", "500x0"]),
        ('le="1.0"', ["1", "1.0"], ["1x0", "10"]),
        ('le="1000000"', ["1000000", "1000000.0", "1e+06"], ["1e06"]),
        ('le="1e+06"', ["1000000", "1000000.0", "1e+06"], []),
        ('le="1e6"', ["1e6", "1e+06", "1000000"], []),
        ('le="0.50"', ["0.50", "0.5"], ["0x5"]),
        ('le=~"500"', ["500", "500.0"], []),
        ('le=~"250|500"', ["250", "250.0", "500", "500.0"], ["2500"]),
        (r'le=~"0\\.5|1"', ["0.5", "1", "1.0"], ["0x5"]),
        ('le="0"', ["0", "0.0"], []),
        ('quantile="1"', ["1", "1.0"], []),
    ],
)
def test_a_bound_is_found_in_each_of_its_spellings(bound: str, found: list[str], not_found: list[str]) -> None:
    (matcher,) = both_spellings(parse_selector(f"h_ms_bucket{{{bound}}}")).matchers
    assert matcher.op == "=~"
    assert all(re.fullmatch(matcher.value, each) for each in found)
    assert not any(re.fullmatch(matcher.value, each) for each in not_found)


@pytest.mark.parametrize(
    "selector",
    [
        'h_ms_bucket{le="0.5"}',
        'h_ms_bucket{le="+Inf"}',
        'h_ms_bucket{le=~".+"}',
        'h_ms_bucket{le=~"5.*"}',
        r'h_ms_bucket{le=~"500|500\\.0"}',
        'h_total{code="500",title="500"}',
        'h_ms_bucket{le!="+Inf"}',
    ],
)
def test_what_has_one_spelling_stays_as_it_is(selector: str) -> None:
    assert str(both_spellings(parse_selector(selector))) == selector


def test_a_bound_that_is_left_out_is_left_out_in_each_spelling() -> None:
    assert str(both_spellings(parse_selector('h_bucket{le!="500"}'))) == r'h_bucket{le!~"500|500\\.0"}'


def test_bounds_are_spelled_out_in_expressions_but_not_in_texts() -> None:
    text = r'label_replace(h_bucket{le="5",a="le=\"5\""}, "le", "5", "x", "le=\"5\"") > on (le) x{title="5"}'
    assert both_spellings_in(text) == text.replace('{le="5",', r'{le=~"5|5\\.0",')


def test_every_way_to_write_minutes_asks_for_both_spellings() -> None:
    bucket, spelled = 'h_ms_bucket{le="500"}', r'h_ms_bucket{le=~"500|500\\.0"}'
    found = [
        comparison(bucket, ">", 3),
        comparison(f"sum(rate({bucket}[5m]))", ">", 3),
        comparison(f"min({bucket} > bool 3)", ">=", 1),
        slices("sum(rate(h_ms_count[5m]))", 0.9, good=f"sum(rate({bucket}[5m]))"),
    ]
    for each in found:
        good = each.sli["slices"]["good"]
        assert spelled in good
        assert bucket not in good


@pytest.mark.parametrize(
    "metric",
    [
        "inference_duration_seconds",
        "istio_request_duration_milliseconds",
        "rpc_latency",
        "http_response_time_ms",
        "queue:wait",
        "requestLatencyMs",
        "llm_ttft",
        "request_ns",
        "time_to_first_token",
    ],
)
def test_fast_events_as_errors_are_what_they_are_there_and_are_told(metric: str) -> None:
    found = events(f"sum(rate({metric}_count[5m]))", errors=f'sum(rate({metric}_bucket{{le="250.5"}}[5m]))')
    assert found.sli == {"events": {"total": f"{metric}_count", "errors": f'{metric}_bucket{{le="250.5"}}'}}
    (said,) = [each for each in found.changed if "is a duration" in each]
    assert f"{metric} is a duration, and its error query counts the events of at most 250.5" in said


def test_what_would_be_right_for_fast_events_is_written_out() -> None:
    total, fast = parse_selector('h_seconds_count{job="a"}'), parse_selector('h_seconds_bucket{job="a",le="1.0"}')
    said = doubts(fast, total)
    assert said is not None
    assert said.endswith("write sli: {latency: {histogram: 'h_seconds{job=\"a\"}', threshold: 1s}}")
    assert doubts(parse_selector('h_seconds_bucket{le="1"}'), total) is not None  # other events: as `good`


@pytest.mark.parametrize("metric", ["answer_score", "retrieval_relevance", "time_rating"])
def test_low_scores_are_errors_without_a_word(metric: str) -> None:
    found = events(
        f"sum(rate({metric}_count[{{{{.window}}}}]))", errors=f'sum(rate({metric}_bucket{{le="0.5"}}[{{{{.window}}}}]))'
    )
    assert (found.sli, found.changed) == ({"score": {"histogram": metric, "above": 0.5}}, ())


def test_what_is_neither_a_duration_nor_a_score_by_its_name_is_a_score_with_a_doubt() -> None:
    found = events(
        "sum(rate(size_bytes_count[{{.window}}]))", errors='sum(rate(size_bytes_bucket{le="0.5"}[{{.window}}]))'
    )
    (said,) = found.changed
    assert found.sli == {"score": {"histogram": "size_bytes", "above": 0.5}}
    assert "size_bytes is perhaps no score" in said


@pytest.mark.parametrize(
    "errors", ['x_total{code="5"}', 'h_seconds_bucket{le="+Inf"}', "h_seconds_count", 'h_seconds_bucket{le=~"1|2"}']
)
def test_errors_that_are_no_bucket_are_not_doubted(errors: str) -> None:
    assert doubts(parse_selector(errors), parse_selector("h_seconds_count")) is None
