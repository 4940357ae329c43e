"""Rows of runs as LangFuse shows them, at times of any day."""

from __future__ import annotations

from datetime import datetime
from typing import Any

from slo_engine.traces import Observation


def step(trace: str, name: str, at: datetime, **values: Any) -> Observation:
    """A tool call that went well, unless ``values`` say otherwise; ids are made of trace and name."""
    own: dict[str, Any] = {
        "id": f"{trace}-{name}-{at.timestamp()}",
        "project_id": "project",
        "is_root": False,
        "type": "TOOL",
        "level": "DEFAULT",
        "status_message": "",
        "model": "",
        "tags": (),
    }
    return Observation(trace_id=trace, name=name, start_time=at, **{**own, **values})


def run(trace: str, at: datetime, **values: Any) -> Observation:
    """A run of an agent: the root of its trace."""
    return step(trace, "support_agent", at, **{"is_root": True, "type": "AGENT", **values})
