"""A counter's first sample: what it held before nobody saw. It counts where the series must have begun at 0, and only
there; in promtool."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.rules.histories import counter, late
from tests.rules.promtool import Expectation, near, nothing, replay, slos_of

pytestmark = pytest.mark.takes(seconds=20)

EVENTS = """
version: slo-engine/v1
service: shop
slos:
  - name: runs
    window: 7d
    objective: 99
    by: [agent_type]
    sli: {events: {total: runs_total, errors: 'runs_total{status!="ok"}'}}
"""
GOOD = EVENTS.replace("""errors: 'runs_total{status!="ok"}'""", """good: 'runs_total{status="ok"}'""")
EXPIRING = EVENTS.replace("runs_total,", "runs_total, series_expire: true,")

RECORDS = (
    "slo:sli_total:increase1m",
    "slo:sli_errors:increase1m",
    "slo:sli_total:stage1h",
    "slo:sli_errors:stage1h",
    "slo:sli_error:ratio",
    "slo:sli_total:sum",
    "slo:sli_errors:sum",
)


def run(status: str, **labels: str) -> str:
    named = {"agent_type": "chat", **labels, "status": status}
    return "runs_total{" + ",".join(f'{name}="{value}"' for name, value in named.items()) + "}"


def errors(at: str, wanted: float, share: float = 1e-6) -> Expectation:
    return near(at, "slo:sli_errors:sum", wanted, share=share)


def total(at: str, wanted: float, share: float = 1e-6) -> Expectation:
    return near(at, "slo:sli_total:sum", wanted, share=share)


@pytest.mark.parametrize("count", [1, 10])
@pytest.mark.parametrize("scrapes_a_minute", [1, 2, 4])
def test_errors_of_a_late_series_are_counted_to_the_event(tmp_path: Path, count: int, scrapes_a_minute: int) -> None:
    # At each place of the five minutes between two samples of the stage, with one agent for each.
    series, expected = {}, []
    for minute in range(60, 66):
        agent = f"late-{minute}"
        scrapes = scrapes_a_minute * minute
        series[run("ok", agent_type=agent)] = counter((180 * scrapes_a_minute, 10))
        series[run("error", agent_type=agent)] = late(
            scrapes, counter((180 * scrapes_a_minute - scrapes, 0), start=count)
        )
        of_it = f'{{agent_type="{agent}"}}'
        expected += [
            near("3h", f"slo:sli_errors:sum{of_it}", count),
            near("3h", f"slo:sli_total:sum{of_it}", 10 * scrapes_a_minute * 180 + count),
            near("3h", f"sum_over_time(slo:sli_errors:increase1m{of_it}[3h])", count),
        ]
    replay(tmp_path, slos_of(tmp_path, EVENTS), series, *expected, scrapes_each=f"{60 // scrapes_a_minute}s")


def test_errors_of_several_statuses_and_instances_are_each_counted(tmp_path: Path) -> None:
    series = {run("ok", pod=pod): counter((180, 10)) for pod in ("a", "b", "c")}
    series[run("error", pod="a")] = late(60, counter((120, 0), start=1))
    series[run("timeout", pod="a")] = late(63, counter((117, 0), start=2))
    series[run("error", pod="b")] = late(60, counter((120, 0), start=4))
    series[run("refused", pod="c")] = late(119, counter((61, 0), start=8))
    replay(tmp_path, slos_of(tmp_path, EVENTS), series, errors("3h", 15), total("3h", 3 * 1800 + 15))


def test_series_that_appears_late_and_grows_is_counted_to_the_event(tmp_path: Path) -> None:
    series = {
        run("ok"): counter((180, 10)),
        run("error"): late(62, counter((20, 3), (98, 0), start=3)),
    }
    replay(tmp_path, slos_of(tmp_path, EVENTS), series, errors("3h", 63))


def test_good_events_of_a_late_series_are_no_errors(tmp_path: Path) -> None:
    series = {
        run("error"): counter((180, 1)),
        run("ok"): late(62, counter((118, 0), start=50)),
    }
    replay(tmp_path, slos_of(tmp_path, GOOD), series, errors("3h", 180), total("3h", 230))


def test_events_that_are_neither_good_nor_counted_before_are_errors(tmp_path: Path) -> None:
    series = {
        run("ok"): counter((180, 10)),
        run("error"): late(62, counter((118, 0), start=50)),
    }
    replay(tmp_path, slos_of(tmp_path, GOOD), series, errors("3h", 50), total("3h", 1850))


def test_errors_of_another_metric_are_counted_from_the_first_on(tmp_path: Path) -> None:
    text = EVENTS.replace("""'runs_total{status!="ok"}'""", """'failures_total{kind=~"crash|timeout"}'""")
    series = {
        'runs_total{agent_type="chat"}': counter((180, 10)),
        'failures_total{agent_type="chat",kind="crash"}': counter((180, 0)),
        'failures_total{agent_type="chat",kind="timeout"}': late(62, counter((118, 0), start=7)),
        'failures_total{agent_type="chat",kind="other"}': counter((180, 5)),
    }
    replay(tmp_path, slos_of(tmp_path, text), series, errors("3h", 7), total("3h", 1800))


def test_target_that_comes_back_after_a_long_gap_adds_nothing(tmp_path: Path) -> None:
    # Not scraped for seventy minutes, in which it went on counting.
    def back(before: float, after: float) -> str:
        return f"{counter((60, before))} stale _x68 {counter((50, 0), start=after)}"

    series = {run("ok"): back(10, 9_000), run("error"): back(0, 5_000), run("timeout"): f"_x130 {5_000}x50"}
    replay(tmp_path, slos_of(tmp_path, EVENTS), series, errors("3h", 0), total("3h", 600))


def test_target_that_comes_back_after_a_short_gap_adds_what_it_counted_meanwhile(tmp_path: Path) -> None:
    # Not scraped for fifteen minutes. Nothing of a new series counts.
    def back(before: float, after: float) -> str:
        return f"{counter((60, before))} stale _x13 {counter((105, 0), start=after)}"

    series = {run("ok"): back(10, 750), run("error"): back(1, 75), run("timeout"): f"_x75 {5_000}x105"}
    replay(
        tmp_path,
        slos_of(tmp_path, EVENTS),
        series,
        errors("3h", 75),
        total("3h", 825),
    )


def test_target_that_comes_back_between_two_looks_adds_what_it_counted_meanwhile(tmp_path: Path) -> None:
    def back(before: float, after: float) -> str:
        return f"{counter((60, before))} stale {counter((118, 0), start=after)}"

    series = {run("ok"): back(10, 620), run("error"): back(0, 5)}
    replay(tmp_path, slos_of(tmp_path, EVENTS), series, errors("3h", 5, 0.01), total("3h", 625, 0.01))


def test_changed_label_of_the_target_adds_nothing(tmp_path: Path) -> None:
    series = {
        run("ok", owner="a"): f"{counter((60, 10))} stale",
        run("ok", owner="b"): late(61, counter((119, 0), start=600)),
        run("error", owner="a"): f"{counter((60, 1))} stale",
        run("error", owner="b"): late(61, counter((119, 0), start=60)),
        run("timeout", owner="b"): late(61, counter((119, 0), start=8_000)),
    }
    replay(tmp_path, slos_of(tmp_path, EVENTS), series, errors("3h", 60), total("3h", 660))


def test_restart_adds_just_what_was_counted_since(tmp_path: Path) -> None:
    series = {
        run("ok"): f"{counter((60, 10))} {counter((119, 0), start=7)}",
        run("error"): f"{counter((60, 1))} {counter((119, 0), start=2)}",
        # Its first error comes after the restart.
        run("timeout"): late(70, counter((110, 0), start=4)),
    }
    replay(tmp_path, slos_of(tmp_path, EVENTS), series, errors("3h", 66, 0.005), total("3h", 600 + 7 + 66, 0.005))


def test_restart_that_takes_some_minutes_adds_what_was_counted_since(tmp_path: Path) -> None:
    series = {
        run("ok"): f"{counter((60, 10))} stale _x2 {counter((116, 0), start=7)}",
        run("error"): f"{counter((60, 1))} stale _x2 {counter((116, 0), start=2)}",
    }
    replay(tmp_path, slos_of(tmp_path, EVENTS), series, errors("3h", 62), total("3h", 669))


def test_label_named_like_one_of_the_rules_tells_errors_apart(tmp_path: Path) -> None:
    text = EVENTS.replace("""'runs_total{status!="ok"}'""", """'runs_total{slo="missed"}'""")
    series = {
        'runs_total{agent_type="chat",slo="kept"}': counter((180, 9)),
        'runs_total{agent_type="chat",slo="missed"}': late(60, counter((120, 1), start=1)),
    }
    replay(tmp_path, slos_of(tmp_path, text), series, errors("3h", 121), total("3h", 1741))


def test_error_that_comes_back_after_a_restart_is_counted(tmp_path: Path) -> None:
    series = {
        run("ok"): f"{counter((60, 10))} {counter((119, 0), start=0)}",
        # The process that has just started has no error yet, and then its first one.
        run("error"): f"{counter((60, 1))} stale _x28 {counter((90, 0), start=1)}",
    }
    replay(tmp_path, slos_of(tmp_path, EVENTS), series, errors("3h", 61), total("3h", 661))


def test_series_that_expire_and_show_again_are_not_counted_twice(tmp_path: Path) -> None:
    series = {
        run("ok"): counter((180, 10)),
        run("error"): f"{counter((60, 1))} stale _x28 {counter((90, 0), start=60)}",
    }
    replay(tmp_path, slos_of(tmp_path, EXPIRING), series, errors("3h", 60), total("3h", 1860))


@pytest.mark.parametrize("text", [EVENTS, GOOD, EXPIRING], ids=["errors", "good", "expiring"])
@pytest.mark.parametrize("poison", ["NaN", "Inf", "-Inf"])
def test_sample_that_is_no_number_poisons_nothing(tmp_path: Path, text: str, poison: str) -> None:
    series = {
        run("ok", pod="a"): counter((180, 10)),
        run("error", pod="a"): counter((180, 1)),
        run("error", pod="b"): f"{counter((60, 0))} {poison} {counter((118, 0))}",
        run("ok", pod="c"): f"_x60 {poison} {counter((118, 0))}",
        run("timeout", pod="a"): f"_x60 {poison} {counter((118, 0))}",
    }
    replay(
        tmp_path,
        slos_of(tmp_path, text),
        series,
        *(
            nothing("3h", f"count_over_time(({record} {wrong})[3h:1m])")
            for record in RECORDS
            for wrong in (f"unless {record} > -Inf", "== Inf", "< 0")
        ),
        errors("3h", 180, 0.01),
        total("3h", 1980, 0.01),
    )
