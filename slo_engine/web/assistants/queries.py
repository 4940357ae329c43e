"""The PromQL behind each figure, so that an assistant can cite it and a person can look.

In single quotes: JSON would put a backslash before each double one.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from datetime import datetime
from typing import Any

from slo_engine.definitions.duration import Duration
from slo_engine.definitions.labels import SERVICE, SLO, WINDOW
from slo_engine.definitions.targets import error_budget
from slo_engine.recording.names import BUDGET_REMAINING, ERROR_RATIO, TOTAL_SUM

FIRING = f"ALERTS{{alertstate='firing',{SLO}!=''}}"

_MONTH = Duration.parse("30d")
"""What a calendar month counts as for burn rates."""


def budget_left(status: Mapping[str, Any], *, then: bool = False) -> str | None:
    """What ``error_budget_remaining`` of a status is read from; None: there is none. ``status``: as
    ``slo-engine status --json`` has it. ``then``: as it stood at its time, whenever that is asked."""
    at = _at(status) if then else ""
    over = status.get("measured_over")
    if over is None:
        return None
    if over == status["window"]:
        return f"{BUDGET_REMAINING}{{{_of(status)}}}{at}"
    ratio = f"{ERROR_RATIO}{{{_of(status)},{WINDOW}={_quote(over)}}}{at}"
    if status.get("budget") is None:
        return f"1 - {ratio} / {_allowed(status)}"
    whole = _MONTH if status["window"] == "month" else Duration.parse(status["window"])
    return f"1 - {ratio} * {Duration.parse(over).seconds / whole.seconds:.6g}"


def burn_rate(status: Mapping[str, Any], windows: Iterable[str], *, then: bool = False) -> str:
    """What the burn rates over these windows are read from."""
    at = _at(status) if then else ""
    ratio = f"{ERROR_RATIO}{{{_of(status)},{WINDOW}=~{_quote('|'.join(windows))}}}{at}"
    # The recorded ratio of spend is the burn rate.
    return ratio if status.get("budget") is not None else f"{ratio} / {_allowed(status)}"


def events(status: Mapping[str, Any]) -> str:
    """What the number of events over the SLO window is read from."""
    return f"{TOTAL_SUM}{{{_of(status)},{WINDOW}={_quote(status['window'])}}}"


def _of(status: Mapping[str, Any]) -> str:
    labels = {SERVICE: status["service"], SLO: status["slo"], **status["group"]}
    return ",".join(f"{name}={_quote(value)}" for name, value in labels.items())


def _at(status: Mapping[str, Any]) -> str:
    return f" @ {datetime.fromisoformat(status['evaluated_at']).timestamp():.0f}"


def _allowed(status: Mapping[str, Any]) -> str:
    return f"{error_budget(status['objective']):.6g}"


def _quote(text: str) -> str:
    escaped = text.replace("\\", "\\\\").replace("'", "\\'").replace("\n", "\\n").replace("\t", "\\t")
    return f"'{escaped}'"
