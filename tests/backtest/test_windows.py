"""Windows over a history, held to what the generated rules record of it in ``promtool``."""

from __future__ import annotations

import random
from pathlib import Path

import pytest

from slo_engine.backtest.windows import History, Windows
from slo_engine.definitions import Duration
from tests.rules.promtool import Expectation, near, replay, slos_of
from tests.rules.shop import slo_file

pytestmark = pytest.mark.takes(seconds=35)

MINUTES = 5 * 1440
POLICY = """
  - name: all-lengths
    tiers:
      - {severity: page, long: 1h, short: 5m, factor: 1}
      - {severity: page, long: 6h, short: 30m, factor: 1}
      - {severity: page, long: 7h3m, short: 7m, factor: 1}
      - {severity: ticket, long: 1d, short: 7h2m, factor: 1}
      - {severity: ticket, long: 3d, short: 2h, factor: 1}
"""


def test_windows_are_those_that_the_rules_record(tmp_path: Path) -> None:
    chance = random.Random(3)
    runs, failed = [0], [0]
    for _ in range(MINUTES):
        some = chance.choice([0, 1, 7, 300])
        runs.append(some)
        failed.append(chance.randint(0, some) if chance.random() < 0.4 else 0)
    series = {
        f'runs_total{{agent_type="chat",status="{status}"}}': " ".join(str(sum_) for sum_ in _summed(each))
        for status, each in {
            "ok": [total - lost for total, lost in zip(runs, failed, strict=True)],
            "error": failed,
        }.items()
    }
    (slo,) = (slos := slos_of(tmp_path, slo_file("window: 4d", "alerting: {policy: all-lengths}") + POLICY)).slos
    windows = Windows(History(0, runs, failed), slo.window)
    expected: list[Expectation] = []
    for window in slo.windows:
        # The rules read four days from hours, whose oldest is in or out as a whole.
        share = 1e-9 if window < slo.window else 0.01
        for minute in (MINUTES - 1440 - 5, MINUTES - 700, MINUTES - 15):
            record = f'slo:sli_error:ratio{{slo_window="{window}"}}'
            expected.append(near(f"{minute}m", record, windows.ratio(window).at(minute), share=share))
    assert Duration.parse("7h2m") in slo.windows
    replay(tmp_path, slos, series, *expected)


def _summed(each: list[int]) -> list[int]:
    found, value = [], 0
    for more in each:
        value += more
        found.append(value)
    return found
