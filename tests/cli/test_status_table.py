"""The table of `slo-engine status`."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from slo_engine.cli import output
from slo_engine.cli.status_table import status_table
from slo_engine.definitions import load
from slo_engine.status.evaluate import GroupRecords, status_of

SLOS = load([Path(__file__).parent.parent.parent / "slos"])
NOW = datetime(2026, 11, 23, 12, 0, tzinfo=UTC)


@pytest.mark.parametrize(
    ("recorded", "said"),
    [
        (GroupRecords(total=100.0, errors=1.0, since=NOW - timedelta(minutes=5)), "50.0 %  over 5 min of data"),
        (GroupRecords(ratios={"6h": 0.01}, since=NOW - timedelta(minutes=4)), "50.0 %  estimated from 4 min of data"),
        (GroupRecords(total=100.0, errors=1.0, since=NOW - timedelta(days=90)), "50.0 %  over 30d"),
        (GroupRecords(), "no data  -"),
    ],
)
def test_budget_is_shown_with_what_it_is_measured_over(
    recorded: GroupRecords, said: str, capsys: pytest.CaptureFixture[str]
) -> None:
    slo = SLOS.find("agents", "success")
    assert slo is not None
    output.console().print(status_table([status_of(slo, {"agent_type": "support_agent"}, recorded, NOW)]))
    assert said in capsys.readouterr().out
