"""What LangFuse stores of a run."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime


@dataclass(frozen=True)
class Observation:
    """One step of a run: the run itself (the root), a tool call, a call of a model, ..."""

    id: str
    trace_id: str
    project_id: str
    is_root: bool
    type: str
    name: str
    level: str
    status_message: str
    model: str
    start_time: datetime


@dataclass(frozen=True)
class Observations:
    """What was read of a window, newest first."""

    rows: tuple[Observation, ...]
    is_partial: bool
    """More was there than was read."""
