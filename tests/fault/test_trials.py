"""Everything at once, from a seed: a pair of Alertmanagers, engines, sinks and a nemesis. ``make test-faults`` runs
the same for long."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.fault.trial import Plan, run

pytestmark = [pytest.mark.stack, pytest.mark.takes(seconds=60)]


@pytest.mark.parametrize(
    "plan",
    [
        pytest.param(Plan(seed=1, notifications=250, rate=12), id="sqlite"),
        pytest.param(
            Plan(seed=2, store="postgresql", replicas=2, notifications=250, rate=12), id="two engines on postgresql"
        ),
    ],
)
def test_nothing_is_lost_repeated_or_out_of_order_whatever_breaks(tmp_path: Path, plan: Plan) -> None:
    report = run(plan, folder=tmp_path)
    assert report.violations == [], f"python -m tests.fault {plan}"
    assert report.verdict.counts["notifications"] >= 200
    assert report.disruptions
