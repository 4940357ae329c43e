"""What the recording rules of an SLO of slices say about a history, in promtool."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from tests.rules.histories import counter
from tests.rules.promtool import Expectation, near, nothing, replay, slos_of, true
from tests.rules.shop import firing, first_fires

_FILE = """
version: slo-engine/v1
service: shop
slos:
  - name: runs
    window: 7d
    objective: 99
    by: [agent_type]
    sli: {slices: {good: CONDITION}}
"""


def slices(condition: str, *, alerting: str = "{}", by: str = "[agent_type]") -> str:
    text = _FILE.replace("CONDITION", json.dumps(condition)).replace("[agent_type]", by)
    return f"{text}    alerting: {alerting}\n"


def minutes(at: str, bad: float, of: float, group: str = "") -> tuple[Expectation, Expectation]:
    """So many minutes are counted up to then, and so many of them are bad."""
    return near(at, f"slo:sli_errors:sum{group}", bad), near(at, f"slo:sli_total:sum{group}", of)


def test_minutes_of_a_gauge_are_good_or_bad(tmp_path: Path) -> None:
    # Recorded at minutes 0, 5, ... 180: the last sum knows of minutes 0 to 180.
    replay(
        tmp_path,
        slos_of(tmp_path, slices("agent_up")),
        {'agent_up{agent_type="chat"}': "1x89 0x9 1x99"},
        *minutes("3h", 10, 181),
        near("1h29m", "slo:sli_errors:increase1m", 0),
        near("1h30m", "slo:sli_errors:increase1m", 1),
        near("1h39m", "slo:sli_errors:increase1m", 1),
        near("1h40m", "slo:sli_errors:increase1m", 0),
        near("1h39m", "slo:sli_total:increase1m", 1),
        near("1h42m", 'slo:sli_error:ratio{slo_window="5m"}', 2 / 5),
        near("3h", 'slo:sli_error:ratio{slo_window="7d"}', 10 / 181),
    )


@pytest.mark.parametrize(
    "condition",
    [
        "delay_seconds < bool 5",
        "5 > bool delay_seconds",
        "((delay_seconds <= bool 4))",
        "delay_seconds == bool 1",
        "sum by (agent_type) (delay_seconds) < bool 5  # at most",
        "delay_seconds\n  < bool 5\n# the last line",
        "1 - (delay_seconds > bool 5)",
    ],
)
def test_condition_is_a_comparison_with_bool(tmp_path: Path, condition: str) -> None:
    replay(
        tmp_path,
        slos_of(tmp_path, slices(condition)),
        {'delay_seconds{agent_type="chat"}': "1x59 9x29 1x59"},
        *minutes("2h", 30, 121),
    )


def test_minute_without_an_answer_is_neither_good_nor_bad(tmp_path: Path) -> None:
    # An hour of answers; 20 minutes without a sample; 20 of NaN (0 / 0, say); and an hour of answers.
    replay(
        tmp_path,
        slos_of(tmp_path, slices("agent_up > bool 0.5")),
        {
            'agent_up{agent_type="gone"}': "1x49 0x9 stale _x19 1x59 1x39",
            'agent_up{agent_type="nan"}': f"1x49 0x9 {'NaN ' * 21}1x59 1x39",
        },
        *minutes("2h40m", 10, 161 - 20, '{agent_type="gone"}'),
        *minutes("2h40m", 10, 161 - 21, '{agent_type="nan"}'),
        nothing("1h10m", "slo:sli_errors:increase1m"),
        nothing("1h10m", "slo:sli_total:increase1m"),
        nothing("2h40m", "{__name__=~'slo:.*'} unless ({__name__=~'slo:.*'} > -Inf)"),
    )


@pytest.mark.parametrize(
    ("condition", "bad"),
    [
        ("failed / done < bool 0.1", 30),
        ("failed / done <= bool 0", 30),
        ("failed / done == bool 0", 30),
        ("failed / done != bool 0.5", 30),
        ("0.1 > bool failed / done", 30),
        ("sum by (agent_type) (failed) / sum by (agent_type) (done) < bool on (agent_type) group_left () allowed", 30),
        ("allowed >= bool ignoring (tier) failed / ignoring (pod) done", 30),
        ("failed / done < bool Inf", 0),
        ("1 / done < bool 5", 60),
    ],
)
def test_idle_minute_is_no_bad_one(tmp_path: Path, condition: str, bad: float) -> None:
    # Half of what is done fails for half an hour; then nothing is done for an hour, and all is well for another.
    series = {
        'failed{agent_type="chat"}': "0x29 5x29 0x59 0x60",
        'done{agent_type="chat"}': "10x29 10x29 0x59 10x60",
        'allowed{agent_type="chat",tier="1"}': "0.1x180",
    }
    idle = 0 if condition.startswith("1 /") else 60
    replay(tmp_path, slos_of(tmp_path, slices(condition)), series, *minutes("3h", bad, 181 - idle))


def test_minute_is_bad_when_one_series_of_the_group_says_so(tmp_path: Path) -> None:
    replay(
        tmp_path,
        slos_of(tmp_path, slices("agent_up")),
        {
            'agent_up{agent_type="chat",pod="a"}': "1x29 0x9 1x139",
            'agent_up{agent_type="chat",pod="b"}': "1x34 0x9 1x134",
            # One that has no answer leaves the word to the others.
            'agent_up{agent_type="chat",pod="c"}': "NaN " * 181,
            'agent_up{agent_type="chat",pod="d"}': "1x19 stale",
            'agent_up{agent_type="batch",pod="a"}': "1x180",
        },
        *minutes("3h", 15, 181, '{agent_type="chat"}'),
        *minutes("3h", 0, 181, '{agent_type="batch"}'),
    )


def test_slices_without_by_are_one_group(tmp_path: Path) -> None:
    replay(
        tmp_path,
        slos_of(tmp_path, slices("agent_up", by="[]")),
        {
            'agent_up{agent_type="chat"}': "1x29 0x9 1x139",
            'agent_up{agent_type="batch"}': "1x59 0x9 1x109",
        },
        *minutes("3h", 20, 181),
    )


def test_bad_minutes_page_at_the_minute_the_arithmetic_says(tmp_path: Path) -> None:
    # A week scales 14.4 down to 3.36; so 3.36 % of 60 minutes: the third bad minute.
    replay(
        tmp_path,
        slos_of(tmp_path, slices("agent_up")),
        {'agent_up{agent_type="chat"}': "1x119 0x30"},
        *first_fires("2h20m", 120 + 2, 120 + 6, long_window="1h"),
    )


def test_missing_answers_alert_where_it_is_asked_for(tmp_path: Path) -> None:
    replay(
        tmp_path,
        slos_of(tmp_path, slices("agent_up", alerting="{absent: 10m}")),
        {'agent_up{agent_type="chat"}': "1x59 stale"},
        nothing("1h", firing(alertname="SLODataAbsent")),
        *first_fires("2h", 60 + 10, 60 + 12, alertname="SLODataAbsent", slo="runs", slo_service="shop"),
        true("2h", "count(ALERTS) == bool 1"),
    )


def test_counter_of_minutes_does_not_need_events(tmp_path: Path) -> None:
    # A group that is bad from its first minute on.
    replay(
        tmp_path,
        slos_of(tmp_path, slices("rate(beats_total[2m]) > bool 0")),
        {'beats_total{agent_type="chat"}': counter((60, 1), (60, 0)), 'beats_total{agent_type="dead"}': "7x120"},
        near("2h", 'slo:sli_error:ratio{agent_type="dead",slo_window="7d"}', 1),
        near("2h", 'slo:sli_errors:sum{agent_type="chat"}', 59, share=0.02),
    )
