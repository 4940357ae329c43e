"""Money, as budgets and limits name it."""

from __future__ import annotations

from dataclasses import dataclass
from decimal import Decimal


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
        return f"{self.amount:,.2f} {self.currency}"
