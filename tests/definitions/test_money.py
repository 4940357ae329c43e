from __future__ import annotations

import pytest

from slo_engine.definitions import Budget


@pytest.mark.parametrize(
    ("amount", "shown"),
    [
        (3000, "3,000.00 USD"),
        (12.5, "12.50 USD"),
        (0.1, "0.10 USD"),
        (0.05, "0.05 USD"),
        (0.0125, "0.0125 USD"),
        (0.002, "0.002 USD"),
        (0.0000001, "0.0000001 USD"),
        (999_999_999_999, "999,999,999,999.00 USD"),
    ],
)
def test_money_is_shown_in_cents_and_below_them_by_its_digits(amount: float, shown: str) -> None:
    assert str(Budget(amount, "USD")) == shown
