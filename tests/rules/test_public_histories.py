"""Histories that real users have had, with the right value: crash loops, pods that live for a minute, one NaN, a
counter of good events that appears late, other buckets in a part of the fleet."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path

import numpy as np
import pytest

from benchmarks.rules.traffic import START
from benchmarks.rules.wire import STALE, Series
from slo_engine.definitions import load
from slo_engine.recording.names import ERRORS_INCREASE, TOTAL_INCREASE
from tests.rules.law import base_counts

pytestmark = [pytest.mark.stack, pytest.mark.takes(seconds=40)]

SCRAPE = 15_000
GONE = STALE


def series(
    name: str, labels: Mapping[str, str], values: Sequence[float | None], *, first: int = 0, each: int = SCRAPE
) -> Series:
    """One sample a scrape, from scrape ``first`` on; None: no sample."""
    there = [(START + (first + number) * each, value) for number, value in enumerate(values) if value is not None]
    return Series(
        {"__name__": name, **labels},
        np.array([at for at, _ in there], dtype=np.int64),
        np.array([value for _, value in there], dtype=np.float64),
    )


BATCH = """
version: slo-engine/v1
service: batch
defaults: {by: [case], objective: 90}
slos:
  - {name: success, sli: {events: {total: runs_total, errors: 'runs_total{status="error"}'}}}
  - {name: spend, sli: {cost: {spend: usd_total, budget: 3000 USD}}}
