"""The history for trying out `slo-engine replay`."""

from __future__ import annotations

from pathlib import Path

from deploy import backfill
from deploy.backfill import AGENTS, INCIDENTS, samples
from slo_engine.backtest.incidents import read_incidents


def test_the_history_is_the_same_each_time_and_its_incidents_can_be_read(tmp_path: Path) -> None:
    backfill.write(tmp_path)
    assert any((tmp_path / "data").iterdir())
    incidents = read_incidents(tmp_path / "incidents.yaml")
    assert [each.name for each in incidents] == [each.name for each in INCIDENTS if each.marked]
    lines = list(samples())
    assert lines == list(samples())
    assert len(lines) == 2 * len(AGENTS) * 33 * 1440
