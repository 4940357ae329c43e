"""A short form of ``python -m tests.simulation``: the same runs each time."""

from __future__ import annotations

import pytest

from tests.simulation.machine import TOTAL
from tests.simulation.running import run

pytestmark = pytest.mark.takes(seconds=30)


def test_nothing_is_lost_out_of_order_or_repeated_whatever_crashes() -> None:
    assert run(20261128, runs=4, shrinks=False) is None
    assert TOTAL.acknowledged > 0
    assert TOTAL.deliveries > 0
    assert TOTAL.crashes > 0
