"""What doctor says."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

FindingKind = Literal[
    "no-data",
    "no-bucket",
    "mixed-buckets",
    "no-label",
    "unknown-label",
    "no-errors",
    "no-good",
    "no-total",
    "slow-scrapes",
    "decreasing",
    "counted-twice",
    "late-samples",
    "miscounted",
    "no-rules",
    "other-rules",
    "one-failure-pages",
    "never-enough-events",
]


@dataclass(frozen=True)
class Finding:
    """Something that keeps an SLO from doing its work, and what to do about it."""

    service: str
    slo: str
    problem: FindingKind
    message: str

    def __str__(self) -> str:
        return f"{self.service} {self.slo}: {self.message}"

    def as_json(self) -> dict[str, str]:
        """For scripts."""
        return {"service": self.service, "slo": self.slo, "problem": self.problem, "message": self.message}
