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

    @property
    def written(self) -> str:
        """As it stands in an SLO file: every digit, no separators."""
        amount = int(self.amount) if self.amount.is_integer() else Decimal(repr(self.amount))
        return f"{amount:f} {self.currency}" if isinstance(amount, Decimal) else f"{amount} {self.currency}"

    def __str__(self) -> str:
        shown = f"{self.amount:,.2f}" if self.amount >= CENTS_COUNT else f"{Decimal(f'{self.amount:.3g}'):f}"
        return f"{shown} {self.currency}"
