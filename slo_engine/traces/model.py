"""What LangFuse stores of a run."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime, timedelta


@dataclass(frozen=True, slots=True)
class Observation:
    """One step of a run: the run itself (the root), a tool call, a call of a model, ...

    A text that is not set is empty. None: the answer did not say, which is not the same.
    """

    id: str
    trace_id: str
    project_id: str
    is_root: bool
    type: str
    """``AGENT``, ``TOOL``, ``GENERATION``, ``CHAIN``, ``SPAN``, ..."""
    name: str
    level: str
    status_message: str
    model: str
    start_time: datetime
    parent_id: str = ""
    is_root_known: bool = True
    """Whether the server said so; else a parent may be something of another service."""
    end_time: datetime | None = None
    latency: float | None = None
    """Seconds."""
    time_to_first_token: float | None = None
    """Seconds."""
    environment: str | None = None
    tags: tuple[str, ...] | None = None
    trace_name: str | None = None
    release: str = ""
    version: str = ""
    user: str | None = None
    session: str | None = None
    prompt: str = ""
    """Name and version of the prompt, as LangFuse manages it."""
    cost: float = 0.0
    """US dollars."""
    metadata: Mapping[str, str] | None = None
    """What the agent wrote, without what OpenTelemetry adds."""

    @property
    def ended_at(self) -> datetime:
        """When it ended, as far as that is known."""
        if self.end_time is not None:
            return self.end_time
        return self.start_time + timedelta(seconds=self.latency or 0.0)


@dataclass(frozen=True)
class Observations:
    """What was read of a window, newest first."""

    rows: tuple[Observation, ...]
    is_partial: bool
    """More was there than was read: these are the newest."""
    unasked: int = 0
    """Rows that the server sent although they were not asked for; they are not among ``rows``."""


@dataclass(frozen=True, slots=True)
class TraceScore:
    """A judgement of a trace."""

    trace_id: str
    name: str
    value: float
    at: datetime
    """When LangFuse received it, which is later than the run."""
    comment: str = ""
    source: str = ""
    """Who judged: ``API``, ``EVAL``, ``ANNOTATION``."""
    environment: str = ""


@dataclass(frozen=True)
class TraceScores:
    """The scores of a window, newest first."""

    rows: tuple[TraceScore, ...]
    is_partial: bool


@dataclass(frozen=True)
class Count:
    """How many observations there are, by the values of some dimensions. ``values``: a dimension that is not set is
    missing."""

    number: int
    values: Mapping[str, str] = field(default_factory=dict)
