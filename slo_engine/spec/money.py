"""Money, as budgets and limits name it."""

from __future__ import annotations

from dataclasses import dataclass
from decimal import Decimal

CENTS_COUNT = 0.1
"""Below this an amount is shown by its first digits, not in cents: a request costs a fraction of one."""


@dataclass(frozen=True)
class Budget:
    """Money for the SLO window."""

    amount: float
    currency: str

    def __str__(self) -> str:
        shown = f"{self.amount:,.2f}" if self.amount >= CENTS_COUNT else f"{Decimal(f'{self.amount:.3g}'):f}"
        return f"{shown} {self.currency}"
