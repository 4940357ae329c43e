"""What the raw series say of the time before there were records is what the records hold."""

from __future__ import annotations

from pathlib import Path

import pytest

from slo_engine.definitions import Slo
from slo_engine.recording.base import raw_increases
from tests.rules.histories import counter, late, steady
from tests.rules.promtool import near, nothing, replay, slos_of
from tests.rules.shop import slo_file

EVENTS = "sli: {events: {total: runs_total, errors: 'runs_total{status=\"error\"}'}}"
SERIES = {
    'runs_total{agent_type="chat",status="ok"}': counter((180, 1.5)),
    'runs_total{agent_type="chat",status="error"}': late(60, counter((120, 0.5), start=0.5)),
    'seconds_count{agent_type="chat"}': counter((180, 2)),
    'seconds_bucket{agent_type="chat",le="15"}': counter((180, 1.25)),
    'usd_total{agent_type="chat"}': counter((180, 0.05)),
    'up_share{agent_type="chat"}': steady(0.4, 180),
}
KINDS = [
    (EVENTS, 12, 3),
    ("sli: {events: {total: runs_total, good: 'runs_total{status=\"ok\"}'}}", 12, 3),
    ("sli: {events: {total: runs_total, good: 'runs_total{status=\"fine\"}'}}", 12, 12),
    ("sli: {latency: {histogram: seconds, threshold: 15s}}", 12, 4.5),
    ("sli: {score: {histogram: seconds, above: 15}}", 12, 7.5),
    ("sli: {slices: {good: 'up_share > bool 0.5'}}", 1, 1),
    ("sli: {slices: {good: 'up_share < bool 0.5'}}", 1, 0),
    ("sli: {cost: {spend: usd_total, budget: 10 USD}}", None, 0.3),
]


def slo_of(folder: Path, sli: str) -> Slo:
    text = slo_file().replace(EVENTS, sli)
    (slo,) = slos_of(folder, text.replace(", objective: 99}", "}") if "cost" in sli else text).slos
    return slo


@pytest.mark.parametrize(("sli", "total", "errors"), KINDS)
def test_raw_increases_are_those_of_the_base_records(
    tmp_path: Path, sli: str, total: float | None, errors: float
) -> None:
    slo = slo_of(tmp_path, sli)
    raw = raw_increases(slo)
    expected = [near("20m", raw.errors, errors), near("20m", "slo:sli_errors:increase1m", errors)]
    # The first error is of 10 minutes, at 5 there is none; at 11 minutes a base has looked at 45 seconds of scrapes.
    if sli == EVENTS:
        expected += [near(at, raw.errors, value) for at, value in (("5m", 0), ("11m", 2.5), ("12m", 3))]
    assert (raw.total is None) == (total is None)
    if raw.total is not None and total is not None:
        expected += [near("20m", raw.total, total), near("20m", "slo:sli_total:increase1m", total)]
    slos = slos_of(tmp_path, (tmp_path / "slos.yaml").read_text())
    replay(tmp_path, slos, SERIES, *expected, scrapes_each="10s", waits=True)


def test_prometheus_takes_those_of_native_histograms(tmp_path: Path) -> None:
    slo = slo_of(tmp_path, "sli: {latency: {histogram: seconds, threshold: 15s, native: true}}")
    raw = raw_increases(slo)
    assert raw.total is not None
    slos = slos_of(tmp_path, (tmp_path / "slos.yaml").read_text())
    replay(tmp_path, slos, SERIES, nothing("20m", raw.total), nothing("20m", raw.errors))