"""


def _short_lived(case: str, phase: int, scrapes: int) -> Iterator[Series]:
    """Sixty pods, one a minute, with counters that are 0 in their first scrape, for so many scrapes after it."""
    for pod in range(60):
        for name, labels, growth in (
            ("runs_total", {"status": "success"}, 10),
            ("runs_total", {"status": "error"}, 4),
            ("usd_total", {}, 1),
        ):
            values: list[float | None] = [*(float(growth * number) for number in range(scrapes + 1)), GONE]
            yield series(name, {"case": case, "pod": f"p{pod}", **labels}, values, first=4 * pod + phase)


def test_pods_that_live_for_a_minute_are_counted_whenever_they_are_scraped(tmp_path: Path) -> None:
    cases = {f"{phase}/{scrapes}": (phase, scrapes) for phase in range(4) for scrapes in (1, 2, 3, 5, 7, 20)}
    found = [one for case, how in cases.items() for one in _short_lived(case, *how)]
    counted = base_counts(tmp_path, load(BATCH), "case", found, 17_123)
    for case, (_, scrapes) in cases.items():
        assert counted["success", TOTAL_INCREASE, case] == 60 * scrapes * 14, case
        assert counted["success", ERRORS_INCREASE, case] == 60 * scrapes * 4, case
        assert counted["spend", ERRORS_INCREASE, case] == 60 * scrapes, case


def _crash_loop(case: str, up: int, down: int, phase: int) -> Iterator[Series]:
    """One container under the same labels: so many scrapes up, counters from 0, then so many away; a healthy pod."""
    for name, labels, growth in (
        ("runs_total", {"status": "success"}, 2),
        ("runs_total", {"status": "error"}, 8),
        ("usd_total", {}, 1),
    ):
        life: list[float | None] = [float(growth * number) for number in range(up)]
        away: list[float | None] = [GONE, *[None] * (down - 1)] if down else []
        values = [value for _ in range(240 // (up + down)) for value in (*life, *away)]
        yield series(name, {"case": case, "pod": "p", **labels}, values, first=phase)
    yield series("runs_total", {"case": case, "pod": "q", "status": "success"}, [5.0] * 240)


def test_crash_loop_is_counted_whenever_it_is_looked_at(tmp_path: Path) -> None:
    cases = {
        f"{up}/{down}/{phase}": (up, down, phase)
        for up, down in ((4, 4), (3, 1), (2, 1), (2, 2), (2, 0), (3, 0), (2, 4), (5, 3), (40, 0))
        for phase in range(4)
    }
    found = [one for case, how in cases.items() for one in _crash_loop(case, *how)]
    counted = base_counts(tmp_path, load(BATCH), "case", found, 41_007)
    for case, (up, down, _) in cases.items():
        lives = 240 // (up + down)
        assert counted["success", ERRORS_INCREASE, case] == lives * (up - 1) * 8, case
        assert counted["success", TOTAL_INCREASE, case] == lives * (up - 1) * 10, case
        assert counted["spend", ERRORS_INCREASE, case] == lives * (up - 1), case


def test_restart_that_is_back_at_its_old_height_within_the_minute_is_seen(tmp_path: Path) -> None:
    # Six good runs and eight failed ones long ago; right after the restart two good ones and eight failed ones.
    found = []
    for phase in range(4):
        labels = {"case": str(phase), "pod": "p"}
        found += [
            series("runs_total", {**labels, "status": "success"}, [6.0] * (200 + phase) + [0, 1, 2] + [2.0] * 40),
            series("runs_total", {**labels, "status": "error"}, [8.0] * (200 + phase) + [0, 4, 8] + [8.0] * 40),
            series("usd_total", labels, [5.0] * (200 + phase) + [0, 2, 5] + [5.0] * 40),
        ]
    counted = base_counts(tmp_path, load(BATCH), "case", found, 3)
    for case in map(str, range(4)):
        assert counted["success", TOTAL_INCREASE, case] == 10
        assert counted["success", ERRORS_INCREASE, case] == 8
        assert counted["spend", ERRORS_INCREASE, case] == 5


@pytest.mark.parametrize("each", [15_000, 30_000, 60_000])
@pytest.mark.parametrize("poison", [np.nan, np.inf])
def test_one_sample_that_is_no_number_makes_no_counter_new(tmp_path: Path, each: int, poison: float) -> None:
    text = BATCH + "  - {name: metrics, sli: {events: {total: [all_total], errors: failed_total}}}\n"
    found = []
    for at in range(30, 35):

        def told(start: float, growth: float, at: int = at) -> list[float | None]:
            values: list[float | None] = [start + growth * number for number in range(60)]
            values[at] = poison
            return values

        labels = {"case": str(at), "instance": "1"}
        found += [
            series("runs_total", {**labels, "status": "ok"}, told(1e6, 10), each=each),
            series("runs_total", {**labels, "status": "error"}, told(2e4, 0), each=each),
            series("all_total", labels, told(1e6, 10), each=each),
            series("failed_total", labels, told(2e4, 0), each=each),
            series("usd_total", labels, told(5e3, 0), each=each),
        ]
    counted = base_counts(tmp_path, load(text), "case", found, 29_999)
    for case in map(str, range(30, 35)):
        for slo in ("success", "metrics"):
            assert counted[slo, TOTAL_INCREASE, case] == 590
            assert counted[slo, ERRORS_INCREASE, case] == 0
        assert counted["spend", ERRORS_INCREASE, case] == 0


def test_errors_of_a_young_process_are_counted_from_its_second_scrape_on(tmp_path: Path) -> None:
    found = []
    for scrape in range(1, 30):
        labels = {"case": str(scrape), "instance": "pod-1"}
        found += [
            series("runs_total", {**labels, "status": "ok"}, [float(number) for number in range(60)], first=40),
            series("runs_total", {**labels, "status": "error"}, [5.0] * 30, first=40 + scrape),
        ]
    counted = base_counts(tmp_path, load(BATCH), "case", found, 11_000)
    for case in map(str, range(1, 30)):
        assert counted["success", ERRORS_INCREASE, case] == 5, case
        assert counted["success", TOTAL_INCREASE, case] == 59 + 5, case


@pytest.mark.parametrize("minutes", [2, 5, 10, 30])
def test_slow_scrapes_count_each_event_once(tmp_path: Path, minutes: int) -> None:
    values: list[float | None] = [7e5 + 10 * number for number in range(120 // minutes)]
    labels = {"case": "slow", "instance": "pod-1", "status": "ok"}
    found = [series("runs_total", labels, values, each=minutes * 60_000)]
    counted = base_counts(tmp_path, load(BATCH), "case", found, 23_000)
    assert counted["success", TOTAL_INCREASE, "slow"] == 10 * (len(values) - 1)


JOBS = """
version: slo-engine/v1
service: jobs
defaults: {by: [case], objective: 99.9}
slos:
  - {name: good, sli: {events: {total: finished_total, good: succeeded_total}}}
