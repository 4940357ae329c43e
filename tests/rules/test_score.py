"""What the recording rules of a score SLO say about a histogram, in promtool."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.rules.histories import counter, late
from tests.rules.promtool import Notified, near, nothing, replay, slos_of, true

SCORE = """
version: slo-engine/v1
service: shop
slos:
  - name: quality
    window: 30d
    objective: 90
    by: [agent_type]
    sli: {score: {histogram: answer_score, above: 0.7}}
"""


def scores(minutes: int, each: dict[str, float], **labels: str) -> dict[str, str]:
    """A histogram that so many scores a minute join: upper bound -> how many are no larger."""
    named = {"agent_type": "chat", **labels}
    inside = ",".join(f'{name}="{value}"' for name, value in named.items())
    found = {
        f'answer_score_bucket{{{inside},le="{bound}"}}': counter((minutes, growth)) for bound, growth in each.items()
    }
    return {**found, f"answer_score_count{{{inside}}}": counter((minutes, each["+Inf"]))}


def test_score_counts_what_is_not_above_the_threshold(tmp_path: Path) -> None:
    # A bucket holds its upper bound: three scores of just 0.7 are among the eight, and are errors.
    replay(
        tmp_path,
        slos_of(tmp_path, SCORE),
        {
            **scores(120, {"0.5": 5, "0.7": 8, "0.9": 12, "+Inf": 20}, pod="a"),
            **scores(120, {"0.5": 0, "0.7": 2, "0.9": 20, "+Inf": 20}, pod="b"),
        },
        near("2h", "slo:sli_total:increase1m", 40),
        near("2h", "slo:sli_errors:increase1m", 10),
        near("2h", 'slo:sli_error:ratio{slo_window="1h"}', 0.25),
        near("2h", "slo:sli_errors:sum", 1200),
        near("2h", "slo:error_budget_remaining:ratio", -1.5),
    )


@pytest.mark.parametrize(
    ("above", "bound"),
    [
        ("0.7", "0.7"),
        ("4", "4"),
        ("4", "4.0"),
        ("0", "0"),
        ("0.0", "0.0"),
        ("-1", "-1"),
        ("-0.25", "-0.25"),
        ("0.8333333", "0.8333333"),
        ("0.00001", "1e-05"),
        ("1000000", "1e+06"),
        ("1234567", "1.234567e+06"),
    ],
)
def test_threshold_names_its_bucket_and_no_other(tmp_path: Path, above: str, bound: str) -> None:
    others = {"0x7": 9, "0.83333": 9, "-10": 9, "10": 9, "40": 9, "1ee06": 9, "+Inf": 10}
    replay(
        tmp_path,
        slos_of(tmp_path, SCORE.replace("0.7", above)),
        scores(30, {**others, bound: 3}),
        near("30m", 'slo:sli_error:ratio{slo_window="5m"}', 0.3),
    )


def test_threshold_that_is_no_bucket_gives_no_data_and_no_page(tmp_path: Path) -> None:
    replay(
        tmp_path,
        slos_of(tmp_path, SCORE),
        scores(60, {"0.5": 5, "+Inf": 20}),
        nothing("1h", '{__name__=~"slo:sli_error.*|slo:error_budget.*"}'),
        nothing("1h", "ALERTS"),
    )


def test_agent_without_scores_is_no_failing_one(tmp_path: Path) -> None:
    replay(
        tmp_path,
        slos_of(tmp_path, SCORE),
        scores(60, {"0.5": 0, "0.7": 0, "+Inf": 0}),
        near("1h", "slo:error_budget_remaining:ratio", 1),
        near("1h", 'slo:sli_error:ratio{slo_window="30d"}', 0),
        nothing("1h", "ALERTS"),
    )


def test_missing_bucket_alerts_where_it_is_asked_for(tmp_path: Path) -> None:
    replay(
        tmp_path,
        slos_of(tmp_path, f"{SCORE}    alerting: {{absent: 10m}}\n"),
        {
            **scores(60, {"0.5": 5, "+Inf": 20}),
            'answer_score_bucket{agent_type="late",le="0.7"}': late(30, counter((30, 1))),
        },
        true("29m", 'count(ALERTS{alertname="SLODataAbsent"}) == bool 1'),
        nothing("30m", 'ALERTS{alertname="SLODataAbsent"}'),
    )


def test_page_says_which_scores_are_errors(tmp_path: Path) -> None:
    text = f"{SCORE}    alerting: {{ticket: {{disabled: true}}, disabled: [6h]}}\n"
    identity = {"agent_type": "chat", "slo_service": "shop", "slo": "quality", "slo_tier": "page-1h"}
    replay(
        tmp_path,
        slos_of(tmp_path, text),
        scores(60, {"0.7": 16, "+Inf": 20}),
        Notified(
            "1h",
            "SLOErrorBudgetBurn",
            {**identity, "severity": "page", "long_window": "1h", "short_window": "5m", "burn_rate": "7.5"},
            {
                "summary": "shop quality chat: 80% of scores are 0.7 or less over 1h",
                "description": "The error budget burns more than 7.5 times faster than the objective allows, over the "
                "last 1h and still over the last 5m. After 1h of it, 1.04% of the budget of 30d is gone. The factor is "
                "7.5 instead of 14.4, which an objective of 90 % puts out of reach.",
            },
        ),
    )
