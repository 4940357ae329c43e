"""One group of an SLO, whatever its kind."""

from __future__ import annotations

from pathlib import Path

import pytest

from slo_engine.recording.base import raw_increases
from tests.rules.histories import steady
from tests.rules.promtool import labelled, near, replay, slos_of
from tests.rules.shop import slo_file
from tests.rules.test_raw_increases import KINDS, SERIES, slo_of


@pytest.mark.parametrize(("sli", "total", "errors"), KINDS)
def test_a_group_is_chosen_and_the_others_are_left_out(
    tmp_path: Path, sli: str, total: float | None, errors: float
) -> None:
    two = SERIES | {series.replace("chat", "batch"): history for series, history in SERIES.items()}
    slo = slo_of(tmp_path, sli)
    raw = raw_increases(slo.narrowed({"agent_type": "chat"}))
    expected = [near("20m", raw.errors, errors)]  # of several groups this would be no number
    if raw.total is not None and total is not None:
        expected.append(near("20m", raw.total, total))
    slos = slos_of(tmp_path, (tmp_path / "slos.yaml").read_text())
    replay(tmp_path, slos, two, *expected, scrapes_each="10s", waits=True)


def test_the_value_of_a_label_may_be_any_text(tmp_path: Path) -> None:
    value = 'a "$1" \\d'
    escaped = value.replace("\\", "\\\\").replace('"', '\\"')
    slo = slo_of(tmp_path, "sli: {slices: {good: 'up_share > bool 0.5'}}")
    raw = raw_increases(slo.narrowed({"agent_type": value}))
    series = {f'up_share{{agent_type="{escaped}"}}': steady(0.4, 30), 'up_share{agent_type="$1"}': steady(0.4, 30)}
    expected = labelled("20m", f"count by (agent_type) ({raw.errors})", {"agent_type": escaped})
    replay(tmp_path, slos_of(tmp_path, (tmp_path / "slos.yaml").read_text()), series, expected)


def test_without_a_group_nothing_changes(tmp_path: Path) -> None:
    (slo,) = slos_of(tmp_path, slo_file()).slos
    assert slo.narrowed({}) is slo