"""


@pytest.mark.parametrize("target", ["pod", "instance", "container"])
def test_rolling_update_with_a_lazy_counter_of_good_events_invents_no_errors(tmp_path: Path, target: str) -> None:
    # A new process shows what it has finished from its start on, and what has succeeded with the first success.
    found = []
    for phase in range(4):
        for number in range(5):
            labels = {"case": str(phase), target: f"old{number}"}
            until: list[float | None] = [*(15.0 * scrape for scrape in range(120 + 8 * number)), GONE]
            found.append(series("finished_total", labels, until))
            found.append(series("succeeded_total", {**labels, "queue": "q"}, until))
            first = 120 + 8 * number + phase
            done: list[float | None] = [15.0 * scrape for scrape in range(1, 80)]
            labels = {"case": str(phase), target: f"new{number}"}
            found.append(series("finished_total", labels, [0.0] * 6 + done, first=first))
            found.append(series("succeeded_total", {**labels, "queue": "q"}, done, first=first + 6))
    counted = base_counts(tmp_path, load(JOBS), "case", found, 55_000)
    for case in map(str, range(4)):
        assert counted["good", ERRORS_INCREASE, case] == 0
        assert (
            counted["good", TOTAL_INCREASE, case] == sum(15 * (119 + 8 * number) for number in range(5)) + 5 * 15 * 79
        )


LATENCY = """
version: slo-engine/v1
service: mixed
defaults: {by: [case], objective: 99}
slos:
  - {name: latency, sli: {latency: {histogram: seconds, threshold: 500ms}}}
  - {name: scores, sli: {score: {histogram: seconds, above: 0.5}}}
"""


def test_targets_without_the_bucket_are_not_counted(tmp_path: Path) -> None:
    def grows(labels: Mapping[str, str], name: str, growth: float) -> Series:
        return series(name, {"case": "mixed", **labels}, [growth * number for number in range(100)])

    found = [
        grows({"pod": "new"}, "seconds_count", 90),
        grows({"pod": "new", "le": "0.1"}, "seconds_bucket", 80),
        grows({"pod": "new", "le": "0.5"}, "seconds_bucket", 81),
        grows({"pod": "old"}, "seconds_count", 10),
        grows({"pod": "old", "le": "0.1"}, "seconds_bucket", 10),
        grows({"pod": "old", "le": "1"}, "seconds_bucket", 10),
    ]
    counted = base_counts(tmp_path, load(LATENCY), "case", found, 1_000)
    assert counted["latency", TOTAL_INCREASE, "mixed"] == 90 * 99
    assert counted["latency", ERRORS_INCREASE, "mixed"] == 9 * 99
    assert counted["scores", TOTAL_INCREASE, "mixed"] == 90 * 99
    assert counted["scores", ERRORS_INCREASE, "mixed"] == 81 * 99


EXPORTER = """
version: slo-engine/v1
service: exporter
defaults: {by: [case], objective: 99.5}
slos:
  - {name: delivery, sli: {events: {total: [failed_total, sent_total], errors: failed_total}}}
"""


def test_total_of_two_counters_is_right_when_a_pod_leaves(tmp_path: Path) -> None:
    found = []
    for pod, scrapes in (("a", 200), ("b", 200), ("c", 100)):
        labels = {"case": "x", "pod": pod}
        sent: list[float | None] = [2e6 + 15 * scrape for scrape in range(scrapes)]
        found.append(series("sent_total", labels, [*sent, GONE]))
        found.append(series("failed_total", labels, [*[3e4] * scrapes, GONE]))
    # A pod that only ever failed: it has one of the two counters.
    found.append(series("failed_total", {"case": "y", "pod": "d"}, [float(scrape) for scrape in range(100)]))
    counted = base_counts(tmp_path, load(EXPORTER), "case", found, 0)
    assert counted["delivery", TOTAL_INCREASE, "x"] == 15 * (199 + 199 + 99)
    assert counted["delivery", ERRORS_INCREASE, "x"] == 0
    assert counted["delivery", TOTAL_INCREASE, "y"] == counted["delivery", ERRORS_INCREASE, "y"] == 99
