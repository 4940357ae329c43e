"""What the recording rules of events and latency SLOs say about a history, in promtool."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.rules.histories import counter, late
from tests.rules.promtool import labelled, near, nothing, replay, slos_of, true

HEADER = "{version: slo-engine/v1, service: shop, defaults: {window: 7d, objective: 99, by: [agent_type]}, slos: ["
EVENTS = HEADER + """{name: runs, sli: {events: {total: runs_total, errors: 'runs_total{status!="ok"}'}}}]}"""
GOOD_EVENTS = HEADER + """{name: runs, sli: {events: {total: runs_total, good: 'runs_total{status="ok"}'}}}]}"""
LATENCY = HEADER + """{name: runs, sli: {latency: {histogram: run_seconds, threshold: 15s}}}]}"""

KINDS = pytest.mark.parametrize("text", [EVENTS, GOOD_EVENTS, LATENCY], ids=["events", "good events", "latency"])

RECORDS = (
    "slo:sli_total:increase1m",
    "slo:sli_errors:increase1m",
    "slo:sli_total:stage5m",
    "slo:sli_errors:stage5m",
    "slo:sli_error:ratio",
    "slo:sli_total:sum",
    "slo:sli_errors:sum",
    "slo:objective:ratio",
    "slo:error_budget_remaining:ratio",
)


def test_base_sums_instances_and_keeps_groups_apart(tmp_path: Path) -> None:
    series = {
        'runs_total{agent_type="chat",pod="a",status="ok"}': counter((30, 8)),
        'runs_total{agent_type="chat",pod="a",status="error"}': counter((30, 2)),
        'runs_total{agent_type="chat",pod="b",status="ok"}': counter((30, 8)),
        'runs_total{agent_type="chat",pod="b",status="timeout"}': counter((30, 2)),
        'runs_total{agent_type="batch",pod="a",status="ok"}': counter((30, 30)),
    }
    identity = {"slo_service": "shop", "slo": "runs"}
    replay(
        tmp_path,
        slos_of(tmp_path, EVENTS),
        series,
        near("30m", 'slo:sli_total:increase1m{agent_type="chat"}', 20),
        near("30m", 'slo:sli_errors:increase1m{agent_type="chat"}', 4),
        near("30m", 'slo:sli_total:increase1m{agent_type="batch"}', 30),
        labelled(
            "30m",
            "slo:sli_total:increase1m > bool 0",
            {"agent_type": "batch", **identity},
            {"agent_type": "chat", **identity},
        ),
    )


def test_slo_without_by_is_one_group(tmp_path: Path) -> None:
    series = {
        'runs_total{agent_type="chat",status="ok"}': counter((30, 15)),
        'runs_total{agent_type="batch",status="error"}': counter((30, 5)),
    }
    replay(
        tmp_path,
        slos_of(tmp_path, EVENTS.replace("by: [agent_type]", "by: []")),
        series,
        near("30m", 'slo:sli_error:ratio{slo_window="5m"}', 0.25),
        near("30m", 'slo:error_budget_remaining:ratio{slo_window="7d"}', -24),
    )


def test_window_is_a_ratio_of_sums_and_no_mean_of_ratios(tmp_path: Path) -> None:
    # Four busy clean hours, then two quiet ones in which half of the runs fail. The mean of the ratios is 0.167.
    series = {
        'runs_total{agent_type="chat",status="ok"}': counter((240, 1000), (120, 5)),
        'runs_total{agent_type="chat",status="error"}': counter((240, 0), (120, 5)),
    }
    truth = 600 / (240_000 + 1200)
    replay(
        tmp_path,
        slos_of(tmp_path, EVENTS),
        series,
        near("6h", 'slo:sli_error:ratio{slo_window="6h"}', truth),
        near("6h", 'slo:sli_error:ratio{slo_window="1d"}', truth),
        near("6h", 'slo:sli_error:ratio{slo_window="7d"}', truth),
        near("6h", 'slo:sli_error:ratio{slo_window="1h"}', 0.5),
    )


def test_sums_count_each_event_once(tmp_path: Path) -> None:
    series = {
        'runs_total{agent_type="chat",status="ok"}': counter((180, 9)),
        'runs_total{agent_type="chat",status="error"}': counter((180, 1)),
    }
    replay(
        tmp_path,
        slos_of(tmp_path, EVENTS),
        series,
        near("3h", 'slo:sli_total:sum{slo_window="7d"}', 1800),
        near("3h", 'slo:sli_errors:sum{slo_window="7d"}', 180),
    )


def test_short_slo_window_forgets_what_is_older(tmp_path: Path) -> None:
    text = EVENTS[:-1] + ", policies: [{name: short, tiers: [{severity: page, long: 30m, short: 5m, factor: 2}]}]}"
    text = text.replace("window: 7d", "window: 2h, alerting: {policy: short}")
    series = {
        'runs_total{agent_type="chat",status="ok"}': counter((120, 0), (240, 9)),
        'runs_total{agent_type="chat",status="error"}': counter((120, 10), (240, 1)),
    }
    replay(
        tmp_path,
        slos_of(tmp_path, text),
        series,
        near("6h", 'slo:sli_total:sum{slo_window="2h"}', 1200),
        near("6h", 'slo:sli_error:ratio{slo_window="2h"}', 0.1),
    )


def test_errors_are_zero_before_the_first_error_series_exists(tmp_path: Path) -> None:
    series = {'runs_total{agent_type="chat",status="ok"}': counter((60, 10))}
    replay(
        tmp_path,
        slos_of(tmp_path, EVENTS),
        series,
        *(
            near("1h", f'{record}{{agent_type="chat"}}', 0)
            for record in ("slo:sli_errors:increase1m", "slo:sli_errors:stage5m", "slo:sli_errors:sum")
        ),
        *(near("1h", f'slo:sli_error:ratio{{slo_window="{window}"}}', 0) for window in ("5m", "1h", "6h", "3d", "7d")),
        near("1h", "slo:error_budget_remaining:ratio", 1),
    )


def test_good_events_that_never_came_are_all_errors(tmp_path: Path) -> None:
    series = {'runs_total{agent_type="chat",status="error"}': counter((60, 10))}
    replay(
        tmp_path,
        slos_of(tmp_path, GOOD_EVENTS),
        series,
        near("1h", 'slo:sli_error:ratio{slo_window="1h"}', 1),
    )


def test_good_events_leave_the_rest_as_errors(tmp_path: Path) -> None:
    series = {
        'runs_total{agent_type="chat",status="ok"}': counter((60, 19)),
        'runs_total{agent_type="chat",status="error"}': counter((60, 1)),
    }
    replay(
        tmp_path,
        slos_of(tmp_path, GOOD_EVENTS),
        series,
        near("1h", "slo:sli_errors:increase1m", 1),
        near("1h", 'slo:sli_error:ratio{slo_window="1h"}', 0.05),
    )


@KINDS
def test_quiet_agent_never_turns_the_budget_into_nan(tmp_path: Path, text: str) -> None:
    series = {}
    # "idle" never works; "pauses" works for an hour, rests for two, and works again.
    for agent, stretches in {"idle": [(240, 0)], "pauses": [(60, 10), (120, 0), (60, 10)]}.items():
        history = counter(*stretches)
        series[f'runs_total{{agent_type="{agent}",status="ok"}}'] = history
        series[f'run_seconds_count{{agent_type="{agent}"}}'] = history
        series[f'run_seconds_bucket{{agent_type="{agent}",le="15"}}'] = history
    replay(
        tmp_path,
        slos_of(tmp_path, text),
        series,
        *(
            nothing(at, f"{record} unless ({record} >= -Inf)")
            for record in RECORDS
            for at in ("5m", "1h", "2h55m", "3h", "4h")
        ),
        *(true("4h", f'count({record}{{agent_type="idle"}}) >= bool 1') for record in RECORDS),
        near("4h", 'slo:sli_error:ratio{agent_type="idle",slo_window="7d"}', 0),
        near("4h", 'slo:error_budget_remaining:ratio{agent_type="idle"}', 1),
        nothing("4h", 'slo:sli_error:ratio{agent_type="idle",slo_window!="7d"}'),
        nothing("2h55m", 'slo:sli_error:ratio{agent_type="pauses",slo_window="1h"}'),
        near("4h", 'slo:error_budget_remaining:ratio{agent_type="pauses"}', 1),
    )


def test_restart_of_an_instance_loses_no_events(tmp_path: Path) -> None:
    def restarted(each_minute: int) -> str:
        return f"{counter((60, each_minute))} {counter((59, each_minute), start=each_minute)}"

    series = {
        'runs_total{agent_type="chat",status="ok"}': restarted(9),
        'runs_total{agent_type="chat",status="error"}': restarted(1),
    }
    replay(
        tmp_path,
        slos_of(tmp_path, EVENTS),
        series,
        near("2h", 'slo:sli_total:sum{slo_window="7d"}', 1200),
        near("2h", 'slo:sli_error:ratio{slo_window="1h"}', 0.1),
        near("2h", 'slo:sli_error:ratio{slo_window="7d"}', 0.1),
    )


def test_errors_that_first_appear_in_the_outage_are_counted(tmp_path: Path) -> None:
    # Scrapes each 30 s. After five clean hours a full outage of ten minutes; its series is new, and begins at 10.
    series = {
        'runs_total{agent_type="chat",status="ok"}': counter((600, 10), (20, 0), (100, 10)),
        'runs_total{agent_type="chat",status="error"}': late(601, counter((19, 10), (100, 0), start=10)),
    }
    truth = 200 / 7200
    replay(
        tmp_path,
        slos_of(tmp_path, EVENTS),
        series,
        near("6h", 'slo:sli_error:ratio{slo_window="6h"}', truth),
        near("6h", 'slo:sli_error:ratio{slo_window="7d"}', truth),
        near("6h", "slo:error_budget_remaining:ratio", 1 - truth / 0.01),
        scrapes_each="30s",
    )
