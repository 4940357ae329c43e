"""Sums over long windows count each event once, whenever one looks; in promtool."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from slo_engine.definitions import Duration
from slo_engine.rollout import render
from tests.rules.histories import counter, late
from tests.rules.promtool import Expectation, near, nothing, replay, slos_of, true
from tests.rules.shop import first_fires

pytestmark = pytest.mark.takes(seconds=30)

DAY = 24 * 60


def slo_file(window: str, alerting: str = "{}", policy: str = "") -> str:
    return f"""
version: slo-engine/v1
service: shop
slos:
  - name: runs
    window: {window}
    objective: 99
    by: [agent_type]
    sli: {{events: {{total: runs_total, errors: 'runs_total{{status="error"}}'}}}}
    alerting: {alerting}
{policy}"""


def runs(*stretches: tuple[int, float, float], agent_type: str = "chat", after: int = 0) -> dict[str, str]:
    """So many minutes, so many good and bad runs in each; the first one ``after`` so many minutes."""
    named = f'agent_type="{agent_type}"'
    return {
        f'runs_total{{{named},status="ok"}}': late(after, counter(*((minutes, ok) for minutes, ok, _ in stretches))),
        f'runs_total{{{named},status="error"}}': late(
            after, counter(*((minutes, bad) for minutes, _, bad in stretches))
        ),
    }


def always(at: str, lasting: str, expr: str, wanted: str) -> Expectation:
    """At each five minutes of the time up to ``at``, both expressions give the same."""
    return near(at, f"max_over_time(abs({expr} - {wanted})[{lasting}:5m])", 0)


@pytest.mark.parametrize("window", ["3d", "3d1m", "7d", "30d"])
def test_each_event_is_counted_once_at_whatever_minute_of_the_hour(tmp_path: Path, window: str) -> None:
    replay(
        tmp_path,
        slos_of(tmp_path, slo_file(window)),
        runs((420, 9, 1)),
        always("7h", "6h55m", "slo:sli_total:sum", "10 * scalar(vector(time())) / 60"),
        always("7h", "6h55m", "slo:sli_errors:sum", "scalar(vector(time())) / 60"),
        near("7h", "count(slo:sli_total:sum)", 1),
    )


@pytest.mark.parametrize("window", ["3d", "7d"])
def test_group_that_appears_late_or_is_gone_is_counted_as_exactly(tmp_path: Path, window: str) -> None:
    stale = {key: f"{history} stale" for key, history in runs((100, 9, 1), agent_type="gone").items()}
    replay(
        tmp_path,
        slos_of(tmp_path, slo_file(window)),
        # The growth of the minute in which a whole target is first seen is not known.
        {**runs((329, 9, 1), agent_type="late", after=91), **stale, **runs((420, 1, 0), agent_type="stays")},
        always("7h", "5h", 'slo:sli_total:sum{agent_type="late"}', "10 * (scalar(vector(time())) / 60 - 91)"),
        near("7h", 'slo:sli_total:sum{agent_type="late"}', 3290),
        # It does not flicker, not even for five minutes.
        always("7h", "5h", 'slo:sli_total:sum{agent_type="gone"}', "1000"),
        always("7h", "5h", 'slo:sli_errors:sum{agent_type="gone"}', "100"),
        near("7h", 'count_over_time(slo:sli_total:sum{agent_type="gone"}[5h:5m])', 61),
        nothing("7h", 'slo:sli_total:stage1h{agent_type="gone",slo_hour="open"}'),
    )


@pytest.mark.parametrize(
    "missed",
    [
        # Without a miss, hours are closed at minutes 5, 65, ... 245.
        (245, 245),
        (240, 250),
        (200, 320),
        (246, 366),
    ],
)
def test_gap_in_evaluation_loses_its_own_time_and_no_more(tmp_path: Path, missed: tuple[int, int]) -> None:
    # Of the minutes missed, those before the first stage after the gap are lost; and up to four that no stage took.
    first, last = missed
    lost = last - first + 1
    replay(
        tmp_path,
        slos_of(tmp_path, slo_file("7d")),
        runs((480, 9, 1)),
        true("8h", f"slo:sli_total:sum >= bool {10 * (480 - lost - 9)}"),
        true("8h", "slo:sli_total:sum <= bool 4800"),
        near("8h", "slo:sli_error:ratio{slo_window='7d'}", 0.1, share=1e-3),
        # What was counted before is there again as soon as the gap is over.
        true(f"{(last // 5 + 1) * 5}m", f"slo:sli_total:sum >= bool {10 * (first - 6)}"),
        missed=missed,
    )


def test_long_window_forgets_what_is_older(tmp_path: Path) -> None:
    # Four hours of errors, then none. Read by the hour, a window is half an hour longer or shorter than it says.
    replay(
        tmp_path,
        slos_of(tmp_path, slo_file("3d1m")),
        runs((240, 0, 10), (3 * DAY, 10, 0)),
        true("3d2h", f"slo:sli_total:sum >= bool {10 * (3 * DAY - 30)}"),
        true("3d2h", f"slo:sli_total:sum <= bool {10 * (3 * DAY + 30)}"),
        true("3d2h", "slo:sli_errors:sum >= bool 900"),
        true("3d2h", "slo:sli_errors:sum <= bool 1500"),
    )


@pytest.mark.parametrize("window", ["7d", "30d", "90d"])
def test_no_window_reads_more_than_a_thousand_samples_of_a_series_or_one_for_each_hour(
    tmp_path: Path, window: str
) -> None:
    text = render(slos_of(tmp_path, slo_file(window)))["shop.yaml"]
    ranges = re.findall(r"(increase1m|stage5m|stage1h)\{[^}]*\}\[(\w+)\]", text)
    steps = {"increase1m": 60, "stage5m": 300, "stage1h": 3600}
    reads = [Duration.parse(length).seconds / steps[record] for record, length in ranges]
    assert len(reads) > 20
    assert max(reads) <= max(1000, Duration.parse(window).seconds / 3600)


def test_tier_of_a_week_in_an_slo_of_a_month(tmp_path: Path) -> None:
    policy = "policies: [{name: weekly, tiers: [{severity: ticket, long: 7d, short: 6h, factor: 1}]}]\n"
    replay(
        tmp_path,
        slos_of(tmp_path, slo_file("30d", "{policy: weekly, sure: false}", policy)),
        runs((300, 10, 0), (300, 9, 1)),
        near("10h", 'slo:sli_error:ratio{slo_window="7d"}', 0.05),
        near("10h", 'slo:sli_error:ratio{slo_window="30d"}', 0.05),
        # 1 % of all: after 33 of the bad minutes.
        *first_fires("10h", 300 + 33, 300 + 36, long_window="7d", short_window="6h"),
    )


@pytest.mark.parametrize(
    ("window", "disabled"), [("1h", "6h, 1d, 3d"), ("6h", "1d, 3d"), ("1d", "3d"), ("3d", "1h, 6h")]
)
def test_short_slo_window_works_with_the_tiers_that_fit_into_it(tmp_path: Path, window: str, disabled: str) -> None:
    replay(
        tmp_path,
        slos_of(tmp_path, slo_file(window, f"{{disabled: [{disabled}]}}")),
        runs((300, 9, 1), (60, 9, 1)),
        near("6h", f'slo:sli_error:ratio{{slo_window="{window}"}}', 0.1),
        near("6h", f'slo:sli_total:sum{{slo_window="{window}"}}', 600 if window == "1h" else 3600),
        near("6h", f'slo:error_budget_remaining:ratio{{slo_window="{window}"}}', -9),
        true("6h", f'count(ALERTS{{alertname="SLOErrorBudgetBurn"}}) == bool {4 - len(disabled.split(", "))}'),
    )
