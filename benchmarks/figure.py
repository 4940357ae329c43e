"""A figure: what was measured, and the limit it is held to."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from typing import Any


@dataclass(frozen=True)
class Figure:
    """One measurement. ``beside``: the same for something known, in the same run."""

    name: str
    value: float
    unit: str
    limit: float | None = None
    beside: str = ""

    @property
    def is_reached(self) -> bool:
        """Whether the value is below its limit."""
        return self.limit is None or self.value < self.limit

    def as_json(self) -> dict[str, Any]:
        """For scripts."""
        return {**asdict(self), "reached": self.is_reached}

    def __str__(self) -> str:
        limit = (
            "" if self.limit is None else f"  (limit {self.limit:g}: {'reached' if self.is_reached else 'NOT REACHED'})"
        )
        beside = f"  [{self.beside}]" if self.beside else ""
        return f"{self.name:<46} {self.value:>10.3f} {self.unit}{limit}{beside}"
