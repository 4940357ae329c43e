"""What the recording rules of a latency SLO say about a histogram, in promtool."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.rules.histories import counter
from tests.rules.promtool import near, nothing, replay, slos_of

LATENCY = """
version: slo-engine/v1
service: shop
slos:
  - name: runs
    window: 7d
    objective: 99
    by: [agent_type]
    sli: {latency: {histogram: run_seconds, threshold: 15s}}
"""


def test_latency_counts_what_took_longer_whichever_way_the_bound_is_written(tmp_path: Path) -> None:
    series = {
        'run_seconds_count{agent_type="chat",pod="a"}': counter((60, 10)),
        'run_seconds_bucket{agent_type="chat",pod="a",le="15"}': counter((60, 9)),
        'run_seconds_bucket{agent_type="chat",pod="a",le="5"}': counter((60, 1)),
        'run_seconds_bucket{agent_type="chat",pod="a",le="+Inf"}': counter((60, 10)),
        'run_seconds_count{agent_type="chat",pod="b"}': counter((60, 30)),
        'run_seconds_bucket{agent_type="chat",pod="b",le="15.0"}': counter((60, 27)),
        'run_seconds_bucket{agent_type="chat",pod="b",le="1500"}': counter((60, 30)),
    }
    replay(
        tmp_path,
        slos_of(tmp_path, LATENCY),
        series,
        near("1h", "slo:sli_total:increase1m", 40),
        near("1h", "slo:sli_errors:increase1m", 4),
        near("1h", 'slo:sli_error:ratio{slo_window="1h"}', 0.1),
    )


@pytest.mark.parametrize(
    ("threshold", "bound"),
    [
        ("500ms", "0.5"),
        ("2500ms", "2.5"),
        ("2m", "120"),
        ("2m", "120.0"),
        ("1234567ms", "1234.567"),
        ("20d", "1.728e+06"),
        ("20d", "1728000.0"),
        ("20d", "1728000"),
        ("20d1s", "1.728001e+06"),
        ("1ms", "0.001"),
    ],
)
def test_latency_thresholds_name_their_bucket(tmp_path: Path, threshold: str, bound: str) -> None:
    series = {
        'run_seconds_count{agent_type="chat"}': counter((30, 10)),
        f'run_seconds_bucket{{agent_type="chat",le="{bound}"}}': counter((30, 8)),
    }
    slos = slos_of(tmp_path, LATENCY.replace("15s", threshold))
    replay(tmp_path, slos, series, near("30m", 'slo:sli_error:ratio{slo_window="5m"}', 0.2))


def test_threshold_that_is_no_bucket_gives_no_data_and_no_page(tmp_path: Path) -> None:
    series = {
        'run_seconds_count{agent_type="chat"}': counter((60, 10)),
        'run_seconds_bucket{agent_type="chat",le="10"}': counter((60, 10)),
    }
    replay(
        tmp_path,
        slos_of(tmp_path, LATENCY),
        series,
        nothing("1h", '{__name__=~"slo:sli_error.*|slo:error_budget.*"}'),
        nothing("1h", "ALERTS"),
    )
