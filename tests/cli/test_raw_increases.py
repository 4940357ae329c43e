"""What `replay` reads from raw series is what the base records would have held."""

from __future__ import annotations

from pathlib import Path

import pytest

from slo_engine.cli.raw_increases import narrowed, raw_increases
from tests.rules.histories import counter
from tests.rules.promtool import near, replay, slos_of
from tests.rules.shop import slo_file

EVENTS = "sli: {events: {total: runs_total, errors: 'runs_total{status=\"error\"}'}}"
SERIES = {
    'runs_total{agent_type="chat",status="ok"}': counter((30, 9)),
    'runs_total{agent_type="chat",status="error"}': counter((30, 1)),
    'seconds_count{agent_type="chat"}': counter((30, 10)),
    'seconds_bucket{agent_type="chat",le="15"}': counter((30, 7)),
    'usd_total{agent_type="chat"}': counter((30, 0.25)),
}


@pytest.mark.parametrize(
    ("sli", "total", "errors"),
    [
        (EVENTS, 50, 5),
        ("sli: {events: {total: runs_total, good: 'runs_total{status=\"ok\"}'}}", 50, 5),
        ("sli: {events: {total: runs_total, good: 'runs_total{status=\"fine\"}'}}", 50, 50),
        ("sli: {latency: {histogram: seconds, threshold: 15s}}", 50, 15),
        ("sli: {cost: {spend: usd_total, budget: 10 USD}}", None, 1.25),
    ],
)
def test_raw_increases_are_those_of_the_base_records(
    tmp_path: Path, sli: str, total: float | None, errors: float
) -> None:
    text = slo_file().replace(EVENTS, sli)
    slos = slos_of(tmp_path, text.replace(", objective: 99}", "}") if "cost" in sli else text)
    (slo,) = slos.slos
    raw = raw_increases(narrowed(slo, {"agent_type": "chat"}))
    expected = [near("20m", raw.errors, errors), near("20m", "slo:sli_errors:increase5m", errors)]
    assert (raw.total is None) == (total is None)
    if raw.total is not None and total is not None:
        expected += [near("20m", raw.total, total), near("20m", "slo:sli_total:increase5m", total)]
    replay(tmp_path, slos, SERIES, *expected)
